"""Chats, summaries, plans and recovery with a real llama.cpp server: what it refuses, bills and ends.

Its model, of 135 million parameters, cannot judge what any of it is worth: only the protocol is tested.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import AssistantMessage, ChatCompletionClient, LLMMessage, UserMessage

from autogen_ext_tokenctx import (
    ContextSummarizer,
    ErrorRecovery,
    RecoveryStrategy,
    TaskDecomposer,
    TaskDefinition,
    TokenBudgetChatCompletionClient,
)
from autogen_ext_tokenctx.summary.text import HEADINGS

from ..support.histories import prose
from .llama_client import LlamaClient, RefusedError
from .server import WINDOW

pytestmark = [pytest.mark.llm, pytest.mark.filterwarnings("ignore:nothing is known about model:UserWarning")]

TURNS = 40
REPLY = 1


@pytest.fixture
async def llama(llama_url: str) -> AsyncGenerator[LlamaClient, None]:
    client = LlamaClient(llama_url, REPLY)
    yield client
    await client.close()


@pytest.fixture
async def large_llama(large_llama_url: str) -> AsyncGenerator[LlamaClient, None]:
    client = LlamaClient(large_llama_url, 40)
    yield client
    await client.close()


async def chat(client: ChatCompletionClient) -> int:
    """A chat of 40 turns; how many of them were answered."""
    agent = AssistantAgent("helper", client, system_message="You are a helpful assistant. Answer briefly.")
    answered = 0
    for turn in range(TURNS):
        try:
            await agent.run(task=f"Note {turn}: {prose(turn, 6)}")
        except RefusedError:
            break
        answered += 1
    return answered


async def test_a_chat_dies_without_and_goes_on_with_the_client_hook(llama: LlamaClient) -> None:
    assert 0 < await chat(llama) < TURNS
    client = TokenBudgetChatCompletionClient(llama, WINDOW - REPLY, model="smollm2-135m-instruct")
    assert await chat(client) == TURNS
    bills = [record.billed or 0 for record in client.recent]
    assert max(bills) <= WINDOW - REPLY
    assert max(bills) > 0.7 * WINDOW
    assert sum(record.refused for record in client.recent) == 0


def notes(count: int, words: int = 60) -> list[LLMMessage]:
    return [AssistantMessage(content=f"Note {n}: {prose(n, words)}", source="ann") for n in range(count)]


async def test_an_overflow_is_learned_from_the_server(llama: LlamaClient) -> None:
    """With a budget far above the window, the server's own answer says what fits."""
    client = TokenBudgetChatCompletionClient(llama, 8_000, model="smollm2-135m-instruct")
    question = UserMessage(content="Which boiler leaks?", source="user")
    for count in (20, 22, 24):
        await client.create([*notes(count, 30), question])
    assert [record.refused for record in client.recent] == [1, 0, 0]
    assert max(record.billed or 0 for record in client.recent) <= WINDOW


async def test_a_summary_is_paid_as_billed_and_keeps_its_rules(large_llama: LlamaClient) -> None:
    summarizer = ContextSummarizer(large_llama, max_tokens=120, max_input_tokens=1_500, attempts=2)
    summary = await summarizer.merge(None, notes(3))
    assert summarizer.usage.calls > 0
    assert summarizer.usage.prompt_tokens > 200
    assert summarizer.usage.completion_tokens > 0
    if summary is not None:  # of this model hardly ever
        assert all(heading in summary.text for heading in HEADINGS)


async def test_a_window_that_is_smaller_than_thought_is_learned(large_llama: LlamaClient) -> None:
    summarizer = ContextSummarizer(large_llama, max_tokens=120, max_input_tokens=6_000, attempts=1)
    await summarizer.merge(None, notes(7, 90))
    assert summarizer.usage.calls >= 1
    assert summarizer.usage.prompt_tokens <= 2_048 * summarizer.usage.calls


async def test_a_cancelled_summary_leaves_the_server_free(large_llama: LlamaClient) -> None:
    summarizer = ContextSummarizer(large_llama, max_tokens=120, max_input_tokens=1_900)
    merging = asyncio.create_task(summarizer.merge(None, notes(3)))
    await asyncio.sleep(0.05)
    merging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await merging
    answer = await asyncio.wait_for(large_llama.create([UserMessage(content="Hello", source="user")]), 60)
    assert answer.usage.completion_tokens > 0


async def test_plans_and_recoveries_come_whatever_the_model_says(large_llama: LlamaClient) -> None:
    task = TaskDefinition(description="Add a login page", requirements=("Tests first", "No new dependency"))
    plan = await TaskDecomposer(large_llama).decompose_task(task, 1_500)
    assert plan.steps
    assert sum(step.token_budget for step in plan.steps) <= 1_500
    failures = 0

    async def run(strategy: RecoveryStrategy) -> str:
        nonlocal failures
        failures += 1
        raise ValueError("still no such table")

    result = await ErrorRecovery(large_llama).recover(ValueError("no such table: orders"), plan, run=run)
    assert failures >= 1
    assert not result.recovered
    assert "no such table: orders" in result.first_error
