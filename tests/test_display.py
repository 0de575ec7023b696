"""How a report looks on a terminal and in a notebook."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autogen_ext_tokenctx.context.report import MAX_ROWS, FitReport
from autogen_ext_tokenctx.display import Grid, as_html, as_rich
from autogen_ext_tokenctx.forms.form import FitStep, Form, Level

REPORT = FitReport(
    budget=1_000,
    tokens_before=2_000,
    tokens_after=900,
    level=Level.STRONG,
    steps=(FitStep(1, "coder: read_file", Form.PLACEHOLDER, 1_500, 12, "general_context 0.2", "cafe0123"),),
    quality=0.5,
    seconds=0.0123,
    groups=7,
    categories={"related_task_history": (1_500, 12), "unweighed": (500, 888)},
)


def on_terminal(report: FitReport) -> str:
    out = StringIO()
    Console(file=out, width=160).print(report)
    return out.getvalue()


def in_notebook(report: FitReport) -> str:
    return report._repr_html_()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("draw", [on_terminal, in_notebook])
@pytest.mark.parametrize(
    "part",
    (
        "2,000|900 of 1,000 tokens (90%)|level strong|read_file|placeholder|12|general_context 0.2|cafe0123|"
        "related_task_history|unweighed|quality 0.50|12.3 ms|7 message groups"
    ).split("|"),
)
def test_it_tells_what_was_done(draw: object, part: str) -> None:
    assert callable(draw)
    assert part in str(draw(REPORT))


@pytest.mark.parametrize("draw", [on_terminal, in_notebook])
def test_a_report_without_steps_is_its_totals(draw: object) -> None:
    assert callable(draw)
    drawn = str(draw(FitReport(budget=100, tokens_before=0, tokens_after=0)))
    assert "of 100 tokens (0%), level none" in drawn
    assert "<table" not in drawn


def test_long_reports_are_cut_and_say_so() -> None:
    steps = REPORT.steps * (MAX_ROWS + 30)
    drawn = in_notebook(FitReport(budget=1_000, tokens_before=2_000, tokens_after=900, steps=steps))
    assert drawn.count("cafe0123") == MAX_ROWS
    assert "30 more steps" in drawn


@given(st.text(max_size=40))
def test_no_text_is_markup(text: str) -> None:
    hostile = f"<script>[red]{text}[/blue]&"
    step = FitStep(1, hostile, Form.EVICTED, 5, 0, hostile, hostile)
    report = FitReport(budget=9, tokens_before=9, tokens_after=4, steps=(step,), categories={hostile: (5, 0)})
    page = in_notebook(report)
    assert "<script>" not in page
    assert page.count("&lt;script&gt;[red]") == 4
    assert on_terminal(report).count("<script>") == 4


def test_colours_are_the_readers() -> None:
    assert "#" not in in_notebook(REPORT)
    assert "currentColor" in in_notebook(REPORT)


def test_empty_grids_draw_nothing() -> None:
    assert as_html([Grid("", ("a",), ())]) == "<div></div>"
    out = StringIO()
    Console(file=out).print(as_rich([Grid("", ("a",), ())]))
    assert out.getvalue().strip() == ""


def test_rich_is_not_needed_for_reports() -> None:
    code = (
        "import sys; sys.modules['rich'] = None; from autogen_ext_tokenctx import FitReport; "
        "print(FitReport(budget=9, tokens_before=5, tokens_after=5)._repr_html_())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "of 9 tokens" in done.stdout
