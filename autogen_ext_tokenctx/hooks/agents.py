"""Which agent a model call is made for."""

from __future__ import annotations

import re

from autogen_core import AgentId, MessageHandlerContext

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


def team_of(agent: AgentId | None) -> str:
    """The id of the team that ``agent`` is in, "" when it is in none.

    Example:
        >>> from autogen_core import AgentId
        >>> team_of(AgentId("coder_0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11", "default"))
        '0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11'
    """
    found = None if agent is None else _TEAM_ID.search(agent.type)
    return found.group()[1:] if found else ""
