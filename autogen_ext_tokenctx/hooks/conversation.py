"""The requests of one agent through the client hook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..context.manager import ContextManager
from ..context.report import FitResult
from ..context.summary import ContextSummarizer
from ..tokens.budget import TokenBudget
from ..tokens.profile_table import profile_of
from ..tokens.profiles import PromptCache
from .calibrated import CalibratedFit, CalibratedFitter, within
from .fitting import Fitter
from .growing import GrowingView
from .prefix import SentPrefix
from .summaries import Summaries


@dataclass(frozen=True, slots=True)
class _Terms:
    """What one request asks of the view: in the budget that was given, with the target of a request of its own."""

    given: TokenBudget
    alone: float
    budget: TokenBudget
    settings: str
    recall: int
    cache: PromptCache
    calibrated: CalibratedFitter
    manager: ContextManager
    tools: Sequence[Tool | ToolSchema]
    model: str | None
    summaries: Summaries | None

    def size(self, view: Sequence[LLMMessage], counted: int) -> int:
        return self.calibrated.upper(view, self.tools, self.model)

    async def fit(self, history: Sequence[LLMMessage], held: int, *, grows: bool) -> FitResult | None:
        # What does not go on will not grow either, as far as anyone knows: there is nothing to leave room for.
        target = self.given.target if grows else self.alone
        allowed = self.given.model_copy(update={"target": target, "reserve": self.given.reserve + held})
        summary = await self.summaries.for_compaction(history, self.budget) if self.summaries else None
        fitted = await self.calibrated.fit(self.manager, history, allowed, self.tools, self.model, summary)
        return fitted and fitted.result


class Conversation:
    """The requests of one agent: each goes on from the view of the one before where that serves.

    Args:
        fitter: Makes the manager, and counts.
        calibrated: Fits in the provider's tokens.
        model: The model that answers, "" when it is not known.
        summarizer: Has a model summarise what is about to leave the requests; None for none.
    """

    def __init__(
        self, fitter: Fitter, calibrated: CalibratedFitter, model: str, summarizer: ContextSummarizer | None
    ) -> None:
        self._calibrated = calibrated
        self._model = model
        self._growing = GrowingView(fitter, fitter.new_manager(), open_ended=True)
        self._prefix = SentPrefix(fitter.counter)
        self._summaries = summarizer and Summaries(summarizer, fitter.counter)

    @property
    def manager(self) -> ContextManager:
        """Has the archive of what left the requests."""
        return self._growing.manager

    async def close(self) -> None:
        """Gives up what is being done in the background, and sees it end."""
        if self._summaries is not None:
            await self._summaries.close()

    async def fit(
        self,
        history: Sequence[LLMMessage],
        budget: int | TokenBudget,
        tools: Sequence[Tool | ToolSchema],
        model: str | None,
        *,
        call_id: str,
        recall: float,
        most: int | None = None,
    ) -> CalibratedFit | None:
        """The next request, fitted; None when that failed.

        Args:
            history: The whole request.
            budget: In the provider's tokens. A number is filled up to the last token by a request of its own; one that
                goes on from the last is compacted to the usual target.
            tools: The tools sent along.
            model: The model of this call, if it is not the usual one.
            call_id: Which model call it is.
            recall: Share of the budget that may come back for one turn.
            most: Tokens the request may have, if that is less.

        Raises:
            BudgetTooSmallError: What has to be in the request does not fit.
        """
        given = TokenBudget.of(budget)
        if most is not None:
            given = within(given, most)
        allowed = self._calibrated.within_limit(given, model)
        alone = 1.0 if isinstance(budget, int) else given.target
        cache = profile_of(self._model if model is None else model).cache
        settings, room = repr((allowed, model)), int(recall * allowed.available)
        calibrated, manager = self._calibrated, self.manager
        terms = _Terms(
            *(given, alone, allowed, settings, room, cache, calibrated, manager, tools, model), self._summaries
        )
        fold = await self._growing.read(history, terms)
        if fold is None:
            return None
        view, report = fold.given()
        fitted = calibrated.estimated(FitResult(view, report), tools, model, allowed.limit)
        if self._summaries is not None:
            self._summaries.consider(history, fitted.expected.tokens, allowed)
        served = self._prefix.served(view, fitted.size.counted, tools, cache)
        served = served * fitted.expected.tokens // max(1, fitted.size.counted)
        report = replace(fitted.result.report, cached_tokens=served, cache_break=self._prefix.broken, call_id=call_id)
        return replace(fitted, result=FitResult(view, report))
