"""Which sentences of a person bind what comes after: standing instructions, ranked and not decided."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence, Set
from enum import Enum
from functools import lru_cache
from math import exp
from pathlib import Path
from typing import Any, NamedTuple

# Rules and sentences that look like them differ by a word or by nothing but the situation, so no list of signal words
# tells them apart. What can be told is which of many sentences are likelier: a prohibition, a permission, a condition,
# an order of steps, something general about answers, files or tools, against questions, stories, and what is asked once
# about the thing at hand. So each sentence gets a score, and whoever has tokens for some keeps the likeliest.


class InstructionKind(str, Enum):
    """What an instruction is, as far as its words tell."""

    PROHIBITION = "prohibition"
    PERMISSION = "permission"
    ORDER = "order of steps"
    FORM = "form of answers"
    OTHER = "rule"


class Instruction(NamedTuple):
    """A sentence that may bind what comes after."""

    text: str
    start: int  # where it begins in the message, in characters
    score: float  # how likely it binds, 0 to 1
    kind: InstructionKind


# A sentence of a lower score is not held. Of the English rules of tests.benchmarks.instructions .90 survive so at 10 %
# of the history, and arguments of tool calls fall by .00, .01 and .03 at 10, 20 and 30 %; with .4 about .91, but .03,
# .02 and .03; with .6 .85, and .00, .01 and .03.
BINDING = 0.45

# A longer sentence is no instruction, and what of it is read is bounded. Chosen, not measured.
_MAX_CHARS = 400

_WORDS = re.compile(r"\w+")

_END = re.compile(
    r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))\s+(?=[^\sa-z])"  # "e.g. this" and "report.md" go on
    r"|(?<=[。！？؟।])"
    r"|\s*\n+[\s>]*(?:(?:[-*•]|\d{1,2}[.)])\s+)?"
)
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
_QUOTED = re.compile(r"^\s*[\"“«„「'’]|^\s*>|^\s*(?:assistant|system|user|from|subject)\s*:", re.IGNORECASE)


class _Cue(NamedTuple):
    """What a sentence may have, and what that adds to its log-odds, however often it is there."""

    weight: float
    words: frozenset[str]  # in lower case; looked up, which is several times faster than a pattern of all
    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, weight: float, words: Sequence[str] = (), parts: str = "", pattern: Sequence[str] = ()) -> _Cue:
        """Return a cue of words and phrases, parts of words where no spaces are written between, and a pattern."""
        single: set[str] = set()
        phrases: list[str] = []
        for piece in "/".join(words).split("/") if words else ():
            for one in [piece] if "(" in piece else piece.split("|"):
                bare = one.removesuffix("?")
                if _WORDS.fullmatch(bare):
                    single |= {bare, bare[:-1]} if bare != one else {bare}
                else:
                    phrases.append(one)
        forms = [rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)"] if phrases else []
        forms += filter(None, (parts.replace("/", "|"), "".join(pattern)))
        return cls(weight, frozenset(single), re.compile("|".join(forms), re.IGNORECASE) if forms else None)

    def is_in(self, text: str, words: Set[str]) -> bool:
        """Return whether a text has the cue, given its words in lower case."""
        if not self.words.isdisjoint(words):
            return True
        return self.pattern is not None and self.pattern.search(text) is not None


# Cues in nine languages, and what each says of a sentence. The weights are those of a logistic regression over the
# cues, fitted by hand-written rules and look-alikes in nine languages (392 messages, none of them a real person's)
# against 9,000 sentences that people and agents say in published chats, meetings, service runs and agent teams.
# Cross-validated in five parts, 84 % of the English rules, and 80 to 100 % of those in other languages, come before the
# likeliest 5 % of the ordinary sentences; 75 and 40 to 100 % before 2 %. The cues were chosen with these rules in view:
# expect less of others. "bias" is the log-odds of a sentence without any cue, "together" what two cues in one sentence
# add, and each of "counted" adds "count_weight" more, up to "most_counted" of them.
_MODEL: dict[str, Any] = json.loads(Path(__file__).with_name("instruction_cues.json").read_bytes())
_CUES = {name: _Cue.of(**cue) for name, cue in _MODEL["cues"].items()}


def sentences_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the sentences of a text with where they begin; code between fences is none."""
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
    """Return the sentences of a message, but for very short ones, with how likely each binds what comes after."""
    found = sentences_of(text)
    return [Instruction(sentence, start, *_scored(sentence)) for start, sentence in found if len(sentence) > 5]


def request_score(sentence: str) -> float:
    """Return how likely a sentence of a long message says what is to be done with the rest of it, 0 to 1."""
    if len(sentence) > _MAX_CHARS:
        return 0.0
    # What asks for one thing, now, makes a request likelier as it makes a standing instruction less likely. By 0.3 of
    # what is missing to 1 for each of the three cues: chosen, not measured.
    asking = _found(sentence).intersection(("once", "imperative", "please"))
    score, _ = _scored(sentence)
    return score + (1.0 - score) * 0.9 * len(asking) / 3


@lru_cache(maxsize=20_000)
def _found(sentence: str) -> frozenset[str]:
    """Return the names of the cues that a sentence has."""
    words = set(_WORDS.findall(sentence.lower()))
    return frozenset(name for name, cue in _CUES.items() if cue.is_in(sentence, words))


def _scored(sentence: str) -> tuple[float, InstructionKind]:
    """Return how likely a sentence binds, and what it is then."""
    if _QUOTED.match(sentence) or len(sentence) > _MAX_CHARS:  # what is quoted or pasted binds nobody
        return 0.0, InstructionKind.OTHER
    found = _found(sentence)
    odds = _MODEL["bias"] + sum(_CUES[name].weight for name in sorted(found))
    odds += sum(weight for one, other, weight in _MODEL["together"] if found.issuperset((one, other)))
    odds += _MODEL["count_weight"] * min(_MODEL["most_counted"], len(found.intersection(_MODEL["counted"])))
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
