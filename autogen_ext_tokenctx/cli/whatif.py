"""Recorded runs played once more, call by call, with another budget."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from ..context.manager import ContextManager
from ..context.report import FitReport
from ..errors import BudgetTooSmallError
from ..hooks.chat_context import TokenBudgetChatCompletionContext
from ..hooks.incremental_view import SentPrefix
from ..html_report.calls import Call
from ..html_report.log import LoggedText
from ..models.profile_table import profile_of

_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")  # what providers refuse in the name of who speaks


@dataclass(frozen=True, slots=True)
class Recording:
    """A history, and where in it a model was called: before the messages of these numbers, with all before them."""

    agent: str
    messages: Sequence[LLMMessage]
    calls: Sequence[int]

    @classmethod
    def of(cls, agent: str, messages: Sequence[LLMMessage]) -> Recording:
        """Return the recording of a history in which a model was called before each message of the assistant."""
        calls = [number for number, message in enumerate(messages) if isinstance(message, AssistantMessage)]
        return cls(agent, messages, calls)


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """One call of a recording with a budget: tokens of the whole history and of the view, with what is beside them."""

    without: int
    without_cached: int | None  # what of them a prompt cache can serve
    was_over: bool
    sent: int = 0  # from here on: of the view, and nothing of one that does not fit
    cached: int = 0
    quality: float = 0.0
    is_compaction: bool = False
    fits: bool | None = True  # None where that is not known


Price = Callable[[int, int], float]  # US dollars of one call's input, by its tokens and those that a cache serves


async def play(
    recording: Recording,
    budget: int,
    *,
    beside: int,
    model: str | None,
    manager: ContextManager,
    on_call: Callable[[int], None],
) -> list[PlayedCall]:
    """Return the calls of a recording with a budget of input tokens, of which each call has some beside the history."""
    counter, cache = manager.counter, profile_of(model).cache
    context = TokenBudgetChatCompletionContext(model, budget, manager=manager, reserve=beside)
    whole, size = SentPrefix(counter), counter.count_request(())
    played: list[PlayedCall] = []
    places, messages = set(recording.calls), recording.messages
    for place in range(len(messages) + 1):
        if place in places:
            without = size + beside
            call = PlayedCall(without, whole.served(messages[:place], without, (), cache), without > budget)
            try:
                view = await context.get_messages()
                # there is no report where nothing was fitted: of an empty history, or where fitting failed
                report = context.last_report or FitReport(budget, size, counter.count_request(view))
                call = replace(
                    call,
                    sent=report.tokens_after + beside,
                    cached=report.cached_tokens,
                    quality=report.quality,
                    is_compaction=report.compacted,
                )
            except BudgetTooSmallError:
                call = replace(call, fits=False)
            played.append(call)
            on_call(1)
        if place < len(messages):
            await context.add_message(messages[place])
            size += counter.count_message(messages[place])
    return played


def summed(budget: int, calls: Sequence[PlayedCall], price: Price | None) -> dict[str, Any]:
    """Return what calls with one budget come to: numbers, and None for what is not known."""
    # what cannot be sent is left out of tokens, money and quality
    sent = [call for call in calls if call.fits is not False]
    tokens, without = sum(call.sent for call in sent), sum(call.without for call in sent)
    qualities = [call.quality for call in sent]

    def dollars(of: Callable[[PlayedCall], tuple[int, int | None]]) -> float | None:
        parts = list(map(of, sent))
        if price is None or any(cached is None for _, cached in parts):
            return None
        return sum(price(amount, cached or 0) for amount, cached in parts)

    return {
        "budget": budget,
        "calls": len(calls),
        "tokens_without": without,
        "tokens_sent": tokens,
        "mean_quality": fmean(qualities) if qualities else None,
        "lowest_quality": min(qualities, default=None),
        "compactions": sum(call.is_compaction for call in calls),
        "prefix_reuse": sum(call.cached for call in sent) / tokens if tokens else 0.0,
        "over_budget_without": sum(call.was_over for call in calls),
        "cannot_fit": None if any(call.fits is None for call in calls) else len(calls) - len(sent),
        "dollars_without": dollars(lambda call: (call.without, 0)),
        "dollars_without_cached": dollars(lambda call: (call.without, call.without_cached)),
        "dollars_sent": dollars(lambda call: (call.sent, 0)),
        "dollars_sent_cached": dollars(lambda call: (call.sent, call.cached)),
        "saved": 1 - tokens / without if without else 0.0,
    }


def as_recorded(call: Call) -> PlayedCall:
    """Return a call as its log tells of it, which knows of no failed ones."""
    quality, cached = min(fit.quality for fit in call.fits), call.sent.cached_tokens
    sent, is_compaction = call.tokens_after, call.compacted
    return PlayedCall(call.tokens_before, None, call.was_over, sent, cached, quality, is_compaction, fits=None)


def recordings(calls: Iterable[Call]) -> list[Recording] | None:
    """Return the recordings in a log with texts; None where a call has no texts."""
    # a log has texts, and no tool calls: what the agent itself says is the assistant's, and a tool is a user
    found: list[Recording] = []
    open_ones: dict[tuple[str, str], tuple[list[LoggedText], list[LLMMessage], list[int]]] = {}
    for call in calls:
        texts = call.fits[0].texts
        if texts is None:
            return None
        key = (call.team, call.agent)
        known = open_ones.get(key)
        if known is None or tuple(known[0]) != texts.history[: len(known[0])]:  # another run of the same agent
            known = open_ones[key] = ([], [], [])
            found.append(Recording(call.agent, known[1], known[2]))
        new = texts.history[len(known[0]) :]
        known[0].extend(new)
        known[1].extend(_message(said, call.agent) for said in new)
        known[2].append(len(known[1]))
    return found


def _message(said: LoggedText, agent: str) -> LLMMessage:
    if said.who == "system":
        return SystemMessage(content=said.text)
    kind = AssistantMessage if said.who == agent else UserMessage
    return kind(content=said.text, source=_NO_NAME.sub("_", said.who)[:64] or "user")
