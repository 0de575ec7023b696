"""What the context hook learns from the client hook, and what it must not learn."""

from __future__ import annotations

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import AgentId, MessageHandlerContext
from autogen_core.models import SystemMessage, UserMessage
from autogen_core.tools import FunctionTool

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.models.counters import counter_for_model

from ..support.histories import conversation, prose
from ..support.strict_client import StrictClient, call

BUDGET = 3_000
UNTAUGHT = 450


async def look(item: int) -> str:
    """Look at an item of the list and give back all that its sensors have measured since the last visit."""
    return prose(item, 200)


def total(*parts: SystemMessage) -> int:
    counter = counter_for_model(None)
    return sum(map(counter.count_message, parts))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reflect", [False, True])
async def test_agent_teaches_its_context_the_true_cost(stream: bool, reflect: bool) -> None:
    inner = StrictClient([[call("look", "1", item=1)], "done"], window=BUDGET)
    context = TokenBudgetChatCompletionContext(budget=BUDGET)
    tools = [FunctionTool(look, "Look. " * 100)]
    agent = AssistantAgent(
        "coder",
        TokenBudgetChatCompletionClient(inner, BUDGET),
        tools=list(tools),
        model_context=context,
        system_message="Be brief. " * 100,
        model_client_stream=stream,
        reflect_on_tool_use=reflect,
    )
    assert context.reserve == UNTAUGHT
    await agent.run(task="Look at item 1.")
    counter = counter_for_model(None)
    expected = counter.count_request([SystemMessage(content="Be brief. " * 100)], tools) - counter.count_request(())
    assert context.reserve == expected
    request = inner.requests[0]
    assert request.stream == stream
    assert request.tokens - counter.count_request(request.messages[1:]) == expected


async def test_budget_is_kept_with_large_tools_after_the_first_call() -> None:
    """With the client's budget out of the way, the context alone keeps the request within its own."""
    inner = StrictClient()
    context = TokenBudgetChatCompletionContext(budget=BUDGET)
    agent = AssistantAgent(
        "coder",
        TokenBudgetChatCompletionClient(inner, 100_000),
        tools=[FunctionTool(look, "Look. " * 300)],
        model_context=context,
        system_message="Be brief. " * 300,
    )
    await agent.run(task="Begin.")
    for message in conversation(12):
        await context.add_message(message)
    for number in range(5):
        await agent.run(task=f"Go on, {number}.")
        assert BUDGET // 2 < inner.requests[-1].tokens <= BUDGET


async def test_foreign_requests_teach_nothing() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET)
    context = TokenBudgetChatCompletionContext(budget=BUDGET, initial_messages=conversation(2))
    system = SystemMessage(content=prose(1, 300))
    await client.create([system, *conversation(2)])  # nothing was read yet
    view = await context.get_messages()
    await client.create([system, UserMessage(content=f"Who is next? {view}", source="user")])  # a selector's prompt
    await client.create([system, *conversation(2)])  # equal, but not these messages
    await client.create([system, *view[1:]])
    with MessageHandlerContext.populate_context(AgentId("other", "default")):
        await client.create([system, *view])  # an agent that runs inside this one's turn
    assert context.reserve == UNTAUGHT
    await client.create([system, *view])
    assert context.reserve == total(system)


async def test_an_empty_view_teaches_nothing() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET)
    context = TokenBudgetChatCompletionContext(budget=BUDGET)
    await context.get_messages()
    await client.create([SystemMessage(content=prose(1, 300)), *conversation(1)])
    assert context.reserve == UNTAUGHT


async def test_what_one_call_adds_after_the_view_is_no_overhead() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET)
    context = TokenBudgetChatCompletionContext(budget=BUDGET, initial_messages=conversation(2))
    system = SystemMessage(content="Be brief.")
    question = UserMessage(content=f"Shall we try again after this? {prose(1, 300)}", source="coder")
    await client.create([system, *await context.get_messages(), question])
    assert context.reserve == total(system)


async def test_a_context_that_is_gone_is_not_kept_alive() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET)
    view = await TokenBudgetChatCompletionContext(budget=BUDGET, initial_messages=conversation(2)).get_messages()
    await client.create(view)
