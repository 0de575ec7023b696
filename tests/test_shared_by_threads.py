"""One client or manager shared by threads with an event loop each: requests hold nothing of others (guarantee G13)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from autogen_core import AgentId, FunctionCall, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from autogen_ext_tokenctx import (
    ContextManager,
    EstimatedTokenCounter,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
)

USERS = ("ann", "ben", "cleo", "dan")
_TURNS = 4


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    """Threads take turns a hundred times as often, so that what can mix does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    yield
    sys.setswitchinterval(before)


class _Said(ReplayChatCompletionClient):
    """Keeps each request, and lets others in before it answers."""

    def __init__(self) -> None:
        super().__init__(["never used"])
        self.requests: list[list[LLMMessage]] = []

    async def create(self, messages: Sequence[LLMMessage], **_: Any) -> CreateResult:
        self.requests.append(list(messages))
        await asyncio.sleep(0)
        return CreateResult(
            finish_reason="stop",
            content="noted",
            usage={"prompt_tokens": 0, "completion_tokens": 0},  # type: ignore[arg-type]
            cached=False,
        )


def _history(user: str, turns: int) -> list[LLMMessage]:
    """A history in which every message names its user, with calls and long results."""
    out: list[LLMMessage] = [
        SystemMessage(content=f"You help {user}-secret."),
        UserMessage(content=f"Book the {user}-secret trip to the harbour.", source="user"),
    ]
    for turn in range(turns):
        call = FunctionCall(id=f"{turn}", name="look", arguments=f'{{"for": "{user}-secret {turn}"}}')
        rows = "\n".join(f"{user}-secret row {turn}.{row} harbour price {row * turn}" for row in range(20))
        result = FunctionExecutionResult(content=rows, name="look", call_id=f"{turn}", is_error=False)
        out += [
            AssistantMessage(content=[call], source="agent"),
            FunctionExecutionResultMessage(content=[result]),
            AssistantMessage(content=f"{user}-secret step {turn} is done.", source="agent"),
            UserMessage(content=f"And the {user}-secret harbour row {turn}.3?", source="user"),
        ]
    return out


def _mixed(requests: Sequence[Sequence[LLMMessage]]) -> list[str]:
    """The requests that name other than one user."""
    return [text for text in map(str, requests) if sum(f"{user}-secret" in text for user in USERS) != 1]


def _in_threads(work: Any) -> None:
    """Runs it for each user in a thread and an event loop of its own, all at once."""
    start = Barrier(len(USERS))

    def run(user: str) -> None:
        start.wait()
        asyncio.run(work(user))

    with ThreadPoolExecutor(len(USERS)) as pool:
        list(pool.map(run, USERS))


def test_requests_outside_a_runtime_through_one_client_hold_nothing_of_other_threads() -> None:
    inner = _Said()
    client = TokenBudgetChatCompletionClient(inner, budget=1_500, counter=EstimatedTokenCounter())

    async def talk(user: str) -> None:
        for turns in range(4, 4 + _TURNS):
            await client.create(_history(user, turns))

    _in_threads(talk)
    assert len(inner.requests) == len(USERS) * _TURNS
    assert not _mixed(inner.requests)


def test_long_histories_that_are_weighed_in_worker_threads_do_not_mix() -> None:
    inner = _Said()
    client = TokenBudgetChatCompletionClient(inner, budget=1_500, model="gpt-4o")

    async def talk(user: str) -> None:
        for turns in range(22, 24):
            await client.create(_history(user, turns))

    _in_threads(talk)
    assert not _mixed(inner.requests)


class _Asked(BaseModel):
    user: str
    turns: int


class _Agent(RoutedAgent):
    def __init__(self, client: TokenBudgetChatCompletionClient) -> None:
        super().__init__("an agent")
        self._client = client

    @message_handler
    async def ask(self, message: _Asked, ctx: MessageContext) -> None:
        await self._client.create(_history(message.user, message.turns))


def test_agents_of_one_id_in_runtimes_of_their_own_do_not_mix() -> None:
    inner = _Said()
    client = TokenBudgetChatCompletionClient(inner, budget=1_500, counter=EstimatedTokenCounter())

    async def talk(user: str) -> None:
        runtime = SingleThreadedAgentRuntime()
        await _Agent.register(runtime, "coder", lambda: _Agent(client))
        runtime.start()
        for turns in range(4, 4 + _TURNS):
            await runtime.send_message(_Asked(user=user, turns=turns), AgentId("coder", "default"))
        await runtime.stop()

    _in_threads(talk)
    assert len(inner.requests) == len(USERS) * _TURNS
    assert not _mixed(inner.requests)


@pytest.mark.parametrize("turns", [5, 25], ids=["short", "long"])
def test_fits_and_recalls_of_one_manager_do_not_mix(turns: int) -> None:
    manager = ContextManager(counter=EstimatedTokenCounter())
    views: list[Sequence[LLMMessage]] = []

    async def talk(user: str) -> None:
        for more in range(2):
            history = _history(user, turns + more)
            views.append((await manager.fit(history, 1_200)).messages)
            block = await manager.recall(history[:-1], history[-1:], history[-1:], 300)
            if block is not None:
                views.append([block.message])

    _in_threads(talk)
    assert len(views) > 2 * len(USERS)
    assert not _mixed(views)


def test_contexts_that_share_a_manager_do_not_mix() -> None:
    manager = ContextManager(counter=EstimatedTokenCounter())
    views: list[Sequence[LLMMessage]] = []

    async def talk(user: str) -> None:
        context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=1_200, manager=manager)
        for message in _history(user, 8):
            await context.add_message(message)
            views.append(await context.get_messages())

    _in_threads(talk)
    assert not [view for view in _mixed(views) if "secret" in view]


def test_what_left_the_requests_of_a_thread_can_be_had_back_from_any_other() -> None:
    inner = _Said()
    client = TokenBudgetChatCompletionClient(inner, budget=1_500, counter=EstimatedTokenCounter())
    handles: list[str] = []

    async def talk(user: str) -> None:
        await client.create(_history(user, 9))
        report = client.last_report
        assert report is not None
        handles.extend(step.handle for step in report.steps if step.handle)

    _in_threads(talk)
    assert handles
    assert all(client.expand(handle) for handle in handles)
