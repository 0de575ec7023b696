"""Fitting into a budget in the provider's tokens, with a counter that may count in others."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autogen_core.models import CreateResult, LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..context.manager import ContextManager
from ..context.report import FitResult
from ..context.summary import Summary
from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget
from ..tokens.calibration import Calibration, Estimate, RequestSize, is_exact, measure
from ..tokens.overflow import Overflow
from .fitting import Fitter
from .warn import WarnOnce

logger = logging.getLogger(__name__)

_ROUNDS = 5
_CLOSE = 0.95
"""A view of this share of what it may use is full enough; another fit would add little."""
_ANY = 1_000
"""Tokens of a request of which the counter is trusted: all are planned in the same proportion."""
_SMALLER = 0.8
"""Share of a refused request that is sent once more: it has one more try, and must not miss by a few tokens."""


@dataclass(frozen=True, slots=True)
class CalibratedFit:
    """A fitted request and what it is expected to cost.

    Args:
        result: The view and the report.
        size: The view, measured.
        expected: What the provider will count for it.
        calibration: What will learn from the bill.
    """

    result: FitResult
    size: RequestSize
    expected: Estimate
    calibration: Calibration


class CalibratedFitter:
    """Fits into budgets in the tokens of the model that answers, and learns them from its bills.

    The manager counts with its counter all the same, whose counts are additive and cached; the budget is translated
    into the counter's tokens, with room for the margin of the estimate. A limit that a refusal has shown is kept to
    like a smaller budget.

    Args:
        fitter: Fits, and brings the counter.
        model: The model that answers, "" when it is not known.
        trusted: Take the counter at its word until bills contradict it.
    """

    def __init__(self, fitter: Fitter, model: str, *, trusted: bool) -> None:
        self._fitter = fitter
        self._model = model
        self._trusted = trusted
        self._calibrations: dict[str, Calibration] = {}
        self._limits: dict[str, int] = {}
        self._ceilings: list[Calibration] = []
        self._warn = WarnOnce()

    async def fit(
        self,
        manager: ContextManager,
        messages: Sequence[LLMMessage],
        budget: TokenBudget,
        tools: Sequence[Tool | ToolSchema],
        model: str | None,
        summary: Summary | None = None,
    ) -> CalibratedFit | None:
        """What ``manager`` makes of ``messages``, in a budget of the provider's tokens; None when it fails.

        Args:
            manager: The manager of the agent that calls.
            messages: The whole request.
            budget: In the provider's tokens.
            tools: The tools sent along.
            model: The model of this call, if it is not the usual one.
            summary: What a model said of the first messages.

        Raises:
            BudgetTooSmallError: What has to be in the request does not fit.
        """
        learned = self.within_limit(budget, model)
        try:
            return await self._fit(manager, messages, learned, tools, model, summary)
        except BudgetTooSmallError:
            if learned is budget:
                raise
            # What was learned is no promise: what fits the budget is sent, and the provider decides.
            return await self._fit(manager, messages, budget, tools, model, summary)

    def upper(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], model: str | None) -> int:
        """What a request is planned with: the most that the provider may well count for it."""
        calibration = self._calibration(model)
        if calibration.is_trusted:  # the count alone, without the traits of every message
            return calibration.least(self._fitter.counter.count_request(messages, tools))
        return self.expect(messages, tools, model).upper

    def estimated(
        self, result: FitResult, tools: Sequence[Tool | ToolSchema], model: str | None, limit: int
    ) -> CalibratedFit:
        """A view with what it is expected to cost, and a report in the provider's tokens.

        Args:
            result: The view, and a report in the counter's tokens.
            tools: The tools sent along.
            model: The model of this call, if it is not the usual one.
            limit: The budget.
        """
        calibration = self._calibration(model)
        size = measure(result.messages, tools, self._fitter.counter)
        expected = calibration.plan(size)
        before = result.report.tokens_before + size.counted - result.report.tokens_after
        report = replace(
            result.report,
            budget=limit,
            tokens_before=before * expected.tokens // size.counted,
            tokens_after=expected.tokens,
        )
        return CalibratedFit(replace(result, report=report), size, expected, calibration)

    def expect(
        self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], model: str | None = None
    ) -> Estimate:
        """What the provider would count for a request as it stands."""
        return self._calibration(model).plan(measure(messages, tools, self._fitter.counter))

    def learn(self, fitted: CalibratedFit, result: CreateResult, *, has_schema: bool = False) -> int | None:
        """Learn from a bill; the input tokens it states, None when it states none.

        Args:
            fitted: What was sent.
            result: The answer, with the bill.
            has_schema: Whether it was sent with a schema of the answer, whose price no counter knows exactly.
        """
        # A cached result repeats a bill of another time, and some clients give 0 or nothing for what they do not know.
        billed: Any = getattr(result.usage, "prompt_tokens", None)
        if result.cached or not isinstance(billed, int) or billed <= 0:
            return None
        self._observe(fitted, billed, has_schema)
        return billed

    def within_limit(self, budget: TokenBudget, model: str | None) -> TokenBudget:
        """``budget``, or what of it the model takes, as far as its refusals and its bills have shown."""
        limits = self._limits.get(self._name(model)), self._calibration(model).ceiling
        return within(budget, min((limit for limit in limits if limit is not None), default=budget.available))

    def learn_refusal(self, fitted: CalibratedFit, overflow: Overflow, model: str | None, *, has_schema: bool) -> int:
        """Learn from a refusal; the tokens the request may have when it is sent once more.

        Args:
            fitted: What was sent.
            overflow: What the provider says of it.
            model: The model of this call, if it is not the usual one.
            has_schema: As for `learn`.
        """
        if overflow.requested is not None and not has_schema:  # it is what a bill would have said
            self._observe(fitted, overflow.requested, has_schema)
        sent = fitted.calibration.plan(fitted.size).upper
        room = max(1, int(_SMALLER * sent))
        limit = overflow.input_limit
        if limit is not None:
            room = max(1, min(room, limit, sent * limit // (overflow.requested or sent)))
        # A limit above the estimate of what was refused is no help: it is the estimate that is kept within it.
        self._keep_within(limit if limit is not None and limit < sent else room, model)
        return room

    async def _fit(
        self,
        manager: ContextManager,
        messages: Sequence[LLMMessage],
        budget: TokenBudget,
        tools: Sequence[Tool | ToolSchema],
        model: str | None,
        summary: Summary | None,
    ) -> CalibratedFit | None:
        search = _Search(self._fitter, manager, messages, budget, tools, self._calibration(model), summary)
        try:
            return await search.run(cautious=True)
        except BudgetTooSmallError:
            if search.calibration.is_trusted and search.calibration.least(_ANY) <= _ANY:
                raise
            # What must be there does not fit with the margin. It may well fit without it: better than to give up.
            return await search.run(cautious=False)

    def _observe(self, fitted: CalibratedFit, counted: int, has_schema: bool) -> None:
        if has_schema and fitted.calibration.is_trusted:  # the schema may be wrong, the counter need not be
            return
        try:
            fitted.calibration.observe(fitted.size, counted)
            self._warn_of_ceiling(fitted.calibration)
        except Exception as error:  # a call that went well must not fail for its bill
            self._warn("learn", f"a bill of {counted} tokens could not be learned from ({error!r})")

    def _warn_of_ceiling(self, calibration: Calibration) -> None:
        """One warning for each model whose server cuts prompts."""
        if calibration.ceiling is None or calibration in self._ceilings:
            return
        self._ceilings.append(calibration)
        logger.warning(
            "the server of model %r seems to cut requests at %d tokens without saying so: its bills do not grow any "
            "more while the requests do. They stay within %d input tokens from now on. Give the server a larger window "
            "(num_ctx of Ollama, for example), or set budget=%d or less.",
            next((name for name, known in self._calibrations.items() if known is calibration), ""),
            *(calibration.ceiling,) * 3,
        )

    def _keep_within(self, limit: int, model: str | None) -> None:
        """Keep later requests to the model within a limit, with one warning a model."""
        name = self._name(model)
        if name not in self._limits:
            logger.warning(
                "model %r refused a request as too long; requests to it stay within %d input tokens from now on. "
                "Set budget=%d or less, then they fit at once and leave the reply the room you want.",
                name,
                limit,
                limit,
            )
        self._limits[name] = min(limit, self._limits.get(name, limit))

    def dump(self) -> dict[str, Any]:
        """What was learned, by model, as JSON values."""
        return {model: calibration.dump() for model, calibration in self._calibrations.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump` gave; a broken part is left out with one warning."""
        for model, learned in state.items():
            try:
                self._calibrations[model] = Calibration.load(learned)
            except Exception as error:
                self._warn("load", f"the saved calibration of model {model!r} is broken and left out: {error}")

    def _name(self, model: str | None) -> str:
        return self._model if model is None else model

    def _calibration(self, model: str | None) -> Calibration:
        name = self._name(model)
        if name not in self._calibrations:
            trusted = self._trusted and (name == self._model or is_exact(name))
            self._calibrations[name] = Calibration(trusted=trusted)
        return self._calibrations[name]


