"""The client hook learns what its provider's tokens are, and keeps its budgets in them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from autogen_core.models import CreateResult, LLMMessage, RequestUsage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.models.counters import TiktokenCounter, counter_for_model
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..support.histories import conversation, prose
from ..support.strict_client import RefusedRequestError, StrictClient, StrictClientConfig
from .test_chat_client import TOOL, ask
from .test_chat_context import as_json

WINDOW = 3_000
FULL = TokenBudget(limit=WINDOW, target=1.0)
"""Filled at each call, whatever that costs the prompt cache."""
MODEL = "claude-sonnet-4"


class ForeignCounter:
    """A provider with a worse tokenizer, and a template that adds to each message and to the request."""

    def __init__(self, factor: float = 1.4) -> None:
        self._inner = TiktokenCounter()
        self._factor = factor

    def count_text(self, text: str) -> int:
        return int(self._factor * self._inner.count_text(text))

    def count_message(self, message: LLMMessage) -> int:
        return int(self._factor * self._inner.count_message(message)) + 2

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        in_tools = int(self._factor * self._inner.count_request((), tools))
        return 30 + in_tools + sum(map(self.count_message, messages))


def foreign(window: int = WINDOW, factor: float = 1.4) -> StrictClient:
    inner = StrictClient(window=window)
    inner.counter = ForeignCounter(factor)
    return inner


def wrapped(inner: StrictClient, budget: int | TokenBudget = WINDOW) -> TokenBudgetChatCompletionClient:
    return TokenBudgetChatCompletionClient(inner, budget, model=MODEL)


@pytest.mark.parametrize(("stream", "start"), [(False, 20), (True, 1)])
async def test_no_request_is_over_the_window_and_all_come_close_to_it(stream: bool, start: int) -> None:
    inner = foreign()
    client = wrapped(inner, FULL)
    for turns in range(start, start + 16):
        messages = [SystemMessage(content="Be brief."), *conversation(turns)]
        before = as_json(messages)
        await ask(client, messages, stream, tools=[TOOL])
        assert as_json(messages) == before
    records = list(client.recent)
    assert [record.billed for record in records] == [request.tokens for request in inner.requests]
    for record in records[3:]:
        assert record.report.tokens_after == pytest.approx(record.billed, rel=0.035)
        assert record.report.budget == WINDOW
        if record.report.steps:
            assert record.billed is not None
            assert record.billed > WINDOW * 0.7
    assert (records[-1].billed or 0) > WINDOW * 0.8
    assert records[-1].margin < WINDOW * 0.2
    with pytest.raises(RefusedRequestError):
        await TokenBudgetChatCompletionClient(inner, WINDOW).create(conversation(40))


async def test_remaining_tokens_are_the_providers() -> None:
    client = wrapped(foreign())
    messages = conversation(8)
    uncertain = client.remaining_tokens(messages)
    for turns in (5, 6, 7, 8):
        await client.create(conversation(turns))
    actual = ForeignCounter().count_request(messages)
    assert client.count_tokens(messages) == pytest.approx(actual, rel=0.02)
    assert uncertain < client.remaining_tokens(messages) <= WINDOW - actual


@pytest.mark.parametrize("model", ["gpt-4o", None])
async def test_known_tokenizers_use_the_whole_budget_at_once(model: str | None) -> None:
    inner = StrictClient(window=WINDOW)
    client = TokenBudgetChatCompletionClient(inner, FULL, model=model)
    for turns in (30, 31, 32):
        await client.create(conversation(turns))
    assert all(WINDOW - 60 <= request.tokens <= WINDOW for request in inner.requests)
    assert all(record.margin == 0 for record in client.recent)


async def test_a_wrong_name_is_found_out() -> None:
    """A proxy that says gpt-4o and answers with something else is refused at most until two bills are there."""
    inner = foreign(window=10 * WINDOW)
    client = TokenBudgetChatCompletionClient(inner, WINDOW, model="gpt-4o")
    for turns in range(20, 26):
        await client.create(conversation(turns))
    assert inner.requests[0].tokens > WINDOW
    assert all(request.tokens <= WINDOW for request in inner.requests[2:])


async def test_bills_that_say_nothing_teach_nothing() -> None:
    usages = [
        CreateResult(finish_reason="stop", content="ok", usage=RequestUsage(0, 0), cached=False),
        CreateResult(finish_reason="stop", content="ok", usage=RequestUsage(900, 1), cached=True),
        CreateResult(finish_reason="stop", content="ok", usage=RequestUsage(3, 1), cached=False),
        CreateResult.model_construct(finish_reason="stop", content="ok", usage=None, cached=False),
    ]
    client = wrapped(StrictClient(usages))
    await client.create(conversation(3))
    before = client.dump_calibration()
    for _ in usages[1:]:
        await client.create(conversation(3))
    assert client.dump_calibration() == before
    assert [record.billed for record in client.recent] == [None, None, 3, None]


async def test_a_schema_whose_price_nobody_knows_does_not_end_the_trust_in_an_exact_count() -> None:
    class Answer(BaseModel):
        text: str

    inner = foreign(window=10 * WINDOW, factor=1.3)
    client = TokenBudgetChatCompletionClient(inner, WINDOW, model="gpt-4o")
    for turns in (3, 4, 5, 6):
        await client.create(conversation(turns), json_output=Answer)
        assert client.recent[-1].billed == inner.requests[-1].tokens
        assert client.count_tokens(conversation(8)) == counter_for_model("gpt-4o").count_request(conversation(8))


async def test_bills_of_requests_with_a_schema_are_learned_from_where_the_count_is_an_estimate() -> None:
    class Answer(BaseModel):
        text: str

    client = wrapped(foreign())
    before = client.remaining_tokens(conversation(8))
    for turns in (3, 4, 5):
        await client.create(conversation(turns), json_output=Answer)
    assert client.remaining_tokens(conversation(8)) > before + 100


async def test_each_model_is_learned_by_itself() -> None:
    client = wrapped(foreign())
    for turns in (3, 4, 5):
        await client.create(conversation(turns))
    await client.create(conversation(6), extra_create_args={"model": "mistral-large"})
    ours, other = list(client.recent)[-2:]
    assert other.margin > 2 * ours.margin
    assert set(client.dump_calibration()) == {MODEL, "mistral-large"}


async def test_a_restart_keeps_what_was_learned() -> None:
    client = wrapped(foreign())
    for turns in range(1, 10):
        await client.create(conversation(turns))
    other = wrapped(foreign())
    other.load_calibration(client.dump_calibration())
    messages = [UserMessage(content=prose(900, 600), source="user")]
    assert other.count_tokens(messages) == pytest.approx(client.count_tokens(messages), rel=0.03)
    assert other.remaining_tokens(messages) > wrapped(foreign()).remaining_tokens(messages)


async def test_a_broken_saved_calibration_is_left_out() -> None:
    client = wrapped(foreign())
    with pytest.warns(RuntimeWarning, match="broken"):
        client.load_calibration({MODEL: {"prices": []}})
    await client.create(conversation(1))


async def test_what_fits_only_without_a_margin_is_sent() -> None:
    inner = foreign(factor=1.0)
    client = wrapped(inner, 1_000)
    system = SystemMessage(content=prose(1, 250))
    counted = counter_for_model(None).count_request([system])
    assert 700 < counted < 850
    await client.create([system, UserMessage(content="Go on.", source="user")])
    assert inner.requests[0].tokens <= 1_000


async def test_too_small_a_budget_is_told_in_the_providers_tokens() -> None:
    client = wrapped(foreign(window=100_000), 2_000)
    for turns in (1, 2, 3, 4):
        await client.create(conversation(turns))
    messages = [SystemMessage(content=prose(1, 600)), *conversation(1)]
    with pytest.raises(BudgetTooSmallError) as caught:
        await client.create(messages)
    assert caught.value.budget == 2_000
    assert caught.value.needed == pytest.approx(ForeignCounter().count_request(messages[:2]), rel=0.15)


async def test_a_reserve_and_a_target_hold_in_the_providers_tokens() -> None:
    inner = foreign()
    budget = TokenBudget(limit=WINDOW, reserve=500, target=0.7)
    client = wrapped(inner, budget)
    for turns in range(1, 25):
        await client.create(conversation(turns))
    tokens = [request.tokens for request in inner.requests]
    compacted = [call for call in range(1, len(tokens)) if tokens[call] < tokens[call - 1]]
    assert max(tokens) <= 2_500
    assert compacted
    assert all(0.6 * 2_500 <= tokens[call] <= 0.75 * 2_500 for call in compacted)


async def test_the_name_is_taken_from_the_inner_client() -> None:
    class NamedConfig(StrictClientConfig):
        model: str = MODEL

    class Named(StrictClient):
        def _to_config(self) -> StrictClientConfig:
            return NamedConfig(script=["ok"], window=self.window)

    inner = Named(window=WINDOW)
    inner.counter = ForeignCounter()
    client = TokenBudgetChatCompletionClient(inner, WINDOW)
    await client.create(conversation(20))
    assert client.recent[0].margin > 0
    assert inner.requests[0].tokens <= WINDOW
    assert set(client.dump_calibration()) == {MODEL}
