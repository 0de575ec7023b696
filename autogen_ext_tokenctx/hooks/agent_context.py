"""The history of one agent, read as views that fit a token budget, and what is saved of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import ChatCompletionClient, LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..context.events import DEFAULT_AGENT, emit
from ..context.manager import ContextManager
from ..context.report import FitReport
from ..context.request import FitRequest
from ..errors import BudgetTooSmallError
from ..messages.calls import split_open_call
from ..messages.groups import repair
from ..models.names import name_of_model
from ..models.shaping import DEFAULT_OPTIMIZER, ModelOptimizer, checked_optimizer
from ..models.token_manager import TokenManager
from ..summary.background import checked_summarizer
from ..summary.summarizer import Summarizer
from ..tokens.budget import TokenBudget
from ..tokens.calibrated import CalibratedCounter
from ..tokens.counting import TokenCounter
from ..tokens.reserve import ReservedBudget
from ..tokens.task import Complexity, TaskDefinition, complexity_of
from ..warn import WarnOnce
from .link import agent_name, announce, current_agent, new_call_id, own_name, team_of
from .saved_state import STATE_KEY, SavedContext
from .session import RECALL, CallRequest, share_of_recall
from .sessions import Sessions
from .tools import can_expand
from .transforms import Transform, TransformChain
from .usage import GIVEN, CallLimits


class AgentContext(ChatCompletionContext):
    """The history of one agent, and views of it; its arguments are those of `TokenBudgetChatCompletionContext`."""

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
        summarizer: Summarizer | None = None,
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

    @property
    def manager(self) -> ContextManager:
        """Return the manager of this context, and with it the archive of what left the view."""
        return self._session.manager

    @property
    def last_report(self) -> FitReport | None:
        """Return how the last view came about: the steps of the compaction in force, tokens as of the last read.

        What the turn recalls is one more step, of the form ``Form.RECALLED``.

        None before the first read, and when the last view could not be fitted.
        """
        return self._last_report

    @property
    def last_view(self) -> Sequence[LLMMessage]:
        """Return the messages the last read gave out."""
        return self._last_view

    async def add_message(self, message: LLMMessage) -> None:
        """Add a message, and read it: what is read here need not be when the model is called."""
        await super().add_message(message)
        if not self._transforms.is_active:
            await self._session.preload(message, len(self._messages) - 1)

    async def get_messages(self) -> list[LLMMessage]:
        """Return the view: the history, fitted into the budget.

        Raises:
            BudgetTooSmallError: What has to be in every view does not fit the budget.
        """
        try:
            self._last_view = await self._view()
        except BudgetTooSmallError as error:
            raise await self._enough(error) from None
        announce(self, self._call_id)
        return list(self._last_view)

    def learn_overhead(self, beside: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> None:
        """Take note of the system messages and tools that were sent beside the last view.

        `TokenBudgetChatCompletionClient` calls this. The tools also tell whether the agent can read what left its view.
        """
        self._is_expandable = self._is_expandable or can_expand(tools)
        if self._budget.is_learned:
            counter = self._sessions.counter
            # The fit counts the priming of the reply itself, so it is no part of what comes on top.
            self._budget.learn(counter.count_request(beside, tools) - counter.count_request(()))

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
        """Return the history in AutoGen's own format, and beside it what is needed to go on with the same view."""
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
        """Return the error with a budget that is enough at once."""
        reserve = self._budget.reserve
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
            must_fill=not isinstance(self._budget.budget, TokenBudget),
            counter=self._counter,
            cache=self._cache,
            recall=self._recall,
            settings=repr((self._budget.budget, self._budget.given, self._task, self._complexity, self._recall)),
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
