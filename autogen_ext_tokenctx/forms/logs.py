"""What programs print: what a terminal would show of it, tracebacks of Python, and the odd line out.

A build log has a thousand lines that report success and one that does not; a pasted table may have an instruction
between its rows. What they say is not known in advance, so they are found by their rarity and not by a list of words.
Each line is looked at in several ways: what kind of text it is, its shape once words, numbers, paths and times are
masked, and its values in the columns that the lines have in common. Where nearly all lines share a few answers to one
of these questions, a line with another answer is odd.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby, pairwise, zip_longest
from math import log2
from typing import NamedTuple

from .line import Outline

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][0-2];[^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-B]|\x1b[=>78cDEHM]"
)
"""Colours, movements of the cursor, titles of windows. Links are left alone: they hold an address."""

_PROGRESS = re.compile(r"\d ?%|\d ?[kKMGT]i?B\b|[█▉▊▋▌▍▎▏━═#=]{3}")
_FIRST_WORD = re.compile(r"[^\W\d_]+")

_TRACEBACK = re.compile(r"[\s|+]*(?:Exception Group )?Traceback \(most recent call last\):")

# No measurement is on record for the numbers below, unless they name one.

MIN_LINES = 24
"""Of fewer lines none is odd: chance makes differences as large."""

_RARE_SHARE = 0.03
"""Share of the lines that may be odd in one way. More of them are a kind of their own, and no exception."""

_RARE_LINES = 4
"""So many lines may be odd in a short text, too: a compiler's message has some lines."""

_GAP = 10
"""An answer is rare if the others are given so many times as often, each. Without such a gap there is no common kind:
of numbers drawn at random some come up once, and others a few times."""

_SHAPES, _LINES_A_SHAPE, _ALIKE = 8, 20, 0.9
"""A text is uniform if so many shapes, or one for each so many lines, are those of such a share of its lines. Logs of
builds and tables have 1 to 6 shapes in nearly all lines, of pages of the web 8 shapes have a half. In a text that is
not uniform only a sentence can be odd."""

_LINE_CHARS = 240
"""What is looked at of a line; what differs in kind does so at its beginning."""

_LEFT, _RIGHT = 12, 3
"""Columns that are looked at from either side."""

_ENDS = ".,:;!?)'\"…。！？"
"""Punctuation at the end of a word in a sentence."""

_PROSE_WORDS, _PROSE_SHARE = 4, 0.7
"""So many words, and such a share of words among all that stands between blanks, make a line a sentence."""

_FIELD = re.compile(r"[^\s,;|=]+")
_RUNS = [(re.compile(rf"{kind}{{2,}}"), kind) for kind in "aA0"] + [(re.compile(r"([^\Wa-zA-Z0-9_])\1+"), r"\1")]
_CORE = re.compile(r"[^\W_](?:.*[^\W_])?")


def shown(text: str) -> str:
    """Return the text without escape codes, and of a progress bar its last state only."""
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    if "\r" not in text or "\n" not in text:  # without any other end of a line, \r is one
        return text
    return "\n".join(_last_state(row) if "\r" in row else row for row in text.replace("\r\n", "\n").split("\n"))


def _last_state(row: str) -> str:
    """Return what is left of a row whose parts were written one over the other."""
    states = [state for state in row.split("\r") if state.strip()]
    # a run that fetches 24 files with a bar each is a twentieth as long by it, without loss of what is asked
    kept = [state for state, after in pairwise(states) if not _is_replaced(state, after)]
    return "\n".join([*kept, *states[-1:]])


def _is_replaced(state: str, after: str) -> bool:
    """Return whether two states are both progress of the same thing."""
    if not (_PROGRESS.search(state) and _PROGRESS.search(after)):
        return False
    return _FIRST_WORD.findall(state)[:1] == _FIRST_WORD.findall(after)[:1]


def traces(rows: Sequence[str]) -> Outline:
    """Return what belongs together in the tracebacks of a text."""
    outline = Outline()
    number = 0
    while number < len(rows):
        if "Traceback" in rows[number] and _TRACEBACK.match(rows[number]):
            number = max(number + 1, _read_traceback(rows, number, outline))
        else:
            number += 1
    return outline


def _read_traceback(rows: Sequence[str], start: int, outline: Outline) -> int:
    """Write down what belongs together in one traceback, and return the row after it."""
    margin = len(rows[start]) - len(rows[start].lstrip(" |+"))  # traces of groups stand behind bars
    frames: list[int] = []
    number = start + 1
    while number < len(rows):
        body = rows[number][margin:]
        if body.startswith('  File "'):
            frames.append(number)
        elif body.startswith("  ") and frames:
            if body.strip(" ~^"):
                outline.joined.add(number)
            else:  # the row that marks a part of the code takes as much room as the code
                outline.belongs[number] = frames[-1]
        else:
            break
        number += 1
    if not frames or number == len(rows) or not rows[number][margin:]:
        return number
    outline.belongs.update(dict.fromkeys([start, *frames], number))
    return number + 1


