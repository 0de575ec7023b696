"""The features of a group: what scoring it and choosing its form need to know, worked out once from its content."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Container, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple

from autogen_core import FunctionCall
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from ..forms.compressor import GroupCompressor
from ..forms.line import Line
from ..forms.noise import Noise
from ..forms.passages import Passage, Slot, SlotKind
from ..messages.groups import MessageGroup
from ..messages.instructions import Instruction, instructions_in
from ..messages.turns import is_transcript
from ..tokens.counting import TokenCounter
from .terms import is_identifier, terms, terms_of, written

# No measurement is on record for the numbers below, unless they name one.

_MESSAGE_TOKENS, _MARK_TOKENS, _IMAGE_MARK_TOKENS = 4, 24, 5
"""What a message, a mark with its handle, and the mark of an evicted picture cost, about; views are counted exactly."""

_PICTURE_TERMS = terms("image picture photo screenshot")
"""What a picture may be called: a message with one is found by these words, too."""

_READ_CHARS = 4_000
"""So much of the beginning and of the end of a user message is read for instructions: more is a pasted text."""

_BINDS = 0.5
"""A sentence of such a score is taken for an instruction."""

_ANY_HANDLE = "0" * 8
"""Stands in compact forms for the handle, which is known only when a view is written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A line that can be kept or left out; a picture is one without words."""

    passage: int
    line: int  # number in the passage; -1 for its label
    requires: int  # segment without which it says nothing (a table's header, the label); -1 for none
    tokens: int  # about
    words: tuple[str, ...]  # distinct terms
    ids: tuple[str, ...]  # keys of one thing: identifiers, long numbers, dates, addresses, paths
    numbers: tuple[str, ...]  # other ones
    names: tuple[str, ...]  # of several words
    rule: bool  # a person gives a standing instruction
    odd: float = 0.0  # bits of surprise that such a line stands among the others of its text
    kind: SlotKind = "content"


def with_required(segments: Sequence[Segment], number: int, kept: Container[int] = ()) -> tuple[int, ...]:
    """Return a segment after those without which it says nothing, as far as they are not kept."""
    chain: list[int] = []
    while number >= 0 and number not in kept:
        chain.append(number)
        number = segments[number].requires
    return tuple(reversed(chain))


class Matched(NamedTuple):
    """A text that is matched against a query by itself."""

    counts: Counter[str]
    tokens: int  # about
    is_thought: bool = False  # said beside calls


@dataclass(frozen=True, slots=True)
class GroupFeatures:
    """One group's costs and contents."""

    tokens: int  # in full, exactly
    compact: tuple[LLMMessage, ...] | None  # None where it has no cheaper compact form
    compact_tokens: int  # exactly; ``tokens`` where there is no compact form
    placeholder_tokens: int  # in its place with no line kept, about
    passages: tuple[Passage, ...]
    segments: tuple[Segment, ...]
    counts: Counter[str]  # of terms
    thoughts: Counter[str]  # the part of ``counts`` that an agent says beside its calls
    distinct: tuple[str, ...]  # terms
    noise: frozenset[Noise] = frozenset()  # kinds in its text; the compact form has marks for them
    instructions: tuple[Instruction, ...] = ()  # sentences of a user message, with how likely each binds

    def matched(self) -> tuple[Matched, ...]:
        """Return its texts that are matched against a query: a long result must not hide what is said beside it."""
        if not self.thoughts:
            return (Matched(self.counts, self.tokens),)
        said = sum(segment.tokens for segment in self.segments if segment.kind == "thought")
        rest = Matched(self.counts - self.thoughts, max(1, self.tokens - said))
        return Matched(self.thoughts, said, is_thought=True), rest


class FeatureCache:
    """Features of groups by content, of the ``size`` groups used last."""

    def __init__(self, counter: TokenCounter, compressor: GroupCompressor, size: int = 3_000) -> None:
        self._counter = counter
        self._compressor = compressor
        self._size = size
        self._known: OrderedDict[Hashable, GroupFeatures] = OrderedDict()
        self._lock = Lock()

    def get(self, group: MessageGroup, tokens: int | None = None) -> GroupFeatures:
        """Return the group's features; ``tokens`` are those of the group in full, where they are known."""
        with self._lock:
            found = self._known.get(group.key)
            if found is not None:
                self._known.move_to_end(group.key)
                return found
        if tokens is None:
            tokens = sum(map(self._counter.count_message, group.messages))
        found = self._profile(group, tokens)  # two threads may both do this; that is no harm
        with self._lock:
            self._known[group.key] = found
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return found

    def _profile(self, group: MessageGroup, tokens: int) -> GroupFeatures:
        read = self._compressor.read(group)
        compact = self._compressor.compact(group, read, _ANY_HANDLE)
        compact_tokens = sum(map(self._counter.count_message, compact)) if compact else tokens
        if compact_tokens >= tokens:
            compact, compact_tokens = None, tokens
        pictures = {passage.slot: self._picture_tokens(group, passage.slot) for passage in read if _is_picture(passage)}
        texts = [passage for passage in read if not _is_picture(passage)]
        chars = sum(len(line.text) + 1 for passage in texts for line in passage.lines)
        body = max(1, compact_tokens - _MESSAGE_TOKENS * len(group.messages) - sum(pictures.values()))
        rate = min(1.0, body / max(1, chars))
        said = tuple(_instructions(group.head))
        rules = [found.text for found in said if found.score >= _BINDS]
        segments: list[Segment] = []
        counts: Counter[str] = Counter()
        thoughts: Counter[str] = Counter()
        for number, passage in enumerate(read):
            if _is_picture(passage):
                counts.update(_PICTURE_TERMS)
                tokens_of = pictures[passage.slot]
                segments.append(Segment(number, 0, -1, tokens_of, (), (), (), (), False, kind="image"))
                continue
            is_thought = passage.slot.kind == "thought"
            _add_passage(segments, thoughts if is_thought else counts, passage, number, rate, rules)
        counts.update(thoughts)
        marked = sum(  # a text that is shorter than a mark stands as it is
            _MARK_TOKENS if passage.slot.kind != "thought" else min(_MARK_TOKENS, int(rate * len(passage.text())))
            for passage in texts
        )
        marked += _IMAGE_MARK_TOKENS * len(pictures)
        placeholder = _MESSAGE_TOKENS * len(group.messages) + marked + _call_chars(group, read) // 4
        noise = frozenset[Noise]().union(*(passage.noise for passage in read)) if compact else frozenset[Noise]()
        return GroupFeatures(
            tokens,
            compact,
            compact_tokens,
            placeholder,
            read,
            tuple(segments),
            counts,
            thoughts,
            tuple(counts),
            noise,
            said,
        )

    def _picture_tokens(self, group: MessageGroup, slot: Slot) -> int:
        """Return what a picture adds to its message."""
        message = group.messages[slot.message]
        assert isinstance(message, UserMessage)
        alone = message.model_copy(update={"content": [message.content[slot.item]]})
        empty = message.model_copy(update={"content": []})
        return self._counter.count_message(alone) - self._counter.count_message(empty)


