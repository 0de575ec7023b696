"""The message-transform hook: a model client that fits every request into the calling agent's token budget."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from threading import Lock, get_ident
from typing import Any, Literal

from autogen_core import AgentId, CancellationToken, Component, ComponentModel
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import BaseTool, Tool, ToolSchema
from pydantic import BaseModel, Field
from typing_extensions import Self

from ..context.manager import ContextManager
from ..context.report import FitReport
from ..context.summary import ContextSummarizer
from ..context.units import repair
from ..errors import BudgetTooSmallError, UnknownHandleError
from ..tokens.budget import TokenBudget
from ..tokens.calibration import is_exact
from ..tokens.counting import TokenCounter
from ..tokens.model_names import model_of
from ..tokens.overflow import overflow_of
from . import overhead
from .agents import agent_name, current_agent
from .billed import BilledTools
from .calibrated import CalibratedFit, CalibratedFitter
from .conversation import Conversation
from .events import DEFAULT_AGENT, emit
from .fitting import Fitter
from .growing import RECALL, share_of_recall
from .summaries import checked_summarizer
from .tools import ExpandContextTool, SearchContextTool, page_tokens
from .transforms import MessageTransform, TransformChain, detached

_REMEMBERED_CALLS = 1_000
_REMEMBERED_AGENTS = 256
"""One client often serves team after team, each with agents of its own: the archives of the oldest ones go."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What was done to one model call.

    Args:
        agent: Name of the agent that called.
        report: What the fit did. Its totals are estimates of what the provider counts.
        margin: How many tokens above its estimate the request was planned with.
        billed: What the provider counted; None until it has answered, and when it did not say.
        refused: How often the provider refused it as too long. After the first time it was sent once more, smaller,
            if it could be made so; the report is of what was sent last.
    """

    agent: str
    report: FitReport
    margin: int = 0
    billed: int | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    """What one call asks for, before it is fitted; with all that counts like tools, see `BilledTools`."""

    agent: AgentId | None
    history: Sequence[LLMMessage]
    tools: Sequence[Tool | ToolSchema]
    model: str | None
    has_schema: bool
    call_id: str


@dataclass(frozen=True, slots=True)
class _Call:
    """A request on its way."""

    request: _Request
    view: list[LLMMessage]
    fitted: CalibratedFit | None
    record: CallRecord | None


class TokenBudgetChatCompletionClientConfig(BaseModel):
    """The declarative configuration of `TokenBudgetChatCompletionClient`."""

    inner: ComponentModel
    budget: int | TokenBudget
    agent_budgets: dict[str, int | TokenBudget] = Field(default_factory=dict[str, int | TokenBudget])
    model: str | None = None
    transforms: list[ComponentModel] = Field(default_factory=list[ComponentModel])
    default_agent: str = DEFAULT_AGENT
    recall: float = RECALL
    summarizer: ComponentModel | None = None


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

    A request that the provider refuses as too long for the model is made smaller and sent once more. The limit is
    remembered, for the life of this client: later requests to that model stay within it.

    Args:
        inner: The client that calls the model.
        budget: Input tokens of a call, for agents without a budget of their own. A `TokenBudget` also says when
            compaction starts and how far it goes.
        agent_budgets: Budgets by agent name, as given to the agent. The managers of AutoGen's teams call too, under
            names such as ``"SelectorGroupChatManager"`` and ``"MagenticOneOrchestrator"``.
        model: Name of the model, for its tokenizer. None: as the inner client's configuration has it.
        counter: Counts tokens instead of the model's tokenizer.
        manager: Fits instead of a default `ContextManager`. Each agent gets a sibling of it, with its own archive.
        transforms: Run over the messages of each call before they are fitted, on copies.
        default_agent: The name calls outside an agent runtime go by, such as those of ``agent.run()``.
        recall: Share of the budget that what a new question asks for, and a compaction left out, may take for its
            turn; 0 to below 1.
        summarizer: Has a model write a rolling summary, for each agent, of what is about to leave its requests, in the
            background. None: no other model is called.

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
        budget: int | TokenBudget,
        agent_budgets: Mapping[str, int | TokenBudget] | None = None,
        *,
        model: str | None = None,
        counter: TokenCounter | None = None,
        manager: ContextManager | None = None,
        transforms: Sequence[MessageTransform] = (),
        default_agent: str = DEFAULT_AGENT,
        recall: float = RECALL,
        summarizer: ContextSummarizer | None = None,
    ) -> None:
        if not isinstance(inner, ChatCompletionClient):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                "the first argument is the model client to wrap, such as OpenAIChatCompletionClient(model='gpt-4o'); "
                f"got {inner!r}"
            )
        self._recall = share_of_recall(recall)
        self._summarizer = checked_summarizer(summarizer)
        self._inner = inner
        self._budget = budget
        self._agent_budgets = dict(agent_budgets or {})
        for given in (budget, *self._agent_budgets.values()):
            TokenBudget.of(given)  # refuses what cannot hold anything now, not at the first call
        self._model = model
        self._default_agent = default_agent
        self._transforms = TransformChain(transforms)
        self._billed = BilledTools(inner)
        self._named = named = model or model_of(inner)
        brought = counter is not None or manager is not None
        self._fitter = Fitter(model or (named if is_exact(named) else None), counter, manager)
        trusted = brought or not named or is_exact(named)
        self._calibrated = CalibratedFitter(self._fitter, named, trusted=trusted)
        self._conversations: OrderedDict[tuple[AgentId | None, int], Conversation] = OrderedDict()
        self._lock = Lock()
        self.recent: deque[CallRecord] = deque(maxlen=_REMEMBERED_CALLS)
        """What was done to the last 1,000 calls, oldest first."""

    @property
    def inner(self) -> ChatCompletionClient:
        """The client that calls the model."""
        return self._inner

    def last_report(self, agent: str | None = None) -> FitReport | None:
        """What was done to the last call, of ``agent`` or of any; None when there was none."""
        return next((call.report for call in reversed(list(self.recent)) if agent in (None, call.agent)), None)

    def expand(self, handle: str, agent: str | None = None) -> list[LLMMessage]:
        """The original messages behind a handle.

        Args:
            handle: A handle, as found in shortened messages and in the steps of a report.
            agent: Name of the agent whose archive is asked. None: all of this client.

        Raises:
            UnknownHandleError: Nothing left the view of such an agent under that handle.
        """
        with self._lock:
            conversations = list(self._conversations.items())
        for (owner, _), conversation in reversed(conversations):
            if agent in (None, self._name(owner)):
                try:
                    return conversation.manager.expand(handle)
                except UnknownHandleError:
                    continue
        raise UnknownHandleError(handle)

    def tools(self) -> list[BaseTool[Any, Any]]:
        """The tools ``expand_context`` and ``search_context`` over what left the requests of the agent that calls them.

        One list serves all agents of this client: each reads its own archive only. Agents that run outside of a
        runtime, such as by ``agent.run()``, have no name there, and share one.

        Example:
            >>> def names(client: TokenBudgetChatCompletionClient) -> list[str]:
            ...     return [tool.name for tool in client.tools()]
        """

        def manager() -> ContextManager:
            return self._conversation_of(current_agent()).manager

        def tokens() -> int:
            return page_tokens(self._calibrated.within_limit(self._given_budget(), None))

        return [ExpandContextTool(manager, tokens), SearchContextTool(manager)]

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Fit the request and let the inner client create the reply. Arguments as of ``ChatCompletionClient.create``.

        Raises:
            BudgetTooSmallError: What has to be in the request does not fit the agent's budget.
        """
        given, call = await self._prepare(
            messages, tools, tool_choice, json_output, extra_create_args, cancellation_token
        )
        return await self._create(call, given)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Fit the request and pass on what the inner client streams; closing this closes the inner stream.

        Raises:
            BudgetTooSmallError: What has to be in the request does not fit the agent's budget.
        """
        given, call = await self._prepare(
            messages, tools, tool_choice, json_output, extra_create_args, cancellation_token
        )
        async with aclosing(self._stream(call, given)) as stream:
            async for chunk in stream:
                yield chunk

    async def close(self) -> None:
        """Close the inner client, and give up the summaries in the making."""
        with self._lock:
            conversations = list(self._conversations.items())
        for (_, thread), conversation in conversations:
            if thread == get_ident():  # what another thread does in the background ends with its event loop
                await conversation.close()
        await self._inner.close()

    def actual_usage(self) -> RequestUsage:
        """Usage of the inner client."""
        return self._inner.actual_usage()

    def total_usage(self) -> RequestUsage:
        """Usage of the inner client."""
        return self._inner.total_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Tokens the provider would count for a request as it stands, by what is known of it."""
        return self._calibrated.expect(messages, tools).tokens

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Tokens the calling agent's budget has left beside such a request; negative when it would be compacted."""
        budget = self._calibrated.within_limit(self._given_budget(), None)
        return budget.available - self._calibrated.expect(messages, tools).upper

    def dump_calibration(self) -> dict[str, Any]:
        """What was learned of the providers' token counts, by model, as JSON values: keep it over a restart.

        Example:
            >>> import json
            >>> def save(client: TokenBudgetChatCompletionClient) -> str:
            ...     return json.dumps(client.dump_calibration())
        """
        return self._calibrated.dump()

    def load_calibration(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump_calibration` gave. What is broken in it is left out, with one warning.

        Example:
            >>> import json
            >>> def restore(client: TokenBudgetChatCompletionClient, saved: str) -> None:
            ...     client.load_calibration(json.loads(saved))
        """
        self._calibrated.load(state)

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]
        """Capabilities of the inner client."""
        return self._inner.capabilities

    @property
    def model_info(self) -> ModelInfo:
        """Model info of the inner client."""
        return self._inner.model_info

    def _to_config(self) -> TokenBudgetChatCompletionClientConfig:
        self._fitter.check_dumpable()
        return TokenBudgetChatCompletionClientConfig(
            inner=self._inner.dump_component(),
            budget=self._budget,
            agent_budgets=self._agent_budgets,
            model=self._model,
            transforms=self._transforms.dump(),
            default_agent=self._default_agent,
            recall=self._recall,
            summarizer=self._summarizer.dump_component() if self._summarizer else None,
        )

    @classmethod
    def _from_config(cls, config: TokenBudgetChatCompletionClientConfig) -> Self:
        return cls(
            inner=ChatCompletionClient.load_component(config.inner),
            budget=config.budget,
            agent_budgets=config.agent_budgets,
            model=config.model,
            transforms=TransformChain.load(config.transforms),
            default_agent=config.default_agent,
            recall=config.recall,
            summarizer=ContextSummarizer.load_component(config.summarizer) if config.summarizer else None,
        )

    async def _prepare(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | Literal["auto", "required", "none"],
        json_output: bool | type[BaseModel] | None,
        extra_create_args: Mapping[str, Any] | None,
        cancellation_token: CancellationToken | None,
    ) -> tuple[dict[str, Any], _Call]:
        """What goes to the inner client as it is, and the call."""
        agent = current_agent()
        history = self._transforms.apply(messages)
        extra: Mapping[str, Any] = {} if extra_create_args is None else extra_create_args
        named = extra.get("model")
        model = named if isinstance(named, str) else None
        billed = self._billed.of(
            messages, tools, tool_choice, json_output, extra, self._named if model is None else model
        )
        call_id = overhead.observe(messages, billed.tools)
        request = _Request(agent, history, billed.tools, model, billed.has_schema, call_id)
        given: dict[str, Any] = {
            "tools": tools,
            "tool_choice": tool_choice,
            "json_output": json_output,
            "extra_create_args": extra,
            "cancellation_token": cancellation_token,
        }
        name = self._name(agent)
        fitted = await self._fit(request, name)
        if fitted is None:
            return given, _Call(request, _sendable(repair(history)), None, None)
        record = CallRecord(name, fitted.result.report, fitted.expected.margin)
        self.recent.append(record)
        return given, self._call(request, fitted, record)

    async def _fit(self, request: _Request, name: str, most: int | None = None) -> CalibratedFit | None:
        conversation, budget = self._conversation_of(request.agent), self._budget_of(name)
        return await conversation.fit(
            *(request.history, budget, request.tools, request.model),
            call_id=request.call_id,
            recall=self._recall,
            most=most,
        )

    async def _create(self, call: _Call, given: Mapping[str, Any]) -> CreateResult:
        try:
            result = await self._inner.create(call.view, **given)
        except Exception as error:
            smaller = await self._after(error, call)
            if smaller is None:
                raise
            return await self._create(smaller, given)  # in here: a second error has the first as its context
        self._learn(call, result)
        return result

    async def _stream(self, call: _Call, given: Mapping[str, Any]) -> AsyncGenerator[str | CreateResult, None]:
        started = False
        try:
            async with aclosing(self._inner.create_stream(call.view, **given)) as stream:
                async for chunk in stream:
                    started = True
                    if isinstance(chunk, CreateResult):
                        self._learn(call, chunk)
                    yield chunk
        except Exception as error:
            smaller = None if started else await self._after(error, call)
            if smaller is None:
                raise
            async with aclosing(self._stream(smaller, given)) as stream:
                async for chunk in stream:
                    yield chunk

    async def _after(self, error: Exception, call: _Call) -> _Call | None:
        """The call to make after one failed: a smaller one if it was too long; None when the error is to be raised."""
        overflow = overflow_of(error)
        if overflow is None or call.fitted is None or call.record is None:
            return None
        request, refused = call.request, call.record.refused + 1
        record = self._amend(call.record, refused=refused)
        room = self._calibrated.learn_refusal(call.fitted, overflow, request.model, has_schema=request.has_schema)
        if refused > 1:
            return None
        try:
            fitted = await self._fit(request, record.agent, room)
        except BudgetTooSmallError:
            return None
        if fitted is None or fitted.size.counted >= call.fitted.size.counted:
            return None
        record = self._amend(record, report=fitted.result.report, margin=fitted.expected.margin)
        return self._call(request, fitted, record)

    def _call(self, request: _Request, fitted: CalibratedFit, record: CallRecord) -> _Call:
        model = self._named if request.model is None else request.model
        view = fitted.result.messages
        emit("client", request.agent, self._default_agent, model, record.report, request.history, view)
        return _Call(request, _sendable(view), fitted, record)

    def _learn(self, call: _Call, result: CreateResult) -> None:
        """Compare the bill of a call with its estimate, and note it in the record of the call."""
        if call.fitted is not None and call.record is not None:
            billed = self._calibrated.learn(call.fitted, result, has_schema=call.request.has_schema)
            self._amend(call.record, billed=billed)

    def _amend(self, record: CallRecord, **changes: Any) -> CallRecord:
        """The record with changes; `recent` has it instead, if it still has the other."""
        amended = replace(record, **changes)
        for position in range(len(self.recent) - 1, -1, -1):
            if self.recent[position] is record:
                self.recent[position] = amended
                break
        return amended

    def _name(self, agent: AgentId | None) -> str:
        return agent_name(agent, self._default_agent)

    def _budget_of(self, name: str) -> int | TokenBudget:
        return self._agent_budgets.get(name, self._budget)

    def _given_budget(self) -> TokenBudget:
        """The budget of the agent that calls."""
        return TokenBudget.of(self._budget_of(self._name(current_agent())))

    def _conversation_of(self, agent: AgentId | None) -> Conversation:
        """The requests of one agent of one team in this thread.

        Agents of the same name in other teams have archives of their own. So have those of other threads: a client is
        often shared by threads with an event loop each, whose agents may have the same id, or none.
        """
        key = (agent, get_ident())
        with self._lock:
            conversation = self._conversations.get(key)
            if conversation is None:
                conversation = self._conversations[key] = Conversation(
                    self._fitter, self._calibrated, self._named, self._summarizer
                )
                if len(self._conversations) > _REMEMBERED_AGENTS:
                    self._conversations.popitem(last=False)
            self._conversations.move_to_end(key)
        return conversation


def _sendable(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    """A list for the inner client, with a copy of what AutoGen's clients would change in place."""
    view = list(messages)
    if view and isinstance(view[-1], AssistantMessage):
        view[-1] = detached(view[-1])
    return view
