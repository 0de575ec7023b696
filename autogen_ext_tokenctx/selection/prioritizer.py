"""How much each group of a history matters to the task at hand, and why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, isfinite
from typing import TypeAlias

from autogen_core.models import LLMMessage, SystemMessage

from ..errors import check_keys
from ..forms.compressor import GroupCompressor
from ..forms.noise import Noise
from ..messages.groups import MessageGroup, pictures_of
from ..messages.instructions import Instruction, InstructionKind
from ..messages.turns import NO_TURNS, Turns, turns_of
from ..retrieval.bm25 import bm25, idf_of, with_neighbours
from ..retrieval.embedding import Embedder
from ..retrieval.features import FeatureCache, GroupFeatures, Matched
from ..retrieval.query import (
    asked_picture,
    code_names,
    dialogue_of,
    is_trace_question,
    noise_asked_for,
    query_of,
    question,
)
from ..retrieval.semantic import SemanticIndex, blended, texts_of
from ..tokens.counting import EstimatedTokenCounter
from ..tokens.task import TaskDefinition
from .categories import DEFAULT_WEIGHTS, Category, PinReason, category_of, pins_of
from .outcomes import OUTCOME_WEIGHTS, Outcome, outcomes

_logger = logging.getLogger(__name__)

InstructionFinder: TypeAlias = Callable[[LLMMessage], Sequence[str]]
"""What names pieces of a person's message that are to hold from then on, each as it stands in the message."""

GroupScorer: TypeAlias = Callable[[MessageGroup], float]
"""What a user's own scorer adds to the relevance of a group."""


@dataclass(frozen=True, slots=True)
class ScoredGroup:
    """One group and its scores."""

    group: MessageGroup
    profile: GroupFeatures
    category: Category
    weight: float  # of the category
    relevance: float  # how well it, or what stands beside it, answers the query, 0 to 1
    recency: float  # 1 for the newest, falling with the groups that came after it
    pinned: PinReason | None
    notes: str = ""  # for reports
    beside: float = 0.0  # relevance of what an agent says beside its calls, 0 to 1
    pictured: bool = False  # its pictures are asked for
    merged: bool = False  # its lines are what a later message like it does not say

    def why(self) -> str:
        """Return the scores in words, for reports."""
        return (
            f"{self.category.value} {self.weight:.1f}, relevance {self.relevance:.2f}, recency {self.recency:.2f}"
            + "".join(f", {note}" for note in (self.pinned and self.pinned.value, self.notes) if note)
        )


@dataclass(frozen=True, slots=True)
class PrioritizedContext:
    """The scored groups of a history, and what they were scored against."""

    groups: Mapping[int, ScoredGroup]  # by their number in the history, in the order of a view
    query: Mapping[str, float]  # term weights from the task and the newest messages
    dialogue: Mapping[str, float]  # words of the dialogue and of the calls, falling with age
    idf_of: Mapping[str, float]  # inverse document frequencies
    ambiguity: float  # how far it is open what is asked, from 0 (a full question was just asked) to 1
    is_trace_question: bool = False  # the question names those who take part in the run, or their tools
    code_names: frozenset[str] = frozenset()  # terms of the question that are names in code
    noise: frozenset[Noise] = frozenset()  # kinds that the question names
    turns: Turns = NO_TURNS  # by place among the groups
    # instructions that the user's callable names, by number of the group
    named: Mapping[int, Sequence[Instruction]] = field(default_factory=dict[int, Sequence[Instruction]])

    def instructions_of(self, scored: ScoredGroup) -> Sequence[Instruction]:
        """Return the sentences of a group that may bind what comes after; those that a callable names first."""
        named = self.named.get(scored.group.index, ())
        texts = {one.text for one in named}
        return [*named, *(one for one in scored.profile.instructions if one.text not in texts)]

    @property
    def outcome(self) -> int | None:
        """The number of the group that tells what came of the first task; None where there is none."""
        return None if self.turns.outcome is None else list(self.groups)[self.turns.outcome]

    def is_asked_noise(self, scored: ScoredGroup) -> bool:
        """Return whether a group has noise of a kind that the question names: only all of it is of use then."""
        return not scored.profile.noise.isdisjoint(self.noise)

    def leaves_noise_out(self, scored: ScoredGroup) -> bool:
        """Return whether a group stands without its noise even where it stands whole."""
        # what a person pinned, and system messages, are kept word for word
        may_change = scored.pinned not in (PinReason.SYSTEM, PinReason.USER, PinReason.MEMORY)
        return bool(scored.profile.noise) and may_change and not self.is_asked_noise(scored)


