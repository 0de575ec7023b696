"""What left the view and is asked for again: the lines that answer the newest messages, as one block.

A line is looked for by the words it shares with what is asked, rare ones and names of single things first, and by
those of the lines around it: an answer often stands beside the words of the question. Lines that the view says already
are not taken, talk that names nothing brings nothing back, and neither does what shares no rare word with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from math import fsum
from typing import NamedTuple

from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from ..forms.form import FitStep, Form
from ..messages.archive import ContextArchive
from ..messages.groups import NO_RESULT, MessageGroup, split, texts
from ..tokens.counting import TokenCounter
from .bm25 import few, idf_of, proximity_scores, rarity
from .features import FeatureCache
from .recall_block import RECALL_SOURCE, Spot, fitting, quotes_of, written_block
from .terms import is_entity, is_identifier, terms

_TALK = frozenset(
    terms(
        """agree ahead alright amazing answer aren't ask asked awesome bye can't cannot come continue cool correct
        couldn't didn't discuss doesn't don't done earlier everyone everything exactly explain fine first give glad
        good great haha happy hasn't haven't he's hello help hey hi hmm hope i'm isn't job keep know last let's look
        lot love make mention mentioned moment morning much need next nice one perfect point previously proceed
        question really recall remember remind right said say second see sense she's short shouldn't show simple
        something sorry sound start step stop summarize sure take talk tell thing think time today tomorrow try two
        understand wait want wasn't way we're welcome weren't won't wonderful word work wouldn't wow write yes
        you're"""
    )
)
"""Words that keep a talk going and say nothing of what it is about; what consists of them asks for nothing."""

# No measurement is on record for the numbers below, unless they name one.

_QUERY_TERMS = 60
"""So many of the rarest terms of a long message are looked for."""

_ENTITY = 2.0
"""Weight of a term that names one thing, such as an id, against a word."""

_SHORT_NUMBER = 0.3
"""Weight of a number of one or two digits: it stands in many places by chance."""

_CALLED = 0.5
"""Weight of what the newest tool call was made with, against what was asked."""

_OTHERS = 0.3
"""Weight of what agents said since a person asked, against the question: their talk must not drown it."""

_LABEL = 0.5
"""Weight of the terms of a line's label (who said it, the call it answers), against its own."""

_REACH = 60.0
"""How far, in tokens, a match counts for the lines around it."""

_RARE = 0.8
"""Some line must match as well as by one term of this share of the greatest rarity, or nothing is recalled."""

_COVERED = 0.2
"""Share of what is asked, by rarity, that some line must match, unless it names the same single thing."""

_CLOSE = 0.5
"""Lines are taken down to this share of the best one's score."""

_NAMED = 5
"""Terms that a report names."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was recalled for one turn."""

    message: UserMessage  # the block
    step: FitStep  # what it is made of, for the report; ``tokens_after`` is what the block costs, exactly


