"""The message-transform hook: a model client that fits every request into the calling agent's token budget."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from typing import Any, Literal

from autogen_core import CancellationToken, Component, ComponentModel
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import BaseTool, StaticWorkbench, Tool, ToolSchema, Workbench
from pydantic import BaseModel, Field
from typing_extensions import Self

from ..context.events import DEFAULT_AGENT
from ..context.manager import ContextManager
from ..context.report import FitReport
from ..context.request import FitRequest
from ..errors import StrictConfig, UnknownHandleError
from ..models.counters import is_exact
from ..models.names import model_of
from ..models.profile_table import profile_of
from ..models.shaping import DEFAULT_OPTIMIZER, ModelOptimizer, checked_optimizer, is_default
from ..models.token_manager import TokenManager
from ..summary.background import checked_summarizer
from ..summary.summarizer import ContextSummarizer
from ..tokens.budget import TokenBudget, within
from ..tokens.counting import TokenCounter
from ..tokens.task import Complexity, complexity_of
from .limits import CallLimits, check_dumpable
from .link import agent_name, current_agent, observe, own_name, team_of
from .sending import CallRecord, ClientCall, Sender
from .session import RECALL, CallRequest, FittedCall, share_of_recall
from .sessions import Owner, Sessions
from .tools import ExpandContextTool, SearchContextTool, can_expand, page_tokens
from .transforms import Transform, TransformChain
from .usage import BilledTools, ModelUsage


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


class TokenBudgetChatCompletionClient(ChatCompletionClient, Component[TokenBudgetChatCompletionClientConfig]):
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
        summarizer: ContextSummarizer | None = None,
        optimizer: ModelOptimizer | None = DEFAULT_OPTIMIZER,
        token_manager: TokenManager | None = None,
    ) -> None:
        if not isinstance(inner, ChatCompletionClient):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                "the first argument is the model client to wrap, such as OpenAIChatCompletionClient(model='gpt-4o'); "
                f"got {inner!r}"
            )
        self._complexity: Complexity | None = complexity_of(complexity)
        self._recall = share_of_recall(recall)
        self._summarizer = checked_summarizer(summarizer)
        self._optimizer = checked_optimizer(optimizer)
        self._inner = inner
        self._budget = budget
        self._agent_budgets = dict(agent_budgets or {})
        for given in (budget, *self._agent_budgets.values()):
            if given is not None:
                TokenBudget.of(given)  # refuses what cannot hold anything now, not at the first call
        self._token_manager = token_manager
        self._limits = CallLimits(inner, token_manager)
        self._model = model
        self._default_agent = default_agent
        self._transforms = TransformChain(transforms)
        self._billed = BilledTools(inner)
        self._named = named = model or model_of(inner)
        brought = counter is not None or manager is not None
        self._profiles = self._optimizer or DEFAULT_OPTIMIZER
        own = self._profiles.own_profile(named)
        known = model or (named if is_exact(named) or profile_of(named).family != "unknown" else None)
        self._sessions = Sessions(known, counter, manager, self._summarizer, open_ended=True, profile=own)
        trusted = brought or not named or is_exact(named)
        self._usage = ModelUsage(self._sessions.counter, named, trusted=trusted)
        self._sender = Sender(inner, self._usage, self._fit)
        self._bound: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._named or type(self._inner).__name__!r}, budget={self._budget!r})"

    def __getattr__(self, name: str) -> Any:
        """Give what this client does not know of, such as ``get_create_args``, as the inner client has it.

        Raises:
            AttributeError: The inner client has none either, or the name is private.
        """
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._inner, name)

    @property
    def inner(self) -> ChatCompletionClient:
        """The client that calls the model."""
        return self._inner

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
        for conversation in self._sessions.newest_first():
            if agent in (None, conversation.name):
                try:
                    return conversation.session.manager.expand(handle)
                except UnknownHandleError:
                    continue
        raise UnknownHandleError(handle)

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
        bound._bound = name
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

        client = self if agent is None else self.for_agent(agent)

        def manager() -> ContextManager:
            conversation = client._sessions.in_use(client._owner())
            return (conversation.session if conversation else client._sessions.new()).manager

        return [ExpandContextTool(manager, lambda: page_tokens(client._own_budget())), SearchContextTool(manager)]

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
        call = self._call(messages, tools, tool_choice, json_output, extra_create_args, cancellation_token, more)
        self._sender.note(call.name, self._agent_budgets)
        return await self._sender.create(call, await self._fit(call))

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
        call = self._call(messages, tools, tool_choice, json_output, extra_create_args, cancellation_token, more)
        self._sender.note(call.name, self._agent_budgets)
        async with aclosing(self._sender.stream(call, await self._fit(call))) as stream:
            async for chunk in stream:
                yield chunk

    async def close(self) -> None:
        """Close the inner client, and give up the summaries in the making."""
        self._sender.warn_of_unused(self._agent_budgets)
        await self._sessions.close()
        await self._inner.close()

    def actual_usage(self) -> RequestUsage:
        """Usage of the inner client."""
        return self._inner.actual_usage()

    def total_usage(self) -> RequestUsage:
        """Usage of the inner client."""
        return self._inner.total_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return the tokens that the provider would count for a request as it stands, by what is known of it."""
        return self._usage.counter_for(None).plan(messages, tools).expected.tokens

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return the tokens that the caller's budget has left beside a request; negative when it would be compacted."""
        planned = self._usage.counter_for(None).plan(messages, tools)
        return self._own_budget().available - planned.expected.upper

    def dump_calibration(self) -> dict[str, Any]:
        """Return what was learned of the providers' token counts, by model, as JSON values: keep it over a restart.

        Example:
            >>> import json
            >>> def save(client: TokenBudgetChatCompletionClient) -> str:
            ...     return json.dumps(client.dump_calibration())
        """
        return self._usage.dump()

    def load_calibration(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump_calibration` gave. What is broken in it is left out, with one warning.

        Example:
            >>> import json
            >>> def restore(client: TokenBudgetChatCompletionClient, saved: str) -> None:
            ...     client.load_calibration(json.loads(saved))
        """
        self._usage.load(state)

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]
        """Capabilities of the inner client."""
        return self._inner.capabilities

    @property
    def model_info(self) -> ModelInfo:
        """Model info of the inner client."""
        return self._inner.model_info

    def _to_config(self) -> TokenBudgetChatCompletionClientConfig:
        check_dumpable(self._token_manager)
        return TokenBudgetChatCompletionClientConfig(
            inner=self._inner.dump_component(),
            budget=self._budget,
            agent_budgets=self._agent_budgets,
            model=self._model,
            transforms=self._transforms.dump(),
            default_agent=self._default_agent,
            complexity=self._complexity,
            recall=self._recall,
            summarizer=self._summarizer.dump_component() if self._summarizer else None,
            manager=self._sessions.dumped_manager(),
            optimizer=is_default(self._optimizer),
            agent=self._bound,
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

    def _call(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | Literal["auto", "required", "none"],
        json_output: bool | type[BaseModel] | None,
        extra_create_args: Mapping[str, Any] | None,
        cancellation_token: CancellationToken | None,
        more: Mapping[str, Any],
    ) -> ClientCall:
        owner = self._owner()
        extra: Mapping[str, Any] = extra_create_args or {}
        named = extra.get("model")
        model = named if isinstance(named, str) else None
        billed = self._billed.of(messages, tools, tool_choice, json_output, extra, self._usage.name_of(model))
        return ClientCall(
            owner=owner,
            name=self._name(owner, messages),
            team=team_of(current_agent()),
            messages=messages,
            history=self._transforms.apply(messages),
            tools=billed.tools,
            model=model,
            has_schema=billed.has_schema,
            call_id=observe(messages, billed.tools),
            given={
                "tools": tools,
                "tool_choice": tool_choice,
                "json_output": json_output,
                "extra_create_args": extra,
                "cancellation_token": cancellation_token,
                **more,
            },
        )

    async def _fit(self, call: ClientCall, most: int | None = None) -> FittedCall | None:
        """Return what a call gets; None when it could not be fitted.

        Args:
            call: The call.
            most: Tokens that the request may have, if that is less than its budget.
        """
        model = self._usage.name_of(call.model)
        asked = self._budget_of(call.owner, call.name)
        budget, source = await self._limits.of(asked, model, call.given["extra_create_args"])
        given = TokenBudget.of(budget)
        if most is not None:
            given = within(given, most)
        allowed = self._usage.within_limit(given, call.model)
        request = CallRequest(
            fit=FitRequest(
                messages=call.history,
                budget=allowed,
                tools=call.tools,
                complexity=self._complexity,
                expandable=can_expand(call.tools),
            ),
            given=given,
            must_fill=not isinstance(budget, TokenBudget),
            counter=self._usage.counter_for(call.model),
            cache=self._profiles.profile(model).cache,
            recall=self._recall,
            settings=repr((allowed, call.model)),
            call_id=call.call_id,
            budget_source=source,
            shape=self._optimizer.shape_for(model) if self._optimizer else None,
        )
        with self._sessions.serving(call.owner, call.name, call.messages) as session:
            return await session.fit(request)

    def _owner(self) -> Owner:
        """Return who calls, as far as that can be known."""
        return self._bound if self._bound is not None else current_agent()

    def _name(self, owner: Owner, messages: Sequence[LLMMessage]) -> str:
        """Return the name of who calls: an agent in another one's tool has the id of that, but a history of its own."""
        if isinstance(owner, str):
            return owner
        known = agent_name(owner, self._default_agent)
        return known if owner and self._sessions.is_first(owner, messages) else own_name(messages) or known

    def _budget_of(self, owner: Owner, name: str) -> int | TokenBudget | None:
        """Return the budget of an agent; one that has none of its own has that of the agent in whose tool it runs."""
        known = owner if isinstance(owner, str) else agent_name(owner, self._default_agent)
        return self._agent_budgets.get(name, self._agent_budgets.get(known, self._budget))

    def _own_budget(self) -> TokenBudget:
        """Return the budget of the agent that calls, within what the model takes."""
        owner = self._owner()
        conversation = self._sessions.in_use(owner)
        name = conversation.name if conversation else ""
        budget = self._limits.last(self._budget_of(owner, name), self._usage.name_of(None))
        return self._usage.within_limit(budget, None)
