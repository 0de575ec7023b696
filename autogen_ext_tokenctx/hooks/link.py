"""Which agent a call is of, what it holds beside the agent's history, and which read it comes from.

An agent puts its system messages in front of the view and lists its tools only after it has read the view, so the
context hook cannot see them. The client hook can. The two are linked here: reading a view leaves a weak reference
to its context in a context variable, and the client hook, in the same task a moment later, looks whether the
request holds that very view. The id of the call goes the same way, so that both hooks name it alike.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol
from uuid import uuid4

from autogen_core import AgentId, MessageHandlerContext
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage
from autogen_core.tools import Tool, ToolSchema

_TEAM_ID = re.compile(r"_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""What AgentChat puts after the name of each participant and manager of a team: ``_`` and the team's UUID."""


def current_agent() -> AgentId | None:
    """The agent whose message handler is running, or None outside a runtime."""
    try:
        return MessageHandlerContext.agent_id()
    except RuntimeError:
        return None


def agent_name(agent: AgentId | None, default: str) -> str:
    """The name a user gave ``agent``: its type without the team's id.

    Example:
        >>> from autogen_core import AgentId
        >>> agent_name(AgentId("code_reviewer_0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11", "default"), "nobody")
        'code_reviewer'
    """
    return default if agent is None else _TEAM_ID.sub("", agent.type)


def own_name(messages: Sequence[LLMMessage]) -> str:
    """The name that an agent has in its own history, "" before it said anything: assistant messages are its own.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> own_name([UserMessage(content="Hi", source="user"), AssistantMessage(content="Hello", source="coder")])
        'coder'
    """
    return next((message.source for message in reversed(messages) if isinstance(message, AssistantMessage)), "")


def team_of(agent: AgentId | None) -> str:
    """The id of the team that ``agent`` is in, "" when it is in none.

    Example:
        >>> from autogen_core import AgentId
        >>> team_of(AgentId("coder_0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11", "default"))
        '0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11'
    """
    found = None if agent is None else _TEAM_ID.search(agent.type)
    return found.group()[1:] if found else ""


class LearnsOverhead(Protocol):
    """A context that wants to know what is sent along with its views."""

    @property
    def last_view(self) -> Sequence[LLMMessage]:
        """The messages given out by the last read."""
        ...

    def learn_overhead(self, beside: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> None:
        """Take note of the system messages and tools that were sent beside the last view."""
        ...


_last_read: ContextVar[tuple[weakref.ref[LearnsOverhead], AgentId | None, str] | None] = ContextVar(
    "autogen_ext_tokenctx_last_read", default=None
)


def new_call_id() -> str:
    """Return an id that no other call has."""
    return uuid4().hex


def announce(context: LearnsOverhead, call_id: str) -> None:
    """Remember, for this task, that ``context`` has just been read, by which agent and for which call."""
    _last_read.set((weakref.ref(context), current_agent(), call_id))


def observe(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
    """Tell the context read last what this request holds beside its view, if the view is in this request.

    Only system messages and tools count as overhead: they come with every call. What a single call adds after the
    view (a question about a retry) is that call's own, and the client hook fits such a call itself.

    Returns:
        The id of the call: that of the read, or a new one when none was read for it.
    """
    last_read = _last_read.get()
    if last_read is None:
        return new_call_id()
    reference, reader, call_id = last_read
    context = reference()
    # Tasks inherit context variables, so a call of an agent that runs inside another one's turn can find the
    # outer agent's read here, even with the same message objects in its request.
    if context is None or reader != current_agent():
        return new_call_id()
    view = context.last_view
    beside = _beside(messages, view)
    if beside is not None:
        context.learn_overhead([message for message in beside if isinstance(message, SystemMessage)], tools)
    elif reader is None and not any(message is view[-1] for message in messages if view):
        return new_call_id()  # outside a runtime all agents are None, and the read may be another one's
    return call_id  # a selector, say, sends its view as one text of its own


def _beside(messages: Sequence[LLMMessage], view: Sequence[LLMMessage]) -> list[LLMMessage] | None:
    """The messages before and after ``view`` in ``messages``; None when the very objects of it are not there."""
    if not view:
        return None
    for start in range(len(messages) - len(view) + 1):
        end = start + len(view)
        if all(message is seen for message, seen in zip(messages[start:end], view, strict=True)):
            return [*messages[:start], *messages[end:]]
    return None
