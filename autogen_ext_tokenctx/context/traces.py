"""Stack traces: the message of the exception on its own, and each frame with its line of code.

Python, Java, JavaScript, C#, Go and Rust. A frame brings the message along, since where something happened says little
without what happened; a frame in a library brings the innermost frame of the user's own code along.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .outline import Outline

_HINTS = ("Traceback (most recent", "\tat ", "  at ", "goroutine ", "panicked at")

_PYTHON = re.compile(r"[\s|+]*(?:Exception Group )?Traceback \(most recent call last\):")
_GO = re.compile(r"goroutine \d+ \[")
_RUST = re.compile(r"\s*thread .{1,80} panicked at ")
_RUST_FRAME = re.compile(r"\s+\d+: ")
_MORE = re.compile(r"\s*\.\.\. \d+ (?:more|common frames)")

_MESSAGE = re.compile(r"(?:Error|Exception|Throwable|Caused by)\b|^panic:|^fatal error:")
"""How the message of an exception can be told from other rows above a frame."""

# fmt: off
_LIBRARIES = (
    "site-packages", "dist-packages", "/lib/python3", "<frozen ", "node_modules", "node:", "(internal/", "/rustc/",
    "/go/src/", "/pkg/mod/", ": std::", ": core::", ": alloc::", "at java.", "at javax.", "at jdk.", "at sun.",
    "at kotlin.", "at scala.", "at org.springframework.", "at org.apache.", "at org.junit.", "at Microsoft.",
    "at System.",
)
# fmt: on
"""How a frame in a library can be told from the user's own code."""

_MESSAGE_ROWS = 5
"""Rows that a message may take above its first frame."""


def traces(rows: Sequence[str]) -> Outline:
    """What belongs together in the stack traces of a text.

    Example:
        >>> rows = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "    x", "KeyError: 1"]
        >>> found = traces(rows)
        >>> found.joined, found.belongs
        ({2}, {0: 3, 1: 3})
    """
    outline = Outline()
    number = 0
    while number < len(rows):
        row = rows[number]
        if "Traceback" in row and _PYTHON.match(row):
            trace = _python(rows, number, outline)
        elif row.startswith("goroutine ") and _GO.match(row):
            trace = _go(rows, number, outline)
        elif "panicked at " in row and _RUST.match(row):
            trace = _rust(rows, number, outline)
        elif _is_at(row):
            trace = _at(rows, number, outline)
        else:
            number += 1
            continue
        trace.enter(rows, outline)
        number = max(trace.end, number + 1)
    return outline


def has_traces(text: str) -> bool:
    """Whether a text may have a stack trace; a quick look, so that others are not read."""
    return any(hint in text for hint in _HINTS)


@dataclass(slots=True)
class _Trace:
    """One trace, by numbers of rows.

    Args:
        message: The row that the message begins with; -1 where it is not there.
        frames: First and last row of each frame.
        end: The row after the trace.
        innermost: Which frame is the innermost, 0 or -1.
    """

    message: int
    frames: list[tuple[int, int]]
    end: int
    innermost: int = 0

    def enter(self, rows: Sequence[str], outline: Outline) -> None:
        """Writes down what belongs together."""
        own = [(first, last) for first, last in self.frames if not any(map(_is_library, rows[first : last + 1]))]
        inner = own[self.innermost][0] if own else self.message
        mine = set(own)
        for frame in self.frames:
            first, last = frame
            outline.joined.update(range(first + 1, last + 1))
            target = self.message if frame in mine else inner
            if target >= 0:
                outline.belongs[first] = target


def _python(rows: Sequence[str], start: int, outline: Outline) -> _Trace:
    """Frames first, each deeper than the head of the trace; the message is the first row that is not."""
    margin = len(rows[start]) - len(rows[start].lstrip(" |+"))  # traces of groups stand behind bars
    frames: list[tuple[int, int]] = []
    number = start + 1
    while number < len(rows):
        body = rows[number][margin:]
        if body.startswith('  File "'):
            frames.append((number, number))
        elif body.startswith("  ") and frames:
            if body.strip(" ~^"):
                frames[-1] = (frames[-1][0], number)
            else:  # the row that marks a part of the code takes as much room as the code
                outline.belongs[number] = frames[-1][0]
        else:
            break
        number += 1
    if not frames or number == len(rows) or not rows[number][margin:]:
        return _Trace(-1, frames, number, -1)
    outline.belongs[start] = number
    return _Trace(number, frames, number + 1, -1)


def _at(rows: Sequence[str], start: int, outline: Outline) -> _Trace:
    """Java, JavaScript, C#: the message, then rows that begin with "at"."""
    number = start
    while number < len(rows) and (_is_at(rows[number]) or _MORE.match(rows[number])):
        number += 1
    message = start - 1 if start and rows[start - 1] else -1
    for above in range(start - 1, max(-1, start - 1 - _MESSAGE_ROWS), -1):
        if not rows[above]:
            break
        if _MESSAGE.search(rows[above]):
            message = above
            outline.joined.update(range(above + 1, start))
            break
    return _Trace(message, [(row, row) for row in range(start, number)], number)


def _go(rows: Sequence[str], start: int, outline: Outline) -> _Trace:
    """A goroutine: a row for each function, and one with its place."""
    for above in range(start - 1, max(-1, start - 1 - _MESSAGE_ROWS), -1):
        if _MESSAGE.search(rows[above]):
            outline.belongs[start] = above
            break
    frames: list[tuple[int, int]] = []
    number = start + 1
    while number < len(rows) and rows[number]:
        if rows[number].startswith("\t") and frames:
            frames[-1] = (frames[-1][0], number)
        else:
            frames.append((number, number))
        number += 1
    return _Trace(start, frames, number)


def _rust(rows: Sequence[str], start: int, outline: Outline) -> _Trace:
    """A panic with its message in the next row, and frames with a number where it was asked for them."""
    number = start + 1
    if rows[start].endswith(":") and number < len(rows):
        outline.joined.add(number)
    frames: list[tuple[int, int]] = []
    while number < len(rows) and (frames or number <= start + _MESSAGE_ROWS):
        row = rows[number]
        if _RUST_FRAME.match(row):
            frames.append((number, number))
        elif frames and row.lstrip().startswith("at "):
            frames[-1] = (frames[-1][0], number)
        elif frames:
            break
        number += 1
    return _Trace(start, frames, number if frames else start + 1)


def _is_library(row: str) -> bool:
    return any(library in row for library in _LIBRARIES)


def _is_at(row: str) -> bool:
    return row[:1] in (" ", "\t") and row.lstrip().startswith("at ") and (row.endswith(")") or row[-1].isdigit())
