"""The query: what is asked, and what the dialogue is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, islice
from math import exp
from typing import cast

from autogen_core import FunctionCall
from autogen_core.models import AssistantMessage, SystemMessage, UserMessage

from ..forms.noise import Noise
from ..messages.groups import MessageGroup, pictures_of, text_of
from ..messages.turns import Turns
from ..tokens.task import TaskDefinition, task_text
from .bm25 import bm25, few, idf_of, rarity
from .features import GroupFeatures
from .terms import is_entity, terms

# No measurement is on record for the numbers below, unless they name one.

_TALK_TURNS, _JUST_SAID = 4.0, 3.0
"""Turns over which the weight of what was said falls to 1/e, and that of the newest."""

_CALL_TURNS, _CALLED = 2.0, 4.0
"""The same for what tools were called with: the next call is about it, or about what is listed beside it.
Without them tools lose .07, .05 and .07 (row "arguments of the last calls" of the ablation)."""

_TALK_GROUPS, _TALK_TERMS, _CALL_CHARS = 30, 400, 2_000
"""So many of the newest messages and calls are read for the dialogue, so many terms of each message, so many characters
of a call's arguments: bounds time. What is older weighs less than a thousandth of the newest."""

_QUERY_TERMS = 60
"""A text of more terms has less weight for each in the query: a giant result must not drown the question."""

_NAME = re.compile(r"[^\W\d]{4,}\w*")
"""Shorter names of agents are left out: they could be any word."""

_CODE_NAME = re.compile(r"\b(?=\w*[a-z]{2})[A-Za-z]+[A-Z]\w*")
"""Case is lost in terms; names with signs or digits are known by those."""

_QUESTION_CHARS = 20_000
"""A longer question is read so far for names and pictures: bounds time."""

_ROLES = frozenset({"agent", "agents", "assistant"})
"""What a person may call those who take part, whatever their names."""

_COVERED = 0.25
"""Share of what is asked, by rarity, that the message of a picture must have. What is asked names the picture and what
to look for in it; the latter stands nowhere in words."""

_FULL_QUESTION_TERMS = 2.0
"""A user message with several times as many terms says by itself what is asked."""


_NOISE_TERMS = {
    kind: frozenset(terms(names))
    for kind, names in {
        Noise.BASE64: "base64 decode encode encoded encoding attachment certificate pem",
        Noise.HEX: "hex hexadecimal bytes decode digest",
        Noise.DUMP: "hex hexadecimal hexdump dump bytes offset",
        Noise.NUMBERS: "embedding embeddings vector vectors floats dimension dimensions components",
        Noise.SVG: "svg icon drawing curve curves",
        Noise.MINIFIED: "minified unminify bundle bundled javascript css",
    }.items()
}
"""How people call each kind of noise."""


def question(groups: Sequence[MessageGroup], turns: Turns, task: str | TaskDefinition | None) -> str:
    """Return what a person asked last, and the task that was given, as text."""
    asked = "" if turns.question is None else text_of(groups[turns.question])
    return "\n".join(filter(None, (asked, task_text(task))))


def asked_picture(groups: Sequence[MessageGroup], known: Sequence[GroupFeatures], text: str) -> int | None:
    """Return the place of the group whose pictures a text asks for: its message, among those before, answers best."""
    if not any(pictures_of(group.messages) for group in groups):
        return None
    wanted = dict.fromkeys(terms(text[:_QUESTION_CHARS]), 1.0)
    earlier = [i for i, group in enumerate(groups) if not isinstance(group.head, SystemMessage)]
    documents = [known[i].counts for i in earlier]
    having = Counter(term for document in documents for term in document if term in wanted)
    if not having:
        return None
    idf = idf_of(documents)
    scores = bm25(documents, wanted, idf)
    best = max(range(len(earlier)), key=lambda number: (scores[number], number))
    found = wanted.keys() & documents[best].keys()
    most = few(len(earlier))
    total = sum(idf.get(term, max(idf.values())) for term in wanted)
    if all(having[term] > most for term in found) or sum(idf[term] for term in found) < _COVERED * total:
        return None
    return earlier[best] if pictures_of(groups[earlier[best]].messages) else None


def code_names(question: str) -> frozenset[str]:
    """Return the terms of what a person asks for by a name in code, such as ``BoundedSemaphore``."""
    return frozenset(terms(" ".join(_CODE_NAME.findall(question[:_QUESTION_CHARS]))))


def is_trace_question(groups: Sequence[MessageGroup], turns: Turns) -> bool:
    """Return whether a person just asked something, and names an agent of the run, or a tool that was called."""
    spoken = [i for i, group in enumerate(groups) if group.messages and not isinstance(group.head, SystemMessage)]
    if turns.question is None or spoken[-1] != turns.question:
        return False
    said = set(_NAME.findall(text_of(groups[turns.question]).lower()))
    if not said.isdisjoint(_ROLES):
        return True
    names = (name for i in spoken[:-1] for name in _actors(groups[i], is_person=i in turns.people))
    return any(not said.isdisjoint(_NAME.findall(name)) for name in names)


