"""What explains a failure, in a small budget."""

from __future__ import annotations

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage, ToolCallExecutionEvent, ToolCallRequestEvent
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx import ContextManager


def call(number: int, name: str, arguments: str, result: str, failed: bool = False) -> list[LLMMessage]:
    key = f"call_{number}"
    return [
        AssistantMessage(content=[FunctionCall(id=key, name=name, arguments=arguments)], source="coder"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content=result, name=name, call_id=key, is_error=failed)]
        ),
    ]


def history() -> list[LLMMessage]:
    out: list[LLMMessage] = [UserMessage(content="Book the delivery of order A-7713 to Lyon.", source="user")]
    out += call(0, "find_order", '{"order": "A-7713"}', "order A-7713: warehouse WH-22, weight 31 kg")
    out += call(1, "book", '{"order": "A-7713", "truck": "T-5"}', "refused: truck T-5 takes 20 kg at most", True)
    for number in range(2, 60):
        out += call(number, "list_stock", f'{{"shelf": {number}}}', f"shelf {number}: " + "screws, bolts, nuts; " * 12)
    out += call(90, "book", '{"order": "A-7713", "truck": "T-6"}', "refused: truck T-6 is in repair", True)
    return out


def failed_of(messages: list[LLMMessage]) -> FunctionExecutionResult:
    last = messages[-1]
    assert isinstance(last, FunctionExecutionResultMessage)
    return last.content[0]


async def test_the_view_has_the_failure_the_task_the_same_things_and_the_earlier_failure() -> None:
    messages = history()
    last = messages[-1]
    assert isinstance(last, FunctionExecutionResultMessage)
    for failed in (last.content[0], last):
        result = await ContextManager().compress_for_recovery(failed, messages, budget=700)
        text = str(result.messages)
        assert result.report.tokens_after <= 700
        assert result.messages[-2:] == messages[-2:]
        assert result.messages[0] == messages[0]
        for needed in ("truck T-6 is in repair", "truck T-5 takes 20 kg", "WH-22", "31 kg"):
            assert needed in text


async def test_what_came_after_the_failure_is_no_part_of_it() -> None:
    messages = history()
    later = [*messages, UserMessage(content="Never mind.", source="user")]
    result = await ContextManager().compress_for_recovery(failed_of(messages), later)
    assert result.messages[-2:] == messages[-2:]


@pytest.mark.parametrize("failed", ["no such table: orders", KeyError("orders")])
async def test_an_error_that_is_not_in_the_history_is_its_end(failed: str | Exception) -> None:
    result = await ContextManager().compress_for_recovery(failed, history(), budget=700)
    assert "orders" in str(result.messages[-1].content)
    assert result.report.tokens_after <= 700


async def test_a_result_without_its_call_is_told_in_words() -> None:
    lone = FunctionExecutionResult(content="timed out", name="book", call_id="gone", is_error=True)
    result = await ContextManager().compress_for_recovery(lone, history(), budget=700)
    assert result.messages[-1].content == "book: timed out"


async def test_a_result_that_is_not_in_the_history_yet_is_its_end() -> None:
    failed = FunctionExecutionResult(content="timed out", name="book", call_id="call_90", is_error=True)
    result = await ContextManager().compress_for_recovery(failed, history()[1:-1], budget=700)
    assert result.messages[-1] == FunctionExecutionResultMessage(content=[failed])
    for needed in ("WH-22", "truck T-5 takes 20 kg"):
        assert needed in str(result.messages)


async def test_a_run_of_a_team_brings_its_own_history() -> None:
    key = FunctionCall(id="c1", name="book", arguments='{"order": "A-7713"}')
    done = FunctionExecutionResult(content="refused: no truck", name="book", call_id="c1", is_error=True)
    run = TaskResult(
        messages=[
            TextMessage(content="Book the delivery of order A-7713.", source="user"),
            ToolCallRequestEvent(content=[key], source="coder"),
            ToolCallExecutionEvent(content=[done], source="coder"),
            TextMessage(content="It cannot be done.", source="coder"),
        ],
        stop_reason="Maximum number of turns 4 reached.",
    )
    result = await ContextManager().compress_for_recovery(run)
    assert [type(message) for message in result.messages] == [
        UserMessage,
        AssistantMessage,
        FunctionExecutionResultMessage,
        UserMessage,
        UserMessage,
    ]
    assert "refused: no truck" in str(result.messages)
    assert result.messages[-1].content == "Maximum number of turns 4 reached."
