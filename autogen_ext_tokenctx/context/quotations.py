"""What a view may quote: the lines of its sources, and which of them are neighbours; and whether it keeps to that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, LLMMessage, UserMessage

from ..forms.compressor import ANSWERED, DIGEST_SOURCE, IMAGE_LEFT_OUT
from ..forms.form import Form
from ..forms.passages import passages
from ..messages.calls import is_call
from ..messages.groups import MessageGroup, split
from ..messages.quoting import FRAGMENTS, GAP, is_row, one_line
from ..messages.turns import SPACER, is_transcript
from .report import FitResult
from .request import FitRequest

Expand = Callable[[str], Sequence[LLMMessage]]
"""What gives the originals of a handle back."""


HANDLE = re.compile(r'expand_context\("([0-9a-f]+)"(?:, \d+, \d+)?\)')
"""What names a handle in a mark."""

_CALL = r'expand_context\("[0-9a-f]{8,64}"(?:, \d{1,9}, \d{1,9})?\)'

_MARK = re.compile(
    rf"…|\[image omitted\]|\[(?:\d{{1,9}} (?:of \d{{1,9}} )?lines? omitted|omitted: [^\[\]:]{{1,200}})(?:: {_CALL})?\]"
)
"""A row of a text in its place that says that something is missing there."""

_HEAD = re.compile(
    rf"\[(?:Excerpts of \d{{1,9}} earlier messages?|\d{{1,9}} earlier messages? omitted|Retrieved from earlier messages"
    rf"|Images from an earlier message of [^\n]{{1,120}}?)(?:: {_CALL})?\]"
)
"""A row of a block of quotations that is none."""


def quotable_texts(message: LLMMessage) -> list[str]:
    """Return every text of a message that a view may quote lines of; of a call its arguments."""
    if isinstance(message, FunctionExecutionResultMessage):
        return [result.content for result in message.content]
    if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
        return [call.arguments for call in message.content]
    if isinstance(message.content, str):
        return [message.content]
    return [part for part in message.content if isinstance(part, str)]


class Source:
    """The lines of some messages, as they are and in compact notation."""

    def __init__(self, messages: Sequence[LLMMessage]) -> None:
        parts = [text for message in messages for text in quotable_texts(message)]
        self.compact: set[str] = set()
        self.labels: set[str] = set()
        for group in split(messages):
            for passage in passages(group):
                self.compact.add(passage.text())
                parts += [line.text for line in passage.lines]
                parts += [passage.text(), passage.label]
                self.labels.add(one_line(passage.label))
        self._lines = {line.strip() for part in parts for line in part.splitlines()}
        self._parts = parts
        self._all = "\n".join(parts)
        self._rows = "\n\0\n".join("\n".join(_rows(part)) for part in parts)

    def __contains__(self, line: str) -> bool:
        return line in self._lines or line in self._all

    def has_fragments(self, row: str) -> bool:
        """Return whether a row is pieces of one of the texts in their order, with signs of gaps between them."""
        pieces = row.split(FRAGMENTS)
        return len(pieces) > 1 and any(_in_order(pieces, text) for text in self._parts)

    def has_neighbours(self, above: str, below: str) -> bool:
        """Return whether the second row follows the first one in a text; blank rows aside."""
        return f"{above}\n{below}" in self._rows


def _in_order(pieces: Sequence[str], text: str) -> bool:
    at = 0
    for piece in pieces:
        at = text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def is_mark(line: str) -> bool:
    """Return whether a line, without the spaces around it, is a gap sign or says what is missing."""
    return _MARK.fullmatch(line) is not None


def misquoted(text: str, sources: Sequence[Source]) -> Iterator[str]:
    """Yield a fault for each row of a block of quotations that is not what the one it names said."""
    by_label: dict[str, list[Source]] = {}
    for source in sources:
        for label in source.labels:
            by_label.setdefault(label, []).append(source)
    named: list[Source] = []
    for row in text.split("\n"):
        said = row
        if row == GAP or _HEAD.fullmatch(row):
            continue
        if not (row.startswith(" ") or is_row(row)):
            ends = (match.start() for match in re.finditer(":(?: |$)", row))
            label = next((row[:end] for end in ends if row[:end] in by_label), None)
            if label is None:
                yield f"nobody said {row!r}"
                continue
            named, said = by_label[label], row[len(label) + 1 :]
        said = said.strip()
        if said not in ("", GAP) and not any(said in source or source.has_fragments(said) for source in named):
            yield f"invented: {row!r}"


def false_neighbours(text: str, sources: Sequence[Source], *, labelled: bool = False) -> Iterator[str]:
    """Yield a fault for rows that stand together though they are neighbours in no source."""
    # below the label of who said them the rows of each source begin anew
    labels = {label for source in sources for label in source.labels} if labelled else set[str]()
    for above, below in pairwise(_rows(text)):
        if _MARK.fullmatch(above) or _MARK.fullmatch(below):
            continue
        if any(above == f"{label}:" or below.startswith(f"{label}:") for label in labels):
            continue
        pairs = list(product({above, above.removeprefix(" ")}, {below, below.removeprefix(" ")}))  # quoted are indented
        if not any(source.has_neighbours(*pair) for source in sources for pair in pairs):
            yield f"no neighbours: {above!r}, {below!r}"


def _rows(text: str) -> list[str]:
    return [row.rstrip() for row in text.splitlines() if row.strip()]


def is_told(shown: Sequence[LLMMessage], originals: Sequence[LLMMessage]) -> bool:
    """Return whether a tool exchange became text, message by message."""
    return len(shown) == len(originals) and is_call(originals[0]) and all(map(is_transcript, shown))


@dataclass
class OrderAndTruth:
    """What stays is in order, nothing is invented, and what is shortened says so and can be had back (G4)."""

    expand: Expand
    name: str = "order"
    _expandable: bool = True
    _sources: dict[int, tuple[MessageGroup, Source]] = field(default_factory=dict[int, tuple[MessageGroup, Source]])

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        self._expandable = request.expandable
        return list(self._violations(split(request.messages), result))

    def _violations(self, groups: Sequence[MessageGroup], result: FitResult) -> Iterator[str]:
        steps = {step.group: step for step in result.report.steps}
        left = list(_joined(result.messages))
        for group in groups:
            messages = tuple(_joined(group.messages))
            step = steps.get(group.index)
            if not left or (step is not None and step.form in (Form.EVICTED, Form.DIGEST)):
                continue
            if _is_digest(left[0]):
                yield from self._digest(left.pop(0), groups)
                if left and left[0] == SPACER:
                    del left[0]
            if messages and is_told(left[: len(group.messages)], group.messages):
                messages = group.messages
            own = left[: len(messages)]
            del left[: len(messages)]
            if step is None or step.form is Form.REPAIRED:
                if tuple(own) != messages:
                    yield f"group {group.index} is not where it was"
            elif len(own) != len(messages):
                yield f"group {group.index} has lost messages"
            else:
                yield from self._shortened(own, messages, group, step.form)
        if left and _is_digest(left[0]):
            yield from self._digest(left.pop(0), groups)
        if left:
            yield f"{len(left)} messages that no group has"

    def _source(self, group: MessageGroup) -> Source:
        if id(group) not in self._sources:
            self._sources[id(group)] = group, Source(group.messages)  # the group is held, so that its id stays its own
        return self._sources[id(group)][1]

    def _shortened(
        self, own: Sequence[LLMMessage], originals: Sequence[LLMMessage], group: MessageGroup, form: Form
    ) -> Iterator[str]:
        source = self._source(group)
        if is_told(own, originals):
            yield from self._told(own, source)
            return
        for message, original in zip(own, originals, strict=True):
            if message.type != original.type:
                yield f"group {group.index} changed its type"
            elif getattr(message, "source", "") != getattr(original, "source", ""):
                yield f"group {group.index} is said by somebody else"
            elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
                if message.content != original.content:
                    yield f"a call that nobody made in group {group.index}"
            else:
                for text in quotable_texts(message):
                    if text not in quotable_texts(original) and text not in source.compact:
                        yield from self._text(text, source, form)

    def _text(self, text: str, source: Source, form: Form) -> Iterator[str]:
        if text in (IMAGE_LEFT_OUT, ANSWERED):
            return
        if form in (Form.EXTRACT, Form.PLACEHOLDER):
            yield from self._handles(text)
        for line in map(str.strip, text.splitlines()):
            if not is_mark(line) and line not in source:
                yield f"invented: {line!r}"
        yield from false_neighbours(text, [source])

    def _told(self, own: Sequence[LLMMessage], source: Source) -> Iterator[str]:
        """Yield the faults of a tool exchange as text."""
        told = "\n".join(text for message in own for text in quotable_texts(message))
        yield from self._handles(told)
        for line in map(str.strip, told.splitlines()):
            thought = line.partition(": ")[2]
            if not (is_mark(line) or thought.startswith("[") or line in source or thought in source):
                yield f"invented: {line!r}"

    def _digest(self, block: LLMMessage, groups: Sequence[MessageGroup]) -> Iterator[str]:
        text = quotable_texts(block)[0]
        yield from self._handles(text)
        sources = [self._source(group) for group in groups]
        yield from misquoted(text, sources)
        yield from false_neighbours(text, sources, labelled=True)

    def _handles(self, text: str) -> Iterator[str]:
        """Yield a fault where nothing brings back what a text lacks."""
        handles = HANDLE.findall(text)
        is_told = not self._expandable and any(is_mark(row) or _HEAD.fullmatch(row) for row in text.splitlines())
        if not (handles or is_told) or not all(self.expand(handle) for handle in handles):
            yield f"nothing brings back what is missing in {text[:60]!r}"


def _joined(messages: Iterable[LLMMessage]) -> Iterator[LLMMessage]:
    """Yield messages with results that come in messages of their own put together: that is the same to a provider."""
    results: list[FunctionExecutionResultMessage] = []
    for message in messages:
        if isinstance(message, FunctionExecutionResultMessage):
            results.append(message)
            continue
        yield from _as_one(results)
        results.clear()
        yield message
    yield from _as_one(results)


def _as_one(results: Sequence[FunctionExecutionResultMessage]) -> Sequence[LLMMessage]:
    if len(results) < 2:
        return list(results)
    return [FunctionExecutionResultMessage(content=[result for message in results for result in message.content])]


def _is_digest(message: LLMMessage) -> bool:
    return isinstance(message, UserMessage) and message.source == DIGEST_SOURCE
