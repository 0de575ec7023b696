"""Bills are believed only when they can be of the whole prompt; a server that cuts prompts is found out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import LLMMessage, RequestUsage, SystemMessage
from autogen_core.tools import FunctionTool, Tool, ToolSchema

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.models.counters import TiktokenCounter
from autogen_ext_tokenctx.tokens.credibility import Credibility

from ..support.histories import Talk, conversation, look
from ..support.strict_client import StrictClient

BUDGET = 4_000
COUNTER = TiktokenCounter()

Biller = Callable[[Sequence[LLMMessage], int], int]
"""What a server bills for messages of so many tokens."""


class Server(StrictClient):
    """A server whose tokens are those of o200k_base times a factor, and whose bills are its own affair."""

    def __init__(self, bill: Biller, factor: float = 1.0, script: Sequence[Any] = ("ok",)) -> None:
        super().__init__(script)
        self.bill, self.factor = bill, factor
        self.true: list[int] = []
        self.bills: list[int] = []

    def _answer(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        arguments: dict[str, Any],
        *,
        stream: bool,
    ) -> Any:
        self.true.append(int(self.factor * COUNTER.count_request(messages, tools)))
        self.bills.append(max(1, self.bill(messages, self.true[-1])))
        result = super()._answer(messages, tools, arguments, stream=stream)
        return result.model_copy(update={"usage": RequestUsage(self.bills[-1], 1)})


def window(tokens: int) -> Biller:
    """A server that cuts the prompt at its window."""
    return lambda messages, true: min(true, tokens)


def window_of_messages(tokens: int) -> Biller:
    """A server that drops whole messages, the oldest first, until the rest fits."""

    def bill(messages: Sequence[LLMMessage], true: int) -> int:
        rest = list(messages)
        scale = true / COUNTER.count_request(messages)
        while len(rest) > 1 and scale * COUNTER.count_request(rest) > tokens:
            rest.pop(0)
        return int(scale * COUNTER.count_request(rest))

    return bill


def without_head(tokens: int) -> Biller:
    """A provider that leaves out what a cache serves: always the same part at the start."""
    return lambda messages, true: true - tokens


class WithoutPrefix:
    """A provider that leaves out all that the request before began with, in blocks."""

    def __init__(self, block: int = 1, minimum: int = 0) -> None:
        self.block, self.minimum, self.before = block, minimum, list[LLMMessage]()

    def __call__(self, messages: Sequence[LLMMessage], true: int) -> int:
        same = 0
        for one, other in zip(self.before, messages, strict=False):
            if one != other:
                break
            same += 1
        self.before = list(messages)
        served = COUNTER.count_request(messages[:same]) * true // COUNTER.count_request(messages)
        served -= served % self.block
        return true - (served if served >= self.minimum else 0)


LIARS: dict[str, Callable[[], Biller]] = {
    "window of 1,024": lambda: window(1_024),
    "window of 2,048": lambda: window(2_048),
    "window of 3,000": lambda: window(3_000),
    "window of whole messages": lambda: window_of_messages(2_048),
    "without the cached system prompt": lambda: without_head(800),
    "without a small cached head": lambda: without_head(200),
    "without the cached start": WithoutPrefix,
    "without cached blocks": lambda: WithoutPrefix(128, 1_024),
    "without any": lambda: lambda messages, true: true // 5,
}
ESTIMATED = ("window of 2,048", "window of whole messages", "without a small cached head")
"""Those that are tried with a counter that estimates."""
CUT = dict(zip(LIARS, (1_024, 2_048, 3_000, 2_048), strict=False))


def client_of(server: StrictClient, model: str, **settings: Any) -> TokenBudgetChatCompletionClient:
    return TokenBudgetChatCompletionClient(server, BUDGET, model=model, **settings)


def over_the_highest_ratio(client: TokenBudgetChatCompletionClient, server: Server) -> list[int]:
    """Calls planned above the budget by the plain count times the highest honest ratio of the 20 before."""
    counted = [request.tokens for request in server.requests]
    ratios = [bill / tokens for bill, tokens in zip(server.bills, counted, strict=True)]
    return [call for call in range(1, len(counted)) if counted[call] * max(ratios[max(0, call - 20) : call]) > BUDGET]


@pytest.mark.parametrize(
    ("liar", "model", "factor"),
    [
        *((liar, "gpt-4o", 1.0) for liar in LIARS if liar not in ESTIMATED or liar == "window of whole messages"),
        *((liar, "claude-sonnet-4", 1.3) for liar in ESTIMATED),
    ],
)
async def test_bills_of_part_of_a_prompt_let_no_request_grow_over_the_budget(
    liar: str, model: str, factor: float, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(LIARS[liar](), factor)
    client = client_of(server, model)
    with caplog.at_level(logging.WARNING, "autogen_ext_tokenctx"):
        for turns in range(1, 31):
            await client.create([SystemMessage(content="Be brief."), *conversation(turns, 60)])
    assert max(server.true) <= BUDGET
    warnings = [record.getMessage() for record in caplog.records if "seems to cut" in record.getMessage()]
    if liar not in CUT:
        assert not warnings
        assert max(server.true) > 0.5 * BUDGET
        return
    assert len(warnings) == 1
    limit = max(server.bills)
    assert f"{limit} tokens" in warnings[0]
    assert 0.9 * CUT[liar] < limit <= CUT[liar]
    assert max(server.true[-10:]) <= 1.05 * limit
    assert max(server.true[-10:]) > 0.5 * limit


@pytest.mark.parametrize(("factor", "start"), [(1.0, 1), (1.2, 30), (1.5, 1)])
async def test_no_honest_bill_is_taken_for_a_cut_prompt(
    factor: float, start: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(lambda messages, true: true, factor)
    client = client_of(server, "claude-sonnet-4")
    for turns in range(start, start + 18):
        await client.create(conversation(turns, 60))
    assert not caplog.records
    assert max(server.true) <= BUDGET
    assert over_the_highest_ratio(client, server) == []
    assert max(server.true[-9:]) > 0.8 * BUDGET


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4"])
async def test_a_server_that_cuts_from_the_first_request_on(model: str) -> None:
    server = Server(window(2_048), 1.0)
    client = client_of(server, model)
    for turns in range(30, 46):
        await client.create(conversation(turns, 60))
    assert max(server.true) <= BUDGET
    assert max(server.true[-8:]) <= 2_048


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4"])
async def test_agents_with_tools_and_teams_stay_within_what_the_server_reads(model: str) -> None:
    server = Server(window(2_048), 1.0, [Talk(90)])
    client = client_of(server, model)
    tool = FunctionTool(look, "Look at an item.")
    agent = AssistantAgent("coder", client, tools=[tool], reflect_on_tool_use=True)
    for turn in range(24):
        await agent.run(task=f"Go on with item {turn}.")
    assert max(server.true) <= BUDGET
    assert max(server.true[-12:]) <= 2_048
    members = [AssistantAgent(name, client, tools=[tool]) for name in ("planner", "tester")]
    await RoundRobinGroupChat(list(members), termination_condition=MaxMessageTermination(24)).run(task="Find the leak.")
    assert max(server.true[-12:]) <= 2_048


async def test_a_count_that_is_too_high_by_nature_still_comes_down_to_the_bills() -> None:
    server = Server(lambda messages, true: true, 0.7)
    client = client_of(server, "claude-sonnet-4")
    for turns in range(1, 30):
        await client.create(conversation(turns, 60))
    assert max(server.true) <= BUDGET
    assert max(server.true[-12:]) > 0.85 * BUDGET


async def test_a_limit_falls_when_a_bill_is_above_it() -> None:
    bills = Credibility()
    for size in range(10, 20):
        bills.believes(dict.fromkeys(range(size), 100), min(1_500, 100 * size))
    assert bills.ceiling == 1_500
    assert bills.believes(dict.fromkeys(range(20), 100), 2_000)
    assert bills.ceiling is None


@pytest.mark.parametrize("liar", ["window of 1,024", "window of whole messages"])
async def test_a_restart_keeps_the_limit(liar: str) -> None:
    client = client_of(Server(LIARS[liar](), 1.0), "claude-sonnet-4")
    for turns in range(1, 20):
        await client.create(conversation(turns, 60))
    other = client_of(StrictClient(), "claude-sonnet-4")
    other.load_calibration(client.dump_calibration())
    assert other.remaining_tokens([]) == client.remaining_tokens([]) <= CUT[liar]
