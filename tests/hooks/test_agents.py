"""Single agents, end to end, with histories that need compaction at every hook."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import (
    ApprovalRequest,
    ApprovalResponse,
    AssistantAgent,
    CodeExecutorAgent,
    SocietyOfMindAgent,
)
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import HandoffMessage, ModelClientStreamingChunkEvent, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken, FunctionCall
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_core.memory import ListMemory, MemoryContent
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext

from ..support.histories import conversation, prose
from ..support.hooked import MODES, Mode, client_for, context_for
from ..support.strict_client import Reply, StrictClient, call

BUDGET = 2_000

both_ways = pytest.mark.parametrize("mode", MODES)


async def look(item: int) -> str:
    """Look at an item of the list."""
    return prose(item, 150)


def looks(count: int) -> list[Reply]:
    """One reply after the other: calls, two of them parallel, then a closing text."""
    calls: list[Reply] = [
        [call("look", f"a{n}", item=n), *([call("look", f"b{n}", item=n + 100)] if n % 2 == 0 else [])]
        for n in range(count)
    ]
    return [*calls, "All items are fine."]


def was_needed(client: StrictClient, history: Sequence[LLMMessage]) -> bool:
    """Whether the history would not have fitted as it is."""
    return client.counter.count_request(history) > BUDGET


async def raw(agent: AssistantAgent | CodeExecutorAgent) -> list[LLMMessage]:
    """The whole history of an agent."""
    plain = UnboundedChatCompletionContext()
    await plain.load_state(await agent.model_context.save_state())
    return await plain.get_messages()


@both_ways
@pytest.mark.parametrize(("stream", "reflect"), [(False, False), (True, True)])
async def test_assistant_with_tools(mode: Mode, stream: bool, reflect: bool) -> None:
    inner = StrictClient([*looks(6), *looks(5), *looks(1)], window=BUDGET)
    agent = AssistantAgent(
        "coder",
        client_for(mode, inner, BUDGET),
        tools=[look],
        model_context=context_for(mode, BUDGET),
        max_tool_iterations=8,
        reflect_on_tool_use=reflect,
        model_client_stream=stream,
    )
    chunks = 0
    for task in ("Look at all items.", "Once more.", "Thanks."):
        async for event in agent.run_stream(task=task):
            chunks += isinstance(event, ModelClientStreamingChunkEvent)
    assert was_needed(inner, await raw(agent))
    assert all(request.stream == stream for request in inner.requests)
    assert (chunks > 0) == stream
    assert len(inner.requests) > 11


@both_ways
async def test_assistant_with_memory_over_six_turns(mode: Mode) -> None:
    memory = ListMemory()
    await memory.add(MemoryContent(content="The user counts in litres. " + prose(1, 60), mime_type="text/plain"))
    inner = StrictClient([prose(n, 150) for n in range(6)], window=BUDGET)
    agent = AssistantAgent(
        "coder", client_for(mode, inner, BUDGET), model_context=context_for(mode, BUDGET), memory=[memory]
    )
    for turn in range(6):
        await agent.run(task=f"Turn {turn}: {prose(turn + 50, 60)}")
        last = inner.requests[-1]
        assert any(isinstance(m, SystemMessage) and "litres" in m.content for m in last.messages)
        assert any(isinstance(m, UserMessage) and f"Turn {turn}:" in m.content for m in last.messages)
    assert was_needed(inner, await raw(agent))


@both_ways
async def test_run_cancelled_amid_a_tool_goes_on(mode: Mode) -> None:
    started = asyncio.Event()

    async def hang(item: int) -> str:
        """Hang for ever."""
        started.set()
        await asyncio.Event().wait()
        return ""

    inner = StrictClient([[call("hang", "1", item=1)], "Going on.", "And on."], window=BUDGET)
    agent = AssistantAgent(
        "coder", client_for(mode, inner, BUDGET), tools=[hang], model_context=context_for(mode, BUDGET)
    )
    for message in conversation(10):
        await agent.model_context.add_message(message)
    run = asyncio.create_task(agent.run(task="Look at item 1."))
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await agent.run(task="Never mind, go on.")
    await agent.run(task="Further.")
    assert len(inner.requests) == 3


@both_ways
async def test_handoff_context_shares_objects_and_changes_none(mode: Mode) -> None:
    shared = conversation(12)
    before = [message.model_dump_json() for message in shared]
    inner = StrictClient([prose(7, 30)], window=BUDGET)
    for name in ("ann", "bob"):
        agent = AssistantAgent(name, client_for(mode, inner, BUDGET), model_context=context_for(mode, BUDGET))
        message = HandoffMessage(content="Take over.", source="user", target=name, context=list(shared))
        assert message.context[0] is shared[0]
        await agent.on_messages([message], CancellationToken())
        assert was_needed(inner, await raw(agent))
    assert [message.model_dump_json() for message in shared] == before


@both_ways
async def test_structured_output(mode: Mode) -> None:
    class Verdict(BaseModel):
        leaks: int

    inner = StrictClient([*looks(1)[:1], '{"leaks": 7}'], window=BUDGET)
    agent = AssistantAgent(
        "coder",
        client_for(mode, inner, BUDGET),
        tools=[look],
        model_context=context_for(mode, BUDGET),
        output_content_type=Verdict,
    )
    for message in conversation(10):
        await agent.model_context.add_message(message)
    result = await agent.run(task="Which one leaks?")
    assert result.messages[-1].to_text() == '{"leaks":7}'
    assert inner.requests[-1].arguments["json_output"] is Verdict


class FakeExecutor(CodeExecutor):
    """Runs nothing; fails the first time."""

    component_type = "code_executor"

    def __init__(self) -> None:
        self.runs = 0

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        self.runs += 1
        return CodeResult(exit_code=int(self.runs % 2), output=prose(self.runs, 200))

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def restart(self) -> None: ...


@both_ways
@pytest.mark.parametrize("stream", [False, True])
async def test_code_executor(mode: Mode, stream: bool) -> None:
    def reply(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
        text = str(messages[-1].content)
        if "Should we attempt to resolve it?" in text:
            return json.dumps({"reason": "It failed.", "retry": True})
        return "Done." if "read" in text else f"```python\nprint({len(inner.requests)})  # {prose(3, 30)}\n```"

    inner = StrictClient([reply], window=BUDGET)
    context = context_for(mode, BUDGET)
    agent = CodeExecutorAgent(
        "runner",
        FakeExecutor(),
        model_client=client_for(mode, inner, BUDGET) if mode != "context" else client_for("both", inner, BUDGET),
        model_context=context,
        max_retries_on_error=2,
        model_client_stream=stream,
        approval_func=approve,
    )
    for turn in range(4):
        result = await agent.run(task=f"Turn {turn}: compute.")
        assert result.messages[-1].to_text() == "Done."
    assert was_needed(inner, await raw(agent))
    assert any("Should we attempt" in sent for request in inner.requests for sent in request.json)


def approve(request: ApprovalRequest) -> ApprovalResponse:
    return ApprovalResponse(approved=True, reason="")


@both_ways
async def test_society_of_mind(mode: Mode) -> None:
    inner = StrictClient([prose(5, 150)], window=BUDGET)
    client = client_for(mode, inner, BUDGET)
    team = RoundRobinGroupChat(
        [AssistantAgent(name, client, model_context=context_for(mode, BUDGET)) for name in ("ann", "bob")],
        termination_condition=MaxMessageTermination(4),
    )
    context = context_for(mode, BUDGET)
    society = SocietyOfMindAgent("society", team, client, model_context=context)
    for message in conversation(10):
        await context.add_message(message)
    for turn in range(3):
        result = await society.run(task=f"Turn {turn}: {prose(turn, 60)}")
        assert isinstance(result, TaskResult)
        assert isinstance(result.messages[-1], TextMessage)
        assert result.messages[-1].source == "society"


async def test_expanding_gives_the_agents_own_tool_results_back() -> None:
    inner = StrictClient([*looks(8)], window=BUDGET)
    context = TokenBudgetChatCompletionContext(budget=BUDGET)
    agent = AssistantAgent("coder", inner, tools=[look], model_context=context, max_tool_iterations=8)
    await agent.run(task="Look at all items.")
    assert context.last_report is not None
    handles = [step.handle for step in context.last_report.steps if step.handle]
    originals: list[Any] = [message for handle in handles for message in context.expand(handle)]
    calls = [part for m in originals if isinstance(m, AssistantMessage) for part in m.content]
    assert any(isinstance(part, FunctionCall) and part.name == "look" for part in calls)
