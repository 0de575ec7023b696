"""The command ``tokenctx``: what this package knows, on a terminal.

Each command is one function under ``app``; it prints a table, or with ``--json`` one JSON document.
"""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
except ImportError as error:
    raise SystemExit(f'tokenctx: {error}; pip install "autogen-ext-tokenctx[cli]"') from error

from .tokens.limits import TokenConfig, TokenManager
from .tokens.model_limits import Lookup

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def tokenctx() -> None:
    """Token limits of models, and how they are found."""


@app.command()
def limits(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Names as given to the model client.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
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
        typer.echo(json.dumps([_as_json(lookup) for lookup in lookups], indent=2))
        return
    console = Console()
    for lookup in lookups:
        console.print(_as_table(lookup))


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
    found = lookup.limits
    output = "unstated" if found.max_output_tokens is None else f"{found.max_output_tokens:,}"
    table = Table(
        title=f"{escape(lookup.model)}: {found.max_input_tokens:,} input tokens",
        caption=f"window {found.context_window:,}, output {output}, from {found.source}",
    )
    for heading in ("source", "input tokens", "note"):
        table.add_column(heading, justify="right" if heading == "input tokens" else "left")
    for attempt in lookup.tried:
        window = attempt.answer.window
        table.add_row(attempt.source, "-" if window is None else f"{window.input:,}", escape(attempt.answer.note))
    return table


def main() -> None:
    """Run the command."""
    app(prog_name="tokenctx")
