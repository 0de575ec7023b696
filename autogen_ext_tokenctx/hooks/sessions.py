"""The sessions of the agents that share one client."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock, get_ident

from autogen_core import AgentId

from .session import Session

_REMEMBERED_AGENTS = 256
"""One client often serves team after team, each with agents of its own: the archives of the oldest ones go."""


class Sessions:
    """One session for each agent of each team in each thread.

    Agents of the same name in other teams have archives of their own. So have those of other threads: a client is often
    shared by threads with an event loop each, whose agents may have the same id, or none.

    Args:
        new: Makes a session.
    """

    def __init__(self, new: Callable[[], Session]) -> None:
        self._new = new
        self._sessions: OrderedDict[tuple[AgentId | None, int], Session] = OrderedDict()
        self._lock = Lock()

    def of(self, agent: AgentId | None) -> Session:
        """Return the session of an agent in this thread."""
        key = (agent, get_ident())
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = self._new()
                if len(self._sessions) > _REMEMBERED_AGENTS:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(key)
        return session

    def newest_first(self) -> list[tuple[AgentId | None, Session]]:
        """Return all sessions with their agents, of all threads."""
        with self._lock:
            return [(agent, session) for (agent, _), session in reversed(self._sessions.items())]

    async def close(self) -> None:
        """Give up what the sessions of this thread do in the background."""
        with self._lock:
            sessions = list(self._sessions.items())
        for (_, thread), session in sessions:
            if thread == get_ident():  # what another thread does in the background ends with its event loop
                await session.close()
