"""Where the text of a group stands, and the lines it is made of.

A group's text sits in slots: the content of a message, the result of a call, the arguments of a call, a thought.
A passage is one slot's text as lines, the smallest pieces that can be kept or left out. A picture is a passage of one
line, which says its size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, cast

from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, SystemMessage, UserMessage

from ..display import clip
from ..messages.groups import MessageGroup
from ..messages.pages import SHORT_ARGUMENTS, shown_by
from ..messages.quoting import speaker
from .json import compact_json
from .line import Line, join
from .logs import MIN_LINES, oddities
from .noise import Noise, without_noise
from .outline import text_lines

SlotKind = Literal["content", "result", "arguments", "thought", "image"]

# No measurement is on record for the numbers below, unless they name one.

_MAX_LINES = 2_000
"""A text of more lines is taken in blocks of lines: bounds time, not choice."""

_MAX_ODD = 500
"""So many lines of a text may be odd: each is a line of its own, and of a very long text there are many."""

_LABEL_CHARS = 90
"""A label has so many characters at most, an argument in it half of them."""

_READ_ARGUMENTS = 20_000
"""Call arguments of more characters are not read for the label."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for text in a group."""

    message: int  # number in the group
    item: int  # number of the result, call or content part in the message
    kind: SlotKind


@dataclass(frozen=True, slots=True)
class Passage:
    """One slot's text as lines."""

    slot: Slot
    label: str  # who said it, or the call it answers; stands before it in the digest
    lines: tuple[Line, ...]
    compact: bool  # the lines are shorter than the text and hold the same values
    noise: frozenset[Noise] = frozenset()  # kinds in the text, of which the lines have marks only

    def text(self) -> str:
        """Return all lines put together."""
        return join(self.lines)


def passages(group: MessageGroup, read: Callable[[str], Sequence[Line]] | None = None) -> tuple[Passage, ...]:
    """Return the passages of a group, in the order in which they stand."""
    return tuple(_passages(group, read or built_in_lines))


def built_in_lines(text: str) -> list[Line]:
    """Return the lines of JSON in less notation, and those of any other text as it is."""
    lines = compact_json(text)
    return text_lines(text) if lines is None else lines


def call_values(arguments: str) -> str:
    """Return the argument values of a call, long ones cut; the arguments as they are where they are no JSON object."""
    values: Any = None
    if len(arguments) <= _READ_ARGUMENTS:
        with suppress(ValueError, RecursionError):
            values = json.loads(arguments)
    if not isinstance(values, dict):
        return arguments
    items = cast("dict[str, Any]", values).values()
    written = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in items)
    return ", ".join(clip(text, _LABEL_CHARS // 2) for text in written)


def _passages(group: MessageGroup, read: Callable[[str], Sequence[Line]]) -> Iterator[Passage]:
    labels: dict[str, str] = {}
    for number, message in enumerate(group.messages):
        if isinstance(message, FunctionExecutionResultMessage):
            for item, result in enumerate(message.content):
                slot, label = Slot(number, item, "result"), labels.get(result.call_id) or f"{speaker(result.name)}()"
                yield _passage(slot, label, result.content, read, is_page=shown_by(result) is not None)
        elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            if message.thought:
                yield _passage(Slot(number, 0, "thought"), speaker(message.source), message.thought, read)
            for item, call in enumerate(message.content):
                labels[call.id] = f"{speaker(call.name)}({clip(call_values(call.arguments), _LABEL_CHARS)})"
                if len(call.arguments) > SHORT_ARGUMENTS:
                    label = f"{speaker(message.source)} calls {call.name}"
                    yield _passage(Slot(number, item, "arguments"), label, call.arguments, read)
        elif isinstance(message, UserMessage) and not isinstance(message.content, str):
            for item, part in enumerate(message.content):
                if isinstance(part, str):
                    yield _passage(Slot(number, item, "content"), speaker(message.source), part, read)
                else:
                    line = Line(f"[image {part.image.width} x {part.image.height}]")
                    yield Passage(Slot(number, item, "image"), speaker(message.source), (line,), False)
        else:
            label = "system" if isinstance(message, SystemMessage) else speaker(message.source)
            yield _passage(Slot(number, 0, "content"), label, cast(str, message.content), read)


def _passage(
    slot: Slot, label: str, text: str, read: Callable[[str], Sequence[Line]], *, is_page: bool = False
) -> Passage:
    # a mark in arguments would be executed with them, and a page was asked for
    reads_noise = slot.kind in ("arguments", "thought") or is_page
    said, noise = (text, frozenset[Noise]()) if reads_noise else without_noise(text)
    whole = tuple(_blocks(_with_odd(list(read(said)))))
    if not join(whole).strip():  # colours of a terminal and nothing else, say: providers take no empty message
        whole = (Line(text),)
    return Passage(slot, label, whole, len(join(whole)) < len(text), noise)


def _with_odd(lines: list[Line]) -> list[Line]:
    """Return the lines, and of each that differs from the others how much."""
    if len(lines) < MIN_LINES:
        return lines
    alone = [number for number, line in enumerate(lines) if not line.continues]
    found = oddities([lines[number].text for number in alone])
    most = sorted(found, key=lambda number: (-found[number], number))[:_MAX_ODD]
    for number in most:
        lines[alone[number]] = replace(lines[alone[number]], odd=found[number])
    return lines


def _blocks(lines: list[Line]) -> Iterator[Line]:
    """Yield lines as they are, those of a very long text some at a time; what is odd stays a line of its own."""
    size = -(-len(lines) // _MAX_LINES)
    if size <= 1:
        yield from lines
        return
    block_of: list[int] = []
    starts: list[int] = []
    for number, line in enumerate(lines):
        if not starts or number - starts[-1] == size or line.odd or lines[number - 1].odd:
            starts.append(number)
        block_of.append(len(starts) - 1)
    for block, (start, end) in enumerate(pairwise([*starts, len(lines)])):
        first = lines[start]
        header = block_of[first.header] if first.header >= 0 else -1
        yield Line(join(lines[start:end]), header if header < block else -1, first.continues, first.odd)
