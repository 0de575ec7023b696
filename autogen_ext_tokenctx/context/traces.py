"""Tracebacks of Python: each frame with its code and the message, which stands below the frames and less deep.

Traces of other languages need no reader: their frames are deeper lines below the message. This one brings .08 to .11 of
what is asked of failing runs (`tests.benchmarks.code_and_logs`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .outline import Outline

_START = re.compile(r"[\s|+]*(?:Exception Group )?Traceback \(most recent call last\):")


def traces(rows: Sequence[str]) -> Outline:
    """Return what belongs together in the tracebacks of a text.

    Example:
        >>> rows = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "    x", "KeyError: 1"]
        >>> found = traces(rows)
        >>> found.joined, found.belongs
        ({2}, {0: 3, 1: 3})
    """
    outline = Outline()
    number = 0
    while number < len(rows):
        if "Traceback" in rows[number] and _START.match(rows[number]):
            number = max(number + 1, _read(rows, number, outline))
        else:
            number += 1
    return outline


def _read(rows: Sequence[str], start: int, outline: Outline) -> int:
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
