"""Which agent a call is of, what it holds beside the agent's history, and which read it comes from."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import pytest
from autogen_core import AgentId, MessageHandlerContext
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx.hooks.link import (
    agent_name,
    announce,
    current_agent,
    new_call_id,
    observe,
    own_name,
    team_of,
)

TEAM = "0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11"
CODER, CRITIC = AgentId("coder", "1"), AgentId("critic", "1")
TOOL = ToolSchema(name="look", description="Looks.")


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


class Context:
    """A context that was read, and what it learned."""

    def __init__(self, *view: LLMMessage) -> None:
        self.view = view
        self.learned: list[tuple[list[LLMMessage], list[Tool | ToolSchema]]] = []

    @property
    def last_view(self) -> Sequence[LLMMessage]:
        return self.view

    def learn_overhead(self, beside: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> None:
        self.learned.append((list(beside), list(tools)))


VIEW = [user("Watch it."), AssistantMessage(content="It leaks.", source="coder")]
SYSTEM, LATE, QUESTION = SystemMessage(content="Be brief."), SystemMessage(content="It rains."), user("Really?")


@pytest.mark.parametrize(
    ("before", "after", "beside"),
    [
        ([], [], []),
        ([SYSTEM], [], [SYSTEM]),
        ([SYSTEM, LATE], [], [SYSTEM, LATE]),
        ([], [LATE], [LATE]),
        ([SYSTEM], [LATE], [SYSTEM, LATE]),
        ([SYSTEM], [QUESTION], [SYSTEM]),  # of this call alone
        ([QUESTION, SYSTEM], [LATE], [SYSTEM, LATE]),
    ],
    ids=["nothing", "before", "two", "after", "around", "question", "all"],
)
def test_a_context_learns_the_system_messages_and_tools_around_its_view(
    before: list[LLMMessage], after: list[LLMMessage], beside: list[LLMMessage]
) -> None:
    context = Context(*VIEW)
    announce(context, "read")
    assert observe([*before, *VIEW, *after], [TOOL]) == "read"
    assert context.learned == [(beside, [TOOL])]


@pytest.mark.parametrize(
    "request_",
    [[SYSTEM, QUESTION], [SYSTEM, VIEW[0]], [SYSTEM, *VIEW[::-1]], [VIEW[0], SYSTEM, VIEW[1]], [], [SYSTEM]],
    ids=["another", "a part", "turned", "with something between", "empty", "without a view"],
)
def test_a_request_without_the_view_teaches_nothing(request_: list[LLMMessage]) -> None:
    context = Context(*VIEW)
    announce(context, "read")
    observe(request_, [TOOL])
    assert context.learned == []


def test_messages_that_only_look_like_the_view_teach_nothing() -> None:
    context = Context(*VIEW)
    announce(context, "read")
    assert observe([SYSTEM, *(message.model_copy() for message in VIEW)], [TOOL]) != "read"
    assert context.learned == []


def test_an_empty_view_teaches_nothing() -> None:
    context = Context()
    announce(context, "read")
    observe([SYSTEM], [TOOL])
    assert context.learned == []


def test_a_call_of_no_read_is_a_call_of_its_own() -> None:
    context = Context(*VIEW)
    announce(context, "read")
    del context
    gc.collect()
    ids = {observe(VIEW, []), observe(VIEW, []), new_call_id(), "read"}
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("reader", "caller", "is_same"),
    [(CODER, CODER, True), (CODER, CRITIC, False), (None, CRITIC, False), (CODER, None, False), (None, None, True)],
    ids=str,
)
def test_a_read_belongs_to_the_agent_that_made_it(
    reader: AgentId | None, caller: AgentId | None, is_same: bool
) -> None:
    """An agent that runs inside another one's turn inherits what that one read."""
    context = Context(*VIEW)
    as_agent(reader, lambda: announce(context, "read"))
    found: list[str] = []
    as_agent(caller, lambda: found.append(observe([SYSTEM, *VIEW], [])))
    assert (found == ["read"]) is is_same
    assert bool(context.learned) is is_same


@pytest.mark.parametrize(("agent", "is_same"), [(CODER, True), (None, False)], ids=["in a runtime", "outside"])
def test_an_agent_that_writes_its_view_anew_makes_the_call_it_read_for(agent: AgentId | None, is_same: bool) -> None:
    """A selector sends its view as one text. Outside of a runtime nobody knows that it is the same agent."""
    context = Context(*VIEW)
    found: list[str] = []

    def select() -> None:
        announce(context, "read")
        found.append(observe([SystemMessage(content=f"Who is next? {VIEW}")], []))

    as_agent(agent, select)
    assert (found == ["read"]) is is_same
    assert context.learned == []


def test_outside_of_a_runtime_a_shortened_view_is_known_by_its_newest_message() -> None:
    context = Context(*VIEW)
    announce(context, "read")
    assert observe([SYSTEM, VIEW[-1]], []) == "read"
    assert observe([SYSTEM, VIEW[0]], []) != "read"


def as_agent(agent: AgentId | None, do: object) -> None:
    """Run something in the handler of an agent, or outside of a runtime."""
    assert callable(do)
    if agent is None:
        do()
        return
    with MessageHandlerContext.populate_context(agent):
        assert current_agent() == agent
        do()


@pytest.mark.parametrize(
    ("type_", "name", "team"),
    [
        (f"coder_{TEAM}", "coder", TEAM),
        (f"code_reviewer_{TEAM}", "code_reviewer", TEAM),
        ("coder", "coder", ""),
        (f"coder_{TEAM}_2", f"coder_{TEAM}_2", ""),
        (f"coder_{TEAM[:-1]}", f"coder_{TEAM[:-1]}", ""),
    ],
)
def test_the_name_and_the_team_of_an_agent(type_: str, name: str, team: str) -> None:
    agent = AgentId(type_, "default")
    assert (agent_name(agent, "nobody"), team_of(agent)) == (name, team)


def test_outside_of_a_runtime_there_is_no_agent_and_no_team() -> None:
    assert current_agent() is None
    assert (agent_name(None, "nobody"), team_of(None)) == ("nobody", "")


def test_an_agent_has_the_name_that_it_had_last() -> None:
    said = [AssistantMessage(content="Hi.", source="old"), AssistantMessage(content="Hi.", source="new")]
    assert own_name([*said, user("And now?")]) == "new"
    assert own_name([user("And now?")]) == own_name([]) == ""
