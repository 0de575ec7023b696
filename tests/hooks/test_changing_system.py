"""A system message that changes at each call does not make a new conversation, and the report says what it costs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import FunctionTool

from autogen_ext_tokenctx.context.report import FitReport
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.transforms import MessageTransform
from autogen_ext_tokenctx.retrieval.recall import RECALL_SOURCE
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..support.histories import Talk, conversation, look, prose
from ..support.strict_client import StrictClient

BUDGET = 4_000
RULES = "Be brief. "
TURNS = range(1, 26)


def clock(call: int) -> list[LLMMessage]:
    return [SystemMessage(content=f"{RULES}It is {call // 60:02}:{call % 60:02}.")]


def memory(call: int) -> list[LLMMessage]:
    return [SystemMessage(content=RULES), SystemMessage(content=f"From memory: {prose(call, 30 + call % 4 * 30)}")]


def memory_at_times(call: int) -> list[LLMMessage]:
    return memory(call)[: 1 + call % 2]


def memory_first(call: int) -> list[LLMMessage]:
    return [*memory(call)[1:], SystemMessage(content=RULES)]


def now_and_then_none(call: int) -> list[LLMMessage]:
    return clock(call)[: call % 3]


def still(call: int) -> list[LLMMessage]:
    return [SystemMessage(content=RULES)]


HEADS: dict[str, Callable[[int], list[LLMMessage]]] = {
    "a clock": clock,
    "retrieved memory": memory,
    "memory at times": memory_at_times,
    "memory before the rules": memory_first,
    "none at times": now_and_then_none,
}


def anew(inner: StrictClient) -> float:
    """Share of the requests that do not go on from the one before, but for its head and its newest question."""
    rests = [[text for text in request.json if '"SystemMessage"' not in text] for request in inner.requests]
    pairs = list(pairwise(rests))
    return sum(before[:-1] != after[: len(before) - 1] for before, after in pairs) / len(pairs)


async def talk(head: Callable[[int], list[LLMMessage]], model: str) -> tuple[StrictClient, list[FitReport]]:
    """Twenty-five turns, with a head of their own each."""
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model=model, recall=0.0)
    for turns in TURNS:
        await client.create([*head(turns), *conversation(turns)])
    return inner, [record.report for record in client.recent]


@pytest.mark.parametrize(
    ("model", "heads"), [("gpt-4o", list(HEADS)), ("claude-sonnet-4", ["a clock", "memory at times", "none at times"])]
)
async def test_a_conversation_goes_on_whatever_its_system_messages_say(model: str, heads: list[str]) -> None:
    usual = anew((await talk(still, model))[0])
    for name in heads:
        head = HEADS[name]
        inner, reports = await talk(head, model)
        assert anew(inner) <= usual + 0.06, name
        for turns, request, report in zip(TURNS, inner.requests, reports, strict=True):
            system = head(turns)
            if model == "gpt-4o":
                assert request.messages[: len(system)] == system
            else:  # whose endpoint takes one system message
                assert all(str(message.content) in str(request.messages[0].content) for message in system)
            changed = turns > 1 and system != head(turns - 1)
            assert ("cache cannot serve" in report.cache_break) == changed
            assert model != "gpt-4o" or report.tokens_after == request.tokens
            assert report.groups == len(system) + 1 + 3 * turns


async def test_a_still_head_breaks_no_cache() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(window=BUDGET), BUDGET, recall=0.0)
    for turns in range(1, 20):
        await client.create([SystemMessage(content=RULES), *conversation(turns)])
    assert {record.report.cache_break for record in client.recent} == {""}


class Clock(MessageTransform):
    """Puts the number of the call into the system message."""

    def __init__(self) -> None:
        self.calls = 0

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        self.calls += 1
        return [*clock(self.calls), *messages[1:]]

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        return "", False


async def test_agents_and_teams_whose_prompt_has_a_clock_go_on() -> None:
    for kind in ("agent", "team"):
        inner = StrictClient([Talk(60)])
        client = TokenBudgetChatCompletionClient(inner, BUDGET, transforms=[Clock()], recall=0.0)
        tool = FunctionTool(look, "Look at an item.")
        agent = AssistantAgent("coder", client, tools=[tool], reflect_on_tool_use=True)
        if kind == "agent":
            for turn in range(20):
                await agent.run(task=f"Go on with item {turn}.")
        else:
            ends = MaxMessageTermination(24)
            await RoundRobinGroupChat([agent], termination_condition=ends).run(task="Find the leak.")
        assert len(inner.requests) >= 20
        assert max(request.tokens for request in inner.requests) <= BUDGET
        assert anew(inner) <= 0.25


async def test_what_a_turn_recalls_stays_where_it_is_when_the_head_grows() -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, TokenBudget(limit=BUDGET, target=0.6))
    rules = SystemMessage(content=RULES)
    thread = conversation(40)
    await client.create([rules, *thread])
    question = UserMessage(content="What did relay 9-0 read?", source="user")
    asked = [*thread, AssistantMessage(content="Done.", source="coder"), question]
    await client.create([rules, *asked])
    before = inner.requests[-1].messages
    assert any(isinstance(message, UserMessage) and message.source == RECALL_SOURCE for message in before)
    await client.create([*memory(1), *asked])
    after = inner.requests[-1].messages
    assert [message for message in before if not isinstance(message, SystemMessage)] == after[2:]
