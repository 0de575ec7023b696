"""``tokenctx report``: a log of fits as one HTML page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .cli_input import STDIN
from .cli_output import AsJson, check_output, fail, note, print_json, progress, show, table
from .report_html import ReportSummary, write_report
from .saved_messages import BadFileError


def report(
    log: Annotated[Path, typer.Argument(metavar="LOG.jsonl", help="The log of fits.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path("report.html"),
    as_json: AsJson = False,
) -> None:
    """Write an HTML page about a log of fits."""
    if not log.is_file():
        what = "is a directory" if log.is_dir() else "cannot be read twice" if str(log) == STDIN else "is no file"
        fail(f"{log} {what}; give a log of fits (JSONL)")
    try:
        check_output(output)
        summary = _written(log, output)
    except ImportError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or log}: {error.strerror or error}")
    except (ValueError, BadFileError) as error:
        fail(str(error))
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
