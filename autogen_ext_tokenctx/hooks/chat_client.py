"""The message-transform hook: a model client that fits every request into the calling agent's token budget."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from typing import Any, Literal

from autogen_core import CancellationToken, Component, ComponentModel
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from autogen_core.tools import BaseTool, StaticWorkbench, Tool, ToolSchema, Workbench
from pydantic import BaseModel, Field
from typing_extensions import Self

from ..context.events import DEFAULT_AGENT
from ..context.manager import ContextManager
from ..context.report import FitReport
from ..errors import StrictConfig
from ..models.counters import is_exact
from ..models.names import model_of
from ..models.profile_table import profile_of
from ..models.shaping import DEFAULT_OPTIMIZER, ModelOptimizer, checked_optimizer, is_default
from ..models.token_manager import TokenManager
from ..summary.background import checked_summarizer, dumped_summarizer
from ..summary.summarizer import ContextSummarizer, Summarizer
from ..tokens.budget import TokenBudget
from ..tokens.counting import TokenCounter
from ..tokens.task import Complexity, complexity_of
from .link import ClientCalls
from .sending import CallRecord, Sender, WrappingClient
from .session import RECALL, share_of_recall
from .sessions import Sessions
from .tools import context_tools
from .transforms import Transform, TransformChain
from .usage import BilledTools, CallLimits, ModelUsage


class TokenBudgetChatCompletionClientConfig(StrictConfig):
    """The declarative configuration of `TokenBudgetChatCompletionClient`."""

    inner: ComponentModel
    budget: int | TokenBudget | None = None
    agent_budgets: dict[str, int | TokenBudget] = Field(default_factory=dict[str, int | TokenBudget])
    model: str | None = None
    transforms: list[ComponentModel] = Field(default_factory=list[ComponentModel])
    default_agent: str = DEFAULT_AGENT
    complexity: Complexity | None = None
    recall: float = RECALL
    summarizer: ComponentModel | None = None
    manager: ComponentModel | None = None
    optimizer: bool = True
    agent: str | None = None


class TokenBudgetChatCompletionClient(WrappingClient, Component[TokenBudgetChatCompletionClientConfig]):
    """A model client around another one that fits every request into the calling agent's token budget.

    It sees whole requests, system messages, memory and tools included, from every agent, selector and orchestrator
    that uses it. A request within the budget goes on as it is, with the very same message objects; only an
    assistant message at the end is copied, because AutoGen's OpenAI and Anthropic clients strip such a message in
    place and would change the agent's stored history.

    A request that goes on from the agent's last one goes on from its view, so that a provider's prompt cache serves
    the start of it, until that has outgrown the budget: then it is compacted to the target. A request of its own fills
    the budget. What the newest question asks for, and a compaction left out, comes back in a block before it.

    Budgets are in the tokens of the model that answers. What a provider bills (``CreateResult.usage``) is compared
    with what was counted, and the difference is learned, model by model. Until bills have come, the requests to a
    model whose tokenizer is not known stay below the budget by a margin, which every bill narrows. There is no margin
    for OpenAI's models, for a counter or manager of your own, and where no model is named; if two bills in a row
    contradict such a count, it is calibrated too.

    A request that the provider refuses as too long for the model is made smaller and sent once more, up to three times.
    The limit is remembered, for the life of this client: later requests to that model stay within it.

    Args:
        inner: The client that calls the model.
        budget: Input tokens of a call, for agents without a budget of their own. A `TokenBudget` also says when
            compaction starts and how far it goes. None: what the model takes, less what the reply needs. A budget above
            what is known of the model is cut to that, with one warning.
        agent_budgets: Budgets by agent name, as given to the agent. The managers of AutoGen's teams call too, under
            names such as ``"SelectorGroupChatManager"`` and ``"MagenticOneOrchestrator"``.
        model: Name of the model, for its tokenizer. None: as the inner client's configuration has it.
        counter: Counts tokens instead of the model's tokenizer.
        manager: Fits instead of a default `ContextManager`. Each agent gets a sibling of it, with its own archive.
        transforms: Functions from messages to messages, or `MessageTransform` objects, run over the messages of each
            call before they are fitted, on copies.
        default_agent: The name of calls of which nobody knows the agent: outside a runtime, such as by ``agent.run()``,
            before it has said anything, if the client is not bound to a name, see `for_agent`.
        complexity: How much the tasks ask for, "low", "medium" or "high": budgets are divided among requirements,
            design, execution history and memory by it, see `TokenBudgetManager`. ``"auto"`` has it estimated from what
            is asked. None: nothing is held for any of them.
        recall: Share of the budget that what a new question asks for, and a compaction left out, may take for its
            turn; 0 to below 1.
        summarizer: Has a model write a rolling summary, for each agent, of what is about to leave its requests, in the
            background. None: no other model is called.
        optimizer: Gives requests the form that the model's endpoint takes, where its family is known: the order of
            roles, where system messages stand, ids and arguments of tool calls. None: they go as they are.
        token_manager: Finds out what models take. None: the default chain, without asking a server.

    Raises:
        BudgetTooSmallError: A budget is not positive. From a call: what has to be in the request does not fit.
        TypeError: An argument is of another kind, such as a name where the client belongs.
        ValueError: Both counter and manager are given, or ``recall`` is no such share.

    Example:
        >>> from autogen_core.models import ChatCompletionClient
        >>> def limited(inner: ChatCompletionClient) -> ChatCompletionClient:
        ...     return TokenBudgetChatCompletionClient(inner, budget=16_000, agent_budgets={"planner": 6_000})
    """

    component_type = "model"
    component_config_schema = TokenBudgetChatCompletionClientConfig
    component_provider_override = "autogen_ext_tokenctx.TokenBudgetChatCompletionClient"

    def __init__(
        self,
        inner: ChatCompletionClient,
        budget: int | TokenBudget | None = None,
        agent_budgets: Mapping[str, int | TokenBudget] | None = None,
        *,
        model: str | None = None,
        counter: TokenCounter | None = None,
        manager: ContextManager | None = None,
        transforms: Sequence[Transform] = (),
        default_agent: str = DEFAULT_AGENT,
        complexity: Complexity | None = None,
        recall: float = RECALL,
        summarizer: Summarizer | None = None,
        optimizer: ModelOptimizer | None = DEFAULT_OPTIMIZER,
        token_manager: TokenManager | None = None,
    ) -> None:
        super().__init__(inner)
        self._model = model
        named = model or model_of(inner)
        self._summarizer = checked_summarizer(summarizer)
        own = (checked_optimizer(optimizer) or DEFAULT_OPTIMIZER).own_profile(named)
        known = model or (named if is_exact(named) or profile_of(named).family != "unknown" else None)
        sessions = Sessions(known, counter, manager, self._summarizer, open_ended=True, profile=own)
        self._calls = ClientCalls(
            sessions=sessions,
            usage=ModelUsage(sessions.counter, named, trusted=sessions.is_brought or not named or is_exact(named)),
            limits=CallLimits(inner, token_manager),
            billed=BilledTools(inner),
            transforms=TransformChain(transforms),
            budget=budget,
            agent_budgets=dict(agent_budgets or {}),
            default_agent=default_agent,
            complexity=complexity_of(complexity),
            recall=share_of_recall(recall),
            optimizer=optimizer,
        )
        self._sender = Sender(inner, self._calls.usage, self._calls.fit)

    def __repr__(self) -> str:
        named = self._calls.usage.name_of(None) or type(self._inner).__name__
        return f"{type(self).__name__}({named!r}, budget={self._calls.budget!r})"

    @property
    def recent(self) -> Sequence[CallRecord]:
        """What was done to the last 1,000 calls, oldest first."""
        return self._sender.recent

    @property
    def last_report(self) -> FitReport | None:
        """What was done to the last call of any agent; None when there was none."""
        return self.recent[-1].report if self.recent else None

    def last_report_of(self, agent: str) -> FitReport | None:
        """Return what was done to the last call of the agent of that name; None when there was none."""
        return next((call.report for call in reversed(list(self.recent)) if call.agent == agent), None)

    def expand(self, handle: str, agent: str | None = None) -> list[LLMMessage]:
        """Return the original messages behind a handle.

        Args:
            handle: A handle, as found in shortened messages and in the steps of a report.
            agent: Name of the agent whose archive is asked. None: all of this client.

        Raises:
            UnknownHandleError: Nothing left the view of such an agent under that handle.
        """
        return self._calls.sessions.expand(handle, agent)

    def for_agent(self, name: str) -> Self:
        """Return this client for one agent: all its calls go by that name, and are fitted to the budget of that name.

        Inside a team a client knows who calls, and elsewhere it tells conversations apart by their messages; a name is
        for what nobody can tell: the budget of an agent that runs alone and has not said anything yet.

        Args:
            name: The agent's name, as in ``agent_budgets``.

        Returns:
            A client that shares everything with this one, the inner client, too.

        Example:
            >>> def coder(client: TokenBudgetChatCompletionClient) -> TokenBudgetChatCompletionClient:
            ...     return client.for_agent("coder")
        """
        bound = copy(self)
        bound._calls = replace(self._calls, bound=name)
        return bound

    def tools(self, agent: str | None = None) -> list[BaseTool[Any, Any]]:
        """Return the tools ``expand_context`` and ``search_context`` over what left the requests of who calls them.

        One list serves all agents of this client: each reads the archive of the conversation that it is in.

        Args:
            agent: Name of the agent that reads. None: whichever calls.

        Example:
            >>> def names(client: TokenBudgetChatCompletionClient) -> list[str]:
            ...     return [tool.name for tool in client.tools()]
        """
        calls = self._calls if agent is None else replace(self._calls, bound=agent)
        return context_tools(calls.manager, calls.own_budget)

    def workbench(self, agent: str | None = None) -> Workbench:
        """Return the same tools as a workbench, to stand beside others: an agent takes tools or workbenches, not both.

        Args:
            agent: Name of the agent that reads. None: whichever calls.

        Example:
            >>> def benches(client: TokenBudgetChatCompletionClient, others: list[Workbench]) -> list[Workbench]:
            ...     return [client.workbench(), *others]
        """
        return StaticWorkbench(self.tools(agent))

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        **more: Any,
    ) -> CreateResult:
        """Fit the request and let the inner client create the reply. Arguments as of ``ChatCompletionClient.create``.

        What the inner client takes beside these goes to it as it is.

        Raises:
            BudgetTooSmallError: What has to be in the request does not fit the agent's budget.
        """
        call = self._calls.of(messages, tools, tool_choice, json_output, extra_create_args, cancellation_token, more)
        self._sender.note(call.name, self._calls.agent_budgets)
        return await self._sender.create(call, await self._calls.fit(call))

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        **more: Any,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Fit the request and pass on what the inner client streams; closing this closes the inner stream.

        What the inner client takes beside these, such as ``include_usage`` of OpenAI's, goes to it as it is.

        Raises:
            BudgetTooSmallError: What has to be in the request does not fit the agent's budget.
        """
        call = self._calls.of(messages, tools, tool_choice, json_output, extra_create_args, cancellation_token, more)
        self._sender.note(call.name, self._calls.agent_budgets)
        async with aclosing(self._sender.stream(call, await self._calls.fit(call))) as stream:
            async for chunk in stream:
                yield chunk

    async def close(self) -> None:
        """Close the inner client, and give up the summaries in the making."""
        self._sender.warn_of_unused(self._calls.agent_budgets)
        await self._calls.sessions.close()
        await self._inner.close()

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return the tokens that the provider would count for a request as it stands, by what is known of it."""
        return self._calls.usage.counter_for(None).plan(messages, tools).expected.tokens

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return the tokens that the caller's budget has left beside a request; negative when it would be compacted."""
        planned = self._calls.usage.counter_for(None).plan(messages, tools)
        return self._calls.own_budget().available - planned.expected.upper

    def dump_calibration(self) -> dict[str, Any]:
        """Return what was learned of the providers' token counts, by model, as JSON values: keep it over a restart.

        Example:
            >>> import json
            >>> def save(client: TokenBudgetChatCompletionClient) -> str:
            ...     return json.dumps(client.dump_calibration())
        """
        return self._calls.usage.dump()

    def load_calibration(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump_calibration` gave. What is broken in it is left out, with one warning.

        Example:
            >>> import json
            >>> def restore(client: TokenBudgetChatCompletionClient, saved: str) -> None:
            ...     client.load_calibration(json.loads(saved))
        """
        self._calls.usage.load(state)

    def _to_config(self) -> TokenBudgetChatCompletionClientConfig:
        calls = self._calls
        calls.limits.check_dumpable()
        return TokenBudgetChatCompletionClientConfig(
            inner=self._inner.dump_component(),
            budget=calls.budget,
            agent_budgets=dict(calls.agent_budgets),
            model=self._model,
            transforms=calls.transforms.dump(),
            default_agent=calls.default_agent,
            complexity=calls.complexity,
            recall=calls.recall,
            summarizer=dumped_summarizer(self._summarizer),
            manager=calls.sessions.dumped_manager(),
            optimizer=is_default(calls.optimizer),
            agent=calls.bound,
        )

    @classmethod
    def _from_config(cls, config: TokenBudgetChatCompletionClientConfig) -> Self:
        client = cls(
            inner=ChatCompletionClient.load_component(config.inner),
            budget=config.budget,
            agent_budgets=config.agent_budgets,
            model=config.model,
            transforms=TransformChain.load(config.transforms),
            default_agent=config.default_agent,
            complexity=config.complexity,
            recall=config.recall,
            summarizer=ContextSummarizer.load_component(config.summarizer) if config.summarizer else None,
            manager=ContextManager.load_component(config.manager) if config.manager else None,
            optimizer=DEFAULT_OPTIMIZER if config.optimizer else None,
        )
        return client if config.agent is None else client.for_agent(config.agent)
