"""``tokenctx report``: a log of fits as one HTML page."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..html_report.page import write_report
from .input import STDIN, unreadable
from .output import LEFT, RIGHT, AsJson, fail, note, print_json, progress_in, reading, show
from .saved_messages import BadFileError

_ROWS = {
    "model calls": "calls",
    "fits": "fits",
    "compactions": "compactions",
    "tokens without": "tokens_before",
    "tokens sent": "tokens_after",
    "over a budget without": "was_over",
    "lines skipped": "skipped",
    "bytes": "size",
}


def report(
    log: Annotated[Path, typer.Argument(metavar="LOG.jsonl", help="The log of fits.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path("report.html"),
    as_json: AsJson = False,
) -> None:
    """Write an HTML page about a log of fits."""
    if str(log) == STDIN:
        fail("a log is not read from standard input; give the file")
    with reading():
        _check_output(output)
        try:
            with progress_in(log) as move:
                summary = write_report(log, output, on_progress=move)
        except OSError as error:
            raise unreadable(log if error.filename is None else Path(error.filename), error) from error
        except (ImportError, ValueError) as error:
            raise BadFileError(str(error)) from error
    if as_json:
        print_json({**asdict(summary), "tokens_saved": summary.tokens_saved})
        return
    show(str(output), {"what": LEFT, "": RIGHT}, [(name, getattr(summary, key)) for name, key in _ROWS.items()])
    for text in summary.notes:
        note(text)


def _check_output(path: Path) -> None:
    """Raise a BadFileError where no file can be written."""
    if os.path.isdir(path):
        raise BadFileError(f"{path} is a directory; give the name of a file")
    if not os.path.isdir(path.parent):
        raise BadFileError(f"there is no directory {path.parent}; make it first")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise BadFileError(f"{path} cannot be written")
