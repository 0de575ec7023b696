"""AutoGen's messages read as AutoGen 0.2 had them, and which of them a transform is for.

What was ``role`` in 0.2 is the type of a message, what was ``name`` is its ``source`` (the tool's name in a tool
result), what was ``content`` is its text. 0.2 kept the system message from its transforms; here all system messages
are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from autogen_core import ComponentBase
from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, LLMMessage, SystemMessage
from pydantic import BaseModel
from typing_extensions import Self

# Texts whose tokens, heads or shorter forms a transform keeps, since a history comes back at every call. Chosen, not
# measured: more than a long history has.
REMEMBERED_TEXTS = 10_000

_NEXT_WORD = re.compile(r"\W?\w{0,32}")

_KEYS = ("role", "name", "content")
_ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Said:
    """A message as AutoGen 0.2 saw it; each result of a tool is one of its own."""

    role: str  # one of `_ROLES`
    name: str  # who speaks, or the tool
    texts: tuple[str, ...]  # beside calls the thought


def said_in(message: LLMMessage) -> list[Said]:
    """Return what a message says, in the terms of 0.2; without images and calls."""
    if isinstance(message, FunctionExecutionResultMessage):
        return [Said("tool", result.name, (result.content,)) for result in message.content]
    if isinstance(message, SystemMessage):
        return [Said("system", "", (message.content,))]
    if isinstance(message, AssistantMessage):
        text = message.content if isinstance(message.content, str) else message.thought
        return [Said("assistant", message.source, () if text is None else (text,))]
    parts = [message.content] if isinstance(message.content, str) else message.content
    return [Said("user", message.source, tuple(part for part in parts if isinstance(part, str)))]


def edited(message: LLMMessage, change: Callable[[Said], tuple[str, ...]]) -> LLMMessage:
    """Return the message with the texts that ``change`` gives for the old ones; the very object if nothing changes."""
    said = said_in(message)
    texts = [change(one) for one in said]
    if texts == [one.texts for one in said]:
        return message
    if isinstance(message, FunctionExecutionResultMessage):
        results = [
            result.model_copy(update={"content": text}) for result, (text,) in zip(message.content, texts, strict=True)
        ]
        return message.model_copy(update={"content": results})
    if isinstance(message.content, str):
        return message.model_copy(update={"content": texts[0][0]})
    if isinstance(message, AssistantMessage):
        return message.model_copy(update={"thought": texts[0][0] or None})
    changed = iter(texts[0])
    parts = [next(changed) if isinstance(part, str) else part for part in message.content]
    return message.model_copy(update={"content": [part for part in parts if part != ""]})


def all_texts(messages: Iterable[LLMMessage]) -> Iterator[str]:
    """Yield the texts of all messages but system messages."""
    for message in messages:
        if not isinstance(message, SystemMessage):
            for said in said_in(message):
                yield from said.texts


def head_of(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """Return the head of a text that has no more than so many tokens, in whole characters.

    Example:
        >>> head_of("one two three", 2, lambda text: len(text.split()))
        'one two '
    """
    if tokens <= 0 or count(text) <= tokens:
        return text if tokens > 0 else ""
    # bisection in a short head first, of twice the characters that English has: what is cut off may be very long
    fits, too_long = 0, min(len(text), 8 * tokens)
    while too_long < len(text) and count(text[:too_long]) <= tokens:
        fits, too_long = too_long, min(len(text), 2 * too_long)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if count(text[:middle]) <= tokens:
            fits = middle
        else:
            too_long = middle
    # half a word may cost more than all of it, and bisection stops at the first half that is too much
    for word in _NEXT_WORD.finditer(text, fits):
        if count(text[: word.end()]) > tokens:
            break
        fits = word.end()
    return text[:fits]


_ConfigT = TypeVar("_ConfigT", bound=BaseModel)


class Configured(ComponentBase[BaseModel], Generic[_ConfigT]):
    """A component that keeps its arguments as its configuration, by their names."""

    component_type = "message_transform"
    _config: _ConfigT

    def __init__(self, **arguments: Any) -> None:
        raise NotImplementedError

    def _to_config(self) -> _ConfigT:
        return self._config

    @classmethod
    def _from_config(cls, config: _ConfigT) -> Self:
        return cls(**dict(config))


class MessageFilter:
    """Which messages a transform is for: 0.2's ``filter_dict`` and ``exclude_filter``."""

    # A message matches a key when what it has there is one of the values. With ``exclude_filter`` the transform leaves
    # out messages that match any of the keys; without it, it is only for messages that match all of them. System
    # messages are left out, unless the role "system" is asked for without ``exclude_filter``.

    def __init__(self, filter_dict: Mapping[str, str | Iterable[str]] | None, exclude_filter: bool) -> None:
        values = {key: [value] if isinstance(value, str) else list(value) for key, value in (filter_dict or {}).items()}
        if unknown := [key for key in values if key not in _KEYS]:
            raise ValueError(f"filter_dict cannot go by {unknown}; the keys of a message are {', '.join(_KEYS)}")
        if unknown := [role for role in values.get("role", ()) if role not in _ROLES]:
            raise ValueError(f"filter_dict has the unknown roles {unknown}; roles are {', '.join(_ROLES)}")
        self._values = values
        self._exclude = exclude_filter

    @property
    def config(self) -> dict[str, Any]:
        """The arguments, with the values as lists."""
        return {"filter_dict": self._values or None, "exclude_filter": self._exclude}

    def selects(self, said: Said) -> bool:
        """Return whether the transform is for this message."""
        values = self._values
        if said.role == "system" and (self._exclude or "system" not in values.get("role", ())):
            return False
        found = {"role": (said.role,), "name": (said.name,), "content": said.texts}
        return all(any(one in wanted for one in found[key]) != self._exclude for key, wanted in values.items())