def rewritten(features: GroupFeatures, text: str) -> GroupFeatures:
    """Return the features of a group of one text that is quoted as a shorter one; costs of the whole stay."""
    passage = replace(features.passages[0], lines=(Line(text),))
    chars = sum(len(line.text) + 1 for line in features.passages[0].lines)
    segments: list[Segment] = []
    _add_passage(segments, Counter(), passage, 0, min(1.0, features.compact_tokens / max(1, chars)))
    return replace(features, passages=(passage,), segments=tuple(segments))


def _instructions(message: LLMMessage) -> Iterator[Instruction]:
    """Yield the sentences of a user message; of a very long one those of its beginning and end."""
    if not isinstance(message, UserMessage) or is_transcript(message):
        return
    for part in [message.content] if isinstance(message.content, str) else message.content:
        if not isinstance(part, str):
            continue
        if len(part) <= 2 * _READ_CHARS:
            yield from instructions_in(part)
        else:
            yield from instructions_in(part[:_READ_CHARS])
            yield from instructions_in(part[-_READ_CHARS:])


def _is_picture(passage: Passage) -> bool:
    return passage.slot.kind == "image"


def _call_chars(group: MessageGroup, read: Sequence[Passage]) -> int:
    """Return the characters of a group's calls that are no lines of it."""
    head = group.messages[0] if group.is_exchange else None
    if not isinstance(head, AssistantMessage):
        return 0
    lines = {passage.slot.item for passage in read if passage.slot.kind == "arguments"}
    calls = [call for call in head.content if isinstance(call, FunctionCall)]
    return sum(len(call.name) + (0 if item in lines else len(call.arguments)) for item, call in enumerate(calls))


def _add_passage(
    segments: list[Segment],
    counts: Counter[str],
    passage: Passage,
    number: int,
    rate: float,  # tokens of a character
    rules: Sequence[str] = (),
) -> None:
    """Add the segments of a passage to those of its group, the label first, and their terms to the counts."""
    label = len(segments)
    kind = passage.slot.kind
    for position, line in enumerate((Line(passage.label), *passage.lines), -1):
        is_label = position < 0
        words = written(line.text)
        found = terms_of(words)
        counts.update(found)
        ids, numbers = ((), ()) if is_label else facts(line.text, words)
        # in order of the text, not in sets: what sums over them gives must not differ from one process to the next
        segments.append(
            Segment(
                number,
                position,
                requires=-1 if is_label else label if line.header < 0 else label + 1 + line.header,
                tokens=int(len(line.text) * (0.25 if is_label else rate)) + 2,
                words=tuple(dict.fromkeys(found)),
                ids=tuple(ids),
                numbers=tuple(numbers),
                names=() if is_label and kind != "result" else tuple(names(line.text)),  # that of a result is the call
                rule=not is_label and any(said in line.text for said in rules),
                odd=line.odd,
                kind=kind,
            )
        )


_NAME = re.compile(r"\b[A-Z][\w’'-]{1,40}(?:[ ](?:(?:of|the|de|and|&|for|in|to)[ ]){0,2}[A-Z][\w’'-]{1,40}){1,5}")


def names(text: str) -> list[str]:
    """Return the names of more than one word: of people, places, works, headings."""
    return list(dict.fromkeys(_NAME.findall(text)))


def facts(text: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the identifiers of a text, and its other numbers, without the names of fields."""
    ids: dict[str, None] = {}
    numbers: dict[str, None] = {}
    for word in [word for word in words if not word.isalpha() or word.isupper()]:
        bare = word.lower()
        if bare.isalpha():
            if len(bare) > 4:
                ids[bare] = None
            continue
        digits = sum(map(str.isdigit, bare))
        if len(bare) < 3 or (digits < 2 and f"{word}: " in text):
            continue
        if is_identifier(bare):
            ids[bare] = None
        elif digits:
            numbers[bare] = None
    return list(ids), list(numbers)
