"""``tokenctx count``: the tokens of a text, of messages, or of a saved state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ..tokens.counting import TiktokenCounter
from .input import STDIN, as_state, name_of, parse, read_text
from .output import AsJson, ModelName, counter_of, line, note, print_json, progress, reading, show, table
from .saved_messages import BadFileError
from .saved_states import SavedHistory, SavedState, read_state

_KINDS: Mapping[str, str] = {
    "SystemMessage": "system",
    "UserMessage": "user",
    "AssistantMessage": "assistant",
    "FunctionExecutionResultMessage": "results",
}


def count(
    file: Annotated[Path, typer.Argument(metavar="FILE|-", help="A text, JSON messages, or what save_state gave.")],
    model: ModelName = None,
    text: Annotated[bool, typer.Option("--text", help="Count the characters of the file, whatever they mean.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the tokens of a text, of messages, or of a saved AutoGen state."""
    with reading():
        content = read_text(file)
        state = None if text else _state(content, file)
    counter = counter_of(model)
    about = {"file": name_of(file), "model": model, "encoding": counter.encoding, "exact": counter.exact}
    if state is None:
        tokens = counter.count_text(content)
        if as_json:
            print_json({**about, "kind": "text", "characters": len(content), "tokens": tokens})
        else:
            shown = table("what", ("characters", "right"), ("tokens", "right"))
            shown.add_row("text", f"{len(content):,}", f"{tokens:,}")
            show(name_of(file), shown)
        return
    rows = _rows(state, counter)
    total = sum(row["tokens"] for row in rows)
    if as_json:
        agents = [
            {"agent": history.agent, "is_thread": history.is_thread, "messages": len(history.messages), **row}
            for history, row in zip(state.histories, rows, strict=True)
        ]
        print_json({**about, "kind": state.kind, "agents": agents, "tokens": total})
        return
    _show_state(file, state, rows, total)
    if any(history.is_thread for history in state.histories):
        note("a message thread is what a manager has seen: much of it is in the agents' histories, too")


def _state(content: str, file: Path) -> SavedState | None:
    """The state or the messages in a text; None when it is just a text."""
    if file.suffix == ".json" and str(file) != STDIN:
        try:
            return as_state(parse(content, name_of(file)), name_of(file))
        except BadFileError as error:
            raise BadFileError(f"{error}; --text counts it as it is") from error
    if not content.lstrip().startswith(("[", "{")):
        return None
    try:
        value = parse(content, name_of(file))
    except BadFileError:
        return None
    try:
        return read_state(value)
    except BadFileError:
        return None


def _rows(state: SavedState, counter: TiktokenCounter) -> list[dict[str, int]]:
    """Tokens of each history: of its kinds of messages, and as a request."""
    rows: list[dict[str, int]] = []
    with progress("counting messages", sum(len(history.messages) for history in state.histories)) as advance:
        for history in state.histories:
            row = dict.fromkeys(_KINDS.values(), 0)
            for message in history.messages:
                row[_KINDS[message.type]] += counter.count_message(message)
                advance(1)
            rows.append({**row, "tokens": counter.count_request(history.messages, history.tools)})
    return rows


def _show_state(file: Path, state: SavedState, rows: Sequence[Mapping[str, int]], total: int) -> None:
    kinds = list(_KINDS.values())
    numbers = [(name, "right") for name in ("messages", *kinds, "tokens")]
    shown = table(("agent", "cut"), *numbers)
    for history, row in zip(state.histories, rows, strict=True):
        cells = [len(history.messages), *(row[kind] for kind in kinds), row["tokens"]]
        shown.add_row(_label(history), *(f"{number:,}" for number in cells))
    if len(rows) != 1:
        shown.add_section()
        cells = [sum(len(history.messages) for history in state.histories)]
        cells += [sum(row[kind] for row in rows) for kind in kinds]
        shown.add_row("total", *(f"{number:,}" for number in (*cells, total)))
    show(f"{name_of(file)}: {state.kind}", shown)


def _label(history: SavedHistory) -> Text:
    name = history.agent or "messages"
    return line(f"{name} (thread)" if history.is_thread else name)
