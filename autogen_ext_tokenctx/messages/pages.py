"""Archived messages as numbered lines, which an agent reads in pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
)

from .calls import results_in

# A page names the lines it shows ("lines 50-99 of 200"), the handle they are under, and the call that goes on. So the
# result of such a call is never wrapped again: wherever it is shortened or left out, the mark names the lines that the
# page shows, under the handle that they have already.

# Names of the tools that give pages, and that look for words in what left the views.
EXPAND_TOOL, SEARCH_TOOL = "expand_context", "search_context"

# What stands before a piece that goes on in the line before it.
GOES_ON = "↪ "

# A longer line is cut to pieces of at most so many bytes of UTF-8, some 75 tokens of English and never over 300, so
# that a line fits into the smallest page.
_PIECE_BYTES = 300

# Call arguments up to so many characters stand in the head or label of their result, longer ones have lines of their
# own: three or four short values. Chosen, not measured.
SHORT_ARGUMENTS = 240

_PAGE = re.compile(r'\[expand_context\("([0-9a-f]{8,64})"\): lines (\d{1,9})-(\d{1,9}) of \d{1,9}')


class PageLine(NamedTuple):
    """A line of archived messages, or a piece of one."""

    text: str  # with a sign before it where it goes on in the line before
    part: int  # number of the text it is from: a message's content, arguments, or result
    head: str  # who said that text, or what it answers
    found: bool  # whether it is of a text that SEARCH_TOOL gave, which quotes other messages


class Shown(NamedTuple):
    """The lines that a page shows."""

    handle: str
    first: int
    last: int

    @property
    def call(self) -> str:
        """Return the call that gives them."""
        return expand_call(*self)


def expand_call(handle: str, first: int | None = None, last: int | None = None) -> str:
    """Return the call that gives what is under a handle, as it stands in marks."""
    return f'{EXPAND_TOOL}("{handle}"{"".join(f", {line}" for line in (first, last) if line is not None)})'


def shown_by(result: FunctionExecutionResult) -> Shown | None:
    """Return which lines a tool result shows, if it is a page; None if it is none."""
    found = _PAGE.match(result.content) if result.name == EXPAND_TOOL else None
    return Shown(found[1], int(found[2]), int(found[3])) if found else None


def is_paging(messages: Sequence[LLMMessage]) -> bool:
    """Return whether what came back in a tool exchange is pages and nothing else."""
    results = results_in(messages)
    return bool(results) and all(shown_by(result) is not None for result in results)


def page_lines(messages: Sequence[LLMMessage]) -> list[PageLine]:
    """Return messages as lines, each with who said it; pages among them as the call that gives them again."""
    return [
        PageLine(piece, part, head, head.startswith(f"{SEARCH_TOOL}("))
        for part, (head, text) in enumerate(_parts(messages))
        for line in text.split("\n")
        for piece in _pieces(line)
    ]


def page(
    handle: str,
    lines: Sequence[PageLine],
    start: int,
    end: int | None,
    *,
    tokens: int,
    count: Callable[[str], int],
) -> str:
    """Return the lines from `start`, from 1, to `end` that fit a page of some tokens, at least one, under a head."""
    total = len(lines)
    first = max(1, start)
    if first > total or (end is not None and end < first):
        return f"[there are no lines {start} to {'the end' if end is None else end}: {handle} has lines 1 to {total}]"
    out: list[str] = []
    part, last = -1, first - 1
    for line in lines[first - 1 : end]:
        added = [line.text] if line.part == part else [line.head, line.text]
        tokens -= sum(count(text) + 1 for text in added)
        if out and tokens < 0:
            break
        out += added
        part, last = line.part, last + 1
    goes_on = f"go on with {expand_call(handle, last + 1)}" if last < total else "this is the end"
    return "\n".join([f"[{expand_call(handle)}: lines {first}-{last} of {total}; {goes_on}]", *out])


def _parts(messages: Sequence[LLMMessage]) -> Iterator[tuple[str, str]]:
    """Yield each text with what stands above it."""
    calls: dict[str, str] = {}
    for message in messages:
        if isinstance(message, FunctionExecutionResultMessage):
            for result in message.content:
                shown = shown_by(result)
                text = f"[lines {shown.first}-{shown.last}: {shown.call}]" if shown else result.content
                yield f"{calls.get(result.call_id, result.name)} gave:", text
        elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            if message.thought:
                yield f"{message.source}:", message.thought
            for call in message.content:
                calls[call.id], text = _call(call)
                if text:
                    yield f"{message.source} called {call.name} with:", text
        elif isinstance(message, SystemMessage):
            yield "system:", message.content
        elif isinstance(message.content, str):
            yield f"{message.source}:", message.content
        else:
            for part in message.content:
                yield f"{message.source}:", part if isinstance(part, str) else "[image]"


def _call(call: FunctionCall) -> tuple[str, str]:
    """Return a call as the head of its result, and its arguments where they are too long for that."""
    if len(call.arguments) > SHORT_ARGUMENTS or "\n" in call.arguments:
        return call.name, call.arguments
    return f"{call.name}({call.arguments})", ""


def _pieces(line: str) -> Iterator[str]:
    """Yield a line as it is, or in pieces that are short, put apart at blanks where there are some."""
    if len(line) <= _PIECE_BYTES // 4 or len(line.encode("utf-8", "replace")) <= _PIECE_BYTES:
        yield line
        return
    start, sign = 0, ""
    while start < len(line):
        taken = line[start : start + _PIECE_BYTES].encode("utf-8", "replace")[:_PIECE_BYTES]
        end = start + max(1, len(taken.decode("utf-8", "ignore")))
        blank = line.rfind(" ", start + (end - start) // 2, end) + 1
        if blank and end < len(line):
            end = blank
        yield sign + line[start:end]
        start, sign = end, GOES_ON
