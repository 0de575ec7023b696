"""Messages as text for people, and what changed between two of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
)
from rich.text import Text

from .output import plain

_LONG_LINE = 160
"""Longer lines are compared sentence by sentence."""

_SENTENCE = re.compile(r"(?<=[.!?;,…])\s+")
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def rendered(messages: Sequence[LLMMessage]) -> str:
    """Messages as text, each under a line that says who says it.

    Example:
        >>> print(rendered([SystemMessage(content="Be brief.")]))
        system:
        Be brief.
    """
    return "\n\n".join("\n".join(_parts(message)) for message in messages)


def as_json(messages: Sequence[LLMMessage]) -> list[dict[str, Any]]:
    """Messages as JSON values."""
    return [message.model_dump(mode="json") for message in messages]


def difference(before: str, after: str) -> list[str]:
    """What changed between two texts, as the lines of a unified diff, long lines sentence by sentence.

    Example:
        >>> difference("a\\nb", "a")[-2:]
        [' a', '-b']
    """
    return list(difflib.unified_diff(_lines(before), _lines(after), "before", "after", lineterm="", n=2))


def coloured(lines: Sequence[str]) -> Text:
    """A diff for a terminal."""
    text = Text()
    for entry in lines:
        text.append(f"{plain(entry)}\n", _DIFF_STYLES.get(entry[:1], ""))
    return text


def _parts(message: LLMMessage) -> Iterator[str]:
    if isinstance(message, FunctionExecutionResultMessage):
        for result in message.content:
            yield from _result(result)
        return
    yield "system:" if isinstance(message, SystemMessage) else f"{message.source}:"
    if isinstance(message, AssistantMessage) and message.thought:
        yield f"(thought) {message.thought}"
    if isinstance(message.content, str):
        yield message.content
        return
    for part in message.content:
        if isinstance(part, FunctionCall):
            yield f"calls {part.name} {part.arguments}"
        else:
            yield part if isinstance(part, str) else f"[image, {part.image.width} x {part.image.height}]"


def _result(result: FunctionExecutionResult) -> Iterator[str]:
    yield f"{'error' if result.is_error else 'result'} of {result.name}:"
    yield result.content


def _lines(text: str) -> list[str]:
    found: list[str] = []
    for row in text.splitlines():
        found.extend(_SENTENCE.split(row) if len(row) > _LONG_LINE else [row])
    return found
