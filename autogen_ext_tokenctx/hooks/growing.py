"""The view of a history that grows: it goes on from the one before as long as that serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from autogen_core.models import LLMMessage

from ..context.manager import ContextManager
from ..context.report import FitResult, Level
from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget
from ..tokens.profiles import PromptCache
from .fitting import Fitter
from .fold import Fold
from .history import newest_turn, split_open_call

RECALL = 0.15
"""Share of the budget that may be recalled; a compaction to its usual target leaves room for it."""

_PICTURES = 2
"""A picture that is asked for may take so many times more than what else is recalled: one is as dear as a page."""


def share_of_recall(recall: float) -> float:
    """``recall``, if it can be a share of the budget.

    Raises:
        ValueError: It is no such share.
    """
    if isinstance(recall, str) or not 0.0 <= recall < 1.0:
        raise ValueError(f"recall is a share of the budget, 0 to below 1, such as 0.15; got {recall!r}")
    return recall


class Terms(Protocol):
    """What one call asks of a view."""

    @property
    def budget(self) -> TokenBudget:
        """What the view may cost, and when it is made anew."""
        ...

    @property
    def settings(self) -> str:
        """What a view depends on beside the history; one made with others does not serve."""
        ...

    @property
    def recall(self) -> int:
        """Tokens that what the newest turn recalls may cost; 0 for none."""
        ...

    @property
    def cache(self) -> PromptCache:
        """How the provider bills what it has seen before."""
        ...

    def size(self, view: Sequence[LLMMessage], counted: int) -> int:
        """Tokens of a view as the budget counts them.

        Args:
            view: The view.
            counted: Its tokens by the counter.
        """
        ...

    async def fit(self, history: Sequence[LLMMessage], held: int, *, grows: bool) -> FitResult | None:
        """A view made anew, its report in the counter's tokens; None when that failed.

        Args:
            history: The history.
            held: Tokens of the budget to leave free.
            grows: Whether it goes on from the one that was read before.
        """
        ...


class GrowingView:
    """The view of one history.

    Args:
        fitter: Looks for what is recalled, and counts.
        manager: Has the archive of the history.
        open_ended: Whether the newest message may be of one call alone, such as an orchestrator's question.
    """

    def __init__(self, fitter: Fitter, manager: ContextManager, *, open_ended: bool) -> None:
        self._fitter = fitter
        self.manager = manager
        self._open_ended = open_ended
        self.fold: Fold | None = None

    async def read(self, history: Sequence[LLMMessage], terms: Terms) -> Fold | None:
        """The view with what the newest turn recalls; None when the history could not be fitted.

        Raises:
            BudgetTooSmallError: What has to be there does not fit.
        """
        continued = self._continued(history, terms)  # before anything is remembered of this call
        fold = await self._grown(*continued, history, terms) if continued else None
        if fold is None:
            fold = await self._made(history, terms, 0, grows=continued is not None)
        if fold is None or not fold.recalled_tokens:
            return fold
        view, report = fold.given()
        if terms.size(view, report.tokens_after) <= terms.budget.available:
            return fold
        # what is recalled does not fit beside the view: the history makes room for it, the newest message does not
        remembered = self.fold
        try:
            smaller = await self._made(history, terms, fold.recalled_tokens, grows=continued is not None)
        except BudgetTooSmallError:
            smaller = None
        if smaller is not None and smaller.recalled_tokens:
            return smaller
        turn = newest_turn(history)
        self.fold = remembered and remembered.recalling(turn, None)
        return fold.recalling(turn, None)

    async def _grown(
        self, grown: Fold, still_open: Sequence[LLMMessage], history: Sequence[LLMMessage], terms: Terms
    ) -> Fold | None:
        """The remembered view with the new messages, if it still serves."""
        counter = self._fitter.counter
        whole = grown.plus(still_open, counter)
        size = terms.size(whole.view, whole.report.tokens_after)
        if size > terms.budget.trigger_tokens and (
            size > terms.budget.available or terms.cache.pays(size, terms.budget.target_tokens, grown.growth)
        ):
            return None
        grown = replace(grown, report=grown.report.going_on())
        grown = await self._recalling(grown, history, terms, terms.recall, _PICTURES * terms.recall)
        self._remember(grown)
        return grown.plus(still_open, counter)

    async def _made(self, history: Sequence[LLMMessage], terms: Terms, held: int, *, grows: bool) -> Fold | None:
        """A view made anew that leaves some tokens of the budget to what is recalled; None when that failed."""
        result = await terms.fit(history, held, grows=grows)
        if result is None:
            return None
        fold = Fold.of(history, result, terms.settings)
        room, pictures = terms.recall, _PICTURES * terms.recall
        if held:  # there is no second try
            free = terms.budget.available - terms.size(result.messages, result.report.tokens_after)
            room = min(room, free)
            pictures = min(pictures, free - room)
        fold = await self._recalling(fold, history, terms, room, pictures)
        if not split_open_call(history)[1]:
            self._remember(fold)
        return fold

    def _continued(self, history: Sequence[LLMMessage], terms: Terms) -> tuple[Fold, Sequence[LLMMessage]] | None:
        if self.fold is None or self.fold.settings != terms.settings:
            return None
        return self.fold.read(history, self._fitter.counter)

    def _remember(self, fold: Fold) -> None:
        self.fold = fold.without_newest(self._fitter.counter) if self._open_ended else fold

    async def _recalling(
        self, fold: Fold, history: Sequence[LLMMessage], terms: Terms, room: int, pictures: int
    ) -> Fold:
        """The fold with what the newest turn recalls, looked for once a turn and compaction."""
        turn = newest_turn(history)
        if fold.recalled is not None and fold.recalled.turn == turn:
            return fold
        found = None
        if turn is not None and room > 0 and fold.report.level > Level.LOSSLESS and not fold.shortens_newest:
            earlier, asked = history[: turn.start], history[turn.start :]
            found = await self._fitter.recall(self.manager, earlier, asked, fold.view, room, pictures)
        return fold.recalling(turn, found)
