"""The invariants of the package as assertions, over (history, budget, result)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from autogen_core.models import LLMMessage

from autogen_ext_tokenctx.context.invariants import (
    DialogueStays,
    InstructionsStay,
    Invariant,
    NothingLost,
    PinnedStay,
    RequestStays,
    Untouched,
    Useful,
    WithinBudget,
    unpaired,
)
from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.quotations import HANDLE, OrderAndTruth, Source, false_neighbours
from autogen_ext_tokenctx.context.quotations import quotable_texts as texts
from autogen_ext_tokenctx.context.report import FitReport, FitResult
from autogen_ext_tokenctx.context.request import FitRequest
from autogen_ext_tokenctx.forms.form import Level
from autogen_ext_tokenctx.messages.groups import message_key
from autogen_ext_tokenctx.tokens.budget import TokenBudget

__all__ = ["HANDLE", "texts"]


class Said:
    """The sources of some messages, each read once."""

    _known: ClassVar[dict[Hashable, Source]] = {}

    @classmethod
    def by(cls, messages: Sequence[LLMMessage]) -> Source:
        key = tuple(map(message_key, messages))
        if key not in cls._known:
            cls._known[key] = Source(messages)
        return cls._known[key]


def holds(invariant: Invariant, history: Sequence[LLMMessage], result: FitResult, budget: int = 1) -> None:
    """Assert that an invariant holds."""
    request = FitRequest(messages=history, budget=TokenBudget.of(budget, target=1.0))
    found = invariant.violations(request, result)
    assert not found, found


def check_budget(manager: ContextManager, budget: int, result: FitResult) -> None:
    """G1: the whole request fits, and the report tells the truth about it."""
    holds(WithinBudget(manager.counter), (), result, budget)


def check_pairs(view: Sequence[LLMMessage]) -> None:
    """G2: as a provider checks it."""
    assert list(unpaired(view)) == []


def check_pinned(history: Sequence[LLMMessage], view: Sequence[LLMMessage]) -> None:
    """G3: system messages, the first user task, the newest message."""
    report = FitReport(budget=1, tokens_before=0, tokens_after=0, level=Level.NONE, steps=())
    holds(PinnedStay(), history, FitResult(list(view), report))


def check_order(manager: ContextManager, history: Sequence[LLMMessage], result: FitResult) -> None:
    """G4: what stays is in order; nothing is invented; what is shortened says so and can be had back."""
    holds(OrderAndTruth(manager.expand), history, result)


def check_neighbours(text: str, sources: Sequence[Source], *, labelled: bool = False) -> None:
    """Part of G4: rows that stand together are neighbours in one source, or a mark is between them."""
    found = list(false_neighbours(text, sources, labelled=labelled))
    assert not found, found


def check_untouched(
    history: Sequence[LLMMessage], before: Sequence[LLMMessage], result: FitResult, budget: int
) -> None:
    """G5: nothing stored is mutated; under the trigger the view is the history and the report has no steps."""
    assert list(history) == list(before)
    holds(Untouched(), history, result, budget)


def check_nothing_lost(manager: ContextManager, history: Sequence[LLMMessage], result: FitResult) -> None:
    """G6: what left the view comes back word for word."""
    holds(NothingLost(manager.expand), history, result)


def check_useful(manager: ContextManager, history: Sequence[LLMMessage], budget: int, result: FitResult) -> None:
    """G7: never empty, never longer than what it shortens, and the budget is used."""
    holds(Useful(manager.counter), history, result, budget)


def check_turns(history: Sequence[LLMMessage], result: FitResult, budget: int) -> None:
    """G9, G10, G14: the current request, questions with their answers, standing instructions."""
    for invariant in (RequestStays(), DialogueStays(), InstructionsStay()):
        holds(invariant, history, result, budget)