@dataclass(frozen=True, slots=True)
class _Search:
    """One request, fitted until the estimate of what is sent fills the budget and stays in it."""

    fitter: Fitter
    manager: ContextManager
    messages: Sequence[LLMMessage]
    budget: TokenBudget
    tools: Sequence[Tool | ToolSchema]
    calibration: Calibration
    summary: Summary | None

    async def run(self, *, cautious: bool) -> CalibratedFit | None:
        planned, counted = self._plan(cautious)
        best: CalibratedFit | None = None
        for _ in range(_ROUNDS):
            # The share of the counter's tokens in the provider's differs with what is chosen, hence the rounds.
            fitted = await self._fit(max(1, self.budget.available * counted // planned), planned, counted)
            if fitted is None:
                return None
            cost = fitted.expected.upper if cautious else fitted.expected.tokens
            over = cost > self.budget.available
            if not over and (best is None or fitted.expected.tokens > best.expected.tokens):
                best = fitted
            elif not over:
                break
            if not over and (not fitted.result.report.steps or cost >= _CLOSE * self.budget.target_tokens):
                break
            planned, counted = (cost + cost // 50 if over else cost), fitted.size.counted
        if best is None:
            needed = self.budget.reserve + planned
            raise BudgetTooSmallError(self.budget.limit, needed, ["the request, as the model counts it"])
        return best

    def _plan(self, cautious: bool) -> tuple[int, int]:
        """How many of the provider's tokens go with how many of the counter's, in the whole request."""
        if self.calibration.is_trusted:
            return (self.calibration.least(_ANY), _ANY) if cautious else (1, 1)
        whole = measure(self.messages, self.tools, self.fitter.counter)
        expected = self.calibration.plan(whole)
        return expected.upper if cautious else expected.tokens, whole.counted

    async def _fit(self, available: int, planned: int, counted: int) -> CalibratedFit | None:
        translated = self.budget.model_copy(update={"limit": available + self.budget.reserve})
        try:
            result = await self.fitter.fit(
                self.manager, self.messages, translated, tools=self.tools, summary=self.summary
            )
        except BudgetTooSmallError as error:
            needed = self.budget.reserve + -(-(error.needed - self.budget.reserve) * planned // counted)
            raise BudgetTooSmallError(self.budget.limit, max(needed, self.budget.limit + 1), error.what) from None
        if result is None:
            return None
        size = measure(result.messages, self.tools, self.fitter.counter)
        expected = self.calibration.plan(size)
        return CalibratedFit(result, size, expected, self.calibration)


def within(budget: TokenBudget, tokens: int) -> TokenBudget:
    """``budget`` with at most that many tokens available; the very same when it has no more.

    Example:
        >>> within(TokenBudget(limit=1_000, reserve=100), 500).available
        500
    """
    if budget.available <= tokens:
        return budget
    return budget.model_copy(update={"limit": tokens + budget.reserve})
