"""Marks of what is missing: the call that gives it back stands there only for agents that have the tool for it."""

from __future__ import annotations

import re

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from autogen_core.tools import FunctionTool, StaticWorkbench

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.context.manager import ContextManager

from ..support.histories import conversation, look
from ..support.strict_client import StrictClient, call

CALL = "expand_context("


def shown(inner: StrictClient) -> str:
    return "\n".join(str(message.content) for message in inner.requests[-1].messages)


async def test_an_agent_without_the_tool_sees_no_call_of_it() -> None:
    inner = StrictClient()
    context = TokenBudgetChatCompletionContext(budget=900, initial_messages=conversation(20))
    client = TokenBudgetChatCompletionClient(inner, 900)
    await AssistantAgent("coder", client, model_context=context).run(task="Which boiler leaks?")
    assert "earlier messages]" in shown(inner)
    assert CALL not in shown(inner)
    assert context.last_report is not None
    assert any(step.handle for step in context.last_report.steps)  # the program can have it back all the same


async def test_an_agent_with_the_tools_of_its_context_does() -> None:
    inner = StrictClient()
    context = TokenBudgetChatCompletionContext(budget=900, initial_messages=conversation(20))
    agent = AssistantAgent("coder", inner, model_context=context, tools=context.tools())  # type: ignore[arg-type]
    await agent.run(task="Which boiler leaks?")
    assert f"earlier messages: {CALL}" in shown(inner)


async def test_the_client_sees_it_by_the_tools_of_a_request() -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, 900)
    await client.create(conversation(20))
    assert CALL not in shown(inner)
    await client.create(conversation(40), tools=client.tools())
    assert CALL in shown(inner)


async def test_the_context_learns_of_the_tool_from_the_client() -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, 900)
    context = TokenBudgetChatCompletionContext(budget=900)
    agent = AssistantAgent("coder", client, model_context=context, tools=client.tools())  # type: ignore[arg-type]
    await agent.run(task="Hello.")
    for message in conversation(20):
        await context.add_message(message)
    assert CALL in str(await context.get_messages())


@pytest.mark.parametrize("rows", [200, 5_000])
async def test_the_numbers_of_a_mark_are_rows_of_the_text(rows: int) -> None:
    text = "\n".join(f"row {number} of the ledger says {number * 37 % 101}" for number in range(rows))
    history: list[LLMMessage] = [
        UserMessage(content="Look at the ledger.", source="user"),
        AssistantMessage(content=text, source="coder"),
        UserMessage(content=f"{text}\nWhich row says 7?", source="user"),
    ]
    view = str((await ContextManager().fit(history, 1_500)).messages)
    told = [(int(of) - int(omitted), int(of)) for omitted, of in re.findall(r"\[(\d+) of (\d+) lines omitted", view)]
    assert (told[-1][1]) == rows + 1
    kept = len(re.findall(r"row \d+ of the ledger", str((await ContextManager().fit(history, 1_500)).messages[-1])))
    assert abs(told[-1][0] - kept) <= 1


@pytest.mark.parametrize("hook", ["context", "client"])
async def test_the_tools_stand_beside_another_workbench(hook: str) -> None:
    """An agent refuses tools beside a workbench, such as that of an MCP server."""
    history = conversation(20)
    inner = StrictClient([[call("expand_context", "1", handle="00000000")], "It is boiler 3."])
    client = TokenBudgetChatCompletionClient(inner, 900)
    context = TokenBudgetChatCompletionContext(budget=900, initial_messages=history)
    bench = context.workbench() if hook == "context" else client.workbench()
    agent = AssistantAgent(
        "coder",
        client,
        model_context=context,
        workbench=[bench, StaticWorkbench([FunctionTool(look, "Look at an item.")])],
        reflect_on_tool_use=True,
    )
    result = await agent.run(task="Which boiler leaks?")
    assert "It is boiler 3." in str(result.messages[-1])
    names = {tool["name"] for tool in inner.requests[0].tools if isinstance(tool, dict)}
    assert {"expand_context", "search_context", "look"} <= names
    assert CALL in shown(inner)
