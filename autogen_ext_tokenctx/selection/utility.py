"""The utility of a line, given what the view already says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from autogen_core.models import AssistantMessage, SystemMessage

from ..retrieval.bm25 import idf_of
from ..retrieval.features import GroupFeatures, Segment
from ..retrieval.terms import is_entity
from .prioritizer import PrioritizedContext, ScoredGroup

# Tuned together on histories of two-person chats, meetings, customer service with tools, and agent teams.
_BASE = 0.02
"""Relevance of a group that nothing speaks for."""
_RECENT = 0.3
"""What being the newest counts for, against 1 for the best match. Without it failures lose .03 at 10 and 20 %; more
brings nothing, since facts do not depend on it."""
_LONG = 0.2
"""Power with which relevance per token falls with a group's length: long groups do not win by length."""
_LONG_TOKENS, _LONG_BACK = 100.0, 0.6
"""Who asks about the run itself is answered by whole messages: relevance per token falls with this power too, from
about so many tokens on."""
_SAID_AGAIN, _SAID_AGAIN_OPEN = 0.85, 0.5
"""Share of its relevance that a line keeps when the view has all its words: after a full question, of which several
places may hold a part of the answer; and as long as it is open what is asked."""
_FIT_BASE = 0.5
"""Share of a line's part in its group's relevance that does not depend on the line's own words."""
_WORDS = 0.04
"""Utility of a new word of greatest rarity, in a group of weight 1. Without it failures lose .03, .03 and .07."""
_OPEN = 10.0
"""How much more of it, as a multiple, new words have in what people and agents say, as long as it is open what is
asked: no tool brings that back. Of planted decisions .32, .49 and .71 are kept so, .31, .44 and .58 without; retention
stays as it is. With 15 for people and none for agents wishes gain .07 and decisions nothing."""
# Facts are worth the same wherever they stand in a history: what is relevant to a question need not be what a call
# needs. With the relevance as a factor tools lose .01 to .04, code .03.
_FACT = 10.0
"""Utility of a new identifier in a tool result, if the words beside it are those of the conversation. With 48 of the
questions about source files .03 to .06 less are found, and tools stay as they are; 8 to 12 are within noise."""
# A name of several words is a fact, too. Where tools are in use, records are full of names, and agents repeat them: as
# facts there, tools lose .08, .03 and .03 (.05, .03, .02 if only those that agents say are). So there only those are
# facts that people say, that agents say once, and that tools are called with. Of names planted in calls .98 are kept at
# 10 % so, of decisions .31 (.20 without those said once), of wishes .46 (.38); tools stay as they are.
_TALKED = 0.4
"""Share of it for a fact in what people and agents say. With .1 teams lose .05 at 10 %."""
_OWN = 8.0
"""Multiple of it for what the agent itself said first, such as its plan: no tool brings that back, and what it decided
is what it does next. With 1 teams lose .1 at 10 %, and .4 of the names that tools were called with are lost."""
_FLOOR = 0.25
"""Share of it when the words beside it were never spoken."""
_MOST = 5.0
"""Multiple of it that words of the conversation beside it can bring."""
_MANY = 15.0
"""Facts of one group in the view that halve the utility of its next ones: a listing must not crowd out the rest. 10 to
30 are within noise."""
# What a line gains for words of the query. Of 60 questions about source files .181 .328 .553 are found without both at
# 10, 20 and 30 %, .371 .487 .697 with them (tests.benchmarks.code_and_logs); retention has little code, shows nothing.
_ASKED = 0.2
"""Utility of a word of the query of greatest rarity: in a huge result it is what leads to the line that answers."""
_NAMED = 15.0
"""Utility of an id, a number or a name in code that the query has."""
_AGAIN = 0.5
"""What is left of either in the next line that has it."""
_QUERY = 3.0
"""How much more a word of the query than one of the conversation says about a line of its group."""
_ODD = 4.0
"""Utility of a token of a line that differs from the others of its text, for each bit of surprise: what a failed build
or a person's word among pasted rows says is in no query, and has more utility than any usual line."""

_PICTURE = 0.3
"""What speaks for the newest picture, against 1 for the group that answers best."""

FIRST = 50.0
"""Utility of a token of what comes before all lines, which have a few each at most: a picture that is asked for or must
stay."""

_APART = ("thought", "image")
"""Kinds of segments that are not weighed among the lines of their group."""

_STEPS = 1 << 16
"""Rarities are whole multiples of 1 / _STEPS: their sums are exact, so that the order of a set changes nothing."""


