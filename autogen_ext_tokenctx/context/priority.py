"""How much each unit of a history matters to the task at hand, and why."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from math import exp, isfinite, log
from typing import TypeAlias, cast

from autogen_core import FunctionCall
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from ..tokens.counting import EstimatedTokenCounter
from ..tokens.task import TaskDefinition
from .compression import ContextCompressor
from .duplicates import stale
from .embedding import Embedder
from .profile import Profile, ProfileCache
from .project import CATEGORY_OF_SECTION, section_of
from .relevance import around, bm25, expand_query, is_entity, rarity, spread, terms
from .semantic import SemanticRelevance
from .units import Unit

_logger = logging.getLogger(__name__)

UnitScorer: TypeAlias = Callable[[Unit], float]
"""What a user's own scorer adds to the relevance of a unit."""


class Category(str, Enum):
    """What a unit is to the task; structure decides it, a callable of the user's can overrule."""

    CURRENT_TASK_REQUIREMENTS = "current_task_requirements"
    """System rules, the task, what the user said, what is pinned, the newest message."""
    RELATED_TASK_HISTORY = "related_task_history"
    """Tool exchanges, and what agents said to each other."""
    PROJECT_STRUCTURE = "project_structure"
    """Listings: mostly paths and names."""
    MEMORY_PATTERNS = "memory_patterns"
    """System messages that came after the head, as AutoGen's memories add them."""
    GENERAL_CONTEXT = "general_context"
    """Short talk that names nothing."""


DEFAULT_WEIGHTS: Mapping[Category, float] = {
    Category.CURRENT_TASK_REQUIREMENTS: 1.0,
    Category.RELATED_TASK_HISTORY: 0.8,
    Category.PROJECT_STRUCTURE: 0.6,
    Category.MEMORY_PATTERNS: 0.4,
    Category.GENERAL_CONTEXT: 0.2,
}

MEMORY = "memory"
"""Why a late system message is kept: as a memory, which may go when there is no room for all of them."""

WFULL = True
_NEAR_TOKENS, _NEAR_SHARE = 40.0, 0.2
_FAR_TOKENS, _FAR_SHARE = 400.0, 0.2
"""How far, in tokens, relevance reaches over to neighbours: a turn or two of talk, and a passage of a meeting."""

_PASSAGE_TOKENS, _PASSAGE_SHARE, _TURN_TOKENS = 800.0, 1.5, 12.0
"""How much of what is said around a unit counts as its passage, and for how much where units are very short; it falls
to 1/e with so many tokens of a usual unit: turns of a meeting say little one by one, long messages stand alone."""

_TALK_TURNS, _JUST_SAID = 4.0, 3.0
"""Turns over which the weight of what was said falls to 1/e, and that of the newest."""

_CALL_TURNS, _CALLED = 2.0, 4.0
"""The same for what tools were called with: the next call is about it, or about what is listed beside it."""

_TALK_UNITS = 30
_CALL_CHARS = 2_000

_STALE = 0.3
"""Share of its worth that a tool result keeps when the same call gave another one later."""

FEEDBACK_TERMS = 12
"""Terms of the best units that join the query."""

_SMALL_TALK_TERMS = 3

_QUERY_TERMS = 60
"""A text of more terms has less weight for each in the query: a giant result must not drown the question."""

_PEOPLE = frozenset({"user", "human", "user_proxy"})

_NAME = re.compile(r"[^\W\d]{4,}\w*")
"""Shorter names of agents are left out: they could be any word."""

_ROLES = frozenset({"agent", "agents", "assistant"})
"""What a person may call those who take part, whatever their names."""

