"""What holds for every view, each as an object that lists where a view breaks it.

What is broken about a history is repaired where it is read (messages/groups.py), and order and marks follow from how a
view is written (context/view.py); these objects only check. `ContextManager` checks the ones in its `VERIFIED` at each
fit, since a provider refuses what breaks them; the tests check all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from ..forms.compressor import DIGEST_SOURCE
from ..forms.form import Form
from ..messages.calls import is_call
from ..messages.groups import STRAY_SOURCE, MessageGroup, repair, same_objects, split
from ..messages.turns import alternates, turns_of
from ..tokens.counting import TokenCounter
from .dialogue import ANSWERED_TOKENS
from .quotations import HANDLE, Expand, Source, is_told, quotable_texts
from .report import FitResult
from .request import FitRequest

_MARKS_TOKENS = ANSWERED_TOKENS + 30
"""The mark of an answer, and the block that brings it back, about."""

_EMPTY_MARK_TOKENS = 16
"""What stands for a history of nothing but empty messages may cost so many tokens more than it."""


class Invariant(Protocol):
    """Something that holds for every view."""

    @property
    def name(self) -> str:
        """Return what it is called in warnings."""
        ...

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where a view breaks it, in words; nothing where it holds."""
        ...


@dataclass(frozen=True)
class WithinBudget:
    """The whole request fits, and the report says what it costs (G1)."""

    counter: TokenCounter
    name: str = "budget"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        counted = self.counter.count_request(result.messages, request.tools)
        found: list[str] = []
        if counted > request.budget.available:
            found.append(f"{counted} tokens for {request.budget.available}")
        if counted != result.report.tokens_after:
            found.append(f"{counted} tokens, the report says {result.report.tokens_after}")
        return found


@dataclass(frozen=True)
class Pairs:
    """Every tool result follows its call, and every call has its results before the next other message (G2)."""

    name: str = "pairs"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        return list(unpaired(result.messages))


def unpaired(messages: Sequence[LLMMessage]) -> Iterator[str]:
    """Yield what a provider would refuse of the calls and results of a request."""
    open_calls: set[str] = set()
    for message in messages:
        if isinstance(message, FunctionExecutionResultMessage):
            if not message.content:
                yield "a result message without a result"
            for result in message.content:
                if result.call_id not in open_calls:
                    yield f"a result without its call: {result.call_id}"
                open_calls.discard(result.call_id)
            continue
        if open_calls:
            yield f"calls without results: {', '.join(sorted(open_calls))}"
            open_calls = set()
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            ids = [call.id for call in message.content]
            if not ids:
                yield "a tool-calling message without calls"
            if not all(ids):
                yield "an empty call id"
            if len(set(ids)) < len(ids):
                yield "a call id used twice"
            open_calls = set(ids)
    if open_calls:
        yield f"calls without results: {', '.join(sorted(open_calls))}"


@dataclass(frozen=True)
class PinnedStay:
    """System messages of the head, the first task and the newest message are there, shortened at most (G3)."""

    name: str = "pinned"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        sendable, view = repair(request.messages), result.messages
        found = [*_lost_rules(sendable, view)]
        users = [message for message in sendable if isinstance(message, UserMessage) and message.source != STRAY_SOURCE]
        kept = [message for message in view if isinstance(message, UserMessage) and message.source != DIGEST_SOURCE]
        if users and not any(stands_for(message, users[0]) for message in kept):
            found.append("the first task is gone")
        if sendable:
            newest = next(group for group in reversed(split(request.messages)) if group.messages)
            is_there = bool(view) and view[-1] == sendable[-1]
            if not is_there and not _is_newest(view[-len(newest.messages) :], newest):
                found.append("the newest message is gone")
        return found


def _lost_rules(sendable: Sequence[LLMMessage], view: Sequence[LLMMessage]) -> Iterator[str]:
    """Yield the system messages of the head that a view lacks a line of."""
    shown = "\n".join(message.content for message in view if isinstance(message, SystemMessage))
    is_prompt = all(isinstance(message, SystemMessage) for message in sendable)
    for message in sendable[:-1] if is_prompt else sendable:
        if not isinstance(message, SystemMessage):
            return
        if not all(line.strip() in shown for line in message.content.splitlines()):
            yield f"a system message is gone: {message.content[:40]!r}"


