"""The guarantees of a fit, each as a check of its own over (history, budget, result)."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import ClassVar

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.report import FitResult
from autogen_ext_tokenctx.display import clip
from autogen_ext_tokenctx.forms.compressor import DIGEST_SOURCE
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.forms.passages import passages
from autogen_ext_tokenctx.messages.groups import STRAY_SOURCE, is_call, message_key, repair, split
from autogen_ext_tokenctx.messages.turns import is_transcript

HANDLE = re.compile(r'expand_context\("([0-9a-f]+)"(?:, \d+, \d+)?\)')

_MARK = re.compile(r"…|\[image left out\]|\[.*expand_context\(.*")
"""A row of a view that says that something is missing there."""


def texts(message: LLMMessage) -> list[str]:
    """Every text of a message."""
    if isinstance(message, FunctionExecutionResultMessage):
        return [result.content for result in message.content]
    if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
        return [call.arguments for call in message.content]
    if isinstance(message.content, str):
        return [message.content]
    return [part for part in message.content if isinstance(part, str)]


def check_budget(manager: ContextManager, budget: int, result: FitResult) -> None:
    """G1: the whole request fits, and the report tells the truth about it."""
    counted = manager.counter.count_request(result.messages)
    assert counted <= budget
    assert result.report.tokens_after == counted


def check_pairs(view: Sequence[LLMMessage]) -> None:
    """G2: as a provider checks it."""
    open_calls: set[str] = set()
    for message in view:
        if isinstance(message, FunctionExecutionResultMessage):
            assert message.content, "a result message without a result"
            for result in message.content:
                assert result.call_id in open_calls, "a result without its call"
                open_calls.remove(result.call_id)
            continue
        assert not open_calls, "a call without its result"
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            ids = [call.id for call in message.content]
            assert ids, "a tool-calling message without calls"
            assert all(ids), "an empty id"
            assert len(ids) == len(set(ids)), "an id used twice"
            open_calls = set(ids)
    assert not open_calls, "a call without its result"


def check_pinned(history: Sequence[LLMMessage], view: Sequence[LLMMessage]) -> None:
    """G3: system messages, the first user task, the newest message."""
    sendable = repair(history)
    said = "\n".join(message.content for message in view if isinstance(message, SystemMessage))
    head = True
    for message in sendable:
        if isinstance(message, SystemMessage):
            if head:
                assert all(line.strip() in said for line in message.content.splitlines()), "a system message is gone"
        else:
            head = False
    users = [message for message in sendable if isinstance(message, UserMessage) and message.source != STRAY_SOURCE]
    kept = [message for message in view if isinstance(message, UserMessage) and message.source != DIGEST_SOURCE]
    if users:
        assert kept, "the task is gone"
        assert any(_same_or_shortened(message, users[0]) for message in kept), "the task is gone"
    if sendable:
        newest = next(group for group in reversed(split(history)) if group.messages)
        compact = Said.by(newest.messages).compact
        shown = view[-len(newest.messages) :]
        if _is_told(shown, newest.messages):
            assert HANDLE.search("\n".join(text for message in shown for text in texts(message)))
            return
        for message, original in zip(shown, newest.messages, strict=True):
            compacted = message.type == original.type and compact.issuperset(set(texts(message)) - set(texts(original)))
            assert compacted or _same_or_shortened(message, original), "the newest message is gone"


def _is_told(shown: Sequence[LLMMessage], originals: Sequence[LLMMessage]) -> bool:
    """Whether a tool exchange became text, message by message."""
    return len(shown) == len(originals) and is_call(originals[0]) and all(map(is_transcript, shown))


def _same_or_shortened(message: LLMMessage, original: LLMMessage) -> bool:
    if message == original or (is_call(message) and _values(message) == _values(original)):
        return True
    compact = Said.by([original]).compact
    return message.type == original.type and any(HANDLE.search(text) or text in compact for text in texts(message))


def _values(message: LLMMessage) -> list[object]:
    """The arguments of all calls, however they are written."""
    return [json.loads(text) for text in texts(message)] if is_call(message) else []


def check_order(manager: ContextManager, history: Sequence[LLMMessage], result: FitResult) -> None:
    """G4: what stays is in order; nothing is invented; what is shortened says so and can be had back."""
    groups = split(history)
    shortened = {step.group: step for step in result.report.steps}
    left = list(result.messages)
    for group in groups:
        if not left:
            break
        step = shortened.get(group.index)
        if step is not None and step.form in (Form.EVICTED, Form.DIGEST):
            continue
        if left and isinstance(left[0], UserMessage) and left[0].source == DIGEST_SOURCE:
            _check_digest(manager, left.pop(0), history)
        own = left[: len(group.messages)]
        del left[: len(group.messages)]
        assert len(own) == len(group.messages)
        if step is None or step.form is Form.REPAIRED:
            assert tuple(own) == group.messages
        else:
            _check_shortened(manager, own, group.messages, step.form)
    if left:
        assert len(left) == 1
        last = left[0]
        assert isinstance(last, UserMessage)
        if last.source == DIGEST_SOURCE:
            _check_digest(manager, last, history)


class Said:
    """What some messages say, as it is and in compact notation, for a quick look whether a line is in it."""

    _known: ClassVar[dict[Hashable, Said]] = {}

    def __init__(self, messages: Sequence[LLMMessage]) -> None:
        parts = [text for message in messages for text in texts(message)]
        self.compact: set[str] = set()
        self.labels: set[str] = set()
        for group in split(messages):
            for passage in passages(group):
                self.compact.add(passage.text())
                parts += [line.text for line in passage.lines]
                parts += [passage.text(), passage.label]
                self.labels.add(clip(passage.label, 90))
        self._lines = {line.strip() for part in parts for line in part.splitlines()}
        self._all = "\n".join(parts)
        self._rows = "\n\0\n".join("\n".join(_rows(part)) for part in parts)

    @classmethod
    def by(cls, messages: Sequence[LLMMessage]) -> Said:
        """The same messages are read once."""
        key = tuple(map(message_key, messages))
        if key not in cls._known:
            cls._known[key] = cls(messages)
        return cls._known[key]

    def __contains__(self, line: str) -> bool:
        return line in self._lines or line in self._all

    def has_neighbours(self, above: str, below: str) -> bool:
        """Whether the second row follows the first one in a text; blank rows aside."""
        return f"{above}\n{below}" in self._rows


def _rows(text: str) -> list[str]:
    return [row.rstrip() for row in text.splitlines() if row.strip()]


def check_neighbours(text: str, sources: Sequence[Said], *, labelled: bool = False) -> None:
    """Part of G4: rows that stand together are neighbours in one source, or a mark is between them.

    Args:
        text: What a view quotes.
        sources: What it may quote.
        labelled: Whether the rows of each source come below the label of who said them.
    """
    labels = {label for said in sources for label in said.labels} if labelled else set[str]()
    for above, below in pairwise(_rows(text)):
        if _MARK.fullmatch(above) or _MARK.fullmatch(below):
            continue
        if any(above == f"{label}:" or below.startswith(f"{label}:") for label in labels):
            continue
        assert any(said.has_neighbours(above, below) for said in sources), f"no neighbours: {above!r}, {below!r}"


def _check_shortened(
    manager: ContextManager, own: Sequence[LLMMessage], originals: Sequence[LLMMessage], form: Form
) -> None:
    said = Said.by(originals)
    if _is_told(own, originals):
        _check_told(manager, own, said)
        return
    for message, original in zip(own, originals, strict=True):
        assert message.type == original.type
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            assert isinstance(original, AssistantMessage)
            calls = [call for call in original.content if isinstance(call, FunctionCall)]
            assert message.content == calls, "a call that nobody made"
            continue
        for text in texts(message):
            if text in texts(original) or text in said.compact:
                continue
            if form in (Form.EXTRACT, Form.PLACEHOLDER):
                handles = HANDLE.findall(text)
                assert handles or text == "[image left out]", text
                assert all(manager.expand(handle) for handle in handles)
            for line in text.splitlines():
                bare = line.strip()
                assert bare == "…" or bare.startswith("[") or bare in said, f"invented: {bare!r}"
            check_neighbours(text, [said])


def _check_told(manager: ContextManager, own: Sequence[LLMMessage], said: Said) -> None:
    """A tool exchange as text: where it is from, how to get it back, and nothing that was not said."""
    told = "\n".join(text for message in own for text in texts(message))
    handles = HANDLE.findall(told)
    assert handles, told
    assert all(manager.expand(handle) for handle in handles)
    for line in told.splitlines():
        bare = line.strip()
        thought = bare.partition(": ")[2]
        mark = bare == "…" or bare.startswith("[") or thought.startswith("[")
        assert mark or bare in said or thought in said, f"invented: {bare!r}"


def _check_digest(manager: ContextManager, block: LLMMessage, history: Sequence[LLMMessage]) -> None:
    text = texts(block)[0]
    handle = HANDLE.search(text)
    assert handle
    assert manager.expand(handle.group(1))
    said = [Said.by(group.messages) for group in split(history)]
    for line in text.splitlines()[1:]:
        bare = line.strip()
        tails = [bare, *(bare[match.end() :] for match in re.finditer(": ", bare))]
        label = bare.endswith((":", ")", "…"))
        assert label or any(tail in one for tail in tails for one in said), f"invented: {bare!r}"
    check_neighbours(text, said, labelled=True)


def check_untouched(
    history: Sequence[LLMMessage], before: Sequence[LLMMessage], result: FitResult, budget: int
) -> None:
    """G5: nothing stored is mutated; under the trigger the view is the history and the report has no steps."""
    assert list(history) == list(before)
    if result.report.tokens_before <= budget and repair(history) == list(history):
        assert all(one is other for one, other in zip(result.messages, history, strict=True))
        assert result.report.steps == ()


def check_nothing_lost(manager: ContextManager, history: Sequence[LLMMessage], result: FitResult) -> None:
    """G6: what left the view comes back word for word."""
    changed = {step.group: step.handle for step in result.report.steps}
    for group in split(history):
        if group.index in changed:
            assert tuple(manager.expand(changed[group.index])) == group.originals


def check_useful(manager: ContextManager, history: Sequence[LLMMessage], budget: int, result: FitResult) -> None:
    """G7: never empty, never longer than what it shortens, and the budget is used."""
    assert bool(result.messages) == bool(history)
    for step in result.report.steps:
        if step.form in (Form.COMPACT, Form.EXTRACT, Form.PLACEHOLDER):
            assert step.tokens_after < step.tokens_before
        elif step.form in (Form.DIGEST, Form.EVICTED):
            assert step.tokens_after <= step.tokens_before
    assert result.report.tokens_after <= max(
        result.report.tokens_before, manager.counter.count_request(repair(history)) + 16
    )
