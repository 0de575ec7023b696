"""The sessions of one hook: what all of them share, and one for each conversation of each agent."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from operator import is_
from threading import Lock
from typing import TypeAlias
from weakref import ReferenceType, ref

from autogen_core import AgentId, ComponentModel
from autogen_core.models import LLMMessage, SystemMessage

from ..context.manager import ContextManager
from ..errors import UnknownHandleError
from ..messages.groups import begins_with, split
from ..models.counters import counter_for_model
from ..models.profiles import ModelProfile
from ..summary.background import Summaries
from ..summary.summarizer import Summarizer
from ..tokens.counting import TokenCounter
from .session import Session

_REMEMBERED = 256
"""One client often serves team after team, and many chats: what was silent longest is forgotten."""

_SAME_OBJECTS = 2
"""A history that lost its beginning is known by so many of the messages seen last, the very objects."""

_LAST_GROUP = 16
"""The newest message and the call it may answer are among so many."""

Owner: TypeAlias = AgentId | str | None
"""Who calls: the agent of a runtime, the name that a client was bound to, or None where neither is known."""


@dataclass(eq=False)
class Conversation:
    """One history that goes on from call to call, and the session that fits it."""

    owner: Owner  # who calls
    session: Session  # fits the history
    is_first: bool  # whether it is the first one of its owner
    name: str = ""  # what its agent is called
    seen: Sequence[LLMMessage] = ()  # the messages of the last call, without system messages
    is_busy: bool = False  # whether a call is being fitted

    @property
    def is_idle(self) -> bool:
        """Return whether there is nothing to remember of it."""
        # Nothing left its view, or each call of its owner is of its own: a selector, say, puts all it knows into one
        # message. Whoever's tool this task runs in is still at work.
        if self.is_busy or any(used() is self for used in _in_use.get()):
            return False
        return self.session.is_blank or (self.owner is not None and len(self.seen) <= 1)

    def goes_on(self, history: Sequence[LLMMessage]) -> bool:
        """Return whether a history, without system messages, is this one and what came since."""
        # The newest message may be of one call alone, such as an orchestrator's question. A history that lost its
        # beginning has to hold the very objects of the end of this one: equal texts may be another conversation's.
        if not self.seen:
            return False
        if begins_with(history, self.seen[:-1] or self.seen):
            return True
        newest = self.seen[-1]
        end = next((n for n in range(len(history), 0, -1) if history[n - 1] is newest), 0)
        return _SAME_OBJECTS <= end <= len(self.seen) and all(map(is_, history[:end], self.seen[-end:]))

    def go_on(self, history: Sequence[LLMMessage]) -> None:
        """Take a history as this one; a newest message that is not in it any more is forgotten: it may be another's."""
        if self.seen and self.seen[-1] not in history[len(self.seen) - 1 : len(self.seen)]:
            self.session.manager.archive.forget(split(self.seen[-_LAST_GROUP:])[-1].originals)
        self.seen = history


_in_use: ContextVar[tuple[ReferenceType[Conversation], ...]] = ContextVar("autogen_ext_tokenctx_in_use", default=())
"""The conversations that this task had fitted last, newest first: its agent's tools read those."""

_IN_USE = 8
"""Agents within agents, each with a client of its own."""


