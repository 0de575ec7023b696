"""Summaries made in the background, while the agent goes on without them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context

from autogen_core.models import LLMMessage

from .summary import ContextSummarizer, Summary


class RollingSummary:
    """The standing summary of one agent's history, and the next one in the making.

    Nothing here waits for a model but `wait`, and nothing raises what a model does. A merge that nobody asks for any
    more, since its agent is gone, ends by the timeouts of its summariser.

    Args:
        summarizer: Makes the summaries; it may be shared.
        standing: The summary to begin with, as it was saved.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext.models.replay import ReplayChatCompletionClient
        >>> client = ReplayChatCompletionClient(["## Facts\\n- The pump leaks."])
        >>> async def main() -> str:
        ...     rolling = RollingSummary(ContextSummarizer(client))
        ...     rolling.start([UserMessage(content="The pump leaks. " * 50, source="ann")])
        ...     summary = await rolling.wait()
        ...     return summary.text if summary else ""
        >>> "The pump leaks." in asyncio.run(main())
        True
    """

    def __init__(self, summarizer: ContextSummarizer, standing: Summary | None = None) -> None:
        self._summarizer = summarizer
        self._standing = standing
        self._task: asyncio.Task[Summary | None] | None = None

    @property
    def standing(self) -> Summary | None:
        """The summary in force."""
        return self._standing

    @property
    def is_running(self) -> bool:
        """Whether the next summary is in the making."""
        return self._running() is not None

    def start(self, history: Sequence[LLMMessage], upto: int | None = None) -> bool:
        """Start to add to the standing summary what came after it, unless that is being done already.

        It only starts: reading and counting the messages are not done here. Messages must not be changed meanwhile.

        Args:
            history: The whole history; its first messages are those that the standing summary covers.
            upto: How many of its messages the new summary is to cover. None: all.

        Returns:
            Whether a merge was started. Not when one is in flight, when there is nothing new, or outside an event loop.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if self._task is not None:
            self.finished()
            if self._running() is not None:
                return False
            self.cancel()  # of another loop: nobody can wait for it here
        covered = self._standing.covers if self._standing else 0
        new = history[covered:upto]
        if not new:
            return False
        # not a call of the agent: in a context of its own, nothing the agent's calls carry is taken along
        self._task = Context().run(loop.create_task, self._summarizer.merge(self._standing, new))
        return True

    def finished(self) -> Summary | None:
        """Adopt the next summary, if it is ready by now.

        Returns:
            The summary that is in force from now on; None when there is no new one.
        """
        task = self._task
        if task is None or not task.done():
            return None
        self._task = None
        summary = None if task.cancelled() or task.exception() else task.result()
        if summary is not None:
            self._standing = summary
        return summary

    async def wait(self) -> Summary | None:
        """Wait for the merge in flight, and adopt what it gave. To stop waiting does not stop it.

        Returns:
            As `finished`.
        """
        task = self._running()
        if task is not None:
            await asyncio.wait({task})
        return self.finished()

    def reset(self, standing: Summary | None = None) -> None:
        """Begin anew, since the history is no longer the one that was summarised.

        Args:
            standing: A summary of the first messages of the new history.
        """
        self.cancel()
        self._standing = standing

    def cancel(self) -> None:
        """Give up the merge in flight; what stands, stands."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            with suppress(RuntimeError):  # its loop is closed, and it will never run again
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def close(self) -> None:
        """Give up the merge in flight, and see it end."""
        task = self._running()
        self.cancel()
        if task is not None:
            await asyncio.wait({task})

    def _running(self) -> asyncio.Task[Summary | None] | None:
        """The merge in flight in the running loop."""
        task = self._task
        if task is None or task.done():
            return None
        try:
            return task if task.get_loop() is asyncio.get_running_loop() else None
        except RuntimeError:
            return None
