"""What commands print: tables for people, one JSON document for programs, and one line when something is wrong."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic_core import to_jsonable_python
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..errors import UnknownModelError
from ..models.counters import TiktokenCounter
from .saved_messages import BadFileError

# options that several commands have
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
ModelName = Annotated[str | None, typer.Option("--model", help="Name of the model, for its tokenizer.")]
AgentName = Annotated[str | None, typer.Option("--agent", help="Only this agent of a team.")]

# exit codes: what was asked for cannot be had; bad usage and bad files
DOES_NOT_FIT, BAD_INPUT = 1, 2

# kinds of columns, as rich takes them: whole; whole and right-aligned; cut, and in several lines, where room is short
LEFT: Mapping[str, Any] = {"no_wrap": True}
RIGHT: Mapping[str, Any] = {"no_wrap": True, "justify": "right"}
CUT: Mapping[str, Any] = {"overflow": "ellipsis"}
WRAPPED: Mapping[str, Any] = {}

# what controls a terminal, or cannot be written to one
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """Return a text of a file as it may go to a terminal: what would control the terminal is replaced."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def terminal() -> Console:
    """Return where tables go: as wide as the terminal, and of a fixed width in a pipe, where nobody says how wide."""
    console = Console(highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = 120  # chosen, not measured
    return console


def show(
    title: str, columns: Mapping[str, Mapping[str, Any]], rows: Iterable[Sequence[int | str | Text]], caption: str = ""
) -> None:
    """Print a table under its title; ``columns`` gives the kind of each heading, numbers get thousands separators."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading, kind in columns.items():
        table.add_column(heading, min_width=len(heading), **kind)  # a heading is never cut
    for row in rows:
        table.add_row(*(_cell(cell, kind) for cell, kind in zip(row, columns.values(), strict=True)))
    console = terminal()
    console.print(Text(plain(title), "bold"))
    console.print(table)
    if caption:
        console.print(Text(plain(caption), "italic"))


def _cell(value: int | str | Text, kind: Mapping[str, Any]) -> Text:
    if isinstance(value, Text):
        return value
    text = f"{value:,}" if isinstance(value, int) else " ".join(plain(value).split())
    return Text(text, overflow="ellipsis", no_wrap=kind is not WRAPPED)


def print_json(value: object) -> None:
    """Print one JSON document; dataclasses, messages and paths may stand in it."""
    typer.echo(json.dumps(to_jsonable_python(value, fallback=str), indent=2))


def note(text: str) -> None:
    """Print a line beside the result."""
    typer.echo(f"tokenctx: {plain(text)}", err=True)


def fail(text: str, code: int = BAD_INPUT) -> NoReturn:
    """Print in one line what is wrong, and stop."""
    note(" ".join(text.split()))
    raise typer.Exit(code)


@contextmanager
def reading() -> Generator[None, None, None]:
    """End the command with one line where a file is bad."""
    try:
        yield
    except BadFileError as error:
        fail(str(error))


def counter_of(model: str | None) -> TiktokenCounter:
    """Return the counter for a model; for an unknown one the default, with a note."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            counter = TiktokenCounter(model)
        except UnknownModelError:
            note(f"nothing is known about the model {model!r}; counting with o200k_base")
            counter = TiktokenCounter()
    if caught and not counter.exact:
        note("the tokenizer's file cannot be had, so tokens are estimated, on the high side")
    return counter


@contextmanager
def progress(what: str, total: int) -> Generator[Callable[[int], None], None, None]:
    """Show a bar on standard error, if that is a terminal; yield what is called with each number of steps done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda steps: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def progress_in(path: Path) -> Generator[Callable[[int], None], None, None]:
    """Show a bar while a file is read; yield what is called with each position in it."""
    with progress("reading bytes", path.stat().st_size) as advance:
        done = 0

        def move(position: int) -> None:
            nonlocal done
            advance(position - done)
            done = position

        yield move


def tolerant_output() -> None:
    """Replace what the terminal's encoding does not have, and print each warning as one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.formatwarning = _warning


def _warning(message: Warning | str, *_: object, **__: object) -> str:
    return f"tokenctx: {' '.join(str(message).split())}\n"
