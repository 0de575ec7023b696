"""Tool calls and their results: which calls are open, where an exchange ends, ids and arguments endpoints take."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence, Set
from typing import TypeVar

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
)
from pydantic import BaseModel

# So many messages may stand between a call and its result: a person who speaks meanwhile, an empty message. Chosen.
MOST_BETWEEN = 8

_Model = TypeVar("_Model", bound=BaseModel)


def is_call(message: LLMMessage) -> bool:
    """Return whether a message is an assistant's that calls tools."""
    return isinstance(message, AssistantMessage) and not isinstance(message.content, str)


def results_in(messages: Iterable[LLMMessage]) -> list[FunctionExecutionResult]:
    """Return all tool results in some messages, in order."""
    found = (message.content for message in messages if isinstance(message, FunctionExecutionResultMessage))
    return [result for content in found for result in content]


def open_calls(messages: Sequence[LLMMessage]) -> set[str]:
    """Return the ids of the calls of the first message that no result of the others answers."""
    answered = {result.call_id for result in results_in(messages[1:])}
    return {call.id for call in messages[0].content if isinstance(call, FunctionCall)} - answered - {""}


def end_of_exchange(messages: Sequence[LLMMessage], start: int) -> int:
    """Return the number of the message after a call and its results, some of which may come after other messages."""
    end = start + 1
    while end < len(messages) and isinstance(messages[end], FunctionExecutionResultMessage):
        end += 1
    still_open = open_calls(messages[start:end])
    for number in range(end, min(len(messages), end + MOST_BETWEEN)):
        message = messages[number]
        if not still_open or (is_call(message) and message.content):
            break
        if isinstance(message, FunctionExecutionResultMessage):
            found = still_open.intersection(result.call_id for result in message.content)
            still_open -= found
            end = number + 1 if found else end
    return end


def answers(messages: Iterable[LLMMessage], still_open: Set[str]) -> bool:
    """Return whether one of some messages is a result of an open call, before another call is made."""
    for message in messages:
        if is_call(message) and message.content:
            return False
        if any(result.call_id in still_open for result in results_in([message])):
            return True
    return False


def split_open_call(messages: Sequence[LLMMessage]) -> tuple[Sequence[LLMMessage], Sequence[LLMMessage]]:
    """Return the messages without, and then only, a tool call at the end whose results are not all there yet."""
    # What comes before such a call is final; the call is not: its results may still come, so no placeholder for them
    # may be remembered. Results may come in messages of their own, so an open call is looked for four times as far.
    for start in range(len(messages) - 1, max(-1, len(messages) - 1 - 4 * MOST_BETWEEN), -1):
        message = messages[start]
        if is_call(message) and message.content:
            return (messages[:start], messages[start:]) if _is_open(messages[start:]) else (messages, messages[:0])
        if not isinstance(message, FunctionExecutionResultMessage) and not _is_beside(message):
            break
    return messages, messages[:0]


def _is_beside(message: LLMMessage) -> bool:
    """Return whether a call may go on after a message: one that says nothing, a memory. Who speaks gave up the call."""
    return isinstance(message, SystemMessage) or not message.content


def _is_open(messages: Sequence[LLMMessage]) -> bool:
    """Return whether results of the first message are still to come; by their number where ids are missing."""
    calls = messages[0].content
    ids = {call.id for call in calls if isinstance(call, FunctionCall)}
    if len(ids) == len(calls) and "" not in ids:
        return bool(open_calls(messages))
    return len(results_in(messages[1:])) < len(calls)


def with_object_arguments(message: LLMMessage) -> LLMMessage:
    """Return a message whose calls have JSON objects as arguments; what is none stands in one, as text."""
    if not isinstance(message, AssistantMessage) or isinstance(message.content, str):
        return message
    calls = [FunctionCall(id=call.id, name=call.name, arguments=_object(call.arguments)) for call in message.content]
    return changed(message, content=calls)


def _object(arguments: str) -> str:
    """Return the arguments of a call as a JSON object."""
    try:
        if isinstance(json.loads(arguments), dict):
            return arguments
    except (ValueError, RecursionError):
        pass
    return json.dumps({"arguments": arguments}, ensure_ascii=False) if arguments.strip() else "{}"


def renamed_calls(view: Sequence[LLMMessage], valid: re.Pattern[str], *, unique: bool) -> list[LLMMessage]:
    """Return the view with ids of tool calls that match, each once if `unique`; a call and its result keep one id."""
    taken: set[str] = set()
    names: dict[str, str] = {}

    def name(call_id: str) -> str:
        # From the id and how often it came, so that it is the same in every request.
        new, again = call_id if valid.fullmatch(call_id) else _short(call_id), 0
        while unique and new in taken:
            again += 1
            new = _short(f"{call_id}#{again}")
        taken.add(new)
        names[call_id] = new
        return new

    renamed: list[LLMMessage] = []
    for message in view:
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            calls = [FunctionCall(id=name(c.id), name=c.name, arguments=c.arguments) for c in message.content]
            renamed.append(changed(message, content=calls))
        elif isinstance(message, FunctionExecutionResultMessage):
            results = [changed(result, call_id=names[result.call_id]) for result in message.content]
            renamed.append(changed(message, content=results))
        else:
            renamed.append(message)
    return renamed


def _short(call_id: str) -> str:
    """Return an id of 9 characters that stands for another one: that many suit the strictest, Mistral."""
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def changed(model: _Model, **update: object) -> _Model:
    """Return a message, or a result in one, with changes; itself where they change nothing."""
    same = all(getattr(model, name) == value for name, value in update.items())
    return model if same else model.model_copy(update=update)
