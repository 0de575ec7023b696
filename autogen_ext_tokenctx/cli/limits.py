"""``tokenctx limits``: the limits of models, and who stated them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..tokens.limits import TokenConfig, TokenManager
from ..tokens.model_limits import Lookup
from .output import AsJson, line, print_json, show, table


def limits(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Names as given to the model client.")],
    as_json: AsJson = False,
    config: Annotated[Path | None, typer.Option(help="A JSON file of limits, instead of the usual three.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Ask this API too; its key is read from the environment.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="TOKENCTX_API_KEY", hidden=True)] = None,
) -> None:
    """Show the limits of models, who stated them, and which sources were asked."""
    options = TokenConfig(model_limits_config_path=config, enable_api_discovery=base_url is not None)
    try:
        manager = TokenManager(options, base_url=base_url, api_key=api_key if base_url else None)
        lookups = asyncio.run(_explain(manager, models))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print_json([_as_json(lookup) for lookup in lookups])
        return
    for lookup in lookups:
        found = lookup.limits
        output = "unstated" if found.max_output_tokens is None else f"{found.max_output_tokens:,}"
        show(
            f"{lookup.model}: {found.max_input_tokens:,} input tokens",
            _as_table(lookup),
            f"window {found.context_window:,}, output {output}, from {found.source}\n",
        )


async def _explain(manager: TokenManager, models: Iterable[str]) -> list[Lookup]:
    return list(await asyncio.gather(*map(manager.explain, models)))


def _as_json(lookup: Lookup) -> dict[str, object]:
    found = lookup.limits
    return {
        "model": lookup.model,
        "context_window": found.context_window,
        "max_input_tokens": found.max_input_tokens,
        "max_output_tokens": found.max_output_tokens,
        "source": found.source,
        "tried": [
            {"source": attempt.source, "answered": attempt.answer.window is not None, "note": attempt.answer.note}
            for attempt in lookup.tried
        ],
    }


def _as_table(lookup: Lookup) -> Table:
    shown = table("source", ("input tokens", "right"), ("note", "wrap"))
    for attempt in lookup.tried:
        window = attempt.answer.window
        tokens = "-" if window is None else f"{window.input:,}"
        shown.add_row(attempt.source, tokens, line(attempt.answer.note, cut=False))
    return shown
