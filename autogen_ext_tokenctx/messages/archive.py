"""The originals of whatever left a view, by the hash of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from autogen_core.models import LLMMessage
from pydantic import TypeAdapter

from ..errors import UnknownHandleError
from .groups import content_hash

_HANDLE_CHARS = 8
"""Shortest handle: 32 bits of a SHA-256. Two originals that share them get longer handles."""

_MESSAGES: TypeAdapter[list[LLMMessage]] = TypeAdapter(list[LLMMessage])


class ContextArchive:
    """Keeps the originals of what left a view, in memory, and gives them back by handle.

    The messages are shared with the history, not copied. Equal content has one handle, whichever turn it left in, so
    the text of a view does not change from call to call.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> archive = ContextArchive()
        >>> handle = archive.put([UserMessage(content="hello", source="ann")])
        >>> archive.get(handle)[0].content
        'hello'
    """

    def __init__(self) -> None:
        self._originals: dict[str, tuple[LLMMessage, ...]] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._hashes: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._originals)

    def __contains__(self, handle: object) -> bool:
        return handle in self._originals or handle in self._groups

    def handles(self) -> list[str]:
        """The handles of all single originals, oldest first."""
        return list(self._originals)

    def put(self, messages: Sequence[LLMMessage]) -> str:
        """Keeps one group's originals and gives their handle."""
        handle = self._handle(content_hash(messages))
        self._originals.setdefault(handle, tuple(messages))
        return handle

    def put_group(self, handles: Sequence[str]) -> str:
        """Gives one handle for several originals, in this order."""
        if len(handles) == 1:
            return handles[0]
        handle = self._handle(hashlib.sha256(" ".join(handles).encode()).hexdigest())
        self._groups.setdefault(handle, tuple(handles))
        return handle

    def get(self, handle: str) -> list[LLMMessage]:
        """The originals under a handle, the objects that were put in.

        Raises:
            UnknownHandleError: Nothing was archived under it.
        """
        if handle in self._groups:
            return [message for member in self._groups[handle] for message in self.get(member)]
        try:
            return list(self._originals[handle])
        except KeyError:
            raise UnknownHandleError(handle) from None

    def clear(self) -> None:
        """Forgets everything."""
        self._originals.clear()
        self._groups.clear()
        self._hashes.clear()

    def dump(self, history: Sequence[LLMMessage] = ()) -> dict[str, Any]:
        """All originals as JSON-able data, for `load`.

        Args:
            history: Messages that are saved anyway. Originals that stand in it, next to each other, are saved as the
                place they stand in.
        """
        place = {id(message): number for number, message in enumerate(history)}
        return {
            "originals": {handle: _saved(messages, place) for handle, messages in self._originals.items()},
            "groups": {handle: list(members) for handle, members in self._groups.items()},
            "hashes": dict(self._hashes),
        }

    def load(self, state: Mapping[str, Any], history: Sequence[LLMMessage] = ()) -> None:
        """Takes over what `dump` gave, in place of what is here.

        Args:
            state: What `dump` gave.
            history: The messages that were given to it.

        Raises:
            ValueError: The state is not one that `dump` gave, or the history is another one; the archive is as it was.
        """
        try:
            originals = {str(handle): _loaded(saved, history) for handle, saved in dict(state["originals"]).items()}
            groups = {str(handle): tuple(map(str, members)) for handle, members in dict(state["groups"]).items()}
            hashes = {str(handle): str(full) for handle, full in dict(state["hashes"]).items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no archive state: {error!r}") from error
        self._originals, self._groups, self._hashes = originals, groups, hashes

    def _handle(self, full: str) -> str:
        for length in range(_HANDLE_CHARS, len(full) + 1):
            handle = full[:length]
            if self._hashes.setdefault(handle, full) == full:
                return handle
        raise AssertionError("a SHA-256 is equal to another one")  # pragma: no cover


def _saved(messages: tuple[LLMMessage, ...], place: Mapping[int, int]) -> Any:
    start = place.get(id(messages[0]))
    if start is not None and [place.get(id(m)) for m in messages] == list(range(start, start + len(messages))):
        return {"start": start, "count": len(messages)}
    return _MESSAGES.dump_python(list(messages), mode="json")


def _loaded(saved: Any, history: Sequence[LLMMessage]) -> tuple[LLMMessage, ...]:
    if isinstance(saved, dict):
        start, count = int(saved["start"]), int(saved["count"])  # pyright: ignore[reportUnknownArgumentType]
        found = tuple(history[start : start + count])
        if len(found) != count:
            raise ValueError(f"{count} messages from number {start} on are archived; the history has {len(history)}")
        return found
    return tuple(_MESSAGES.validate_python(saved))
