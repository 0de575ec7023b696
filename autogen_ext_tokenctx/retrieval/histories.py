"""The histories that a manager has read, each lent to one fit at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Lock

from autogen_core.models import LLMMessage

from ..messages.groups import MessageGroup
from ..tokens.counting import GuardedTokenCounter
from .index import HistoryIndex

_REMEMBERED = 8
"""Histories that are remembered; a manager that agents or threads share reads more of them anew."""


class Histories:
    """Histories that were read, so that a fit reads only what came since; each is lent to one fit at a time."""

    def __init__(self, counter: GuardedTokenCounter) -> None:
        self._counter = counter
        self._idle: deque[HistoryIndex] = deque(maxlen=_REMEMBERED)
        self._lock = Lock()

    @contextmanager
    def lent(self, messages: Sequence[LLMMessage]) -> Generator[HistoryIndex]:
        """Lend what was read of a history, up to its newest message."""
        with self._lock:
            history = self._known(messages)
            if history is not None:
                self._idle.remove(history)
        if history is None:
            history = HistoryIndex(self._counter)
        history.follow(messages)
        try:
            yield history
        finally:
            with self._lock:
                self._idle.append(history)

    def new(self, messages: Sequence[LLMMessage]) -> Sequence[LLMMessage]:
        """Return the messages that `lent` would have to read, about."""
        with self._lock:
            history = self._known(messages)
            return messages if history is None else history.new(messages)

    def add(self, message: LLMMessage, number: int) -> MessageGroup | None:
        """Read a message of the history that was used last; None where its number is not the next."""
        with self._lock:
            if not self._idle:
                self._idle.append(HistoryIndex(self._counter))
            history = self._idle[-1]
            return history.groups[-1] if history.add(message, number) else None

    def _known(self, messages: Sequence[LLMMessage]) -> HistoryIndex | None:
        """Return the history that these messages go on from: the longest that they begin as, of equals the newest."""
        shared = [(history.shared(messages), number) for number, history in enumerate(self._idle)]
        longest, number = max(shared, default=(0, 0))
        return self._idle[number] if longest else None
