"""What failed, as a history that ends with the failure and a text to search the rest with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, Union

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from .passages import call_values
from .units import Unit, split

if TYPE_CHECKING:
    from autogen_agentchat.base import TaskResult

FailedResult: TypeAlias = Union[
    FunctionExecutionResult, FunctionExecutionResultMessage, "TaskResult", BaseException, str
]

FAILURE_SOURCE = "failure"
"""Source of the message that says what failed, where the history does not end with it."""

_EARLIER = 2
"""Earlier failures of the same tool that are kept word for word."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure and what led to it.

    Args:
        messages: The history up to the failure, which is its end.
        query: What failed, in words: the error and the values of the call.
        earlier: Messages of earlier failures of the same tool, the newest ones.
    """

    messages: tuple[LLMMessage, ...]
    query: str
    earlier: tuple[LLMMessage, ...]


def failure_of(failed: FailedResult, messages: Sequence[LLMMessage] = ()) -> Failure:
    """Finds a failure in its history, or puts it at the end.

    Args:
        failed: A tool's result or the message it came in, an exception, what a team's run gave, or a text.
        messages: The history; for a `TaskResult` its own messages are used where this is empty.

    Example:
        >>> failure_of(ValueError("no such table: orders")).query
        'ValueError: no such table: orders'
    """
    if isinstance(failed, FunctionExecutionResultMessage):
        bad = next((result for result in failed.content if result.is_error), None) or failed.content[0]
        return _of_result(bad, messages)
    if isinstance(failed, FunctionExecutionResult):
        return _of_result(failed, messages)
    if isinstance(failed, (str, BaseException)):
        text = failed if isinstance(failed, str) else f"{type(failed).__name__}: {failed}"
        return Failure((*messages, UserMessage(content=text, source=FAILURE_SOURCE)), text, ())
    history = list(messages) or _history(failed)
    reason = failed.stop_reason or "the task was not completed"
    return Failure((*history, UserMessage(content=reason, source=FAILURE_SOURCE)), reason, ())


def _of_result(failed: FunctionExecutionResult, messages: Sequence[LLMMessage]) -> Failure:
    units = split(messages)
    at = next((i for i in reversed(range(len(units))) if failed.call_id in _results(units[i])), None)
    if at is None:
        text = f"{failed.name}: {failed.content}"
        return Failure((*messages, UserMessage(content=text, source=FAILURE_SOURCE)), text, ())
    earlier: list[LLMMessage] = []
    for unit in reversed(units[:at]):
        if len(earlier) < 2 * _EARLIER and any(r.is_error and r.name == failed.name for r in _results(unit).values()):
            earlier += unit.messages
    call = next((call for call in _calls(units[at]) if call.id == failed.call_id), None)
    query = f"{failed.name} {call_values(call.arguments) if call else ''} {failed.content}"
    history = tuple(message for unit in units[: at + 1] for message in unit.messages)
    return Failure(history, query, tuple(earlier))


def _results(unit: Unit) -> dict[str, FunctionExecutionResult]:
    return {
        result.call_id: result
        for message in unit.messages
        if isinstance(message, FunctionExecutionResultMessage)
        for result in message.content
    }


def _calls(unit: Unit) -> list[FunctionCall]:
    head = unit.head
    if not isinstance(head, AssistantMessage) or isinstance(head.content, str):
        return []
    return head.content


def _history(result: TaskResult) -> list[LLMMessage]:
    """The messages of a run; tool calls and their results are events there, not messages."""
    # here and not above: who has a run has loaded this already, who has none need not wait for it
    from autogen_agentchat.messages import BaseChatMessage, ToolCallExecutionEvent, ToolCallRequestEvent

    out: list[LLMMessage] = []
    for message in result.messages:
        if isinstance(message, ToolCallRequestEvent):
            out.append(AssistantMessage(content=message.content, source=message.source))
        elif isinstance(message, ToolCallExecutionEvent):
            out.append(FunctionExecutionResultMessage(content=message.content))
        elif isinstance(message, BaseChatMessage):
            out.append(message.to_model_message())
    return out
