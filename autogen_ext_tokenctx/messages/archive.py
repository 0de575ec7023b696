"""The originals of whatever left a view, by the hash of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from autogen_core.models import LLMMessage

from ..errors import UnknownHandleError
from .groups import content_hash
from .store import MESSAGES, ContextStore, GuardedStore

_HANDLE_CHARS = 8
"""Shortest handle: 32 bits of a SHA-256. Two originals that share them get longer handles."""

_STORED = {"stored": True}
"""What is saved of an original that is in a store."""


class ContextArchive:
    """Keeps the originals of what left a view, in memory or a store, and gives them back by handle.

    In memory the messages are shared with the history, not copied. Equal content has one handle, whichever turn it left
    in, so the text of a view does not change from call to call.

    Args:
        store: Keeps the originals instead of memory: any AutoGen ``CacheStore[str]``, or an object of your own, see
            `ContextStore`. The archives that `ContextManager.for_agent` makes for agents write to it too; each gives
            back by its own handles only. What the store fails to keep, memory keeps, with one warning.

    Raises:
        TypeError: The store has no ``get`` and ``set``.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> archive = ContextArchive()
        >>> handle = archive.put([UserMessage(content="hello", source="ann")])
        >>> archive.get(handle)[0].content
        'hello'
    """

    def __init__(self, *, store: ContextStore | None = None) -> None:
        self._store = None if store is None else GuardedStore(store)
        # None where the store has them
        self._originals: dict[str, tuple[LLMMessage, ...] | None] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._hashes: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._originals)

    def __contains__(self, handle: object) -> bool:
        return handle in self._originals or handle in self._groups

    def for_agent(self) -> ContextArchive:
        """Return an empty archive over the same store.

        Example:
            >>> archive = ContextArchive()
            >>> handle = archive.put([])
            >>> handle in archive, handle in archive.for_agent()
            (True, False)
        """
        archive = ContextArchive()
        archive._store = self._store
        return archive

    def handles(self) -> list[str]:
        """The handles of all single originals, oldest first."""
        return list(self._originals)

    def put(self, messages: Sequence[LLMMessage]) -> str:
        """Keeps one group's originals and gives their handle."""
        full = content_hash(messages)
        handle = self._handle(full)
        if handle not in self._originals:
            is_stored = self._store is not None and self._store.put(full, messages)
            self._originals[handle] = None if is_stored else tuple(messages)
        return handle

    def put_group(self, handles: Sequence[str]) -> str:
        """Gives one handle for several originals, in this order."""
        if len(handles) == 1:
            return handles[0]
        handle = self._handle(hashlib.sha256(" ".join(handles).encode()).hexdigest())
        self._groups.setdefault(handle, tuple(handles))
        return handle

    def get(self, handle: str) -> list[LLMMessage]:
        """The originals under a handle: the objects that were put in, equal ones where a store had them.

        Raises:
            UnknownHandleError: Nothing was archived under it, or the store does not give it back.
        """
        if handle in self._groups:
            return [message for member in self._groups[handle] for message in self.get(member)]
        originals = self._originals.get(handle)
        if originals is not None:
            return list(originals)
        stored = self._store.get(self._hashes.get(handle, "")) if self._store and handle in self._originals else None
        if stored is None:
            raise UnknownHandleError(handle)
        return stored

    def forget(self, messages: Sequence[LLMMessage]) -> None:
        """Forget one group's originals, and what stands for them among others. What is in a store stays there."""
        full = content_hash(messages)
        gone = {handle for handle, known in self._hashes.items() if known == full}
        for handle in gone:
            self._originals.pop(handle, None)
        self._groups = {handle: own for handle, own in self._groups.items() if gone.isdisjoint(own)}

    def clear(self) -> None:
        """Forgets everything. What is in a store stays there, since other archives may have written it too."""
        self._originals.clear()
        self._groups.clear()
        self._hashes.clear()

    def dump(self, history: Sequence[LLMMessage] = ()) -> dict[str, Any]:
        """All originals as JSON-able data, for `load`.

        Args:
            history: Messages that are saved anyway. Originals that stand in it, next to each other, are saved as the
                place they stand in. What is in a store is not saved: the archive that loads it needs the same store.
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
        # what only a store has is not here without it, so it can be put in again
        self._originals = {handle: had for handle, had in originals.items() if had is not None or self._store}
        self._groups, self._hashes = groups, hashes

    def _handle(self, full: str) -> str:
        for length in range(_HANDLE_CHARS, len(full) + 1):
            handle = full[:length]
            if self._hashes.setdefault(handle, full) == full:
                return handle
        raise AssertionError("a SHA-256 is equal to another one")  # pragma: no cover


def _saved(messages: tuple[LLMMessage, ...] | None, place: Mapping[int, int]) -> Any:
    if messages is None:
        return dict(_STORED)
    start = place.get(id(messages[0]))
    if start is not None and [place.get(id(m)) for m in messages] == list(range(start, start + len(messages))):
        return {"start": start, "count": len(messages)}
    return MESSAGES.dump_python(list(messages), mode="json")


def _loaded(saved: Any, history: Sequence[LLMMessage]) -> tuple[LLMMessage, ...] | None:
    if saved == _STORED:
        return None
    if isinstance(saved, dict):
        start, count = int(saved["start"]), int(saved["count"])  # pyright: ignore[reportUnknownArgumentType]
        found = tuple(history[start : start + count])
        if len(found) != count:
            raise ValueError(f"{count} messages from number {start} on are archived; the history has {len(history)}")
        return found
    return tuple(MESSAGES.validate_python(saved))
