"""What a line is worth, given what the view already says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from autogen_core.models import AssistantMessage

from .priority import PrioritizedContext, ScoredUnit
from .profile import Segment
from .relevance import is_entity, rarity, terms

# Tuned together on histories of two-person chats, meetings, customer service with tools, and agent teams.
_BASE = 0.02
"""Relevance of a unit that nothing speaks for."""
_SHARP = 1.5
"""Power of the relevance: above 1, the best units stand out more."""
_RECENT = 0.5
"""What being the newest counts for, as long as it is open what is asked."""
_LONG = 0.2
"""Power with which relevance per token falls with a unit's length: long units do not win by length."""
_NEW_BASE = 0.4
"""Share of the worth of new terms that does not depend on the unit's own relevance."""
_WORDS = 0.05
"""Worth of a new word of greatest rarity."""
_IDS = 60.0
"""Worth of a new id in a tool result, if the words beside it are those of the conversation."""
_OTHER_IDS = 0.3
"""Share of it for a number or id that is not built like those that tools were called with."""
_FLOOR = 0.25
"""Share of it when the words beside it were never spoken."""
_HALF = 1.0
"""Spoken words beside an id (by rarity) that bring half of the rest."""
_SAID = 0.03
"""Share of it for an id in what people and agents say."""
_OPEN = 0.35
"""Power of the doubt with which ids count: after a full question, its answer is worth more than any id."""
_ASKED = 0.5
"""Worth of a word of the query of greatest rarity."""
_NAMED = 15.0
"""Worth of an id, a number or a name in code that the query has."""
_AGAIN = 0.5
"""What is left of either in the next line that has it."""

_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]+")
_READ_CHARS = 2_000


class LineWorth(NamedTuple):
    """The parts of a segment's worth: its share of the unit's relevance, and what new words and ids count for."""

    mass: float
    per_word: float
    per_id: float
    asked: tuple[str, ...]
    segment: Segment


class Worth:
    """The worth of the lines of one history, falling as the view comes to say the same.

    A line's worth is its share of the unit's relevance (mass, which grows slower than a unit's length, so that long
    units do not win by length) and the terms it would bring that the view does not have: words by rarity; ids and
    numbers by how much the words beside them are those of the conversation.

    Args:
        context: The history with its scores.
    """

    def __init__(self, context: PrioritizedContext) -> None:
        self._covered: set[str] = set()
        lines = [(*segment.words, *segment.ids) for scored in context.units for segment in scored.profile.segments]
        rare = rarity(lines)  # among lines: with few units, what several of them say would count for nothing
        most = max(rare.values(), default=1.0) or 1.0
        self._idf = {term: idf / most for term, idf in rare.items()}
        self._talk = {term: self._idf[term] * weight for term, weight in context.talk.items() if term in self._idf}
        used = {shape(term) for scored in context.units for term in called_with(scored) if is_entity(term)}
        self._entities = {term: (1.0 if shape(term) in used else _OTHER_IDS) for term in rare if is_entity(term)}
        self._asked = {
            term: self._idf[term] * weight * (_NAMED if is_entity(term) else _ASKED)
            for term, weight in context.query.items()
            if term in self._idf
        }
        self._doubt = context.doubt
        self._score: dict[int, float] = {}
        self._mass: dict[int, float] = {}
        for scored in context.units:
            score = scored.weight * (_BASE + scored.relevance**_SHARP + _RECENT * context.doubt * scored.recency)
            self._score[scored.unit.index] = score
            self._mass[scored.unit.index] = score * max(1, scored.profile.tokens) ** -_LONG

    def cover(self, found: Iterable[str]) -> None:
        """The view says these terms now."""
        self._covered.update(found)

    def take(self, segment: Segment) -> None:
        """The view has this line now; one more line that answers the same words is worth less."""
        self.cover(segment.words)
        self.cover(segment.ids)
        for term in (*segment.words, *segment.ids):
            if term in self._asked:
                self._asked[term] *= _AGAIN

    def mass(self, scored: ScoredUnit, segment: Segment) -> float:
        """The segment's share of its unit's relevance."""
        return self._mass[scored.unit.index] * segment.tokens

    def of_unit(self, scored: ScoredUnit) -> float:
        """The whole unit's relevance."""
        return self._mass[scored.unit.index] * scored.profile.tokens

    def line(self, scored: ScoredUnit, segment: Segment) -> LineWorth:
        """What does not change about the worth of a segment while a view grows."""
        said = _SAID * self._doubt
        if scored.unit.is_exchange and segment.ids:
            talk = self._talk
            beside = sum([talk[term] for term in segment.words if term in talk])
            beside += sum([talk[term] for term in segment.ids if term in talk])
            said = (_FLOOR + beside / (beside + _HALF)) * self._doubt**_OPEN
        new = scored.weight * (_NEW_BASE + self._score[scored.unit.index])
        asked = tuple(term for term in (*segment.words, *segment.ids) if term in self._asked)
        mass = self.mass(scored, segment)
        return LineWorth(mass, new * _WORDS, new * _IDS * said, asked, segment)

    def gain(self, line: LineWorth) -> float:
        """What the segment would add to the view as it is now."""
        covered, idf, entities = self._covered, self._idf, self._entities
        words = sum([idf[term] for term in line.segment.words if term not in covered])
        ids = sum([entities[term] for term in line.segment.ids if term not in covered]) if line.segment.ids else 0.0
        answers = sum([self._asked[term] for term in line.asked]) if line.asked else 0.0
        return line.mass + line.per_word * words + line.per_id * ids + answers


def shape(term: str) -> str:
    """How an id is built: digits as 9, letters as a, runs of letters as one."""
    return _LETTERS.sub("a", _DIGIT.sub("9", term))


def called_with(scored: ScoredUnit) -> Iterable[str]:
    """The terms of the calls of a unit."""
    first = scored.unit.messages[0] if scored.unit.messages else None
    if isinstance(first, AssistantMessage) and not isinstance(first.content, str):
        for call in first.content:
            yield from terms(call.arguments[:_READ_CHARS])
