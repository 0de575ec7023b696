"""Lines: the smallest pieces of a text that are kept or left out, and what each says little without."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

# No measurement is on record for the numbers below, unless they name one.

WHOLE_CHARS = 320
"""A text up to this long, on one line, is one piece: it is kept or left out whole. So is a sentence; a longer one is
mostly a list. That sentences are cut from here on, and no longer from 480 on, changed nothing beyond noise."""

_CUT_CHARS = 160
"""A longer sentence is cut into pieces of at most so many characters, so that the beginning and the end of a long list
fit a small budget."""

_ENTRY_ENDS = " ,;|\t，、；"
"""What stands between the entries of a list: an entry cut in two would look like another one."""

_SENTENCE = re.compile(r"(?<=[.!?;。！？])\s+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text, or a piece of one, or a few lines that say nothing without each other.

    Args:
        text: What it says.
        header: Position of the line without which this one says little, such as the header of a table, the first line
            of a function, the message of an exception; -1 for a line that stands alone.
        continues: Whether it goes on in the line before it, with nothing between them.
        odd: Bits of surprise that a line like this stands among the others of its text; 0 for a usual one.
    """

    text: str
    header: int = -1
    continues: bool = False
    odd: float = 0.0


class TextReader(Protocol):
    """Reads one format of texts. A function is one.

    Example:
        >>> def read_csv(text: str) -> list[Line] | None:
        ...     head, *rows = text.split("\\n")
        ...     if "," not in head or any(row.count(",") != head.count(",") for row in rows):
        ...         return None
        ...     return [Line(head), *(Line(row, header=0) for row in rows)]
        >>> [line.header for line in read_csv("id,port\\n1,Oslo\\n2,Rome")]
        [-1, 0, 0]
    """

    def __call__(self, text: str, /) -> Sequence[Line] | None:
        """Return the lines of a text, which together hold all that it says, or None where it is of another format.

        Args:
            text: A message's content, a tool's result, the arguments of a call or an agent's thought.
        """
        ...


def fault_of(lines: Sequence[Any], text: str) -> str | None:
    """Return what is wrong with the lines that a reader gives for a text, as "gave …"; None where nothing is."""
    if isinstance(lines, str) or not all(isinstance(line, Line) for line in lines):
        return "gave something that is no Line"
    if text.strip() and not lines:
        return "gave no line for a text that is not blank"
    seen = [-1] * len(lines)  # the line whose chain of headers a line was last found in
    for number in range(len(lines)):
        place = number
        while place >= 0 and seen[place] < 0:
            seen[place] = number
            place = lines[place].header
            if not -1 <= place < len(lines):
                return f"gave line {number} with a header that is not there: {place}"
        if place >= 0 and seen[place] == number:
            return f"gave lines whose headers go in a circle, the first of them number {number}"
    return None


@dataclass(slots=True)
class Outline:
    """What belongs together in a text, by numbers of its rows."""

    joined: set[int] = field(default_factory=set[int])  # to the row before them, as one piece
    belongs: dict[int, int] = field(default_factory=dict[int, int])  # to the row that they say little without

    def rows(self) -> set[int]:
        """Return all rows that it says something about."""
        return self.joined.union(self.belongs, self.belongs.values())

    def add(self, other: Outline) -> None:
        """Take over what another outline says about rows that this one says nothing about."""
        self.joined |= other.joined
        self.belongs = {**other.belongs, **self.belongs}


def join(lines: Sequence[Line]) -> str:
    """Return the text of neighbouring lines."""
    return "".join(line.text if line.continues or not number else f"\n{line.text}" for number, line in enumerate(lines))


def to_lines(rows: Sequence[str], outline: Outline) -> list[Line]:
    """Return rows as lines, without the blank ones."""
    belongs = dict(outline.belongs)
    groups: list[tuple[int, str]] = []
    home: dict[int, int] = {}  # by row: the first row of its group
    for number, row in enumerate(rows):
        if not row:
            continue
        if number in outline.joined and groups:
            first, text = groups[-1]
            if len(text) + len(row) < WHOLE_CHARS:
                groups[-1] = (first, f"{text}\n{row}")
                home[number] = first
                continue
            belongs.setdefault(number, first)
        groups.append((number, row))
        home[number] = number
    place: dict[int, int] = {}
    lines: list[Line] = []
    for first, text in groups:
        place[first] = len(lines)
        lines += pieces(text)
    if belongs:
        ends = [*place.values(), len(lines)]
        for (first, _), start, end in zip(groups, ends, ends[1:], strict=False):
            target = belongs.get(first)
            header = -1 if target is None else place.get(home.get(target, first), start)
            if header not in (-1, start):
                lines[start:end] = [Line(line.text, header, line.continues) for line in lines[start:end]]
    return lines


def pieces(row: str) -> Iterator[Line]:
    """Yield a row whole if it is short, else by sentences, long ones cut: put together they are the row."""
    if len(row) <= WHOLE_CHARS:
        yield Line(row)
        return
    start = 0
    for end in [*(match.end() for match in _SENTENCE.finditer(row)), len(row)]:
        while end - start > WHOLE_CHARS:
            last = max(row.rfind(sign, start + _CUT_CHARS // 2, start + _CUT_CHARS) for sign in _ENTRY_ENDS)
            cut = last + 1 or start + _CUT_CHARS
            yield Line(row[start:cut], continues=start > 0)
            start = cut
        if end > start:
            yield Line(row[start:end], continues=start > 0)
            start = end
