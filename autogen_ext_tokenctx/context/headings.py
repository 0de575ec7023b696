"""Headings: every line of a section goes with its heading.

Markdown, the names of failed tests in pytest's output, and the hunks of a diff.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .outline import Outline

_HINTS = ("\n#", "\n___", "\n@@ -")

_MARKDOWN = re.compile(r"#{1,6} +\S.{0,200}")
_OTHER = re.compile(r"_{3,} .{1,200} _{3,}|@@ -\d.*")


def has_headings(text: str) -> bool:
    """Whether a text may have headings; a quick look, so that others are not read."""
    return text.startswith("#") or any(hint in text for hint in _HINTS)


def headings(rows: Sequence[str]) -> Outline:
    """What belongs together under the headings of a text.

    Example:
        >>> headings(["# Trip", "", "## Hotel", "Harbour Inn", "", "## Train", "at 9:14"]).belongs
        {3: 2, 6: 5}
    """
    outline = Outline()
    above = -1
    fenced = False
    after_blank = True  # a row of code or of a configuration may begin with # too: there is seldom a blank one before
    for number, row in enumerate(rows):
        if not row:
            after_blank = True
            continue
        if row.startswith(("```", "~~~")):
            fenced = not fenced
        first = row[0]
        is_heading = not fenced and (
            (first == "#" and after_blank and _MARKDOWN.fullmatch(row) is not None)
            or (first in "_@" and _OTHER.fullmatch(row) is not None)
        )
        if is_heading:
            above = number
        elif above >= 0:
            outline.belongs[number] = above
        after_blank = is_heading
    return outline
