"""The model-context hook: an agent's history, read as a view that fits the agent's token budget."""

from __future__ import annotations

from typing import Any

from autogen_core import Component, ComponentModel
from autogen_core.models import LLMMessage
from autogen_core.tools import BaseTool, StaticWorkbench, Workbench
from pydantic import Field
from typing_extensions import Self

from ..context.failure import FailedResult
from ..context.manager import RECOVERY_TOKENS, ContextManager
from ..context.report import FitResult
from ..errors import StrictConfig
from ..models.shaping import DEFAULT_OPTIMIZER, is_default
from ..summary.background import dumped_summarizer
from ..summary.summarizer import ContextSummarizer
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import TokenBudgetManager
from ..tokens.task import Complexity, TaskDefinition
from .agent_context import AgentContext
from .session import RECALL
from .tools import context_tools
from .transforms import TransformChain


class TokenBudgetChatCompletionContextConfig(StrictConfig):
    """The declarative configuration of `TokenBudgetChatCompletionContext`."""

    model: str | None = None
    budget: int | TokenBudget | None = None
    reserve: int | None = None
    task: str | TaskDefinition | None = None
    complexity: Complexity | None = None
    recall: float = RECALL
    summarizer: ComponentModel | None = None
    manager: ComponentModel | None = None
    optimizer: bool = True
    name: str | None = None
    transforms: list[ComponentModel] = Field(default_factory=list[ComponentModel])
    initial_messages: list[LLMMessage] | None = None


