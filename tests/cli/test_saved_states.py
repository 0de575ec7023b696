"""Saved states of real AutoGen teams and other files of messages, read into histories."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from autogen_agentchat.messages import HandoffMessage, MultiModalMessage, TextMessage, ThoughtEvent
from autogen_core import Image
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from autogen_ext_tokenctx import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.cli.saved_messages import BadFileError
from autogen_ext_tokenctx.cli.saved_states import EXTRA_KEY, SavedState, read_state
from autogen_ext_tokenctx.messages.groups import split

from ..support.histories import conversation
from ..support.random_histories import histories
from ..support.team_states import HOOKED, KINDS, Hooked, Kind, agent_state, society_state, team_state

MANAGERS = {
    "round_robin": "RoundRobinGroupChatManager",
    "selector": "SelectorGroupChatManager",
    "swarm": "SwarmGroupChatManager",
    "magentic_one": "MagenticOneOrchestrator",
}


def loaded(text: str) -> SavedState:
    return read_state(json.loads(text))


@pytest.mark.parametrize("hooked", HOOKED)
@pytest.mark.parametrize("kind", KINDS)
def test_teams(kind: Kind, hooked: Hooked) -> None:
    text = team_state(kind, hooked)
    state = loaded(text)
    assert state.kind == "team"
    assert [history.agent for history in state.histories] == ["ann", "bob", MANAGERS[kind]]
    assert [history.is_thread for history in state.histories] == [False, False, True]
    saved = json.loads(text)["agent_states"]
    for history in state.histories[:2]:
        stored = saved[history.agent]["agent_state"]["llm_context"]["messages"]
        assert [message.model_dump() for message in history.messages[: history.stored]] == stored
        assert ("archive" in history.extra) == (hooked == "hooked")
    if kind == "round_robin":  # the last word waits for the other agent's next turn
        assert [len(history.messages) - history.stored for history in state.histories[:2]] == [0, 1]
        assert state.histories[1].messages[-1].content == saved["bob"]["message_buffer"][0]["content"]
    thread = state.histories[2]
    assert all(isinstance(message, UserMessage) for message in thread.messages)
    assert "Find out which boiler leaks." in str(thread.messages[0].content)


@pytest.mark.parametrize("hooked", HOOKED)
def test_a_single_agent_has_the_name_it_speaks_under(hooked: Hooked) -> None:
    state = loaded(agent_state(hooked))
    assert (state.kind, [history.agent for history in state.histories]) == ("agent", ["ann"])


def test_a_team_inside_an_agent() -> None:
    names = [history.agent for history in loaded(society_state("plain")).histories]
    assert names == ["mind/ann", "mind/bob", "mind/RoundRobinGroupChatManager"]


@pytest.mark.parametrize("context", [UnboundedChatCompletionContext(), TokenBudgetChatCompletionContext(budget=400)])
async def test_a_bare_context(context: UnboundedChatCompletionContext | TokenBudgetChatCompletionContext) -> None:
    said = conversation(6)
    for message in said:
        await context.add_message(message)
    await context.get_messages()
    state = read_state(json.loads(json.dumps(await context.save_state())))
    assert state.kind == "context"
    assert list(state.histories[0].messages) == said


def test_the_ids_of_a_runtime() -> None:
    agent = json.loads(agent_state("plain"))
    for value in ({"ann/team-1": agent}, {"type": "TeamState", "agent_states": {"ann/team-1": agent}}):
        assert [history.agent for history in read_state(value).histories] == ["ann"]


@pytest.mark.parametrize("kind", KINDS)
def test_archives_give_back_what_left_the_views(kind: Kind) -> None:
    for history in loaded(team_state(kind, "hooked")).histories[:2]:
        archive = history.archive()
        fold = history.extra["fold"]
        steps: list[dict[str, Any]] = fold["report"]["steps"] if fold else []
        groups = {group.index: list(group.originals) for group in split(history.messages)}
        for step in steps:
            originals = archive.get(step["handle"])
            assert originals == groups[step["group"]] if step["group"] >= 0 else originals  # a block has those of many
        assert len(archive) >= len(history.messages) // 2


def test_a_broken_archive_is_named() -> None:
    state = json.loads(agent_state("hooked"))
    state["llm_context"][EXTRA_KEY]["archive"] = {"originals": {"a": {"start": 900, "count": 2}}}
    with pytest.raises(BadFileError, match="archive saved for ann is broken"):
        read_state(state).histories[0].archive()


OPENAI: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": {"url": "x"}}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "1", "content": "a boiler"},
    {"role": "assistant", "content": "A boiler."},
]


@pytest.mark.parametrize("value", [OPENAI, {"model": "gpt-4o", "messages": OPENAI}])
def test_messages_as_openai_takes_them(value: object) -> None:
    messages = read_state(value).histories[0].messages
    assert [type(message) for message in messages] == [
        SystemMessage,
        UserMessage,
        AssistantMessage,
        FunctionExecutionResultMessage,
        AssistantMessage,
    ]
    assert messages[1].content == ["Look.", "[image x]"]
    (group,) = (group for group in split(messages) if group.is_exchange)
    assert not group.repaired


def test_messages_between_agents() -> None:
    picture = Image.from_pil(PILImage.new("RGB", (4, 2)))
    said = [
        TextMessage(content="Hello", source="ann"),
        ThoughtEvent(content="Hm.", source="ann"),
        MultiModalMessage(content=["See", picture], source="bob"),
    ]
    structured = {"type": "StructuredMessage[Plan]", "source": "bob", "content": {"steps": 2}}
    value = {"messages": [*(message.dump() for message in said), structured], "stop_reason": None}
    state = read_state(json.loads(json.dumps(value, default=str)))
    (history,) = state.histories
    assert state.kind == "messages"
    contents = [message.content for message in history.messages]
    assert [contents[0], contents[-1], len(contents)] == ["Hello", '{"steps": 2}', 3]
    assert isinstance(contents[1], list)


def test_what_a_handoff_brings_waits_in_the_buffer() -> None:
    handoff = HandoffMessage(
        content="Yours.", source="ann", target="bob", context=[UserMessage(content="Before.", source="user")]
    )
    llm_context = {"messages": [UserMessage(content="Task", source="user").model_dump()]}
    state = {"agent_state": {"llm_context": llm_context}, "message_buffer": [handoff.model_dump(mode="json")]}
    (history,) = read_state({"agent_states": {"bob": state}}).histories
    assert [message.content for message in history.messages] == ["Task", "Before.", "Yours."]
    assert history.stored == 1


def test_agents_without_messages_are_left_out() -> None:
    team: dict[str, Any] = {"agent_states": {"user": {"type": "BaseState"}, "ann": {"llm_context": {}}}}
    assert read_state(team).histories == ()
    assert read_state({"type": "BaseState"}).histories == ()


BROKEN: dict[str, object] = {
    "a number": 3,
    "a text": "messages",
    "nothing": None,
    "another object": {"name": "x", "dependencies": {}},
    "an empty object": {},
    "a list of numbers": [1, 2],
    "a message without a source": [{"type": "UserMessage", "content": "x"}],
    "a message of no type": [{"content": "x"}],
    "a role of its own": [{"role": "oracle", "content": "x"}],
    "a call without a function": [{"role": "assistant", "content": None, "tool_calls": [{}]}],
    "messages that are no list": {"messages": {"a": 1}},
    "agents that are no objects": {"agent_states": {"ann": [1]}},
    "agents that are a list": {"agent_states": []},
    "a thread that is a text": {"message_thread": "x"},
    "a buffer that is a number": {"agent_state": {}, "message_buffer": 4},
    "an image that is none": [{"type": "UserMessage", "content": [{"data": "AAAA"}], "source": "x"}],
}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_one_line(value: object) -> None:
    with pytest.raises(BadFileError) as caught:
        read_state(value)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_state_within_states_without_end() -> None:
    state: dict[str, Any] = {"messages": []}
    for _ in range(5_000):
        state = {"agent_state": state}
    with pytest.raises(BadFileError, match="too deep"):
        read_state(state)


@given(histories())
def test_whatever_a_context_saves_is_read(history: list[LLMMessage]) -> None:
    async def saved() -> str:
        context = UnboundedChatCompletionContext(initial_messages=history)
        return json.dumps(await context.save_state())

    text = asyncio.run(saved())
    for read in loaded(text).histories:
        assert [message.model_dump() for message in read.messages] == [message.model_dump() for message in history]


KEYS = (
    "type role content source messages agent_states agent_state message_thread llm_context tool_calls message_buffer "
    "inner_team_state context id function name a/b"
).split()
TYPES = ("UserMessage", "AssistantMessage", "user", "assistant", "tool", "HandoffMessage")


def containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Lists, and objects with the keys that states have."""
    values = inner | st.sampled_from(TYPES)
    return st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), values, max_size=5)


LEAVES: st.SearchStrategy[object] = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@given(st.recursive(LEAVES, containers, max_leaves=12))
def test_any_json_is_read_or_refused(value: object) -> None:
    with suppress(BadFileError):
        assert read_state(value).kind
