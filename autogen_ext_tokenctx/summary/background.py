"""When a context has its history summarised, in the background, and which summary a compaction gets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context

from autogen_core import ComponentModel
from autogen_core.models import ChatCompletionClient, FunctionExecutionResultMessage, LLMMessage

from ..messages.groups import begins_with
from ..tokens.budget import TokenBudget
from ..tokens.counting import TokenCounter
from .summarizer import START_AT, ContextSummarizer, Summarizer, Summary

logger = logging.getLogger(__name__)


def checked_summarizer(summarizer: Summarizer | None) -> Summarizer | None:
    """Return a summariser as it is, or raise a TypeError for what is none, such as the model client that one needs."""
    if isinstance(summarizer, ChatCompletionClient):
        raise TypeError("summarizer takes a summariser, not its model client: summarizer=ContextSummarizer(client)")
    if summarizer is not None and not callable(getattr(summarizer, "merge", None)):
        raise TypeError(
            f"summarizer takes an object with an async method merge(standing, messages); got {summarizer!r}"
        )
    return summarizer


def dumped_summarizer(summarizer: Summarizer | None) -> ComponentModel | None:
    """Return the component of a summariser, or raise a TypeError where it has none."""
    if summarizer is None or isinstance(summarizer, ContextSummarizer):
        return summarizer and summarizer.dump_component()
    raise TypeError(
        f"a summarizer of your own ({type(summarizer).__name__}) cannot be dumped: it is an object of this process. "
        "Leave it out, or give it again in code after loading."
    )


class Summaries:
    """The rolling summary of one context's history: one between two compactions, begun before the second."""

    # Nothing here raises what a model does, and nothing waits for one unless the summariser is to be waited for. A
    # summary that nobody asks for any more, since its agent is gone, ends by the timeouts of its summariser.

    def __init__(self, summarizer: Summarizer, counter: TokenCounter) -> None:
        self._summarizer = summarizer
        is_own = not isinstance(summarizer, ContextSummarizer)
        self._wait, self._start_at = (False, START_AT) if is_own else (summarizer.wait, summarizer.start_at)
        self._has_failed = False
        self._counter = counter
        self.current: Summary | None = None  # the summary in force
        # the messages that were summarised last, also where that failed: the same are not tried again at once
        self._covered: Sequence[LLMMessage] = ()
        self._task: asyncio.Task[Summary | None] | None = None
        self._is_ready = False  # the current summary waits for a compaction to take it

    @property
    def is_blank(self) -> bool:
        """Whether nothing was summarised, nor is being."""
        return not self._covered

    def consider(self, history: Sequence[LLMMessage], tokens: int, budget: TokenBudget) -> None:
        """Begin the next summary where the view, of so many tokens, comes near its budget; returns at once."""
        if self._wait or tokens < self._start_at * budget.available or self._is_ready:
            return
        # one that is ready waits for its compaction: another before it would be paid for and not used
        self._is_ready = self._adopt()
        if not self._is_ready:
            self._start(history, budget)

    async def for_compaction(self, history: Sequence[LLMMessage], budget: TokenBudget) -> Summary | None:
        """Return the summary that a compaction of the history gets; None when there is none yet."""
        if self._wait:
            self._adopt()
            self._start(history, budget)
            if (task := self._running()) is not None:
                try:
                    await asyncio.wait({task})
                except asyncio.CancelledError:  # the agent's: nobody wants its summary any more
                    self.cancel()
                    raise
        self._adopt()
        self._check(history)
        self._is_ready = False
        return self.current

    def restore(self, saved: Summary, history: Sequence[LLMMessage]) -> None:
        """Go on from a summary that was saved; raise a ValueError where the history is shorter than what it covers."""
        if saved.covers > len(history):
            raise ValueError(f"the saved summary covers {saved.covers} messages, there are {len(history)}")
        self.cancel()
        self.current, self._covered = saved, tuple(history[: saved.covers])

    def cancel(self) -> None:
        """Give up the summary in the making."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            with suppress(RuntimeError):  # its loop is closed, and it will never run again
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def close(self) -> None:
        """Give up the summary in the making, and see it end."""
        task = self._running()
        self.cancel()
        if task is not None:
            await asyncio.wait({task})

    def _start(self, history: Sequence[LLMMessage], budget: TokenBudget) -> None:
        self._check(history)
        if self._running() is not None:
            return
        end = self._end(history, budget)
        new = history[self.current.covers if self.current else 0 : end]
        if not new or (self.current is not None and end <= len(self._covered)):
            return
        self.cancel()  # one of another loop: nobody can wait for it here
        self._covered = tuple(history[:end])
        # not a call of the agent: in a context of its own, nothing the agent's calls carry is taken along
        loop = asyncio.get_running_loop()
        self._task = Context().run(loop.create_task, self._summarizer.merge(self.current, new))
        # an agent may end before it asks what came of it
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _adopt(self) -> bool:
        """Make the next summary the current one if it is ready, and return whether it is."""
        task = self._task
        if task is None or not task.done():
            return False
        self._task = None
        if task.cancelled() or (made := self._made(task)) is None:
            return False
        self.current = made
        return True

    def _made(self, task: asyncio.Task[Summary | None]) -> Summary | None:
        """Return what a summariser made; None, with one warning, where that is no summary of the history."""
        error = task.exception()
        made = None if error else task.result()
        if error is None and (made is None or made.covers == len(self._covered)):
            return made
        if not self._has_failed:
            self._has_failed = True
            why = repr(error) if made is None else f"it covers {made.covers} messages, not {len(self._covered)}"
            logger.warning("the summary of %s is not used: %s", type(self._summarizer).__name__, why)
        return None

    def _running(self) -> asyncio.Task[Summary | None] | None:
        """Return the summary in the making in the running loop."""
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            return None
        return task

    def _check(self, history: Sequence[LLMMessage]) -> None:
        """Drop a summary of another history."""
        if not begins_with(history, self._covered):
            self.cancel()
            self.current, self._covered = None, ()

    def _end(self, history: Sequence[LLMMessage], budget: TokenBudget) -> int:
        """Return how many messages to summarise: those before the newest ones, and no tool exchange in part."""
        # half of what a compaction leaves are the newest messages, which mostly stay in the view as they are (chosen)
        left = int(0.5 * budget.target_tokens)
        end = len(history)
        while end and left > 0:
            end -= 1
            left -= self._counter.count_message(history[end])
        while end and isinstance(history[end], FunctionExecutionResultMessage):
            end -= 1
        return end
