"""``tokenctx limits``: the limits of models, and who stated them; with ``--refresh`` a table of them as of today."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..models.discovery import KEY_VARIABLES, Endpoint, list_limits
from ..models.known import refreshed, write_refreshed
from ..models.limits import LimitAnswer, ModelLimits
from ..models.sources import refreshed_paths
from ..models.token_manager import TokenConfig, TokenManager
from .output import DOES_NOT_FIT, LEFT, RIGHT, WRAPPED, AsJson, fail, print_json, show


def limits(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Names as given to the model client; with --refresh one file, X.json."),
    ] = None,
    as_json: AsJson = False,
    config: Annotated[Path | None, typer.Option(help="A JSON file of limits, instead of the usual three.")] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(help="Ask this API too; its key is read from the environment. With --refresh any number."),
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="TOKENCTX_API_KEY", hidden=True)] = None,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            help="Write a table of limits of today, of what each --base-url lists and genai-prices, to the file, or to "
            "~/.autogen/model_limits.refreshed.json.",
        ),
    ] = False,
) -> None:
    """Show the limits of models, who stated them, and which sources were asked; or write a new table of them."""
    try:
        endpoints = _endpoints(base_url or [], api_key)
        if refresh:
            if config is not None:
                raise ValueError("--config is a file to read; with --refresh the file to write has no option")
            _refresh(_file(models or []), endpoints, as_json)
            return
        if not models:
            raise ValueError("give the names of models, or --refresh")
        if len(endpoints) > 1:
            raise ValueError("more than one --base-url belongs to --refresh")
        options = TokenConfig(model_limits_config_path=config, enable_api_discovery=bool(endpoints))
        asked = endpoints[0] if endpoints else None
        manager = TokenManager(options, base_url=(base_url or [None])[0], api_key=asked and asked.api_key)
        found = asyncio.run(_look_up(manager, models))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print_json([_told(*one) for one in found])
        return
    for model, limit, answers in found:
        output = "unstated" if limit.max_output_tokens is None else f"{limit.max_output_tokens:,}"
        show(
            f"{model}: {limit.max_input_tokens:,} input tokens",
            {"source": LEFT, "input tokens": RIGHT, "note": WRAPPED},
            [(answer.source, getattr(answer.limits, "max_input_tokens", "-"), answer.note) for answer in answers],
            f"window {limit.context_window:,}, output {output}, from {limit.source}\n",
        )


_Found = tuple[str, ModelLimits, tuple[LimitAnswer, ...]]


async def _look_up(manager: TokenManager, models: Iterable[str]) -> list[_Found]:
    async def look_up(model: str) -> _Found:
        answers = await manager.explain(model)
        return model, await manager.get_limits(model), answers

    return list(await asyncio.gather(*map(look_up, models)))


def _told(model: str, limit: ModelLimits, answers: Iterable[LimitAnswer]) -> dict[str, object]:
    tried = [{"source": one.source, "answered": one.limits is not None, "note": one.note} for one in answers]
    return {"model": model, **asdict(limit), "tried": tried}


def _endpoints(addresses: Sequence[str], given_key: str | None) -> list[Endpoint]:
    """Return what to ask, each with its own key: the one that is given, where there is but one, or that of its host."""
    endpoints: list[Endpoint] = []
    for address in addresses:
        endpoint = Endpoint.parse(address)
        # a key of the environment goes to its own host alone, and never over a connection that others can read
        variable = KEY_VARIABLES.get(endpoint.host) if endpoint.base_url.startswith("https:") else None
        own_key = os.environ.get(variable) if variable else None
        endpoints.append(Endpoint.parse(address, (given_key if len(addresses) == 1 else None) or own_key or None))
    return endpoints


def _file(arguments: Sequence[str]) -> Path:
    """Return the file to write."""
    if not arguments:
        path = refreshed_paths()[0]
        if not path.is_absolute():
            raise ValueError("no home directory is known; name the file to write")
        return path
    if len(arguments) > 1 or not arguments[0].endswith(".json"):
        raise ValueError("with --refresh give no names of models, but at most one file to write, X.json")
    return Path(arguments[0])


def _refresh(path: Path, endpoints: Sequence[Endpoint], as_json: bool) -> None:
    """Write a table; where a source that was named does not answer, nothing is written."""

    async def ask() -> list[dict[str, ModelLimits]]:
        seconds = TokenConfig().api_discovery_timeout
        return await asyncio.gather(*(list_limits(endpoint, seconds) for endpoint in endpoints))

    try:
        answers = asyncio.run(ask())
        table = refreshed({endpoint.host: stated for endpoint, stated in zip(endpoints, answers, strict=True)})
        if path == refreshed_paths()[0]:  # a folder that the user named has to be there
            path.parent.mkdir(parents=True, exist_ok=True)
        write_refreshed(table, path)
    except LookupError as error:
        fail(f"nothing is written: {error.args[0]}", DOES_NOT_FIT)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror or error}")
    if as_json:
        print_json({"file": path, "date": table.day.isoformat(), "from": table.origins, "models": len(table.models)})
        return
    rows = [("date", table.day.isoformat()), ("from", ", ".join(table.origins)), ("names", len(table.models))]
    show(str(path), {"what": LEFT, "": WRAPPED}, rows)
