"""``tokenctx inspect``: what of a saved state a budget would keep, shorten and leave out."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from autogen_core.models import LLMMessage
from rich.text import Text

from ..context.manager import ContextManager
from ..forms.form import FitStep, Form
from ..summary.text import rendered
from .fits import FittedHistory, fitted
from .input import load_state, name_of
from .output import (
    CUT,
    DOES_NOT_FIT,
    LEFT,
    RIGHT,
    AgentName,
    AsJson,
    ModelName,
    counter_of,
    fail,
    plain,
    print_json,
    progress,
    reading,
    show,
    terminal,
)
from .saved_states import SavedHistory

_COLUMNS = {
    "group": RIGHT,
    "who: what": {**CUT, "max_width": 24},
    "form": LEFT,
    "before": RIGHT,
    "after": RIGHT,
    "why": CUT,
    "handle": LEFT,
}
_STYLES = {
    Form.FULL: "green",
    Form.REPAIRED: "cyan",
    Form.COMPACT: "cyan",
    Form.EXTRACT: "yellow",
    Form.DIGEST: "magenta",
    Form.BLOCK: "magenta",
    Form.PLACEHOLDER: "red",
    Form.EVICTED: "bright_black",
    Form.SUMMARY: "blue",
    Form.RECALLED: "blue",
}
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}

_SENTENCE = re.compile(r"(?<=[.!?;,…])\s+")

_SCORES = ("tokens_before", "tokens_after", "compression_ratio", "utilization", "relevance", "quality")


def inspect(
    state: Annotated[Path, typer.Argument(metavar="STATE.json", help="What save_state gave; - for standard input.")],
    budget: Annotated[int, typer.Option(min=1, help="Input tokens of one call.")],
    agent: AgentName = None,
    task: Annotated[str | None, typer.Option(help="What the agent works on; else the history tells.")] = None,
    model: ModelName = None,
    diff: Annotated[int | None, typer.Option(metavar="GROUP", help="Show one message group before and after.")] = None,
    every: Annotated[bool, typer.Option("--all", help="A row for every message group.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a budget would keep, shorten and leave out of a saved agent or team."""
    with reading():
        histories = load_state(state).of_agent(agent)
    if diff is not None and len(histories) != 1:
        names = ", ".join(history.agent for history in histories)
        fail(
            f"--diff shows a message group of one agent; give --agent, one of: {names}"
            if names
            else "no messages to show"
        )
    fits = asyncio.run(_fit_all(histories, budget, task, model))
    is_fit = not any(fit.error for fit in fits)
    if diff is not None:
        _show_diff(fits[0], diff, as_json)
    elif as_json:
        print_json({"file": name_of(state), "budget": budget, "fits": is_fit, "agents": list(map(_told, fits))})
    elif not fits:
        terminal().print("No agent of it has messages yet.")
    else:
        for fit in fits:
            _show(fit, budget, every)
    if not is_fit:
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


def _told(fit: FittedHistory) -> dict[str, object]:
    history, report = fit.history, fit.report
    found: dict[str, object] = {"agent": history.agent, "is_thread": history.is_thread}
    found |= {"messages": len(history.messages), "error": fit.error or None}
    if report is None:
        return found
    found |= {"level": report.level.name.lower(), **{name: getattr(report, name) for name in _SCORES}}
    return found | {"groups": [group.step for group in fit.groups], "others": fit.others}


def _show(fit: FittedHistory, budget: int, every: bool) -> None:
    report = fit.report
    if report is None:
        terminal().print(Text(f"{plain(_name(fit))}: does not fit {budget:,} tokens", "bold red"))
        terminal().print(Text(f"{plain(fit.error)}\n"))
        return
    steps = [group.step for group in fit.groups]
    # what belongs to no group comes last, so that the columns add up to the totals of the title
    runs = [*([[step] for step in steps] if every else _runs(steps)), *([step] for step in fit.others)]
    show(
        f"{_name(fit)}: {report.tokens_before:,} > {report.tokens_after:,} of {report.budget:,} tokens",
        _COLUMNS,
        map(_row, runs),
        f"level {report.level.name.lower()}, ratio {report.compression_ratio:.2f}, utilization "
        f"{report.utilization:.0%}, relevance {report.relevance:.2f}, quality {report.quality:.2f}\n",
    )


def _name(fit: FittedHistory) -> str:
    return f"{fit.history.label} (message thread)" if fit.history.is_thread else fit.history.label


def _runs(steps: Iterable[FitStep]) -> Iterator[list[FitStep]]:
    """Yield the groups one by one, and long runs of those that are all there, or all gone, together."""
    for form, members in groupby(steps, key=lambda step: step.form):
        run = list(members)
        if form in (Form.FULL, Form.EVICTED) and len(run) >= 4:  # three are read as quickly as a line about them
            yield run
        else:
            yield from ([step] for step in run)


def _row(run: Sequence[FitStep]) -> Sequence[int | str | Text]:
    first, is_one = run[0], len(run) == 1
    group = "" if first.group < 0 else str(first.group) if is_one else f"{first.group}-{run[-1].group}"
    return (
        group,
        first.what if is_one else f"{len(run)} groups",
        Text(first.form.value, _STYLES[first.form]),
        sum(step.tokens_before for step in run),
        sum(step.tokens_after for step in run),
        first.why if len({step.why for step in run}) == 1 else "--all lists them",
        first.handle if is_one else "",
    )


def _show_diff(fit: FittedHistory, number: int, as_json: bool) -> None:
    if fit.error:
        fail(fit.error, DOES_NOT_FIT)
    if not 0 <= number < len(fit.groups):
        fail(f"there is no message group {number}; they are 0 to {len(fit.groups) - 1}")
    group = fit.groups[number]
    step, before, after = group.step, _lines(group.before), _lines(group.after)
    if step.form is Form.DIGEST:  # the block has lines of other groups, too
        block = "\n".join(after)
        after = [line for line in before if line.strip() and line.strip() in block]
    lines = list(difflib.unified_diff(before, after, "before", "after", lineterm="", n=2))
    if as_json:
        diff = {"before": group.before, "after": group.after, "diff": lines}
        print_json({"agent": fit.history.agent, **step.as_dict(), **diff})
        return
    heading = f"{_name(fit)}, group {number}, {step.what}: {step.tokens_before:,} > {step.tokens_after:,} tokens, "
    terminal().print(Text(plain(heading), "bold"), Text(step.form.value, _STYLES[step.form]), sep="")
    shown = [Text(plain(line), _DIFF_STYLES.get(line[:1], "")) for line in lines]
    terminal().print(Text("\n").join(shown) if shown else "Nothing changed.")


def _lines(messages: Sequence[LLMMessage]) -> list[str]:
    rows = "\n\n".join(map(rendered, messages)).splitlines()
    # lines of more than 160 characters, which are paragraphs, are compared sentence by sentence
    return [part for row in rows for part in (_SENTENCE.split(row) if len(row) > 160 else [row])]
