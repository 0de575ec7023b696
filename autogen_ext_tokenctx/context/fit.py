"""One fit: a history, read and counted, and the view that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from time import perf_counter
from typing import NamedTuple

from autogen_core.models import LLMMessage, SystemMessage, UserMessage

from ..display import clip
from ..errors import BudgetTooSmallError
from ..forms.compressor import GroupCompressor, label_of
from ..forms.form import FitStep, Form, Level
from ..messages.archive import ContextArchive
from ..messages.groups import STRAY_SOURCE, MessageGroup
from ..retrieval.index import HistoryIndex
from ..selection.instructions import SHARE
from ..selection.knapsack import Allocation
from ..selection.prioritizer import PrioritizedContext
from ..selection.quality import quality
from ..selection.scope import NOTE, Scope
from ..summary.summarizer import SUMMARY_SOURCE, Summary
from ..tokens.counting import TokenCounter
from ..warn import WarnOnce
from .compaction import Compaction
from .report import UNWEIGHED, FitReport, FitResult
from .request import FitRequest
from .view import ViewBuilder


class Fit:
    """One fit of one request, over its history as it was read."""

    def __init__(
        self,
        request: FitRequest,
        history: HistoryIndex,
        counter: TokenCounter,
        compressor: GroupCompressor,
        archive: ContextArchive,
        warn: WarnOnce,
    ) -> None:
        self._started = perf_counter()
        self._request = request
        self._history = history
        self._counter = counter
        self._compressor = compressor
        self._archive = archive
        self._warn = warn
        self._overhead = counter.count_request((), request.tools)
        self._whole = _Whole.of(history, request.messages, counter)

    @property
    def is_within_trigger(self) -> bool:
        """Return whether the history can be sent as it is."""
        return self._overhead + self._whole.tokens <= self._request.budget.trigger_tokens

    def untouched(self) -> FitResult:
        """Return the history as it can be sent, and a report of what had to be repaired for that."""
        steps = [self._repair_step(group) for group in self._history.groups if group.repaired]
        if self._whole.messages and not any(group.messages for group in self._history.groups):
            why = "a request must not be empty"
            steps.append(FitStep(-1, STRAY_SOURCE, Form.REPAIRED, 0, self._whole.tokens, why))
        level = Level.LOSSLESS if steps else Level.NONE
        categories = {UNWEIGHED: (self._history.tokens, self._whole.tokens)}
        report = self._report(self._whole.tokens, level, tuple(steps), len(self._history.groups), categories)
        return FitResult(list(self._whole.messages), report)

    def newest(self) -> FitResult:
        """Return the system messages of the head and the newest groups that fit whole: simple, so surely right."""
        groups, sizes = self._history.groups, self._history.sizes
        limit = self._request.budget.available - self._overhead
        head = sum(1 for _ in takewhile(lambda group: isinstance(group.head, SystemMessage), groups))
        kept = set(range(head))
        tokens = sum(sizes[:head])
        for group in reversed(groups[head:]):
            if group.messages and tokens + sizes[group.index] > limit:
                break
            kept.add(group.index)
            tokens += sizes[group.index]
        newest = next((group.index for group in reversed(groups) if group.messages), head)
        if tokens > limit or newest not in kept:
            needed = self._overhead + self._request.budget.reserve + sum(sizes[:head]) + sizes[newest]
            raise BudgetTooSmallError(self._request.budget.limit, needed, ["the newest messages"])
        steps: list[FitStep] = []
        for group in groups:
            if group.index not in kept:
                handle = self._archive.put(group.originals)
                why = "the view that was made could not be sent"
                steps.append(FitStep(group.index, label_of(group), Form.EVICTED, sizes[group.index], 0, why, handle))
            elif group.repaired:
                steps.append(self._repair_step(group))
        messages = [message for number in sorted(kept) for message in groups[number].messages]
        report = self._report(tokens, _level(self._whole.tokens, tokens), tuple(steps), len(groups), {})
        return FitResult(messages, replace(report, compacted=True))

    def compacted(self, context: PrioritizedContext, scope: Scope, summary: Summary | None) -> FitResult:
        """Return the view that the forms of all groups make; a summary stands among them for the first ones."""
        builder = ViewBuilder(
            self._counter, self._compressor, self._archive, scope, expandable=self._request.expandable
        )
        compaction = Compaction(context, builder, self._request.budget, self._overhead)
        view, allocation = compaction.solve()
        steps = builder.steps(view, compaction.reasons)
        self._warn_of(compaction.instructions.missed)
        is_lossless = view.is_lossless(compaction.repeats) and not scope.not_considered
        level = Level.LOSSLESS if is_lossless else _level(self._whole.tokens, view.tokens)
        if summary is not None:
            level, steps = Level.SUMMARY, (self._summary_step(summary), *steps)
        groups = len(self._history.groups)
        report = self._report(view.tokens, level, steps, groups, _by_category(allocation, scope))
        return FitResult(
            view.messages,
            replace(
                report,
                relevance=allocation.relevance_kept(),
                quality=quality(context, allocation.choices.values(), sum(size for _, size in scope.not_considered)),
                compacted=any(step.form is not Form.REPAIRED for step in steps),
                instructions=compaction.instructions.held,
            ),
        )

    def _warn_of(self, missed: Sequence[str]) -> None:
        """Warn of instructions for which there are no tokens."""
        if missed:
            others = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
            self._warn(
                "instructions",
                f"standing instructions take more than {SHARE:.0%} of what is available, {clip(missed[0], 80)!r}"
                f"{others} may be left out: raise the budget, or pin what must stay with context.pin(message)",
            )

    def _report(
        self,
        tokens: int,
        level: Level,
        steps: tuple[FitStep, ...],
        groups: int,
        categories: dict[str, tuple[int, int]],
    ) -> FitReport:
        return FitReport(
            budget=self._request.budget.limit,
            tokens_before=self._overhead + self._history.tokens,
            tokens_after=self._overhead + tokens,
            level=level,
            steps=steps,
            seconds=perf_counter() - self._started,
            groups=groups,
            reserve=self._request.budget.reserve,
            categories=categories,
        )

    def _summary_step(self, summary: Summary) -> FitStep:
        after = self._counter.count_message(summary.message())
        why = f"stands for {summary.covers} messages"
        return FitStep(-1, SUMMARY_SOURCE, Form.SUMMARY, summary.tokens_before, after, why)

    def _repair_step(self, group: MessageGroup) -> FitStep:
        before, after = (sum(map(self._counter.count_message, part)) for part in (group.originals, group.messages))
        handle = self._archive.put(group.originals)
        return FitStep(group.index, label_of(group), Form.REPAIRED, before, after, group.repaired, handle)


class _Whole(NamedTuple):
    """A history as it can be sent: what is broken is repaired, and a mark stands for messages that are all empty."""

    messages: Sequence[LLMMessage]
    tokens: int

    @classmethod
    def of(cls, history: HistoryIndex, messages: Sequence[LLMMessage], counter: TokenCounter) -> _Whole:
        if not any(group.repaired for group in history.groups):
            return cls(messages, sum(history.sizes))
        sendable = [message for group in history.groups for message in group.messages]
        if sendable:
            return cls(sendable, sum(history.sizes))
        mark = UserMessage(content=f"[{len(messages)} empty messages]", source=STRAY_SOURCE)
        return cls([mark], counter.count_message(mark))


def _level(before: int, after: int) -> Level:
    return Level.LIGHT if 2 * after > before else Level.STRONG


def _by_category(allocation: Allocation, scope: Scope) -> dict[str, tuple[int, int]]:
    """Return the tokens in the history and in the view, by category; of what was not looked at under one of its own."""
    found = {UNWEIGHED: (sum(size for _, size in scope.not_considered), 0)} if scope.not_considered else {}
    for choice in allocation.choices.values():
        if choice.scored.group.index == NOTE:
            continue
        before, after = found.get(choice.scored.category.value, (0, 0))
        tokens = choice.scored.profile.tokens
        found[choice.scored.category.value] = before + tokens, after + min(tokens, choice.cost)
    return found
