"""The shorter forms of a group, as messages.

Which lines a form keeps is decided elsewhere; here it is only written down: in place with a mark that says what is
missing and how to get it back, or as entries of the shared digest block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from ..messages.groups import MessageGroup
from ..messages.pages import expand_call, shown_by
from ..messages.quoting import GAP, one_line, quote_after, speaker, unmarked
from ..warn import warn
from .json import compact_json
from .line import Line, TextReader, fault_of
from .outline import text_lines
from .passages import Passage, Slot, built_in_lines, passages
from .transcript import transcript

DIGEST_SOURCE = "context_digest"
"""Source of the user message that holds the digest block."""

IMAGE_LEFT_OUT = "[image omitted]"

ANSWERED = "[answered]"
"""What stands for an answer, so that its question does not look open."""


@dataclass(frozen=True, slots=True)
class DigestEntry:
    """The lines of one passage that go into the digest block."""

    label: str  # who said it, or the call it answers
    lines: tuple[str, ...]  # with a sign between those that are no neighbours


READERS: tuple[TextReader, ...] = (compact_json, text_lines)
"""What reads texts by default: JSON, and any other text."""


class GroupCompressor:
    """Writes the shorter forms of messages.

    Args:
        readers: What reads texts, in this order, until one gives lines: how a text falls into lines decides what can be
            kept or left out on its own. A reader is a function (see `TextReader`); one that raises or gives no usable
            lines is passed over with one warning. `READERS` by default, JSON and any other text.

    Example:
        >>> from autogen_ext_tokenctx import READERS, ContextCompressor, Line
        >>> def read_csv(text):
        ...     head, *rows = text.split("\\n")
        ...     return [Line(head), *(Line(row, header=0) for row in rows)] if head.startswith("id,") else None
        >>> readers = [read_csv, *READERS]

        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext_tokenctx.messages.groups import split
        >>> text = "\\n".join(f"{name} has {name} things to do" for name in ("Ann", "Ben", "Cleo", "Dan", "Eve"))
        >>> group = split([UserMessage(content=text, source="planner")])[0]
        >>> compressor = ContextCompressor(readers)
        >>> print(compressor.extract(group, compressor.read(group), {0: {2}}, "c0ffee00")[0].content)
        …
        Cleo has Cleo things to do
        …
        [4 of 5 lines omitted: expand_context("c0ffee00")]
    """

    def __init__(self, readers: Sequence[TextReader] | None = None) -> None:
        self._readers = READERS if readers is None else tuple(readers)
        self._warned: set[TextReader] = set()

    @property
    def has_own_readers(self) -> bool:
        """Whether functions of the user's read texts."""
        return self._readers != READERS

    def read(self, group: MessageGroup) -> tuple[Passage, ...]:
        """Return the group's text as passages of lines."""
        return passages(group, self._lines)

    def _lines(self, text: str) -> Sequence[Line]:
        """Return what the first reader that knows a text makes of it."""
        for reader in self._readers:
            try:
                lines = reader(text)
                fault = None if lines is None else fault_of(lines, text)
            except Exception as error:
                lines, fault = None, f"raised {error!r}"
            if fault is None and lines is not None:
                return lines
            if fault is not None and reader not in self._warned:
                self._warned.add(reader)
                name = getattr(reader, "__name__", repr(reader))
                warn(f"text reader {name} {fault}; the next reader is asked: mend it or leave it out", RuntimeWarning)
        return built_in_lines(text)

    def compact(self, group: MessageGroup, read: Sequence[Passage], handle: str = "") -> tuple[LLMMessage, ...] | None:
        """Return the group with the same values in less notation, without noise; None where that changes nothing.

        Call arguments stay as they are: they are code's business.

        Args:
            group: The group.
            read: Its passages.
            handle: What brings the noise back; "" where who reads it has no tool for that.
        """
        texts: dict[Slot, str] = {}
        for passage in read:
            if passage.compact and passage.slot.kind != "arguments":
                texts[passage.slot] = _with_mark(passage, _by(group, passage.slot, handle))
        return _rewrite(group, texts) if texts else None

    def extract(
        self, group: MessageGroup, read: Sequence[Passage], kept: Mapping[int, Set[int]], handle: str
    ) -> tuple[LLMMessage, ...]:
        """Return the group in its place with some of its lines.

        Call arguments are never shortened: who repeats a call of its history must do what was done. An exchange whose
        arguments are not kept whole is told as text instead; see `transcript`.

        Args:
            group: The group.
            read: Its passages.
            kept: Numbers of the lines to keep, by number of the passage. A passage that is not in it keeps none.
            handle: What brings the whole back; "" where who reads it has no tool for that.

        Returns:
            As many messages, of the same types unless calls became text. Each text that lost lines says so, and names
            the handle.
        """
        texts: dict[Slot, str] = {}
        for number, passage in enumerate(read):
            lines = kept.get(number, frozenset[int]())
            if passage.slot.kind == "image":
                if not lines:
                    texts[passage.slot] = IMAGE_LEFT_OUT
                continue
            shorter = _shortened(passage, lines, _by(group, passage.slot, handle))
            if len(shorter) < len(passage.text()):
                texts[passage.slot] = shorter
            elif passage.compact and passage.slot.kind != "arguments":
                texts[passage.slot] = _with_mark(passage, _by(group, passage.slot, handle))
        if any(slot.kind == "arguments" for slot in texts):
            return transcript(group, texts)
        return _rewrite(group, texts)

    def answered(self, group: MessageGroup) -> LLMMessage:
        """Return what stands for an answer that left, in the name of who gave it; the shared block brings it back."""
        head = group.messages[-1]
        if isinstance(head, UserMessage):
            return UserMessage(content=ANSWERED, source=head.source)
        source = head.source if isinstance(head, AssistantMessage) else "assistant"
        return AssistantMessage(content=ANSWERED, source=source)

    def digest(self, entries: Sequence[DigestEntry], left_out: int, handle: str) -> UserMessage:
        """Return the shared block: the best lines of the groups that left their place, each with who said it.

        Args:
            entries: What is kept, in the order of the history.
            left_out: Number of messages that the block stands for, those with no line in it included.
            handle: What brings all of them back; "" where who reads it has no tool for that.
        """
        count = "1 earlier message" if left_out == 1 else f"{left_out} earlier messages"
        call = f": {expand_call(handle)}" if handle else ""
        head = f"[Excerpts of {count}{call}]" if entries else f"[{count} omitted{call}]"
        quotes = [quote_after(entry.label, "\n".join(entry.lines) or GAP) for entry in entries]
        return UserMessage(content="\n".join([head, *quotes]), source=DIGEST_SOURCE)


