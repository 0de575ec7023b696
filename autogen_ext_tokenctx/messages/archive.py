"""The originals of whatever left a view, by the hash of their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autogen_core.models import LLMMessage

from ..errors import UnknownHandleError
from .groups import content_hash, pictures_of, texts
from .store import MESSAGES, ContextStore, GuardedStore

# What is saved of an original that is in a store.
_STORED = {"stored": True}

_HANDLE = re.compile(r"[0-9a-f]{8,64}")


class ContextArchive:
    """Keeps the originals of what left a view, in memory or a store, and gives them back by handle.

    In memory the messages are shared with the history, not copied. Equal content has one handle, whichever turn it left
    in, so the text of a view does not change from call to call.

    Args:
        store: Keeps the originals instead of memory: any AutoGen ``CacheStore[str]``, or an object of your own, see
            `ContextStore`. The archives that `ContextManager.for_agent` makes for agents write to it too; each gives
            back by its own handles only. What the store fails to keep, memory keeps, with one warning.
        max_bytes: Bytes of text, and of pictures as they are decoded, that are kept in memory; beyond that the
            originals that left first are forgotten, and their handles are unknown.

    Raises:
        TypeError: The store has no ``get`` and ``set``.
        ValueError: ``max_bytes`` is not positive.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> archive = ContextArchive()
        >>> handle = archive.put([UserMessage(content="hello", source="ann")])
        >>> archive.get(handle)[0].content
        'hello'
    """

    def __init__(self, *, store: ContextStore | None = None, max_bytes: int = 256_000_000) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes is how much is kept in memory, 1 or more; got {max_bytes}")
        self._store = None if store is None else GuardedStore(store)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._originals: dict[str, tuple[LLMMessage, ...] | None] = {}  # None where the store has them
        self._numbers: dict[str, int] = {}
        self._handles: list[str] = []  # in the order in which they were given; what is forgotten keeps its number
        # From the first to the last number, run by run: what leaves a history leaves it mostly in a row.
        self._groups: dict[str, tuple[tuple[int, int], ...]] = {}
        self._hashes: dict[str, str] = {}

    @property
    def has_store(self) -> bool:
        """Whether a store of the user's keeps the originals."""
        return self._store is not None

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
        archive = ContextArchive(max_bytes=self._max_bytes)
        archive._store = self._store
        return archive

    def handles(self) -> list[str]:
        """Return the handles of all single originals, oldest first."""
        return list(self._originals)

    def put(self, messages: Sequence[LLMMessage]) -> str:
        """Keep one group's originals and return their handle."""
        full = content_hash(messages)
        handle = self._handle(full)
        if handle not in self._originals:
            is_stored = self._store is not None and self._store.put(full, messages)
            self._keep(handle, None if is_stored else tuple(messages))
        return handle

    def put_group(self, handles: Sequence[str]) -> str:
        """Return one handle for several originals, in this order."""
        if len(handles) == 1:
            return handles[0]
        handle = self._handle(hashlib.sha256(" ".join(handles).encode()).hexdigest())
        self._groups.setdefault(handle, _runs([self._numbers[member] for member in handles]))
        return handle

    def get(self, handle: str) -> list[LLMMessage]:
        """The originals under a handle: the objects that were put in, equal ones where a store had them.

        Raises:
            UnknownHandleError: Nothing was archived under it, or the store does not give it back.
        """
        if handle in self._groups:
            numbers = (number for first, last in self._groups[handle] for number in range(first, last + 1))
            return [message for number in numbers for message in self.get(self._handles[number])]
        originals = self._originals.get(handle)
        if originals is not None:
            return list(originals)
        stored = self._store.get(self._hashes.get(handle, "")) if self._store and handle in self._originals else None
        if stored is None:
            raise UnknownHandleError(handle)
        return stored

    def forget(self, messages: Sequence[LLMMessage]) -> None:
        """Forget one group's originals. What is in a store stays there."""
        full = content_hash(messages)
        for handle in [handle for handle, known in self._hashes.items() if known == full]:
            self._drop(handle)

    def clear(self) -> None:
        """Forget everything. What is in a store stays there, since other archives may have written it too."""
        self._bytes = 0
        for part in (self._originals, self._numbers, self._handles, self._groups, self._hashes):
            part.clear()

    def dump(self, history: Sequence[LLMMessage] = ()) -> dict[str, Any]:
        """All originals as JSON-able data, for `load`.

        Args:
            history: Messages that are saved anyway. Originals that stand in it, next to each other, are saved as the
                place they stand in. What is in a store is not saved: the archive that loads it needs the same store.
        """
        place = {id(message): number for number, message in enumerate(history)}
        return {
            "originals": {handle: _saved(messages, place) for handle, messages in self._originals.items()},
            "handles": list(self._handles),
            "groups": {handle: [list(run) for run in runs] for handle, runs in self._groups.items()},
            "hashes": dict(self._hashes),
        }

    def load(self, state: Mapping[str, Any], history: Sequence[LLMMessage] = ()) -> None:
        """Take over what `dump` gave, in place of what is here.

        Args:
            state: What `dump` gave.
            history: The messages that were given to it.

        Raises:
            ValueError: The state is not one that `dump` gave, or the history is another one; the archive is as it was.
        """
        try:
            originals = {handle: _loaded(saved, history) for handle, saved in dict(state["originals"]).items()}
            handles = list(map(str, state["handles"]))
            groups = {
                handle: tuple((int(a), int(b)) for a, b in runs) for handle, runs in dict(state["groups"]).items()
            }
            hashes = {handle: str(full) for handle, full in dict(state["hashes"]).items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no archive state: {error!r}") from error
        _check(originals, handles, groups, hashes)
        self.clear()
        self._hashes, self._handles, self._groups = hashes, handles, groups
        self._numbers = {handle: number for number, handle in enumerate(handles)}
        for handle, had in originals.items():
            if had is not None or self._store:  # what only a store has is not here without it: it can be put in again
                self._keep(handle, had)

    def _keep(self, handle: str, messages: tuple[LLMMessage, ...] | None) -> None:
        """Keep originals under a handle; what left first goes where that is too much."""
        self._originals[handle] = messages
        if handle not in self._numbers:
            self._numbers[handle] = len(self._handles)
            self._handles.append(handle)
        self._bytes += _size(messages)
        while self._bytes > self._max_bytes and len(self._originals) > 1:
            self._drop(next(iter(self._originals)))

    def _drop(self, handle: str) -> None:
        self._bytes -= _size(self._originals.pop(handle, None))

    def _handle(self, full: str) -> str:
        # The shortest has 32 bits of a SHA-256. Two originals that share them get longer handles.
        for length in range(8, len(full) + 1):
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


def _runs(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return numbers as runs of such that follow each other."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return tuple(runs)


def _size(messages: Iterable[LLMMessage] | None) -> int:
    """Return the bytes of some messages, about."""
    kept = messages or ()
    pixels = sum(picture.image.width * picture.image.height for picture in pictures_of(kept))
    return sum(len(text.encode("utf-8", "replace")) for message in kept for text in texts(message)) + 3 * pixels


def _check(
    originals: Mapping[str, Sequence[LLMMessage] | None],
    handles: Sequence[str],
    groups: Mapping[str, Sequence[tuple[int, int]]],
    hashes: Mapping[str, str],
) -> None:
    """Raise a ValueError where a state was not written by an archive."""
    # Whoever writes the file must not decide what is given back.
    if len(set(handles)) < len(handles) or not originals.keys() <= set(handles):
        raise ValueError("a saved archive has originals without a number")
    for handle, full in hashes.items():
        if not _HANDLE.fullmatch(handle) or not full.startswith(handle) or not _HANDLE.fullmatch(full):
            raise ValueError(f"{handle[:80]!r} is no handle of {full[:80]!r}")
    for handle, messages in originals.items():
        if handle not in hashes or (messages is not None and content_hash(messages) != hashes[handle]):
            raise ValueError(f"what is saved under {handle[:80]!r} is not what left under it")
    for handle, runs in groups.items():
        ends = [end for run in runs for end in run]
        in_order = all(first <= last for first, last in runs)
        members = sum(last - first + 1 for first, last in runs) if in_order else 0
        if handle not in hashes or not in_order or not ends or not 0 <= min(ends) <= max(ends) < len(handles):
            raise ValueError(f"{handle[:80]!r} stands for originals that are not there")
        # A history of a million messages is not kept in memory; equal ones have one handle, so a few may stand for
        # many.
        if members > 1_000_000:
            raise ValueError(f"{handle[:80]!r} stands for {members} originals")
