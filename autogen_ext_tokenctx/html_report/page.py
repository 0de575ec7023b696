"""One HTML file that shows a log of fits: open it anywhere, it needs no network.

The numbers are JSON in the page, and its scripts only ever set text: what an agent said cannot become markup. The
page allows no other script and no request, see its content security policy.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from time import perf_counter
from typing import Any

from ..telemetry.fit_log import private
from .calls import calls
from .charts import Charts
from .details import Details
from .log import FitLogReader

_SCRIPTS = ("data.js", "charts.js", "details.js", "page.js")  # in the order they are put together


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What a report shows, and what it leaves out.

    Args:
        output: The HTML file.
        size: Its bytes.
        seconds: Time it took.
        fits: Events in the log.
        calls: Model calls: a call that both hooks fitted is one.
        compactions: Calls for which a hook made a new, shorter view.
        tokens_before: Tokens that all calls would have sent without the hooks.
        tokens_after: Tokens that they sent.
        was_over: Calls that would have been over a budget.
        skipped: Lines of the log that are no fits.
        notes: What the report leaves out or puts together, and the lines that were skipped, in words.
    """

    output: Path
    size: int
    seconds: float
    fits: int
    calls: int
    compactions: int
    tokens_before: int
    tokens_after: int
    was_over: int
    skipped: int
    notes: tuple[str, ...]

    @property
    def tokens_saved(self) -> int:
        """Tokens that the provider did not see."""
        return self.tokens_before - self.tokens_after


def write_report(
    log: str | Path, output: str | Path, *, on_progress: Callable[[int], None] | None = None
) -> ReportSummary:
    """Write the report of a log as one HTML file without references to any other.

    Args:
        log: A JSONL log of fits.
        output: The file to write. It is replaced only once the report is complete.
        on_progress: Is told how many bytes of the log have been read so far.

    Returns:
        What the report shows.

    Raises:
        ImportError: The extra ``report`` is not installed.
        OSError: The log cannot be read, or the file cannot be written.
        ValueError: The file holds no fits, or the report would replace the log.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> fit = {"type": "ContextFit", "hook": "client", "budget": 90, "tokens_before": 120, "tokens_after": 80}
        >>> _ = (folder / "fits.jsonl").write_text(json.dumps(fit))
        >>> summary = write_report(folder / "fits.jsonl", folder / "report.html")
        >>> summary.calls, summary.tokens_saved, summary.was_over
        (1, 40, 1)
    """
    start = perf_counter()
    log, output = Path(log), Path(output)
    try:
        from plotly.offline import get_plotlyjs  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise ImportError(f'{error}; pip install "autogen-ext-tokenctx[report]"') from error
    if output.exists() and output.samefile(log):
        raise ValueError(f"the report would replace the log {log.name}; give another file for it")
    reader = FitLogReader(log, on_progress)
    charts, details = Charts(), Details()
    for call in calls(reader):
        charts.add(call)
        details.add(call)
    if not charts.calls:
        raise ValueError(_no_fits(reader, log))
    fits = reader.lines - reader.skipped
    data = {**charts.as_dict(), "source": log.name, "fits": fits, "details": details.as_dicts()}
    notes = (*_skipped(reader), *charts.notes, *details.notes)
    page = _page(log.name, data, notes, get_plotlyjs()).encode()
    _write(output, page)
    total = charts.total().numbers
    return ReportSummary(
        output=output,
        size=len(page),
        seconds=perf_counter() - start,
        fits=fits,
        calls=charts.calls,
        compactions=int(total["compactions"]),
        tokens_before=int(total["before"]),
        tokens_after=int(total["after"]),
        was_over=int(total["over"]),
        skipped=reader.skipped,
        notes=notes,
    )


def _page(name: str, data: Mapping[str, Any], notes: tuple[str, ...], plotly: str) -> str:
    folder = files("autogen_ext_tokenctx.html_report") / "assets"
    style = folder.joinpath("report.css").read_text("utf-8")
    scripts = "\n".join(folder.joinpath(script).read_text("utf-8") for script in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{scripts}\n}})();'
    # Plotly writes its few rules into the style element of this name, which has to be allowed by its text. It also sets
    # style attributes, which have no hash; without any source of images or fonts they can only look odd.
    plot_style = "/* rules of the charts */"
    policy = (
        f"default-src 'none'; script-src {_hash(script)} {_hash(plotly)}; style-src {_hash(style)} {_hash(plot_style)};"
        " style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    listed = "\n".join(f"<li>{_text(note)}</li>" for note in notes)
    return Template(folder.joinpath("report.html").read_text("utf-8")).substitute(
        policy=policy,
        name=_text(name),
        style=style,
        plot_style=plot_style,
        notes=f"<ul>\n{listed}\n</ul>" if notes else "<p>Nothing: every call of the log is in this page.</p>",
        data=_as_script(data),
        plotly=base64.b64encode(gzip.compress(plotly.encode(), 6, mtime=0)).decode(),
        script=script,
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    """Return text as HTML."""
    return escape(text.encode("utf-8", "replace").decode())  # a file cannot hold halves of characters


def _as_script(data: Mapping[str, Any]) -> str:
    """Return JSON that ends no script element, whatever is in its strings."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _skipped(reader: FitLogReader) -> tuple[str, ...]:
    if not reader.skipped:
        return ()
    named = "; ".join(f"line {line.number:,}: {line.why}" for line in reader.named)
    rest = f"; and {more:,} more" if (more := reader.skipped - len(reader.named)) else ""
    return (f"Lines: {reader.skipped:,} of {reader.lines:,} are no fits and were skipped ({named}{rest}).",)


def _no_fits(reader: FitLogReader, log: Path) -> str:
    first = f" Line {reader.named[0].number}: {reader.named[0].why}." if reader.named else " It has no lines of events."
    return (
        f"{log.name} holds no fits, so there is nothing to report.{first} Give a JSONL log that this package's event "
        "log wrote while agents ran; the level of AutoGen's event logger must be INFO then."
    )


def _write(output: Path, page: bytes) -> None:
    """Replace the file in one go, so that a failure leaves no half of a report behind."""
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with open(part, "wb", opener=private) as file:  # it may hold texts of a conversation
            file.write(page)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
