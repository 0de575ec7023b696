"""What a terminal would show of the output of a program."""

from __future__ import annotations

import re
from itertools import pairwise

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][0-2];[^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-B]|\x1b[=>78cDEHM]"
)
"""Colours, movements of the cursor, titles of windows. Links are left alone: they hold an address."""

_PROGRESS = re.compile(r"\d ?%|\d ?[kKMGT]i?B\b|[█▉▊▋▌▍▎▏━═#=]{3}")
_FIRST_WORD = re.compile(r"[\W\d_]*([^\W\d_]*)")


def shown(text: str) -> str:
    """The text without escape codes, and of a progress bar its last state only.

    What was written over is left out only where it and what took its place are both progress of the same thing.

    Example:
        >>> shown("\\x1b[1mGet\\x1b[0m\\r 10%|#   |\\r 60%|##  |\\r100%|####|\\nok")
        'Get\\n100%|####|\\nok'
    """
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    if "\r" not in text or "\n" not in text:  # without any other end of a line, \r is one
        return text
    return "\n".join(_last_state(row) if "\r" in row else row for row in text.replace("\r\n", "\n").split("\n"))


def _last_state(row: str) -> str:
    states = [state for state in row.split("\r") if state.strip()]
    kept = [state for state, after in pairwise(states) if not _is_replaced(state, after)]
    return "\n".join([*kept, *states[-1:]])


def _is_replaced(state: str, after: str) -> bool:
    return bool(_PROGRESS.search(state) and _PROGRESS.search(after)) and _first_word(state) == _first_word(after)


def _first_word(text: str) -> str:
    found = _FIRST_WORD.match(text)
    return found[1] if found else ""
