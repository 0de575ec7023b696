"""Which form each unit takes: one multiple-choice knapsack, filled greedily by worth per token.

Every unit climbs from gone over single lines in the digest, its lines in place, and its compact form to its full
form, a step at a time. A heap holds the next steps of all units by worth per token; what a step is worth falls
when another step has already brought its terms into the view (the worth of a set of lines is submodular), so a step
is weighed again when it comes up, and taken only if it is still the best (Minoux, 1978, "Accelerated greedy
algorithms for maximizing submodular set functions").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from .priority import PrioritizedContext, ScoredUnit
from .profile import Segment
from .relevance import is_entity
from .report import Form

IN_DIGEST = 0.9
"""Share of a line's worth that is left when it stands in the digest, away from its place."""

MAX_MISSES = 300
"""Steps that do not fit any more before the rest is not tried."""

MAX_SEGMENTS = 250
"""Lines of one unit that are tried; those with the least to say are not."""


@dataclass(slots=True)
class Choice:
    """The form chosen for one unit so far.

    Args:
        scored: The unit.
        form: Its form.
        kept: Numbers of the segments that are kept, for the digest and extract forms.
        cost: Tokens of the form, about.
        fixed: Whether the form is not open to choice.
    """

    scored: ScoredUnit
    form: Form = Form.GONE
    kept: set[int] = field(default_factory=set[int])
    cost: int = 0
    fixed: bool = False


class _Undo(NamedTuple):
    unit: int
    form: Form
    added: tuple[int, ...]
    cost: int


class Allocation:
    """The forms of all units, and how to make more or less of them.

    Args:
        context: The history with its scores.
        whole: Numbers of the units that stand in full.
        in_place: Numbers of the units that have to keep their place, however short.
        out: Numbers of the units that are not wanted at all.
    """

    def __init__(
        self, context: PrioritizedContext, whole: Iterable[int], in_place: Iterable[int], out: Iterable[int]
    ) -> None:
        self.choices = [Choice(scored) for scored in context.units]
        self._context = context
        self._worth = _Worth(context)
        self._heap: list[tuple[float, int, int]] = []
        self._done: list[_Undo] = []
        for i in whole:
            choice = self.choices[i]
            choice.form, choice.fixed, choice.cost = Form.FULL, True, choice.scored.profile.tokens
            self._worth.cover(choice.scored.profile.distinct)
        for i in in_place:
            choice = self.choices[i]
            choice.form, choice.cost = Form.EXTRACT, choice.scored.profile.stub_tokens
        for i in out:
            self.choices[i].fixed = True
        for i, choice in enumerate(self.choices):
            if not choice.fixed and choice.scored.unit.messages:
                self._open(i, choice)

    def grow(self, room: int) -> bool:
        """Takes the best steps until ``room`` more tokens are used, about; False when none fits."""
        misses, taken = 0, len(self._done)
        later: list[tuple[float, int, int]] = []
        while self._heap and misses < MAX_MISSES and room > 0:
            _, i, step = heappop(self._heap)
            gain, cost, added = self._step(i, step)
            if cost <= 0 and not added and step >= 0:
                continue
            density = gain / max(1, cost)
            if gain <= 0.0:
                continue
            if self._heap and -density > self._heap[0][0]:
                heappush(self._heap, (-density, i, step))
                continue
            if cost > room:
                later.append((-density, i, step))
                misses += 1
                continue
            misses = 0
            room -= cost
            self._take(i, step, cost, added)
        for entry in later:
            heappush(self._heap, entry)
        return len(self._done) > taken

    def shrink(self, tokens: int) -> bool:
        """Takes back the last steps until ``tokens`` are free, about; False when there is none left."""
        while tokens > 0 and self._done:
            unit, form, added, cost = self._done.pop()
            choice = self.choices[unit]
            choice.form = form
            choice.kept.difference_update(added)
            choice.cost -= cost
            tokens -= cost
        return tokens <= 0

    def relevance_kept(self) -> float:
        """Worth kept per worth there was."""
        kept = total = 0.0
        for choice in self.choices:
            scored = choice.scored
            worth = self._worth.of_unit(scored)
            total += worth
            if choice.form in (Form.FULL, Form.COMPACT, Form.REPAIRED):
                kept += worth
            elif choice.kept:
                lines = scored.profile.segments
                kept += worth * min(1.0, sum(lines[s].tokens for s in choice.kept) / max(1, scored.profile.compact_tokens))
        return kept / total if total else 1.0

    def _open(self, i: int, choice: Choice) -> None:
        profile = choice.scored.profile
        content = [s for s, segment in enumerate(profile.segments) if segment.line >= 0]
        if len(content) > MAX_SEGMENTS:
            best = sorted(content, key=lambda s: (-self._worth.of_segment(choice.scored, profile.segments[s]), s))
            ends = set(content[:3]) | set(content[-3:])
            content = sorted(ends | set(best[: MAX_SEGMENTS - len(ends)]))
        if len(content) > 1 or choice.form is Form.EXTRACT:
            for s in content:
                self._push(i, s)
        self._push(i, -1)

    def _push(self, i: int, step: int) -> None:
        gain, cost, _ = self._step(i, step)
        if gain > 0.0:
            heappush(self._heap, (-gain / max(1, cost), i, step))

    def _step(self, i: int, step: int) -> tuple[float, int, tuple[int, ...]]:
        """What a step gains and costs, and the segments it adds.

        Steps: a segment's number adds it; -1 goes up to the compact or full form; -2 moves the lines from the digest
        to their place.
        """
        choice = self.choices[i]
        scored = choice.scored
        profile = scored.profile
        if step >= 0:
            if choice.form not in (Form.GONE, Form.DIGEST, Form.EXTRACT) or step in choice.kept:
                return 0.0, 0, ()
            added = _with_required(profile.segments, step, choice.kept)
            gain = sum(self._worth.of_segment(scored, profile.segments[s], new=True) for s in added)
            in_place = choice.form is Form.EXTRACT
            cost = sum(profile.segments[s].tokens for s in added if not in_place or profile.segments[s].line >= 0)
            return (gain if in_place else gain * IN_DIGEST), cost, added
        if step == -1:
            if choice.form is Form.FULL:
                return 0.0, 0, ()
            tokens = profile.tokens if choice.form is Form.COMPACT else profile.compact_tokens
            if choice.form is Form.COMPACT:
                return 0.02 * self._worth.of_unit(scored), max(1, tokens - choice.cost), ()
            left = [segment for s, segment in enumerate(profile.segments) if s not in choice.kept]
            gain = sum(self._worth.of_segment(scored, segment) for segment in left)
            if choice.kept and choice.form is Form.DIGEST:
                gain += (1.0 - IN_DIGEST) * sum(self._worth.mass(scored, profile.segments[s]) for s in choice.kept)
            return gain, max(1, tokens - choice.cost), ()
        if choice.form is not Form.DIGEST:
            return 0.0, 0, ()
        moved = sum(self._worth.of_segment(scored, profile.segments[s]) for s in choice.kept)
        labels = sum(profile.segments[s].tokens for s in choice.kept if profile.segments[s].line < 0)
        return (1.0 - IN_DIGEST) * moved, max(1, profile.stub_tokens - labels), ()

    def _take(self, i: int, step: int, cost: int, added: tuple[int, ...]) -> None:
        choice = self.choices[i]
        profile = choice.scored.profile
        self._done.append(_Undo(i, choice.form, added, cost))
        choice.cost += cost
        choice.kept.update(added)
        if step >= 0:
            self._worth.cover(term for s in added for term in profile.segments[s].terms)
            if choice.form is Form.GONE:
                choice.form = Form.DIGEST
                self._push(i, -2)
            self._push(i, -1)
        elif step == -2:
            choice.form = Form.EXTRACT
            self._push(i, -1)
        elif choice.form is Form.COMPACT or profile.compact is None:
            choice.form = Form.FULL
            self._worth.cover(profile.distinct)
        else:
            choice.form = Form.COMPACT
            self._worth.cover(profile.distinct)
            self._push(i, -1)


