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

from ..messages.archive import ContextArchive
from ..messages.groups import split
from .saved_messages import (
    BadFileError,
    a_list,
    a_mapping,
    is_between_agents,
    is_message,
    one_line,
    read_body,
    read_messages,
)

EXTRA_KEY = "autogen_ext_tokenctx"  # where `TokenBudgetChatCompletionContext` keeps what it saves beside the messages
_NESTING_KEYS = frozenset({"agent_states", "agent_state", "inner_team_state", "llm_context", "message_thread"})


@dataclass(frozen=True, slots=True)
class SavedHistory:
    """The history of one agent, with what waits in its buffer for its next turn."""

    agent: str  # of the state of a single agent the name it speaks under; "" where nothing tells
    messages: Sequence[LLMMessage]
    is_thread: bool = False  # whether it is what agents said to each other, rather than what a model is sent
    stored: int = 0  # number of the messages that its model context has stored
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])  # what the hook saved beside them
    tools: Sequence[ToolSchema] = ()  # what the body of a request has of them

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.agent or "messages"

    def archive(self) -> ContextArchive:
        """Return what left this agent's views, and every group of the history; raise a BadFileError if it is broken."""
        archive = ContextArchive()
        if "archive" in self.extra:
            try:
                archive.load(self.extra["archive"], self.messages[: self.stored])
            except Exception as error:  # an image of it may be broken in any way
                whose = self.agent or "the agent"
                raise BadFileError(f"the archive saved for {whose} is broken: {one_line(error)}") from error
        for group in split(self.messages):
            archive.put(group.originals)
        return archive


@dataclass(frozen=True, slots=True)
class SavedState:
    """The histories of a file that have messages; its kind is "team", "agent", "context" or "messages"."""

    kind: str
    histories: tuple[SavedHistory, ...]

    def of_agent(self, name: str | None) -> tuple[SavedHistory, ...]:
        """Return the histories of one agent, or of all; raise a BadFileError where there is no such agent."""
        if name is None:
            return self.histories
        found = tuple(history for history in self.histories if history.agent == name)
        if not found:
            names = ", ".join(history.agent for history in self.histories if history.agent)
            raise BadFileError(f"no agent {name!r} has messages here; these have: {names or 'none with a name'}")
        return found


def read_state(value: object, name: str = "") -> SavedState:
    """Return the histories in a JSON value, or raise a BadFileError that begins with the name of where it is from."""
    try:
        kind, found = _read(value)
    except (RecursionError, BadFileError) as error:
        why = error if isinstance(error, BadFileError) else "nested too deep for a saved state"
        raise BadFileError(f"{name}: {why}".removeprefix(": ")) from error
    return SavedState(kind, tuple(_named(history) for history in found if history.messages))


def _read(value: object) -> tuple[str, list[SavedHistory]]:
    if isinstance(value, list):
        return "messages", [_listed("", cast("list[object]", value), "the list")]
    state = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if kind := _kind(state):
        return kind, list(_histories("", state))
    named = {key: cast("list[object]", inner) for key, inner in state.items() if isinstance(inner, list)}
    if lists := [repr(key) for key, inner in named.items() if inner and is_message(inner[0])]:
        which = "the inner list" if len(lists) == 1 else "one of the inner lists"
        raise BadFileError(f"an object around messages; give {which}, of {', '.join(lists)}")
    raise BadFileError(
        "neither a state that AutoGen saves nor a list of messages; save one with "
        "json.dump(dict(await team.save_state()), file)"
    )


def _named(history: SavedHistory) -> SavedHistory:
    # the state of a single agent does not name it; it speaks under its name alone
    speakers = {message.source for message in history.messages if isinstance(message, AssistantMessage)}
    return history if history.agent or len(speakers) != 1 else replace(history, agent=speakers.pop())


def _kind(state: Mapping[str, Any]) -> str:
    if "agent_states" in state or _is_runtime(state):
        return "team"
    if _NESTING_KEYS & state.keys() or state.get("type") == "BaseState":
        return "agent"
    if "messages" in state:
        return "context" if "stop_reason" not in state else "messages"
    return ""


def _is_runtime(state: Mapping[str, Any]) -> bool:
    """Return whether it is what a runtime saves: states by the ids of their agents."""
    return bool(state) and all(
        "/" in name and isinstance(value, dict) and "type" in value for name, value in state.items()
    )


def _histories(name: str, state: Mapping[str, Any]) -> Iterator[SavedHistory]:
    """Yield the histories of a state and of all the states in it."""
    whose = name or "the state"
    if "agent_states" in state or _is_runtime(state):
        agents = a_mapping(state.get("agent_states", state), f"agent_states of {whose}")
        for key, value in agents.items():
            agent = key.split("/")[0] or key  # up to AutoGen 0.4.8 the team's id stood behind the name
            yield from _histories(f"{name}/{agent}" if name else agent, a_mapping(value, f"the state of {agent}"))
    elif "agent_state" in state:
        buffered = list(_buffered(a_list(state.get("message_buffer", []), f"message_buffer of {whose}"), whose))
        inner = list(_histories(name, a_mapping(state["agent_state"], f"agent_state of {whose}")))
        if buffered and len(inner) == 1 and not inner[0].is_thread:  # a nested team has no context to add them to
            inner = [replace(inner[0], messages=[*inner[0].messages, *buffered])]
        yield from inner
    elif key := next((key for key in ("inner_team_state", "llm_context") if key in state), None):
        yield from _histories(name, a_mapping(state[key], f"{key} of {whose}"))
    elif "message_thread" in state:
        thread = a_list(state["message_thread"], f"message_thread of {whose}")
        yield replace(_listed(name, thread, whose), is_thread=True)
    elif "messages" in state:
        history = _listed(name, a_list(state["messages"], f"messages of {whose}"), whose)
        try:
            system, tools = read_body(state)
        except Exception as error:  # whatever stands in the place of a tool
            raise BadFileError(f"what {whose} has beside its messages is broken: {one_line(error)}") from error
        extra = cast("Mapping[str, Any]", found if isinstance(found := state.get(EXTRA_KEY), dict) else {})
        messages = [*system, *history.messages]
        yield replace(history, messages=messages, stored=len(messages), extra=extra, tools=tools)


def _listed(name: str, values: Sequence[object], whose: str) -> SavedHistory:
    return SavedHistory(name, read_messages(values, whose), any(map(is_between_agents, values)))


def _buffered(buffer: Sequence[object], whose: str) -> Iterator[LLMMessage]:
    """Yield what an agent's buffer adds to its context at the next turn."""
    for number, value in enumerate(buffer):
        entry = a_mapping(value, f"message {number} in the buffer of {whose}")
        if entry.get("type") == "HandoffMessage":
            yield from read_messages(a_list(entry.get("context", []), f"the handoff to {whose}"), whose)
        yield from read_messages([entry], f"the buffer of {whose}")
