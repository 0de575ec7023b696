"""Saved messages of several kinds, read as what a model gets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.messages import BaseChatMessage, MessageFactory
from autogen_core.models import LLMMessage, UserMessage
from pydantic import TypeAdapter, ValidationError

from ..errors import TokenCtxError
from .saved_roles import RoleReader

_MESSAGE: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)
_LLM_TYPES = frozenset({"SystemMessage", "UserMessage", "AssistantMessage", "FunctionExecutionResultMessage"})
_CHAT = MessageFactory()


class BadFileError(TokenCtxError, ValueError):
    """A file cannot be read as what it should be; the text is one line and says what would help."""


def read_messages(values: Sequence[object], whose: str) -> list[LLMMessage]:
    """Messages of any kind as a model gets them; events, which no model gets, are left out.

    Args:
        values: AutoGen's messages for models or between agents, or messages with roles, as the APIs of OpenAI and
            Anthropic take them and AutoGen 0.2 kept them.
        whose: Where they are from, for errors.

    Raises:
        BadFileError: One of them is broken.

    Example:
        >>> read_messages([{"type": "TextMessage", "source": "ann", "content": "Hello"}], "ann")
        [UserMessage(content='Hello', source='ann', type='UserMessage')]
    """
    found: list[LLMMessage] = []
    roles = RoleReader()
    for number, value in enumerate(values):
        where = f"message {number} of {whose}"
        entry = a_mapping(value, where)
        try:
            if "role" in entry and entry.get("type", "message") == "message":
                found += roles.read(entry)
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


def is_between_agents(value: object) -> bool:
    """Whether a saved message is one that agents send each other, and not one that a model gets."""
    if not isinstance(value, dict):
        return False
    entry = cast("Mapping[str, Any]", value)
    kind = entry.get("type")
    return "role" not in entry and isinstance(kind, str) and kind not in _LLM_TYPES


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
