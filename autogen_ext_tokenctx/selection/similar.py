"""Messages that say nearly the same: of the earlier ones what only they say, each beside the word before it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autogen_core.models import AssistantMessage, SystemMessage

from ..messages.quoting import FRAGMENTS
from ..retrieval.features import rewritten
from .corrections import corrections
from .prioritizer import PrioritizedContext, ScoredGroup

# No measurement is on record for the numbers below, unless they name one.

_WORDS = range(12, 400)
"""Messages of so many words are compared: shorter ones cost little, and of longer ones lines are repeated, not all."""

_WORD = re.compile(r"\S+")

_BLANKS = " \t"
"""What may stand between two words of a row."""

_ALIKE = 0.8
"""Share of the words that two messages have in the same places if they are alike."""

_FEW = 3
"""So many messages that are alike are merged; two may well be a question asked again."""

_COMPARED = 4
"""Kinds of messages of one speaker and length that are remembered: time stays linear."""


def without_copies(context: PrioritizedContext) -> PrioritizedContext:
    """Return the context in which messages that a later one nearly repeats have only what they alone say."""
    # Whole they can still be had, where there are tokens for that.
    differences = _differences(context)
    # what corrects or is corrected stays as it is
    corrected = {place.group for pair in corrections(context).items() for place in pair} if differences else set[int]()
    merged = {
        index: replace(context.groups[index], profile=rewritten(context.groups[index].profile, text), merged=True)
        for index, text in differences.items()
        if index not in corrected
    }
    return replace(context, groups={**context.groups, **merged}) if merged else context


def _differences(context: PrioritizedContext) -> Mapping[int, str]:
    """Return what each message says that a later one does not, by number, where enough are alike."""
    alike: dict[int, list[tuple[int, str]]] = {}
    newest: dict[tuple[str, str, int], list[tuple[int, list[str]]]] = {}
    for scored in reversed(_free(context)):
        message = scored.group.head
        text = str(message.content)
        words = text.split(maxsplit=_WORDS.stop)  # of a longer one no more need be split
        if len(words) not in _WORDS:
            continue
        known = newest.setdefault((message.type, getattr(message, "source", ""), len(words)), [])
        for index, later in known:
            other = [place for place, (one, two) in enumerate(zip(words, later, strict=True)) if one != two]
            if len(other) <= (1.0 - _ALIKE) * len(words):
                alike.setdefault(index, []).append((scored.group.index, FRAGMENTS.join(_pieces(text, other))))
                break
        else:
            known[:] = [(scored.group.index, words), *known][:_COMPARED]
    return {index: text for found in alike.values() if len(found) + 1 >= _FEW for index, text in found if text}


def _free(context: PrioritizedContext) -> list[ScoredGroup]:
    """Return the groups that may be merged, in their order."""
    turns = context.turns
    kept = {turns.outcome, turns.first, *turns.request}
    return [
        scored
        for place, scored in enumerate(context.groups.values())
        if place not in kept
        and not scored.pinned
        and not scored.group.is_exchange
        and len(scored.group.messages) == 1
        and isinstance(scored.group.head.content, str)
        and not isinstance(scored.group.head, SystemMessage)
        and not (isinstance(scored.group.head, AssistantMessage) and scored.group.head.thought)
    ]


def _pieces(text: str, places: Sequence[int]) -> list[str]:
    """Return the words at some places as the text has them, each with the word before it, neighbours together."""
    spans = [word.span() for word in _WORD.finditer(text)]
    shown: list[tuple[int, int]] = []
    for place in places:
        begin, end = spans[place]
        if place and not text[spans[place - 1][1] : begin].strip(_BLANKS):
            begin = spans[place - 1][0]
        if shown and not text[shown[-1][1] : begin].strip(_BLANKS):
            begin = shown.pop()[0]
        shown.append((begin, end))
    return [text[begin:end] for begin, end in shown]
