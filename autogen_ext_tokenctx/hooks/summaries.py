"""When a context has its history summarised, and which summary a compaction gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autogen_core.models import ChatCompletionClient, FunctionExecutionResultMessage, LLMMessage

from ..context.summary import ContextSummarizer, Summary
from ..context.summary_runner import RollingSummary
from ..tokens.budget import TokenBudget
from ..tokens.counting import TokenCounter
from .fold import begins_with

_KEPT = 0.5
"""Share of a compaction's target that the newest messages fill which no summary covers yet: they mostly stay in the
view as they are."""


def checked_summarizer(summarizer: ContextSummarizer | None) -> ContextSummarizer | None:
    """``summarizer`` as it is.

    Raises:
        TypeError: It is the model client that a summariser needs, not a summariser.
    """
    if isinstance(summarizer, ChatCompletionClient):
        raise TypeError("summarizer takes a summariser, not its model client: summarizer=ContextSummarizer(client)")
    return summarizer


class Summaries:
    """The summaries of one context's history: one between two compactions, begun before the second.

    Args:
        summarizer: Makes them.
        counter: Counts tokens.
    """

    def __init__(self, summarizer: ContextSummarizer, counter: TokenCounter) -> None:
        self._summarizer = summarizer
        self._counter = counter
        self._rolling = RollingSummary(summarizer)
        self._of: Sequence[LLMMessage] = ()
        self._is_ready = False

    @property
    def standing(self) -> Summary | None:
        """The summary in force."""
        return self._rolling.standing

    def consider(self, history: Sequence[LLMMessage], tokens: int, budget: TokenBudget) -> None:
        """Begins the next summary where the view comes near its budget; returns at once.

        Args:
            history: The history.
            tokens: Tokens of its view.
            budget: What the view may cost.
        """
        if self._summarizer.wait or tokens < self._summarizer.start_at * budget.available or self._is_ready:
            return
        self._is_ready = self._rolling.finished() is not None
        if not self._is_ready and not self._rolling.is_running:
            self._start(history, budget)

    async def for_compaction(self, history: Sequence[LLMMessage], budget: TokenBudget) -> Summary | None:
        """The summary that a compaction of the history gets; None when there is none yet."""
        if self._summarizer.wait:
            self._start(history, budget)
            try:
                await self._rolling.wait()
            except asyncio.CancelledError:  # the agent's: nobody wants its summary any more
                self.cancel()
                raise
        else:
            self._rolling.finished()
            self._check(history)
        self._is_ready = False
        return self._rolling.standing

    def restore(self, standing: Summary, history: Sequence[LLMMessage]) -> None:
        """Goes on from a summary that was saved.

        Raises:
            ValueError: The history is shorter than what it covers.
        """
        if standing.covers > len(history):
            raise ValueError(f"the saved summary covers {standing.covers} messages, there are {len(history)}")
        self._of = tuple(history[: standing.covers])
        self._rolling.reset(standing)

    def cancel(self) -> None:
        """Gives up the summary in the making."""
        self._rolling.cancel()

    async def close(self) -> None:
        """Gives up the summary in the making, and sees it end."""
        await self._rolling.close()

    def _start(self, history: Sequence[LLMMessage], budget: TokenBudget) -> None:
        self._check(history)
        end = self._end(history, budget)
        if end > len(self._of) or self.standing is None:
            covered = history[:end]
            if self._rolling.start(covered):
                self._of = tuple(covered)

    def _check(self, history: Sequence[LLMMessage]) -> None:
        """A summary of another history is of no use."""
        if not begins_with(history, self._of):
            self._of = ()
            self._rolling.reset()

    def _end(self, history: Sequence[LLMMessage], budget: TokenBudget) -> int:
        """How many of the messages to summarise: those before the newest ones, and no tool exchange in part."""
        left = int(_KEPT * budget.target_tokens)
        end = len(history)
        while end and left > 0:
            end -= 1
            left -= self._counter.count_message(history[end])
        while end and isinstance(history[end], FunctionExecutionResultMessage):
            end -= 1
        return end
