"""The model-context hook: an agent's history, read as a view that fits the agent's token budget."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autogen_core import Component, ComponentModel
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import ChatCompletionClient, LLMMessage
from autogen_core.tools import BaseTool, Tool, ToolSchema
from pydantic import BaseModel, Field
from typing_extensions import Self

from ..context.manager import ContextManager
from ..context.report import FitReport, FitResult
from ..context.summary import ContextSummarizer, Summary
from ..context.units import repair
from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget
from ..tokens.counting import TokenCounter
from ..tokens.model_names import name_of_model
from ..tokens.profile_table import profile_of
from ..tokens.profiles import PromptCache
from ..tokens.task import TaskDefinition
from . import overhead
from .agents import current_agent
from .events import DEFAULT_AGENT, emit
from .fitting import Fitter
from .fold import Fold, TurnRecall
from .growing import RECALL, GrowingView, share_of_recall
from .prefix import SentPrefix
from .reserve import first_reserve, with_growing_reserve, with_reserve
from .summaries import Summaries, checked_summarizer
from .tools import ExpandContextTool, SearchContextTool, page_tokens
from .transforms import MessageTransform, TransformChain
from .warn import WarnOnce

_STATE_KEY = "autogen_ext_tokenctx"
_REMEMBERED_CALLS = 8
"""Over how many calls the largest overhead counts. An agent's calls differ (a reflection lists no tools), and the
reserve has to hold the largest without going up and down in between."""


class TokenBudgetChatCompletionContextConfig(BaseModel):
    """The declarative configuration of `TokenBudgetChatCompletionContext`."""

    model: str | None = None
    budget: int | TokenBudget
    reserve: int | None = None
    task: str | TaskDefinition | None = None
    recall: float = RECALL
    summarizer: ComponentModel | None = None
    transforms: list[ComponentModel] = Field(default_factory=list[ComponentModel])
    initial_messages: list[LLMMessage] | None = None


class _FoldState(BaseModel):
    covers: int = Field(gt=0)
    view: list[LLMMessage] = Field(min_length=1)
    report: FitReport
    settings: str
    recalled: TurnRecall | None = None


class _ExtraState(BaseModel):
    """What is saved beside the raw messages."""

    fold: _FoldState | None
    archive: dict[str, Any]
    pinned: list[int | LLMMessage]
    """Numbers of messages of the history; whole messages where they are not in it."""
    overheads: list[int]
    summary: Summary | None = None


@dataclass(frozen=True, slots=True)
class _Terms:
    """What one read asks of the view."""

    budget: TokenBudget
    settings: str
    recall: int
    cache: PromptCache
    fitter: Fitter
    manager: ContextManager
    task: str | TaskDefinition | None
    pinned: Sequence[LLMMessage]
    summaries: Summaries | None

    def size(self, view: Sequence[LLMMessage], counted: int) -> int:
        return counted

    async def fit(self, history: Sequence[LLMMessage], held: int, *, grows: bool) -> FitResult | None:
        less = self.budget.model_copy(update={"reserve": self.budget.reserve + held})
        summary = await self.summaries.for_compaction(history, self.budget) if self.summaries else None
        return await self.fitter.fit(self.manager, history, less, task=self.task, pinned=self.pinned, summary=summary)


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
            far it goes, and its ``reserve`` holds as it is.
        counter: Counts tokens instead of the model's tokenizer.
        manager: Fits instead of a default `ContextManager`. The context works with a sibling of it
            (``manager.for_agent()``), so that agents which share a manager never share an archive.
        initial_messages: The messages to begin with.
        transforms: Run over the history before each fit, on copies.
        reserve: Tokens of the budget held back for system messages and tools, for ever. None: learned.
        task: What the agent works on. None: the task is found in the history.
        recall: Share of the budget (beside the reserve) that what comes back for one turn may take, 0 to below 1.
            With 0 nothing comes back by itself.
        summarizer: Has a model write a rolling summary of what is about to leave the view, in the background. It stands
            in the view after the first task, and everything else is fitted around it. None: no model is called.

    Raises:
        BudgetTooSmallError: The budget is not positive, or the reserve leaves nothing of it.
        TypeError: An argument is of another kind, such as a budget of ``"6000"``.
        ValueError: No budget is given, both counter and manager are, or ``recall`` is no such share.

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
        transforms: Sequence[MessageTransform] = (),
        reserve: int | None = None,
        task: str | TaskDefinition | None = None,
        recall: float = RECALL,
        summarizer: ContextSummarizer | None = None,
    ) -> None:
        super().__init__(initial_messages)
        if budget is None:
            raise ValueError(
                "TokenBudgetChatCompletionContext needs a budget: give the input tokens one call may use, "
                "such as budget=6_000, or a TokenBudget"
            )
        self._model = model = name_of_model(model)
        self._budget = _checked(budget)
        self._recall = share_of_recall(recall)
        self._reserve = reserve
        self._task = task
        self._overheads: deque[int] = deque(maxlen=_REMEMBERED_CALLS)
        self._request_budget()  # refuses a budget that cannot hold anything now, not at the first call
        self._fitter = Fitter(model, counter, manager)
        self._transforms = TransformChain(transforms)
        self._summarizer = checked_summarizer(summarizer)
        self._summaries: Summaries | None = None
        self._cache = profile_of(model).cache
        self._warn = WarnOnce()
        self._forget()

    @property
    def budget(self) -> int | TokenBudget:
        """Input tokens of one call, as given. Setting it compacts anew from the whole history."""
        return self._budget

    @budget.setter
    def budget(self, budget: int | TokenBudget) -> None:
        with_reserve(_checked(budget), self._reserve)
        self._budget = budget

    @property
    def reserve(self) -> int:
        """Tokens held back for system messages and tools: as given, or learned so far."""
        if self._reserve is not None:
            return self._reserve
        if isinstance(self._budget, TokenBudget):
            return self._budget.reserve
        return max(self._overheads, default=first_reserve(self._budget))

    @reserve.setter
    def reserve(self, reserve: int | None) -> None:
        with_reserve(self._budget, reserve)
        self._reserve = reserve

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
        return self._growing.manager

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
            await self._fitter.learn(self._growing.manager, message, len(self._messages) - 1)

    async def get_messages(self) -> list[LLMMessage]:
        """The view: the history, fitted into the budget.

        Raises:
            BudgetTooSmallError: What has to be in every view does not fit the budget.
        """
        try:
            self._last_view = await self._view()
        except BudgetTooSmallError as error:
            raise await self._enough(error) from None
        overhead.announce(self, self._call_id)
        return list(self._last_view)

    def pin(self, message: LLMMessage) -> None:
        """Keep a message of the history word for word in every view.

        Raises:
            TypeError: It is a text, not a message.
        """
        if isinstance(message, str):
            raise TypeError("pin takes the message itself, as it was given to add_message, not its text")
        self._pinned.append(message)
        self._growing.fold = None

    def expand(self, handle: str) -> list[LLMMessage]:
        """The original messages behind a handle, as found in shortened messages and in ``last_report.steps``.

        Raises:
            UnknownHandleError: Nothing left this context under that handle.
        """
        return self._growing.manager.expand(handle)

    def tools(self) -> list[BaseTool[Any, Any]]:
        """The tools ``expand_context`` and ``search_context`` over what left this context, for the agent itself.

        Example:
            >>> context = TokenBudgetChatCompletionContext(budget=6_000)
            >>> [tool.name for tool in context.tools()]
            ['expand_context', 'search_context']
        """
        return [
            ExpandContextTool(lambda: self.manager, lambda: page_tokens(self._request_budget())),
            SearchContextTool(lambda: self.manager),
        ]

    def learn_overhead(self, beside: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> None:
        """Take note of the system messages and tools that were sent beside the last view.

        `TokenBudgetChatCompletionClient` calls this. Without effect when the reserve was given.
        """
        if self._reserve is not None or isinstance(self._budget, TokenBudget):
            return
        counter = self._fitter.counter
        # The fit counts the priming of the reply itself, so it is no part of what comes on top.
        self._overheads.append(counter.count_request(beside, tools) - counter.count_request(()))

    async def clear(self) -> None:
        """Clear the history, and with it the view, the pins and the archive."""
        await super().clear()
        self._forget()

    async def close(self) -> None:
        """Give up what is being done in the background, and see it end. The context can be used on."""
        if self._summaries is not None:
            await self._summaries.close()

    async def save_state(self) -> Mapping[str, Any]:
        """The history, in AutoGen's own format, and beside it what is needed to go on with the same view."""
        fold, saved = self._growing.fold, None
        if fold is not None and fold.is_compacted:
            saved = _FoldState(
                covers=len(fold.covered),
                view=list(fold.view),
                report=fold.report,
                settings=fold.settings,
                recalled=fold.recalled,
            )
        number_of = {id(message): number for number, message in enumerate(self._messages)}
        extra = _ExtraState(
            fold=saved,
            archive=self._growing.manager.archive.dump(self._messages),
            pinned=[number_of.get(id(message), message) for message in self._pinned],
            overheads=list(self._overheads),
            summary=self._summaries.current if self._summaries else None,
        )
        return {**await super().save_state(), _STATE_KEY: extra.model_dump(mode="json")}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `save_state` stopped; the state of any AutoGen context will do.

        When what is beside the messages is broken, the messages are loaded without it, with one warning.
        """
        await super().load_state(state)
        self._forget()
        if _STATE_KEY not in state:
            return
        try:
            self._restore(_ExtraState.model_validate(state[_STATE_KEY]))
        except Exception as error:
            self._warn("state", f"only the messages of a saved state were loaded, the rest is broken: {error}")
            self._forget()

    def _to_config(self) -> TokenBudgetChatCompletionContextConfig:
        self._fitter.check_dumpable()
        return TokenBudgetChatCompletionContextConfig(
            model=self._model,
            budget=self._budget,
            reserve=self._reserve,
            task=self._task,
            recall=self._recall,
            summarizer=self._summarizer.dump_component() if self._summarizer else None,
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
            recall=config.recall,
            summarizer=ContextSummarizer.load_component(config.summarizer) if config.summarizer else None,
            transforms=TransformChain.load(config.transforms),
            initial_messages=config.initial_messages,
        )

    async def _view(self) -> list[LLMMessage]:
        history = self._transforms.apply(self._messages)
        if not history:
            self._last_report = None
            return []
        is_call = self._last_emitted != len(history)  # a second read of the same is no second call
        if is_call:
            self._call_id = overhead.new_call_id()
        fold = await self._growing.read(history, self._terms())
        if fold is None:
            self._last_report = None
            return repair(history)
        view, report = fold.given()
        cached = self._prefix.served(view, report.tokens_after, (), self._cache)
        self._last_report = replace(report, cached_tokens=cached, call_id=self._call_id)
        if is_call:
            self._last_emitted = len(history)
            emit("context", current_agent(), DEFAULT_AGENT, self._model or "", self._last_report, history, view)
        if self._summaries is not None:
            self._summaries.consider(history, report.tokens_after, self._request_budget())
        return view

    async def _enough(self, error: BudgetTooSmallError) -> BudgetTooSmallError:
        """The error with a budget that is enough at once."""
        reserve = self.reserve
        if reserve >= error.budget:  # nothing was fitted: what the history needs is not in the error
            history = self._transforms.apply(self._messages)
            try:
                await self._fitter.fit(self._growing.manager, history, TokenBudget(limit=1), pinned=self._pinned)
            except BudgetTooSmallError as least:
                return BudgetTooSmallError(error.budget, least.needed + reserve, [*least.what, *error.what])
        is_first = self._reserve is None and isinstance(self._budget, int) and not self._overheads
        return with_growing_reserve(error) if is_first else error

    def _terms(self) -> _Terms:
        budget = self._request_budget()
        settings = repr((self._budget, self._reserve, self._task, self._recall))
        recall = int(self._recall * budget.available)
        fitter, manager = self._fitter, self._growing.manager
        return _Terms(budget, settings, recall, self._cache, fitter, manager, self._task, self._pinned, self._summaries)

    def _request_budget(self) -> TokenBudget:
        return with_reserve(self._budget, self.reserve)

    def _forget(self) -> None:
        if self._summaries is not None:
            self._summaries.cancel()
        self._summaries = self._summarizer and Summaries(self._summarizer, self._fitter.counter)
        self._growing = GrowingView(self._fitter, self._fitter.new_manager(), open_ended=False)
        self._prefix = SentPrefix(self._fitter.counter)
        self._pinned: list[LLMMessage] = []
        self._last_view: list[LLMMessage] = []
        self._last_emitted = 0
        self._call_id = ""
        self._last_report: FitReport | None = None

    def _restore(self, extra: _ExtraState) -> None:
        self._growing.manager.archive.load(extra.archive, self._messages)
        self._pinned = [self._messages[pin] if isinstance(pin, int) else pin for pin in extra.pinned]
        self._overheads = deque(extra.overheads, maxlen=_REMEMBERED_CALLS)
        history = self._transforms.apply(self._messages)
        if extra.summary is not None and self._summaries is not None:
            self._summaries.restore(extra.summary, history)
        if extra.fold is None:
            return
        if extra.fold.covers > len(history):
            raise ValueError(f"the saved view stands for {extra.fold.covers} messages, there are {len(history)}")
        view = repair(extra.fold.view)
        report = replace(extra.fold.report, tokens_after=self._fitter.counter.count_request(view))
        recalled = extra.fold.recalled and extra.fold.recalled.restored(view, self._fitter.counter)
        covered = tuple(history[: extra.fold.covers])
        self._growing.fold = Fold(covered, tuple(view), report, extra.fold.settings, recalled)


def _checked(budget: int | TokenBudget) -> int | TokenBudget:
    """The budget as given; refuses now what no call could use."""
    TokenBudget.of(budget)
    return budget
