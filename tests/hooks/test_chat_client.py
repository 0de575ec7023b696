"""The message-transform hook by itself: budgets by agent, forwarding, streams, faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from autogen_core import AgentId, CancellationToken, MessageHandlerContext
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from pydantic import BaseModel

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.errors import BudgetTooSmallError, UnknownHandleError
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.models.counters import counter_for_model
from autogen_ext_tokenctx.models.schemas import as_text
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..support.histories import conversation, exchange, prose
from ..support.quiet import no_warnings
from ..support.strict_client import RefusedRequestError, StrictClient
from .test_chat_context import FailingCounter, FailingManager, as_json, same_objects

BUDGET = 2_000
TEAM = "0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11"


def look(item: int) -> str:
    """Look at an item."""
    return str(item)


TOOL = FunctionTool(look, "Look at an item.")


class Answer(BaseModel):
    text: str


async def ask(
    client: ChatCompletionClient, messages: Sequence[LLMMessage], stream: bool, **kwargs: Any
) -> CreateResult:
    if not stream:
        return await client.create(messages, **kwargs)
    chunks = [chunk async for chunk in client.create_stream(messages, **kwargs)]
    assert isinstance(chunks[-1], CreateResult)
    assert "".join(chunk for chunk in chunks if isinstance(chunk, str)) == chunks[-1].content
    return chunks[-1]


@pytest.mark.parametrize("stream", [False, True])
async def test_short_request_goes_through_as_it_is(stream: bool) -> None:
    inner = StrictClient(["all is well"])
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    messages = conversation(2)
    token = CancellationToken()
    given: dict[str, Any] = {
        "tools": [TOOL],
        "tool_choice": TOOL,
        "json_output": Answer,
        "extra_create_args": {"seed": 1},
        "cancellation_token": token,
    }
    result = await ask(client, messages, stream, **given)
    assert result.content == "all is well"
    (request,) = inner.requests
    assert same_objects(request.messages, messages)
    assert request.messages is not messages
    assert request.stream == stream
    assert request.tools == given.pop("tools")
    assert request.arguments == given
    assert request.arguments["cancellation_token"] is token
    report = client.last_report
    assert report is not None
    assert report.steps == ()
    count, schema = inner.counter.count_request, as_text("Answer", Answer.model_json_schema())
    assert report.tokens_after == request.tokens + count((), [TOOL, schema]) - count((), [TOOL])


@pytest.mark.parametrize("stream", [False, True])
async def test_long_request_fills_the_budget(stream: bool) -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    messages = [SystemMessage(content="Be brief."), *conversation(12)]
    before = as_json(messages)
    await ask(client, messages, stream, tools=[TOOL])
    (request,) = inner.requests
    assert BUDGET * 0.8 < request.tokens <= BUDGET
    assert request.messages[:2] == messages[:2]
    assert request.messages[-1] is messages[-1]
    assert as_json(messages) == before
    with pytest.raises(RefusedRequestError):
        await ask(inner, messages, stream)


async def test_broken_request_is_repaired() -> None:
    inner = StrictClient()
    await TokenBudgetChatCompletionClient(inner, BUDGET).create([*conversation(1), exchange(9)[0]])
    await TokenBudgetChatCompletionClient(inner, BUDGET).create([*conversation(1), exchange(9)[1]])


async def test_assistant_message_at_the_end_is_copied() -> None:
    inner = StrictClient()
    last = AssistantMessage(content="I think that ", source="coder")
    await TokenBudgetChatCompletionClient(inner, BUDGET).create([*conversation(1), last])
    sent = inner.requests[0].messages[-1]
    assert isinstance(sent, AssistantMessage)
    assert sent == last
    sent.content = "changed"  # as AutoGen's OpenAI and Anthropic clients do
    assert last.content == "I think that "


@pytest.mark.parametrize(
    ("agent_type", "name", "budget"),
    [
        (None, "coder", 2_000),
        ("planner", "planner", 900),
        (f"planner_{TEAM}", "planner", 900),
        (f"code_reviewer_2_{TEAM}", "code_reviewer_2", 1_100),
        (f"SelectorGroupChatManager_{TEAM}", "SelectorGroupChatManager", 1_200),
        (f"someone_{TEAM}", "someone", 2_000),
        ("under_score", "under_score", 2_000),
    ],
)
async def test_budget_goes_by_agent_name(agent_type: str | None, name: str, budget: int) -> None:
    inner = StrictClient(window=budget)
    budgets = {
        "planner": 900,
        "code_reviewer_2": TokenBudget(limit=1_100, target=0.7),
        "SelectorGroupChatManager": 1_200,
    }
    client = TokenBudgetChatCompletionClient(inner, 2_000, budgets)
    messages = conversation(12)

    async def use() -> int:
        await client.create(messages)
        return client.remaining_tokens(messages)

    if agent_type is None:
        remaining = await use()
    else:
        with MessageHandlerContext.populate_context(AgentId(agent_type, "default")):
            remaining = await use()
    assert remaining == budget - counter_for_model(None).count_request(messages)
    assert client.last_report_of(name) is client.last_report
    assert client.last_report_of("nobody") is None
    assert [record.agent for record in client.recent] == [name]


async def test_archives_do_not_mix() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET)
    for agent in ("ann", "bob"):
        with MessageHandlerContext.populate_context(AgentId(f"{agent}_{TEAM}", "default")):
            await client.create(
                [UserMessage(content=f"I am {agent}.", source="user"), *conversation(12)[1:], *exchange(ord(agent[0]))]
            )
    report = client.last_report_of("ann")
    assert report is not None
    handles = [step.handle for step in report.steps if step.handle]
    assert handles
    for handle in handles:
        assert client.expand(handle) == client.expand(handle, "ann")
    with pytest.raises(UnknownHandleError):
        client.expand(handles[0], "carol")


async def test_agents_of_bygone_teams_are_forgotten() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET)
    messages = conversation(12)
    for number in range(300):
        with MessageHandlerContext.populate_context(AgentId("ann", str(number))):
            await client.create(messages if number == 0 else messages[:1])
    first = client.recent[0].report
    handle = next(step.handle for step in first.steps if step.handle)
    with pytest.raises(UnknownHandleError):
        client.expand(handle)


async def test_stream_is_closed_when_the_reader_leaves() -> None:
    inner = StrictClient(["one two three"])
    stream = TokenBudgetChatCompletionClient(inner, BUDGET).create_stream(conversation(1))
    assert await anext(stream) == "one "
    assert inner.closed_streams == 0
    await stream.aclose()
    assert inner.closed_streams == 1


async def test_everything_else_is_the_inner_clients() -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    assert client.inner is inner
    assert client.model_info == inner.model_info
    assert client.capabilities == inner.capabilities
    assert client.actual_usage() == RequestUsage(1, 2)
    assert client.total_usage() == RequestUsage(3, 4)
    assert client.count_tokens(conversation(1), tools=[TOOL]) == counter_for_model(None).count_request(
        conversation(1), [TOOL]
    )
    await client.close()
    assert inner.closed


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"budget": 0}, BudgetTooSmallError),
        ({"budget": -1}, BudgetTooSmallError),
        ({"budget": 100, "agent_budgets": {"ann": 0}}, BudgetTooSmallError),
        ({"budget": 100, "counter": counter_for_model(None), "manager": ContextManager()}, ValueError),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        TokenBudgetChatCompletionClient(StrictClient(), **arguments)


@pytest.mark.parametrize("stream", [False, True])
async def test_system_message_larger_than_the_budget_is_an_error(stream: bool) -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, 500)
    with pytest.raises(BudgetTooSmallError, match="500"):
        await ask(client, [SystemMessage(content=prose(1, 3_000)), *conversation(1)], stream)
    assert inner.requests == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("good_calls", [0, 1, 20])
async def test_failing_counter_does_not_stop_the_agent(good_calls: int) -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, BUDGET, counter=FailingCounter(good_calls))
    for _ in range(3):
        await client.create(conversation(10))
    assert len(inner.requests) == 3


async def test_failing_manager_does_not_stop_the_agent() -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, BUDGET, manager=FailingManager())
    messages = [*conversation(10), exchange(99)[0]]
    with pytest.warns(RuntimeWarning, match="a bug"):
        await client.create(messages)
    with no_warnings():
        await client.create(messages)
    assert same_objects(inner.requests[0].messages[:-1], messages)
    assert client.last_report is None
