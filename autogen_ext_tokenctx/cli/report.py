"""``tokenctx report``: a log of fits as one HTML page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..html_report.page import ReportSummary, write_report
from .input import STDIN, unreadable
from .output import AsJson, check_output, fail, note, print_json, progress, reading, show, table
from .saved_messages import BadFileError


def report(
    log: Annotated[Path, typer.Argument(metavar="LOG.jsonl", help="The log of fits.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path("report.html"),
    as_json: AsJson = False,
) -> None:
    """Write an HTML page about a log of fits."""
    if str(log) == STDIN:
        fail("a log is not read from standard input; give the file")
    with reading():
        check_output(output)
        try:
            summary = _written(log, output)
        except OSError as error:
            raise unreadable(log if error.filename is None else Path(error.filename), error) from error
        except (ImportError, ValueError) as error:
            raise BadFileError(str(error)) from error
    if as_json:
        print_json({**asdict(summary), "output": str(summary.output), "tokens_saved": summary.tokens_saved})
        return
    shown = table("what", ("", "right"))
    for name, value in (
        ("model calls", summary.calls),
        ("fits", summary.fits),
        ("compactions", summary.compactions),
        ("tokens without", summary.tokens_before),
        ("tokens sent", summary.tokens_after),
        ("over a budget without", summary.was_over),
        ("lines skipped", summary.skipped),
        ("bytes", summary.size),
    ):
        shown.add_row(name, f"{value:,}")
    show(str(output), shown)
    for said in summary.notes:
        note(said)


def _written(log: Path, output: Path) -> ReportSummary:
    done = 0
    with progress("reading bytes", log.stat().st_size) as advance:

        def read(position: int) -> None:
            nonlocal done
            advance(position - done)
            done = position

        return write_report(log, output, on_progress=read)
