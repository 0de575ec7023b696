"""Who calls: one client serves many agents and many people's chats, and each goes on as if it were alone (G13)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from threading import Barrier, Thread
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.tools import AgentTool
from autogen_core import EVENT_LOGGER_NAME, AgentId, CancellationToken, FunctionCall, MessageHandlerContext
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import BaseTool, Tool, ToolSchema

from autogen_ext_tokenctx import EstimatedTokenCounter
from autogen_ext_tokenctx.context.events import FitEvent
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext

from ..support.histories import conversation, exchange, prose
from ..support.strict_client import StrictClient, call

BUDGET = 2_000
TEAM = "0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11"


def user(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


def said(text: str, source: str = "assistant") -> LLMMessage:
    return AssistantMessage(content=text, source=source)


def chat(name: str, turns: int) -> list[LLMMessage]:
    """A chat in which all that its person says names them, and that begins as all others do."""
    messages = [user("Hi"), said("Hello! How can I help?")]
    for turn in range(turns):
        messages += [
            user(f"{name}-secret {turn}: {prose(turn, 60)}"),
            said(f"{name}-secret is noted: {prose(turn, 30)}"),
        ]
    return [*messages, user(f"What did {name}-secret 0 say?")]


async def ask(tool: BaseTool[Any, Any], **arguments: Any) -> str:
    """What a tool tells the agent that calls it."""
    return tool.return_value_as_string(await tool.run_json(arguments, CancellationToken()))


async def reused(client: TokenBudgetChatCompletionClient, agents: int) -> float:
    """The share of their requests that a prompt cache can serve, of agents that take turns."""
    for turns in range(20, 32):
        for agent in range(agents):
            await client.create([user(f"You are agent {agent}."), *conversation(turns)[1:]])
    shares = [record.report.prefix_reuse for record in list(client.recent)[agents:]]
    return sum(shares) / len(shares)


@pytest.mark.parametrize("agents", [2, 5])
async def test_agents_that_take_turns_keep_their_views(agents: int) -> None:
    alone, together = (
        TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, recall=0.0) for _ in range(2)
    )
    assert await reused(together, agents) > 0.9 * await reused(alone, 1) > 0.3


@pytest.mark.parametrize("people", [2, 8])
async def test_chats_that_begin_alike_hold_nothing_of_each_other(people: int) -> None:
    inner = StrictClient(window=1_200)
    client = TokenBudgetChatCompletionClient(inner, 1_200, counter=EstimatedTokenCounter())
    expand, search = client.tools()
    names = [f"p{number}" for number in range(people)]
    found: list[tuple[str, str]] = []

    async def talk(name: str) -> None:
        for turns in range(1, 24, 2):
            await client.create(chat(name, turns))
            await asyncio.sleep(0)
            found.append((name, await ask(search, query="secret")))

    await asyncio.gather(*map(talk, names))
    for request in inner.requests:
        text = str(request.messages)
        assert sum(f"{name}-secret" in text for name in names) == 1
    for name, text in found:
        assert not any(f"{other}-secret" in text for other in names if other != name)
    assert any(f"{name}-secret" in text for name, text in found)
    assert expand.name == "expand_context"


async def test_a_question_that_is_not_of_this_chat_is_found_by_nobody_else() -> None:
    """Both chats are alike but for their newest message, and that of the first is so long that it leaves the view."""
    client = TokenBudgetChatCompletionClient(StrictClient(window=900), 900, counter=EstimatedTokenCounter())
    _, search = client.tools()
    alike = [user("Hi"), said("Hello! How can I help?")]
    await client.create([*alike, user(f"{prose(1, 400)} ann-secret {prose(2, 400)}")])
    assert "ann-secret" in await ask(search, query="ann-secret")
    await client.create([*alike, user(f"{prose(3, 800)} What is said of ann-secret?")])
    assert "ann-secret" not in (await ask(search, query="ann-secret")).replace("What is said of ann-secret?", "")


def test_one_history_in_two_threads_at_once_has_two_sessions() -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, counter=EstimatedTokenCounter())
    start = Barrier(4)

    def run() -> None:
        start.wait()
        for turns in range(15, 22):
            asyncio.run(client.create(conversation(turns)))

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inner.requests) == 28
    assert all(record.report.tokens_after <= BUDGET for record in client.recent)


async def test_a_chat_that_comes_from_another_thread_each_time_goes_on() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, recall=0.0)

    def one_turn(turns: int) -> None:
        asyncio.run(client.create(conversation(turns)))

    for turns in range(20, 30):
        await asyncio.to_thread(one_turn, turns)
    assert max(record.report.prefix_reuse for record in client.recent) > 0.5


async def test_what_left_a_history_that_loses_its_beginning_can_still_be_read() -> None:
    """As behind AutoGen's buffered context, which drops the oldest messages itself."""
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET)
    expand, _ = client.tools()
    history = [message for number in range(40) for message in (user(prose(number, 40)), *exchange(number, 90))]
    handles: list[str] = []
    for end in range(60, 100, 3):
        await client.create(history[end - 60 : end])
        report = client.last_report
        assert report is not None
        handles += [step.handle for step in report.steps if step.handle][:1]
    assert len(set(handles)) > 2
    for handle in handles:
        assert "is not known" not in await ask(expand, handle=handle)
        assert client.expand(handle)