class Sessions:
    """One session for each conversation of each agent."""

    # An agent of a runtime is known by its id. Agents that run inside of its tools have that id too, and outside of a
    # runtime there is none: there a conversation is known by how its history goes on. None is fitted by two calls at
    # once, whichever threads they are of: the second one begins a session of its own.

    def __init__(
        self,
        model: str | None,
        counter: TokenCounter | None,
        manager: ContextManager | None,
        summarizer: Summarizer | None,
        *,
        open_ended: bool,
        profile: ModelProfile | None = None,
    ) -> None:
        if counter is not None and manager is not None:
            raise ValueError(
                "give counter= or manager=, not both: a manager brings its counter, ContextManager(counter=…)"
            )
        self.is_brought = counter is not None or manager is not None
        if manager is None and counter is None:
            counter = counter_for_model(model, profile)
        self._root = manager or ContextManager(counter=counter)
        self._summarizer = summarizer
        self._open_ended = open_ended
        self._conversations: list[Conversation] = []  # the one used last comes last
        self._lock = Lock()

    @property
    def counter(self) -> TokenCounter:
        """Return the counter that all sessions count with; its manager guards it, so it never raises."""
        return self._root.counter

    def new(self) -> Session:
        """Return a session with an archive of its own."""
        summaries = None if self._summarizer is None else Summaries(self._summarizer, self.counter)
        return Session(self._root.for_agent(), open_ended=self._open_ended, summaries=summaries)

    def is_first(self, owner: Owner, messages: Sequence[LLMMessage]) -> bool:
        """Return whether a history is the first one of its owner."""
        with self._lock:
            known = self._known(owner, _without_system(messages))
            if known is not None:
                return known.is_first
            return all(other.owner != owner or other.is_idle for other in self._conversations)

    @contextmanager
    def serving(self, owner: Owner, name: str, messages: Sequence[LLMMessage]) -> Generator[Session]:
        """Give the session of the conversation that a history is of; no other call gets it meanwhile."""
        history = _without_system(messages)
        with self._lock:
            conversation = self._known(owner, history) or self._begun(owner)
            self._conversations = [*(other for other in self._conversations if other is not conversation), conversation]
            del self._conversations[:-_REMEMBERED]
            conversation.is_busy = True
            conversation.name = name
            conversation.go_on(history)
        used = _in_use.get()
        _in_use.set((ref(conversation), *(other for other in used if other() not in (None, conversation)))[:_IN_USE])
        try:
            yield conversation.session
        finally:
            conversation.is_busy = False

    def in_use(self, owner: Owner) -> Conversation | None:
        """Return the conversation of an owner, or agent of that name, that this task had fitted last; None if none."""
        with self._lock:
            own = [known for known in self._conversations if owner in (known.name, known.owner)]
        used = [known() for known in _in_use.get()]
        if not used and len(own) == 1:  # a task that had none fitted can only mean that one
            return own[0]
        return next((known for known in used if known in own), None)

    def expand(self, handle: str, agent: str | None = None) -> list[LLMMessage]:
        """Return what left the view of an agent of that name, or of any, under a handle; raise UnknownHandleError."""
        for conversation in self.newest_first():
            if agent in (None, conversation.name):
                with suppress(UnknownHandleError):
                    return conversation.session.manager.expand(handle)
        raise UnknownHandleError(handle)

    def newest_first(self) -> list[Conversation]:
        """Return all conversations."""
        with self._lock:
            return self._conversations[::-1]

    async def close(self) -> None:
        """Give up what the sessions do in the background."""
        for conversation in self.newest_first():
            await conversation.session.close()

    def dumped_manager(self) -> ComponentModel | None:
        """Return the counter or manager that the user brought as plain data; None for none."""
        return self._root.dump_component() if self.is_brought else None

    def _known(self, owner: Owner, history: Sequence[LLMMessage]) -> Conversation | None:
        """Return the conversation that a history goes on from; the one of the longest history."""
        going_on = [
            known
            for known in self._conversations
            if not known.is_busy and known.owner == owner and known.goes_on(history)
        ]
        return max(going_on, key=lambda known: len(known.seen), default=None)

    def _begun(self, owner: Owner) -> Conversation:
        """Return a new conversation, in the place of one of which there is nothing to remember."""
        idle = next((known for known in self._conversations if known.owner == owner and known.is_idle), None)
        if idle is not None:
            self._conversations.remove(idle)
        return Conversation(owner, self.new(), all(known.owner != owner for known in self._conversations))


def _without_system(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    return [message for message in messages if not isinstance(message, SystemMessage)]