class _Worth:
    """What lines are worth, given what the view already says.

    A line's worth is its share of the unit's relevance (mass, which grows slower than its length, so that long units
    do not win by length) and its terms: rare ones, entities, and what the query and the talk ask for. A term that is
    in the view already counts for little.
    """

    MASS = 1.0
    WORDS = 0.1
    ENTITIES = 2.0
    FLOOR = 0.25
    HALF = 1.0
    SAID = 0.5

    def __init__(self, context: PrioritizedContext) -> None:
        self._covered: set[str] = set()
        confidence = context.confidence
        size = max(context.rarity.values(), default=1.0) or 1.0
        self._idf = {term: idf / size for term, idf in context.rarity.items()}
        self._asked = {term: self._idf[term] * weight for term, weight in context.talk.items() if term in self._idf}
        self._entities = {term: (1.0 if len(term) > 4 else 0.3) for term in context.rarity if is_entity(term)}
        self._score = {
            scored.unit.index: scored.weight * (0.05 + scored.relevance**1.5 + 0.6 * (1.0 - confidence) * scored.recency)
            for scored in context.units
        }

    def cover(self, found: Iterable[str]) -> None:
        self._covered.update(found)

    def of_terms(self, found: Sequence[str], scored: ScoredUnit) -> float:
        """New words count by rarity; new ids and numbers by how much the words beside them are those of the talk."""
        covered, entities, asked = self._covered, self._entities, self._asked
        words = ids = 0.0
        for term in found:
            if term not in covered:
                if term in entities:
                    ids += entities[term]
                else:
                    words += self._idf[term]
        if ids:
            if scored.unit.is_exchange:
                beside = sum([asked[term] for term in found if term in asked])
                ids *= self.FLOOR + beside / (beside + self.HALF)
            else:
                ids *= self.SAID
        return scored.weight * (0.4 + self._score[scored.unit.index]) * (self.WORDS * words + self.ENTITIES * ids)

    def mass(self, scored: ScoredUnit, segment: Segment) -> float:
        total = scored.profile.tokens
        return self.MASS * self._score[scored.unit.index] * segment.tokens * total**-0.4

    def of_segment(self, scored: ScoredUnit, segment: Segment, *, new: bool = False) -> float:
        return self.mass(scored, segment) + self.of_terms(segment.terms, scored)

    def of_unit(self, scored: ScoredUnit) -> float:
        return self.MASS * self._score[scored.unit.index] * scored.profile.tokens**0.6


def _with_required(segments: Sequence[Segment], number: int, kept: set[int]) -> tuple[int, ...]:
    chain: list[int] = []
    while number >= 0 and number not in kept:
        chain.append(number)
        number = segments[number].requires
    return tuple(reversed(chain))


def kept_lines(segments: Sequence[Segment], kept: Iterable[int]) -> Mapping[int, set[int]]:
    """Kept segments as line numbers by passage; labels are not lines."""
    lines: dict[int, set[int]] = {}
    for number in kept:
        segment = segments[number]
        if segment.line >= 0:
            lines.setdefault(segment.passage, set()).add(segment.line)
    return lines
