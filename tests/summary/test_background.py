"""Summaries in the context hook: begun in the background, taken by the next compaction, never needed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import InMemoryStore
from autogen_core.models import AssistantMessage, CreateResult, LLMMessage, RequestUsage, UserMessage
from autogen_core.tools import Tool, ToolSchema
from hypothesis import given

from autogen_ext_tokenctx import ContextManager, Form, Level, Summary
from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.summary.summarizer import SUMMARY_SOURCE, ContextSummarizer

from ..support import guarantees as check
from ..support.background import settled
from ..support.histories import prose
from ..support.random_histories import histories
from ..support.strict_client import Reply, StrictClient, call

BUDGET = 3_000
_ITEM = re.compile(r"Checked item \d{3}")


def turns(first: int, last: int) -> list[LLMMessage]:
    """Turns of a talk whose items have numbers of three digits."""
    messages: list[LLMMessage] = []
    for number in range(first, last):
        said = f"Checked item {100 + number}: {prose(number, 60)}"
        messages += [
            AssistantMessage(content=said, source="coder"),
            UserMessage(content=f"Go on with item {101 + number}.", source="user"),
        ]
    return messages


TASK = UserMessage(content="Find out which boiler leaks. Report its number.", source="user")


def summarise(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
    """What an honest model might say: which items it has read of."""
    items = dict.fromkeys(_ITEM.findall(str(messages[-1].content)))
    return "## Facts\n" + "\n".join(f"- {item}" for item in items)


class Hanging(StrictClient):
    """Answers after its gate is opened."""

    def __init__(self, script: Sequence[Reply] = (summarise,)) -> None:
        super().__init__(script)
        self.called, self.cancelled, self.gate = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def create(self, messages: Sequence[LLMMessage], **arguments: Any) -> CreateResult:
        self.called.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return await super().create(messages, **arguments)


def context_with(client: StrictClient, **settings: Any) -> TokenBudgetChatCompletionContext:
    return TokenBudgetChatCompletionContext(budget=BUDGET, summarizer=ContextSummarizer(client, **settings))


async def read(
    context: TokenBudgetChatCompletionContext, messages: Sequence[LLMMessage], settle: bool = True
) -> list[list[LLMMessage]]:
    """Adds messages and reads the view after each; between two there is time for the summary."""
    views: list[list[LLMMessage]] = []
    for message in messages:
        await context.add_message(message)
        views.append(await context.get_messages())
        assert context.last_report is not None
        assert context.last_report.tokens_after <= BUDGET
        if settle:
            await settled()
    return views


def summary_in(view: Sequence[LLMMessage]) -> str:
    said = [str(message.content) for message in view if getattr(message, "source", "") == SUMMARY_SOURCE]
    assert len(said) <= 1
    return said[0] if said else ""


async def test_a_compaction_takes_the_summary_that_was_made_before_it() -> None:
    client = StrictClient([summarise])
    context = context_with(client)
    views = await read(context, [TASK, *turns(0, 26)])
    first = next(number for number, view in enumerate(views) if len(view) <= number)
    assert summary_in(views[first])
    assert views[first][0] is TASK
    assert len(client.requests) >= 3
    report = context.last_report
    assert report is not None
    assert report.level is Level.SUMMARY
    assert [step.form for step in report.steps].count(Form.SUMMARY) == 1
    assert "Checked item 100" in summary_in(views[-1])  # the rolling summary still has what was said first


async def test_nothing_is_read_twice() -> None:
    client = StrictClient([summarise])
    await read(context_with(client), [TASK, *turns(0, 26)])
    parts = [str(request.messages[-1].content).split("<messages>") for request in client.requests]
    assert all("<standing_summary>" in head for head, _ in parts[1:])
    items = [item for _, new in parts for item in dict.fromkeys(re.findall(r"coder: (Checked item \d{3})", new))]
    assert items == sorted(set(items))
    assert items[0] == "Checked item 100"


async def test_it_begins_at_its_mark() -> None:
    client = Hanging()
    context = context_with(client, start_at=0.7)
    for message in [TASK, *turns(0, 40)]:
        await context.add_message(message)
        await context.get_messages()
        assert context.last_report is not None
        if context.last_report.tokens_after >= 0.7 * (BUDGET - context.reserve):
            break
        await asyncio.sleep(0.002)
        assert not client.called.is_set()
    await asyncio.wait_for(client.called.wait(), 30)
    await context.close()


async def test_the_agent_does_not_wait() -> None:
    client = Hanging()
    context, plain = context_with(client), TokenBudgetChatCompletionContext(budget=BUDGET)
    messages = [TASK, *turns(0, 26)]
    views = await asyncio.wait_for(read(context, messages, settle=False), 30)  # the model never answers
    assert views == await read(plain, messages, settle=False)
    await context.close()


def refuse(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
    raise RuntimeError("no")


def empty(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> CreateResult:
    return CreateResult(finish_reason="stop", content="", usage=RequestUsage(1, 0), cached=False)


@pytest.mark.parametrize(
    "reply",
    [
        refuse,
        empty,
        [call("look", "call_1", item=1)],
        "## Facts\n- The key is in locker ZK-4711.",
        "## Facts\n" + "- a long story\n" * 2_000,
        "I cannot do that.",
    ],
    ids=["raises", "is empty", "calls a tool", "invents", "is over-long", "refuses"],
)
async def test_a_model_that_fails_changes_nothing(reply: Reply) -> None:
    messages = [TASK, *turns(0, 26)]
    views = await read(context_with(StrictClient([reply])), messages)
    assert views == await read(TokenBudgetChatCompletionContext(budget=BUDGET), messages, settle=False)


async def test_a_hung_model_is_given_up() -> None:
    client = Hanging()
    context = context_with(client, timeout=0.01, attempts=1)
    views = await read(context, [TASK, *turns(0, 26)])
    assert not any(map(summary_in, views))
    client.gate.set()
    views = await read(context, turns(26, 29))
    assert not any(map(summary_in, views[:1]))


async def test_in_line_for_those_who_want_it() -> None:
    client = Hanging()
    client.gate.set()
    context = context_with(client, wait=True)
    views = await read(context, [TASK, *turns(0, 26)], settle=False)
    compacted = [view for number, view in enumerate(views) if len(view) <= number]
    assert compacted
    assert all(map(summary_in, compacted))


async def test_who_cancels_the_wait_cancels_the_summary() -> None:
    client = Hanging()
    context = context_with(client, wait=True)
    for message in [TASK, *turns(0, 40)]:
        await context.add_message(message)
    reading = asyncio.create_task(context.get_messages())
    await client.called.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.wait_for(client.cancelled.wait(), 30)
    client.gate.set()
    assert len(await context.get_messages()) > 1


async def test_a_saved_context_goes_on_with_its_summary_and_pays_nothing() -> None:
    client = StrictClient([summarise])
    context = context_with(client)
    views = await read(context, [TASK, *turns(0, 26)])
    state = json.loads(json.dumps(await context.save_state()))
    again = StrictClient([refuse])
    restored = context_with(again)
    await restored.load_state(state)
    assert await restored.get_messages() == views[-1]
    assert summary_in(views[-1])
    await asyncio.sleep(0.01)
    went_on = await read(restored, turns(60, 62))
    assert summary_in(went_on[-1]) == summary_in(views[-1])


async def test_a_shared_store_pays_once() -> None:
    store = InMemoryStore[str]()
    messages = [TASK, *turns(0, 26)]
    first, second = StrictClient([summarise]), StrictClient([summarise])
    views = await read(context_with(first, store=store), messages)
    assert await read(context_with(second, store=store), messages) == views
    assert first.requests
    assert not second.requests


async def test_a_summary_of_another_history_is_dropped() -> None:
    context = context_with(StrictClient([summarise]))
    views = await read(context, [TASK, *turns(0, 26)])
    assert summary_in(views[-1])
    await context.clear()
    views = await read(context, [UserMessage(content="Paint the fence.", source="user"), *turns(300, 322)])
    assert not any("Checked item 100" in summary_in(view) for view in views)


async def test_broken_state_loses_only_the_summary() -> None:
    context = context_with(StrictClient([summarise]))
    await read(context, [TASK, *turns(0, 26)])
    state = json.loads(json.dumps(await context.save_state()))
    state["autogen_ext_tokenctx"]["summary"]["covers"] = 10_000
    restored = context_with(StrictClient([summarise]))
    with pytest.warns(RuntimeWarning, match="covers 10000 messages"):
        await restored.load_state(state)
    assert len(await restored.get_messages()) > 1


async def test_a_team_resumes_with_its_summary() -> None:
    def team(client: StrictClient, summaries: StrictClient) -> RoundRobinGroupChat:
        context = context_with(summaries)
        agents = [AssistantAgent("ann", client, model_context=context), AssistantAgent("bob", client)]
        return RoundRobinGroupChat([*agents], termination_condition=MaxMessageTermination(30))

    count = iter(range(1_000))
    script: list[Reply] = [lambda messages, tools: f"Checked item {100 + next(count)}: {prose(next(count), 90)}"]
    client, summaries = StrictClient(script), StrictClient([summarise])
    running = team(client, summaries)
    await running.run(task="Find out which boiler leaks.")
    assert summaries.requests
    state = json.loads(json.dumps(await running.save_state()))
    assert SUMMARY_SOURCE in json.dumps(state)

    restored = team(client, silent := StrictClient([refuse]))
    await restored.load_state(state)
    client.requests.clear()
    await restored.run(task="Go on.")
    assert any(summary_in(request.messages) for request in client.requests[:2])
    assert all(re.search(r"standing_summary", str(request.messages[-1].content)) for request in silent.requests)


def test_a_closed_loop_does_not_hang() -> None:
    async def main() -> None:
        await read(context_with(Hanging()), [TASK, *turns(0, 30)], settle=False)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_the_component_keeps_its_summarizer() -> None:
    context = TokenBudgetChatCompletionContext(
        budget=BUDGET, summarizer=ContextSummarizer(StrictClient(["ok"]), start_at=0.5, wait=True)
    )
    config = context.dump_component()
    copy = TokenBudgetChatCompletionContext.load_component(config)
    assert copy.dump_component() == config
    assert config.config["summarizer"]["config"]["start_at"] == 0.5


_LOOP = asyncio.new_event_loop()


@given(history=histories())
def test_the_guarantees_hold_beside_a_summary(history: list[LLMMessage]) -> None:
    manager = ContextManager()
    summary = Summary(text="## Facts\n- The boiler is number 17.", covers=1, key="k", tokens_before=500)
    budget = max(1, manager.counter.count_request(history) // 3)

    def fit(budget: int) -> Any:
        return _LOOP.run_until_complete(manager.fit(history, budget, summary=summary))

    try:
        result = fit(budget)
    except BudgetTooSmallError as error:
        result = fit(budget := error.needed)
    check.check_budget(manager, budget, result)
    check.check_pairs(result.messages)
    check.check_pinned(history, [message for message in result.messages if message != summary.message()])
    check.check_nothing_lost(manager, history, result)
    assert (summary.message() in result.messages) == (result.report.level is Level.SUMMARY)


async def test_the_client_hook_summarises_for_each_agent() -> None:
    inner, summaries = StrictClient(window=BUDGET), StrictClient([summarise])
    client = TokenBudgetChatCompletionClient(inner, BUDGET, summarizer=ContextSummarizer(summaries))
    messages = [TASK, *turns(0, 26)]
    for end in range(1, len(messages), 2):
        await client.create(messages[:end])
        await settled()
    assert summary_in(inner.requests[-1].messages)
    assert inner.requests[-1].messages[0] is TASK
    assert len(summaries.requests) >= 2
    assert max(request.tokens for request in inner.requests) <= BUDGET
    copy = TokenBudgetChatCompletionClient.load_component(
        TokenBudgetChatCompletionClient(
            StrictClient(), BUDGET, summarizer=ContextSummarizer(StrictClient(["ok"]))
        ).dump_component()
    )
    assert copy.dump_component().config["summarizer"]["config"]["start_at"] == 0.7


async def test_closing_the_client_ends_its_summaries() -> None:
    summaries = Hanging()
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET, summarizer=ContextSummarizer(summaries))
    messages = [TASK, *turns(0, 30)]
    for end in range(1, len(messages), 2):
        await client.create(messages[:end])
    await summaries.called.wait()
    await client.close()
    assert summaries.cancelled.is_set()


class Headings:
    """A summariser that is none of the package's: it has the method, and that is all."""

    def __init__(self, more: int = 0, fault: Exception | None = None) -> None:
        self.more, self.fault, self.calls = more, fault, 0

    async def merge(self, standing: Summary | None, messages: Sequence[LLMMessage], /) -> Summary | None:
        self.calls += 1
        if self.fault:
            raise self.fault
        covers = (standing.covers if standing else 0) + len(messages) + self.more
        return Summary(text="Items were checked, one after the other.", covers=covers)


