"""The model-context hook: an agent's history, read as a view that fits the agent's token budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autogen_core import Component, ComponentModel
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import ChatCompletionClient, LLMMessage
from autogen_core.tools import BaseTool, StaticWorkbench, Tool, ToolSchema, Workbench
from pydantic import Field
from typing_extensions import Self

from ..context.events import DEFAULT_AGENT, emit
from ..context.failure import FailedResult
from ..context.manager import RECOVERY_TOKENS, ContextManager
from ..context.report import FitReport, FitResult
from ..context.request import FitRequest
from ..errors import BudgetTooSmallError, StrictConfig
from ..messages.calls import split_open_call
from ..messages.groups import repair
from ..models.names import name_of_model
from ..models.shaping import DEFAULT_OPTIMIZER, ModelOptimizer, checked_optimizer, is_default
from ..models.token_manager import TokenManager
from ..summary.background import checked_summarizer
from ..summary.summarizer import ContextSummarizer
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import TokenBudgetManager
from ..tokens.calibrated import CalibratedCounter
from ..tokens.counting import TokenCounter
from ..tokens.reserve import ReservedBudget
from ..tokens.task import Complexity, TaskDefinition, complexity_of
from ..warn import WarnOnce
from .limits import GIVEN, CallLimits, check_dumpable
from .link import agent_name, announce, current_agent, new_call_id, own_name, team_of
from .saved_state import STATE_KEY, SavedContext
from .session import RECALL, CallRequest, share_of_recall
from .sessions import Sessions
from .tools import ExpandContextTool, SearchContextTool, can_expand, page_tokens
from .transforms import Transform, TransformChain


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


class TokenBudgetChatCompletionContext(ChatCompletionContext, Component[TokenBudgetChatCompletionContextConfig]):
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

    def __init__(
        self,
        model: str | ChatCompletionClient | None = None,
        budget: int | TokenBudget | None = None,
        *,
        counter: TokenCounter | None = None,
        manager: ContextManager | None = None,
        initial_messages: list[LLMMessage] | None = None,
        transforms: Sequence[Transform] = (),
        reserve: int | None = None,
        task: str | TaskDefinition | None = None,
        complexity: Complexity | None = None,
        recall: float = RECALL,
        summarizer: ContextSummarizer | None = None,
        optimizer: ModelOptimizer | None = DEFAULT_OPTIMIZER,
        name: str | None = None,
        token_manager: TokenManager | None = None,
    ) -> None:
        super().__init__(initial_messages)
        client = model if isinstance(model, ChatCompletionClient) else None
        self._model = model = name_of_model(model)
        if budget is None and not model:
            raise ValueError(
                "TokenBudgetChatCompletionContext needs a budget or a model: give the input tokens one call may use, "
                "such as budget=6_000, or a TokenBudget; or model='gpt-4o', whose limit is the budget then"
            )
        self._given = budget
        self._token_manager = token_manager
        self._limits = CallLimits(client, token_manager)
        self._recall = share_of_recall(recall)
        if budget is None:  # until the first call has asked what the model takes
            budget = max(self._limits.last(None, model or "").limit, 2 * (reserve or 0))
        self._budget = ReservedBudget(budget, reserve)
        self._budget_source = GIVEN
        self._task = task
        self._complexity: Complexity | None = complexity_of(complexity)
        self._name = name
        self._transforms = TransformChain(transforms)
        self._summarizer = checked_summarizer(summarizer)
        self._optimizer = checked_optimizer(optimizer)
        profiles = self._optimizer or DEFAULT_OPTIMIZER
        own = profiles.own_profile(model)
        self._sessions = Sessions(model, counter, manager, self._summarizer, open_ended=False, profile=own)
        self._counter = CalibratedCounter(self._sessions.counter)
        self._cache = profiles.profile(model).cache
        self._warn = WarnOnce()
        self._is_expandable = False
        self._begin()

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

    @property
    def manager(self) -> ContextManager:
        """The manager of this context, and with it the archive of what left the view."""
        return self._session.manager

    @property
    def last_report(self) -> FitReport | None:
        """How the last view came out of the history: the steps of the compaction in force, tokens as of the last read.

        What the turn recalls is one more step, of the form ``Form.RECALLED``.

        None before the first read, and when the last view could not be fitted.
        """
        return self._last_report

    @property
    def last_view(self) -> Sequence[LLMMessage]:
        """The messages the last read gave out."""
        return self._last_view

    async def add_message(self, message: LLMMessage) -> None:
        """Add a message, and read it: what is read here need not be when the model is called."""
        await super().add_message(message)
        if not self._transforms.is_active:
            await self._session.preload(message, len(self._messages) - 1)

    async def get_messages(self) -> list[LLMMessage]:
        """The view: the history, fitted into the budget.

        Raises:
            BudgetTooSmallError: What has to be in every view does not fit the budget.
        """
        try:
            self._last_view = await self._view()
        except BudgetTooSmallError as error:
            raise await self._enough(error) from None
        announce(self, self._call_id)
        return list(self._last_view)

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
        """The original messages behind a handle, as found in shortened messages and in ``last_report.steps``.

        Raises:
            UnknownHandleError: Nothing left this context under that handle.
        """
        return self._session.manager.expand(handle)

    def tools(self) -> list[BaseTool[Any, Any]]:
        """The tools ``expand_context`` and ``search_context`` over what left this context, for the agent itself.

        From then on marks of what was left out name the call that gives it back: an agent without the tool gets none.

        Example:
            >>> context = TokenBudgetChatCompletionContext(budget=6_000)
            >>> [tool.name for tool in context.tools()]
            ['expand_context', 'search_context']
        """
        self._is_expandable = True
        return [
            ExpandContextTool(lambda: self.manager, lambda: page_tokens(self._budget.tokens)),
            SearchContextTool(lambda: self.manager),
        ]

    def workbench(self) -> Workbench:
        """The same tools as a workbench, to stand beside others: an agent takes tools or workbenches, not both.

        Example:
            >>> from autogen_core.tools import StaticWorkbench
            >>> context = TokenBudgetChatCompletionContext(budget=6_000)
            >>> benches = [context.workbench(), StaticWorkbench([])]  # AssistantAgent(..., workbench=benches)
        """
        return StaticWorkbench(self.tools())

    def learn_overhead(self, beside: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> None:
        """Take note of the system messages and tools that were sent beside the last view.

        `TokenBudgetChatCompletionClient` calls this. The tools also tell whether the agent can read what left its view.
        """
        self._is_expandable = self._is_expandable or can_expand(tools)
        if self._budget.is_learned:
            counter = self._sessions.counter
            # The fit counts the priming of the reply itself, so it is no part of what comes on top.
            self._budget.learn(counter.count_request(beside, tools) - counter.count_request(()))

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

    async def clear(self) -> None:
        """Clear the history, and with it the view, the pins and the archive.

        What was pinned of the initial messages stays, and stays pinned: it is the agent's, not the conversation's.
        """
        own = [message for message in self._initial_messages or () if any(message is one for one in self._pinned)]
        await super().clear()
        self._messages = own
        self._forget()
        self._pinned = list(own)

    async def close(self) -> None:
        """Give up what is being done in the background, and see it end. The context can be used on."""
        await self._session.close()

    async def save_state(self) -> Mapping[str, Any]:
        """The history, in AutoGen's own format, and beside it what is needed to go on with the same view."""
        extra = SavedContext.of(self._session, self._messages, self._pinned, self._budget.learned)
        return {**await super().save_state(), STATE_KEY: extra.model_dump(mode="json")}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `save_state` stopped; the state of any AutoGen context will do.

        When what is beside the messages is broken, the messages are loaded without it, with one warning.
        """
        await super().load_state(state)
        self._forget()
        if STATE_KEY not in state:
            return
        try:
            extra = SavedContext.model_validate(state[STATE_KEY])
            extra.restore(self._session, self._messages, self._transforms.apply(self._messages))
            self._pinned = extra.pinned_of(self._messages)
            # the next call shows whether it needs more than half of the budget, whatever the state says
            self._budget.restore(min(tokens, self._budget.tokens.limit // 2) for tokens in extra.overheads)
        except Exception as error:
            self._warn("state", f"only the messages of a saved state were loaded, the rest is broken: {error}")
            self._forget()

    def _to_config(self) -> TokenBudgetChatCompletionContextConfig:
        check_dumpable(self._token_manager)
        return TokenBudgetChatCompletionContextConfig(
            model=self._model,
            budget=self._given,
            reserve=self._budget.given,
            task=self._task,
            complexity=self._complexity,
            recall=self._recall,
            summarizer=self._summarizer.dump_component() if self._summarizer else None,
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

    def _settled(self) -> list[LLMMessage]:
        """Return the history without a call at its end whose results are still to come."""
        return list(split_open_call(self._transforms.apply(self._messages))[0])

    async def _view(self) -> list[LLMMessage]:
        history = self._transforms.apply(self._messages)
        if not history:
            self._last_report = None
            return []
        budget, self._budget_source = await self._limits.of(self._given, self._model or "", {})
        if budget != self._budget.budget:
            self._budget = self._budget.changed(budget, self._budget.given)
        is_call = self._last_emitted != len(history)  # a second read of the same is no second call
        if is_call:
            self._call_id = new_call_id()
        fitted = await self._session.fit(self._request(history))
        if fitted is None:
            self._last_report = None
            return repair(history)
        self._last_report = fitted.report
        if is_call:
            self._last_emitted = len(history)
            agent = current_agent()
            name = self._name or own_name(history) or agent_name(agent, DEFAULT_AGENT)
            emit("context", name, team_of(agent), self._model or "", fitted.report, history, fitted.view)
        return fitted.view

    async def _enough(self, error: BudgetTooSmallError) -> BudgetTooSmallError:
        """The error with a budget that is enough at once."""
        reserve = self.reserve
        if reserve >= error.budget:  # nothing was fitted: what the history needs is not in the error
            history = self._transforms.apply(self._messages)
            try:
                await self.manager.fit(history, TokenBudget(limit=1), pinned=self._pinned)
            except BudgetTooSmallError as least:
                return BudgetTooSmallError(error.budget, least.needed + reserve, [*least.what, *error.what])
        return self._budget.explained(error)

    def _request(self, history: Sequence[LLMMessage]) -> CallRequest:
        budget = self._budget.tokens
        return CallRequest(
            fit=FitRequest(
                messages=history,
                budget=budget,
                task=self._task,
                pinned=tuple(self._pinned),
                complexity=self._complexity,
                expandable=self._is_expandable,
            ),
            given=budget,
            must_fill=not isinstance(self.budget, TokenBudget),
            counter=self._counter,
            cache=self._cache,
            recall=self._recall,
            settings=repr((self.budget, self._budget.given, self._task, self._complexity, self._recall)),
            call_id=self._call_id,
            budget_source=self._budget_source,
            shape=self._optimizer.shape_for(self._model) if self._optimizer else None,
        )

    def _forget(self) -> None:
        self._session.cancel()
        self._begin()

    def _begin(self) -> None:
        self._session = self._sessions.new()
        self._pinned: list[LLMMessage] = []
        self._last_view: list[LLMMessage] = []
        self._last_emitted = 0
        self._call_id = ""
        self._last_report: FitReport | None = None
