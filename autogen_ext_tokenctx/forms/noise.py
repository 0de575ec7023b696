"""Text that says nothing to who reads it: encoded data, dumps, vectors, paths of drawings, minified code.

A run of it stands as one mark with its kind and size as soon as a history has to be shorter, before any word goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

# No measurement is on record for the numbers below, unless they name one.

LEAST_CHARS = 200
"""A shorter run stays: hashes, tokens and keys are ids that later calls need, and a mark saves little."""


class Noise(str, Enum):
    """Kinds of noise, by their names in a mark."""

    BASE64 = "base64"
    HEX = "hex digits"
    DUMP = "hex dump"
    NUMBERS = "vector"
    SVG = "SVG path"
    MINIFIED = "minified code"


class NoiseRun(NamedTuple):
    """A run of noise in a text, from one character to before another."""

    start: int
    end: int
    kind: Noise


_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{60,}(?:(?:\\n|\r?\n[ \t]*)[A-Za-z0-9+/_-]{60,})*"
    r"(?:(?:\\n|\r?\n[ \t]*)[A-Za-z0-9+/_-]{2,60}=)?={0,2}"
)
"""Lines of one block have 64 or 76 characters, the last one fewer; in JSON their ends are written as two characters."""

_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{200,}(?![0-9A-Za-z])")
_NUMBERS = re.compile(r"(?<![\d.])-?\d?\.\d{4,}(?:e-?\d+)?(?:[\s,]+-?\d?\.\d{4,}(?:e-?\d+)?){31,}")
_SVG = re.compile(r"""(?<=\bd=["'])[Mm][MmLlHhVvCcSsQqTtAaZz0-9 ,.+\-\n]{199,}|"""
                  r"""(?<=\bd=\\")[Mm][MmLlHhVvCcSsQqTtAaZz0-9 ,.+\-\n]{199,}""")  # fmt: skip
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"?', re.DOTALL)
"""One that is not closed ends with the text: were it no string, each of its quotes would be tried to the end."""
_DUMP_ROW = re.compile(
    r"[ \t]*(?:(?:0x)?[0-9a-fA-F]{4,16}:?[ \t]+(?:[0-9a-fA-F]{2,8}[ \t]+){4,}|(?:[0-9a-fA-F]{2}[ :,]){15,}).*"
)
_HEX_LETTERS = re.compile(r"[a-fA-F][0-9]|[0-9][a-fA-F]")

_DUMP_ROWS = 4
"""A dump has at least so many rows."""

_CODE_CHARS = 800
"""A line of code is no longer, unless a program wrote it."""

_CODE_BLANKS, _CODE_BRACES, _CODE_SIGNS, _JSON_KEYS = 0.08, 0.004, 0.1, 0.008
"""Shares of the characters of minified code: fewer blanks, more braces, more signs of code, fewer keys than in JSON."""


def noise_runs(text: str) -> list[NoiseRun]:
    """Return the runs of noise in a text, in order; they do not overlap."""
    if len(text) < LEAST_CHARS:
        return []
    found = sorted(_found(text), key=lambda run: (run.start, -run.end))
    runs: list[NoiseRun] = []
    for run in found:
        if run.end - run.start >= LEAST_CHARS and (not runs or run.start >= runs[-1].end):
            runs.append(run)
    return runs


def without_noise(text: str) -> tuple[str, frozenset[Noise]]:
    """Return a text with a mark for each run of noise, and the kinds of them. JSON stays JSON."""
    runs = noise_runs(text)
    if not runs:
        return text, frozenset()
    in_json = text.lstrip()[:1] in ("{", "[")
    parts: list[str] = []
    end = 0
    for run in runs:
        mark = f"[{run.end - run.start:,} characters of {run.kind.value} omitted]"
        parts += [text[end : run.start], f'"{mark}"' if in_json and run.kind is Noise.NUMBERS else mark]
        end = run.end
    return "".join([*parts, text[end:]]), frozenset(run.kind for run in runs)


def _found(text: str) -> Iterator[NoiseRun]:
    for match in _BASE64.finditer(text):
        if _is_encoded(match[0]):
            yield NoiseRun(match.start(), match.end(), Noise.BASE64)
    for pattern, kind in ((_HEX, Noise.HEX), (_NUMBERS, Noise.NUMBERS), (_SVG, Noise.SVG)):
        for match in pattern.finditer(text):
            yield NoiseRun(match.start(), match.end(), kind)
    yield from _dumps(text)
    if text.lstrip()[:1] in ("{", "["):
        pieces = ((match.start(1), match[1]) for match in _STRING.finditer(text))
    else:
        pieces = _lines(text)
    for start, piece in pieces:
        if len(piece) >= _CODE_CHARS and _is_minified(piece):
            yield NoiseRun(start, start + len(piece), Noise.MINIFIED)


def _is_encoded(run: str) -> bool:
    """Return whether capitals, small letters and digits are mixed as they are in no name or path."""
    capitals = sum(map(str.isupper, run))
    digits = sum(map(str.isdigit, run))
    return 0.2 * len(run) < capitals < 0.7 * len(run) and digits > 0.03 * len(run)


def _is_minified(text: str) -> bool:
    size = len(text)
    braces = text.count("{") + text.count("}")
    signs = braces + sum(map(text.count, "();,=:"))
    return (
        text.count(" ") < _CODE_BLANKS * size
        and braces > _CODE_BRACES * size
        and signs > _CODE_SIGNS * size
        and text.count('":') + text.count("':") < _JSON_KEYS * size
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line, and where it begins."""
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _dumps(text: str) -> Iterator[NoiseRun]:
    """Yield the neighbouring rows of a dump; the run ends with its last row."""
    first, end, rows, mixed = 0, 0, 0, 0
    for start, line in (*_lines(text), (len(text), "")):
        if _DUMP_ROW.fullmatch(line):
            if not rows:
                first = start
            rows, end = rows + 1, start + len(line)
            mixed += _HEX_LETTERS.search(line) is not None
            continue
        if rows >= _DUMP_ROWS and 2 * mixed > rows:
            yield NoiseRun(first, end, Noise.DUMP)
        rows = mixed = 0