class _Kinds(dict[int, str]):
    """For each character its kind: a sign each for small letters of Latin, its capitals, digits, and other scripts."""

    def __init__(self) -> None:
        super().__init__()
        self._signs = {"LATIN": "a"}

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = char
        if unicodedata.category(char)[0] in "LM":
            script = unicodedata.name(char, "LATIN").split()[0]
            kind = self._signs.setdefault(script, chr(0x4E00 + len(self._signs)))
            kind = "A" if kind == "a" and char.isupper() else kind
        elif char.isdecimal():
            kind = "0"
        self[code] = kind
        return kind


_KINDS = _Kinds()


def oddities(lines: Sequence[str]) -> dict[int, float]:
    """Return the lines that differ from the others, with their surprise in bits: one of 1,024 lines has 10."""
    if len(lines) < MIN_LINES:
        return {}
    heads = [line[:_LINE_CHARS].replace("\n", " ") for line in lines]  # a line may be of several rows
    kinds = _kinds(heads)
    shapes = [kind.shape for kind in kinds]
    if _are_alike(shapes):
        rows = [_FIELD.findall(head) for head in heads]
        left = zip_longest(*[row[:_LEFT] for row in rows], fillvalue="")
        right = ([row[-place] if len(row) >= place else "" for row in rows] for place in range(1, 1 + _RIGHT))
        found: dict[int, float] = {}
        for answers in ([kind.register for kind in kinds], shapes, *left, *right):
            for number, bits in _rare(answers):
                found[number] = max(bits, found.get(number, 0.0))
        return found
    rare = _rare([kind.register for kind in kinds])
    return {number: bits for number, bits in rare if kinds[number].register.is_sentence}


def _are_alike(shapes: Sequence[str]) -> bool:
    """Return whether a few shapes are those of nearly all lines."""
    few = max(_SHAPES, len(shapes) // _LINES_A_SHAPE)
    return sum(count for _, count in Counter(shapes).most_common(few)) >= _ALIKE * len(shapes)


class _Register(NamedTuple):
    """What kind of text a line is: the script of most of its words, whether it is a sentence, and its margin."""

    script: str
    is_sentence: bool
    indented: bool


class _Kind(NamedTuple):
    """A line without its values. In its shape neighbours of one kind count once."""

    register: _Register
    shape: str


def _kinds(lines: Sequence[str]) -> list[_Kind]:
    masked = "\n".join(lines).translate(_KINDS)
    for run, kind in _RUNS:
        masked = run.sub(kind, masked)
    rows = masked.split("\n")
    known = {row: _kind(row) for row in set(rows)}
    return [known[row] for row in rows]


def _kind(row: str) -> _Kind:
    fields = [_CORE.sub(_core, field, count=1) for field in _FIELD.findall(row)]
    words = [word for field in fields if len(word := field.rstrip(_ENDS)) == 1 and word.isalpha() and word != "w"]
    script = max(sorted(set(words)), key=words.count, default="")
    is_sentence = len(words) >= max(_PROSE_WORDS, _PROSE_SHARE * len(fields))
    return _Kind(_Register(script, is_sentence, row[:1].isspace()), " ".join(field for field, _ in groupby(fields)))


def _core(match: re.Match[str]) -> str:
    """Return a word, a word in capitals or a number as one sign, and what mixes them, such as a path, as another."""
    core = match[0]
    return "a" if core == "Aa" else core if len(core) == 1 else "w"


def _rare(answers: Sequence[Hashable]) -> Iterator[tuple[int, float]]:
    """Yield the lines whose answer is an exception, with the bits of how few have one that is as rare."""
    counts = Counter(answers)
    by_count = Counter(counts.values())
    most = max(_RARE_LINES, int(_RARE_SHARE * len(answers)))
    lines, different = 0, 0
    bits: dict[int, float] = {}
    for count in sorted(by_count):
        lines += count * by_count[count]
        different += by_count[count]
        # the mean of the others, without a division: all of them may be gone
        if lines > most or len(answers) - lines < _GAP * count * (len(counts) - different):
            break
        bits[count] = log2(len(answers) / lines)
    if bits:
        yield from ((n, bits[count]) for n, answer in enumerate(answers) if (count := counts[answer]) in bits)