def _actors(group: MessageGroup, *, is_person: bool) -> Iterator[str]:
    """Yield the agent who speaks in a group, by the first part of its name, and the tools that it calls."""
    head = group.head
    if isinstance(head, AssistantMessage) and not isinstance(head.content, str):
        yield from (call.name.lower() for call in head.content)
    if isinstance(head, AssistantMessage) or (isinstance(head, UserMessage) and not is_person):
        yield head.source.lower().split("_")[0]


def query_of(
    groups: Sequence[MessageGroup],
    known: Sequence[GroupFeatures],
    turns: Turns,
    task: str | TaskDefinition | None,
    idf: Mapping[str, float],
) -> tuple[dict[str, float], float]:
    """Return the query (its discriminative terms, weighed) and its ambiguity."""
    # The task that was given, what a person asked last, and the two newest groups. In a tool loop, and between agents,
    # these are what the agents just did: they name what comes next, but the person's words stay the question.
    query: dict[str, float] = {}

    def add(found: Sequence[str], weight: float) -> None:
        share = weight * min(1.0, _QUERY_TERMS / (len(found) or 1))
        for term in found:
            query[term] = max(query.get(term, 0.0), share)

    given = terms(task_text(task))
    add(given, 1.0)
    dialogue = [i for i, group in enumerate(groups) if not isinstance(group.head, SystemMessage)]
    if turns.question is not None:
        add(known[turns.question].distinct, 1.0)
    # "yes, please" asks for what was said before it; a full question does not
    asked = turns.question is not None and turns.question == dialogue[-1]
    ambiguity = exp(-len(query) / _FULL_QUESTION_TERMS) if asked else 1.0
    for i in dialogue[-2:]:
        add(known[i].distinct, 0.6 * ambiguity)
    if turns.first is not None:
        add(known[turns.first].distinct, 0.3 * ambiguity)
        said = chain.from_iterable(segment.words for segment in known[turns.first].segments if segment.line >= 0)
        add(list(filter(is_entity, said)), 1.0)  # what the task names stays its subject
    return _discriminative(query, frozenset(given), idf, len(groups)), ambiguity


def _discriminative(
    query: Mapping[str, float], given: Set[str], idf: Mapping[str, float], size: int
) -> dict[str, float]:
    """Return the terms by which groups differ; of a long query the ones of greatest weight and idf."""
    # what a message asks, and no other group has, finds only that message; a task that was given stands in no group
    single = rarity(size)
    known = [
        (term, weight)
        for term, weight in query.items()
        if term in idf and (size < 3 or term in given or idf[term] < single)
    ]
    return dict(sorted(known, key=lambda item: (-item[1] * idf[item[0]], item[0]))[:_QUERY_TERMS])


def _said_in(group: MessageGroup, profile: GroupFeatures) -> Sequence[str]:
    """Return the terms of what someone says in a group; of an exchange, what the agent says beside its calls."""
    if not group.is_exchange:
        return () if isinstance(group.head, SystemMessage) else profile.distinct
    return [term for segment in profile.segments if segment.kind == "thought" for term in segment.words]


def dialogue_of(groups: Sequence[MessageGroup], known: Sequence[GroupFeatures]) -> dict[str, float]:
    """Return the terms of the dialogue by weight, the newest the strongest: records are for what it is about."""
    dialogue: dict[str, float] = {}

    def add(found: Iterable[str], weight: float) -> None:
        for term in found:
            dialogue[term] = max(dialogue.get(term, 0.0), weight)

    spoken = (_said_in(group, known[i]) for i, group in reversed(list(enumerate(groups))))
    for age, found in enumerate(islice(filter(None, spoken), _TALK_GROUPS)):
        add(found[:_TALK_TERMS], exp(-age / _TALK_TURNS) * (_JUST_SAID if age == 0 else 1.0))
    calls = [group for group in groups if group.is_exchange]
    for age, group in enumerate(reversed(calls[-_TALK_GROUPS:])):
        for call in cast(AssistantMessage, group.head).content:
            if isinstance(call, FunctionCall):
                add(terms(call.arguments[:_CALL_CHARS]), _CALLED * exp(-age / _CALL_TURNS))
    return dialogue


def noise_asked_for(question: str) -> frozenset[Noise]:
    """Return the kinds of noise that a question names."""
    asked = set(terms(question))
    return frozenset(kind for kind in Noise if not asked.isdisjoint(_NOISE_TERMS[kind]))