class LineUtility(NamedTuple):
    """What does not change about the utility of a segment while a view grows.

    Args:
        mass: Its share of the group's relevance.
        weight: The rarities of its words together.
        per_word: Worth of rarity 1 that is new.
        per_fact: Worth of a new fact, where a fact is worth 1.
        facts: Its identifiers, and its names where they are facts.
        per_odd: Worth of its difference from the other lines of its text, as long as the view has nothing like it.
        per_asked: Share of the utility of words of the query that it is given for them.
        asked: Its words that the query has.
        group: Number of the group.
        segment: The segment.
    """

    mass: float
    weight: float
    per_word: float
    per_fact: float
    facts: tuple[str, ...]
    per_odd: float
    per_asked: float
    asked: tuple[str, ...]
    group: int
    segment: Segment


class _Text(NamedTuple):
    """Segments of a group that are weighed together.

    Args:
        scored: The group.
        segments: Its segments, or some of them.
        score: What speaks for them.
        mass: The same for each of their tokens.
    """

    scored: ScoredGroup
    segments: Sequence[Segment]
    score: float
    mass: float


def score_of(scored: ScoredGroup, relevance: float | None = None) -> float:
    """Return what speaks for a group, or for a part of it that has a relevance of its own."""
    relevance = scored.relevance if relevance is None else relevance
    return scored.weight * (_BASE + relevance + _RECENT * scored.recency)


def _facts(context: PrioritizedContext) -> dict[str, float]:
    """Return the worth of each fact of a history, by who said it first: identifiers, and names that are facts."""
    groups = list(context.groups.values())
    has_tools = any(scored.group.is_exchange for scored in groups)
    named = (segment.names for scored in groups for segment in scored.profile.segments) if has_tools else ()
    times = Counter(chain.from_iterable(named))
    worth: dict[str, float] = {}
    for place, scored in enumerate(groups):
        is_own = isinstance(scored.group.head, AssistantMessage) and not scored.group.is_exchange
        said = _OWN if is_own else 1.0
        for segment in scored.profile.segments:
            for fact in segment.ids:
                worth.setdefault(fact, said)
            for name in segment.names:
                if segment.line < 0:  # what the agent called a tool with
                    worth.setdefault(name, _OWN)
                elif not has_tools or place in context.turns.people:
                    worth.setdefault(name, said)
                elif is_own and times[name] == 1:  # other ones are those of records, said again
                    worth.setdefault(name, 1.0)
    return worth