_FULL_QUESTION_TERMS = 2.0
"""A user message with several times as many terms says by itself what is asked."""


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """One unit and what it is worth.

    Args:
        unit: The unit.
        profile: Its costs and contents.
        category: What it is to the task.
        weight: The category's weight.
        relevance: How well it, or what stands beside it, answers the query, 0 to 1.
        recency: 1 for the newest, falling with the units that came after it.
        pinned: Why it must stay; empty when it need not.
        current: Share of its worth that is left since the same call gave another result later; 1 where none did.
        notes: What else there is to say of it, for reports.
    """

    unit: Unit
    profile: Profile
    category: Category
    weight: float
    relevance: float
    recency: float
    pinned: str
    current: float = 1.0
    notes: str = ""

    def why(self) -> str:
        """The scores in words, for reports."""
        return (
            f"{self.category.value} {self.weight:.1f}, relevance {self.relevance:.2f}, recency {self.recency:.2f}"
            + "".join(f", {note}" for note in (self.pinned, self.notes) if note)
        )


@dataclass(frozen=True, slots=True)
class PrioritizedContext:
    """A history with the worth of each unit against the task.

    Args:
        units: The units in the order of the history.
        query: What is asked: term weights from the task, the newest messages, and feedback.
        talk: The words of the conversation and of the calls, falling with age.
        rarity: Inverse document frequency of each term.
        doubt: How far it is open what is asked, from 0 (a full question was just asked) to 1; recency decides then.
        looks_back: Whether the question is about the run itself: it names those who take part in it, or their tools.
    """

    units: tuple[ScoredUnit, ...]
    query: Mapping[str, float]
    talk: Mapping[str, float]
    rarity: Mapping[str, float]
    doubt: float
    looks_back: bool = False


