"""Saved AutoGen states and lists of messages, read into the histories they hold.

What is read: states of teams, agents, group-chat managers, model contexts and runtimes as ``save_state`` gives them,
lists of AutoGen's messages, a `TaskResult`, and lists of ``{"role": …, "content": …}`` or bodies of requests, as the
APIs of OpenAI and Anthropic take them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from autogen_core.models import AssistantMessage, LLMMessage
from autogen_core.tools import ToolSchema

from ..context.archive import ContextArchive
from ..context.units import split
from .saved_messages import BadFileError, a_list, a_mapping, is_between_agents, one_line, read_messages
from .saved_roles import named_lists, read_body

EXTRA_KEY = "autogen_ext_tokenctx"
"""Where `TokenBudgetChatCompletionContext` keeps what it saves beside the messages."""

_NESTING_KEYS = frozenset({"agent_states", "agent_state", "inner_team_state", "llm_context", "message_thread"})


@dataclass(frozen=True, slots=True)
class SavedHistory:
    """The history of one agent.

    Args:
        agent: Name of the agent, of the state of a single one the name it speaks under; "" where nothing tells.
        messages: The history, with what waits in the agent's buffer for its next turn.
        is_thread: Whether it is what a group chat's manager has seen, rather than what a model is sent.
        stored: Number of the messages that its model context has stored.
        extra: What `TokenBudgetChatCompletionContext` saved beside them.
        tools: What the body of a request has of tools.
    """

    agent: str
    messages: Sequence[LLMMessage]
    is_thread: bool = False
    stored: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tools: Sequence[ToolSchema] = ()

    @property
    def has_archive(self) -> bool:
        """Whether an archive was saved with the history."""
        return "archive" in self.extra

    def archive(self) -> ContextArchive:
        """What left this agent's views, and every unit of the history, which has the same handle everywhere.

        Raises:
            BadFileError: The archive that was saved is broken.
        """
        archive = ContextArchive()
        if self.has_archive:
            try:
                archive.load(self.extra["archive"], self.messages[: self.stored])
            except Exception as error:  # an image of it may be broken in any way
                raise BadFileError(
                    f"the archive saved for {self.agent or 'the agent'} is broken: {one_line(error)}"
                ) from error
        for unit in split(self.messages):
            archive.put(unit.originals)
        return archive


@dataclass(frozen=True, slots=True)
class SavedState:
    """The histories of a file.

    Args:
        kind: What the file is: ``"team"``, ``"agent"``, ``"context"``, ``"messages"``.
        histories: The histories that have messages.
    """

    kind: str
    histories: tuple[SavedHistory, ...]

    def of_agent(self, name: str | None) -> tuple[SavedHistory, ...]:
        """The histories of one agent; of all where no name is given.

        Raises:
            BadFileError: There is no such agent.
        """
        if name is None:
            return self.histories
        found = tuple(history for history in self.histories if history.agent == name)
        if not found:
            names = ", ".join(history.agent for history in self.histories if history.agent)
            raise BadFileError(f"no agent {name!r} has messages here; these have: {names or 'none with a name'}")
        return found


def read_state(value: object) -> SavedState:
    """The histories in a JSON value.

    Args:
        value: What ``json.loads`` gave.

    Raises:
        BadFileError: It is nothing of what this module reads, or broken.

    Example:
        >>> state = read_state([{"role": "user", "content": "Hello"}])
        >>> state.kind, state.histories[0].messages[0].content
        ('messages', 'Hello')
    """
    try:
        if isinstance(value, list):
            listed = cast("list[object]", value)
            messages = read_messages(listed, "the list")
            return _state("messages", [SavedHistory("", messages, any(map(is_between_agents, listed)))])
        if isinstance(value, dict):
            state = cast("dict[str, Any]", value)
            kind = _kind(state)
            if kind:
                return _state(kind, list(_histories("", state)))
            if lists := named_lists(state):
                which = "the inner list" if len(lists) == 1 else "one of the inner lists"
                raise BadFileError(f"an object around messages; give {which}, of {', '.join(map(repr, lists))}")
    except RecursionError as error:
        raise BadFileError("nested too deep for a saved state") from error
    raise BadFileError(
        "neither a state that AutoGen saves nor a list of messages; save one with "
        "json.dump(dict(await team.save_state()), file)"
    )


def _state(kind: str, found: Sequence[SavedHistory]) -> SavedState:
    return SavedState(kind, tuple(map(_named, (history for history in found if history.messages))))


def _named(history: SavedHistory) -> SavedHistory:
    speakers = {message.source for message in history.messages if isinstance(message, AssistantMessage)}
    if history.agent or len(speakers) != 1:
        return history
    return replace(history, agent=speakers.pop())


def _kind(state: Mapping[str, Any]) -> str:
    if "agent_states" in state:
        return "team"
    if _NESTING_KEYS & state.keys():
        return "agent"
    if "messages" in state:
        return "context" if "stop_reason" not in state else "messages"
    if state.get("type") == "BaseState":
        return "agent"
    return "team" if _is_runtime(state) else ""


def _is_runtime(state: Mapping[str, Any]) -> bool:
    """Whether it is what a runtime saves: states by the ids of their agents."""
    return bool(state) and all(
        "/" in name and isinstance(value, dict) and "type" in value for name, value in state.items()
    )


def _histories(name: str, state: Mapping[str, Any]) -> Iterator[SavedHistory]:
    """The histories of a state and of all the states in it."""
    whose = name or "the state"
    if "agent_states" in state or _is_runtime(state):
        agents = a_mapping(state.get("agent_states", state), f"agent_states of {whose}")
        for key, value in agents.items():
            agent = key.split("/")[0] or key  # up to AutoGen 0.4.8 the team's id stood behind the name
            yield from _histories(f"{name}/{agent}" if name else agent, a_mapping(value, f"the state of {agent}"))
    elif "agent_state" in state:
        buffered = list(_buffered(a_list(state.get("message_buffer", []), f"message_buffer of {whose}"), whose))
        inner = list(_histories(name, a_mapping(state["agent_state"], f"agent_state of {whose}")))
        if buffered and len(inner) == 1 and not inner[0].is_thread:
            only = inner[0]
            inner = [replace(only, messages=[*only.messages, *buffered])]
        yield from inner
    elif "inner_team_state" in state:
        yield from _histories(name, a_mapping(state["inner_team_state"], f"inner_team_state of {whose}"))
    elif "llm_context" in state:
        yield from _histories(name, a_mapping(state["llm_context"], f"llm_context of {whose}"))
    elif "message_thread" in state:
        thread = read_messages(a_list(state["message_thread"], f"message_thread of {whose}"), whose)
        yield SavedHistory(name, thread, is_thread=True)
    elif "messages" in state:
        listed = a_list(state["messages"], f"messages of {whose}")
        try:
            system, tools = read_body(state)
        except Exception as error:  # whatever stands in the place of a tool
            raise BadFileError(f"what {whose} has beside its messages is broken: {one_line(error)}") from error
        messages = [*system, *read_messages(listed, whose)]
        extra = cast("Mapping[str, Any]", found if isinstance(found := state.get(EXTRA_KEY), dict) else {})
        is_thread = any(map(is_between_agents, listed))
        yield SavedHistory(name, messages, is_thread, len(messages), extra, tools)


def _buffered(buffer: Sequence[object], whose: str) -> Iterator[LLMMessage]:
    """What an agent's buffer adds to its context at the next turn."""
    for number, value in enumerate(buffer):
        entry = a_mapping(value, f"message {number} in the buffer of {whose}")
        if entry.get("type") == "HandoffMessage":
            yield from read_messages(a_list(entry.get("context", []), f"the handoff to {whose}"), whose)
        yield from read_messages([entry], f"the buffer of {whose}")
