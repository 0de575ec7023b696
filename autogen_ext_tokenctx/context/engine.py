"""The one way through: messages → groups → count → score → choose forms → verify → messages and a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from threading import Lock
from typing import TypeVar
from weakref import WeakSet

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema
from typing_extensions import Self

from ..errors import BudgetTooSmallError
from ..forms.compressor import GroupCompressor
from ..messages.archive import ContextArchive
from ..messages.calls import is_call
from ..messages.groups import MessageGroup, pictures_of, split, texts
from ..messages.turns import turns_of
from ..models.counters import TiktokenCounter, counter_for_model
from ..retrieval.features import FeatureCache
from ..retrieval.histories import Histories
from ..retrieval.index import HistoryIndex
from ..retrieval.pictures import with_pictures
from ..retrieval.query import asked_picture, question
from ..retrieval.recall import Recalled, recall, said_in
from ..selection.prioritizer import GroupPrioritizer, PinReason, PrioritizedContext
from ..selection.scope import NOTE, Scope, scope_of, whole_of
from ..selection.similar import without_copies
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import TokenBudgetManager
from ..tokens.counting import EstimatedTokenCounter, GuardedTokenCounter, TokenCounter
from ..tokens.task import TaskDefinition, estimate_complexity, task_text
from ..warn import WarnOnce
from .fit import Fit
from .invariants import VERIFIED
from .report import FitResult
from .request import FitRequest

_Result = TypeVar("_Result")

_RECALL_ALL, _RECALL_FOUND = 150, 60
"""A history of up to so many groups is looked through for what to recall; of a longer one so many that an index finds,
and those after them."""

_MANY_GROUPS = 60
"""So many groups are weighed outside of the event loop: it takes several milliseconds."""

_LONG_CHARS = 20_000
"""So much text is counted and read outside of the event loop, too: that may take 20 ms, and up to 60 ms where it was
written to take long (`tests.benchmarks.hostile`)."""


class ContextEngine:
    """Fits histories into budgets; its arguments are those of `ContextManager`, and threads may share one."""

    def __init__(
        self,
        *,
        counter: TokenCounter | None = None,
        compressor: GroupCompressor | None = None,
        prioritizer: GroupPrioritizer | None = None,
        archive: ContextArchive | None = None,
    ) -> None:
        self.counter = (
            counter
            if isinstance(counter, GuardedTokenCounter)
            else GuardedTokenCounter(counter or counter_for_model(None))
        )
        self.compressor = compressor or GroupCompressor()
        self.prioritizer = prioritizer or GroupPrioritizer()
        self._profiles = FeatureCache(self.counter, self.compressor)
        self._warn = WarnOnce()
        self._counts_anywhere = counter is None or isinstance(counter, (TiktokenCounter, EstimatedTokenCounter))
        self._own(archive if archive is not None else ContextArchive())

    def for_agent(self) -> Self:
        """Return a manager for one agent: the same parts and caches, and an archive of its own, over the same store.

        An agent's manager expands only what left that agent's views; this one expands what left any of them.
        """
        agent = copy(self)
        agent._own(self.archive.for_agent())
        with self._agents_lock:
            self._agents.add(agent)
        return agent

    def _own(self, archive: ContextArchive) -> None:
        """Take what no other manager has a part in."""
        self.archive = archive
        self._histories = Histories(self.counter)
        self._agents: WeakSet[ContextEngine] = WeakSet()
        self._agents_lock = Lock()

    async def recall(
        self,
        earlier: Sequence[LLMMessage],
        asked: Sequence[LLMMessage],
        view: Sequence[LLMMessage],
        max_tokens: int,
        pictures: int = 0,
        question: Sequence[LLMMessage] = (),
        *,
        expandable: bool = True,
    ) -> Recalled | None:
        """Return the lines of earlier messages that the newest ones ask for and a view lacks, as one message.

        Args:
            earlier: The history up to what asks, in full.
            asked: The messages that ask, and the tool calls made since.
            view: What stands for both in the request.
            max_tokens: Tokens that the block may cost.
            pictures: Tokens that it may cost more with pictures in it.
            question: What a person asked before others spoke, the very messages of ``earlier``.
            expandable: Whether who reads the block has the tool ``expand_context``.

        Returns:
            The block, or None when nothing is asked for, found, or fits.

        Example:
            >>> import asyncio
            >>> from autogen_core.models import UserMessage
            >>> earlier = [UserMessage(content="Ann's parcel to Lyon has the number LY-4711.", source="user")]
            >>> asked = [UserMessage(content="Which number has the parcel to Lyon?", source="user")]
            >>> block = asyncio.run(ContextEngine().recall(earlier, asked, view=asked, max_tokens=200))
            >>> block is not None and "LY-4711" in block.message.content
            True
        """
        with self._histories.lent([*earlier, *asked]) as history:
            groups = [
                group
                for group in history.before(len(earlier))
                if not any(message is one for message in group.originals for one in question)
            ]
            looked_at = groups
            if len(groups) > _RECALL_ALL:
                hits = history.search(said_in([*question, *asked]), _RECALL_FOUND)
                found = {near for number in hits for near in (number, number + 1)}
                looked_at = [group for group in groups if group.index in found]
        if not looked_at:
            return None

        def recalled() -> Recalled | None:
            lines = recall(
                *(looked_at, len(groups), asked, view, max_tokens),
                profiles=self._profiles,
                counter=self.counter,
                archive=self.archive,
                question=question,
                expandable=expandable,
            )
            if pictures <= 0 or pictures_of(asked):
                return lines
            pictured = asked_picture(looked_at, [self._profiles.get(group) for group in looked_at], said_in(asked))
            if pictured is None:
                return lines
            most = max_tokens + pictures
            group = looked_at[pictured]
            return with_pictures(lines, group, view, most, self.counter, self.archive, expandable=expandable)

        return await self._elsewhere(recalled, looked_at)

    async def fit_request(self, request: FitRequest) -> FitResult:
        """Choose what of a history an LLM call gets, see `ContextManager.fit`.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.
        """
        request = replace(request, messages=tuple(request.messages))
        await self._count_long(request.messages)
        with self._histories.lent(request.messages) as history:
            request = self._divided(request, history)
            fit = Fit(request, history, self.counter, self.compressor, self.archive, self._warn)
            if fit.is_within_trigger:
                return fit.untouched()
            result = await self._chosen(fit, history, request)
            broken = [f"{check.name}: {fault}" for check in VERIFIED for fault in check.violations(request, result)]
            if not broken:
                return result
            self._warn(
                "view",
                f"a view broke what a provider insists on ({'; '.join(broken[:3])}); the newest messages are sent "
                "instead: please report it with the history, `tokenctx inspect` writes it down",
            )
            return fit.newest()

    async def scored(
        self,
        messages: Sequence[LLMMessage],
        task: str | TaskDefinition | None = None,
        pinned: Sequence[LLMMessage] = (),
    ) -> PrioritizedContext:
        """Return how much the groups of a history matter; nothing is chosen. The arguments are those of `fit`.

        Example:
            >>> import asyncio
            >>> from autogen_core.models import UserMessage
            >>> history = [UserMessage(content="Hello", source="user")]
            >>> asyncio.run(ContextEngine().scored(history)).groups[0].category.value
            'current_task_requirements'
        """
        await self._count_long(messages)
        groups = split(messages)
        await self.prioritizer.prepare(groups, task, profiles=self._profiles)
        return await self._elsewhere(
            lambda: self.prioritizer.prioritize(groups, task, profiles=self._profiles, pinned=pinned), groups
        )

    async def free_tokens(
        self,
        budget: TokenBudget,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema] = (),
        pinned: Sequence[LLMMessage] = (),
    ) -> int:
        """Return what a budget leaves beside tools, reply priming and what must stay of a history; 0 at least.

        Example:
            >>> import asyncio
            >>> asyncio.run(ContextEngine().free_tokens(TokenBudget.of(100), []))
            97
        """
        groups = (await self.scored(messages, None, pinned)).groups.values()
        must_stay = (one for one in groups if one.pinned and one.pinned is not PinReason.MEMORY)
        taken = self.counter.count_request((), tools) + sum(one.profile.tokens for one in must_stay)
        return max(0, budget.available - taken)

    async def _chosen(self, fit: Fit, history: HistoryIndex, request: FitRequest) -> FitResult:
        """Return the view with the summary, if there is one and it leaves what must be there its tokens."""
        scope = self._scope(history, request)
        if request.summary is not None:
            note = request.summary.message()
            try:
                with_note = replace(request, pinned=(*request.pinned, note))
                return await self._compacted(fit, history, scope.with_extra(note), with_note)
            except BudgetTooSmallError:
                pass  # what must be there leaves it nothing
        return await self._compacted(fit, history, scope, replace(request, summary=None))

    async def _compacted(self, fit: Fit, history: HistoryIndex, scope: Scope, request: FitRequest) -> FitResult:
        """Return the view of what is looked at of a history."""
        groups, task, pinned = scope.groups, request.task, request.pinned
        await self.prioritizer.prepare(groups, task, profiles=self._profiles)

        def compacted() -> FitResult:
            if not self.counter.estimates:  # then the sizes may be of the counter before
                for group in groups:
                    if group.index != NOTE:
                        self._profiles.get(group, history.sizes[group.index])
            context = self.prioritizer.prioritize(groups, task, profiles=self._profiles, pinned=pinned)
            return fit.compacted(without_copies(context), scope, request.summary)

        return await self._elsewhere(compacted, groups)

    async def _elsewhere(self, work: Callable[[], _Result], groups: Sequence[MessageGroup]) -> _Result:
        """Return what some work gives, done in a thread where it takes long."""
        # What the user brought is called in the thread of the event loop.
        if self.prioritizer.looks_at_all or not self._counts_anywhere:
            return work()
        if (
            len(groups) < _MANY_GROUPS
            and sum(_chars(message) for group in groups for message in group.originals) < _LONG_CHARS
        ):
            return work()
        return await asyncio.to_thread(work)

    def _divided(self, request: FitRequest, history: HistoryIndex) -> FitRequest:
        """Return the request with its budget divided among kinds of context, where that goes by the complexity."""
        shares, complexity = request.budget.shares, request.complexity
        if shares != "auto" and (complexity is None or shares):
            return request
        if complexity is None or complexity == "auto":
            task = request.task
            if not isinstance(task, TaskDefinition):
                groups = history.groups
                asked = question(groups, turns_of(groups, self.prioritizer.people), task)
                task = TaskDefinition(description=asked)
            complexity = estimate_complexity(task)
        shares = TokenBudgetManager().shares_of(complexity)
        return replace(request, budget=request.budget.model_copy(update={"shares": shares}))

    def _scope(self, history: HistoryIndex, request: FitRequest) -> Scope:
        if self.prioritizer.looks_at_all or request.budget.shares:
            return whole_of(history)
        return scope_of(history, task_text(request.task), request.pinned, self.prioritizer.people)

    async def learn(self, message: LLMMessage, number: int) -> None:
        """Read the next message of a history ahead of the next fit, which then takes less time.

        Args:
            message: The message.
            number: Its number in the history. Where it is not the next one, a later fit reads it.

        Example:
            >>> import asyncio
            >>> from autogen_core.models import UserMessage
            >>> asyncio.run(ContextEngine().learn(UserMessage(content="Hello", source="user"), 0))
        """
        is_long = _chars(message) > _LONG_CHARS and self._counts_anywhere
        if is_long:
            await asyncio.to_thread(self.counter.count_message, message)
        group = self._histories.add(message, number)
        if group is None:
            return
        if is_long:
            await asyncio.to_thread(self._profiles.get, group)
        elif not is_call(message):  # its results are still to come
            self._profiles.get(group)

    async def _count_long(self, messages: Sequence[LLMMessage]) -> None:
        """Count what is new and takes long outside of the event loop; the counter remembers it."""
        new = self._histories.new(messages)
        if self._counts_anywhere and sum(map(_chars, new)) > _LONG_CHARS:
            await asyncio.to_thread(self.counter.count_messages, new)


def _chars(message: LLMMessage) -> int:
    """Return the characters of what a message says."""
    return sum(map(len, texts(message)))
