"""``tokenctx inspect``: what of a saved state a budget would keep, shorten and leave out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ..context.manager import ContextManager
from ..context.report import FitReport, FitStep, Form
from .fits import FittedHistory, fitted
from .input import load_state, name_of
from .output import (
    DOES_NOT_FIT,
    STYLES,
    AgentName,
    AsJson,
    ModelName,
    counter_of,
    fail,
    line,
    plain,
    print_json,
    progress,
    reading,
    show,
    table,
    terminal,
)
from .saved_states import SavedHistory
from .texts import as_json as messages_as_json
from .texts import coloured, difference, rendered

_RUN = 4
"""So many units in a row that were kept, or left out, are one row of the table."""


def inspect(
    state: Annotated[Path, typer.Argument(metavar="STATE.json", help="What save_state gave; - for standard input.")],
    budget: Annotated[int, typer.Option(min=1, help="Input tokens of one call.")],
    agent: AgentName = None,
    task: Annotated[str | None, typer.Option(help="What the agent works on; else the history tells.")] = None,
    model: ModelName = None,
    diff: Annotated[int | None, typer.Option(metavar="UNIT", help="Show one unit before and after.")] = None,
    every: Annotated[bool, typer.Option("--all", help="A row for every unit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a budget would keep, shorten and leave out of a saved agent or team."""
    with reading():
        histories = load_state(state).of_agent(agent)
    if diff is not None and len(histories) != 1:
        names = ", ".join(history.agent for history in histories)
        fail(f"--diff shows a unit of one agent; give --agent, one of: {names}" if names else "no messages to show")
    fits = asyncio.run(_fit_all(histories, budget, task, model))
    if diff is not None:
        _show_diff(fits[0], diff, as_json)
    elif as_json:
        print_json(
            {
                "file": name_of(state),
                "budget": budget,
                "fits": not any(fit.error for fit in fits),
                "agents": [_agent_as_json(fit) for fit in fits],
            }
        )
    else:
        _show(fits, budget, every)
    if any(fit.error for fit in fits):
        raise typer.Exit(DOES_NOT_FIT)


async def _fit_all(
    histories: Sequence[SavedHistory], budget: int, task: str | None, model: str | None
) -> list[FittedHistory]:
    counter = counter_of(model)
    fits: list[FittedHistory] = []
    with progress("fitting", len(histories)) as advance:
        for history in histories:
            fits.append(await fitted(history, budget, task, ContextManager(counter=counter)))
            advance(1)
    return fits


def _show(fits: Sequence[FittedHistory], budget: int, every: bool) -> None:
    console = terminal()
    if not fits:
        console.print("No agent of it has messages yet.")
    for fit in fits:
        report = fit.report
        if report is None:
            console.print(Text(f"{plain(_name(fit))}: does not fit {budget:,} tokens", "bold red"))
            console.print(Text(f"{plain(fit.error)}\n"))
            continue
        title = f"{_name(fit)}: {report.tokens_before:,} > {report.tokens_after:,} of {report.budget:,} tokens"
        show(title, _as_table(fit, every), f"{_totals(report)}\n")


def _as_table(fit: FittedHistory, every: bool) -> Table:
    shown = table(
        *(("unit", "right"), ("who: what", "cut"), "form", ("before", "right"), ("after", "right")),
        *(("why", "cut"), "handle"),
    )
    shown.columns[1].max_width = 24
    steps = [unit.step for unit in fit.units]
    groups = [[step] for step in steps] if every else _grouped(steps)
    for group in (*groups, *([step] for step in fit.others)):
        first, form = group[0], group[0].form
        unit = str(first.unit) if len(group) == 1 else f"{first.unit}-{group[-1].unit}"
        unit = "" if first.unit < 0 else unit
        shown.add_row(
            unit,
            line(first.what if len(group) == 1 else f"{len(group)} units"),
            Text(form.value, STYLES[form]),
            f"{sum(member.tokens_before for member in group):,}",
            f"{sum(member.tokens_after for member in group):,}",
            line(first.why if len({member.why for member in group}) == 1 else "--all lists them"),
            first.handle if len(group) == 1 else "",
        )
    return shown


def _grouped(steps: Sequence[FitStep]) -> Iterator[list[FitStep]]:
    """The units one by one, and long runs of those that are all there, or all gone, together."""
    for form, members in groupby(steps, key=lambda step: step.form):
        run = list(members)
        if form in (Form.FULL, Form.GONE) and len(run) >= _RUN:
            yield run
        else:
            yield from ([step] for step in run)


def _totals(report: FitReport) -> str:
    return (
        f"level {report.level.name.lower()}, ratio {report.compression_ratio:.2f}, "
        f"utilization {report.utilization:.0%}, relevance {report.relevance:.2f}, quality {report.quality:.2f}"
    )


def _name(fit: FittedHistory) -> str:
    name = fit.history.agent or "messages"
    return f"{name} (message thread)" if fit.history.is_thread else name


def _agent_as_json(fit: FittedHistory) -> dict[str, object]:
    found: dict[str, object] = {
        "agent": fit.history.agent,
        "is_thread": fit.history.is_thread,
        "messages": len(fit.history.messages),
        "error": fit.error or None,
    }
    report = fit.report
    if report is None:
        return found
    return found | {
        "tokens_before": report.tokens_before,
        "tokens_after": report.tokens_after,
        "level": report.level.name.lower(),
        "compression_ratio": report.compression_ratio,
        "utilization": report.utilization,
        "relevance": report.relevance,
        "quality": report.quality,
        "units": [unit.step.as_dict() for unit in fit.units],
        "others": [step.as_dict() for step in fit.others],
    }


def _show_diff(fit: FittedHistory, number: int, as_json: bool) -> None:
    if fit.error:
        fail(fit.error, DOES_NOT_FIT)
    if not 0 <= number < len(fit.units):
        fail(f"there is no unit {number}; the units are 0 to {len(fit.units) - 1}")
    unit = fit.units[number]
    step = unit.step
    before, after = rendered(unit.before), rendered(unit.after)
    if step.form is Form.DIGEST:  # the block has lines of other units, too
        rows = before.splitlines()
        after = "\n".join(row for row in rows if row.strip() and row.strip() in after)
    lines = difference(before, after)
    if as_json:
        parts = {"before": messages_as_json(unit.before), "after": messages_as_json(unit.after), "diff": lines}
        print_json({"agent": fit.history.agent, **unit.step.as_dict(), **parts})
        return
    console = terminal()
    heading = f"{_name(fit)}, unit {number}, {step.what}: {step.tokens_before:,} > {step.tokens_after:,} tokens, "
    console.print(Text(plain(heading), "bold"), Text(step.form.value, STYLES[step.form]), sep="")
    console.print(coloured(lines) if lines else "Nothing changed.")
