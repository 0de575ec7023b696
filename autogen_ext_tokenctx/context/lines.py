"""Lines: the smallest pieces of a text that are kept or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = "…"
"""Stands between quoted lines that are no neighbours in their text."""


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


def join(lines: Sequence[Line]) -> str:
    """The text of neighbouring lines.

    Example:
        >>> join([Line("a sen"), Line("tence", continues=True), Line("the next line")])
        'a sentence\\nthe next line'
    """
    return "".join(line.text if line.continues or not number else f"\n{line.text}" for number, line in enumerate(lines))
