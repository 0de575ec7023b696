"""What of a text that must stay, and does not fit, comes before the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autogen_core.models import SystemMessage, UserMessage

from ..messages.instructions import request_score
from .prioritizer import ScoredGroup
from .utility import FIRST

# No measurement is on record for the numbers below, unless they name one.

PINNED_END, OUTERMOST = 1e4, 1e5
"""Utility of a line that comes before all others, and of the very first and last one: more than twice as much, or the
second of two neighbours would come before it."""

_ENDS = 2
"""Lines of its head and of its tail that a text keeps before others."""

_MANY_LINES = 1_000
"""Of a text of more lines none is looked for that says what to do with the others: bounds time."""

_PROMPT_HEAD = 0.15
"""Of a prompt that holds a history the beginning, which says what the answer may be, comes first up to this share of
the tokens."""

_CALLS_SHARE = 0.5
"""The calls of a group come before its result if they take at most this share of the remaining tokens: a call that lost
a line is told as text. Most calls are short beside what comes back."""


def firsts(scored: ScoredGroup, lines: Sequence[int], max_tokens: int, newest: int) -> dict[int, float]:
    """Return the utility of the lines of a group that come before its other ones, with its pictures."""
    segments = scored.profile.segments
    text = [s for s in lines if segments[s].kind != "image"]
    found = dict(_of_prompt(scored, text, max_tokens)) if isinstance(scored.group.head, SystemMessage) else {}
    found.update(dict.fromkeys((*text[:_ENDS], *text[-_ENDS:], *_request(scored, text)), PINNED_END))
    found.update(dict.fromkeys((*text[:1], *text[-1:], *_whole_calls(scored, max_tokens)), OUTERMOST))
    for s in lines:
        if segments[s].kind == "image":  # after the head and the tail of the text, the newest first
            newer = 1.0 + (scored.group.index + s / len(segments)) / (newest + 1)
            found[s] = FIRST * segments[s].tokens * newer
    return found


def _of_prompt(scored: ScoredGroup, lines: Sequence[int], max_tokens: int) -> Iterator[tuple[int, float]]:
    """Yield the lines of a prompt with a history in it: its beginning is needed most, then the newest lines."""
    tokens = 0
    for number, s in enumerate(lines):
        own = scored.profile.segments[s].tokens
        tokens += own
        yield s, FIRST * own * (2.0 if tokens <= _PROMPT_HEAD * max_tokens else number / len(lines))


def _request(scored: ScoredGroup, lines: Sequence[int]) -> list[int]:
    """Return the line of a user message that most likely says what to do with the others."""
    if not isinstance(scored.group.head, UserMessage) or not _ENDS < len(lines) <= _MANY_LINES:
        return []
    passages, segments = scored.profile.passages, scored.profile.segments
    asks = {s: request_score(passages[segments[s].passage].lines[segments[s].line].text) for s in lines}
    return [max(lines, key=lambda s: (asks[s], s))]


def _whole_calls(scored: ScoredGroup, max_tokens: int) -> list[int]:
    """Return the lines of the call arguments, if together they may come first."""
    segments = scored.profile.segments
    lines = [s for s, segment in enumerate(segments) if segment.line >= 0 and segment.kind == "arguments"]
    return lines if sum(segments[s].tokens for s in lines) <= _CALLS_SHARE * max_tokens else []
