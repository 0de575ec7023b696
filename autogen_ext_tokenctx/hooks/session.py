"""The calls of one agent: each goes on from the view of the one before, as long as that serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from autogen_core.models import LLMMessage

from ..context.manager import ContextManager
from ..context.report import FitReport, FitResult
from ..context.request import FitRequest
from ..errors import BudgetTooSmallError
from ..forms.form import FitStep, Form, Level
from ..messages.calls import split_open_call
from ..messages.groups import same_objects
from ..messages.turns import Turn, newest_turn, question_before
from ..models.profiles import PromptCache
from ..retrieval.recall import Recalled
from ..summary.background import Summaries
from ..tokens.budget import TokenBudget
from ..tokens.calibrated import BudgetTranslation, CalibratedCounter, PlannedRequest
from ..tokens.counting import TokenCounter
from ..warn import WarnOnce
from .incremental_view import IncrementalView, SentPrefix

RECALL = 0.15
"""Share of the budget that may be recalled; a compaction to its usual target leaves that much."""

_PICTURES = 2
"""A picture that is asked for may take so many times more than what else is recalled: one is as dear as a page."""


def share_of_recall(recall: float) -> float:
    """Return ``recall``; raise ValueError where it cannot be a share of the budget."""
    if isinstance(recall, str) or not 0.0 <= recall < 1.0:
        raise ValueError(f"recall is a share of the budget, 0 to below 1, such as 0.15; got {recall!r}")
    return recall


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """What one call asks of the session of its agent."""

    fit: FitRequest  # what is to be fitted, its budget in the tokens of the model that answers
    given: TokenBudget  # the budget as it was given, where ``fit`` has less of it for a limit that was learned
    # whether a view that goes on from no other fills the budget: it was given as a number, whose target is for views
    # that will grow
    must_fill: bool
    counter: CalibratedCounter  # counts in the tokens of the model that answers
    cache: PromptCache  # how the provider bills what it has seen before
    recall: float  # share of the budget that what the newest turn recalls may cost; 0 for none
    settings: str  # what a view depends on beside the history; one made with others does not serve
    call_id: str  # which model call it is
    budget_source: str  # where the budget comes from
    # gives the request the shape that the model's endpoint takes; None where it takes any
    shape: Callable[[Sequence[LLMMessage]], list[LLMMessage]] | None = None


@dataclass(frozen=True, slots=True)
class FittedCall:
    """What a call gets."""

    view: list[LLMMessage]  # the messages
    report: FitReport  # what was done, in the tokens of the model that answers
    planned: PlannedRequest  # what the call is expected to cost


class _Made(NamedTuple):
    """A view for one call, and what of it the next one may go on from; None where an open tool call forbids that."""

    view: IncrementalView
    kept: IncrementalView | None

    def without_recall(self, turn: Turn | None, counter: TokenCounter) -> _Made:
        return _Made(self.view.recalling(turn, None, counter), self.kept and self.kept.recalling(turn, None, counter))


class Session:
    """The calls of one agent, and the manager that has the archive of what left their views."""

    def __init__(self, manager: ContextManager, *, open_ended: bool, summaries: Summaries | None) -> None:
        self.manager = manager
        self.summaries = summaries
        self.view: IncrementalView | None = None  # as of the last call that succeeded
        self._open_ended = open_ended  # the newest message may be of one call alone, as an orchestrator's question
        self._prefix = SentPrefix(manager.counter)
        self._warn = WarnOnce()

    def __repr__(self) -> str:
        return f"Session(view={self.view and len(self.view.view)}, archive={self.manager.archive!r})"

    @property
    def is_blank(self) -> bool:
        """Return whether nothing of its history is remembered that another one may not see."""
        return not self.manager.archive and (self.summaries is None or self.summaries.is_blank)

    async def preload(self, message: LLMMessage, number: int) -> None:
        """Have the manager read a new message; what fails here fails again, and is told, when it is fitted."""
        with suppress(Exception):
            await self.manager.learn(message, number)

    def cancel(self) -> None:
        """Give up what is being done in the background."""
        if self.summaries is not None:
            self.summaries.cancel()

    async def close(self) -> None:
        """Give up what is being done in the background, and see it end."""
        if self.summaries is not None:
            await self.summaries.close()

    async def fit(self, call: CallRequest) -> FittedCall | None:
        """Return what a call gets; None, with one warning, when its history could not be fitted."""
        continued = self._continued(call)
        made = await self._grown(*continued, call) if continued else None
        if made is None:
            made = await self._compacted(call, goes_on=continued is not None)
        if made is None:
            return None
        if made.view.recalled_tokens and self._size(*made.view.given(), call) > call.fit.budget.available:
            made = await self._making_room(made, call, goes_on=continued is not None)
        given, told = made.view.given()
        view, report = self._shaped(given, told, call)
        if report is not told and self._size(view, report, call) > call.fit.budget.available:
            more = report.tokens_after - told.tokens_after + made.view.recalled_tokens
            made = await self._compacted(call, goes_on=continued is not None, reserved=more) or made
            view, report = self._shaped(*made.view.given(), call)
        planned = call.counter.plan(view, call.fit.tools, report.tokens_after)
        served = self._prefix.served(view, planned.counted, call.fit.tools, call.cache)
        if made.kept is not None:
            self.view = made.kept.without_newest(self.manager.counter) if self._open_ended else made.kept
        if self.summaries is not None:
            self.summaries.consider(call.fit.messages, planned.expected.tokens, call.fit.budget)
        return FittedCall(view, self._told(report, planned, served, call), planned)

    def _continued(self, call: CallRequest) -> tuple[IncrementalView, Sequence[LLMMessage]] | None:
        """Return the view that the history goes on from, and an open tool call at its end; None where it does not."""
        if self.view is None or self.view.settings != call.settings:
            return None
        return self.view.extended(call.fit.messages, self.manager.counter)

    async def _grown(self, view: IncrementalView, still_open: Sequence[LLMMessage], call: CallRequest) -> _Made | None:
        """Return the view that goes on, if it still serves."""
        counter, budget = self.manager.counter, call.fit.budget
        view = view.with_beside(self._beside(call))
        whole = view.plus(still_open, counter)
        size = self._size(whole.view, whole.report, call)
        if size > budget.trigger_tokens and (
            size > budget.available or call.cache.pays(size, budget.target_tokens, view.growth)
        ):
            return None
        tokens = int(call.recall * budget.available)
        view = replace(view, report=view.report.going_on())
        view = await self._recalling(view, call, tokens, _PICTURES * tokens)
        return _Made(view.plus(still_open, counter), view)

    async def _compacted(self, call: CallRequest, *, goes_on: bool, reserved: int = 0) -> _Made | None:
        """Return a view made anew that leaves ``reserved`` tokens to what is recalled; None when that failed."""
        asked, allowed = call.fit, call.fit.budget
        summary = await self.summaries.for_compaction(asked.messages, allowed) if self.summaries else None
        # What goes on from no view will not grow either, as far as anyone knows: nothing is to be left for that.
        changes = {"target": 1.0} if call.must_fill and not goes_on else {}
        budgets = [
            budget.model_copy(update={**changes, "reserve": budget.reserve + reserved})
            for budget in (allowed, call.given)
        ]
        translation = BudgetTranslation(call.counter, asked.messages, asked.tools, budgets)
        best: FitResult | None = None
        while (budget := translation.budget) is not None:
            try:
                result = await self.manager.fit_request(replace(asked, budget=budget, summary=summary))
            except BudgetTooSmallError as error:
                translation.too_small(error)
            except Exception as error:  # an agent must not die because its context could not be fitted
                self._warn(
                    "fit", f"the context could not be fitted ({error!r}); it is sent whole, with broken pairs repaired"
                )
                return None
            else:
                is_best = translation.fitted(result.messages, result.report.tokens_after, bool(result.report.steps))
                best = result if is_best else best
        assert best is not None
        view = IncrementalView(
            tuple(call.fit.messages), tuple(best.messages), best.report, call.settings, beside=self._beside(call)
        )
        tokens = int(call.recall * allowed.available)
        pictures = _PICTURES * tokens
        if reserved:  # there is no second try
            free = allowed.available - self._size(best.messages, best.report, call)
            tokens = min(tokens, free)
            pictures = min(pictures, free - tokens)
        view = await self._recalling(view, call, tokens, pictures)
        return _Made(view, None if split_open_call(call.fit.messages)[1] else view)

    async def _making_room(self, made: _Made, call: CallRequest, *, goes_on: bool) -> _Made:
        """Return a view with what is recalled: the history makes room for it, the newest message does not."""
        try:
            smaller = await self._compacted(call, goes_on=goes_on, reserved=made.view.recalled_tokens)
        except BudgetTooSmallError:
            smaller = None
        if smaller is not None and not smaller.view.shortens_newest:
            return smaller  # where it recalls nothing, it has by itself what the newest turn asks for
        return made.without_recall(newest_turn(call.fit.messages), self.manager.counter)

    async def _recalling(self, view: IncrementalView, call: CallRequest, tokens: int, pictures: int) -> IncrementalView:
        """Return the view with what the newest turn recalls, looked for once a turn and compaction."""
        turn = newest_turn(call.fit.messages)
        if view.recalled is not None and view.recalled.turn == turn:
            return view
        found = None
        if turn is not None and tokens > 0 and view.report.level > Level.LOSSLESS and not view.shortens_newest:
            found = await self._recalled(turn, view.view, call, tokens, pictures)
        return view.recalling(turn, found, self.manager.counter)

    async def _recalled(
        self, turn: Turn, view: Sequence[LLMMessage], call: CallRequest, tokens: int, pictures: int
    ) -> Recalled | None:
        try:
            history = call.fit.messages
            earlier, asked = history[: turn.start], history[turn.start :]
            question = question_before(history, turn, self.manager.prioritizer.people)
            return await self.manager.recall(
                *(earlier, asked, view, tokens, pictures, question), expandable=call.fit.expandable
            )
        except Exception as error:  # what is recalled comes on top: the view serves without it
            self._warn("recall", f"nothing is recalled ({error!r}); the view is sent without it")
            return None

    def _shaped(
        self, given: list[LLMMessage], report: FitReport, call: CallRequest
    ) -> tuple[list[LLMMessage], FitReport]:
        """Return what the model's endpoint takes, and what that changed in the report; both as they are if nothing."""
        if call.shape is None:
            return given, report
        shaped = call.shape(given)
        if same_objects(shaped, given):
            return given, report
        counter = self.manager.counter
        more = sum(map(counter.count_message, shaped)) - sum(map(counter.count_message, given))
        why = "what the model's endpoint takes"
        step = FitStep(-1, "request", Form.SHAPED, max(0, -more), max(0, more), why)
        return shaped, replace(report, tokens_after=report.tokens_after + more, steps=(*report.steps, step))

    def _beside(self, call: CallRequest) -> int:
        """Return the tokens of tools and reply priming, by the counter."""
        return self.manager.counter.count_request((), call.fit.tools)

    @staticmethod
    def _size(view: Sequence[LLMMessage], report: FitReport, call: CallRequest) -> int:
        """Return the tokens that a view is planned with."""
        return call.counter.plan(view, call.fit.tools, report.tokens_after).expected.upper

    def _told(self, report: FitReport, planned: PlannedRequest, served: int, call: CallRequest) -> FitReport:
        """Return the report of the call in the tokens of the model that answers."""
        counted, expected = max(1, planned.counted), planned.expected.tokens
        before = report.tokens_before + planned.counted - report.tokens_after
        return replace(
            report,
            budget=call.fit.budget.limit,
            reserve=call.fit.budget.reserve,
            tokens_before=before * expected // counted,
            tokens_after=expected,
            cached_tokens=served * expected // counted,
            cache_break=self._prefix.broken,
            call_id=call.call_id,
            budget_source=call.budget_source,
        )
