"""The guarantees over random histories, a third of them broken, five budgets each.

By default over 40 histories, always the same; with `--hypothesis-profile random` over 2,000 others each time.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from hypothesis import given, settings

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.report import FitResult
from autogen_ext_tokenctx.errors import BudgetTooSmallError
from tests.support import guarantees as check
from tests.support.random_histories import PICTURE, histories

SHARED = ContextManager()
"""Counts and profiles are remembered over the examples, as they are over an agent's life."""

SHARES = (0.1, 0.25, 0.5, 0.8, 1.2)


_LOOP = asyncio.new_event_loop()
"""One for all fits: to start one costs more than most of them."""


def fit(manager: ContextManager, history: list[LLMMessage], budget: int) -> FitResult:
    return _LOOP.run_until_complete(manager.fit(history, budget))


def fit_or_ask(manager: ContextManager, history: list[LLMMessage], budget: int) -> FitResult | BudgetTooSmallError:
    """The result, or the error that says what is needed."""
    try:
        return fit(manager, history, budget)
    except BudgetTooSmallError as error:
        return error


@settings(max_examples=40 if settings().derandomize else 2_000)
@given(history=histories())
def test_every_guarantee_holds_for_any_history(history: list[LLMMessage]) -> None:
    check_all(history)


@given(history=histories())
def test_and_when_not_all_of_it_is_looked_at(history: list[LLMMessage]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, groups in (("_ALL", 5), ("_RECENT", 2), ("_FOUND", 3), ("_BINDING", 2)):
            patch.setattr(f"autogen_ext_tokenctx.selection.scope.{name}", groups)
        check_all(history)


def check_all(history: list[LLMMessage]) -> None:
    before = deepcopy(history, {id(PICTURE): PICTURE})
    whole = SHARED.counter.count_request(history)
    for share in SHARES:
        manager = SHARED.for_agent()
        budget = max(1, int(share * whole))
        result = fit_or_ask(manager, history, budget)
        if isinstance(result, BudgetTooSmallError):
            assert result.what
            assert result.budget == budget < result.needed
            budget = result.needed  # what the error asks for is enough
            result = fit(manager, history, budget)
        if share == SHARES[2]:  # G8
            assert fit(manager, history, budget).messages == result.messages
        check.check_budget(manager, budget, result)
        check.check_pairs(result.messages)
        check.check_pinned(history, result.messages)
        check.check_order(manager, history, result)
        check.check_untouched(history, before, result, budget)
        check.check_nothing_lost(manager, history, result)
        check.check_useful(manager, history, budget, result)
        check.check_turns(history, result, budget)


def test_budget_error_is_never_silent() -> None:
    with pytest.raises(BudgetTooSmallError):
        fit(ContextManager(), [], 0)


def test_the_newest_message_is_there_though_many_that_cannot_be_sent_came_after_it() -> None:
    history: list[LLMMessage] = [UserMessage(content=f"Note {n} on the way home.", source="user") for n in range(20)]
    history += [AssistantMessage(content=[], source="coder") for _ in range(9)]
    with pytest.MonkeyPatch.context() as patch:
        for name, groups in (("_ALL", 5), ("_RECENT", 2), ("_FOUND", 3), ("_BINDING", 2)):
            patch.setattr(f"autogen_ext_tokenctx.selection.scope.{name}", groups)
        result = fit(ContextManager(), history, 150)
    assert result.messages[-1] is history[19]
    assert {step.group for step in result.report.steps} >= set(range(20, 29))