async def views_with(summarizer: Any) -> list[str]:
    """The views of a history that is compacted several times."""
    context = TokenBudgetChatCompletionContext(budget=BUDGET, summarizer=summarizer, initial_messages=[TASK])
    views: list[str] = []
    for number in range(0, 60, 2):
        for message in turns(number, number + 2):
            await context.add_message(message)
        views.append(str(await context.get_messages()))
        await asyncio.sleep(0)  # what is made in the background gets on
    return views


async def test_anything_with_the_method_writes_summaries() -> None:
    own = Headings()
    views = await views_with(own)
    assert "Items were checked, one after the other." in views[-1]
    assert own.calls > 1


@pytest.mark.parametrize(
    ("own", "why"), [(Headings(fault=OSError("no disk")), "OSError('no disk')"), (Headings(more=1), "it covers")]
)
async def test_a_summary_that_is_none_of_the_history_is_not_used_and_said_once(
    own: Headings, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    views = await views_with(own)
    assert own.calls > 1
    assert not any("Items were checked, one" in view for view in views)
    assert [why in record.getMessage() for record in caplog.records] == [True]


def test_what_has_no_such_method_is_refused_with_the_remedy() -> None:
    wrong: Any = object()
    with pytest.raises(TypeError, match=r"an async method merge\(standing, messages\)"):
        TokenBudgetChatCompletionContext(budget=BUDGET, summarizer=wrong)


@pytest.mark.parametrize("hook", ["context", "client"])
def test_a_summariser_of_ones_own_is_not_dumped_and_the_error_says_what_to_do(hook: str) -> None:
    component = (
        TokenBudgetChatCompletionContext(budget=BUDGET, summarizer=Headings())
        if hook == "context"
        else TokenBudgetChatCompletionClient(StrictClient(), BUDGET, model="gpt-4o", summarizer=Headings())
    )
    with pytest.raises(TypeError, match="give it again in code after loading"):
        component.dump_component()
