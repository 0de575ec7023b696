"""Lines that a later one takes the place of: a person's word with another value, a record's key with a new one.

Whoever reads only the older one acts on what is no longer so. So the later line stands wherever the older one does.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import chain
from typing import NamedTuple

from ..retrieval.features import Segment
from ..retrieval.terms import is_entity, terms
from .prioritizer import PrioritizedContext, ScoredGroup

_KEY = re.compile(r"[^\n=:]{1,40}[=:]")
# No measurement is on record for the numbers below, unless they name one.

_KEY_LINES = 400
"""Of a text with more lines none is compared by its key: a listing has keys by the thousand, most are no settings."""

_SHARED = 0.5
"""Share of the terms of the shorter line that both must have, to be on the same thing."""
_SAME_RARE, _FEW_LINES = 2, 4
"""So many shared terms at least, each in so few lines of people at most: "by the way" is no subject."""
_OTHER_WORDS = 1
"""Words, beside values, by which a line may differ that has another value and says nothing of a change."""
_TERMS = 40
"""A longer line says too much to be corrected by another."""

# English, German, French, Spanish, Portuguese; other languages are known by the values alone.
_CUE = re.compile(
    r"\b(?:not|instead|actually|rather|correction|sorry|wrong|meant|changed?|change|no longer|update[ds]?"
    r"|nicht|sondern|stattdessen|doch|pas|plutôt|finalement|sino|mejor|cambi\w{1,4}|não|em vez|melhor|mud\w{1,4})\b",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"\b(?:not|instead of|rather than|nicht|statt|pas|au lieu de?|en vez del?|não|em vez d[aeo])\s+((?:\w+\s?){1,3})",
    re.IGNORECASE,
)
"""What follows such words is the old value."""


class Place(NamedTuple):
    """A line: the number of its group, and of its segment there."""

    group: int
    segment: int


def corrections(context: PrioritizedContext) -> Mapping[Place, Place]:
    """Return for each line that a later one corrects the newest that does."""
    numbers = list(context.groups)
    people = {numbers[place] for place in context.turns.people}
    found: dict[Place, Place] = {}
    newest_of_key: dict[str, tuple[Place, str]] = {}
    again = _called_again(context.groups.values())
    said = _Said(context.groups[number] for number in people)
    for number in reversed(numbers):
        scored = context.groups[number]
        if number in people:
            found.update(said.corrected(number, scored))
        elif scored.group.is_exchange:
            found.update(_set_anew(number, scored, again, newest_of_key))
    return found


def _called_again(groups: Iterable[ScoredGroup]) -> Set[str]:
    """Return the labels of calls that were made more than once."""
    calls = [
        label
        for scored in groups
        for label in {passage.label for passage in scored.profile.passages if passage.slot.kind == "result"}
    ]
    return {label for label, times in Counter(calls).items() if times > 1}


def _set_anew(
    number: int, scored: ScoredGroup, again: Set[str], newest: dict[str, tuple[Place, str]]
) -> Iterator[tuple[Place, Place]]:
    """Yield the lines of results whose key a later result of the same call has, with another value."""
    profile = scored.profile
    keys: dict[str, tuple[Place, str]] = {}
    if again.isdisjoint([passage.label for passage in profile.passages]):
        return
    for s, segment in enumerate(profile.segments):
        passage = profile.passages[segment.passage]
        if segment.line < 0 or passage.slot.kind != "result" or len(passage.lines) > _KEY_LINES:
            continue
        text = passage.lines[segment.line].text
        match = _KEY.match(text)
        if match is None:
            continue
        key = f"{passage.label}\0{match[0]}"
        place = Place(number, s)
        if key in newest and key not in keys and newest[key][1] != text:
            yield place, newest[key][0]
        keys.setdefault(key, (place, text))
    for key, found in keys.items():
        newest.setdefault(key, found)


class _Said:
    """What people said, by rare terms, the newest lines first."""

    def __init__(self, groups: Iterable[ScoredGroup]) -> None:
        lines = [segment.words for scored in groups for segment in scored.profile.segments if _is_line(segment)]
        self._rare = {term for term, count in Counter(chain.from_iterable(lines)).items() if count <= _FEW_LINES}
        self._later: dict[str, list[tuple[Place, Segment, str]]] = defaultdict(list)

    def corrected(self, number: int, scored: ScoredGroup) -> Iterator[tuple[Place, Place]]:
        """Yield the lines of a group that one of the later groups corrects; it is one of them from now on."""
        own: list[tuple[Place, Segment, str]] = []
        for s, segment in enumerate(scored.profile.segments):
            if not _is_line(segment):
                continue
            later = {place: (other, text) for term in segment.words for place, other, text in self._later.get(term, ())}
            for place in sorted(later, reverse=True):
                if self._corrects(segment, *later[place]):
                    yield Place(number, s), place
                    break
            text = scored.profile.passages[segment.passage].lines[segment.line].text
            own.append((Place(number, s), segment, text))
        for entry in own:
            for term in self._rare & set(entry[1].words):
                self._later[term].append(entry)

    def _corrects(self, line: Segment, later: Segment, said: str) -> bool:
        """Return whether a later line is on the same thing and has another value."""
        old, new = set(line.words), set(later.words)
        same = old & new
        if len(same & self._rare) < _SAME_RARE or len(same) < _SHARED * min(len(old), len(new)):
            return False
        gone, come = old - new, new - old
        if not come or not (gone or _names_old(said, old)):
            return False
        if _CUE.search(said):
            return True
        values = [set(filter(is_entity, terms)) for terms in (gone, come)]
        return all(values) and len(gone - values[0]) <= _OTHER_WORDS and len(come - values[1]) <= _OTHER_WORDS


def _names_old(said: str, old: Set[str]) -> bool:
    """Return whether a line says what does not hold any more: "Saturday instead of Wednesday"."""
    return any(not old.isdisjoint(terms(found[1])) for found in _INSTEAD.finditer(said))


def _is_line(segment: Segment) -> bool:
    return segment.line >= 0 and segment.kind == "content" and 2 <= len(segment.words) <= _TERMS
