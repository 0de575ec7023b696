"""Which sentences of a person bind what comes after: standing instructions, ranked and not decided.

Rules and sentences that look like them differ by a word or by nothing but the situation, so no list of signal words
tells them apart. What can be told is which of many sentences are likelier: a prohibition, a permission, a condition,
an order of steps, something general about answers, files or tools, against questions, stories, and what is asked once
about the thing at hand. So each sentence gets a score, and whoever has tokens for some keeps the likeliest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from enum import Enum
from functools import lru_cache
from math import exp
from typing import NamedTuple

from .instruction_cues import BIAS, COUNT_WEIGHT, COUNTED, CUES, MOST_COUNTED, TOGETHER, WEIGHTS


class InstructionKind(str, Enum):
    """What an instruction is, as far as its words tell."""

    PROHIBITION = "prohibition"
    PERMISSION = "permission"
    ORDER = "order of steps"
    FORM = "form of answers"
    OTHER = "rule"


class Instruction(NamedTuple):
    """A sentence that may bind what comes after.

    Args:
        text: The sentence, as it stands in the message.
        start: Where it begins in the message, in characters.
        score: How likely it binds, 0 to 1.
        kind: What it is.
    """

    text: str
    start: int
    score: float
    kind: InstructionKind


BINDING = 0.45
"""A sentence of a lower score is not held. Of the English rules of ``tests.benchmarks.instructions`` .90 survive so at
10 % of the history, and arguments of tool calls fall by .00, .01 and .03 at 10, 20 and 30 %; with .4 about .91, but
.03, .02 and .03; with .6 .85, and .00, .01 and .03."""

_MAX_CHARS = 400
"""A longer sentence is no instruction, and what of it is read is bounded."""

_MIN_CHARS = 6

_ASKING = frozenset({"once", "imperative", "please"})
_ASKS = 0.9
"""What asks for one thing, now, makes a request likelier as it makes a standing instruction less likely."""


_WORDS = re.compile(r"\w+")

_END = re.compile(
    r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))\s+(?=[^\sa-z])"  # "e.g. this" and "report.md" go on
    r"|(?<=[。！？؟।])"
    r"|\s*\n+[\s>]*(?:(?:[-*•]|\d{1,2}[.)])\s+)?"
)
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
_QUOTED = re.compile(r"^\s*[\"“«„「'’]|^\s*>|^\s*(?:assistant|system|user|from|subject)\s*:", re.IGNORECASE)


def sentences_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the sentences of a text with where they begin; code between fences is none.

    Example:
        >>> list(sentences_of("Use pnpm. Never npm, e.g. in CI."))
        [(0, 'Use pnpm.'), (10, 'Never npm, e.g. in CI.')]
    """
    fenced = False
    start = 0
    for match in (*_END.finditer(text), None):
        end = len(text) if match is None else match.start()
        piece = text[start:end]
        if _FENCE.match(piece):
            fenced = not fenced
        elif piece.strip() and not fenced:
            bare = piece.strip()
            yield start + piece.index(bare), bare
        start = len(text) if match is None else match.end()


def instructions_in(text: str) -> list[Instruction]:
    """Return the sentences of a message with how likely each binds what comes after.

    What is quoted or pasted, between fences, behind quotation marks or ``>``, has a score of 0.

    Args:
        text: What a person said.

    Returns:
        Its sentences in order; those of a few characters are left out.

    Example:
        >>> found = instructions_in("Hi! Never use npm, always pnpm. How are you?")
        >>> [(one.text, one.score > 0.5) for one in found]
        [('Never use npm, always pnpm.', True), ('How are you?', False)]
    """
    return [
        Instruction(sentence, start, *_scored(sentence))
        for start, sentence in sentences_of(text)
        if len(sentence) >= _MIN_CHARS
    ]


def request_score(sentence: str) -> float:
    """Return how likely a sentence of a long message says what is to be done with the rest of it, 0 to 1.

    Example:
        >>> request_score("Please translate it.") > request_score("The river was green.")
        True
    """
    if len(sentence) > _MAX_CHARS:
        return 0.0
    score, _ = _scored(sentence)
    return score + (1.0 - score) * _ASKS * len(_found(sentence).intersection(_ASKING)) / len(_ASKING)


@lru_cache(maxsize=20_000)
def _found(sentence: str) -> frozenset[str]:
    """Return the names of the cues that a sentence has."""
    words = set(_WORDS.findall(sentence.lower()))
    return frozenset(name for name, cue in CUES.items() if cue.is_in(sentence, words))


def _scored(sentence: str) -> tuple[float, InstructionKind]:
    """Return how likely a sentence binds, and what it is then."""
    if _QUOTED.match(sentence) or len(sentence) > _MAX_CHARS:
        return 0.0, InstructionKind.OTHER
    found = _found(sentence)
    odds = BIAS + sum(WEIGHTS[name] for name in sorted(found))
    odds += sum(weight for pair, weight in TOGETHER.items() if found.issuperset(pair))
    odds += COUNT_WEIGHT * min(MOST_COUNTED, len(found.intersection(COUNTED)))
    return 1.0 / (1.0 + exp(-odds)), _kind(found)


def _kind(found: Set[str]) -> InstructionKind:
    """Return what a sentence with these cues is, if it binds."""
    if not found.isdisjoint(("permission", "approval")):
        return InstructionKind.PERMISSION
    if "negation" in found:
        return InstructionKind.PROHIBITION
    if not found.isdisjoint(("form", "answers", "limit")):
        return InstructionKind.FORM
    return InstructionKind.ORDER if "condition" in found else InstructionKind.OTHER
