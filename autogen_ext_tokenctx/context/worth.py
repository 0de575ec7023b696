"""What a line is worth, given what the view already says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .priority import PrioritizedContext, ScoredUnit
from .profile import Segment
from .relevance import is_entity, rarity


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

    MASS = 1.0
    WORDS = 0.1
    ENTITIES = 2.0
    FLOOR = 0.25
    HALF = 1.0
    SAID = 0.5
    ASKED = 1.0
    AGAIN = 0.5

    def __init__(self, context: PrioritizedContext) -> None:
        self._covered: set[str] = set()
        lines = [segment.words | segment.ids for scored in context.units for segment in scored.profile.segments]
        rare = rarity(lines)  # among lines: with few units, what several of them say would count for nothing
        most = max(rare.values(), default=1.0) or 1.0
        self._idf = {term: idf / most for term, idf in rare.items()}
        self._talk = {term: self._idf[term] * weight for term, weight in context.talk.items() if term in self._idf}
        self._entities = {term: (1.0 if len(term) > 4 else 0.3) for term in rare if is_entity(term)}
        self._asked = {term: self._idf[term] * weight for term, weight in context.query.items() if term in self._idf}
        doubt = 1.0 - context.confidence
        self._score: dict[int, float] = {}
        self._mass: dict[int, float] = {}
        for scored in context.units:
            score = scored.weight * (0.05 + scored.relevance**1.5 + 0.6 * doubt * scored.recency)
            self._score[scored.unit.index] = score
            self._mass[scored.unit.index] = self.MASS * score * max(1, scored.profile.tokens) ** -0.4

    def cover(self, found: Iterable[str]) -> None:
        """The view says these terms now."""
        self._covered.update(found)

    def take(self, segment: Segment) -> None:
        """The view has this line now; one more line that answers the same words is worth less."""
        self.cover(segment.words)
        self.cover(segment.ids)
        for term in self._asked.keys() & (segment.words | segment.ids):
            self._asked[term] *= self.AGAIN

    def mass(self, scored: ScoredUnit, segment: Segment) -> float:
        """The segment's share of its unit's relevance."""
        return self._mass[scored.unit.index] * segment.tokens

    def of_unit(self, scored: ScoredUnit) -> float:
        """The whole unit's relevance."""
        return self._mass[scored.unit.index] * scored.profile.tokens

    def line(self, scored: ScoredUnit, segment: Segment) -> LineWorth:
        """What does not change about the worth of a segment while a view grows."""
        said = self.SAID
        if scored.unit.is_exchange and segment.ids:
            talk = self._talk
            beside = sum([talk[term] for term in segment.words if term in talk])
            beside += sum([talk[term] for term in segment.ids if term in talk])
            said = self.FLOOR + beside / (beside + self.HALF)
        new = scored.weight * (0.4 + self._score[scored.unit.index])
        asked = tuple(self._asked.keys() & (segment.words | segment.ids))
        mass = self.mass(scored, segment)
        return LineWorth(mass, new * self.WORDS, new * self.ENTITIES * said, asked, segment)

    def gain(self, line: LineWorth) -> float:
        """What the segment would add to the view as it is now."""
        covered, idf, entities = self._covered, self._idf, self._entities
        words = sum([idf[term] for term in line.segment.words if term not in covered])
        ids = sum([entities[term] for term in line.segment.ids if term not in covered]) if line.segment.ids else 0.0
        answers = sum([self._asked[term] for term in line.asked]) if line.asked else 0.0
        return line.mass + line.per_word * words + line.per_id * ids + self.ASKED * answers
