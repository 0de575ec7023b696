"""What a view may quote: the lines of its sources, and which of them are neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, LLMMessage

from ..display import clip
from ..forms.passages import passages
from ..messages.groups import split

HANDLE = re.compile(r'expand_context\("([0-9a-f]+)"(?:, \d+, \d+)?\)')
"""What names a handle in a mark."""

_MARK = re.compile(r"…|\[image left out\]|\[.*expand_context\(.*")
"""A row of a view that says that something is missing there."""

_LABEL_CHARS = 90


def quotable_texts(message: LLMMessage) -> list[str]:
    """Return every text of a message that a view may quote lines of; of a call its arguments.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> quotable_texts(UserMessage(content="Hello", source="user"))
        ['Hello']
    """
    if isinstance(message, FunctionExecutionResultMessage):
        return [result.content for result in message.content]
    if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
        return [call.arguments for call in message.content]
    if isinstance(message.content, str):
        return [message.content]
    return [part for part in message.content if isinstance(part, str)]


class Source:
    """The lines of some messages, as they are and in compact notation.

    Args:
        messages: The messages.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> source = Source([UserMessage(content="one\\ntwo\\nthree", source="user")])
        >>> "two" in source, source.has_neighbours("one", "three")
        (True, False)
    """

    def __init__(self, messages: Sequence[LLMMessage]) -> None:
        parts = [text for message in messages for text in quotable_texts(message)]
        self.compact: set[str] = set()
        self.labels: set[str] = set()
        for group in split(messages):
            for passage in passages(group):
                self.compact.add(passage.text())
                parts += [line.text for line in passage.lines]
                parts += [passage.text(), passage.label]
                self.labels.add(clip(passage.label, _LABEL_CHARS))
        self._lines = {line.strip() for part in parts for line in part.splitlines()}
        self._all = "\n".join(parts)
        self._rows = "\n\0\n".join("\n".join(_rows(part)) for part in parts)

    def __contains__(self, line: str) -> bool:
        return line in self._lines or line in self._all

    def has_neighbours(self, above: str, below: str) -> bool:
        """Return whether the second row follows the first one in a text; blank rows aside."""
        return f"{above}\n{below}" in self._rows


def is_mark(line: str) -> bool:
    """Return whether a line, without the spaces around it, is a gap sign or says what is missing.

    Example:
        >>> is_mark("…"), is_mark("[shortened: 1 of 2 lines]"), is_mark("one")
        (True, True, False)
    """
    return line == "…" or line.startswith("[")


def false_neighbours(text: str, sources: Sequence[Source], *, labelled: bool = False) -> Iterator[str]:
    """Yield a fault for rows that stand together though they are neighbours in no source.

    Args:
        text: What a view quotes.
        sources: What it may quote.
        labelled: Whether the rows of each source come below the label of who said them.
    """
    labels = {label for source in sources for label in source.labels} if labelled else set[str]()
    for above, below in pairwise(_rows(text)):
        if _MARK.fullmatch(above) or _MARK.fullmatch(below):
            continue
        if any(above == f"{label}:" or below.startswith(f"{label}:") for label in labels):
            continue
        if not any(source.has_neighbours(above, below) for source in sources):
            yield f"no neighbours: {above!r}, {below!r}"


def _rows(text: str) -> list[str]:
    return [row.rstrip() for row in text.splitlines() if row.strip()]
