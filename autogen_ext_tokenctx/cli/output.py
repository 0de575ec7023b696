"""What commands print: tables for people, one JSON document for programs, and one line when something is wrong."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..context.report import Form
from ..errors import UnknownModelError
from ..tokens.counting import TiktokenCounter
from .saved_messages import BadFileError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
"""The option of every command."""

ModelName = Annotated[str | None, typer.Option("--model", help="Name of the model, for its tokenizer.")]
"""The option of every command that counts."""

AgentName = Annotated[str | None, typer.Option("--agent", help="Only this agent of a team.")]
"""The option of every command that reads states."""

DOES_NOT_FIT = 1
"""Exit code when what was asked for cannot be had."""

BAD_INPUT = 2
"""Exit code for bad usage and bad files."""

PIPED_WIDTH = 120
"""Columns of tables that do not go to a terminal."""

STYLES = {
    Form.FULL: "green",
    Form.REPAIRED: "cyan",
    Form.COMPACT: "cyan",
    Form.EXTRACT: "yellow",
    Form.DIGEST: "magenta",
    Form.BLOCK: "magenta",
    Form.STUB: "red",
    Form.GONE: "bright_black",
    Form.SUMMARY: "blue",
    Form.RECALLED: "blue",
}
"""Colours of the forms."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """A text of a file as it may go to a terminal: what would control the terminal is replaced.

    Example:
        >>> plain("red: \\x1b[31m")
        'red: �[31m'
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def line(text: str, *, cut: bool = True) -> Text:
    """A text of a file for a cell of a table, as it is.

    Args:
        text: The text.
        cut: Whether what has no room is cut off, rather than wrapped.
    """
    said = " ".join(plain(text).split())
    return Text(said, overflow="ellipsis", no_wrap=True) if cut else Text(said)


def terminal() -> Console:
    """Where tables go: as wide as the terminal, and of a width of its own in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PIPED_WIDTH
    return console


def table(*columns: str | tuple[str, str]) -> Table:
    """A table.

    Args:
        columns: Its headings; with ``"right"`` for numbers, with ``"cut"`` for what may be cut where there is no room,
            with ``"wrap"`` for what may take several lines.
    """
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for column in columns:
        heading, kind = column if isinstance(column, tuple) else (column, "left")
        made.add_column(
            heading,
            justify="right" if kind == "right" else "left",
            no_wrap=kind not in ("cut", "wrap"),  # these are the ones that give way
            min_width=len(heading),
        )
    return made


def show(title: str, body: Table, caption: str = "") -> None:
    """Print a table under its title."""
    console = terminal()
    console.print(Text(plain(title), "bold"))
    console.print(body)
    if caption:
        console.print(Text(plain(caption), "italic"))


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2))


def note(text: str) -> None:
    """Say something beside the result."""
    typer.echo(f"tokenctx: {plain(text)}", err=True)


def fail(text: str, code: int = BAD_INPUT) -> NoReturn:
    """Say in one line what is wrong, and stop."""
    note(" ".join(text.split()))
    raise typer.Exit(code)


@contextmanager
def reading() -> Generator[None, None, None]:
    """Within it a bad file ends the command with one line."""
    try:
        yield
    except BadFileError as error:
        fail(str(error))


def counter_of(model: str | None) -> TiktokenCounter:
    """What counts for a model; for one that nobody knows the default, which is said."""
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
def progress(what: str, total: int | None) -> Generator[Callable[[int], None], None, None]:
    """A bar on standard error while something long goes on; nothing where that is no terminal.

    Args:
        what: What is done.
        total: Number of steps; None where it is not known.

    Yields:
        To be called with the number of steps that were done since the last call.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda steps: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def check_output(path: Path) -> None:
    """Checks that a file can be written there.

    Raises:
        BadFileError: It cannot.
    """
    if os.path.isdir(path):
        raise BadFileError(f"{path} is a directory; give the name of a file")
    if not os.path.isdir(path.parent):
        raise BadFileError(f"there is no directory {path.parent}; make it first")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise BadFileError(f"{path} cannot be written")


def tolerant_output() -> None:
    """What the terminal's encoding does not have is replaced rather than an error, and a warning is one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.formatwarning = _warning


def _warning(message: Warning | str, *place: object, **more: object) -> str:
    return f"tokenctx: {' '.join(str(message).split())}\n"
