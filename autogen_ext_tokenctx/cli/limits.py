"""``tokenctx limits``: the limits of models, and who stated them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..models.limits import LimitAnswer, ModelLimits
from ..models.token_manager import TokenConfig, TokenManager
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
    tried = [
        {"source": answer.source, "answered": answer.limits is not None, "note": answer.note} for answer in answers
    ]
    return {"model": model, **asdict(limit), "tried": tried}
