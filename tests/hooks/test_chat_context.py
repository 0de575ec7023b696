"""The model-context hook by itself: folding, reserve, pins, state, faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_core import FunctionCall, Image
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from PIL import Image as PILImage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.report import FitResult
from autogen_ext_tokenctx.context.request import FitRequest
from autogen_ext_tokenctx.errors import BudgetTooSmallError, UnknownHandleError
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.models.counters import counter_for_model
from autogen_ext_tokenctx.tokens.budget import TARGET, TokenBudget
from autogen_ext_tokenctx.tokens.counting import TokenCounter

from ..support.histories import conversation, exchange, prose
from ..support.quiet import no_warnings
from ..support.strict_client import call, check_request

BUDGET = 2_000


class CountingCounter:
    """Counts how often messages are counted."""

    def __init__(self) -> None:
        self.inner: TokenCounter = counter_for_model(None)
        self.counted = 0

    def count_text(self, text: str) -> int:
        return self.inner.count_text(text)

    def count_message(self, message: LLMMessage) -> int:
        self.counted += 1
        return self.inner.count_message(message)

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        self.counted += len(messages)
        return self.inner.count_request(messages, tools)


class FailingCounter:
    """Fails from the given call on."""

    def __init__(self, good_calls: int = 0) -> None:
        self.left = good_calls

    def count_text(self, text: str) -> int:
        return self._count()

    def count_message(self, message: LLMMessage) -> int:
        return self._count()

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return self._count()

    def _count(self) -> int:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("no rank file")
        return 5


class FailingManager(ContextManager):
    """Fails at every fit."""

    def for_agent(self) -> ContextManager:
        return FailingManager(counter=self.counter)

    async def fit_request(self, request: FitRequest) -> FitResult:
        raise RuntimeError("a bug")


async def filled(messages: Sequence[LLMMessage], **kwargs: Any) -> TokenBudgetChatCompletionContext:
    arguments: dict[str, Any] = {"budget": BUDGET, **kwargs}
    context = TokenBudgetChatCompletionContext(**arguments)
    for message in messages:
        await context.add_message(message)
    return context


def as_json(messages: Sequence[LLMMessage]) -> list[str]:
    return [message.model_dump_json() for message in messages]


def same_objects(one: Sequence[LLMMessage], other: Sequence[LLMMessage]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


# Reading


async def test_short_history_is_given_out_as_it_is() -> None:
    messages = conversation(2)
    context = await filled(messages)
    view = await context.get_messages()
    assert isinstance(view, list)
    assert same_objects(view, messages)
    assert context.last_report is not None
    assert context.last_report.steps == ()
    assert context.last_report.tokens_before == context.last_report.tokens_after


async def test_empty_history() -> None:
    context = await filled([])
    assert await context.get_messages() == []
    assert context.last_report is None


async def test_long_history_fits_beside_the_reserve() -> None:
    messages = conversation(12)
    before = as_json(messages)
    context = await filled(messages)
    view = await context.get_messages()
    check_request(view)
    tokens = counter_for_model(None).count_request(view)
    room = BUDGET - context.reserve
    assert 0.9 * TARGET * room < tokens <= room
    assert view[0] is messages[0]
    assert view[-1] is messages[-1]
    assert as_json(messages) == before
    assert context.last_report is not None
    assert context.last_report.tokens_after == tokens
    assert context.last_report.steps


@pytest.mark.parametrize("turns", [2, 12])
async def test_two_reads_give_the_same_list(turns: int) -> None:
    context = await filled(conversation(turns))
    first = await context.get_messages()
    second = await context.get_messages()
    assert same_objects(first, second)
    first.clear()  # the caller's list is the caller's
    assert same_objects(await context.get_messages(), second)


async def test_prefix_is_byte_identical_between_compactions() -> None:
    context = await filled([])
    counter = counter_for_model(None)
    previous: list[str] = []
    reads = compactions = 0
    for message in conversation(30):
        await context.add_message(message)
        if isinstance(message, AssistantMessage):
            continue
        view = await context.get_messages()
        check_request(view)
        assert counter.count_request(view) <= BUDGET - context.reserve
        assert context.last_report is not None
        assert context.last_report.tokens_after == counter.count_request(view)
        sent = as_json(view)
        reads += 1
        if sent[: len(previous)] != previous:
            compactions += 1
            assert counter.count_request(view) <= (BUDGET - context.reserve) * 0.8
        previous = sent
    assert 2 <= compactions < reads / 2


async def test_reads_without_compaction_count_only_what_is_new() -> None:
    counter = CountingCounter()
    context = await filled(conversation(300, 10), budget=1_000_000, counter=counter)
    await context.get_messages()
    counter.counted = 0
    await context.get_messages()
    assert counter.counted == 0
    await context.add_message(UserMessage(content="next", source="user"))
    assert counter.counted <= 3  # a counter of the user's own may be asked again; ours remembers
    counter.counted = 0
    await context.get_messages()
    assert counter.counted <= 1


async def test_adding_a_message_counts_no_other() -> None:
    counter = CountingCounter()
    context = await filled(conversation(50), counter=counter)
    before = counter.counted
    await context.add_message(UserMessage(content="next", source="user"))
    assert counter.counted - before <= 3


@pytest.mark.parametrize("turns", [2, 12])
async def test_open_call_is_answered_in_the_view_only_until_its_result_comes(turns: int) -> None:
    context = await filled(conversation(turns))
    await context.get_messages()
    question, answer = exchange(900)
    await context.add_message(question)
    view = await context.get_messages()
    check_request(view)
    assert view[-2] is question
    assert as_json(await context.get_messages()) == as_json(view)
    await context.add_message(answer)
    view = await context.get_messages()
    check_request(view)
    assert view[-2:] == [question, answer]


async def test_open_call_when_compaction_is_due() -> None:
    question, answer = exchange(900)
    context = await filled([*conversation(12), question])
    check_request(await context.get_messages())
    await context.add_message(answer)
    view = await context.get_messages()
    check_request(view)
    assert view[-2:] == [question, answer]


async def test_results_in_several_messages() -> None:
    calls = AssistantMessage(content=[call("look", "a"), call("look", "b")], source="coder")
    results = [
        FunctionExecutionResultMessage(content=[FunctionExecutionResult(content=i, name="look", call_id=i)])
        for i in "ab"
    ]
    context = await filled(conversation(1))
    for message in (calls, *results):
        await context.add_message(message)
        check_request(await context.get_messages())
    assert (await context.get_messages())[-3:] == [calls, *results]


async def test_interrupted_call_stays_repaired() -> None:
    context = await filled(conversation(2))
    await context.get_messages()
    await context.add_message(exchange(900)[0])
    await context.get_messages()
    await context.add_message(UserMessage(content="Never mind. Go on.", source="user"))
    first = await context.get_messages()
    check_request(first)
    await context.add_message(AssistantMessage(content="Going on.", source="coder"))
    second = await context.get_messages()
    assert same_objects(second[:-1], first)


# What makes it compact anew


async def change_budget(context: TokenBudgetChatCompletionContext) -> None:
    context.budget = BUDGET + 1_000


async def change_reserve(context: TokenBudgetChatCompletionContext) -> None:
    context.reserve = 900


async def change_task(context: TokenBudgetChatCompletionContext) -> None:
    context.task = "Say what item 3 reads: " + prose(3, 9)


@pytest.mark.parametrize("change", [change_budget, change_reserve, change_task])
async def test_changed_settings_compact_anew(change: Callable[[TokenBudgetChatCompletionContext], Any]) -> None:
    messages = conversation(12)
    context = await filled(messages)
    before = await context.get_messages()
    await change(context)
    after = await context.get_messages()
    check_request(after)
    fresh = await filled(messages, budget=context.budget, reserve=context.reserve, task=context.task)
    assert as_json(after) == as_json(await fresh.get_messages())
    assert as_json(after) != as_json(before)


async def test_pinned_message_stays_word_for_word() -> None:
    messages = conversation(12)
    context = await filled(messages)
    view = await context.get_messages()
    pinned = next(message for message in messages if not any(message is kept for kept in view))
    context.pin(pinned)
    assert any(message is pinned for message in await context.get_messages())
    for message in conversation(12)[1:]:
        await context.add_message(message)
    assert any(message is pinned for message in await context.get_messages())


async def test_expand_gives_back_what_left_the_view() -> None:
    messages = conversation(12)
    context = await filled(messages)
    await context.get_messages()
    assert context.last_report is not None
    handles = [step.handle for step in context.last_report.steps if step.handle]
    assert handles
    originals = [message for handle in handles for message in context.expand(handle)]
    assert all(message in messages for message in originals)
    with pytest.raises(UnknownHandleError):
        context.expand("no such handle")


async def test_pinned_image_is_still_pinned_after_loading() -> None:
    picture = UserMessage(content=["The leak.", Image(PILImage.new("RGB", (8, 8)))], source="user")
    messages = conversation(12)
    context = await filled([*messages[:4], picture, *messages[4:]])
    context.pin(picture)
    restored = TokenBudgetChatCompletionContext(budget=BUDGET)
    await restored.load_state(json.loads(json.dumps(await context.save_state())))
    for some in (context, restored):
        view = await some.get_messages()
        assert sum(isinstance(m.content, list) and m.content[0] == "The leak." for m in view) == 1


async def test_contexts_that_share_a_manager_do_not_share_an_archive() -> None:
    manager = ContextManager()
    one = await filled(conversation(12), manager=manager)
    other = await filled([], manager=manager)
    await one.get_messages()
    assert one.last_report is not None
    handle = next(step.handle for step in one.last_report.steps if step.handle)
    assert one.expand(handle)
    with pytest.raises(UnknownHandleError):
        other.expand(handle)
    await other.clear()
    assert one.expand(handle)


async def test_clear_forgets_view_pins_and_archive_but_keeps_autogens_way_with_initial_messages() -> None:
    context = await filled(conversation(12), initial_messages=[SystemMessage(content="Be brief.")])
    context.pin(SystemMessage(content="Be brief."))
    await context.get_messages()
    assert context.last_report is not None
    handle = next(step.handle for step in context.last_report.steps if step.handle)
    await context.clear()
    assert await context.get_messages() == []
    assert context.last_report is None
    with pytest.raises(UnknownHandleError):
        context.expand(handle)
    message = UserMessage(content="new", source="user")
    await context.add_message(message)
    assert await context.get_messages() == [message]


# Reserve


@pytest.mark.parametrize(
    ("arguments", "reserve"),
    [
        ({"budget": 2_000}, 300),
        ({"budget": 100_000}, 1_000),
        ({"budget": 2_000, "reserve": 0}, 0),
        ({"budget": 2_000, "reserve": 700}, 700),
        ({"budget": TokenBudget(limit=2_000)}, 0),
        ({"budget": TokenBudget(limit=2_000, reserve=50)}, 50),
        ({"budget": TokenBudget(limit=2_000, reserve=50), "reserve": 60}, 60),
    ],
)
async def test_reserve(arguments: dict[str, Any], reserve: int) -> None:
    context = TokenBudgetChatCompletionContext(**arguments)
    assert context.reserve == reserve
    context.learn_overhead([SystemMessage(content="word " * 100)], [])
    learns = isinstance(arguments["budget"], int) and "reserve" not in arguments
    assert (context.reserve != reserve) == learns


async def test_learned_reserve_is_the_largest_of_the_last_calls() -> None:
    context = await filled([])
    counter = counter_for_model(None)
    small, large = SystemMessage(content="Be brief."), SystemMessage(content="Be brief. " * 50)
    context.learn_overhead([large], [])
    assert context.reserve == counter.count_message(large)
    context.learn_overhead([small], [])
    assert context.reserve == counter.count_message(large)
    for _ in range(10):
        context.learn_overhead([small], [])
    assert context.reserve == counter.count_message(small)


async def test_reserve_that_changes_a_little_does_not_compact_anew() -> None:
    context = await filled(conversation(12))
    view = await context.get_messages()
    context.learn_overhead([SystemMessage(content="word " * 250)], [])
    assert same_objects(await context.get_messages(), view)
    context.learn_overhead([SystemMessage(content="word " * 900)], [])
    smaller = await context.get_messages()
    assert counter_for_model(None).count_request(smaller) <= BUDGET - context.reserve


async def test_overhead_larger_than_the_budget_is_an_error() -> None:
    context = await filled(conversation(2), budget=500)
    context.learn_overhead([SystemMessage(content="word " * 900)], [])
    with pytest.raises(BudgetTooSmallError, match="500"):
        await context.get_messages()


# State


@pytest.mark.parametrize("turns", [2, 12])
async def test_state_round_trip_mid_conversation(turns: int) -> None:
    context = await filled(conversation(turns), task="Find the leak")
    context.pin(conversation(turns)[2])
    context.learn_overhead([SystemMessage(content="Be brief.")], [])
    await context.get_messages()
    extra = exchange(900)
    await context.add_message(extra[0])
    await context.add_message(extra[1])
    expected = await context.get_messages()

    state = json.loads(json.dumps(await context.save_state()))
    restored = TokenBudgetChatCompletionContext(budget=BUDGET, task="Find the leak")
    await restored.load_state(state)

    assert restored.reserve == context.reserve
    assert as_json(await restored.get_messages()) == as_json(expected)
    assert restored.last_report is not None
    assert context.last_report is not None
    assert restored.last_report.steps == context.last_report.steps
    assert restored.last_report.tokens_after == context.last_report.tokens_after
    for step in context.last_report.steps:
        if step.handle:
            assert restored.expand(step.handle) == context.expand(step.handle)

    for message in conversation(12)[1:]:
        await context.add_message(message)
        await restored.add_message(message)
    assert as_json(await restored.get_messages()) == as_json(await context.get_messages())


async def test_state_for_another_budget_compacts_anew() -> None:
    context = await filled(conversation(12))
    await context.get_messages()
    restored = TokenBudgetChatCompletionContext(budget=BUDGET * 2)
    await restored.load_state(await context.save_state())
    fresh = await filled(conversation(12), budget=BUDGET * 2)
    assert as_json(await restored.get_messages()) == as_json(await fresh.get_messages())


async def test_state_of_autogens_context_loads_and_loads_there() -> None:
    messages = conversation(12)
    plain = UnboundedChatCompletionContext(messages)
    context = TokenBudgetChatCompletionContext(budget=BUDGET)
    await context.load_state(await plain.save_state())
    check_request(await context.get_messages())
    back = UnboundedChatCompletionContext()
    await back.load_state(await context.save_state())
    assert await back.get_messages() == messages


def wrong(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(extra: dict[str, Any]) -> None:
        extra[key] = value

    return change


def wrong_fold(**values: Any) -> Callable[[dict[str, Any]], None]:
    def change(extra: dict[str, Any]) -> None:
        extra["fold"].update(values)

    return change


@pytest.fixture(scope="module")
def compacted() -> tuple[str, list[str]]:
    """The saved state of a context that compacted its history, and its view."""

    async def make() -> tuple[str, list[str]]:
        context = await filled(conversation(12))
        view = await context.get_messages()
        return json.dumps(await context.save_state()), as_json(view)

    return asyncio.run(make())


def without_archive(extra: dict[str, Any]) -> None:
    del extra["archive"]


@pytest.mark.parametrize(
    "change",
    [
        dict[str, Any].clear,
        without_archive,
        wrong("archive", 7),
        wrong("archive", {"originals": "x"}),
        wrong("fold", "x"),
        wrong("fold", {"covers": 99_999, "view": [], "report": {}, "settings": ""}),
        wrong("pinned", [{"type": "NoSuchMessage"}]),
        wrong("overheads", {"a": 1}),
        wrong_fold(covers=99_999),
        wrong_fold(view=[]),
    ],
)
async def test_broken_extra_state_loads_the_messages_with_one_warning(
    change: Callable[[dict[str, Any]], Any], compacted: tuple[str, list[str]]
) -> None:
    saved, view = compacted
    state = json.loads(saved)
    (extra,) = (value for key, value in state.items() if key != "messages")
    change(extra)
    restored = TokenBudgetChatCompletionContext(budget=BUDGET)
    with pytest.warns(RuntimeWarning, match="only the messages") as warned:
        await restored.load_state(state)
    assert len(warned) == 1
    assert as_json(await restored.get_messages()) == view


# Bad input


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ValueError, "budget=6_000"),
        ({"budget": 0}, BudgetTooSmallError, "positive"),
        ({"budget": -5}, BudgetTooSmallError, "positive"),
        ({"budget": 100, "reserve": 100}, BudgetTooSmallError, "reserve"),
        ({"budget": TokenBudget(limit=100), "reserve": 200}, BudgetTooSmallError, "reserve"),
        ({"budget": 100, "counter": counter_for_model(None), "manager": ContextManager()}, ValueError, "not both"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TokenBudgetChatCompletionContext(**arguments)


def test_a_refused_budget_is_not_set() -> None:
    context = TokenBudgetChatCompletionContext(budget=BUDGET)
    with pytest.raises(BudgetTooSmallError):
        context.budget = 0
    with pytest.raises(BudgetTooSmallError):
        context.reserve = BUDGET
    assert context.budget == BUDGET
    assert context.reserve == 300


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("good_calls", [0, 1, 10, 150])
async def test_failing_counter_does_not_stop_the_agent(good_calls: int) -> None:
    context = await filled(conversation(10), counter=FailingCounter(good_calls))
    for number in range(3):
        check_request(await context.get_messages())
        await context.add_message(UserMessage(content=f"more {number}", source="user"))
    context.learn_overhead([SystemMessage(content="Be brief.")], [])


async def test_failing_manager_does_not_stop_the_agent() -> None:
    messages = [*conversation(3), exchange(900)[0]]
    context = await filled(messages, manager=FailingManager())
    with pytest.warns(RuntimeWarning, match="a bug"):
        check_request(await context.get_messages())
    with no_warnings():
        check_request(await context.get_messages())
    assert context.last_report is None


async def test_message_larger_than_the_budget_is_shortened() -> None:
    giant = UserMessage(content=prose(1, 1_800), source="user")
    context = await filled([*conversation(2), giant])
    view = await context.get_messages()
    check_request(view)
    assert counter_for_model(None).count_request(view) <= BUDGET - context.reserve
    assert isinstance(view[-1], UserMessage)
    assert view[-1].source == "user"


async def test_pinned_messages_larger_than_the_budget_are_an_error() -> None:
    giant = UserMessage(content=prose(1, 1_800), source="user")
    context = await filled([*conversation(2), giant, *conversation(2)])
    context.pin(giant)
    with pytest.raises(BudgetTooSmallError):
        await context.get_messages()


async def test_shares_of_a_budget_hold_beside_a_reserve_of_its_own() -> None:
    shared = TokenBudget(limit=2_000, target=1.0, shares={"design": 0.7})
    listing = "\n".join(f"docs/page_{n}.md" for n in range(400))
    listed = AssistantMessage(content=[FunctionCall(id="1", name="list_files", arguments="{}")], source="coder")
    result = FunctionExecutionResult(content=listing, name="list_files", call_id="1", is_error=False)
    talk: list[LLMMessage] = []
    for n in range(0, 200, 2):
        talk.append(UserMessage(content=f"Question {n} about module_{n}: why does it fail?", source="user"))
        talk.append(AssistantMessage(content=f"Because of cause {n + 1}. " * 9, source="coder"))
    messages = [talk[0], listed, FunctionExecutionResultMessage(content=[result]), *talk[1:]]
    kept: list[int] = []
    for budget in (TokenBudget(limit=2_000, target=1.0), shared):
        context = TokenBudgetChatCompletionContext(budget=budget, reserve=100, initial_messages=messages)
        kept.append(str(await context.get_messages()).count("docs/page_"))
    assert kept[0] < kept[1]


async def test_a_result_that_comes_after_a_person_spoke_is_the_result_of_its_call() -> None:
    context = await filled(conversation(2))
    question, answer = exchange(900)
    for message in (question, UserMessage(content="Wait.", source="user")):
        await context.add_message(message)
        check_request(await context.get_messages())
    await context.add_message(answer)
    view = await context.get_messages()
    check_request(view)
    assert view[-3:] == [question, answer, UserMessage(content="Wait.", source="user")]
