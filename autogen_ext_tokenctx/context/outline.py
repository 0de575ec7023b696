"""What belongs together in a text, and the lines that makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .lines import Line

WHOLE_CHARS = 320
"""A text up to this long, on one line, is one piece: it is kept or left out whole."""

_PIECE_CHARS = 480
"""A sentence longer than this is cut."""

_SENTENCE = re.compile(r"(?<=[.!?;。！？])\s+")


@dataclass(slots=True)
class Outline:
    """What belongs together in a text, by numbers of its rows.

    Args:
        joined: Rows that make one piece with the row before them.
        belongs: Rows that say little without another one, with that one's number.
    """

    joined: set[int] = field(default_factory=set[int])
    belongs: dict[int, int] = field(default_factory=dict[int, int])

    def rows(self) -> set[int]:
        """All rows that it says something about."""
        return self.joined.union(self.belongs, self.belongs.values())

    def add(self, other: Outline) -> None:
        """Takes over what another outline says about rows that this one says nothing about."""
        self.joined |= other.joined
        self.belongs = {**other.belongs, **self.belongs}


def write(rows: Sequence[str], outline: Outline) -> list[Line]:
    """The rows as lines, without the blank ones.

    Args:
        rows: The rows of a text.
        outline: What belongs together in them.

    Example:
        >>> for line in write(["class A:", "", "    @property", "    def f():"], Outline({3}, {2: 0})):
        ...     print(repr(line.text), line.header)
        'class A:' -1
        '    @property\\n    def f():' 0
    """
    if not outline.joined and not outline.belongs:
        lines: list[Line] = []
        for row in rows:
            if len(row) > WHOLE_CHARS:
                lines += pieces(row)
            elif row:
                lines.append(Line(row))
        return lines
    belongs = dict(outline.belongs)
    groups: list[tuple[int, str]] = []
    home: dict[int, int] = {}
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
    lines = []
    for first, text in groups:
        place[first] = len(lines)
        lines += pieces(text)
    ends = [*place.values(), len(lines)]
    for (first, _), start, end in zip(groups, ends, ends[1:], strict=False):
        target = belongs.get(first)
        header = -1 if target is None else place.get(home.get(target, first), start)
        if header not in (-1, start):
            lines[start:end] = [Line(line.text, header, line.continues) for line in lines[start:end]]
    return lines


def pieces(row: str) -> Iterator[Line]:
    """A long row by sentences, and a long sentence cut: put together they are the row."""
    if len(row) <= WHOLE_CHARS:
        yield Line(row)
        return
    start = 0
    ends = [match.end() for match in _SENTENCE.finditer(row)]
    first = True
    for end in [*ends, len(row)]:
        while end - start > _PIECE_CHARS:
            cut = row.rfind(" ", start + _PIECE_CHARS // 2, start + _PIECE_CHARS) + 1 or start + _PIECE_CHARS
            yield Line(row[start:cut], continues=not first)
            start, first = cut, False
        if end > start:
            yield Line(row[start:end], continues=not first)
            start, first = end, False
