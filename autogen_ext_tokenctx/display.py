"""Tables that look well on a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Grid:
    """A table, before it is known what it is drawn with; its texts are not escaped yet."""

    title: str
    heads: Sequence[str]  # those of columns of numbers end with a space
    rows: Sequence[Sequence[str]]
    note: str = ""  # a line below


def as_rich(tables: Sequence[Grid]) -> RenderableType:
    """Return tables for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    drawn: list[RenderableType] = []
    for grid in tables:
        if grid.title:
            drawn.append(Text(grid.title, style="bold"))
        if grid.rows:
            table = Table(show_edge=False, pad_edge=False)
            for head in grid.heads:
                table.add_column(Text(head.strip()), justify="right" if head.endswith(" ") else "left")
            for row in grid.rows:
                table.add_row(*map(Text, row))  # a Text is no markup
            drawn.append(table)
        if grid.note:
            drawn.append(Text(grid.note, style="dim"))
    return Group(*drawn)


def as_html(tables: Sequence[Grid]) -> str:
    """Return tables for a notebook."""
    parts: list[str] = []
    for grid in tables:
        if grid.title:
            parts.append(f"<div><b>{escape(grid.title)}</b></div>")
        if grid.rows:
            parts.append('<table style="border-collapse:collapse;background:transparent;color:inherit">')
            parts.append(_row("th", grid.heads, grid.heads))
            parts += [_row("td", grid.heads, row) for row in grid.rows]
            parts.append("</table>")
        if grid.note:
            parts.append(f"<div><small>{escape(grid.note)}</small></div>")
    return f"<div>{''.join(parts)}</div>"


def _row(tag: str, heads: Sequence[str], cells: Sequence[str]) -> str:
    sides = ("right" if head.endswith(" ") else "left" for head in heads)
    # Colours are the reader's own, so that light and dark pages both are legible.
    style = "padding:2px 8px;border-bottom:1px solid currentColor"
    drawn = (
        f'<{tag} style="{style};text-align:{side}">{escape(cell.strip())}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(drawn)}</tr>"


class Shown:
    """Shows itself as tables: on a terminal with rich, and in a notebook."""

    __slots__ = ()

    def _tables(self) -> list[Grid]:
        """Return the tables, as plain text that whoever draws them escapes."""
        raise NotImplementedError

    def __rich__(self) -> RenderableType:
        return as_rich(self._tables())

    def _repr_html_(self) -> str:
        return as_html(self._tables())


def clip(text: str, chars: int) -> str:
    """Return the head of a text, on one line, with a sign where it was cut."""
    flat = " ".join(text[: 4 * chars].split())
    return flat if len(flat) <= chars and len(text) <= 4 * chars else flat[: chars - 1] + "…"
