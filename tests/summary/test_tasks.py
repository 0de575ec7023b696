"""The summary in the making: it is nobody's call, ends when it is given up, and outlives no event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx import ContextSummarizer, Summary, TokenBudget
from autogen_ext_tokenctx.summary.background import Summaries
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.background import settled
from ..support.histories import prose
from ..support.slow_client import SlowClient, until
from ..support.strict_client import StrictClient
from ..support.work import calls

GOOD = "## Goal and standing rules\n- Find the boiler that leaks.\n## Facts\n- Nothing found yet."
COUNTER = EstimatedTokenCounter()
BUDGET = TokenBudget(limit=400)
FULL = 400


def said(count: int, what: str = "Look at item") -> list[LLMMessage]:
    return [UserMessage(content=f"{what} {n}. {prose(n, 150)}", source="ann") for n in range(count)]


HISTORY = said(8)


def summaries(client: StrictClient, **settings: Any) -> Summaries:
    return Summaries(ContextSummarizer(client, counter=COUNTER, **settings), COUNTER)


async def made(rolling: Summaries, history: Sequence[LLMMessage]) -> Summary | None:
    """Begins a summary, lets it end and takes it."""
    rolling.consider(history, FULL, BUDGET)
    await settled()
    return await rolling.for_compaction(history, BUDGET)


async def test_the_next_summary_begins_where_the_last_one_ended_and_not_before_that_was_taken() -> None:
    client = SlowClient([GOOD])
    rolling = summaries(client)
    rolling.consider(HISTORY, FULL, BUDGET)
    rolling.consider(said(12), FULL, BUDGET)
    assert await rolling.for_compaction(HISTORY, BUDGET) is None  # not ready, and not waited for
    client.answer.set()
    await settled()
    rolling.consider(said(12), FULL, BUDGET)
    rolling.consider(said(12), FULL, BUDGET)
    await settled()
    assert len(client.requests) == 1
    first = await rolling.for_compaction(said(12), BUDGET)
    assert first is rolling.current
    assert first is not None
    assert 0 < first.covers < len(HISTORY)
    second = await made(rolling, said(12))
    assert second is not None
    assert second.covers > first.covers
    sent = str(client.requests[1].messages[-1].content)
    assert f"Look at item {first.covers}." in sent
    assert f"Look at item {first.covers - 1}." not in sent


async def test_a_summary_is_no_call_of_the_agent() -> None:
    agent = ContextVar("agent", default="nobody")
    agent.set("coder")
    seen: list[str] = []

    def reply(*_: object) -> str:
        seen.append(agent.get())
        return GOOD

    assert await made(summaries(StrictClient([reply])), HISTORY) is not None
    assert seen == ["nobody"]


async def test_beginning_reads_only_the_newest_messages() -> None:
    def work(history: Sequence[LLMMessage]) -> int:
        rolling = summaries(StrictClient([GOOD]))
        count = calls(lambda: rolling.consider(history, FULL, BUDGET))
        rolling.cancel()
        return count

    long = said(500)
    work(long[-9:])  # neither imports nor the first count of the newest messages are part of it
    assert work(long) <= work(long[-9:]) + 5


async def test_a_failure_leaves_the_summary_in_force_and_the_same_is_not_tried_again() -> None:
    client = StrictClient([GOOD, ""])
    rolling = summaries(client, attempts=1)
    first = await made(rolling, HISTORY)
    assert first is not None
    assert await made(rolling, said(12)) is first
    assert await made(rolling, said(12)) is first
    assert len(client.requests) == 2
    client.script[:] = [GOOD]
    last = await made(rolling, said(16))
    assert last is not None
    assert last.covers > len(HISTORY)


async def test_another_history_forgets_the_summary_and_the_one_in_the_making() -> None:
    client = SlowClient([GOOD], 0.0)
    rolling = summaries(client)
    assert await made(rolling, HISTORY) is not None
    client.seconds = 60.0
    rolling.consider(said(12), FULL, BUDGET)
    await until(lambda: client.running)
    other = said(9, "Paint fence")
    assert await rolling.for_compaction(other, BUDGET) is None
    await until(lambda: client.cancelled)
    client.seconds = 0.0
    summary = await made(rolling, other)
    assert summary is not None
    assert "standing_summary" not in str(client.requests[-1].messages[-1].content)


async def test_closing_ends_the_call_of_the_model() -> None:
    client = SlowClient([GOOD], 60.0)
    rolling = summaries(client)
    await rolling.close()
    rolling.consider(HISTORY, FULL, BUDGET)
    await until(lambda: client.running)
    await rolling.close()
    await until(lambda: client.cancelled)
    assert not client.running


def test_a_summary_of_another_event_loop_is_begun_anew() -> None:
    client = SlowClient([GOOD], 60.0)
    rolling = summaries(client)

    async def begin() -> None:
        rolling.consider(HISTORY, FULL, BUDGET)
        await until(lambda: client.running)

    asyncio.run(begin())  # asyncio.run cancels what is in flight
    assert not client.running
    rolling = summaries(client)
    abandoned = asyncio.new_event_loop()
    abandoned.run_until_complete(begin())
    client.seconds = 0.0
    assert asyncio.run(made(rolling, said(12))) is not None
    abandoned.run_until_complete(asyncio.sleep(0.01))
    assert not asyncio.all_tasks(abandoned)
    abandoned.close()


async def test_nobody_has_to_ask_for_a_failure() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    client = StrictClient([""])
    rolling = summaries(client)
    rolling.consider(HISTORY, FULL, BUDGET)
    await settled()
    assert len(client.requests) == 2
    del rolling
    gc.collect()
    assert not complaints
