"""``tokenctx replay``: what a recorded run would have come to with other budgets."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from ..context.manager import ContextManager
from ..html_report.calls import Call, calls
from ..html_report.log import FitLogReader
from ..telemetry.prices import ListPrices
from .input import STDIN, load_state, name_of, unreadable
from .output import (
    DOES_NOT_FIT,
    LEFT,
    RIGHT,
    AgentName,
    AsJson,
    ModelName,
    counter_of,
    fail,
    note,
    print_json,
    progress,
    progress_in,
    reading,
    show,
    terminal,
)
from .saved_messages import BadFileError
from .whatif import PlayedCall, Price, Recording, as_recorded, play, recordings, summed

# rows of the table: what `summed` calls it, and how it is written
_ROWS = {
    "model calls": ("calls", ","),
    "tokens without": ("tokens_without", ","),
    "tokens sent": ("tokens_sent", ","),
    "saved": ("saved", ".0%"),
    "$ without": ("dollars_without", ",.4f"),
    "$ sent": ("dollars_sent", ",.4f"),
    "$ without, cached prefix": ("dollars_without_cached", ",.4f"),
    "$ sent, cached prefix": ("dollars_sent_cached", ",.4f"),
    "mean quality": ("mean_quality", ".2f"),
    "lowest quality": ("lowest_quality", ".2f"),
    "compactions": ("compactions", ","),
    "prefix reuse": ("prefix_reuse", ".0%"),
    "over the budget without": ("over_budget_without", ","),
    "cannot fit": ("cannot_fit", ","),
}


def replay(
    recorded: Annotated[Path, typer.Argument(metavar="STATE|LOG", help="A saved state, or a log of fits (JSONL).")],
    budgets: Annotated[str, typer.Option(help="Input tokens of one call, such as 2000,4000,8000.")],
    agent: AgentName = None,
    model: ModelName = None,
    beside: Annotated[
        int, typer.Option(min=0, help="Tokens of system messages and tools in each call; a history has none of them.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show what a recorded run would have come to with other budgets."""
    wanted = _numbers(budgets, beside)
    with reading():
        told = (_of_log if _is_log(recorded) else _of_state)(recorded, wanted, agent, model, beside)
    if as_json:
        print_json({"file": name_of(recorded), "model": told.model, "budgets": told.rows, "notes": told.notes})
    else:
        _show(recorded, told.rows)
        for text in told.notes:
            note(text)
    if any(row["cannot_fit"] for row in told.rows):
        raise typer.Exit(DOES_NOT_FIT)


class _Told(NamedTuple):
    """What there is to tell: a column for each budget."""

    rows: Sequence[dict[str, Any]]
    model: str | None
    notes: Sequence[str]