class Utility:
    """The utility of the lines of one history, falling as the view comes to say the same.

    A line's utility is its share of the group's relevance (mass, which grows slower than a group's length, so that long
    groups do not win by length, and falls by what the view says already) and what it would bring that the view does
    not have: words by rarity; identifiers and names by how much the words beside them are those of the conversation,
    and by who said them. Where a person asks about the run itself, what counts is which messages are relevant: the
    facts of records are for the next call, and none comes next.

    Args:
        context: The history with its scores.
    """

    def __init__(self, context: PrioritizedContext) -> None:
        self._covered: set[str] = set()
        self._taken: Counter[int] = Counter()
        self._fact = {} if context.is_trace_question else _facts(context)
        lines = [segment.words for scored in context.groups.values() for segment in scored.profile.segments]
        rare = idf_of(lines)  # among lines: with few groups, what several of them say would count for nothing
        scale = _STEPS / (max(rare.values(), default=1.0) or 1.0)
        self._rare = {term: float(round(idf * scale)) for term, idf in rare.items()}
        self._dialogue = self._weighed(context.dialogue)
        query = self._weighed(context.query)
        self._asked = {
            term: value * (_NAMED if is_entity(term) or term in context.code_names else _ASKED)
            for term, value in query.items()
        }
        self._wanted = {term: max(self._dialogue.get(term, 0.0), _QUERY * value) for term, value in query.items()}
        self._wanted = {**self._dialogue, **self._wanted}
        self._ambiguity = context.ambiguity
        self._is_trace_question = context.is_trace_question
        self._repeats = 1.0 - _SAID_AGAIN + (_SAID_AGAIN - _SAID_AGAIN_OPEN) * context.ambiguity
        self._score: dict[int, float] = {}
        self._mass: dict[int, float] = {}
        for index, scored in context.groups.items():
            self._score[index] = score = score_of(scored)
            self._mass[index] = score * self._per_token(scored.profile.tokens)
        self._newest = max(context.groups, default=0)

    def cover(self, profile: GroupFeatures) -> None:
        """The view has this group now."""
        for segment in profile.segments:
            self._cover(segment)

    def take(self, line: LineUtility) -> None:
        """The view has this line now; one more line that answers the same words has less utility."""
        segment = line.segment
        self._taken[line.group] += len(segment.ids)
        self._cover(segment)
        for term in segment.words:
            if term in self._asked:
                self._asked[term] *= _AGAIN

    def of_group(self, scored: ScoredGroup) -> float:
        """The whole group's relevance."""
        return self._mass[scored.group.index] * scored.profile.tokens

    def lines(self, scored: ScoredGroup) -> list[LineUtility]:
        """What does not change about the utility of each segment of a group."""
        segments = scored.profile.segments
        index = scored.group.index
        own = [segment for segment in segments if segment.kind not in _APART]
        lines = self._lines(_Text(scored, own, self._score[index], self._mass[index]))
        if len(own) == len(segments):
            return lines
        # what an agent says beside its calls is weighed as a message of its own: no result makes it older or longer
        beside = [segment for segment in segments if segment.kind == "thought"]
        score = score_of(scored, scored.beside)
        mass = score * self._per_token(sum(segment.tokens for segment in beside))
        said = self._lines(_Text(scored, beside, score, mass))
        pictures = [self._picture(scored, segment) for segment in segments if segment.kind == "image"]
        apart = {"thought": iter(said), "image": iter(pictures)}
        rest = iter(lines)
        return [next(apart.get(segment.kind, rest)) for segment in segments]

    def _picture(self, scored: ScoredGroup, segment: Segment) -> LineUtility:
        """The utility of a picture. Unless it is asked for, nothing is known of it but how new it is."""
        index = scored.group.index
        if scored.pictured:
            mass = FIRST * segment.tokens
        else:
            newness = (index + 1) / (self._newest + 1)
            mass = scored.weight * _PICTURE * newness * self._per_token(segment.tokens) * segment.tokens
        return LineUtility(mass, 1.0, 0.0, 0.0, (), 0.0, 0.0, (), index, segment)

    def _lines(self, text: _Text) -> list[LineUtility]:
        """What does not change about the utility of the segments of a text."""
        segments = text.segments
        if len(segments) <= 2:  # a label and a line
            return [self._line(text, segment, text.mass * segment.tokens) for segment in segments]
        wanted = self._wanted
        fits: list[float] = []
        for segment in segments:
            found = sum([wanted[term] for term in segment.words if term in wanted])
            fits.append(_FIT_BASE + found / (found + 1.0))
        tokens = sum([segment.tokens for segment in segments])
        mean = sum([fit * segment.tokens for fit, segment in zip(fits, segments, strict=True)]) / tokens
        return [
            self._line(text, segment, text.mass * segment.tokens * fit / mean)
            for fit, segment in zip(fits, segments, strict=True)
        ]

    def gain(self, line: LineUtility) -> float:
        """What the segment would add to the view as it is now."""
        covered, segment = self._covered, line.segment
        rare = self._rare
        known = sum([rare[term] for term in covered.intersection(segment.words)])
        new = 1.0 - known / line.weight
        gain = (line.mass + line.per_odd) * (1.0 - self._repeats + self._repeats * new)
        gain += line.per_word * (line.weight - known)
        if line.per_fact:
            facts = sum([self._fact[fact] for fact in line.facts if fact not in covered])
            gain += line.per_fact * facts * _MANY / (_MANY + self._taken[line.group])
        if line.asked:
            gain += line.per_asked * sum([self._asked[term] for term in line.asked])
        return gain

    def _cover(self, segment: Segment) -> None:
        self._covered.update(segment.words)
        self._covered.update(segment.ids)
        self._covered.update(segment.names)

    def _weighed(self, weights: Mapping[str, float]) -> dict[str, float]:
        rare = self._rare
        return {term: rare[term] / _STEPS * weight for term, weight in weights.items() if term in rare}

    def _per_token(self, tokens: int) -> float:
        """Share of a text's relevance that each of its tokens has, by how long it is."""
        tokens = max(1, tokens)
        longer = (1.0 + tokens / _LONG_TOKENS) ** -_LONG_BACK if self._is_trace_question else 1.0
        return tokens**-_LONG * longer

    def _line(self, text: _Text, segment: Segment, mass: float) -> LineUtility:
        scored, rare = text.scored, self._rare
        is_said = not scored.group.is_exchange or segment.kind == "thought"
        own = segment.ids + segment.names
        facts = tuple([fact for fact in own if fact in self._fact]) if own else ()
        per_fact = 0.0
        if facts:
            dialogue = self._dialogue
            beside = sum([dialogue[term] for term in segment.words if term in dialogue])
            per_fact = scored.weight * _FACT * min(_MOST, _FLOOR + beside)
            if is_said:
                per_fact *= self._ambiguity * _TALKED
        words = _WORDS
        if is_said and not isinstance(scored.group.head, SystemMessage):
            words *= 1.0 + _OPEN * self._ambiguity
        weight = sum([rare[term] for term in segment.words]) or 1.0
        asked = () if self._is_trace_question else tuple([term for term in segment.words if term in self._asked])
        return LineUtility(
            mass=mass,
            weight=weight,
            per_word=scored.weight * words / _STEPS,
            per_fact=per_fact,
            facts=facts,
            per_odd=text.score * _ODD * segment.odd * segment.tokens,
            per_asked=scored.weight,
            asked=asked,
            group=scored.group.index,
            segment=segment,
        )
