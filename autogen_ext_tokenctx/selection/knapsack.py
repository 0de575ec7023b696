"""Which form each group takes: one multiple-choice knapsack, filled greedily by marginal utility per token.

Every group climbs from evicted over single lines in the digest, its lines in place, and its compact form to its full
form, a move at a time. A heap holds the next moves of all groups by utility per token. That of a move falls when
another one has brought its terms into the view (the utility of a set of lines is submodular), so it is weighed again
when it comes up, and taken only if it is still the best (Minoux, 1978, "Accelerated greedy algorithms for maximizing
submodular set functions").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import sqrt
from typing import NamedTuple

from ..forms.form import Form
from ..retrieval.features import Segment, with_required
from .corrections import Place
from .precedence import OUTERMOST, PINNED_END, firsts
from .prioritizer import PrioritizedContext, ScoredGroup
from .utility import LineUtility, Utility

# No measurement is on record for the numbers below, unless they name one.

IN_DIGEST = 0.9
"""Share of a line's utility that is left in the digest, away from its place. Without a digest tools lose .29, .31
and .20 (ablation)."""

BESIDE = 1.5
"""Share that the utility of a line rises by when the one before or after it is kept: it is clear only there. With 1
arguments of tool calls lose .03, .03 and .01, failing runs .02 at 20 %; from 2 on questions about source files do."""

CRUMB = 5.0
"""Tokens that a move is taken to cost beside its own: of two lines of the same utility per token the longer one says
more. Without it chats lose .02, teams .03 at 10 %; 10 is the same within noise."""

MAX_MISSES = 80
"""Moves in a row that do not fit before the rest is not tried: bounds time, not choice."""

NOTATION, NOISE = 0.02, 1e-6
"""Share of a group's utility that its own notation adds to its values; where that is noise, it comes after words."""

OUTCOME_SHARE = 0.02
"""The first line of what came of the first task comes first up to this share of tokens."""


@dataclass(slots=True)
class Choice:
    """The form chosen for one group so far."""

    scored: ScoredGroup
    form: Form = Form.EVICTED
    kept: set[int] = field(default_factory=set[int])  # segments, for the digest and extract forms
    cost: int = 0  # tokens of the form, about
    fixed: bool = False  # the form is not open to choice
    repeated: bool = False  # a later group repeats its results: only what the agent says beside them is open
    utility: Sequence[LineUtility] = ()  # of each segment, what does not change
    open: dict[int, float] = field(default_factory=dict[int, float])  # utility of what is not kept, as last weighed
    gain: float = 0.0  # sum of ``open``
    mass: float = 0.0  # of the kept segments
    weighed_at: int = 0  # moves that were made when ``open`` was weighed
    latest: dict[int, float] = field(default_factory=dict[int, float])  # newest key in the heap of each move of form


class _Undo(NamedTuple):
    """A move that was made."""

    group: int
    form: Form  # before it
    added: tuple[int, ...]
    cost: int


_UP, _IN_PLACE = -1, -2
"""Moves that add no line: to the compact form and from it to the full one; of lines from the digest to their place."""


