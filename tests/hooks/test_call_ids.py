"""Reports say which call they are of, and whether it was compacted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx.context.events import FitEvent
from autogen_ext_tokenctx.forms.form import Level
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.telemetry.listening import EventListener

from ..support.histories import prose
from ..support.strict_client import StrictClient


class Ear(EventListener):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[FitEvent] = []

    def hear(self, event: object) -> None:
        if isinstance(event, FitEvent):
            self.events.append(event)

    def hooks_by_call(self) -> list[list[str]]:
        found: dict[str, list[str]] = {}
        for event in self.events:
            found.setdefault(event.report.call_id, []).append(event.hook)
        assert "" not in found
        return list(found.values())


class Rewrite:
    """A transform that makes other messages of all that it gets."""

    def apply_transform(self, messages: Sequence[LLMMessage]) -> list[LLMMessage]:
        return [message.model_copy(update={"content": str(message.content)}) for message in messages]

    def get_logs(self, pre: Sequence[LLMMessage], post: Sequence[LLMMessage]) -> tuple[str, bool]:
        return "", False


def client(budget: int = 2_000, **settings: object) -> TokenBudgetChatCompletionClient:
    inner = StrictClient([lambda messages, tools: prose(len(messages), 150)])
    return TokenBudgetChatCompletionClient(inner, budget, **settings)  # pyright: ignore[reportArgumentType]


async def test_both_hooks_name_each_call_of_a_team_alike() -> None:
    model = client()
    agents = [
        AssistantAgent(name, model, model_context=TokenBudgetChatCompletionContext(budget=2_000))
        for name in ("ann", "bob")
    ]
    with Ear() as ear:
        await RoundRobinGroupChat(list(agents), max_turns=6).run(task="Discuss the boilers.")
    assert ear.hooks_by_call() == [["context", "client"]] * 6


async def test_a_client_that_rewrites_what_it_gets_names_the_call_as_its_context_does() -> None:
    agent = AssistantAgent(
        "ann", client(transforms=[Rewrite()]), model_context=TokenBudgetChatCompletionContext(budget=2_000)
    )
    with Ear() as ear:
        await agent.run(task="Discuss the boilers.")
    assert ear.hooks_by_call() == [["context", "client"]]


async def test_a_selector_that_sends_its_view_as_one_text_is_one_call() -> None:
    agents = [AssistantAgent(name, client(), description=name) for name in ("ann", "bob")]
    inner = StrictClient(["ann"])
    team = SelectorGroupChat(
        list(agents),
        TokenBudgetChatCompletionClient(inner, 2_000),
        max_turns=1,
        model_context=TokenBudgetChatCompletionContext(budget=2_000),
    )
    with Ear() as ear:
        await team.run(task="Discuss the boilers.")
    assert sorted(ear.hooks_by_call()) == [["client"], ["context", "client"]]


async def test_calls_side_by_side_outside_a_runtime_keep_their_ids() -> None:
    model = client()

    async def call(number: int) -> None:
        context = TokenBudgetChatCompletionContext(budget=2_000)
        await context.add_message(UserMessage(content=f"Question {number}?", source="user"))
        view = await context.get_messages()
        await asyncio.sleep(0)
        await model.create(view)

    with Ear() as ear:
        await asyncio.gather(*map(call, range(4)))
    assert ear.hooks_by_call() == [["context", "client"]] * 4


async def test_a_request_of_another_agent_outside_a_runtime_is_a_call_of_its_own() -> None:
    context = TokenBudgetChatCompletionContext(budget=2_000)
    await context.add_message(UserMessage(content="Hello.", source="user"))
    with Ear() as ear:
        await context.get_messages()
        await client().create([UserMessage(content="Something else.", source="user")])
    assert ear.hooks_by_call() == [["context"], ["client"]]


async def test_only_the_call_that_made_the_view_is_compacted() -> None:
    context = TokenBudgetChatCompletionContext(budget=1_000)
    told: list[tuple[bool, bool]] = []
    for number in range(30):
        await context.add_message(UserMessage(content=prose(number, 25), source="user"))
        await context.get_messages()
        report = context.last_report
        assert report is not None
        assert (report.seconds > 0) >= report.compacted
        told.append((report.level > Level.NONE, report.compacted))
        await context.get_messages()
        assert context.last_report is not None
        assert (context.last_report.compacted, context.last_report.seconds) == (False, 0.0)
        assert context.last_report.call_id == report.call_id
    shortened, compactions = (sum(part) for part in zip(*told, strict=True))
    assert 0 < compactions < shortened
