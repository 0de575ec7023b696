"""The sessions of one hook: what all of them share, and one for each agent."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock, get_ident

from autogen_core import AgentId

from ..context.manager import ContextManager
from ..models.counters import counter_for_model
from ..summary.background import Summaries
from ..summary.summarizer import ContextSummarizer
from ..tokens.counting import TokenCounter
from .session import Session

_REMEMBERED_AGENTS = 256
"""One client often serves team after team, each with agents of its own: the archives of the oldest ones go."""


class Sessions:
    """One session for each agent of each team in each thread.

    Agents of the same name in other teams have archives of their own. So have those of other threads: a client is often
    shared by threads with an event loop each, whose agents may have the same id, or none.

    Args:
        model: Name of the model, for its tokenizer.
        counter: A counter to use instead of the model's.
        manager: A manager to use instead of a new one. Siblings of it are used, which share its counter, caches
            and strategies, and have archives of their own.
        summarizer: Has a model summarise what is about to leave the views; None for none.
        open_ended: As for `Session`.

    Raises:
        ValueError: Both ``counter`` and ``manager`` are given.
    """

    def __init__(
        self,
        model: str | None,
        counter: TokenCounter | None,
        manager: ContextManager | None,
        summarizer: ContextSummarizer | None,
        *,
        open_ended: bool,
    ) -> None:
        if counter is not None and manager is not None:
            raise ValueError(
                "give counter= or manager=, not both: a manager brings its counter, ContextManager(counter=…)"
            )
        self._brought = "counter" if counter is not None else "manager" if manager is not None else ""
        self._root = manager or ContextManager(counter=counter if counter is not None else counter_for_model(model))
        self._summarizer = summarizer
        self._open_ended = open_ended
        self._sessions: OrderedDict[tuple[AgentId | None, int], Session] = OrderedDict()
        self._lock = Lock()

    @property
    def counter(self) -> TokenCounter:
        """The counter that all sessions count with; its manager guards it, so it never raises."""
        return self._root.counter

    def new(self) -> Session:
        """Return a session with an archive of its own."""
        summaries = self._summarizer and Summaries(self._summarizer, self.counter)
        return Session(self._root.for_agent(), open_ended=self._open_ended, summaries=summaries)

    def of(self, agent: AgentId | None) -> Session:
        """Return the session of an agent in this thread."""
        key = (agent, get_ident())
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = self.new()
                if len(self._sessions) > _REMEMBERED_AGENTS:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(key)
        return session

    def newest_first(self) -> list[tuple[AgentId | None, Session]]:
        """Return the sessions of all agents and threads."""
        with self._lock:
            return [(agent, session) for (agent, _), session in reversed(self._sessions.items())]

    async def close(self) -> None:
        """Give up what the sessions of this thread do in the background."""
        with self._lock:
            sessions = list(self._sessions.items())
        for (_, thread), session in sessions:
            if thread == get_ident():  # what another thread does in the background ends with its event loop
                await session.close()

    def check_dumpable(self) -> None:
        """Raise when what the user brought cannot be put into a component's config.

        Raises:
            TypeError: A counter or a manager was brought.
        """
        if self._brought:
            raise TypeError(
                f"a hook with {self._brought}= cannot be dumped: the {self._brought} is an object of this process. "
                f"Build the hook with model= only, or give {self._brought}= again in code after loading."
            )
