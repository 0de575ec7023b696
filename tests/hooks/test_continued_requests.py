"""Requests that go on from the one before: the client hook keeps their start as it was, and reports say so."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import FunctionTool

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.models.profiles import PromptCache
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..support.histories import conversation, prose
from ..support.strict_client import Request, StrictClient

BUDGET = 4_000


def look(item: int) -> str:
    """Look at an item."""
    return str(item)


def request(turns: int) -> list[LLMMessage]:
    """A system message and a conversation, all of them new objects each time."""
    return [SystemMessage(content="Be brief."), *conversation(turns)]


def shared(before: Request, after: Request) -> int:
    """How many messages both begin with."""
    pairs = zip(before.json, after.json, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(before.json), len(after.json)))


def kept(requests: Sequence[Request]) -> list[bool]:
    """For each request after the first, whether it begins with the whole of the one before, but for its question."""
    return [shared(a, b) >= len(a.json) - 1 for a, b in pairwise(requests)]


async def test_the_start_stays_the_same_between_compactions() -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, recall=0.0)
    for turns in range(1, 36):
        await client.create(request(turns))
    goes_on = kept(inner.requests)
    assert goes_on.count(False) < len(goes_on) / 4
    for same, record in zip(goes_on, list(client.recent)[1:], strict=True):
        assert (record.report.prefix_reuse > 0.5) is same
    assert all(0 < record.report.tokens_after <= BUDGET for record in client.recent)


async def test_a_question_of_one_call_alone_does_not_end_it() -> None:
    """As of an orchestrator, which puts a question after the thread that is no part of it."""
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, recall=0.0)
    for turns in range(20, 34):
        question = UserMessage(content=f"Is the request satisfied after turn {turns}?", source="orchestrator")
        await client.create([*request(turns), question])
        assert inner.requests[-1].messages[-1] == question
    goes_on = kept(inner.requests)
    assert goes_on.count(False) <= 4


async def test_a_request_of_its_own_fills_the_budget_and_one_that_grew_leaves_room() -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    await client.create(request(60))
    assert inner.requests[-1].tokens > 0.95 * BUDGET
    await client.create(request(61))
    assert inner.requests[-1].tokens < 0.8 * BUDGET
    await client.create([UserMessage(content="Another task.", source="user"), *conversation(62)])
    assert inner.requests[-1].tokens > 0.95 * BUDGET


async def test_the_same_request_twice_is_sent_twice() -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    for _ in range(2):
        await client.create(request(60))
    first, second = inner.requests
    assert first.json == second.json


async def test_what_a_new_question_asks_for_comes_back() -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    fact = AssistantMessage(content="The spare key of the boiler room is in locker ZK-4711.", source="coder")
    thread = [*conversation(3), fact, *conversation(50)[1:]]
    await client.create(thread)
    for number in range(3):
        thread += [AssistantMessage(content=prose(900 + number, 120), source="coder")]
        thread += [UserMessage(content=f"Go on with pump {number}.", source="user")]
        await client.create(thread)
    thread += [
        AssistantMessage(content="Done.", source="coder"),
        UserMessage(content="In which locker is the spare key of the boiler room?", source="user"),
    ]
    await client.create(thread)
    sent = inner.requests[-1]
    assert "ZK-4711" in str(sent.messages)
    assert kept(inner.requests)[-1]
    assert sent.messages[-1] is thread[-1]


async def test_other_tools_leave_a_cache_nothing_to_serve() -> None:
    inner = StrictClient(window=BUDGET)
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    tool = FunctionTool(look, "Look at an item.")
    for tools in ([], [], [tool], [tool]):
        await client.create(request(5), tools=tools)
    assert [record.report.prefix_reuse > 0.9 for record in client.recent] == [False, True, False, True]


@pytest.mark.parametrize(
    ("model", "least", "most"),
    [
        ("gpt-5", 0.85, 1.0),  # cached tokens cost a tenth: when they have to be
        ("llama3", 0.55, 0.7),  # no discount: at the trigger
    ],
)
async def test_compactions_that_cost_more_than_they_save_wait(model: str, least: float, most: float) -> None:
    context = TokenBudgetChatCompletionContext(
        model=model, budget=TokenBudget(limit=BUDGET, trigger=0.7, target=0.6), recall=0.0
    )
    sizes: list[int] = []
    for message in conversation(40):
        await context.add_message(message)
        if not isinstance(message, UserMessage):
            continue
        await context.get_messages()
        assert context.last_report is not None
        sizes.append(context.last_report.tokens_after)
    before_compactions = [a for a, b in pairwise(sizes) if b < a]
    assert before_compactions
    assert all(least <= size / BUDGET <= most for size in before_compactions)


@pytest.mark.parametrize(
    ("discount", "before", "growth", "pays"),
    [
        (0.0, 4_801, 300, True),
        (0.5, 6_400, 300, False),
        (0.5, 6_600, 300, True),
        (0.9, 8_000, 300, False),
        (0.9, 10_000, 300, True),
        (0.9, 8_000, 50, True),
    ],
)
def test_break_even(discount: float, before: int, growth: int, pays: bool) -> None:
    """Against the bill of a long run: a compaction each time the request has grown from 4,800 to so many tokens."""
    cache = PromptCache(automatic=True, minimum=1_024, granularity=1, discount=discount)
    assert cache.pays(before, 4_800, growth) is pays

    def price_of_a_call(trigger: float) -> float:
        calls = (trigger - 4_800) / growth
        reads = (trigger + 4_800) / 2 * (1 - discount)
        return reads + discount * growth + discount * 4_800 / calls

    assert (price_of_a_call(before) <= price_of_a_call(before * 1.01)) is pays


async def test_a_context_reports_what_a_cache_can_serve() -> None:
    context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=BUDGET)
    served: list[float] = []
    for message in conversation(24):
        await context.add_message(message)
        await context.get_messages()
        assert context.last_report is not None
        assert context.last_report.cached_tokens % 128 == 0
        served.append(context.last_report.prefix_reuse)
    assert served[0] == 0.0
    assert sum(served) / len(served) > 0.6


async def test_a_block_that_needs_room_does_not_make_a_first_request_one_that_grew() -> None:
    history: list[LLMMessage] = [UserMessage(content="Keep the list of parcels.", source="user")]
    for number in range(30):
        told = f"Parcel P-{1000 + number * 37} is at depot_{number % 3}, shelf {number * 31 % 97}. {prose(number, 200)}"
        history += [
            AssistantMessage(content=told, source="coder"),
            UserMessage(content=f"Next, number {number}.", source="user"),
        ]
    asked = "Where is parcel P-1111, and where are the parcels of depot_2? Name each shelf."
    inner = StrictClient(window=2_500)
    client = TokenBudgetChatCompletionClient(inner, 2_500, model="gpt-4o")
    await client.create([*history, UserMessage(content=asked, source="user")])
    assert inner.requests[-1].tokens > 0.95 * 2_500
