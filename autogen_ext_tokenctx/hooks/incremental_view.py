"""A fitted view that grows with its history, so that most calls need no fit and keep the start of the view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from autogen_core.models import FunctionExecutionResultMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema

from ..context.report import FitReport
from ..forms.form import Form
from ..messages.calls import MOST_BETWEEN, answers, is_call, open_calls, split_open_call
from ..messages.groups import begins_with, common_prefix, repair, same_objects, split
from ..messages.turns import SPACER, Turn, alternates
from ..models.profiles import PromptCache
from ..retrieval.recall import Recalled
from ..tokens.counting import TokenCounter


@dataclass(frozen=True, slots=True)
class TurnRecall:
    """What one turn recalls, looked for once, so that the block stays as it is while the turn lasts."""

    turn: Turn | None  # the turn; None when there is none
    place: int  # number of the message of the view before which the block stands
    found: Recalled | None  # the block; None when there is none
    spacer: int = 0  # tokens of what stands between the block and a user message, in a history of turns; 0 for none

    def moved(self, more: int) -> TurnRecall:
        """Return the same for a view and a history with so many messages more at their head."""
        turn = self.turn and Turn(self.turn.start + more, self.turn.newest + more)
        return replace(self, turn=turn, place=self.place + more if self.found else self.place)

    def restored(self, view: Sequence[LLMMessage], counter: TokenCounter) -> TurnRecall:
        """Return the same for a view that was saved with it, counted anew."""
        if not 0 <= self.place <= len(view) or _is_result(view[self.place : self.place + 1]):
            raise ValueError(f"a block cannot stand before message {self.place} of the saved view")
        if self.found is None:
            return self
        step = replace(self.found.step, tokens_after=counter.count_message(self.found.message))
        return replace(self, found=replace(self.found, step=step))


@dataclass(frozen=True, slots=True)
class IncrementalView:
    """A view, and the first messages of the history that it stands for."""

    # the first messages of the history. They end with a whole group, never with an open tool call
    covered: tuple[LLMMessage, ...]
    view: tuple[LLMMessage, ...]  # what stands for them in a request
    report: FitReport  # what the fit that made the view did, its token counts kept up to date
    settings: str  # the budget and task the fit worked with; a view made with others does not serve
    # what the newest turn recalls. It is given out beside the view and is never part of it
    recalled: TurnRecall | None = None
    added: tuple[int, int] = (0, 0)  # tokens that came since the view was made, and in how many calls
    beside: int = 0  # tokens of the report that are of tools and reply priming

    @property
    def growth(self) -> float:
        """Return the tokens that came with a call, on average."""
        tokens, calls = self.added
        return tokens / calls if calls else 0.0

    @property
    def recalled_tokens(self) -> int:
        """Return the tokens of what is recalled."""
        if self.recalled is None or self.recalled.found is None:
            return 0
        return self.recalled.found.step.tokens_after + self.recalled.spacer

    @property
    def is_compacted(self) -> bool:
        """Return whether the view differs from what it stands for."""
        return not same_objects(self.view, self.covered)

    def extended(
        self, history: Sequence[LLMMessage], counter: TokenCounter
    ) -> tuple[IncrementalView, Sequence[LLMMessage]] | None:
        """Return the view with what a history holds beyond it, and an open call at its end; None if that cannot be."""
        known = self
        if not begins_with(history, self.covered):
            # system messages at the head may have changed (a clock, retrieved memory): the new ones take their place
            headed = self._with_head(history, counter)
            if headed is None or not begins_with(history, headed.covered):
                return None
            known = headed
        new = history[len(known.covered) :]
        if _answers_one_given_up(known.covered[-2 * MOST_BETWEEN :], new[:MOST_BETWEEN]):
            return None
        # an open call is given out with a placeholder result and not remembered
        closed, still_open = split_open_call(new)
        return known.plus(closed, counter), still_open

    def _with_head(self, history: Sequence[LLMMessage], counter: TokenCounter) -> IncrementalView | None:
        """Return the view with the system messages that a history begins with; None when it cannot have them."""
        # What the view shows of the old ones has to be all of them as they were: else they were shortened for room.
        old, new = head_of(self.covered), head_of(history)
        if len(old) == len(self.covered) or not begins_with(self.view, old):
            return None
        more = len(new) - len(old)
        tokens = sum(map(counter.count_message, new)) - sum(map(counter.count_message, old))
        report = self.report.with_unweighed(tokens, more)
        steps = tuple(
            replace(step, group=step.group + more) if step.group >= len(old) else step for step in report.steps
        )
        return replace(
            self,
            covered=(*new, *self.covered[len(old) :]),
            view=(*new, *self.view[len(old) :]),
            report=replace(report, steps=steps),
            recalled=self.recalled and self.recalled.moved(more),
        )

    def plus(self, messages: Sequence[LLMMessage], counter: TokenCounter) -> IncrementalView:
        """Return the view with messages that came after what it covers."""
        if not messages:
            return self
        repaired = repair(messages)
        tokens = sum(counter.count_message(message) for message in repaired)
        report = self.report.with_unweighed(tokens, len(split(messages)))
        return replace(
            self,
            covered=(*self.covered, *messages),
            view=(*self.view, *repaired),
            report=report,
            added=(self.added[0] + tokens, self.added[1] + 1),
        )

    def with_beside(self, tokens: int) -> IncrementalView:
        """Return the view in a request whose tools and reply priming cost so many tokens."""
        more = tokens - self.beside
        if not more:
            return self
        report = replace(
            self.report, tokens_before=self.report.tokens_before + more, tokens_after=self.report.tokens_after + more
        )
        return replace(self, report=report, beside=tokens)

    def without_newest(self, counter: TokenCounter) -> IncrementalView:
        """Return the view without a user message at its end that stands there whole, unless nothing else is there."""
        newest = self.covered[-1]
        if len(self.covered) < 2 or not isinstance(newest, UserMessage) or self.view[-1] is not newest:
            return self
        tokens = counter.count_message(newest)
        report = self.report.with_unweighed(-tokens, -1)
        return replace(self, covered=self.covered[:-1], view=self.view[:-1], report=report)

    @property
    def shortens_newest(self) -> bool:
        """Return whether the newest message is not in the view with all that it says."""
        newest = self.report.groups - 1
        lossless = (Form.FULL, Form.COMPACT, Form.REPAIRED)
        return any(step.group == newest and step.form not in lossless for step in self.report.steps)

    def recalling(self, turn: Turn | None, found: Recalled | None, counter: TokenCounter) -> IncrementalView:
        """Return the view with what a turn of the history recalls."""
        if turn is None or found is None:
            return replace(self, recalled=TurnRecall(turn, 0, None))
        place = self._place(turn.start)
        is_between = place < len(self.view) and isinstance(self.view[place], UserMessage)
        spacer = counter.count_message(SPACER) if is_between and alternates(self.covered) else 0
        return replace(self, recalled=TurnRecall(turn, place, found, spacer))

    def given(self) -> tuple[list[LLMMessage], FitReport]:
        """Return what a call gets: the view with what is recalled in its place, and the report of both."""
        if self.recalled is None or self.recalled.found is None:
            return list(self.view), self.report
        place, found = self.recalled.place, self.recalled.found
        tokens = self.report.tokens_after + self.recalled_tokens
        report = replace(self.report, tokens_after=tokens, steps=(*self.report.steps, found.step))
        spacer = [SPACER] if self.recalled.spacer else []
        return [*self.view[:place], found.message, *spacer, *self.view[place:]], report

    def _place(self, start: int) -> int:
        """Return where what stands for the history from a message on begins in the view."""
        away = {step.group for step in self.report.steps if step.form in (Form.DIGEST, Form.EVICTED)}
        tail = split(self.covered[start:])
        first = self.report.groups - len(tail)
        return len(self.view) - sum(len(group.messages) for group in tail if first + group.index not in away)


def head_of(messages: Sequence[LLMMessage]) -> tuple[LLMMessage, ...]:
    """Return the system messages at the head."""
    return tuple(takewhile(lambda message: isinstance(message, SystemMessage), messages))


def _answers_one_given_up(covered: Sequence[LLMMessage], new: Sequence[LLMMessage]) -> bool:
    """Return whether a result comes for a call that was given up, since others spoke meanwhile."""
    last = next((n for n in range(len(covered) - 1, -1, -1) if is_call(covered[n])), None)
    return last is not None and answers(new, open_calls(covered[last:]))


def _is_result(messages: Sequence[LLMMessage]) -> bool:
    return any(isinstance(message, FunctionExecutionResultMessage) for message in messages)


_CHANGED_HEAD = (
    "the system message is not that of the request before, so the provider's cache cannot serve what comes after it: "
    "say what changes at each call (the time, retrieved memory) in the newest user message"
)


class SentPrefix:
    """The last request of one agent."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._messages: Sequence[LLMMessage] = ()
        self._tokens = 0
        self._tools: list[Any] = []
        self.broken = ""
        """Why the last request does not begin as the one before, where a caller can help it; "" where none does."""

    def served(
        self, messages: Sequence[LLMMessage], tokens: int, tools: Sequence[Tool | ToolSchema], cache: PromptCache
    ) -> int:
        """Return the tokens of a request that the provider's cache can serve, at best; it is the last one now."""
        before, self._messages = self._messages, messages
        tokens_before, self._tokens = self._tokens, tokens
        tools_before, self._tools = self._tools, list(tools)
        self.broken = ""
        if not before:
            return 0
        if head_of(before) != head_of(messages):
            self.broken = _CHANGED_HEAD
        if tools_before != self._tools:
            return 0
        same = common_prefix(before, messages)
        # what is not the same any more is less to count, and mostly nothing
        return cache.cached_tokens(tokens_before - sum(map(self._counter.count_message, before[same:])))
