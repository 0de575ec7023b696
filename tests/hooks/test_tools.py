"""An agent gets back what left its view."""

from __future__ import annotations

import json
import re

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResultMessage,
    RequestUsage,
    UserMessage,
)

from autogen_ext_tokenctx import TokenBudgetChatCompletionContext
from tests.support.strict_client import StrictClient


async def filled(budget: int = 900) -> TokenBudgetChatCompletionContext:
    context = TokenBudgetChatCompletionContext(budget=budget)
    for n in range(60):
        await context.add_message(
            UserMessage(content=f"Note {n}: the locker of guest_{n} has code {n * 7919 % 9973}.", source="user")
        )
        await context.add_message(AssistantMessage(content=f"Noted, that is number {n}. " * 3, source="desk"))
    return context


async def test_an_agent_searches_and_expands_what_left_its_own_view() -> None:
    context = await filled()
    view = str(await context.get_messages())
    guest = next(n for n in range(60) if f"guest_{n} " not in view)
    expand, search = context.tools()
    found = search.return_value_as_string(
        await search.run_json({"query": f"code of guest_{guest}"}, CancellationToken())
    )
    handle = re.search(r'expand_context\("(\w+)", 1, 1\) of 1 lines: user: Note', found)
    assert handle is not None
    whole = str(await expand.run_json({"handle": handle[1]}, CancellationToken()))
    assert f"code {guest * 7919 % 9973}" in whole


async def test_a_wrong_handle_is_told_and_does_not_raise() -> None:
    expand, search = (await filled()).tools()
    told = await expand.run_json({"handle": "cafe"}, CancellationToken())
    assert "no original is archived under handle 'cafe'" in expand.return_value_as_string(told)
    nothing = await search.run_json({"query": "zebra"}, CancellationToken())
    assert search.return_value_as_string(nothing) == "nothing found"


async def test_the_tools_work_in_an_agent() -> None:
    context = await filled()
    handle = (await context.get_messages(), context.last_report)[1]
    assert handle is not None
    step = next(step for step in handle.steps if step.form.value == "evicted")
    call = FunctionCall(id="1", name="expand_context", arguments=json.dumps({"handle": step.handle}))
    usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
    client = StrictClient(
        [CreateResult(finish_reason="function_calls", content=[call], usage=usage, cached=False), "done"]
    )
    agent = AssistantAgent("desk", client, model_context=context, tools=context.tools(), reflect_on_tool_use=True)
    await agent.run(task="What was left out?")
    results = [m for m in client.requests[-1].messages if isinstance(m, FunctionExecutionResultMessage)]
    (original,) = context.expand(step.handle)
    assert isinstance(original, (UserMessage, AssistantMessage))
    head = f'[expand_context("{step.handle}"): lines 1-1 of 1; this is the end]'
    assert results[-1].content[0].content == f"{head}\n{original.source}:\n{original.content}"
