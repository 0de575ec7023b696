"""Which agent a call is of, what it holds beside the agent's history, and which read it comes from.

An agent puts its system messages in front of the view and lists its tools only after it has read the view, so the
context hook cannot see them. The client hook can. The two are linked here: reading a view leaves a weak reference
to its context in a context variable, and the client hook, in the same task a moment later, looks whether the
request holds that very view. The id of the call goes the same way, so that both hooks name it alike.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import uuid4

from autogen_core import AgentId, CancellationToken, MessageHandlerContext
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from ..context.manager import ContextManager
from ..context.request import FitRequest
from ..models.shaping import DEFAULT_OPTIMIZER, ModelOptimizer
from ..tokens.budget import TokenBudget, within
from ..tokens.task import Complexity
from .session import CallRequest, FittedCall
from .sessions import Owner, Sessions
from .tools import can_expand
from .transforms import TransformChain
from .usage import BilledTools, CallLimits, ModelUsage

_TEAM_ID = re.compile(r"_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""What AgentChat puts after the name of each participant and manager of a team: ``_`` and the team's UUID."""


def current_agent() -> AgentId | None:
    """Return the agent whose message handler is running, or None outside a runtime."""
    try:
        return MessageHandlerContext.agent_id()
    except RuntimeError:
        return None


def agent_name(agent: AgentId | None, default: str) -> str:
    """Return the name a user gave an agent: its type without the team's id."""
    return default if agent is None else _TEAM_ID.sub("", agent.type)


def own_name(messages: Sequence[LLMMessage]) -> str:
    """Return the name that an agent has in its own history, "" before it said anything."""
    # what others say comes as user messages
    return next((message.source for message in reversed(messages) if isinstance(message, AssistantMessage)), "")


def team_of(agent: AgentId | None) -> str:
    """Return the id of the team that an agent is in, "" when it is in none."""
    found = None if agent is None else _TEAM_ID.search(agent.type)
    return found.group()[1:] if found else ""


