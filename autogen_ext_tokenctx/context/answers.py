"""Asking a model, for JSON or in words, and finding what was asked for in what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from pydantic import BaseModel

_ANSWER_CHARS = 200_000
"""So much of an answer is looked through for JSON."""

_JSON_TRIES = 50


def json_output_of(client: ChatCompletionClient, form: type[BaseModel]) -> type[BaseModel] | bool | None:
    """How to ask a client for an answer of a form: by its schema, as any JSON, or in words only."""
    info = client.model_info
    return form if info.get("structured_output") else True if info["json_output"] else None


async def result_of(
    client: ChatCompletionClient,
    request: Sequence[LLMMessage],
    json_output: type[BaseModel] | bool | None,
    timeout: float,
) -> CreateResult:
    """What a client makes of a request, within some seconds, though it may not let itself be cancelled.

    Raises:
        TimeoutError: It took longer. Whatever the client raises comes through.
        RuntimeError: It cancelled its own call.
    """
    call = asyncio.ensure_future(client.create(request, json_output=json_output))
    call.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody else may ask for it
    try:
        # not wait_for, which waits for ever for a client that does not let itself be cancelled
        await asyncio.wait({call}, timeout=timeout)
        if not call.done():
            raise TimeoutError(f"no answer within {timeout:g} seconds")
    finally:
        call.cancel()
    if call.cancelled():
        raise RuntimeError("the client cancelled its own call")
    return call.result()


async def answer_of(
    client: ChatCompletionClient,
    request: Sequence[LLMMessage],
    json_output: type[BaseModel] | bool | None,
    timeout: float,
) -> str:
    """What a model says to a request, within some seconds.

    Raises:
        ValueError: It calls tools, or says nothing. Whatever the client raises comes through, and a TimeoutError.
    """
    result = await result_of(client, request, json_output, timeout)
    if not isinstance(result.content, str):
        raise ValueError("it called tools instead of answering")
    if not result.content.strip():
        raise ValueError("its answer is empty")
    return result.content


def json_in(text: str) -> Iterator[Any]:
    """The outermost JSON objects and lists in a text, whatever is said around them.

    Example:
        >>> list(json_in('Here you are: {"steps": []}. Or [1, 2]?'))
        [{'steps': []}, [1, 2]]
    """
    text = text[:_ANSWER_CHARS]
    decoder = json.JSONDecoder()
    at = 0
    for _ in range(_JSON_TRIES):
        start = min((found for found in (text.find("{", at), text.find("[", at)) if found >= 0), default=-1)
        if start < 0:
            return
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
            continue
        yield value
