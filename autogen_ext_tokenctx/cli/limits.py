"""``tokenctx limits``: the limits of models, and who stated them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..tokens.limits import TokenConfig, TokenManager
from ..tokens.model_limits import Lookup
from .output import LEFT, RIGHT, WRAPPED, AsJson, print_json, show


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
        print_json([_told(lookup) for lookup in lookups])
        return
    for lookup in lookups:
        found = lookup.limits
        output = "unstated" if found.max_output_tokens is None else f"{found.max_output_tokens:,}"
        show(
            f"{lookup.model}: {found.max_input_tokens:,} input tokens",
            {"source": LEFT, "input tokens": RIGHT, "note": WRAPPED},
            [(step.source, getattr(step.answer.window, "input", "-"), step.answer.note) for step in lookup.tried],
            f"window {found.context_window:,}, output {output}, from {found.source}\n",
        )


async def _explain(manager: TokenManager, models: Iterable[str]) -> list[Lookup]:
    return list(await asyncio.gather(*map(manager.explain, models)))


def _told(lookup: Lookup) -> dict[str, object]:
    tried = [
        {"source": step.source, "answered": step.answer.window is not None, "note": step.answer.note}
        for step in lookup.tried
    ]
    return {"model": lookup.model, **asdict(lookup.limits), "tried": tried}