def _is_newest(shown: Sequence[LLMMessage], newest: MessageGroup) -> bool:
    """Return whether the end of a view stands for the newest group."""
    if is_told(shown, newest.messages):
        return HANDLE.search("\n".join(text for message in shown for text in quotable_texts(message))) is not None
    if len(shown) != len(newest.messages):
        return False
    compact = Source(newest.messages).compact

    def is_compact(message: LLMMessage, original: LLMMessage) -> bool:
        changed = set(quotable_texts(message)) - set(quotable_texts(original))
        return message.type == original.type and compact.issuperset(changed)

    pairs = zip(shown, newest.messages, strict=True)
    return all(is_compact(message, original) or stands_for(message, original) for message, original in pairs)


def stands_for(message: LLMMessage, original: LLMMessage) -> bool:
    """Return whether a message of a view is the original, or says of itself that it is shorter."""
    if message == original or (is_call(message) and _values(message) == _values(original)):
        return True
    if message.type != original.type:
        return False
    texts = quotable_texts(message)
    return any(map(HANDLE.search, texts)) or not Source([original]).compact.isdisjoint(texts)


def _values(message: LLMMessage) -> list[object]:
    """Return the arguments of all calls, however they are written."""
    return [json.loads(text) for text in quotable_texts(message)] if is_call(message) else []


@dataclass(frozen=True)
class Untouched:
    """Under the trigger a history that needs no repair comes back as the same objects, with no steps (G5)."""

    name: str = "untouched"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        messages = request.messages
        if result.report.tokens_before > request.budget.trigger_tokens or repair(messages) != list(messages):
            return []
        if not same_objects(messages, result.messages):
            return ["messages were changed without need"]
        return ["there are steps though nothing was done"] if result.report.steps else []


@dataclass(frozen=True)
class NothingLost:
    """Whatever left the view comes back word for word (G6)."""

    expand: Expand
    name: str = "nothing lost"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        handles = {step.group: step.handle for step in result.report.steps}
        return [
            f"group {group.index} does not come back"
            for group in split(request.messages)
            if group.index in handles and tuple(self.expand(handles[group.index])) != group.originals
        ]


@dataclass(frozen=True)
class Useful:
    """A view is never empty, nor longer than the history, and no form is longer than what it shortens (G7)."""

    counter: TokenCounter
    name: str = "useful"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        report = result.report
        found: list[str] = []
        if bool(result.messages) != bool(request.messages):
            found.append("the view is empty")
        for step in report.steps:
            shorter = step.tokens_after < step.tokens_before
            if step.form in (Form.COMPACT, Form.EXTRACT, Form.PLACEHOLDER) and not shorter:
                found.append(f"group {step.group} did not get shorter")
            if step.form in (Form.DIGEST, Form.EVICTED) and step.tokens_after > step.tokens_before:
                found.append(f"group {step.group} got longer")
        whole = self.counter.count_request(repair(request.messages), request.tools) + _EMPTY_MARK_TOKENS
        if report.tokens_after > max(report.tokens_before, whole):
            found.append(f"{report.tokens_after} tokens instead of {whole}")
        return found


@dataclass(frozen=True)
class RequestStays:
    """What the agent works on is there, whole or with a beginning and an end of its own (G9)."""

    people: tuple[str, ...] = ()
    name: str = "current request"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        groups = split(request.messages)
        return [
            f"the current request is gone: group {place}"
            for place in turns_of(groups, self.people).request
            if not all(
                any(stands_for(shown, message) for shown in result.messages) for message in groups[place].messages
            )
        ]


@dataclass(frozen=True)
class DialogueStays:
    """No question stands without its answer or a mark in its place, where there are tokens for one (G10)."""

    people: tuple[str, ...] = ()
    name: str = "dialogue"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        groups = split(request.messages)
        if request.budget.available - result.report.tokens_after < _MARKS_TOKENS:
            return []  # what must be there leaves marks and the block they refer to no tokens
        if alternates(repair(request.messages)) and not alternates(result.messages):
            return ["the history has users and agents in turns, the view has not"]
        away = {step.group for step in result.report.steps if step.form in (Form.DIGEST, Form.EVICTED)}
        return [
            f"question {exchange.question} stands without its answer {exchange.answer}"
            for exchange in turns_of(groups, self.people).exchanges
            if exchange.answer in away and exchange.question not in away
        ]


@dataclass(frozen=True)
class InstructionsStay:
    """The standing instructions that the report names are there word for word (G14)."""

    name: str = "standing instructions"

    def violations(self, request: FitRequest, result: FitResult) -> list[str]:
        """Return where the view breaks it."""
        shown = "\n".join(text for message in result.messages for text in quotable_texts(message))
        return [f"not held: {one.text!r}" for one in result.report.instructions if one.text not in shown]


VERIFIED: tuple[Invariant, ...] = (Pairs(),)
"""What is checked at each fit."""