class ContextPrioritizer:
    """Scores the units of a history against a task.

    Args:
        weights: Category weights; those not given are the defaults.
        categorize: Overrules the category of a unit; None as its answer leaves it to the structure.
        pin: Messages for which it is true are kept word for word in every view.
        scorers: Scorers of your own by name. What one gives is added to a unit's relevance: 1 is as much as the
            best match has, a negative number makes the unit go sooner. One that raises is left out, with one warning.
        embedder: Adds relevance by meaning to that by words, such as `MiniLMEmbedder` of the extra ``semantic``.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext_tokenctx.context.units import split
        >>> history = split([UserMessage(content="Find the bug in parser.py", source="user")])
        >>> ContextPrioritizer().prioritize_context(history).units[0].pinned
        'first task'
    """

    def __init__(
        self,
        *,
        weights: Mapping[Category, float] | None = None,
        categorize: Callable[[Unit], Category | None] | None = None,
        pin: Callable[[LLMMessage], bool] | None = None,
        scorers: Mapping[str, UnitScorer] | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.weights = {**DEFAULT_WEIGHTS, **(weights or {})}
        self._categorize = categorize
        self._pin = pin
        self._scorers = dict(scorers or {})
        self._semantic = SemanticRelevance(embedder) if embedder is not None else None

    @property
    def looks_at_all(self) -> bool:
        """Whether what the user brought has to see every unit of a history, however long it is."""
        return bool(self._scorers or self._pin or self._categorize or self._semantic)

    def prioritize_context(
        self,
        units: Sequence[Unit],
        task: str | TaskDefinition | None = None,
        *,
        profiles: ProfileCache | None = None,
        pinned: Sequence[LLMMessage] = (),
    ) -> PrioritizedContext:
        """Scores each unit.

        Args:
            units: A history in units.
            task: What the agent works on; without it the history's own newest messages tell.
            profiles: Where costs and contents of units are remembered; without it they are estimated afresh.
            pinned: Messages to keep word for word.
        """
        cache = profiles or ProfileCache(EstimatedTokenCounter(), ContextCompressor())
        known = [cache.get(unit) for unit in units]
        pins = self._pins(units, pinned)
        idf = rarity([profile.distinct for profile in known])
        wanted, doubt = _query(units, known, task)
        query = _telling(wanted, idf, len(known))
        asked = [i for i, unit in enumerate(units) if i not in pins or not isinstance(unit.head, SystemMessage)]
        documents = [known[i].counts for i in asked]
        sizes = [known[i].tokens for i in asked]
        first = bm25(documents, query, idf)
        full_query = expand_query(documents, first, query, idf, new_terms=FEEDBACK_TERMS)
        feedback = {term: weight for term, weight in full_query.items() if term not in query}
        own = [score + more for score, more in zip(first, bm25(documents, feedback, idf), strict=True)]
        scores = _with_neighbours(own, sizes, around(documents, sizes, full_query, idf, _PASSAGE_TOKENS))
        near = [0.0] * len(units)
        for i, score in zip(asked, scores, strict=True):
            near[i] = score
        if self._semantic is not None:
            may_answer = [i for i in asked if pins.get(i) != "newest message"]
            blended = self._semantic.blend(
                [near[i] for i in may_answer],
                _question(units, task),
                [units[i] for i in may_answer],
                [known[i] for i in may_answer],
                doubt,
            )
            for i, score in zip(may_answer, blended, strict=True):
                near[i] = score
        top = max(near, default=0.0) or 1.0
        recency = _recency(len(units))
        overtaken = stale(units)
        scored: list[ScoredUnit] = []
        for i, unit in enumerate(units):
            why = pins.get(i, "")
            category = self._category(unit, known[i], why)
            current = _STALE if i in overtaken else 1.0
            added = self._added(unit)
            relevance = min(1.0, max(0.0, near[i] / top + sum(added.values())))
            notes = [*filter(None, [overtaken.get(i)]), *(f"{name} {value:+.2f}" for name, value in added.items())]
            scored.append(
                ScoredUnit(
                    unit,
                    known[i],
                    category,
                    self.weights[category],
                    relevance,
                    recency[i],
                    why,
                    current,
                    ", ".join(notes),
                )
            )
        return PrioritizedContext(tuple(scored), full_query, _talk(units, known), idf, doubt, _looks_back(units))

    async def prepare(
        self, units: Sequence[Unit], task: str | TaskDefinition | None = None, *, profiles: ProfileCache
    ) -> None:
        """Does ahead, and off the event loop, what takes long in `prioritize_context`: embedding what is new.

        Args:
            units: A history in units.
            task: What the agent works on.
            profiles: Where costs and contents of units are remembered.
        """
        if self._semantic is not None:
            said = [unit for unit in units[:-1] if not isinstance(unit.head, SystemMessage)]
            await self._semantic.learn(_question(units, task), said, [profiles.get(unit) for unit in said])

    def _added(self, unit: Unit) -> dict[str, float]:
        """What the user's own scorers give the unit, where that is not nothing."""
        added: dict[str, float] = {}
        for name, scorer in list(self._scorers.items()):
            try:
                value = float(scorer(unit))
            except Exception as error:
                del self._scorers[name]
                _logger.warning("scorer %r raised %r and is left out from here on", name, error)
                continue
            if isfinite(value) and value:
                added[name] = value
        return added

    def _pins(self, units: Sequence[Unit], pinned: Sequence[LLMMessage]) -> dict[int, str]:
        """Why each unit that must stay must stay."""
        pins: dict[int, str] = {}
        newest_memory = -1
        in_head = True
        for i, unit in enumerate(units):
            if isinstance(unit.head, SystemMessage):
                if in_head:
                    pins[i] = "system message"
                else:
                    pins[i] = MEMORY
                    if section_of(unit.head) is None:
                        newest_memory = i
            elif unit.messages:
                in_head = False
            if pinned and any(message in pinned for message in unit.originals):
                pins[i] = "pinned"
            if self._pin is not None and any(map(self._pin, unit.originals)):
                pins[i] = "pinned"
        if newest_memory >= 0:
            pins[newest_memory] = "system message"
        sendable = [i for i, unit in enumerate(units) if unit.messages]
        tasks = [i for i in sendable if _is_user(units[i])]
        if tasks:
            pins.setdefault(tasks[0], "first task")
        if sendable:
            pins.setdefault(sendable[-1], "newest message")
        return pins

    def _category(self, unit: Unit, profile: Profile, pinned: str) -> Category:
        chosen = self._categorize(unit) if self._categorize is not None else None
        if chosen is not None:
            return chosen
        section = section_of(unit.head)
        if section is not None:
            return Category(CATEGORY_OF_SECTION[section[1]])
        if isinstance(unit.head, SystemMessage) and pinned != "system message":
            return Category.MEMORY_PATTERNS
        if pinned:
            return Category.CURRENT_TASK_REQUIREMENTS
        if (
            not unit.is_exchange
            and len(profile.distinct) <= _SMALL_TALK_TERMS
            and not any(map(is_entity, profile.distinct))
        ):
            return Category.GENERAL_CONTEXT
        if unit.is_exchange and _is_listing(profile):
            return Category.PROJECT_STRUCTURE
        return Category.RELATED_TASK_HISTORY


def _question(units: Sequence[Unit], task: str | TaskDefinition | None) -> str:
    """What a person asked last, and the task that was given, as text."""
    users = [unit for unit in units if _is_user(unit)]
    people = [unit for unit in users if _is_person(unit, users[0])]
    said = _said(people[-1]) if people else ""
    about = task.text() if isinstance(task, TaskDefinition) else task or ""
    return "\n".join(filter(None, (said, about)))


def _looks_back(units: Sequence[Unit]) -> bool:
    """Whether a person just asked something, and names an agent of the run, or a tool that was called, or its role."""
    talk = [unit for unit in units if unit.messages and not isinstance(unit.head, SystemMessage)]
    users = [unit for unit in talk if _is_user(unit)]
    if not users or talk[-1] is not users[-1] or not _is_person(users[-1], users[0]):
        return False
    said = set(_NAME.findall(_said(users[-1]).lower()))
    if not said.isdisjoint(_ROLES):
        return True
    return any(not said.isdisjoint(_NAME.findall(name)) for unit in talk[:-1] for name in _actors(unit, users[0]))


def _actors(unit: Unit, first: Unit) -> Iterator[str]:
    """The agent who speaks in a unit, by the first part of its name, and the tools that it calls."""
    head = unit.head
    if isinstance(head, AssistantMessage) and not isinstance(head.content, str):
        yield from (call.name.lower() for call in head.content)
    if isinstance(head, AssistantMessage) or (isinstance(head, UserMessage) and not _is_person(unit, first)):
        yield head.source.lower().split("_")[0]


def _said(unit: Unit) -> str:
    """The text of a user message."""
    assert isinstance(unit.head, UserMessage)
    content = unit.head.content
    return content if isinstance(content, str) else "\n".join(part for part in content if isinstance(part, str))


def _is_listing(profile: Profile) -> bool:
    """Whether most lines of the results are one path each."""
    lines = [line.text for passage in profile.passages if passage.slot.kind == "result" for line in passage.lines[:200]]
    return len(lines) >= 5 and 2 * sum("/" in line and " " not in line.strip() for line in lines) > len(lines)


def _query(
    units: Sequence[Unit], known: Sequence[Profile], task: str | TaskDefinition | None
) -> tuple[dict[str, float], float]:
    """What the next call is about, and how far that is open.

    The task that was given, what a person asked last, and the two newest units. In the middle of a tool loop, and
    between agents, the newest units are what the agents themselves just did: they name what comes next, but the
    person's words stay the question. A full question that was just asked leaves nothing open.
    """
    query: dict[str, float] = {}

    def add(found: Sequence[str], weight: float) -> None:
        share = weight * min(1.0, _QUERY_TERMS / (len(found) or 1))
        for term in found:
            query[term] = max(query.get(term, 0.0), share)

    text = task.text() if isinstance(task, TaskDefinition) else task or ""
    add(terms(text), 1.0)
    talk = [i for i, unit in enumerate(units) if not isinstance(unit.head, SystemMessage)]
    users = [i for i in talk if _is_user(units[i])]
    people = [i for i in users if _is_person(units[i], units[users[0]])]
    if people:
        add(known[people[-1]].distinct, 1.0)
    # "yes, please" asks for what was said before it; a full question does not
    asked = bool(people) and people[-1] == talk[-1]
    doubt = exp(-len(query) / _FULL_QUESTION_TERMS) if asked else 1.0
    for i in talk[-2:]:
        add(known[i].distinct, 0.6 * doubt)
    if users:
        add(known[users[0]].distinct, 0.3 * doubt)
        said = chain.from_iterable(segment.words for segment in known[users[0]].segments if segment.line >= 0)
        add(list(filter(is_entity, said)), 1.0)  # what the task names stays its subject
    return query, doubt


def _with_neighbours(scores: Sequence[float], sizes: Sequence[int], passages: Sequence[float]) -> list[float]:
    """Each score with those of its surroundings: an answer stands beside the words that match, or in their passage.

    Args:
        scores: How well each unit answers by itself.
        sizes: Its tokens.
        passages: How well the text around it answers.
    """
    near, far = spread(scores, sizes, _NEAR_TOKENS), spread(scores, sizes, _FAR_TOKENS)
    own = [
        score + _NEAR_SHARE * (beside - score) + _FAR_SHARE * (further - score)
        for score, beside, further in zip(scores, near, far, strict=True)
    ]
    usual = sorted(sizes)[len(sizes) // 2] if sizes else 0
    best, best_passage = max(own, default=0.0) or 1.0, max(passages, default=0.0) or 1.0
    share = _PASSAGE_SHARE * exp(-usual / _TURN_TOKENS)
    return [score / best + share * passage / best_passage for score, passage in zip(own, passages, strict=True)]


def _telling(query: Mapping[str, float], idf: Mapping[str, float], size: int) -> dict[str, float]:
    """The terms of a query that tell units apart: in more than one of them, and the rarest of a long query."""
    single = log(1.0 + (size - 0.5) / 1.5)  # the rarity of a term that only one unit has
    known = ((term, weight) for term, weight in query.items() if term in idf and (size < 3 or idf[term] < single))
    return dict(sorted(known, key=lambda item: (-item[1] * idf[item[0]], item[0]))[:_QUERY_TERMS])


def _is_person(unit: Unit, first: Unit) -> bool:
    """Whether a person speaks: AutoGen's name for one, or whoever gave the first task."""
    assert isinstance(unit.head, UserMessage)
    assert isinstance(first.head, UserMessage)
    return unit.head.source.lower() in _PEOPLE or unit.head.source == first.head.source


def _is_user(unit: Unit) -> bool:
    """Whether a user or another agent speaks; a result that lost its call is neither."""
    return bool(unit.messages) and isinstance(unit.head, UserMessage)


def _talk(units: Sequence[Unit], known: Sequence[Profile]) -> dict[str, float]:
    """The words of the conversation, the newest the strongest: what is talked about is what its records are for."""
    talk: dict[str, float] = {}

    def add(found: Iterable[str], weight: float) -> None:
        for term in found:
            talk[term] = max(talk.get(term, 0.0), weight)

    spoken = [i for i, unit in enumerate(units) if not unit.is_exchange and not isinstance(unit.head, SystemMessage)]
    for age, i in enumerate(reversed(spoken[-_TALK_UNITS:])):
        add(known[i].distinct[:400], exp(-age / _TALK_TURNS) * (_JUST_SAID if age == 0 else 1.0))
    calls = [unit for unit in units if unit.is_exchange]
    for age, unit in enumerate(reversed(calls[-_TALK_UNITS:])):
        for call in cast(AssistantMessage, unit.head).content:
            if isinstance(call, FunctionCall):
                add(terms(call.arguments[:_CALL_CHARS]), _CALLED * exp(-age / _CALL_TURNS))
    return talk


def _recency(size: int) -> list[float]:
    """1 for the unit before the newest, steeply down the turns before it."""
    return [exp(-max(0, size - 2 - i)) for i in range(size)]
