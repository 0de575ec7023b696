"""Where a user can have originals kept, and what happens when that fails."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol, runtime_checkable

from autogen_core.models import LLMMessage
from pydantic import TypeAdapter

from ..warn import WarnOnce

MESSAGES: TypeAdapter[list[LLMMessage]] = TypeAdapter(list[LLMMessage])

# Begins each key, so that a store can be shared with other data.
_PREFIX = "tokenctx-original-"


@runtime_checkable
class ContextStore(Protocol):
    """Keeps texts by key: a table, a folder, a server. Every AutoGen ``CacheStore[str]`` is one.

    A key is made of the hash of what is kept under it, so writing it twice writes the same, and archives, processes and
    machines can share a store. Calls come from several threads, one at a time for each store that was given to a
    `ContextArchive`; agents wait for them, so they should have a short timeout. Nothing is ever deleted: what is to
    expire does so in the store.

    Example:
        >>> class Memory:
        ...     def __init__(self) -> None:
        ...         self.texts: dict[str, str] = {}
        ...     def get(self, key: str) -> str | None:
        ...         return self.texts.get(key)
        ...     def set(self, key: str, value: str) -> None:
        ...         self.texts[key] = value
        >>> isinstance(Memory(), ContextStore)
        True
    """

    def get(self, key: str, /) -> str | None:
        """Return the text under a key, None where there is none."""
        ...

    def set(self, key: str, value: str, /) -> None:
        """Keep a text, in place of what is under the key."""
        ...


class GuardedStore:
    """A user's store that never raises. The archives of all agents which write to it share one of these."""

    def __init__(self, store: ContextStore) -> None:
        is_one = isinstance(store, ContextStore)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not is_one or any(map(inspect.iscoroutinefunction, (store.get, store.set))):
            raise TypeError(
                "store= takes an object with get(key) and set(key, value), not async, see ContextStore; an AutoGen "
                f"CacheStore is one; got {store!r}"
            )
        self._store, self._name = store, type(store).__name__
        self._lock = Lock()
        self._failures = 0
        self._warn = WarnOnce()

    def put(self, key: str, messages: Sequence[LLMMessage]) -> bool:
        """Return whether the store keeps the messages now; where it does not, the caller has to."""
        with self._lock:
            if self._failures >= 3:  # in a row: each may have cost an agent a timeout
                return False
            try:
                self._store.set(_PREFIX + key, json.dumps(MESSAGES.dump_python(list(messages), mode="json")))
            except Exception as error:
                self._failures += 1
                self._warn("put", f"{self._name} could not keep what left a view ({error!r}); memory keeps it instead")
                return False
            self._failures = 0
            return True

    def get(self, key: str) -> list[LLMMessage] | None:
        """Return the messages under a key, None where they cannot be had."""
        with self._lock:
            try:
                text: Any = self._store.get(_PREFIX + key)
                if isinstance(text, (str, bytes)):  # AutoGen's store for Redis gives JSON as what it stands for
                    text = json.loads(text)
                return None if text is None else MESSAGES.validate_python(text)
            except Exception as error:
                self._warn("get", f"{self._name} could not give back what left a view ({error!r}); it is not expanded")
                return None
