"""Saved messages of several kinds, read as what a model gets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.messages import BaseChatMessage, MessageFactory
from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from pydantic import TypeAdapter, ValidationError

from ..errors import TokenCtxError

_MESSAGE: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)
_LLM_TYPES = frozenset({"SystemMessage", "UserMessage", "AssistantMessage", "FunctionExecutionResultMessage"})
_CHAT = MessageFactory()


class BadFileError(TokenCtxError, ValueError):
    """A file cannot be read as what it should be; the text is one line and says what would help."""


def read_messages(values: Sequence[object], whose: str) -> list[LLMMessage]:
    """Messages of any kind as a model gets them; events, which no model gets, are left out.

    Args:
        values: AutoGen's messages for models or between agents, or messages as OpenAI's API takes them.
        whose: Where they are from, for errors.

    Raises:
        BadFileError: One of them is broken.

    Example:
        >>> read_messages([{"type": "TextMessage", "source": "ann", "content": "Hello"}], "ann")
        [UserMessage(content='Hello', source='ann', type='UserMessage')]
    """
    found: list[LLMMessage] = []
    names: dict[str, str] = {}
    for number, value in enumerate(values):
        where = f"message {number} of {whose}"
        entry = a_mapping(value, where)
        try:
            if "role" in entry and "type" not in entry:
                found.append(_role_message(entry, names))
            elif entry.get("type") in _LLM_TYPES:
                found.append(_MESSAGE.validate_python(entry))
            elif not str(entry.get("type", "")).endswith("Event"):
                found.append(_chat_message(entry))
        except Exception as error:  # whatever an image decoder raises is a broken file, too
            raise BadFileError(f"{where} is broken: {one_line(error)}") from error
    return found


def _chat_message(entry: Mapping[str, Any]) -> LLMMessage:
    """A message between agents, as the agent that gets it shows it to its model."""
    try:
        message = _CHAT.create(entry)
    except ValueError as error:
        if isinstance(error, ValidationError):
            raise
        message = None  # of a type that an application made, such as StructuredMessage[…]
    if isinstance(message, BaseChatMessage):
        return message.to_model_message()
    if not {"type", "source", "content"} <= entry.keys():
        raise ValueError('it has neither "role" nor "type", "source" and "content"')
    content = entry["content"]
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return UserMessage(content=text, source=entry["source"])


def _role_message(entry: Mapping[str, Any], names: dict[str, str]) -> LLMMessage:
    """A message as OpenAI's API takes them; ``names`` are the tools called so far, by the ids of the calls."""
    role, content = entry["role"], entry.get("content")
    text = _text(content)
    if role in ("system", "developer"):
        return SystemMessage(content=text)
    if role == "user":
        if isinstance(content, list):
            return UserMessage(content=[_part(part) for part in cast("list[Any]", content)], source="user")
        return UserMessage(content=text, source=entry.get("name") or "user")
    if role in ("tool", "function"):
        call_id = entry.get("tool_call_id") or ""
        name = entry.get("name") or names.get(call_id, "tool")
        return FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content=text, name=name, call_id=call_id, is_error=False)]
        )
    if role != "assistant":
        raise ValueError(f"the role {role!r} is none of system, developer, user, assistant, tool")
    source = entry.get("name") or "assistant"
    calls = [
        FunctionCall(id=str(call.get("id") or ""), name=str(called["name"]), arguments=str(called["arguments"]))
        for call in entry.get("tool_calls") or ()
        for called in [call["function"]]
    ]
    if not calls:
        return AssistantMessage(content=text, source=source)
    names.update({call.id: call.name for call in calls})
    return AssistantMessage(content=calls, thought=text or None, source=source)


def _text(content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "\n".join(str(part) for part in map(_part, cast("list[Any]", content)) if isinstance(part, str))
    raise ValueError('"content" is neither a text nor a list of parts')


def _part(part: Any) -> str | Image:
    if isinstance(part, str):
        return part
    url = part["image_url"]["url"] if part.get("type") == "image_url" else ""
    if url.startswith("data:"):
        return Image.from_uri(url)
    return f"[image {url}]" if url else str(part.get("text", ""))


def a_mapping(value: object, what: str) -> Mapping[str, Any]:
    """``value``, if it is an object; ``what`` names it in the error."""
    if not isinstance(value, dict):
        raise BadFileError(f"{what} is {type(value).__name__}, not an object")
    return cast("Mapping[str, Any]", value)


def a_list(value: object, what: str) -> Sequence[object]:
    """``value``, if it is a list; ``what`` names it in the error."""
    if not isinstance(value, list):
        raise BadFileError(f"{what} is {type(value).__name__}, not a list")
    return cast("Sequence[object]", value)


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'][1:])) or 'it'}: {first['msg']}"
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
