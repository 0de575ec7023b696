"""What one call asks of a fit: fixed when the fit begins."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx import ContextManager, ContextPrioritizer, MessageGroup
from autogen_ext_tokenctx.context.request import FitRequest
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..support.histories import conversation

BUDGET = TokenBudget.of(900, target=1.0)
LATE = UserMessage(content="I came late.", source="user")


def test_a_request_of_messages_and_a_budget_asks_for_nothing_else() -> None:
    request = FitRequest(messages=[], budget=BUDGET)
    assert (request.tools, request.pinned) == ((), ())
    assert (request.task, request.summary, request.complexity) == (None, None, None)
    assert request.expandable


def test_a_request_cannot_be_changed() -> None:
    request = FitRequest(messages=[], budget=BUDGET)
    with pytest.raises(FrozenInstanceError):
        request.budget = TokenBudget.of(1)  # type: ignore[misc]


async def test_messages_that_come_while_it_is_fitted_do_not_count() -> None:
    history: list[LLMMessage] = conversation(8)

    def adds(_: MessageGroup) -> float:
        if history[-1] is not LATE:
            history.append(LATE)
        return 0.0

    manager = ContextManager(prioritizer=ContextPrioritizer(scorers={"adds": adds}))
    before = len(conversation(8))
    result = await manager.fit_request(FitRequest(messages=history, budget=BUDGET))
    assert history[-1] is LATE
    assert len(history) == before + 1
    assert LATE not in result.messages


async def test_a_request_can_be_fitted_again() -> None:
    request = FitRequest(messages=conversation(8), budget=BUDGET, pinned=(conversation(8)[5],))
    first, second = [(await ContextManager().fit_request(request)).messages for _ in range(2)]
    assert first == second
    assert conversation(8)[5] in first


@pytest.mark.parametrize("expandable", [True, False])
async def test_marks_name_a_call_only_where_it_can_be_made(expandable: bool) -> None:
    request = FitRequest(messages=conversation(8), budget=BUDGET, expandable=expandable)
    result = await ContextManager().fit_request(request)
    assert ("expand_context" in str(result.messages)) is expandable
    assert all(step.handle for step in result.report.steps)
