"""The one way through: messages → units → count → score → choose forms → verify → messages and a report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from weakref import WeakSet

from autogen_core.models import LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema

from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import CONTEXT_TYPE_OF_CATEGORY, TokenBudgetManager
from ..tokens.counting import EstimatedTokenCounter, TiktokenCounter, TokenCounter, counter_for_model
from ..tokens.guarded import GuardedTokenCounter
from ..tokens.task import TaskDefinition
from .allocation import Allocation
from .archive import ContextArchive
from .compression import ContextCompressor, label_of
from .duplicates import duplicates
from .failure import FailedResult, failure_of
from .index import HistoryIndex
from .passages import clip
from .priority import MEMORY, ContextPrioritizer, PrioritizedContext, ScoredUnit
from .profile import ProfileCache
from .project import section_of
from .recall import Recalled, recall, said_in
from .relevance import is_entity
from .report import FitReport, FitResult, FitStep, Form, Level
from .scope import Scope, scope_of
from .search import SearchHit, search
from .units import STRAY_SOURCE, Unit, is_call
from .view import View, ViewBuilder

_BLOCK_TOKENS = 30
"""What the head of the digest block costs, about."""

_GIANT_SHARE = 0.15
"""Share of the room that the stubs of units too large for any budget may take: that such a unit existed is worth
knowing, or the agent calls the same tool again."""

_GREEDY_SHARE = 0.5
"""A newest tool exchange of more than this share of the budget is shortened if older lines are worth more."""

_SLACK_TOKENS = 12
"""So little room left over is not worth another round."""

_ROUNDS = 6

RECOVERY_TOKENS = 2_000
"""Default budget of what explains a failure."""

_QUERY_CHARS = 2_000

_RECALL_ALL, _RECALL_FOUND = 150, 60
"""A history of up to so many units is looked through for what to recall; of a longer one so many that an index finds,
and those after them."""

_MANY_UNITS = 60
"""So many units are weighed outside of the event loop: it takes several milliseconds."""

_LONG_CHARS = 40_000
"""To count so much text may take 5 ms."""


class ContextManager:
    """Fits a history into a budget.

    Args:
        counter: Counts tokens; without it OpenAI's o200k_base does. One that raises is replaced by estimates, with
            one warning.
        compressor: Writes shorter forms.
        prioritizer: Scores units against the task.
        archive: Keeps what left the view. One agent, one archive: see `for_agent`.

    Example:
        >>> import asyncio
        >>> from autogen_core.models import UserMessage
        >>> history = [UserMessage(content=f"note {n}: " + "word " * 50, source="user") for n in range(40)]
        >>> result = asyncio.run(ContextManager().fit(history, budget=600))
        >>> result.report.tokens_after <= 600, result.messages[0] is history[0], result.messages[-1] is history[-1]
        (True, True, True)
    """

    def __init__(
        self,
        *,
        counter: TokenCounter | None = None,
        compressor: ContextCompressor | None = None,
        prioritizer: ContextPrioritizer | None = None,
        archive: ContextArchive | None = None,
    ) -> None:
        self.counter = (
            counter
            if isinstance(counter, GuardedTokenCounter)
            else GuardedTokenCounter(counter or counter_for_model(None))
        )
        self.compressor = compressor or ContextCompressor()
        self.prioritizer = prioritizer or ContextPrioritizer()
        self.archive = archive if archive is not None else ContextArchive()
        self._profiles = ProfileCache(self.counter, self.compressor)
        self._index = HistoryIndex(self.counter)
        self._counts_anywhere = counter is None or isinstance(counter, (TiktokenCounter, EstimatedTokenCounter))
        self._last_budget = 8_192
        self._agents: WeakSet[ContextManager] = WeakSet()

    def for_agent(self) -> ContextManager:
        """A manager for one agent: the same parts and caches, and an archive of its own.

        An agent's manager expands only what left that agent's views; this one expands what left any of them.
        """
        agent = ContextManager(counter=self.counter, compressor=self.compressor, prioritizer=self.prioritizer)
        agent._profiles = self._profiles
        agent._counts_anywhere = self._counts_anywhere
        self._agents.add(agent)
        return agent

    def expand(self, handle: str) -> list[LLMMessage]:
        """The originals that a handle stands for, in this archive or in one of the agents' made from here.

        Raises:
            UnknownHandleError: Nothing was archived under it.
        """
        for agent in self._agents:
            if handle not in self.archive and handle in agent.archive:
                return agent.archive.get(handle)
        return self.archive.get(handle)

    def search(self, query: str, *, most: int = 5) -> list[SearchHit]:
        """What left the view and answers a query best, by words.

        Args:
            query: Words, names or ids.
            most: Hits to give at most.

        Example:
            >>> manager = ContextManager()
            >>> handle = manager.archive.put([UserMessage(content="The code is 4711.", source="user")])
            >>> manager.search("which code")[0].handle == handle
            True
        """
        return search(self.archive, query, most)

    def recall(
        self, earlier: Sequence[LLMMessage], asked: Sequence[LLMMessage], view: Sequence[LLMMessage], room: int
    ) -> Recalled | None:
        """The lines of earlier messages that the newest ones ask for and a view lacks, as one message to put back.

        Args:
            earlier: The history up to what asks, in full.
            asked: The messages that ask, and the tool calls made since.
            view: What stands for both in the request.
            room: Tokens that the block may cost.

        Returns:
            The block, or None when nothing is asked for, found, or fits.

        Example:
            >>> earlier = [UserMessage(content="Ann's parcel to Lyon has the number LY-4711.", source="user")]
            >>> asked = [UserMessage(content="Which number has the parcel to Lyon?", source="user")]
            >>> block = ContextManager().recall(earlier, asked, view=asked, room=200)
            >>> block is not None and "LY-4711" in block.message.content
            True
        """
        if not self._index.ends_with(asked, len(earlier) + len(asked)):
            self._index.follow([*earlier, *asked])
        units = self._index.before(len(earlier))
        looked_at = units
        if len(units) > _RECALL_ALL:
            hits = self._index.search(said_in(asked), _RECALL_FOUND)
            found = {near for number in hits for near in (number, number + 1)}
            looked_at = [units[number] for number in sorted(found) if number < len(units)]
        if not looked_at:
            return None
        return recall(
            *(looked_at, len(units), asked, view, room),
            profiles=self._profiles,
            counter=self.counter,
            archive=self.archive,
        )

    def get_token_budget(self, task: str | TaskDefinition, total_tokens: int | None = None) -> int:
        """Tokens a planner may use for a task, by its complexity; see `TokenBudgetManager.get_token_budget`.

        Args:
            task: The task.
            total_tokens: The budget of the call; None for that of the last fit, or 8,192 before any.
        """
        total = self._last_budget if total_tokens is None else total_tokens
        return TokenBudgetManager().get_token_budget(task, total)

    async def compress_for_recovery(
        self,
        failed_result: FailedResult,
        messages: Sequence[LLMMessage] = (),
        *,
        budget: int | TokenBudget = RECOVERY_TOKENS,
        task: str | TaskDefinition | None = None,
    ) -> FitResult:
        """The view of a history that explains a failure: what failed, the task, what touched the same things.

        Args:
            failed_result: A tool's result or the message it came in, an exception, a team's `TaskResult`, or a text.
            messages: The history; where it is empty, a `TaskResult` brings its own.
            budget: Input tokens of the request.
            task: What the agent works on.

        Returns:
            A view that ends with the failure: the failed call with its results, or a user message that says it.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.

        Example:
            >>> import asyncio
            >>> history = [UserMessage(content="Load orders.csv into the table orders.", source="user")]
            >>> error = ValueError("no such table: orders")
            >>> asyncio.run(ContextManager().compress_for_recovery(error, history)).messages[-1].content
            'ValueError: no such table: orders'
        """
        failure = failure_of(failed_result, messages)
        allowed = TokenBudget.of(budget, target=1.0)
        earlier = failure.earlier
        if sum(map(self.counter.count_message, earlier)) > allowed.available // 4:
            earlier = ()  # they still count by their words
        about = task.text() if isinstance(task, TaskDefinition) else task or ""
        query = f"{about} {failure.query[:_QUERY_CHARS]}"
        return await self.fit(failure.messages, allowed, task=query, pinned=earlier)

    async def fit(
        self,
        messages: Sequence[LLMMessage],
        budget: int | TokenBudget,
        *,
        task: str | TaskDefinition | None = None,
        tools: Sequence[Tool | ToolSchema] = (),
        pinned: Sequence[LLMMessage] = (),
    ) -> FitResult:
        """Chooses what of a history an LLM call gets.

        Args:
            messages: The history. Neither the list nor a message is changed.
            budget: Input tokens of the whole request. A number is filled as far as it goes; a `TokenBudget` has its
                own trigger and target.
            task: What the agent works on; without it the newest messages tell.
            tools: The tools sent along; their schemas are counted.
            pinned: Messages to keep word for word.

        Returns:
            The view and a report. A well-formed history within the trigger comes back as the same objects.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.
        """
        started = perf_counter()
        allowed = TokenBudget.of(budget, target=1.0)
        self._last_budget = allowed.available
        await self._count_long(messages)
        index = self._index
        index.follow(messages)
        overhead = self.counter.count_request((), tools)
        before = overhead + index.tokens
        broken = [unit for unit in index.units if unit.repaired]
        size = overhead + sum(index.sizes)
        whole: list[LLMMessage] = list(messages)
        if broken:
            whole = [message for unit in index.units for message in unit.messages]
        if messages and not whole:
            whole = [UserMessage(content=f"[{len(messages)} empty messages]", source=STRAY_SOURCE)]
            size = overhead + sum(map(self.counter.count_message, whole))
        if size <= allowed.trigger_tokens:
            steps = tuple(map(self._repair_step, broken))
            level = Level.LOSSLESS if steps else Level.NONE
            seconds = perf_counter() - started
            report = FitReport(allowed.limit, before, size, level, steps, seconds=seconds, units=len(index.units))
            return FitResult(whole, report)
        scope = self._scope(allowed, task, pinned)
        units = scope.numbered()
        await self.prioritizer.prepare(units, task, profiles=self._profiles)

        def chosen() -> FitResult:
            context = self.prioritizer.prioritize_context(units, task, profiles=self._profiles, pinned=pinned)
            builder = ViewBuilder(self.counter, self.compressor, self.archive, scope)
            fitting = _Fitting(context, builder, allowed, overhead)
            view, allocation = fitting.solve()
            steps = builder.steps(view, fitting.reasons)
            report = FitReport(
                allowed.limit,
                before,
                overhead + view.tokens,
                _level(steps, size - overhead, view.tokens),
                steps,
                allocation.relevance_kept(),
                _quality(context, allocation),
                perf_counter() - started,
                len(scope.units) + len(scope.beyond),
            )
            return FitResult(view.messages, report)

        # what the user brought may not be made for other threads
        if self.prioritizer.looks_at_all or not self._counts_anywhere or len(units) < _MANY_UNITS:
            return chosen()
        return await asyncio.to_thread(chosen)

    def _scope(self, allowed: TokenBudget, task: str | TaskDefinition | None, pinned: Sequence[LLMMessage]) -> Scope:
        if self.prioritizer.looks_at_all or allowed.shares:
            return Scope(list(self._index.units), (), self._index.known)
        about = task.text() if isinstance(task, TaskDefinition) else task or ""
        return scope_of(self._index, about, pinned)

    async def learn(self, message: LLMMessage, number: int) -> None:
        """Reads the next message of a history ahead of the next fit, which then takes less time.

        Args:
            message: The message.
            number: Its number in the history. Where it is not the next one, a later fit reads it.

        Example:
            >>> import asyncio
            >>> asyncio.run(ContextManager().learn(UserMessage(content="Hello", source="user"), 0))
        """
        is_long = _chars(message) > _LONG_CHARS and self._counts_anywhere
        if is_long:
            await asyncio.to_thread(self.counter.count_message, message)
        if not self._index.add(message, number):
            return
        unit = self._index.units[-1]
        if is_long:
            await asyncio.to_thread(self._profiles.get, unit)
        elif not is_call(message):  # its results are still to come
            self._profiles.get(unit)

    async def _count_long(self, messages: Sequence[LLMMessage]) -> None:
        """Counts what is new and takes long outside of the event loop; it is remembered by the counter."""
        new = self._index.new(messages)
        if self._counts_anywhere and sum(map(_chars, new)) > _LONG_CHARS:
            await asyncio.to_thread(lambda: [self.counter.count_message(message) for message in new])

    def _repair_step(self, unit: Unit) -> FitStep:
        before, after = (sum(map(self.counter.count_message, part)) for part in (unit.originals, unit.messages))
        handle = self.archive.put(unit.originals)
        return FitStep(unit.index, label_of(unit), Form.REPAIRED, before, after, unit.repaired, handle)


class _Fitting:
    """One compaction: what must be there, the room that leaves, and the forms that fill it."""

    def __init__(self, context: PrioritizedContext, builder: ViewBuilder, allowed: TokenBudget, overhead: int) -> None:
        self._context = context
        self._builder = builder
        self._allowed = allowed
        self._limit = allowed.available - overhead
        self._goal = allowed.target_tokens - overhead
        self._overhead = overhead
        self.reasons = _superseded(context.units)

    def solve(self) -> tuple[View, Allocation]:
        """The fullest view within the goal, counted exactly."""
        whole, in_place = self._pinned()
        units = self._context.units
        least = {i: units[i].profile.tokens for i in whole} | {i: self._least(units[i]) for i in in_place}
        floor = sum(least.values())
        if floor > self._limit:
            raise self._too_small(least)
        goal = max(self._goal, min(self._limit, floor + _BLOCK_TOKENS))
        room = goal - floor - _BLOCK_TOKENS
        giants = self._giants({*whole, *in_place}, goal, room)
        allocation = Allocation(self._context, whole, [*in_place, *giants], self.reasons, max(room, 0))
        view = self._fill(allocation, goal, room)
        if view is None:  # forms cost more than they were taken for: only what must be there is sure to fit
            allocation = Allocation(self._context, whole, in_place, self.reasons, 0)
            view = self._bare(allocation)
        return view, allocation

    def _fill(self, allocation: Allocation, goal: int, room: int) -> View | None:
        """The fullest view within the goal; None when not even the emptiest was."""
        best: View | None = None
        allocation.grow(room - self._grow_shares(allocation, goal, room))
        for _ in range(_ROUNDS):
            view = self._builder.build(allocation.choices, self.reasons)
            slack = goal - view.tokens
            if slack >= 0 and (best is None or view.tokens > best.tokens):
                best = view
            if slack < 0:
                if not allocation.shrink(-slack):
                    break
            elif slack <= _SLACK_TOKENS or not allocation.grow(slack):
                break
        return best

    def _bare(self, allocation: Allocation) -> View:
        """What must be there, with the block that stands for the rest if it fits."""
        view = self._builder.build(allocation.choices, self.reasons)
        if view.tokens <= self._limit:
            return view
        return self._builder.build(allocation.choices, self.reasons, block=False)

    def _grow_shares(self, allocation: Allocation, goal: int, room: int) -> int:
        """Fills the guaranteed share of each kind of context with its best lines; gives the tokens that took."""
        used = 0
        for kind, share in self._allowed.shares.items():
            own = {
                i
                for i, scored in enumerate(self._context.units)
                if CONTEXT_TYPE_OF_CATEGORY[scored.category.value] == kind
            }
            before = sum(allocation.choices[i].cost for i in own)
            allocation.grow(min(int(share * goal) - before, room - used), own)
            used += sum(allocation.choices[i].cost for i in own) - before
        return used

    def _pinned(self) -> tuple[list[int], list[int]]:
        """The units that stand in full, and those that must be shortened in their place to fit."""
        units = self._context.units
        pinned = [i for i, scored in enumerate(units) if scored.pinned and i not in self.reasons]
        cost = sum(units[i].profile.tokens for i in pinned)
        if cost > self._limit:  # of memories only the newest is sure of its place
            pinned = [i for i in pinned if units[i].pinned != MEMORY]
            cost = sum(units[i].profile.tokens for i in pinned)
        # a tool result that would take most of the room competes with the rest; it may still come out whole
        in_place = [i for i in pinned if units[i].pinned == "newest message" and self._is_greedy(units[i])]
        cost -= sum(units[i].profile.tokens - self._least(units[i]) for i in in_place)
        for why in ("newest message", "first task"):
            for i in pinned:
                saved = units[i].profile.tokens - self._least(units[i])
                if i not in in_place and units[i].pinned == why and cost > self._limit and saved > 0:
                    in_place.append(i)
                    cost -= saved
        return [i for i in pinned if i not in in_place], in_place

    def _is_greedy(self, scored: ScoredUnit) -> bool:
        return scored.unit.is_exchange and scored.profile.tokens > _GREEDY_SHARE * self._goal

    def _least(self, scored: ScoredUnit) -> int:
        """Exact tokens of the shortest form of a unit in its place."""
        return min(scored.profile.compact_tokens, self._builder.cost(self._builder.stub(scored)))

    def _giants(self, taken: set[int], goal: int, room: int) -> list[int]:
        found: list[int] = []
        left = int(room * _GIANT_SHARE)
        for scored in reversed(self._context.units):
            i = scored.unit.index
            if i not in taken and i not in self.reasons and scored.profile.compact_tokens > goal // 2:
                left -= scored.profile.stub_tokens
                if left < 0:
                    break
                found.append(i)
        return found

    def _too_small(self, least: Mapping[int, int]) -> BudgetTooSmallError:
        units = self._context.units
        parts = sorted(least.items(), key=lambda item: (-item[1], item[0]))
        what = [f"{_name(units[i])} ({tokens} tokens)" for i, tokens in parts]
        what.append(f"tools and reply priming ({self._overhead} tokens)")
        if self._allowed.reserve:
            what.append(f"the reserve ({self._allowed.reserve} tokens)")
        needed = sum(least.values()) + self._overhead + self._allowed.reserve
        return BudgetTooSmallError(self._allowed.limit, needed, what)


def _chars(message: LLMMessage) -> int:
    """Characters of a message, about; of a list of parts only those in it that are text."""
    content = message.content
    if isinstance(content, str):
        return len(content)
    return sum(len(part if isinstance(part, str) else getattr(part, "content", "")) for part in content)


def _name(scored: ScoredUnit) -> str:
    text = next((passage.text() for passage in scored.profile.passages), "")
    return f"{scored.pinned} of {label_of(scored.unit)} {clip(text, 30)!r}"


def _superseded(units: Sequence[ScoredUnit]) -> dict[int, str]:
    """Units that a later one says again, such as a memory that is added every turn, or a file read twice."""
    again = duplicates([scored.unit for scored in units])
    found = {index: why for index, why in again.items() if not units[index].pinned}
    said: set[str] = set()
    sections: set[str] = set()
    for scored in reversed(units):
        head = scored.unit.head
        if isinstance(head, SystemMessage) and scored.pinned != "pinned":
            section = section_of(head)
            if section is not None:
                if section[0] in sections:
                    found[scored.unit.index] = "said again in a later version of this section"
                sections.add(section[0])
            lines = {line.strip() for line in head.content.splitlines()}
            if said and lines <= said:
                found[scored.unit.index] = "said again in a later system message"
            said |= lines
    return found


def _level(steps: Sequence[FitStep], before: int, after: int) -> Level:
    if all(step.form in (Form.REPAIRED, Form.COMPACT) or "said again" in step.why for step in steps):
        return Level.LOSSLESS
    return Level.LIGHT if 2 * after > before else Level.STRONG


def _quality(context: PrioritizedContext, allocation: Allocation) -> float:
    """Rare terms and entities that the view still has, by their weight, of all that the history has."""
    there: set[str] = set()
    for choice in allocation.choices:
        profile = choice.scored.profile
        if choice.form in (Form.FULL, Form.COMPACT):
            there.update(profile.distinct)
        else:
            for number in choice.kept:
                there.update(profile.segments[number].words)
    weights = {term: idf * (2.0 if is_entity(term) else 1.0) for term, idf in context.rarity.items()}
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in there) / total if total else 1.0