def recall(
    earlier: Sequence[MessageGroup],  # up to what asks: all, or those that an index found for it
    of: int,  # how many there are in all
    asked: Sequence[LLMMessage],  # what asks, and the tool calls made since
    view: Sequence[LLMMessage],  # what stands for both in the request
    max_tokens: int,
    *,
    profiles: FeatureCache,
    counter: TokenCounter,
    archive: ContextArchive,
    question: Sequence[LLMMessage] = (),  # asked by a person before others spoke: counts for more than what they say
    expandable: bool = True,  # who reads the block has the tool that brings the rest back
) -> Recalled | None:
    """Return the lines of earlier messages that the newest ask for and a view lacks; None where there are none."""
    wanted = _wanted(asked, question)
    asked = [*question, *asked]
    if not wanted:
        return None
    # rules stand in every view; memories and project sections come anew when they are needed
    spots = [spot for spot in _spots(earlier, profiles) if not isinstance(spot.group.head, SystemMessage)]
    if not spots:
        return None
    hits = _hits(wanted, spots)
    weights = _weights(wanted, hits, len(spots) * of // len(earlier))
    asked_terms = weights.keys() & _terms_in(question)
    total = sum(weight for term, weight in weights.items() if not asked_terms or term in asked_terms)
    rare = _rare(spots, hits, few(of))
    asking = set(map(id, asked))
    shown = split([message for message in view if id(message) not in asking])
    chosen = fitting(_best(spots, hits, weights, total, rare, lambda: _spots(shown, profiles)), max_tokens)
    echoes = _Said(_spots(split(asked), profiles), [spot.terms for spot in chosen])
    chosen = _with_cause(chosen, rare, echoes)
    while chosen:
        groups = {spot.group.index: spot.group for spot in chosen}
        handle = archive.put_group([archive.put(groups[index].originals) for index in sorted(groups)])
        quotes = quotes_of(chosen)
        message = written_block(quotes, handle if expandable else "")
        cost = counter.count_message(message)
        if cost <= max_tokens:
            before = sum(profiles.get(group).tokens for group in groups.values())
            lines = UserMessage(
                content="\n".join(line for quote in quotes for line in quote.lines), source=RECALL_SOURCE
            )
            if cost > max(before, 2 * counter.count_message(lines)):
                return None  # more is said about the lines than they say
            why = f"lines: {len(chosen)}; asked for: {', '.join(list(weights)[:_NAMED])}"
            return Recalled(message, FitStep(-1, RECALL_SOURCE, Form.RECALLED, before, cost, why, handle))
        while chosen and cost > max_tokens:  # the estimates were too low
            cost -= chosen.pop().segment.tokens
        chosen = _with_cause(chosen, rare, echoes)
    return None


def said_in(asked: Sequence[LLMMessage]) -> str:
    """Return the text of what asks, and of what tools were called with since."""
    found: list[str] = []
    for message in asked:
        if isinstance(message, UserMessage):
            found += texts(message)
        elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            found += [call.arguments for call in message.content]
    return "\n".join(found)


def _terms_in(messages: Sequence[LLMMessage]) -> list[str]:
    return [term for message in messages for text in texts(message) for term in terms(text)]


def _wanted(asked: Sequence[LLMMessage], question: Sequence[LLMMessage]) -> dict[str, float]:
    """Return the terms of the messages that ask, and of what the newest tool calls were made with, by weight."""
    wanted = dict.fromkeys(_terms_in(question), 1.0)
    of_others = _OTHERS if wanted else 1.0
    called: Sequence[str] = ()
    for message in asked:
        if isinstance(message, UserMessage):
            for term in _terms_in([message]):
                wanted.setdefault(term, of_others)
        elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            called = [term for call in message.content for term in terms(call.arguments)]
    for term in called:
        wanted.setdefault(term, _CALLED)
    return {
        term: weight * (_ENTITY if is_entity(term) else _SHORT_NUMBER if term.isdigit() else 1.0)
        for term, weight in wanted.items()
        if term not in _TALK
    }


def _spots(groups: Iterable[MessageGroup], profiles: FeatureCache) -> Iterator[Spot]:
    for group in groups:
        profile = profiles.get(group)
        label: tuple[str, ...] = ()
        said_by_nobody = {n for n, passage in enumerate(profile.passages) if passage.text() == NO_RESULT}
        for number, segment in enumerate(profile.segments):
            found = tuple(dict.fromkeys((*segment.words, *segment.ids))) if segment.ids else segment.words
            if segment.line < 0:
                label = found
            elif segment.passage not in said_by_nobody:
                yield Spot(group, profile, number, segment, found, label)


class _Hit(NamedTuple):
    """The terms asked for that a line has, and those that only its label has."""

    own: set[str]
    label: set[str]


def _hits(wanted: Mapping[str, float], spots: Sequence[Spot]) -> list[_Hit]:
    asked = set(wanted)
    labels: dict[tuple[str, ...], set[str]] = {}
    hits: list[_Hit] = []
    for spot in spots:
        label = labels.get(spot.label)
        if label is None:
            label = labels[spot.label] = asked.intersection(spot.label)
        own = asked.intersection(spot.terms)
        hits.append(_Hit(own, label - own if own and label else label))
    return hits


def _weights(wanted: Mapping[str, float], hits: Sequence[_Hit], lines: int) -> dict[str, float]:
    """Return what is asked for by weight and rarity among all lines; a term that no line has is the rarest."""
    idf = idf_of([hit.own | hit.label for hit in hits if hit.own or hit.label], lines)
    most = rarity(lines)
    weights = {term: weight * idf.get(term, most) / most for term, weight in wanted.items()}
    return dict(sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:_QUERY_TERMS])