class Allocation:
    """The forms of all groups, by their number, and how to make more or less of them."""

    def __init__(
        self,
        context: PrioritizedContext,
        whole: Iterable[int],  # stand in full
        in_place: Iterable[int],  # keep their place, however short
        out: Iterable[int],  # a later group repeats them
        corrected_by: Mapping[Place, Place],  # lines, each with a later one that corrects it
        max_tokens: int,  # tokens that may be filled, about
        quotes: bool = True,  # lines may stand in the shared block, away from their place
    ) -> None:
        self._max_tokens, self._quotes = max_tokens, quotes
        self._context = context
        self.choices = {index: Choice(scored) for index, scored in context.groups.items()}
        self._newest = max(self.choices, default=0)
        self._outcome = context.outcome
        self._corrected_by = corrected_by
        self._worth = Utility(context)
        self._heap: list[tuple[float, int, int]] = []
        self._done: list[_Undo] = []
        for i in whole:
            choice = self.choices[i]
            profile = choice.scored.profile
            choice.form, choice.fixed, choice.cost = Form.FULL, True, profile.tokens
            if context.leaves_noise_out(choice.scored):
                choice.form, choice.cost = Form.COMPACT, profile.compact_tokens
            self._worth.cover(profile)
        for i in in_place:
            choice = self.choices[i]
            choice.form, choice.cost = Form.EXTRACT, choice.scored.profile.placeholder_tokens
        for i in out:
            choice = self.choices[i]
            choice.repeated = any(segment.kind == "thought" for segment in choice.scored.profile.segments)
            choice.fixed = not choice.repeated
        # what stands whole may be corrected later
        self._must = {later for place, later in corrected_by.items() if self.choices[place.group].fixed}
        for i, choice in self.choices.items():
            if not choice.fixed and choice.scored.group.messages:
                self._open(i, choice)

    def grow(self, max_tokens: int, only: Set[int] | None = None) -> bool:
        """Make the best moves, or those of some groups, for up to ``max_tokens`` more; False when none fits."""
        misses, taken = 0, len(self._done)
        too_large: list[tuple[int, int, float, int]] = []
        others: list[tuple[float, int, int]] = []
        while self._heap and misses < MAX_MISSES and max_tokens > 0:
            key, order, step = heappop(self._heap)
            i = -order
            if step < 0 and self.choices[i].latest.get(step) != key:
                continue  # weighed again since
            if only is not None and i not in only:
                others.append((key, order, step))
                continue
            gain, cost, added = self._weigh(i, step)
            if gain <= 0.0:
                continue
            if self._heap and _key(gain, cost) > self._heap[0][0]:
                self._push(i, step, gain, cost)
            elif cost > max_tokens:
                too_large.append((i, step, gain, cost))
                misses += 1
            else:
                misses = 0
                max_tokens -= cost
                self._take(i, step, cost, added)
        for entry in too_large:
            self._push(*entry)
        for entry in others:
            heappush(self._heap, entry)
        return len(self._done) > taken

    def shrink(self, tokens: int) -> bool:
        """Take back the last moves until ``tokens`` are free, about; False when there is none left."""
        while tokens > 0 and self._done:
            group, form, added, cost = self._done.pop()
            choice = self.choices[group]
            choice.form = form
            choice.kept.difference_update(added)
            choice.mass -= sum(choice.utility[s].mass for s in added)
            choice.cost -= cost
            tokens -= cost
        return tokens <= 0

    def relevance_kept(self) -> float:
        """Return the share of the relevance that is kept, of what did not have to stay; 1.0 where all of it had to."""
        # Each group counts by how well it answers and by the root of its tokens, a part of it by the relevance of its
        # lines. The rank correlation with what was needed is .23 so, .59 with tools (`tests.benchmarks.quality`); by
        # tokens of groups alone it was -.04 and .05.
        kept = total = 0.0
        for choice in self.choices.values():
            if choice.fixed or not choice.scored.group.messages:  # in every view, or said elsewhere
                continue
            relevance = choice.scored.relevance * sqrt(choice.scored.profile.tokens)
            total += relevance
            if choice.form in (Form.FULL, Form.COMPACT):
                kept += relevance
            elif choice.kept:
                own = [utility for utility in choice.utility if utility.segment.line >= 0]
                lines = [one.mass for one in own if not choice.repeated or one.segment.kind == "thought"]
                found = [choice.utility[s].mass for s in choice.kept if choice.utility[s].segment.line >= 0]
                kept += relevance * sum(found) / (sum(lines) or 1.0)
        return min(1.0, kept / total) if total else 1.0

    def _open(self, i: int, choice: Choice) -> None:
        """Weigh the lines of a group for the first time, and enter its moves."""
        scored = choice.scored
        segments = scored.profile.segments
        utility = self._worth.lines(scored)
        content = [s for s, segment in enumerate(segments) if segment.line >= 0]
        if choice.repeated:
            content = [s for s in content if segments[s].kind == "thought"]
        first = {s: PINNED_END for s in content if Place(i, s) in self._must}
        if i == self._outcome and content and segments[content[0]].tokens <= OUTCOME_SHARE * self._max_tokens:
            first.setdefault(content[0], OUTERMOST)  # it tells whether the task was done
        if choice.form is Form.EXTRACT:
            first.update(firsts(scored, content, self._max_tokens, self._newest))
        for s, mass in first.items():
            utility[s] = utility[s]._replace(mass=mass)
        choice.utility = utility
        called = [] if choice.repeated else [s for s, one in enumerate(utility) if one.segment.line < 0 and one.facts]
        choice.open = {s: self._worth.gain(utility[s]) for s in (*content, *called)}
        choice.gain = sum(choice.open.values())
        has_parts = len(content) > 1 or choice.repeated or scored.merged or scored.group.is_exchange
        if choice.form is Form.EXTRACT or (self._quotes and has_parts):
            max_tokens = 2 * self._max_tokens
            lines = content if choice.form is Form.EXTRACT else [s for s in content if segments[s].kind != "image"]
            moves = {s: self._first_or_next(choice, s) for s in lines}
            for s in sorted(lines, key=lambda s: (_key(*moves[s]), s)):
                self._push(i, s, *moves[s])
                max_tokens -= segments[s].tokens
                if max_tokens < 0:  # more lines than could be taken need not be tried
                    break
        self._push(i, _UP, choice.gain, scored.profile.compact_tokens - choice.cost)

    def _first_or_next(self, choice: Choice, s: int) -> tuple[float, int]:
        """Return the most that a line may gain for its cost, and that cost: with the call it answers, or beside it."""
        segments = choice.scored.profile.segments
        gain, tokens, label = choice.open[s], segments[s].tokens, segments[s].requires
        with_label = gain + choice.open.get(label, 0.0), tokens + segments[label].tokens
        return with_label if label in choice.open and _key(*with_label) < _key(gain, tokens) else (gain, tokens)

    def _push(self, i: int, step: int, gain: float, cost: int) -> None:
        """Enter a move into the heap."""
        choice = self.choices[i]
        if step == _UP and choice.repeated:
            return
        key = _key(gain, cost)
        if step < 0:
            choice.latest[step] = key
        heappush(self._heap, (key, -i, step))  # of equals the newest first

    def _weigh(self, i: int, step: int) -> tuple[float, int, tuple[int, ...]]:
        """Return what a move gains and costs now, and the segments it adds."""
        choice = self.choices[i]
        if step >= 0:
            return self._weigh_line(choice, step)
        profile = choice.scored.profile
        if step == _IN_PLACE:
            can_move = choice.form is Form.DIGEST and not choice.scored.merged  # its pieces are no lines of it
            return self._weigh_place(choice) if can_move else (0.0, 0, ())
        if choice.form is Form.FULL:
            return 0.0, 0, ()
        if choice.form is Form.COMPACT:
            return self._notation(choice.scored), max(1, profile.tokens - choice.cost), ()
        if choice.weighed_at < len(self._done):  # a move was made since
            choice.weighed_at = len(self._done)
            for s in choice.open:
                choice.open[s] = self._worth.gain(choice.utility[s])
            choice.gain = sum(choice.open.values())
        moved = (1.0 - IN_DIGEST) * choice.mass if choice.form is Form.DIGEST else 0.0
        return choice.gain + moved, max(1, profile.compact_tokens - choice.cost), ()

    def _weigh_place(self, choice: Choice) -> tuple[float, int, tuple[int, ...]]:
        """Return the same for the move to its place, where the group's pictures are."""
        segments = choice.scored.profile.segments
        labels = sum(segments[s].tokens for s in choice.kept if segments[s].line < 0)
        pictures = tuple(s for s in choice.open if segments[s].kind == "image")
        gain = (1.0 - IN_DIGEST) * choice.mass + sum(choice.open[s] for s in pictures)
        cost = choice.scored.profile.placeholder_tokens - labels + sum(segments[s].tokens for s in pictures)
        return gain, max(1, cost), pictures

    def _weigh_line(self, choice: Choice, step: int) -> tuple[float, int, tuple[int, ...]]:
        """Return the same for a line, with what it says nothing without."""
        if choice.form not in (Form.EVICTED, Form.DIGEST, Form.EXTRACT) or step in choice.kept:
            return 0.0, 0, ()
        segments = choice.scored.profile.segments
        added = with_required(segments, step, choice.kept)
        gain = sum([self._worth.gain(choice.utility[s]) for s in added])
        if any(other in choice.kept for other in _neighbours(segments, step)):
            gain *= 1.0 + BESIDE
        if choice.form is Form.EXTRACT:  # the message itself says whose lines they are
            return gain, sum([segments[s].tokens for s in added if segments[s].line >= 0]), added
        return gain * IN_DIGEST, sum([segments[s].tokens for s in added]), added

    def _take(self, i: int, step: int, cost: int, added: tuple[int, ...]) -> None:
        """Make a move, and enter those that it makes possible or better."""
        choice = self.choices[i]
        lines = added if step >= 0 else tuple(choice.open) if step == _UP else ()
        for s in lines:  # first what corrects them, so that it is taken back last
            later = self._corrected_by.get(Place(i, s))
            if later is not None:
                self._take_line(*later)
        profile = choice.scored.profile
        self._done.append(_Undo(i, choice.form, added, cost))
        choice.cost += cost
        choice.kept.update(added)
        for s in added:
            self._worth.take(choice.utility[s])
            choice.gain -= choice.open.pop(s, 0.0)
            choice.mass += choice.utility[s].mass
        if step == _UP:
            self._worth.cover(profile)
            if choice.form is Form.COMPACT or profile.compact is None:
                choice.form = Form.FULL
            else:
                choice.form = Form.COMPACT
                self._push(i, _UP, self._notation(choice.scored), profile.tokens - choice.cost)
            return
        if step == _IN_PLACE:
            choice.form = Form.EXTRACT
        else:
            for other in _neighbours(profile.segments, step):
                if other in choice.open:
                    self._push(i, other, (1.0 + BESIDE) * choice.open[other], profile.segments[other].tokens)
            if choice.form is not Form.EXTRACT:
                choice.form = Form.DIGEST
                gain, placing, _ = self._weigh_place(choice)
                self._push(i, _IN_PLACE, gain, placing)
        self._push(i, _UP, choice.gain, profile.compact_tokens - choice.cost)

    def _take_line(self, i: int, s: int) -> None:
        """Keep a line, wherever it can stand."""
        choice = self.choices[i]
        if not choice.fixed and (self._quotes or choice.form is Form.EXTRACT):
            _, cost, added = self._weigh_line(choice, s)
            if added:
                self._take(i, s, cost, added)

    def _notation(self, scored: ScoredGroup) -> float:
        """Return what a group gains as it was written, noise included."""
        return (NOISE if self._context.leaves_noise_out(scored) else NOTATION) * self._worth.of_group(scored)


def _key(gain: float, cost: int) -> float:
    """Return where a move stands in the heap, the best first."""
    return -gain / (max(1, cost) + CRUMB)


def _neighbours(segments: Sequence[Segment], number: int) -> list[int]:
    """Return the lines before and after a line in its passage."""
    passage = segments[number].passage
    return [
        other
        for other in (number - 1, number + 1)
        if 0 <= other < len(segments) and segments[other].passage == passage and segments[other].line >= 0
    ]


def kept_lines(segments: Sequence[Segment], kept: Iterable[int]) -> Mapping[int, set[int]]:
    """Return kept segments as line numbers by passage; labels are not lines."""
    lines: dict[int, set[int]] = {}
    for number in kept:
        segment = segments[number]
        if segment.line >= 0:
            lines.setdefault(segment.passage, set()).add(segment.line)
    return lines
