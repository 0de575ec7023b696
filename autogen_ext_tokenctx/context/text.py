"""Texts that are not JSON, as lines: what programs print, what files hold, what people and models write."""

from __future__ import annotations

from .headings import has_headings, headings
from .lines import Line
from .outline import WHOLE_CHARS, Outline, fields, nested, write
from .terminal import shown
from .traces import traces


def text_lines(text: str) -> list[Line]:
    """The lines of a text, without the blank ones.

    Put together they hold every value of the text. Lines of a stack trace, of source code and under a heading know
    what they belong to.

    Example:
        >>> [(line.text, line.header) for line in text_lines("a note\\n\\ndef f():\\n    return 1")]
        [('a note', -1), ('def f():', -1), ('    return 1', 1)]
    """
    text = shown(text)
    if len(text) <= WHOLE_CHARS and "\n" not in text:
        return [Line(text)]
    rows = [row.rstrip() for row in text.splitlines()]
    if len(rows) == 1:
        return write(rows, Outline())
    outline = Outline()
    if "Traceback (most recent" in text:
        found = traces(rows)
        outline.add(found)
        taken = found.rows()
        free = ["" if number in taken else row for number, row in enumerate(rows)]
    else:
        free = rows
    outline.add(nested(free))
    if has_headings(text):
        outline.add(headings(rows))
    outline.add(fields(free, outline.rows()))
    return write(rows, outline)