def _rare(spots: Sequence[Spot], hits: Sequence[_Hit], most: int) -> frozenset[str]:
    """Return the terms asked for that no more than ``most`` messages have, and ids."""
    messages: dict[str, set[int]] = defaultdict(set)
    for spot, hit in zip(spots, hits, strict=True):
        for term in chain(hit.own, hit.label):
            messages[term].add(spot.group.index)
    return frozenset(term for term, found in messages.items() if len(found) <= most or is_identifier(term))


def _best(
    spots: Sequence[Spot],
    hits: Sequence[_Hit],
    weights: Mapping[str, float],
    total: float,
    rare: Set[str],
    view: Callable[[], Iterable[Spot]],
) -> Iterable[Spot]:
    """Return the lines that answer best and are not in the view, best first, the newest first among equals."""
    own = [_match(hit, weights) if hit.own or hit.label else 0.0 for hit in hits]
    if not _is_telling(hits, own, weights, total, rare):
        return []
    scores = proximity_scores(own, [spot.segment.tokens for spot in spots], _REACH)
    least = _CLOSE * max(scores)
    best = sorted((i for i, score in enumerate(scores) if score >= least), key=lambda i: (-scores[i], -i))
    chosen: dict[tuple[str, ...], Spot] = {}
    for i in best:
        chosen.setdefault(spots[i].terms, spots[i])
    said = _Said(view(), chosen)
    return (spot for found, spot in chosen.items() if not said.has(found))


def _with_cause(chosen: Sequence[Spot], rare: Set[str], asked: _Said) -> list[Spot]:
    """Return the lines with a rare term that is asked for, and those of their messages or the ones beside them."""
    causes = [spot for spot in chosen if not rare.isdisjoint((*spot.terms, *spot.label))]
    found = _beside(chosen, causes)
    # a line that says no more than what asks stays only beside an answer to it
    return _beside(found, [spot for spot in found if not asked.has(spot.terms)])


def _beside(spots: Sequence[Spot], others: Iterable[Spot]) -> list[Spot]:
    """Return the lines that stand in the same messages as others, or in the ones beside them."""
    groups = {spot.group.index for spot in others}
    return [spot for spot in spots if any(spot.group.index + step in groups for step in (-1, 0, 1))]


def _match(hit: _Hit, weights: Mapping[str, float]) -> float:
    # exact sums: the order of a set must not show in them
    own = fsum([weights[term] for term in hit.own if term in weights])
    return own + _LABEL * fsum([weights[term] for term in hit.label if term in weights])


def _is_telling(
    hits: Sequence[_Hit], own: Sequence[float], weights: Mapping[str, float], total: float, rare: Set[str]
) -> bool:
    """Return whether the best match is no chance: much of what is asked, by weight, or the same single thing."""
    for hit, score in zip(hits, own, strict=True):
        if score < _RARE or rare.isdisjoint(hit.own | hit.label):
            continue
        if score >= _COVERED * total or any(
            is_entity(term) and weights.get(term, 0.0) >= _ENTITY * _RARE for term in hit.own
        ):
            return True
    return False


class _Said:
    """What the lines of a view say of the terms of some lines."""

    def __init__(self, view: Iterable[Spot], found: Iterable[tuple[str, ...]]) -> None:
        looked_for = set(chain.from_iterable(found))
        self._saying: dict[str, list[set[str]]] = {term: [] for term in looked_for}
        for line in view:
            said = looked_for.intersection(line.terms)
            for term in said:
                self._saying[term].append(said)

    def has(self, found: tuple[str, ...]) -> bool:
        """Return whether one line says all these terms."""
        if not found:
            return True
        lines = min((self._saying[term] for term in found), key=len)
        return any(said.issuperset(found) for said in lines)
