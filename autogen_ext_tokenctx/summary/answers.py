"""Asking a model, for JSON or in words, finding what was asked for in its answer, and telling it once what is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from autogen_core.models import AssistantMessage, ChatCompletionClient, CreateResult, LLMMessage, UserMessage
from pydantic import BaseModel, ValidationError

from ..display import clip

T = TypeVar("T")


class UnusableAnswerError(ValueError):
    """An answer that cannot be used, with the problems in words for the model; none where its client failed."""

    def __init__(self, *problems: str) -> None:
        # the first eight, of 200 characters: one fault often shows in every part of an answer
        self.problems = [clip(problem, 200) for problem in problems[:8]]
        self.answer = ""
        super().__init__("; ".join(self.problems))

    def messages(self) -> list[LLMMessage]:
        """Return the messages that send the answer back."""
        problems = "\n".join(f"- {problem}" for problem in self.problems)
        asked = f"This cannot be used:\n{problems}\nGive the whole answer again, corrected, in the same form."
        request: list[LLMMessage] = [UserMessage(content=asked, source="user")]
        if self.answer.strip():  # providers refuse messages without content
            answer = clip(self.answer, 8_000)  # a plan of twelve detailed steps has about 7,000 characters
            request.insert(0, AssistantMessage(content=answer, source="assistant"))
        return request


async def checked_answer(
    ask: Callable[[UnusableAnswerError | None], Awaitable[CreateResult]],
    parse: Callable[[str], T],
    attempts: int = 2,
) -> T:
    """Return what ``parse``, in a thread, makes of a model's answer; what cannot be used is sent back to ``ask``."""
    rejected: UnusableAnswerError | None = None
    for _ in range(attempts):
        answer = ""
        try:
            answer = _text_of(await ask(rejected))
            return await asyncio.to_thread(parse, answer)
        except UnusableAnswerError as error:
            rejected = error
            rejected.answer = answer
    raise rejected or ValueError(f"attempts must be 1 or more, not {attempts}")


def _text_of(result: CreateResult) -> str:
    if not isinstance(result.content, str):
        raise UnusableAnswerError("It called tools instead of answering.")
    if not result.content.strip():
        raise UnusableAnswerError("It was empty.")
    return result.content


def json_output_of(client: ChatCompletionClient, form: type[BaseModel]) -> type[BaseModel] | bool | None:
    """Return how to ask a client for an answer of a form: by its schema, as any JSON, or in words only."""
    info = client.model_info
    return form if info.get("structured_output") else True if info["json_output"] else None


async def result_of(
    client: ChatCompletionClient,
    request: Sequence[LLMMessage],
    json_output: type[BaseModel] | bool | None,
    timeout: float,
) -> CreateResult:
    """Return what a client makes of a request, or raise a TimeoutError after some seconds."""
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


def json_in(text: str) -> Iterator[Any]:
    """Yield the outermost JSON objects and lists in a text, whatever is said around them.

    Example:
        >>> list(json_in('Here you are: {"steps": []}. Or [1, 2]?'))
        [{'steps': []}, [1, 2]]
    """
    # Bounds on the work that a text of nothing but brackets makes. Chosen: more than any answer that was asked for has.
    text, most_tries = text[:200_000], 50
    decoder = json.JSONDecoder()
    at = 0
    for _ in range(most_tries):
        start = min((found for found in (text.find("{", at), text.find("[", at)) if found >= 0), default=-1)
        if start < 0:
            return
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
            continue
        yield value


def objects_with(text: str, *fields: str) -> list[dict[str, Any]]:
    """Return the JSON objects in a text that have one of some fields, in whatever they are wrapped.

    Example:
        >>> objects_with('A draft: {"steps": []}. The plan: {"plan": {"steps": [1]}}', "steps")
        [{'steps': []}, {'steps': [1]}]
    """
    return [found for value in json_in(text) for found in _objects_with(value, fields)]


def _objects_with(value: Any, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if any(field in mapping for field in fields):
            yield mapping
            return
        value = list(mapping.values())
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _objects_with(item, fields)


def problems_of(error: ValidationError) -> list[str]:
    """Return what pydantic finds wrong with an answer, with the place of each problem."""
    return [": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"]))) for one in error.errors()]
