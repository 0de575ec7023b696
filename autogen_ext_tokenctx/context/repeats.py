"""Lines said again and again, once: with a count, and with what differs from one time to the next.

Nothing is lost by it. Lines that are equal have a count; lines with a time stamp that differ only in it and in
counters, addresses and ids of runs stand as the first one, the values of the last, and the values of those between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

_STAMP = re.compile(r"\d\d:\d\d:\d\d")

_VARYING = re.compile(
    r"[0-9#](?:"  # the first of each begins the same way: it is then looked for far faster
    r"\d:\d\d:\d\d(?:[.,]\d{1,9})?"  # a time
    r"|(?<![\w.][0-9])\d{3}-\d\d-\d\d"  # a date
    r"|(?<![\w.]0)x[0-9a-fA-F]+\b"  # an address
    r"|(?<![\w.][0-9])\d*(?:\.\d+)?(?: ?%| ?[mnµ]?s\b|/\d+\b)"  # progress, how long it took, a count of so many
    r"|(?<=\[[0-9])\d*(?=\])"  # a process
    r"|(?<=#)\d+\b)"
)

_HOLE = "\0"

_DIGITS = dict.fromkeys(map(ord, "0123456789abcdefABCDEF"))
"""What varying values are made of, hexadecimal ones too: lines that differ without them are of different shapes."""

_MIN_RUN = 3
"""Fewer lines are not shorter as a first and a last."""


def fold(rows: Sequence[str]) -> tuple[list[str], dict[int, int]]:
    """The rows, with each run of rows that say the same as one row and what differs.

    Args:
        rows: The lines of a text, without blanks at their ends.

    Returns:
        The rows, the same values in them, and by number those that say nothing without an earlier one, with its number.

    Example:
        >>> polls = [f"12:00:{second} waiting for the database" for second in range(10, 60)]
        >>> folded, belongs = fold(["start", "retry", "retry", *polls])
        >>> folded[:4], belongs
        (['start', 'retry  [×2]', '12:00:10 waiting for the database', '[×50, last 12:00:59]'], {3: 2, 4: 2})
        >>> folded[4][:40]
        '[between: 12:00:11, 12:00:12, 12:00:13, '
    """
    text = "\n".join(rows)
    shapes = text.translate(_DIGITS).split("\n") if _STAMP.search(text) else rows
    if not any(one == other and one for one, other in pairwise(shapes)):
        return list(rows), {}
    out: list[str] = []
    belongs: dict[int, int] = {}
    start = 0
    for shape, same in groupby(shapes):
        end = start + sum(1 for _ in same)
        if end == start + 1 or not shape:
            out.extend(rows[start:end])
        else:
            for run in _runs(rows[start:end]):
                differing = _differing(run) if len(run) >= _MIN_RUN else ()
                if differing:
                    belongs.update((len(out) + number, len(out)) for number in range(1, 1 + len(differing)))
                    out += [run[0], *differing]
                else:
                    out += run if len(run) == 1 else _counted(run)
        start = end
    return out, belongs


def is_folded(row: str) -> bool:
    """Whether a row is what is left of several: it says what differs between them.

    Example:
        >>> is_folded("[×50, last 12:00:59]"), is_folded("12:00:59 waiting")
        (True, False)
    """
    return row.startswith(("[×", "[between: "))


def _runs(rows: Sequence[str]) -> Iterator[Sequence[str]]:
    """Neighbours that differ in nothing but varying values, if in anything."""
    shapes = _VARYING.sub(_HOLE, "\n".join(rows)).split("\n")
    start = 0
    for _, same in groupby(shapes):
        end = start + sum(1 for _ in same)
        yield rows[start:end]
        start = end


def _counted(run: Sequence[str]) -> Iterator[str]:
    for row, same in groupby(run):
        times = sum(1 for _ in same)
        yield f"{row}  [×{times}]" if times > 1 else row


def _differing(run: Sequence[str]) -> tuple[str, ...]:
    """What differs in rows of one shape from the first to the others; nothing where that is not shorter."""
    if not _STAMP.search(run[0]):
        return ()
    found = [_VARYING.findall(row) for row in run]
    if len(set(map(len, found))) > 1:  # a text may have the sign of a hole in it
        return ()
    columns = [column for column in zip(*found, strict=True) if len(set(column)) > 1]
    values = [" ".join(row) for row in zip(*columns, strict=True)]
    if not values:
        return ()
    rows = (f"[×{len(run)}, last {values[-1]}]", f"[between: {', '.join(values[1:-1])}]")
    return rows if sum(map(len, rows)) < sum(map(len, run[1:])) else ()
