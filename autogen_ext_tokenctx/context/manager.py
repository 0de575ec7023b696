"""A manager of contexts: everything that one asks of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from autogen_core import Component, ComponentBase
from autogen_core.models import LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import Field
from typing_extensions import Self

from ..errors import StrictConfig
from ..messages.archive import ContextArchive
from ..messages.sections import ProjectContext, SectionData
from ..models.counters import counter_named, name_of_counter
from ..retrieval.search import SearchHit, search
from ..selection.prioritizer import Category
from ..summary.summarizer import Summary
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import TokenBudgetManager
from ..tokens.counting import TokenCounter
from ..tokens.task import Complexity, TaskDefinition, complexity_of, task_text
from .engine import ContextEngine
from .events import DEFAULT_AGENT, emit
from .failure import FailedResult, failure_of
from .parts import ContextCompressor, ContextPrioritizer, messages_of
from .report import FitResult
from .request import FitRequest

RECOVERY_TOKENS = 2_000
"""Default budget of what explains a failure."""

CONTEXT_TOKENS = 8_192
"""Default budget of a request that nobody says more of: what the smallest models take that are still served."""

_QUERY_CHARS = 2_000
"""So much of a failure is looked for: more words only take time."""


class ContextManagerConfig(StrictConfig):
    """The declarative configuration of `ContextManager`: what of it is plain data."""

    counter: str | None = None
    weights: dict[Category, float] = Field(default_factory=dict[Category, float])
    people: list[str] = Field(default_factory=list[str])
    project: list[SectionData] = Field(default_factory=list[SectionData])


class ContextManager(ContextEngine, ComponentBase[ContextManagerConfig], Component[ContextManagerConfig]):
    """Fits histories into budgets, and answers what one asks of them. Threads may share one.

    Args:
        counter: Counts tokens; without it OpenAI's o200k_base does. One that raises is replaced by estimates, with
            one warning.
        compressor: Writes shorter forms.
        prioritizer: Scores groups against the task.
        archive: Keeps what left the view, ``ContextArchive(store=…)`` in a store of yours. One agent, one archive: see
            `for_agent`.
        project: What is known of the project, for `get_context`. Agents get theirs by a `ProjectContextMemory`.

    Example:
        >>> import asyncio
        >>> from autogen_core.models import UserMessage
        >>> history = [UserMessage(content=f"note {n}: " + "word " * 50, source="user") for n in range(40)]
        >>> result = asyncio.run(ContextManager().fit(history, budget=600))
        >>> result.report.tokens_after <= 600, result.messages[0] is history[0], result.messages[-1] is history[-1]
        (True, True, True)
    """

    component_type = "context_manager"
    component_config_schema = ContextManagerConfig
    component_provider_override = "autogen_ext_tokenctx.ContextManager"

    def __init__(
        self,
        *,
        counter: TokenCounter | None = None,
        compressor: ContextCompressor | None = None,
        prioritizer: ContextPrioritizer | None = None,
        archive: ContextArchive | None = None,
        project: ProjectContext | None = None,
    ) -> None:
        super().__init__(
            counter=counter,
            compressor=compressor or ContextCompressor(),
            prioritizer=prioritizer or ContextPrioritizer(),
            archive=archive,
        )
        self.project = project if project is not None else ProjectContext()

    async def fit(
        self,
        messages: Sequence[LLMMessage],
        budget: int | TokenBudget,
        *,
        task: str | TaskDefinition | None = None,
        tools: Sequence[Tool | ToolSchema] = (),
        pinned: Sequence[LLMMessage] = (),
        summary: Summary | None = None,
        complexity: Complexity | None = None,
        expandable: bool = True,
    ) -> FitResult:
        """Choose what of a history an LLM call gets. What it did is logged, as the hooks log what they do.

        Args:
            messages: The history. Neither the list nor a message is changed.
            budget: Input tokens of the whole request. A number is filled as far as it goes; a `TokenBudget` has its
                own trigger and target.
            task: What the agent works on; without it the newest messages tell.
            tools: The tools sent along; their schemas are counted.
            pinned: Messages to keep word for word.
            complexity: How much the task asks for, "low", "medium" or "high": the budget is divided among kinds of
                context by it, see `TokenBudgetManager.allocate_budget`. ``"auto"`` has it estimated. None: only a
                budget with ``shares="auto"`` is divided.
            expandable: Whether who reads the view has the tool ``expand_context``: only then do marks name its call.
                The hooks see that by the tools of an agent.
            summary: What a model said of the first messages of the history. It goes into a view that has to be
                shorter, where its tokens remain, and what it says already counts less.

        Returns:
            The view and a report. A well-formed history within the trigger comes back as the same objects.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.
        """
        request = FitRequest(
            messages=tuple(messages),
            budget=TokenBudget.of(budget, target=1.0),
            tools=tools,
            task=task,
            pinned=tuple(pinned),
            summary=summary,
            complexity=complexity_of(complexity),
            expandable=expandable,
        )
        result = await self.fit_request(request)
        emit("context", DEFAULT_AGENT, "", "", result.report, request.messages, result.messages)
        return result

    def _to_config(self) -> ContextManagerConfig:
        brought = [
            name
            for name, is_brought in (
                ("compressor", self.compressor.has_own_readers),
                ("prioritizer", self.prioritizer.looks_at_all),
                ("archive", self.archive.has_store),
            )
            if is_brought
        ]
        if brought:
            raise TypeError(
                f"a ContextManager with {brought[0]}= that has functions or objects of this process cannot be dumped: "
                "build it in code, or bring weights, people, a project of texts and a counter by name alone"
            )
        return ContextManagerConfig(
            counter=name_of_counter(self.counter.inner),
            weights=self.prioritizer.own_weights,
            people=list(self.prioritizer.people),
            project=[section.data() for section in self.project.sections],
        )

    @classmethod
    def _from_config(cls, config: ContextManagerConfig) -> Self:
        return cls(
            counter=None if config.counter is None else counter_named(config.counter),
            prioritizer=ContextPrioritizer(weights=config.weights, people=config.people),
            project=ProjectContext(section.section() for section in config.project),
        )

    async def get_context(
        self,
        task: str | TaskDefinition,
        messages: Sequence[LLMMessage] = (),
        *,
        budget: int | TokenBudget = CONTEXT_TOKENS,
        tools: Sequence[Tool | ToolSchema] = (),
    ) -> FitResult:
        """Return what a model should see for a task: the project, and what of a history the task needs.

        Args:
            task: What is to be done.
            messages: The history; without one the task itself is the request.
            budget: Input tokens of the request.
            tools: The tools sent along; their schemas are counted.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.

        Example:
            >>> import asyncio
            >>> manager = ContextManager(project=ProjectContext(requirements="Python 3.10 or newer."))
            >>> asyncio.run(manager.get_context("Which Python may I use?")).messages[0].content
            '[project context: requirements]\\nPython 3.10 or newer.'
        """
        head = list(takewhile(lambda message: isinstance(message, SystemMessage), messages))
        asked = list(messages[len(head) :]) or [UserMessage(content=task_text(task), source="user")]
        return await self.fit([*head, *await messages_of(self.project), *asked], budget, task=task, tools=tools)

    async def get_token_budget(
        self,
        task: str | TaskDefinition,
        total_tokens: int = CONTEXT_TOKENS,
        messages: Sequence[LLMMessage] = (),
    ) -> int:
        """Return the tokens that a planner may use for a task: of what is free, by how complex the task is.

        Args:
            task: The task.
            total_tokens: The budget of the call, in tokens.
            messages: The history. What must stay of it (system messages, what is asked, what is pinned) is not free.

        Raises:
            BudgetTooSmallError: Nothing is free.

        Example:
            >>> import asyncio
            >>> manager, rules = ContextManager(), [SystemMessage(content="Be brief. " * 500)]
            >>> [asyncio.run(manager.get_token_budget("Fix the typo", 8_000, sent)) for sent in ([], rules)]
            [2799, 2272]
        """
        free = await self.free_tokens(TokenBudget.of(total_tokens), messages)
        return TokenBudgetManager().get_token_budget(task, free)

    def expand(self, handle: str) -> list[LLMMessage]:
        """Return the originals that a handle stands for, in this archive or in one of the agents' made from here.

        Raises:
            UnknownHandleError: Nothing was archived under it.
        """
        with self._agents_lock:
            agents = list(self._agents)
        for agent in agents:
            if handle not in self.archive and handle in agent.archive:
                return agent.archive.get(handle)
        return self.archive.get(handle)

    def search(self, query: str, *, most: int = 5) -> list[SearchHit]:
        """Return what left the view and answers a query best, by words.

        Args:
            query: Words, names or ids.
            most: Hits to give at most.

        Example:
            >>> from autogen_core.models import UserMessage
            >>> manager = ContextManager()
            >>> handle = manager.archive.put([UserMessage(content="The code is 4711.", source="user")])
            >>> manager.search("which code")[0].handle == handle
            True
        """
        return search(self.archive, query, most)

    async def compress_for_recovery(
        self,
        failed_result: FailedResult,
        messages: Sequence[LLMMessage] = (),
        *,
        budget: int | TokenBudget = RECOVERY_TOKENS,
        task: str | TaskDefinition | None = None,
    ) -> FitResult:
        """Return the view of a history that explains a failure: what failed, the task, what touched the same things.

        Args:
            failed_result: A tool's result or the message it came in, the result of code, an exception, a team's
                `TaskResult`, or a text.
            messages: The history; where it is empty, a `TaskResult` brings its own.
            budget: Input tokens of the request.
            task: What the agent works on.

        Returns:
            A view that ends with the failure: the failed call with its results, or a user message that says it.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.

        Example:
            >>> import asyncio
            >>> from autogen_core.models import UserMessage
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
        query = f"{task_text(task)} {failure.query[:_QUERY_CHARS]}"
        return await self.fit(failure.messages, allowed, task=query, pinned=earlier)