def _numbers(text: str, beside: int) -> list[int]:
    try:
        found = list(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError:
        fail(f"--budgets takes numbers of tokens with commas between them, such as 2000,4000,8000; got {text!r}")
    if not found or min(found) <= beside:
        fail(f"every budget of --budgets has to be larger than what is beside the history, {beside} tokens")
    return found


def _of_state(path: Path, budgets: Sequence[int], agent: str | None, model: str | None, beside: int) -> _Told:
    histories = load_state(path).of_agent(agent)
    threads = [history.agent for history in histories if history.is_thread]
    notes = [f"message threads are no model's history and are not replayed: {', '.join(threads)}"] if threads else []
    found = [Recording.of(history.agent, history.messages) for history in histories if not history.is_thread]
    if threads and not found:
        raise BadFileError(
            f"{name_of(path)} has only what agents said to each other, and no model was sent that; give the state of "
            "the team: json.dump(dict(await team.save_state()), file)"
        )
    # the body of a request has its tools in it, which each call is sent with
    beside += sum(counter_of(model).count_tools(history.tools) for history in histories)
    return _played(found, budgets, model, beside, notes)


def _of_log(path: Path, budgets: Sequence[int], agent: str | None, model: str | None, beside: int) -> _Told:
    # the log is read anew for each question, since one of days may not fit the memory
    names = {call.sent.model for call in _logged(path, agent) if call.sent.model}
    model = model or (names.pop() if len(names) == 1 else None)
    found = recordings(_logged(path, agent))
    if found is not None:
        return _played(found, budgets, model, beside, ["tool calls are replayed as the texts that the log has of them"])
    groups: dict[int, list[PlayedCall]] = {}
    for call in _logged(path, agent):
        groups.setdefault(call.sent.budget, []).append(as_recorded(call))
    price, why_none = _price(model)
    rows = [summed(budget, groups[budget], price) for budget in sorted(groups)]
    notes = ["the log has no texts, so these are the budgets it was recorded with; log the texts too to try others"]
    return _Told(rows, model, [*notes, *why_none])


def _is_log(path: Path) -> bool:
    """Return whether the first line of a file is one of a log of fits."""
    if str(path) == STDIN:
        return False
    try:
        with path.open("rb") as file:
            first = file.readline(1_000_000).lstrip()  # a line of a log has its kind at its start
    except OSError as error:
        raise unreadable(path, error) from error
    if first.startswith(b"{") and (b'"TokenctxLog"' in first or b'"ContextFit"' in first):
        return True
    return path.suffix == ".jsonl" and not (b'"role"' in first or b'"source"' in first)  # else they are messages


def _logged(path: Path, agent: str | None) -> Iterator[Call]:
    """Yield the calls of a log; raise a BadFileError where there are none."""
    with progress_in(path) as move:
        reader = FitLogReader(path, move)
        names: set[str] = set()
        is_empty = True
        try:
            for call in calls(reader):
                names.add(call.agent)
                if agent is None or call.agent == agent:
                    is_empty = False
                    yield call
        except OSError as error:
            raise unreadable(path, error) from error
        except ValueError as error:
            raise BadFileError(str(error)) from error
    if not names:
        why = f"; line {reader.named[0].number}: {reader.named[0].why}" if reader.named else ""
        raise BadFileError(f"{path} is neither a log of fits nor a saved state{why}")
    if is_empty:
        raise BadFileError(f"no agent {agent!r} is in {path}; these are: {', '.join(sorted(names))}")


def _played(
    found: Sequence[Recording], budgets: Sequence[int], model: str | None, beside: int, notes: Sequence[str]
) -> _Told:
    manager = ContextManager(counter=counter_of(model))  # one for all: what a message costs is counted once
    price, why_none = _price(model)
    played: dict[int, list[PlayedCall]] = {budget: [] for budget in budgets}

    async def all_of_them(advance: Callable[[int], None]) -> None:
        for budget, recording in product(budgets, found):
            played[budget] += await play(
                recording, budget, beside=beside, model=model, manager=manager, on_call=advance
            )

    with progress("replaying calls", len(budgets) * sum(len(recording.calls) for recording in found)) as advance:
        asyncio.run(all_of_them(advance))
    rows = [summed(budget, calls_made, price) for budget, calls_made in played.items()]
    notes = [*notes, *why_none]
    if any(row["cannot_fit"] for row in rows):
        notes.append("calls that cannot fit are left out of tokens, money and quality")
    return _Told(rows, model, notes)


def _price(model: str | None) -> tuple[Price | None, list[str]]:
    """Return what a call of the model costs; or None, and a note that says why."""
    if model is None:
        return None, ["no prices without --model"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is missing stands below the table
        prices = ListPrices()
    if prices(model, 1, 0) is None:
        return None, [f'no price of {model} is known; prices come with pip install "autogen-ext-tokenctx[prices]"']
    return lambda tokens, cached: prices(model, tokens, cached) or 0.0, []


def _show(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Print the table, budgets side by side, as many as there is room for."""
    known = {name: entry for name, entry in _ROWS.items() if any(row[entry[0]] is not None for row in rows)}
    room = max(1, (terminal().width - 30) // 12)  # the names of the rows take 30 columns, a budget takes 12
    for start in range(0, len(rows), room):
        part = rows[start : start + room]
        columns = {"input tokens of a call": LEFT, **{f"{row['budget']:,}": RIGHT for row in part}}
        cells = [[name, *(_cell(row[field], form) for row in part)] for name, (field, form) in known.items()]
        show(name_of(path), columns, cells)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