class GroupPrioritizer:
    """Scores the groups of a history against a task.

    Args:
        weights: Category weights; those not given are the defaults.
        categorize: Overrules the category of a group; None as its answer leaves it to the structure.
        pin: Messages for which it is true are kept word for word in every view.
        scorers: Scorers of your own by name. What one gives is added to a group's relevance: 1 is as much as the
            best match has, a negative number makes the group go sooner. One that raises is left out, with one warning.
        people: Sources of messages that are people's, beside AutoGen's ``"user"`` and the source of the first task.
        instructions: Names what of a person's message is to hold from then on, in the words of the message, beside what
            is found without it. One that raises is left out, with one warning.
        embedder: Adds relevance by meaning to that by words, such as `MiniLMEmbedder` of the extra ``semantic``.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext_tokenctx.messages.groups import split
        >>> history = split([UserMessage(content="Find the bug in parser.py", source="user")])
        >>> GroupPrioritizer().prioritize(history).groups[0].pinned
        <PinReason.REQUEST: 'current request'>
    """

    def __init__(
        self,
        *,
        weights: Mapping[Category, float] | None = None,
        categorize: Callable[[MessageGroup], Category | None] | None = None,
        pin: Callable[[LLMMessage], bool] | None = None,
        scorers: Mapping[str, GroupScorer] | None = None,
        embedder: Embedder | None = None,
        people: Collection[str] = (),
        instructions: InstructionFinder | None = None,
    ) -> None:
        check_keys(weights or (), Category, "weights")
        self.weights = {**DEFAULT_WEIGHTS, **(weights or {})}
        self._categorize = categorize
        self._pin = pin
        if isinstance(people, str):
            raise TypeError(f"people are names in a list, such as [{people!r}]; got {people!r}")
        self.people = tuple(people)
        self._finder = instructions
        self._scorers = dict(scorers or {})
        self._semantic = SemanticIndex(embedder) if embedder is not None else None

    @property
    def own_weights(self) -> dict[Category, float]:
        """The weights that are not the default ones."""
        return {category: weight for category, weight in self.weights.items() if weight != DEFAULT_WEIGHTS[category]}

    @property
    def looks_at_all(self) -> bool:
        """Whether what the user brought has to see every group of a history, however long it is."""
        return bool(self._scorers or self._pin or self._categorize or self._semantic or self._finder)

    def prioritize(
        self,
        groups: Sequence[MessageGroup],
        task: str | TaskDefinition | None = None,
        *,
        profiles: FeatureCache | None = None,
        pinned: Sequence[LLMMessage] = (),
    ) -> PrioritizedContext:
        """Score each group.

        Args:
            groups: A history in groups, or those of it that are looked at.
            task: What the agent works on; without it the history's own newest messages tell.
            profiles: Where costs and contents of groups are remembered; without it they are estimated afresh.
            pinned: Messages to keep word for word.
        """
        cache = profiles or FeatureCache(EstimatedTokenCounter(), GroupCompressor())
        known = [cache.get(group) for group in groups]
        turns = turns_of(groups, self.people)
        asked_text = question(groups, turns, task)
        pins = pins_of(groups, turns, lambda group: self._is_pinned(group, pinned))
        idf = idf_of([profile.distinct for profile in known])
        query, ambiguity = query_of(groups, known, turns, task, idf)
        near, beside = self._relevance(groups, known, pins, query, idf, asked_text, ambiguity)
        top = max((*near, *beside), default=0.0) or 1.0
        came_of = outcomes(groups)
        asks = turns.question
        pictured = None
        if asks is not None and not pictures_of(groups[asks].messages):
            pictured = asked_picture(groups[:asks], known, asked_text)
        scored: dict[int, ScoredGroup] = {}
        for i, group in enumerate(groups):
            why = pins.get(i)
            chosen = self._categorize(group) if self._categorize is not None else None
            category = chosen or category_of(group, known[i], why, i in turns.people)
            outcome = came_of.get(i, Outcome.DONE)
            added = self._added(group)
            more = sum(added.values())
            relevance, thought = (min(1.0, max(0.0, score / top + more)) for score in (near[i], beside[i]))
            notes = [f"{name} {value:+.2f}" for name, value in added.items()]
            if outcome is not Outcome.DONE:
                notes.append(outcome.value)
            scored[group.index] = ScoredGroup(
                group,
                known[i],
                category,
                weight=self.weights[category] * OUTCOME_WEIGHTS[outcome],
                relevance=relevance,
                # falls to 1/e with each group, from the one before the newest; a memory holds whenever it was added
                recency=0.0 if why is PinReason.MEMORY else exp(-max(0, len(groups) - 2 - i)),
                pinned=why,
                notes=", ".join(notes),
                beside=max(relevance, thought),
                pictured=i == pictured,
            )
        return PrioritizedContext(
            scored,
            query,
            dialogue_of(groups, known),
            idf,
            ambiguity,
            is_trace_question(groups, turns),
            code_names(asked_text),
            noise_asked_for(asked_text),
            turns,
            self._named(groups, turns),
        )

    def _relevance(
        self,
        groups: Sequence[MessageGroup],
        known: Sequence[GroupFeatures],
        pins: Mapping[int, PinReason],
        query: Mapping[str, float],
        idf: Mapping[str, float],
        asked_text: str,
        ambiguity: float,
    ) -> tuple[list[float], list[float]]:
        """Return how well each group answers, and what an agent says beside its calls, by words and by meaning."""
        # prompts are no answers; sections of a project and other memories may be
        asked = [
            i
            for i, group in enumerate(groups)
            if pins.get(i) is PinReason.MEMORY or i not in pins or not isinstance(group.head, SystemMessage)
        ]
        parts = [(i, text) for i in asked for text in known[i].matched()]
        matches = _matches([(text, pins.get(i) is PinReason.MEMORY) for i, text in parts], query, idf)
        near, beside = [0.0] * len(groups), [0.0] * len(groups)
        for (i, text), score in zip(parts, matches, strict=True):
            (beside if text.is_thought else near)[i] = score
        if self._semantic is not None:
            may_answer = [i for i in asked if pins.get(i) not in (PinReason.NEWEST, PinReason.REQUEST)]
            scores = blended(
                self._semantic,
                [near[i] for i in may_answer],
                asked_text,
                [groups[i] for i in may_answer],
                [known[i] for i in may_answer],
                ambiguity,
            )
            for i, score in zip(may_answer, scores, strict=True):
                near[i] = score
        return near, beside

    async def prepare(
        self, groups: Sequence[MessageGroup], task: str | TaskDefinition | None = None, *, profiles: FeatureCache
    ) -> None:
        """Embed what is new, off the event loop: `prioritize` with the same arguments is quick then."""
        if self._semantic is not None:
            said = [group for group in groups[:-1] if not isinstance(group.head, SystemMessage)]
            asked = question(groups, turns_of(groups, self.people), task)
            await self._semantic.learn(asked, texts_of(said, [profiles.get(group) for group in said]))

    def _is_pinned(self, group: MessageGroup, pinned: Sequence[LLMMessage]) -> bool:
        return any(message in pinned or (self._pin is not None and self._pin(message)) for message in group.originals)

    def _added(self, group: MessageGroup) -> dict[str, float]:
        """Return what the user's own scorers give the group, where that is not nothing."""
        added: dict[str, float] = {}
        for name, scorer in list(self._scorers.items()):
            try:
                value = float(scorer(group))
            except Exception as error:
                del self._scorers[name]
                _logger.warning("scorer %r raised %r and is left out from here on", name, error)
                continue
            if isfinite(value) and value:
                added[name] = value
        return added

    def _named(self, groups: Sequence[MessageGroup], turns: Turns) -> Mapping[int, Sequence[Instruction]]:
        """Return what the user's callable names of what people said, by number of the group."""
        named: dict[int, Sequence[Instruction]] = {}
        for place in sorted(turns.people):
            message = groups[place].head
            content = message.content if isinstance(message.content, str) else ""
            if self._finder is None or not content:
                continue
            try:
                texts = [text for text in self._finder(message) if text.strip() and text in content]
            except Exception as error:
                _logger.warning("instructions= raised %r and is left out from here on", error)
                self._finder = None
                break
            if texts:
                kind = InstructionKind.OTHER
                named[groups[place].index] = [Instruction(text, content.index(text), 1.0, kind) for text in texts]
        return named


def _matches(
    parts: Sequence[tuple[Matched, bool]], query: Mapping[str, float], idf: Mapping[str, float]
) -> list[float]:
    """Return how well each text answers a query: what was said with what stands beside it, a memory alone."""
    said = [text for text, is_memory in parts if not is_memory]
    found = with_neighbours([text.counts for text in said], [text.tokens for text in said], query, idf)
    if len(said) == len(parts):
        return found
    alone = bm25([text.counts for text, _ in parts], query, idf)
    best = max(alone) or 1.0
    of_said = iter(found)
    return [score / best if is_memory else next(of_said) for (_, is_memory), score in zip(parts, alone, strict=True)]
