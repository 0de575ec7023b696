"""``tokenctx expand``: the original messages behind a handle of a saved state."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ..errors import UnknownHandleError
from ..summary.text import rendered
from .input import load_state
from .output import DOES_NOT_FIT, AgentName, AsJson, fail, note, plain, print_json, reading, terminal
from .saved_messages import BadFileError


def expand(
    handle: Annotated[str, typer.Argument(help="The id in a shortened message, or in the table of inspect.")],
    state: Annotated[Path, typer.Argument(metavar="STATE.json", help="What save_state gave; - for standard input.")],
    agent: AgentName = None,
    as_json: AsJson = False,
) -> None:
    """Show the original messages behind a handle."""
    with reading():
        histories = load_state(state).of_agent(agent)
    known: list[str] = []
    for history in histories:
        try:
            archive = history.archive()
        except BadFileError as error:
            note(f"{error}; looking in its messages alone")
            archive = replace(history, extra={}).archive()
        try:
            found = archive.get(handle)
        except (UnknownHandleError, RecursionError):  # a broken file can have groups that hold themselves
            found = ()
        if not found:
            known += archive.handles()
            continue
        if as_json:
            print_json({"agent": history.agent, "handle": handle, "messages": found})
        else:
            terminal().print(Text(plain("\n\n".join(map(rendered, found)))), soft_wrap=True)
        return
    nearest = get_close_matches(handle, known, 3, cutoff=0.0)  # any: with a cutoff most would have none
    hint = f"the nearest are {', '.join(nearest)}" if nearest else "nothing is archived there"
    fail(f"no handle {handle!r} in {state}; {hint}", DOES_NOT_FIT)
