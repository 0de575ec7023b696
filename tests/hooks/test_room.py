"""A newest message that is too large is cut only as far as the budget asks for."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from autogen_core.models import (
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from tests.support.histories import conversation, exchange, prose
from tests.support.strict_client import StrictClient

TEXTS = {
    "log": "\n".join(f"12:00:{n % 60:02d} worker-{n % 7} handled request r-{n * 7919 % 100_003}" for n in range(400)),
    "prose": prose(3, 1_400),
    "records": json.dumps([{"id": n, "state": f"open {n * 7}", "pump": f"p-{n * 7}"} for n in range(400)], indent=1),
    "one line": " ".join(f"entry-{n}" for n in range(1_200)),
    "code": "\n".join(f"def helper_{n}(a, b):\n    return a + b * {n}" for n in range(280)),
    "japanese": "\n".join(f"第{n}工場のポンプ{n * 7}番は正常に動いています。" for n in range(400)),
}


def from_user(text: str) -> list[LLMMessage]:
    return [UserMessage(content=f"What is wrong here?\n{text}", source="user")]


def from_agent(text: str) -> list[LLMMessage]:
    return [UserMessage(content=text, source="writer")]


def from_tool(text: str) -> list[LLMMessage]:
    result = FunctionExecutionResult(content=text, name="look", call_id="call_99", is_error=False)
    return [*exchange(99)[:1], FunctionExecutionResultMessage(content=[result])]


NEWEST: dict[str, Callable[[str], list[LLMMessage]]] = {"user": from_user, "agent": from_agent, "tool": from_tool}


@pytest.mark.parametrize("newest", NEWEST)
@pytest.mark.parametrize("kind", TEXTS)
async def test_a_newest_message_that_is_too_large_uses_the_room(kind: str, newest: str) -> None:
    for budget, turns in ((1_200, 0), (2_000, 3)):
        context = TokenBudgetChatCompletionContext(budget=budget)
        for message in [*conversation(turns), *NEWEST[newest](TEXTS[kind])]:
            await context.add_message(message)
        await context.get_messages()
        report = context.last_report
        assert report is not None
        available = budget - context.reserve
        assert 0.9 * available <= report.tokens_after <= available


@pytest.mark.parametrize("newest", NEWEST)
@pytest.mark.parametrize("kind", ["log", "records"])
async def test_and_so_it_does_behind_the_client(kind: str, newest: str) -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, 2_000)
    await client.create([SystemMessage(content="Be brief."), *conversation(3), *NEWEST[newest](TEXTS[kind])])
    assert 1_700 <= inner.requests[-1].tokens <= 2_000