class LearnsOverhead(Protocol):
    """A context that wants to know what is sent along with its views."""

    @property
    def last_view(self) -> Sequence[LLMMessage]:
        """Return the messages given out by the last read."""
        ...

    def learn_overhead(self, beside: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> None:
        """Take note of the system messages and tools that were sent beside the last view."""
        ...


_last_read: ContextVar[tuple[weakref.ref[LearnsOverhead], AgentId | None, str] | None] = ContextVar(
    "autogen_ext_tokenctx_last_read", default=None
)


def new_call_id() -> str:
    """Return an id that no other call has."""
    return uuid4().hex


def announce(context: LearnsOverhead, call_id: str) -> None:
    """Remember, for this task, that ``context`` has just been read, by which agent and for which call."""
    _last_read.set((weakref.ref(context), current_agent(), call_id))


def observe(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
    """Return the id of the call, and tell the context read last what this request holds beside its view."""
    # Only system messages and tools count as overhead: they come with every call. What a single call adds after the
    # view (a question about a retry) is that call's own, and the client hook fits such a call itself.
    last_read = _last_read.get()
    if last_read is None:
        return new_call_id()
    reference, reader, call_id = last_read
    context = reference()
    # Tasks inherit context variables, so a call of an agent that runs inside another one's turn can find the
    # outer agent's read here, even with the same message objects in its request.
    if context is None or reader != current_agent():
        return new_call_id()
    view = context.last_view
    beside = _beside(messages, view)
    if beside is not None:
        context.learn_overhead([message for message in beside if isinstance(message, SystemMessage)], tools)
    elif reader is None and not any(message is view[-1] for message in messages if view):
        return new_call_id()  # outside a runtime all agents are None, and the read may be another one's
    return call_id  # a selector, say, sends its view as one text of its own


def _beside(messages: Sequence[LLMMessage], view: Sequence[LLMMessage]) -> list[LLMMessage] | None:
    """Return the messages before and after a view in some messages; None when the very objects of it are not there."""
    if not view:
        return None
    for start in range(len(messages) - len(view) + 1):
        end = start + len(view)
        if all(message is seen for message, seen in zip(messages[start:end], view, strict=True)):
            return [*messages[:start], *messages[end:]]
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCall:
    """One call of a client, before it is fitted."""

    owner: Owner  # who calls
    name: str  # its name
    team: str  # id of its team, "" outside of teams
    messages: Sequence[LLMMessage]  # the messages as they came
    history: Sequence[LLMMessage]  # the messages, after the transforms
    tools: Sequence[Tool | ToolSchema]  # the tools, with all that counts like tools, see `BilledTools`
    model: str | None  # the model of this call; None for the usual one
    has_schema: bool  # whether the answer has a schema
    call_id: str  # which model call it is
    given: Mapping[str, Any]  # what goes to the inner client as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCalls:
    """Who calls a client and what for, and how that is fitted."""

    sessions: Sessions  # fit the conversations
    usage: ModelUsage  # counts as the models do
    limits: CallLimits  # what the models take
    billed: BilledTools  # what requests are billed for beside their messages
    transforms: TransformChain  # change the messages of a call before it is fitted
    budget: int | TokenBudget | None  # of agents without one of their own; None for what the model takes
    agent_budgets: Mapping[str, int | TokenBudget]  # by name
    default_agent: str  # the name of calls of which nobody knows the agent
    complexity: Complexity | None  # how much the tasks ask for
    recall: float  # share of the budget for what the newest turn recalls
    optimizer: ModelOptimizer | None  # gives requests the form that the model's endpoint takes; None for none
    bound: str | None = None  # the name that all calls go by; None where they are told apart

    def __post_init__(self) -> None:
        for given in (self.budget, *self.agent_budgets.values()):
            if given is not None:
                TokenBudget.of(given)  # refuses what cannot hold anything now, not at the first call

    def of(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | Literal["auto", "required", "none"],
        json_output: bool | type[BaseModel] | None,
        extra_create_args: Mapping[str, Any] | None,
        cancellation_token: CancellationToken | None,
        more: Mapping[str, Any],
    ) -> ClientCall:
        """Return a call of the client, by the arguments of ``create``."""
        owner = self.owner()
        extra: Mapping[str, Any] = extra_create_args or {}
        named = extra.get("model")
        model = named if isinstance(named, str) else None
        billed = self.billed.of(messages, tools, tool_choice, json_output, extra, self.usage.name_of(model))
        return ClientCall(
            owner=owner,
            name=self._name(owner, messages),
            team=team_of(current_agent()),
            messages=messages,
            history=self.transforms.apply(messages),
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

    async def fit(self, call: ClientCall, most: int | None = None) -> FittedCall | None:
        """Return what a call gets within its budget, or within fewer tokens; None when it could not be fitted."""
        model = self.usage.name_of(call.model)
        asked = self._budget_of(call.owner, call.name)
        budget, source = await self.limits.of(asked, model, call.given["extra_create_args"])
        given = TokenBudget.of(budget)
        if most is not None:
            given = within(given, most)
        allowed = self.usage.within_limit(given, call.model)
        request = CallRequest(
            fit=FitRequest(
                messages=call.history,
                budget=allowed,
                tools=call.tools,
                complexity=self.complexity,
                expandable=can_expand(call.tools),
            ),
            given=given,
            must_fill=not isinstance(budget, TokenBudget),
            counter=self.usage.counter_for(call.model),
            cache=(self.optimizer or DEFAULT_OPTIMIZER).profile(model).cache,
            recall=self.recall,
            settings=repr((allowed, call.model)),
            call_id=call.call_id,
            budget_source=source,
            shape=self.optimizer.shape_for(model) if self.optimizer else None,
        )
        with self.sessions.serving(call.owner, call.name, call.messages) as session:
            return await session.fit(request)

    def owner(self) -> Owner:
        """Return who calls, as far as that can be known."""
        return self.bound if self.bound is not None else current_agent()

    def manager(self) -> ContextManager:
        """Return the manager of the conversation that the caller is in."""
        conversation = self.sessions.in_use(self.owner())
        return (conversation.session if conversation else self.sessions.new()).manager

    def _name(self, owner: Owner, messages: Sequence[LLMMessage]) -> str:
        """Return the name of who calls: an agent in another one's tool has the id of that, but a history of its own."""
        if isinstance(owner, str):
            return owner
        known = agent_name(owner, self.default_agent)
        return known if owner and self.sessions.is_first(owner, messages) else own_name(messages) or known

    def _budget_of(self, owner: Owner, name: str) -> int | TokenBudget | None:
        """Return the budget of an agent; one that has none of its own has that of the agent in whose tool it runs."""
        known = owner if isinstance(owner, str) else agent_name(owner, self.default_agent)
        return self.agent_budgets.get(name, self.agent_budgets.get(known, self.budget))

    def own_budget(self) -> TokenBudget:
        """Return the budget of the agent that calls, within what the model takes."""
        owner = self.owner()
        conversation = self.sessions.in_use(owner)
        name = conversation.name if conversation else ""
        budget = self.limits.last(self._budget_of(owner, name), self.usage.name_of(None))
        return self.usage.within_limit(budget, None)
