"""A session replayed through a context, and what every view of it was worth."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median
from time import perf_counter, process_time

from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
)

from autogen_ext_tokenctx import TokenCounter
from tests.benchmarks.talk import Session

# List price of gpt-4o in US dollars a million input tokens, as in the table that litellm 1.106.2 ships, October 2026:
PRICE = 2.50
CACHED_PRICE = 1.25
# From OpenAI's guide to prompt caching: prefixes from 1,024 tokens on, in steps of 128.
_CACHED_FROM = 1_024
_CACHED_STEP = 128


@dataclass(frozen=True)
class Call:
    """One read of the context, and the view it gave."""

    seconds: float
    cpu: float
    """Seconds of the processor, which other work on the machine moves less."""
    tokens: int
    over_budget: int
    """Tokens above the budget, or 0."""
    is_paired: bool
    has_task: bool
    has_asked: bool | None
    """None when the newest question asks for nothing."""
    shared: int
    """Tokens of the messages at its start that the view before had there, too."""

    @property
    def cached(self) -> int:
        """What of `shared` a provider would bill as cached."""
        return self.shared // _CACHED_STEP * _CACHED_STEP if self.shared >= _CACHED_FROM else 0


@dataclass(frozen=True)
class Measures:
    """What all the calls of a context come to; times in milliseconds, shares from 0 to 1, money in US dollars."""

    calls: int
    get_ms: float
    cpu_ms: float
    add_ms: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    mean_tokens: float
    over_budget: int
    most_over: int
    broken_pairs: int
    task_kept: float
    facts_kept: float
    prefix_shared: float
    prefix_cached: float
    dollars: float
    dollars_cached: float


async def replay(
    session: Session, context: ChatCompletionContext, counter: TokenCounter, budget: int
) -> tuple[list[Call], float]:
    """Adds a session message by message and reads the context where the model is called.

    Args:
        session: The session.
        context: An empty context.
        counter: Counts the views.
        budget: What a view may cost.

    Returns:
        The calls, and the seconds that adding took.
    """
    gc.collect()
    reads, calls, before, adding = set(session.calls), list[Call](), list[LLMMessage](), 0.0
    for number, message in enumerate(session.messages, 1):
        started = perf_counter()
        await context.add_message(message)
        adding += perf_counter() - started
        if number in reads:
            started, cpu = perf_counter(), process_time()
            view = await context.get_messages()
            times = perf_counter() - started, process_time() - cpu
            calls.append(_call(session, number, times, view, before, counter, budget))
            before = list(view)
    return calls, adding


def _call(
    session: Session,
    number: int,
    times: tuple[float, float],
    view: Sequence[LLMMessage],
    before: Sequence[LLMMessage],
    counter: TokenCounter,
    budget: int,
) -> Call:
    asked = session.asked.get(number)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(view, before, strict=False))
    tokens = counter.count_request(view)
    return Call(
        *times,
        tokens,
        max(0, tokens - budget),
        is_paired(view),
        session.messages[0] in view,
        None if asked is None else any(asked in str(message.content) for message in view),
        sum(counter.count_message(message) for message, _ in same),
    )


def is_paired(view: Sequence[LLMMessage]) -> bool:
    """Whether every tool call is followed by its results, and every result follows its call."""
    waiting: set[str] = set()
    for message in view:
        if isinstance(message, FunctionExecutionResultMessage):
            ids = {result.call_id for result in message.content}
            if not ids <= waiting:
                return False
            waiting -= ids
        elif waiting:
            return False
        elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            waiting = {call.id for call in message.content}
    return not waiting


def measures(calls: Sequence[Call], adding: float) -> Measures:
    """What calls come to."""
    times = [call.seconds * 1e3 for call in calls]
    tokens = sum(call.tokens for call in calls)
    asked = [call.has_asked for call in calls if call.has_asked is not None]
    cached = sum(call.cached for call in calls)
    return Measures(
        calls=len(calls),
        get_ms=sum(times),
        cpu_ms=sum(call.cpu for call in calls) * 1e3,
        add_ms=adding * 1e3,
        p50_ms=median(times),
        p95_ms=percentile(times, 0.95),
        max_ms=max(times),
        mean_tokens=tokens / len(calls),
        over_budget=sum(call.over_budget > 0 for call in calls),
        most_over=max(call.over_budget for call in calls),
        broken_pairs=sum(not call.is_paired for call in calls),
        task_kept=sum(call.has_task for call in calls) / len(calls),
        facts_kept=sum(asked) / len(asked) if asked else 0.0,
        prefix_shared=sum(call.shared for call in calls) / tokens,
        prefix_cached=cached / tokens,
        dollars=tokens * PRICE / 1e6,
        dollars_cached=((tokens - cached) * PRICE + cached * CACHED_PRICE) / 1e6,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
