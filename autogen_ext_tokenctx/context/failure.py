"""What failed: a history that ends with the failure, a text to search the rest with, and the call taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

from autogen_core import FunctionCall
from autogen_core.code_executor import CodeResult
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from autogen_core.tools import ToolResult

from ..forms.passages import call_values
from ..messages.calls import results_in, split_open_call
from ..messages.groups import split
from ..summary.answers import json_in

if TYPE_CHECKING:
    from autogen_agentchat.base import TaskResult

FailedResult: TypeAlias = Union[
    FunctionExecutionResult, FunctionExecutionResultMessage, ToolResult, CodeResult, "TaskResult", BaseException, str
]

FAILURE_SOURCE = "failure"
"""Source of the message that says what failed, where the history does not end with it."""

_EARLIER = 2
"""Earlier failures of the same tool that are kept word for word."""

_END_CHARS = 2_000
"""So much of a long error is searched at each of its ends."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure and what led to it."""

    messages: tuple[LLMMessage, ...]
    """The history up to the failure, which is its end."""
    query: str
    """What failed, in words: the error and the values of the call."""
    text: str
    """All that is said of it, for people and models."""
    error: str
    """The error alone, without the tool's name; of a long one its head and its tail."""
    tool: str = ""
    """The tool that failed; empty when it was no tool call."""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the tool was called with, as far as the history has it."""
    earlier: tuple[LLMMessage, ...] = ()
    """Messages of earlier failures of the same tool, the newest ones."""

    @property
    def working(self) -> tuple[str, ...]:
        """Return the tools that gave results before, the latest first."""
        results = results_in(reversed(self.messages))
        return tuple(dict.fromkeys(result.name for result in results if not result.is_error))


def failure_of(failed: FailedResult, messages: Sequence[LLMMessage] = ()) -> Failure:
    """Return a failure in its history, or put at its end; a `TaskResult` brings messages where there are none."""
    if isinstance(failed, FunctionExecutionResultMessage):
        return _of_results([result for result in failed.content if result.is_error] or failed.content[:1], messages)
    if isinstance(failed, FunctionExecutionResult):
        return _of_results([failed], messages)
    if isinstance(failed, ToolResult):  # of a workbench; it does not say which call it answers
        text = f"{failed.name}: {failed.to_text(replace_image='[image]')}"
        return replace(_of_text(text, messages), tool=failed.name)
    if isinstance(failed, CodeResult):
        return _of_text(f"The code ended with exit code {failed.exit_code}:\n{failed.output}", messages)
    if isinstance(failed, str):
        return _of_text(failed, messages)
    if isinstance(failed, BaseException):
        return _of_text(f"{type(failed).__name__}: {failed}", messages)
    return _of_text(failed.stop_reason or "the task was not completed", list(messages) or _history(failed))


def _of_text(text: str, messages: Sequence[LLMMessage]) -> Failure:
    messages, _ = split_open_call(messages)  # nothing is known of the results of a call that is still open
    return Failure((*messages, UserMessage(content=text, source=FAILURE_SOURCE)), text, text, _ends(text))


def _of_results(results: Sequence[FunctionExecutionResult], messages: Sequence[LLMMessage]) -> Failure:
    failed = results[0]
    text = "\n".join(f"{result.name}: {result.content}" for result in results)
    call = _call_of(failed, messages)
    value = next(json_in(call.arguments), None) if call else None
    arguments = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if call and not any(failed.call_id in _results(message) for message in messages):  # not in the history yet
        messages = (*messages, FunctionExecutionResultMessage(content=list(results)))
    history, earlier = _up_to(failed, messages)
    query = f"{failed.name} {call_values(call.arguments) if call else ''} {failed.content}"
    if not history:
        history = (*messages, UserMessage(content=f"{failed.name}: {failed.content}", source=FAILURE_SOURCE))
    return Failure(history, query, text, _ends(failed.content), failed.name, arguments, earlier)


def _up_to(
    failed: FunctionExecutionResult, messages: Sequence[LLMMessage]
) -> tuple[tuple[LLMMessage, ...], tuple[LLMMessage, ...]]:
    """Return the history up to a failed result, empty where that is not in it, and earlier failures of its tool."""
    groups = split(messages)
    at = next((i for i in reversed(range(len(groups))) if failed.call_id in _results(*groups[i].messages)), None)
    if at is None:
        return (), ()
    earlier: list[LLMMessage] = []
    for group in reversed(groups[:at]):
        results = _results(*group.messages).values()
        if len(earlier) < 2 * _EARLIER and any(one.is_error and one.name == failed.name for one in results):
            earlier += group.messages
    return tuple(message for group in groups[: at + 1] for message in group.messages), tuple(earlier)


def _results(*messages: LLMMessage) -> dict[str, FunctionExecutionResult]:
    return {result.call_id: result for result in results_in(messages)}


def _call_of(result: FunctionExecutionResult, messages: Sequence[LLMMessage]) -> FunctionCall | None:
    for message in reversed(messages):
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            for call in message.content:
                if (call.id, call.name) == (result.call_id, result.name):
                    return call
    return None


def _ends(text: str) -> str:
    """Return the head and the tail of a long text."""
    # A traceback ends with its error, and nobody searches a megabyte for a word.
    return text if len(text) <= 2 * _END_CHARS else f"{text[:_END_CHARS]}\n{text[-_END_CHARS:]}"


def _history(result: TaskResult) -> list[LLMMessage]:
    """Return the messages of a run; tool calls and their results are events there, not messages."""
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
