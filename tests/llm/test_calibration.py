"""Calibration against a real llama.cpp server, whose tokenizer tiktoken does not know.

``python -m pytest -m llm -s`` prints the figures.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator

import pytest
from autogen_core.models import AssistantMessage, CreateResult, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.models.counters import TiktokenCounter
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..tokens.corpora import corpora
from .llama_client import LlamaClient, RefusedError
from .server import WINDOW

pytestmark = [pytest.mark.llm, pytest.mark.filterwarnings("ignore:nothing is known about model:UserWarning")]

KINDS = ("english", "code", "json", "german", "chinese")
REPLY = 16
BUDGET = WINDOW - REPLY
SYSTEM = SystemMessage(content="You are a helpful assistant. Answer briefly.")


@pytest.fixture
async def llama(llama_url: str) -> AsyncGenerator[LlamaClient, None]:
    client = LlamaClient(llama_url)
    yield client
    await client.close()


def wrapped(llama: LlamaClient) -> TokenBudgetChatCompletionClient:
    return TokenBudgetChatCompletionClient(llama, BUDGET, model="smollm2-135m-instruct")


def history(kind: str, turns: int, seed: int, longest: int = 240) -> list[LLMMessage]:
    """A talk about texts of one kind, cut anywhere, which sets its messages apart as much as can be."""
    text, r = corpora()[kind], random.Random(seed)
    messages: list[LLMMessage] = [SYSTEM]
    for _ in range(turns):
        question, answer = (_cut(text, r, longest // 5 if kind == "chinese" else longest) for _ in range(2))
        messages += [UserMessage(content=question, source="user"), AssistantMessage(content=answer, source="helper")]
    return messages


def _cut(text: str, r: random.Random, longest: int) -> str:
    size = r.randint(longest // 4, longest)
    start = r.randint(0, len(text) - size)
    return text[start : start + size]


@pytest.mark.parametrize(
    ("start", "bound"),
    [
        pytest.param(8, 0.02, id="running talk"),
        # A quarter of the fourth request is new then, and its tokens vary by a tenth from message to message.
        pytest.param(2, 0.03, id="new talk"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_estimate_after_three_calls(llama: LlamaClient, kind: str, start: int, bound: float) -> None:
    client = wrapped(llama)
    messages = history(kind, 8, seed=1)
    for end in range(start, start + 8, 2):
        await client.create(messages[:end])
    errors: list[float] = []
    for record in client.recent:
        assert record.billed is not None
        assert record.billed <= record.report.tokens_after + record.margin
        errors.append(record.report.tokens_after / record.billed - 1)
    last = client.recent[-1]
    plain = TiktokenCounter().count_request(messages[: start + 6]) / (last.billed or 0) - 1
    calls = " ".join(f"{error:+.1%}" for error in errors)
    print(f"\n{kind}, from message {start}: o200k_base {plain:+.1%} | calls 1-4 {calls} | margin {last.margin}")
    assert abs(errors[3]) <= bound


@pytest.mark.parametrize("kind", ["english", "german", "chinese"])
async def test_long_history_at_the_first_call(llama: LlamaClient, kind: str) -> None:
    messages = history(kind, 60, seed=2)[:-1]
    with pytest.raises(RefusedError, match="exceeds the available context size"):
        await llama.create(messages)
    client = wrapped(llama)
    await client.create(messages)
    (record,) = client.recent
    assert record.billed is not None
    print(f"\n{kind}: first call of a long history, {record.billed} of {BUDGET} tokens used")
    assert BUDGET * 0.25 <= record.billed <= BUDGET


async def test_thirty_turns(llama: LlamaClient) -> None:
    filled = TokenBudget(limit=BUDGET, target=1.0)  # the usual target leaves room, which would hide a margin
    client = TokenBudgetChatCompletionClient(llama, filled, model="smollm2-135m-instruct")
    messages = history("english", 30, seed=3, longest=90)
    for end in range(2, len(messages), 2):
        await client.create(messages[:end])
    with pytest.raises(RefusedError, match="exceeds the available context size"):
        await llama.create(messages[:-1])
    bills = [record.billed or 0 for record in client.recent]
    compacted = [bill for bill, record in zip(bills, client.recent, strict=True) if record.report.steps]
    print(f"\n30 turns: bills {bills}, margins {[record.margin for record in client.recent]}")
    assert len(bills) == 30
    assert max(bills) <= BUDGET
    assert len(compacted) >= 3
    assert min(compacted) >= BUDGET * 0.8


async def test_stream_teaches_too(llama: LlamaClient) -> None:
    client = wrapped(llama)
    messages = history("english", 3, seed=4)
    for end in (2, 4, 6):
        chunks = [chunk async for chunk in client.create_stream(messages[:end])]
        assert isinstance(chunks[-1], CreateResult)
        assert client.recent[-1].billed == chunks[-1].usage.prompt_tokens > 0
    assert client.recent[2].margin < client.recent[0].margin
    assert client.recent[2].report.tokens_after == pytest.approx(client.recent[2].billed, rel=0.05)
