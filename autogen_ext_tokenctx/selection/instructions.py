"""Standing instructions: which sentences of people are held in every view, and which gave way to later ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

from autogen_core.models import UserMessage

from ..messages.instructions import BINDING, InstructionKind
from ..retrieval.terms import terms
from .prioritizer import PrioritizedContext

# No measurement is on record for the numbers below, unless they name one.

SHARE = 0.2
"""Share of what is available that standing instructions may take together."""

_UNSURE, _UNSURE_SHARE = 0.35, 0.08
"""A sentence of a lower score than `BINDING`, down to this one, is held where all of them take no more than this share
of the tokens for instructions: where people say little, more of it stays."""

_CLEAR = 0.95
"""Who loses a prohibition or a permission of such a score is warned."""

_FIRM = 0.05
"""Prohibitions and permissions come before matters of form of a score that is so much higher."""

_LABEL_TOKENS = 4
"""What it costs to say who gave an instruction, about."""

_FEW_SENTENCES = 4
"""A word that more sentences of people have names no rule."""

# English, German, French, Spanish, Portuguese, Chinese, Japanese
_TAKES_BACK = re.compile(
    r"\b(?:forget|no longer|any ?more|changed my mind|after all|again|lifted|too (?:short|long|strict|much)|fine"
    r"|ok(?:ay)?|go(?:es)? (?:up|down)|(?:switch|back) to|instead|scrap|drop|cancel|never ?mind|withdraw\w*"
    r"|leave out the|now"
    r"|vergiss|nicht mehr|doch|aufgehoben|stattdessen|ab jetzt|oublie\w*|finalement|ne \w+ plus|olvida\w*|ya no|mejor"
    r"|esque[cç]\w+|não precisa mais|em vez)\b|不用再|取消|算了|改成|やっぱり|取り消|もう",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class StandingInstruction:
    """A sentence of a person that may bind what comes after.

    Args:
        group: Number of the group in the history in which it was said.
        speaker: Who said it.
        text: The sentence, word for word.
        kind: What it is.
        score: How likely it binds, 0 to 1.
        tokens: What it costs away from its place, about.
    """

    group: int
    speaker: str
    text: str
    kind: InstructionKind
    score: float
    tokens: int


class Held(NamedTuple):
    """What is held, oldest first, and what is not for want of tokens, the likeliest first."""

    held: tuple[StandingInstruction, ...]
    fallen: tuple[StandingInstruction, ...]

    @property
    def missed(self) -> list[str]:
        """What is not held though it is surely a prohibition or a permission."""
        return [one.text for one in self.fallen if one.score >= _CLEAR and _is_firm(one)]


def standing_instructions(context: PrioritizedContext, max_tokens: int, whole: Set[int] = frozenset()) -> Held:
    """Return the likeliest standing instructions that fit, without those that were taken back."""
    found = [one for one in _in_force(list(_said(context))) if one.group not in whole]
    found.sort(key=lambda one: (-_rank(one), -one.group, one.text))
    held: list[StandingInstruction] = []
    fallen: list[StandingInstruction] = []
    unsure_tokens = int(_UNSURE_SHARE * max_tokens)
    for one in found:
        if one.score < BINDING:
            unsure_tokens -= one.tokens
        if one.score < _UNSURE or unsure_tokens < 0:
            break
        if one.tokens <= max_tokens:
            held.append(one)
            max_tokens -= one.tokens
        else:
            fallen.append(one)
    return Held(tuple(sorted(held, key=lambda one: one.group)), tuple(fallen))


def _rank(one: StandingInstruction) -> float:
    return one.score + (_FIRM if _is_firm(one) else 0.0)


def _is_firm(one: StandingInstruction) -> bool:
    return one.kind in (InstructionKind.PROHIBITION, InstructionKind.PERMISSION)


def _said(context: PrioritizedContext) -> Iterator[StandingInstruction]:
    """Yield the sentences of people that may bind or take something back, in order; of the same words the last."""
    numbers = list(context.groups)
    for place in sorted(context.turns.people):
        scored = context.groups[numbers[place]]
        head = scored.group.head
        assert isinstance(head, UserMessage)
        chars = sum(len(passage.text()) for passage in scored.profile.passages) or 1
        for found in context.instructions_of(scored):
            tokens = _LABEL_TOKENS + -(-len(found.text) * scored.profile.tokens // chars)
            yield StandingInstruction(scored.group.index, head.source, found.text, found.kind, found.score, tokens)


def _in_force(said: Sequence[StandingInstruction]) -> list[StandingInstruction]:
    """Return what no later sentence takes back or says again; what takes something back has the score of that."""
    words = [frozenset(terms(one.text)) for one in said]
    known = Counter(term for found in words for term in found)
    by_term: dict[str, list[int]] = {}
    score = [one.score for one in said]
    gone: set[int] = set()
    for i, one in enumerate(said):
        rare = [term for term in words[i] if known[term] <= _FEW_SENTENCES]
        if _TAKES_BACK.search(one.text):
            for other in {other for term in rare for other in by_term.get(term, ()) if other not in gone}:
                if said[other].group < one.group and score[other] >= BINDING:
                    gone.add(other)
                    score[i] = max(score[i], score[other])
        for term in rare:
            by_term.setdefault(term, []).append(i)
    last = {one.text: i for i, one in enumerate(said)}
    return [replace(one, score=score[i]) for i, one in enumerate(said) if i not in gone and last[one.text] == i]
