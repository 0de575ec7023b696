"""The block that brings lines back: which of the best lines fit it, with what names them, and how they are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autogen_core.models import UserMessage

from ..forms.compressor import quoted
from ..messages.groups import MessageGroup
from ..messages.pages import expand_call
from ..messages.quoting import one_line, quote_after
from .features import GroupFeatures, Segment, with_required

RECALL_SOURCE = "recalled_context"
"""Source of the user message that holds what was recalled."""

# No measurement is on record for the numbers below, unless they name one.

_LEAST_TOKENS = 4
"""What the shortest line costs."""

_LABEL_TOKENS = 6
"""What a label in the block costs, about."""

_HEAD_TOKENS = 24
"""What the block costs without a line, about."""


class Spot(NamedTuple):
    """A line of the history, and where it stands."""

    group: MessageGroup
    profile: GroupFeatures
    number: int
    segment: Segment
    terms: tuple[str, ...]
    label: tuple[str, ...]


def fitting(best: Iterable[Spot], max_tokens: int) -> list[Spot]:
    """Return those of the best lines that fit with what names their record, by their estimates."""
    max_tokens -= _HEAD_TOKENS
    chosen: list[Spot] = []
    taken: dict[int, set[int]] = defaultdict(set)  # segments, by the number of their group
    for spot in best:
        if max_tokens < _LEAST_TOKENS:
            break
        segments = spot.profile.segments
        added = with_required(segments, spot.number, taken[spot.group.index])
        cost = sum(_LABEL_TOKENS if segments[number].line < 0 else segments[number].tokens for number in added)
        if added and cost <= max_tokens:
            max_tokens -= cost
            chosen.append(spot)
            taken[spot.group.index].update(added)
    return chosen


class Quote(NamedTuple):
    """Lines of one passage."""

    label: str
    lines: tuple[str, ...]
    whole: bool


def quotes_of(chosen: Sequence[Spot]) -> list[Quote]:
    """Return the lines in the order of the history, by passage, with what names their records."""
    kept: dict[tuple[int, int], tuple[Spot, set[int]]] = {}
    for spot in chosen:
        segments = spot.profile.segments
        _, lines = kept.setdefault((spot.group.index, spot.segment.passage), (spot, set[int]()))
        lines.update(segments[n].line for n in with_required(segments, spot.number) if segments[n].line >= 0)
    quotes: list[Quote] = []
    for place in sorted(kept):
        spot, lines = kept[place]
        passage = spot.profile.passages[spot.segment.passage]
        whole = len(lines) == len(passage.lines) and isinstance(spot.group.head.content, str)
        quotes.append(Quote(one_line(passage.label), quoted(passage.lines, lines), whole))
    return quotes


def written_block(quotes: Sequence[Quote], handle: str) -> UserMessage:
    """Return the block: the lines of each passage below who said it, and a handle where a passage has more."""
    more = "" if not handle or all(quote.whole for quote in quotes) else f": {expand_call(handle)}"
    written = [f"[Retrieved from earlier messages{more}]"]
    written += [quote_after(quote.label, "\n".join(quote.lines)) for quote in quotes]
    return UserMessage(content="\n".join(written), source=RECALL_SOURCE)
