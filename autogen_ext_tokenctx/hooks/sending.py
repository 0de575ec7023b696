"""Sending fitted calls, and once more, smaller, what a provider refuses as too long."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]
    ModelInfo,
    RequestUsage,
)

from ..context.events import emit
from ..context.report import FitReport
from ..errors import BudgetTooSmallError
from ..messages.groups import repair
from ..models.overflow import overflow_of
from ..tokens.calibrated import PlannedRequest
from ..warn import WarnOnce
from .link import ClientCall
from .session import FittedCall
from .transforms import detached
from .usage import ModelUsage

_REMEMBERED_CALLS = 1_000
"""Records that a client keeps of its calls, as its documentation says."""

_CALLS_TO_KNOW = 50
"""After so many calls every agent of a team has mostly called."""

_RETRIES = 3
"""So many times a refused request is made smaller, each time strictly; then the provider's error is raised."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What was done to one model call.

    Args:
        agent: Name of the agent that called.
        report: What the fit did. Its totals are estimates of what the provider counts.
        margin: How many tokens above its estimate the request was planned with.
        billed: What the provider counted; None until it has answered, and when it did not say.
        refused: How often the provider refused it as too long. Each time, up to three times, it was sent once more,
            smaller, if it could be made so; the report is of what was sent last.
    """

    agent: str
    report: FitReport
    margin: int = 0
    billed: int | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call as it is sent."""

    call: ClientCall  # what was asked
    view: list[LLMMessage]  # the messages that are sent
    planned: PlannedRequest | None  # what they are expected to cost; None when the call could not be fitted
    record: CallRecord | None  # what users see of it; None then


class RecentCalls(deque[CallRecord]):
    """What was done to the last 1,000 calls, oldest first."""

    def __init__(self) -> None:
        super().__init__(maxlen=_REMEMBERED_CALLS)

    def amend(self, record: CallRecord, **changes: Any) -> CallRecord:
        """Return the record with changes; it stands in the place of the other, if that is still there."""
        amended = replace(record, **changes)
        for position in range(len(self) - 1, -1, -1):
            if self[position] is record:
                self[position] = amended
                break
        return amended


class Sender:
    """Sends the calls of one client."""

    def __init__(
        self,
        inner: ChatCompletionClient,
        usage: ModelUsage,
        fit: Callable[[ClientCall, int | None], Awaitable[FittedCall | None]],
    ) -> None:
        self._inner = inner
        self._usage = usage
        self._fit = fit
        self.recent = RecentCalls()
        self._names: Counter[str] = Counter()
        self._warn = WarnOnce()

    def note(self, name: str, budgets: Iterable[str]) -> None:
        """Take note of who calls, and after some calls warn of names with a budget that nobody has."""
        self._names[name] += 1
        if self._names.total() == _CALLS_TO_KNOW:
            self.warn_of_unused(budgets)

    def warn_of_unused(self, budgets: Iterable[str]) -> None:
        """Warn of names with a budget of which no call came."""
        unused = [name for name in budgets if name not in self._names]
        if unused and self._names:
            self._warn(
                "unused",
                f"no call came from {', '.join(map(repr, unused))}, whose budget is in agent_budgets; calls came from "
                f"{', '.join(map(repr, sorted(self._names)))}: give budgets by these names, as the agents have them",
            )

    async def create(self, call: ClientCall, fitted: FittedCall | None) -> CreateResult:
        """Send a call, fitted or, with None, as it is."""
        return await self._create(self._first(call, fitted))

    def stream(self, call: ClientCall, fitted: FittedCall | None) -> AsyncGenerator[str | CreateResult, None]:
        """Send a call, fitted or, with None, as it is; pass on what is streamed."""
        return self._stream(self._first(call, fitted))

    def _first(self, call: ClientCall, fitted: FittedCall | None) -> SentCall:
        if fitted is None:
            return SentCall(call, _sendable(repair(call.history)), None, None)
        record = CallRecord(call.name, fitted.report, fitted.planned.expected.margin)
        self.recent.append(record)
        return self._sent(call, fitted, record)

    def _sent(self, call: ClientCall, fitted: FittedCall, record: CallRecord) -> SentCall:
        model = self._usage.name_of(call.model)
        emit("client", call.name, call.team, model, record.report, call.history, fitted.view)
        return SentCall(call, _sendable(fitted.view), fitted.planned, record)

    async def _create(self, sent: SentCall) -> CreateResult:
        try:
            result = await self._inner.create(sent.view, **sent.call.given)
        except Exception as error:
            smaller = await self._after(error, sent)
            if smaller is None:
                raise
            return await self._create(smaller)  # in here: a second error has the first as its context
        self._learn(sent, result)
        return result

    async def _stream(self, sent: SentCall) -> AsyncGenerator[str | CreateResult, None]:
        started = False
        try:
            async with aclosing(self._inner.create_stream(sent.view, **sent.call.given)) as stream:
                async for chunk in stream:
                    started = True
                    if isinstance(chunk, CreateResult):
                        self._learn(sent, chunk)
                    yield chunk
        except Exception as error:
            smaller = None if started else await self._after(error, sent)
            if smaller is None:
                raise
            async with aclosing(self._stream(smaller)) as stream:
                async for chunk in stream:
                    yield chunk

    async def _after(self, error: Exception, sent: SentCall) -> SentCall | None:
        """Return the call to make after one failed: a smaller one if it was too long; None to raise the error."""
        overflow = overflow_of(error)
        if overflow is None or sent.planned is None or sent.record is None:
            return None
        call, refused = sent.call, sent.record.refused + 1
        record = self.recent.amend(sent.record, refused=refused)
        allowed = self._usage.learn_refusal(
            sent.planned, call.model, overflow, has_schema=call.has_schema, again=refused > 1
        )
        if refused > _RETRIES:
            return None
        try:
            fitted = await self._fit(call, allowed)
        except BudgetTooSmallError:
            return None
        if fitted is None or fitted.planned.counted >= sent.planned.counted:
            return None
        record = self.recent.amend(record, report=fitted.report, margin=fitted.planned.expected.margin)
        return self._sent(call, fitted, record)

    def _learn(self, sent: SentCall, result: CreateResult) -> None:
        """Compare the usage of a call with its estimate, and note it in the record of the call."""
        if sent.planned is not None and sent.record is not None:
            used = self._usage.learn(sent.planned, sent.call.model, result, has_schema=sent.call.has_schema)
            self.recent.amend(sent.record, billed=used)


class WrappingClient(ChatCompletionClient):
    """A client that is as another one, but for what it does to requests."""

    def __init__(self, inner: ChatCompletionClient) -> None:
        if not isinstance(inner, ChatCompletionClient):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                "the first argument is the model client to wrap, such as OpenAIChatCompletionClient(model='gpt-4o'); "
                f"got {inner!r}"
            )
        self._inner = inner

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

    def actual_usage(self) -> RequestUsage:
        """Return the usage of the inner client."""
        return self._inner.actual_usage()

    def total_usage(self) -> RequestUsage:
        """Return the usage of the inner client."""
        return self._inner.total_usage()

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]
        """Capabilities of the inner client."""
        return self._inner.capabilities

    @property
    def model_info(self) -> ModelInfo:
        """Model info of the inner client."""
        return self._inner.model_info


def _sendable(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return a list for the inner client, with a copy of what AutoGen's clients would change in place."""
    view = list(messages)
    if view and isinstance(view[-1], AssistantMessage):
        view[-1] = detached(view[-1])
    return view