def join_kept(lines: Sequence[Line], kept: Set[int]) -> str:
    """Return the kept lines in order, with a sign at each gap."""
    before = [GAP] if kept and 0 not in kept else []
    after = [GAP] if len(lines) - 1 not in kept else []
    return "\n".join([*before, *_with_gaps(lines, kept), *after])


def quoted(lines: Sequence[Line], kept: Iterable[int]) -> tuple[str, ...]:
    """Return the kept lines away from their place, with a sign at each gap between two of them."""
    return tuple(text.rstrip() for text in _with_gaps(lines, kept))


def _with_gaps(lines: Sequence[Line], kept: Iterable[int]) -> list[str]:
    """Return the kept lines, with a sign between those that are no neighbours, and pieces of one line together."""
    out: list[str] = []
    last = -1
    for number in sorted(kept):
        line = lines[number]
        if out and number > last + 1:
            out.append(GAP)
        if line.continues and number == last + 1 and out:
            out[-1] += line.text
        else:
            out.append(line.text)
        last = number
    return out


def _by(group: MessageGroup, slot: Slot, handle: str) -> str:
    """Return how a mark names what brings a text back; of a page the lines it shows, which are archived already."""
    if not handle:
        return ""
    message = group.messages[slot.message]
    if isinstance(message, FunctionExecutionResultMessage):
        shown = shown_by(message.content[slot.item])
        if shown is not None:
            return f": {shown.call}"
    return f": {expand_call(handle)}"


def _with_mark(passage: Passage, by: str) -> str:
    """Return all of a passage's lines; where they have marks for noise, how to get it back."""
    if not passage.noise:
        return passage.text()
    return f"{unmarked(passage.text())}\n[omitted: {', '.join(sorted(passage.noise))}{by}]"


def _shortened(passage: Passage, kept: Set[int], by: str) -> str:
    """Return a passage's text with some of its lines; as long as the passage where none is missing."""
    lines = passage.lines
    if len(kept) == len(lines):
        return passage.text()
    rows = _rows(lines, range(len(lines)))
    if not kept:
        return f"[{_count(rows)} omitted{by}]"
    return f"{unmarked(join_kept(lines, kept))}\n[{rows - _rows(lines, kept)} of {_count(rows)} omitted{by}]"


def _rows(lines: Sequence[Line], numbers: Iterable[int]) -> int:
    """Return how many rows of the text some lines are: a line may be a block of rows, or a piece of one."""
    return sum(lines[number].text.count("\n") + (number == 0 or not lines[number].continues) for number in numbers)


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"


def _rewrite(group: MessageGroup, texts: Mapping[Slot, str]) -> tuple[LLMMessage, ...]:
    """Return the messages with other texts in some slots; copies where something changed, the objects elsewhere."""
    changed = {slot.message for slot in texts}
    return tuple(
        _rewritten(number, message, texts) if number in changed else message
        for number, message in enumerate(group.messages)
    )


def _rewritten(number: int, message: LLMMessage, texts: Mapping[Slot, str]) -> LLMMessage:
    update: dict[str, Any]
    if isinstance(message, FunctionExecutionResultMessage):
        slots = [Slot(number, item, "result") for item in range(len(message.content))]
        results = zip(slots, message.content, strict=True)
        update = {
            "content": [
                result.model_copy(update={"content": texts[slot]}) if slot in texts else result
                for slot, result in results
            ]
        }
    elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
        update = {"thought": texts[Slot(number, 0, "thought")]}
    elif isinstance(message, UserMessage) and not isinstance(message.content, str):
        parts = enumerate(message.content)
        kinds = ((Slot(number, item, "content" if isinstance(part, str) else "image"), part) for item, part in parts)
        update = {"content": [texts.get(slot, part) for slot, part in kinds]}
    else:
        update = {"content": texts[Slot(number, 0, "content")]}
    return message.model_copy(update=update)


def label_of(group: MessageGroup) -> str:
    """Return who and what a group is, in a few words, for reports."""
    head = group.head
    if isinstance(head, SystemMessage):
        return "system"
    if isinstance(head, FunctionExecutionResultMessage):
        return one_line("result of " + ", ".join(result.name for result in head.content[:3]))
    if isinstance(head, AssistantMessage) and not isinstance(head.content, str):
        return f"{speaker(head.source)}: " + one_line(", ".join(call.name for call in head.content[:3]))
    return speaker(head.source)