async def test_calls_of_one_message_push_nobody_out() -> None:
    """A selector puts all it knows into one message each time."""
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, recall=0.0)
    await client.create(conversation(25))
    await client.create(conversation(26))
    with MessageHandlerContext.populate_context(AgentId(f"SelectorGroupChatManager_{TEAM}", "default")):
        for number in range(300):
            await client.create([user(f"Who is next? {number} {prose(number, 1_200 if number % 30 == 0 else 20)}")])
    await client.create([*conversation(26), said("Noted."), user("And now?")])
    assert client.last_report is not None
    assert client.last_report.prefix_reuse > 0.5


async def test_an_agent_in_the_tool_of_another_is_itself() -> None:
    def reply(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str | list[FunctionCall]:
        turn = len(inner.requests)
        if tools:
            return [call("helper", f"c{turn}", task=f"Task {turn}. {prose(turn, 60)}")] if turn % 2 else f"Did {turn}."
        return f"helper-secret {turn}: {prose(turn, 150)}"

    inner = StrictClient([reply], window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, {"helper": 900})
    helper = AssistantAgent("helper", client, description="Helps.")
    lead = AssistantAgent("lead", client, tools=[AgentTool(helper)], system_message="You lead.")
    team = RoundRobinGroupChat([lead], termination_condition=MaxMessageTermination(12))
    await team.run(task="Work it out.")
    names = [record.agent for record in client.recent]
    assert {"lead", "helper"} == set(names)
    assert names.count("helper") >= 3
    later = [record for record in list(client.recent)[4:] if record.agent == "helper"]
    assert {record.report.budget for record in later} == {900}
    reused = [record.report.prefix_reuse for record in client.recent if record.agent == "lead"]
    assert max(reused) > 0.5


async def test_a_client_for_an_agent_goes_by_its_name_from_the_first_call_on() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, {"coder": 900})
    agent = AssistantAgent("someone", client.for_agent("coder"))
    await agent.run(task="Hello.")
    await client.for_agent("other").create([user("Hi")])
    assert [(record.agent, record.report.budget) for record in client.recent] == [("coder", 900), ("other", BUDGET)]
    assert client.for_agent("coder").remaining_tokens([]) < 900 < client.remaining_tokens([])


async def test_an_agent_outside_a_runtime_goes_by_what_it_calls_itself() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, {"coder": 900})
    agent = AssistantAgent("coder", client)
    await agent.run(task="Hello.")
    await agent.run(task="And now?")
    assert [(record.agent, record.report.budget) for record in client.recent] == [("default", BUDGET), ("coder", 900)]


async def test_a_client_for_an_agent_is_one_after_loading_too() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, {"coder": 900}).for_agent("coder")
    again = TokenBudgetChatCompletionClient.load_component(client.dump_component())
    await again.create([user("Hi")])
    assert [record.agent for record in again.recent] == ["coder"]


async def test_events_name_the_agent_whose_context_it_is(caplog: pytest.LogCaptureFixture) -> None:
    named = TokenBudgetChatCompletionContext(budget=BUDGET, name="coder")
    unnamed = TokenBudgetChatCompletionContext(budget=BUDGET)
    with caplog.at_level(logging.INFO, logger=EVENT_LOGGER_NAME):
        for context in (named, unnamed):
            await context.add_message(user("Hi"))
            await context.get_messages()
            await context.add_message(said("Hello", "writer"))
            await context.add_message(user("Go on"))
            await context.get_messages()
    events = [record.msg for record in caplog.records]
    assert [event.agent for event in events if isinstance(event, FitEvent)] == ["coder", "coder", "default", "writer"]
    again = TokenBudgetChatCompletionContext.load_component(named.dump_component())
    assert again.dump_component().config["name"] == "coder"


async def test_tools_of_an_agent_read_what_left_its_requests_only() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=900), 900, counter=EstimatedTokenCounter())
    for name in ("ann", "ben"):
        await client.for_agent(name).create(chat(name, 12))
    for name, other in (("ann", "ben"), ("ben", "ann")):
        _, search = client.tools(agent=name)
        found = await ask(search, query="secret")
        assert f"{name}-secret" in found
        assert f"{other}-secret" not in found


async def test_nobody_knows_whose_tool_it_is_where_several_chats_are_open() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=900), 900, counter=EstimatedTokenCounter())
    _, search = client.tools()

    async def one(name: str) -> None:
        await client.create(chat(name, 12))

    for name in ("ann", "ben"):
        await asyncio.create_task(one(name))
    assert await ask(search, query="secret") == "nothing found"


async def test_system_messages_tell_no_chats_apart() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, recall=0.0)
    for turns in range(20, 26):
        await client.create([SystemMessage(content=f"It is {turns} o'clock."), *conversation(turns)])
    assert len(client._calls.sessions.newest_first()) == 1  # pyright: ignore[reportPrivateUsage]
