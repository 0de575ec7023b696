"""What to do after a failure: a model proposes ways on, the failure itself does where the model cannot."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from autogen_core import CancellationToken
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResult,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import BaseTool, ToolResult
from pydantic import BaseModel, Field

from ..context.failure import FAILURE_SOURCE, FailedResult, Failure, failure_of
from ..context.manager import RECOVERY_TOKENS, ContextManager
from ..context.report import FitResult
from ..display import clip
from ..errors import BudgetTooSmallError
from ..hooks.chat_context import TokenBudgetChatCompletionContext
from ..hooks.tools import TextTool, ToolText
from ..summary.answers import UnusableAnswerError, checked_answer, json_output_of, result_of
from ..summary.text import rendered
from .proposals import INSTRUCTION, Answer, read
from .strategies import ERROR_CHARS, RecoveryStrategy, derived

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveryAttempt:
    """One strategy that was run.

    Args:
        strategy: The strategy.
        error: Why it failed; None when it worked.
        value: What running it gave, an error result too; None when it raised.
    """

    strategy: RecoveryStrategy
    error: str | None
    value: object


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """What came of a recovery.

    Args:
        first_error: The text of the original failure, whatever happened since.
        view: What the model was told of the history, and the report on it.
        strategies: The ways on, the most promising first.
        source: Whether the model proposed them, or they were derived from the failure.
        tried: The strategies that were run, in order.
    """

    first_error: str
    view: FitResult
    strategies: tuple[RecoveryStrategy, ...]
    source: Literal["model", "fallback"]
    tried: tuple[RecoveryAttempt, ...] = ()

    @property
    def recovered(self) -> bool:
        """Whether one of the strategies was run and worked."""
        return any(attempt.error is None for attempt in self.tried)

    @property
    def value(self) -> object:
        """What the strategy that worked gave; None when none did."""
        return self.tried[-1].value if self.recovered else None

    def text(self) -> str:
        """Return the failure, the strategies and what came of them, for an agent or a log."""
        lines = [f"Failed: {clip(self.first_error, ERROR_CHARS)}", "Ways on, the best first:"]
        lines += [f"{number}. {strategy.text()}" for number, strategy in enumerate(self.strategies, 1)]
        for attempt in self.tried:
            outcome = "worked" if attempt.error is None else f"failed: {clip(attempt.error, ERROR_CHARS)}"
            lines.append(f"Tried {attempt.strategy.kind}: {outcome}")
        return "\n".join(lines)


class ErrorRecovery:
    """Finds ways on after a failure, and tries them within a bound.

    The model sees a small view of the history that explains the failure, as text, and proposes strategies. A model
    that raises, hangs, or twice answers nothing usable is replaced by strategies derived from the failure, with one
    logged warning.

    Args:
        model_client: Proposes strategies.
        manager: Makes the view, and expands its handles. None: that of the context, or one of its own.
        context: The model context of the agent that failed: its history is looked at where none is given.
        budget: Tokens of the view; the instruction and the plan come on top.
        attempts: How many strategies there are at most, and how many are run.
        timeout: Seconds that one call of the model may take. There are at most two: the second to repair an answer.

    Raises:
        BudgetTooSmallError: The budget is not positive.
        ValueError: There are no attempts, or no time.

    Example:
        >>> from autogen_core.models import ChatCompletionClient
        >>> async def load(client: ChatCompletionClient, history: list[LLMMessage]) -> object:
        ...     async def run(strategy: RecoveryStrategy) -> object:
        ...         if strategy.kind != "retry_with_changes":
        ...             raise NotImplementedError(strategy.kind)
        ...         return f"loaded with {strategy.changes}"
        ...
        ...     error = ValueError("no such table: orders")
        ...     result = await ErrorRecovery(client).recover(error, messages=history, run=run)
        ...     return result.value if result.recovered else result.first_error
    """

    def __init__(
        self,
        model_client: ChatCompletionClient,
        *,
        manager: ContextManager | None = None,
        context: TokenBudgetChatCompletionContext | None = None,
        budget: int = RECOVERY_TOKENS,
        attempts: int = 3,
        timeout: float = 60.0,
    ) -> None:
        if budget <= 0:
            raise BudgetTooSmallError(budget, 1)
        if attempts < 1:
            raise ValueError(f"attempts is how many strategies may be run, 1 or more; got {attempts}")
        if not timeout > 0:
            raise ValueError(f"timeout is the seconds a model call may take, above 0; got {timeout}")
        self._client = model_client
        self._context = context
        self._manager = manager or (context.manager if context else ContextManager())
        self._budget = budget
        self._attempts = attempts
        self._timeout = timeout

    @property
    def manager(self) -> ContextManager:
        """The manager that makes the views, and with it the archive of what they left out."""
        return self._manager

    async def recover(
        self,
        failed_result: FailedResult,
        plan: object | None = None,
        *,
        messages: Sequence[LLMMessage] = (),
        run: Callable[[RecoveryStrategy], Awaitable[object]] | None = None,
    ) -> RecoveryResult:
        """Find ways on after a failure, and run them one after the other until one works.

        Args:
            failed_result: A tool's result or the message it came in, the result of code, an exception, a team's
                `TaskResult`, or a text.
            plan: What the failed step was part of; a text, a pydantic model, or anything with a readable ``str``.
            messages: The history; where it is empty, that of the context, and a `TaskResult` brings its own.
            run: Carries a strategy out. It fails by raising, or with an error as tool result. None: nothing is run.

        Raises:
            BudgetTooSmallError: Not even the failure alone fits the budget.
        """
        if isinstance(failed_result, str) and not failed_result.strip():
            failed_result = "something failed, and nothing says what"
        if not messages and self._context is not None:
            messages = await _history(self._context)
        failed = failure_of(failed_result, messages)
        view = await self._view(failed_result, messages, failed.text)
        source: Literal["model", "fallback"] = "model"
        try:
            strategies = await self._proposed(view, plan, failed)
        except Exception as error:
            _logger.warning("the model gave no recovery strategy, the failure decides: %s", _text_of(error))
            strategies = derived(failed, plan is not None)[: self._attempts]
            source = "fallback"
        tried = [] if run is None else await _run(strategies, run)
        return RecoveryResult(failed.text, view, tuple(strategies), source, tuple(tried))

    def tool(self, context: ChatCompletionContext | None = None) -> BaseTool[Any, Any]:
        """Return the tool ``recover_from_error``, with which an agent asks for ways on over its own history.

        Args:
            context: The agent's model context. None: that of this recovery.

        Raises:
            ValueError: There is neither.

        Example:
            >>> from autogen_core.models import ChatCompletionClient
            >>> def tools(client: ChatCompletionClient, context: ChatCompletionContext) -> list[BaseTool[Any, Any]]:
            ...     return [ErrorRecovery(client).tool(context)]
        """
        context = context or self._context
        if context is None:
            raise ValueError("recover_from_error looks at an agent's history: give tool() the agent's model context")
        return RecoverFromErrorTool(self, context)

    async def _view(self, failed_result: FailedResult, messages: Sequence[LLMMessage], text: str) -> FitResult:
        try:
            return await self._manager.compress_for_recovery(failed_result, messages, budget=self._budget)
        except BudgetTooSmallError:  # the head of the history is too large: the failure is worth more
            return await self._manager.compress_for_recovery(text, budget=self._budget)

    async def _proposed(self, view: FitResult, plan: object | None, failed: Failure) -> list[RecoveryStrategy]:
        """Return what the model proposes, after one chance to repair it; raise where nothing of it can be used."""
        request = self._request(view, plan, failed)
        json_output = json_output_of(self._client, Answer)
        usable: list[RecoveryStrategy] = []

        async def ask(rejected: UnusableAnswerError | None) -> CreateResult:
            repair = rejected.messages() if rejected else ()
            return await result_of(self._client, [*request, *repair], json_output, self._timeout)

        # a second answer may be worse than the first, of which some strategies could be used
        def parse(answer: str) -> None:
            strategies, problems = read(answer, failed, self._attempts)
            usable[:] = strategies or usable
            if problems:
                raise UnusableAnswerError(*problems)

        try:
            await checked_answer(ask, parse)
        except Exception:
            if not usable:
                raise
        return usable

    def _request(self, view: FitResult, plan: object | None, failed: Failure) -> list[LLMMessage]:
        # as text, not as messages: some providers refuse tool calls in a request that lists no tools, and a model
        # that finds itself in a conversation goes on with it
        history = "\n".join(map(rendered, view.messages))
        parts = [f"The history, shortened; it ends with the failure:\n{history}"]
        if plan is not None:
            parts.append(f"The plan it was part of:\n{_plan_text(plan)}")
        if failed.working:
            parts.append(f"Tools that worked: {', '.join(failed.working)}")
        return [
            SystemMessage(content=INSTRUCTION.format(most=self._attempts)),
            UserMessage(content="\n\n".join(parts), source=FAILURE_SOURCE),
        ]


class RecoverFromErrorArgs(BaseModel):
    """Arguments of ``recover_from_error``."""

    what_failed: str = Field(description="What failed, with the words of the error.")


class RecoverFromErrorTool(TextTool[RecoverFromErrorArgs]):
    """Tells an agent ways on after a failure, from its own history."""

    def __init__(self, recovery: ErrorRecovery, context: ChatCompletionContext) -> None:
        super().__init__(
            RecoverFromErrorArgs,
            "recover_from_error",
            "Get ways on after something failed: what to change, another tool, what to ask the user, or what to skip.",
        )
        self._recovery = recovery
        self._context = context

    async def run(self, args: RecoverFromErrorArgs, cancellation_token: CancellationToken) -> ToolText:
        """Return the strategies in words, a line each."""
        history = await _history(self._context)
        return ToolText(text=(await self._recovery.recover(args.what_failed, messages=history)).text())


async def _history(context: ChatCompletionContext) -> Sequence[LLMMessage]:
    """Return all that was said to an agent."""
    whole = UnboundedChatCompletionContext()  # the agent's view may lack what explains the failure
    await whole.load_state(await context.save_state())
    return await whole.get_messages()


async def _run(
    strategies: Sequence[RecoveryStrategy], run: Callable[[RecoveryStrategy], Awaitable[object]]
) -> list[RecoveryAttempt]:
    """Run strategies, which are all different, until one works."""
    tried: list[RecoveryAttempt] = []
    for strategy in strategies:
        try:
            value = await run(strategy)
            tried.append(RecoveryAttempt(strategy, _error_in(value), value))
        except Exception as error:
            tried.append(RecoveryAttempt(strategy, _text_of(error), None))
        if tried[-1].error is None:
            break
    return tried


def _error_in(value: object) -> str | None:
    """Return the text of a tool result that is an error, None for any other value."""
    if isinstance(value, FunctionExecutionResult) and value.is_error:
        return value.content
    if isinstance(value, ToolResult) and value.is_error:
        return value.to_text(replace_image="[image]")
    return None


def _text_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _plan_text(plan: object) -> str:
    text = plan.model_dump_json() if isinstance(plan, BaseModel) else str(plan)
    return text if len(text) <= 3_000 else text[:2_999] + "…"  # chosen: a dozen steps with their titles
