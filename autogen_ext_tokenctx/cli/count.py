"""``tokenctx count``: the tokens of a text, of messages, or of a saved state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..models.counters import TiktokenCounter
from .input import STDIN, name_of, parse, read_text
from .output import CUT, LEFT, RIGHT, AsJson, ModelName, counter_of, note, print_json, progress, reading, show
from .saved_messages import BadFileError
from .saved_states import SavedState, read_state

_KINDS = {
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
        size, tokens = len(content), counter.count_text(content)
        if as_json:
            print_json({**about, "kind": "text", "characters": size, "tokens": tokens})
        else:
            show(name_of(file), {"what": LEFT, "characters": RIGHT, "tokens": RIGHT}, [("text", size, tokens)])
        return
    rows = _rows(state, counter)
    if as_json:
        total = sum(row["tokens"] for row in rows)
        whose = [{"agent": history.agent, "is_thread": history.is_thread} for history in state.histories]
        agents = [{**one, **row} for one, row in zip(whose, rows, strict=True)]
        print_json({**about, "kind": state.kind, "agents": agents, "tokens": total})
        return
    _show(name_of(file), state, rows)
    if any(history.is_thread for history in state.histories):
        note("a message thread is what a manager has seen: much of it is in the agents' histories, too")


def _state(content: str, file: Path) -> SavedState | None:
    """Return the state or the messages in a text; None when it is just a text."""
    is_json = file.suffix == ".json" and str(file) != STDIN
    if not is_json and not content.lstrip().startswith(("[", "{")):
        return None
    try:
        return read_state(parse(content, name_of(file)), name_of(file))
    except BadFileError as error:
        if is_json:  # who names a file so means its content; any other text may begin with a bracket
            raise BadFileError(f"{error}; --text counts it as it is") from error
        return None


def _rows(state: SavedState, counter: TiktokenCounter) -> list[dict[str, int]]:
    """Return what each history has: messages, tokens by their kind, and tokens of it as a request."""
    rows: list[dict[str, int]] = []
    with progress("counting messages", sum(len(history.messages) for history in state.histories)) as advance:
        for history in state.histories:
            row = {"messages": len(history.messages), **dict.fromkeys(_KINDS.values(), 0)}
            for message in history.messages:
                row[_KINDS[message.type]] += counter.count_message(message)
                advance(1)
            # not the sum of the messages: a request has its frame and its tools, too
            rows.append({**row, "tokens": counter.count_request(history.messages, history.tools)})
    return rows


def _show(name: str, state: SavedState, rows: Sequence[dict[str, int]]) -> None:
    names = ["messages", *_KINDS.values(), "tokens"]
    shown = [
        (f"{history.label} (thread)" if history.is_thread else history.label, *row.values())
        for history, row in zip(state.histories, rows, strict=True)
    ]
    if len(rows) != 1:
        shown.append(("total", *(sum(row[key] for row in rows) for key in names)))
    show(f"{name}: {state.kind}", {"agent": CUT, **dict.fromkeys(names, RIGHT)}, shown)
