"""Headings: every line of a section goes with its heading.

Markdown, the names of failed tests in pytest's output, and the hunks of a diff.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .outline import Outline

_HINTS = ("\n#", "\n___", "\n@@ -")

_CODE = re.compile(r"\s*(?:async def|def|class) \w.*:$|.*\{$")
"""A row of code: what begins with # there is a comment."""

_MARKDOWN = re.compile(r"#{1,6} +\S.{0,200}")
_OTHER = re.compile(r"_{3,} .{1,200} _{3,}|@@ -\d.*")


def has_headings(text: str) -> bool:
    """Whether a text may have headings; a quick look, so that others are not read."""
    return text.startswith("#") or any(hint in text for hint in _HINTS)


def headings(rows: Sequence[str]) -> Outline:
    """What belongs together under the headings of a text: a row with its heading, a heading with that of its chapter.

    Example:
        >>> headings(["# Trip", "", "## Hotel", "Harbour Inn", "", "## Train", "at 9:14"]).belongs
        {2: 0, 3: 2, 5: 0, 6: 5}
    """
    outline = Outline()
    above: list[tuple[int, int]] = []  # level and row of each heading around a row
    fenced = False
    has_comments = not any(row.startswith("```") for row in rows) and any(map(_CODE.match, rows))
    after_blank = True
    close = False  # whether text follows the headings of this file without a blank row, and so do headings the text
    for number, row in enumerate(rows):
        if not row:
            after_blank = True
            continue
        if row.startswith(("```", "~~~")):
            fenced = not fenced
        level = 0 if fenced or (has_comments and row[0] == "#") else _level(row)
        if level == 1 and row[0] == "#" and not (after_blank or close):
            level = 0  # a comment: there is seldom a blank row before those of code or of a configuration
        if level:
            while above and above[-1][0] >= level:
                above.pop()
        elif above and number == above[-1][1] + 1:
            close = close or above[-1][0] == 1
        if above:
            outline.belongs[number] = above[-1][1]
        if level:
            above.append((level, number))
        after_blank = level > 0
    return outline


def _level(row: str) -> int:
    """The level of a heading, the topmost is 1; 0 for any other row."""
    if row[0] == "#":
        return len(row) - len(row.lstrip("#")) if _MARKDOWN.fullmatch(row) else 0
    return int(row[0] in "_@" and _OTHER.fullmatch(row) is not None)