class TokenBudgetChatCompletionContext(AgentContext, Component[TokenBudgetChatCompletionContextConfig]):
    """A model context that keeps the whole history and gives the agent a view of it that fits a token budget.

    The view is compacted only when it has outgrown the budget; between two compactions it only grows at its end,
    so that a provider's prompt cache stays valid. What a compaction left out can be had back with `expand`. Lines of
    it that a later message asks for come back by themselves, in one block (of source ``"recalled_context"``) right
    before that message. The block is there for that turn only, and what stands before it does not change, unless the
    history has to be compacted once more to make room.

    The context cannot see the agent's system messages and tools, which are sent too, and holds back a reserve for
    them: their true cost as soon as a call went through a `TokenBudgetChatCompletionClient`, and until then the
    smaller of 15 % of the budget and 1,000 tokens.

    Args:
        model: Name of the model, for its tokenizer, or the agent's model client, which knows the name.
        budget: Input tokens of one call of this agent. A `TokenBudget` also says when compaction starts and how
            far it goes, and its ``reserve`` holds as it is. None: what the model takes, less what the reply needs. A
            budget above what is known of the model is cut to that, with one warning.
        counter: Counts tokens instead of the model's tokenizer.
        manager: Fits instead of a default `ContextManager`. The context works with a sibling of it
            (``manager.for_agent()``), so that agents which share a manager never share an archive.
        initial_messages: The messages to begin with.
        transforms: Functions from messages to messages, or `MessageTransform` objects, run over the history before each
            fit, on copies.
        reserve: Tokens of the budget held back for system messages and tools, for ever. None: learned.
        task: What the agent works on. None: the task is found in the history.
        complexity: How much the task asks for, "low", "medium" or "high": the budget is divided among requirements,
            design, execution history and memory by it, see `TokenBudgetManager`. ``"auto"`` has it estimated. None:
            nothing is held for any of them.
        recall: Share of the budget (beside the reserve) that what comes back for one turn may take, 0 to below 1.
            With 0 nothing comes back by itself.
        summarizer: Has a model write a rolling summary of what is about to leave the view, in the background. It stands
            in the view after the first task, and everything else is fitted around it. None: no model is called.
        optimizer: Gives requests the form that the model's endpoint takes, where its family is known: the order of
            roles, where system messages stand, ids and arguments of tool calls. None: they go as they are.
        token_manager: Finds out what the model takes. None: the default chain, without asking a server.
        name: What the agent is called in events, metrics and spans. None: as in its own messages.

    Raises:
        BudgetTooSmallError: The budget is not positive, or the reserve leaves nothing of it.
        TypeError: An argument is of another kind, such as a budget of ``"6000"``.
        ValueError: Neither a budget nor a model is given, both counter and manager are, or ``recall`` is no such share.

    Example:
        Give it to an agent. A budget is what you want one call to cost in input tokens, at most what the model's
        window leaves beside the reply. What was done to a call is in ``last_report``.

        >>> import asyncio
        >>> from autogen_agentchat.agents import AssistantAgent
        >>> from autogen_ext.models.replay import ReplayChatCompletionClient
        >>> context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=6_000)
        >>> client = ReplayChatCompletionClient(["It is query 42."])  # or OpenAIChatCompletionClient(model="gpt-4o")
        >>> agent = AssistantAgent("coder", client, model_context=context)
        >>> asyncio.run(agent.run(task="Find the slow query.")).messages[-1].to_text()
        'It is query 42.'
        >>> context.last_report.tokens_after, context.last_report.budget
        (14, 6000)

        Or use it alone:

        >>> from autogen_core.models import UserMessage
        >>> async def main() -> int:
        ...     context = TokenBudgetChatCompletionContext(budget=400)
        ...     for number in range(100):
        ...         await context.add_message(UserMessage(content=f"Measurement {number}: fine.", source="user"))
        ...     return len(await context.get_messages())
        >>> 0 < asyncio.run(main()) < 100
        True
    """

    component_config_schema = TokenBudgetChatCompletionContextConfig
    component_provider_override = "autogen_ext_tokenctx.TokenBudgetChatCompletionContext"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r}, budget={self.budget!r}, messages={len(self._messages)})"

    @property
    def budget(self) -> int | TokenBudget:
        """Input tokens of one call, as given or as the model takes them. Setting it compacts anew from the history."""
        return self._budget.budget

    @budget.setter
    def budget(self, budget: int | TokenBudget) -> None:
        self._budget = self._budget.changed(budget, self._budget.given)
        self._given = budget

    @property
    def reserve(self) -> int:
        """Tokens held back for system messages and tools: as given, or learned so far."""
        return self._budget.reserve

    @reserve.setter
    def reserve(self, reserve: int | None) -> None:
        self._budget = self._budget.changed(self._budget.budget, reserve)

    @property
    def task(self) -> str | TaskDefinition | None:
        """What the agent works on. Setting it compacts anew from the whole history."""
        return self._task

    @task.setter
    def task(self, task: str | TaskDefinition | None) -> None:
        self._task = task

    def pin(self, message: LLMMessage) -> None:
        """Keep a message of the history word for word in every view.

        Raises:
            TypeError: It is a text, not a message.
        """
        if isinstance(message, str):
            raise TypeError("pin takes the message itself, as it was given to add_message, not its text")
        self._pinned.append(message)
        self._session.view = None

    def expand(self, handle: str) -> list[LLMMessage]:
        """Return the original messages behind a handle, as found in shortened messages and in ``last_report.steps``.

        Raises:
            UnknownHandleError: Nothing left this context under that handle.
        """
        return self.manager.expand(handle)

    def tools(self) -> list[BaseTool[Any, Any]]:
        """Return the tools ``expand_context`` and ``search_context`` over what left this context, for the agent itself.

        From then on marks of what was left out name the call that gives it back: an agent without the tool gets none.

        Example:
            >>> context = TokenBudgetChatCompletionContext(budget=6_000)
            >>> [tool.name for tool in context.tools()]
            ['expand_context', 'search_context']
        """
        self._is_expandable = True
        return context_tools(lambda: self.manager, lambda: self._budget.tokens)

    def workbench(self) -> Workbench:
        """Return the same tools as a workbench, to stand beside others: an agent takes tools or workbenches, not both.

        Example:
            >>> from autogen_core.tools import StaticWorkbench
            >>> context = TokenBudgetChatCompletionContext(budget=6_000)
            >>> benches = [context.workbench(), StaticWorkbench([])]  # AssistantAgent(..., workbench=benches)
        """
        return StaticWorkbench(self.tools())

    async def get_context(self, task: str | TaskDefinition) -> FitResult:
        """Return what this agent would see for a task, beside its system messages and tools. Its view stays as it is.

        Args:
            task: What is to be done.

        Raises:
            BudgetTooSmallError: What has to be in every view does not fit the budget.

        Example:
            >>> import asyncio
            >>> from autogen_core.models import UserMessage
            >>> said: list[LLMMessage] = [UserMessage(content="The code is 4711.", source="user")]
            >>> context = TokenBudgetChatCompletionContext(budget=6_000, initial_messages=said)
            >>> asyncio.run(context.get_context("Which code?")).messages == said
            True
        """
        budget = self._budget.tokens.model_copy(update={"target": 1.0})
        return await self.manager.fit(
            self._settled(), budget, task=task, pinned=self._pinned, complexity=self._complexity
        )

    async def get_token_budget(self, task: str | TaskDefinition) -> int:
        """Return the tokens that a planner may use for a task: of what is free in this context, by its complexity.

        Raises:
            BudgetTooSmallError: Nothing is free.

        Example:
            >>> import asyncio
            >>> asyncio.run(TokenBudgetChatCompletionContext(budget=8_000).get_token_budget("Fix the typo"))
            2449
        """
        free = await self.manager.free_tokens(self._budget.tokens, self._settled(), pinned=self._pinned)
        return TokenBudgetManager().get_token_budget(task, free)

    async def compress_for_recovery(
        self, failed_result: FailedResult, *, budget: int | TokenBudget = RECOVERY_TOKENS
    ) -> FitResult:
        """Return the view of this agent's history that explains a failure, see `ContextManager.compress_for_recovery`.

        Args:
            failed_result: A tool's result or the message it came in, the result of code, an exception, a team's
                `TaskResult`, or a text.
            budget: Input tokens of the request.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.

        Example:
            >>> import asyncio
            >>> context = TokenBudgetChatCompletionContext(budget=6_000)
            >>> asyncio.run(context.compress_for_recovery(ValueError("no such table"))).messages[-1].content
            'ValueError: no such table'
        """
        history = self._transforms.apply(self._messages)
        return await self.manager.compress_for_recovery(failed_result, history, budget=budget, task=self._task)

    def _to_config(self) -> TokenBudgetChatCompletionContextConfig:
        self._limits.check_dumpable()
        return TokenBudgetChatCompletionContextConfig(
            model=self._model,
            budget=self._given,
            reserve=self._budget.given,
            task=self._task,
            complexity=self._complexity,
            recall=self._recall,
            summarizer=dumped_summarizer(self._summarizer),
            manager=self._sessions.dumped_manager(),
            optimizer=is_default(self._optimizer),
            name=self._name,
            transforms=self._transforms.dump(),
            initial_messages=self._initial_messages,
        )

    @classmethod
    def _from_config(cls, config: TokenBudgetChatCompletionContextConfig) -> Self:
        return cls(
            model=config.model,
            budget=config.budget,
            reserve=config.reserve,
            task=config.task,
            complexity=config.complexity,
            recall=config.recall,
            summarizer=ContextSummarizer.load_component(config.summarizer) if config.summarizer else None,
            manager=ContextManager.load_component(config.manager) if config.manager else None,
            optimizer=DEFAULT_OPTIMIZER if config.optimizer else None,
            name=config.name,
            transforms=TransformChain.load(config.transforms),
            initial_messages=config.initial_messages,
        )
