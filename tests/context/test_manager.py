"""What a user of the manager meets: the main case, pins, tasks, bad input."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import ToolSchema

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.parts import ContextCompressor, ContextPrioritizer
from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.forms.form import Form, Level
from autogen_ext_tokenctx.forms.passages import Passage
from autogen_ext_tokenctx.messages.groups import MessageGroup
from autogen_ext_tokenctx.models.counters import TiktokenCounter
from autogen_ext_tokenctx.selection.prioritizer import Category
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from tests.support.guarantees import check_pairs


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def exchange(name: str, arguments: dict[str, str], text: str, call_id: str = "call_1") -> list[LLMMessage]:
    call = FunctionCall(id=call_id, name=name, arguments=json.dumps(arguments))
    answer = FunctionExecutionResult(content=text, name=name, call_id=call_id, is_error=False)
    return [AssistantMessage(content=[call], source="coder"), FunctionExecutionResultMessage(content=[answer])]


def chat(turns: int) -> list[LLMMessage]:
    return [
        user(f"Question {n} about module_{n}: why does it fail?")
        if n % 2 == 0
        else agent(f"Because of cause {n}. " * 9)
        for n in range(turns)
    ]


async def test_a_giant_tool_result_among_200_messages() -> None:
    log = "\n".join(f"2024-05-17 12:00:{n % 60:02d} INFO worker-{n % 9} job {n * 31 % 9973} done" for n in range(1_400))
    giant = exchange("read_log", {"path": "/srv/app.log"}, log)
    assert ContextManager().counter.count_message(giant[1]) > 29_000
    history = [SystemMessage(content="You repair services."), user("Find out why job 4711 hangs."), *chat(100), *giant]
    history += [*chat(95), user("And now?")]
    assert len(history) == 200

    result = await ContextManager().fit(history, 8_000)

    check_pairs(result.messages)
    assert 6_000 < result.report.tokens_after <= 8_000
    assert result.messages[0] is history[0]
    assert result.messages[1] is history[1]
    assert result.messages[-1] is history[-1]
    (calls,) = [m for m in result.messages if isinstance(m, AssistantMessage) and not isinstance(m.content, str)]
    shown = result.messages[result.messages.index(calls) + 1]
    assert isinstance(shown, FunctionExecutionResultMessage)
    assert len(shown.content[0].content) < len(log)
    assert "expand_context" in shown.content[0].content


async def test_the_lines_the_task_asks_for_are_in_the_shortened_result() -> None:
    lines = [f"def helper_{n}(a, b): return a + b  # nothing special, number {n}" for n in range(1_000)]
    lines[600] = "ACCEPT_RETRY_DELAY = 17.25  # seconds"
    history = [
        user("What is the value of ACCEPT_RETRY_DELAY?"),
        *exchange("read_file", {"name": "c.py"}, "\n".join(lines)),
    ]
    for end in ([], chat(60)):
        result = await ContextManager().fit([*history, *end], 2_000)
        assert "ACCEPT_RETRY_DELAY = 17.25" in str(result.messages)


async def test_a_giant_newest_message_is_shortened_where_it_stands() -> None:
    text = "\n".join(f"row {n}: value {n * 37 % 1009}" for n in range(6_000))
    for newest in ([user(text)], exchange("dump", {}, text)):
        manager = ContextManager()
        result = await manager.fit([user("Sum up the table."), *chat(10), *newest], 3_000)
        assert result.messages[-1].type == newest[-1].type
        assert "row 0:" in str(result.messages[-1].content)
        assert "row 5999:" in str(result.messages[-1].content)
        step = result.report.steps[-1]
        assert step.form is Form.EXTRACT
        assert manager.expand(step.handle) == newest


async def test_tools_and_priming_are_counted() -> None:
    tool = ToolSchema(name="look", description="words " * 300, parameters={"type": "object", "properties": {}})
    manager = ContextManager()
    result = await manager.fit(chat(200), 2_000, tools=[tool])
    assert manager.counter.count_request(result.messages, [tool]) == result.report.tokens_after <= 2_000
    with pytest.raises(BudgetTooSmallError, match="tools"):
        await manager.fit(chat(200), 200, tools=[tool])


async def test_the_task_decides_what_stays() -> None:
    facts = {"venue": "The venue is Harbour Hall, capacity 240.", "budget": "The caterer asks 18.50 per guest."}
    history = [user("Plan the party."), *map(agent, facts.values()), *chat(120), user("Go on.")]
    for topic, fact in facts.items():
        result = await ContextManager().fit(history, 500, task=f"Tell what we know of the {topic} {fact.split()[1]}")
        assert fact in str(result.messages)


async def test_pins_stay_word_for_word() -> None:
    rule = agent("Never deploy on Fridays. " + "This is a long rule. " * 20)
    history = [user("Go."), *chat(40), rule, *chat(100)]
    for manager, pinned in (
        (ContextManager(), [rule]),
        (ContextManager(prioritizer=ContextPrioritizer(pin=lambda message: message is rule)), []),
    ):
        result = await manager.fit(history, 1_000, pinned=pinned)
        assert any(message is rule for message in result.messages)


async def test_a_users_category_overrules() -> None:
    def category(group: MessageGroup) -> Category | None:
        return Category.GENERAL_CONTEXT if "secret" in str(group.head.content) else None

    history = [user("Go."), *[agent(f"secret detail {n} " * 12) for n in range(30)], *chat(30)]
    plain = await ContextManager().fit(history, 700)
    overruled = await ContextManager(prioritizer=ContextPrioritizer(categorize=category)).fit(history, 700)
    assert str(overruled.messages).count("secret") < str(plain.messages).count("secret")


async def test_a_memory_that_is_added_every_turn_is_there_once() -> None:
    history: list[LLMMessage] = []
    for n in range(30):
        notes = "".join(f"{i}. note number {i} about tests\n" for i in range(1, min(n, 5) + 2))
        history += [
            user(f"Question {n}? " * 20),
            SystemMessage(content=f"\nRelevant memory:\n{notes}"),
            agent("Yes. " * 40),
        ]
    result = await ContextManager().fit(history, 2_500)
    memories = [message for message in result.messages if isinstance(message, SystemMessage)]
    assert memories == [history[-2]]


async def test_changing_memories_do_not_fill_the_budget() -> None:
    history: list[LLMMessage] = [SystemMessage(content="You help.")]
    for n in range(60):
        history += [user(f"Question {n}?"), SystemMessage(content=f"Memory: fact {n} " * 30), agent("Yes.")]
    result = await ContextManager().fit(history, 2_000)
    assert result.report.tokens_after <= 2_000
    assert result.messages[0] is history[0]
    assert history[-2] in result.messages


async def test_a_budget_with_a_target_leaves_room_to_grow() -> None:
    result = await ContextManager().fit(chat(300), TokenBudget(limit=4_000, target=0.6))
    assert 2_000 < result.report.tokens_after <= 2_400


async def test_the_report_tells_what_was_done() -> None:
    history = [user("Go."), *chat(100)]
    report = (await ContextManager().fit(history, 1_000)).report
    assert report.level is Level.STRONG
    assert report.tokens_before > 1_000 >= report.tokens_after
    assert report.compression_ratio == report.tokens_after / report.tokens_before
    assert 0.9 < report.utilization <= 1.0
    assert 0.0 < report.relevance < 1.0
    assert 0.0 < report.quality < 1.0
    assert report.tokens_saved == sum(s.tokens_before for s in report.steps) - (
        report.tokens_after - report.tokens_before + sum(s.tokens_before for s in report.steps)
    )
    assert all(step.why and step.handle for step in report.steps)


@pytest.mark.parametrize("budget", [0, -5])
async def test_no_budget_is_refused(budget: int) -> None:
    with pytest.raises(BudgetTooSmallError, match="positive"):
        await ContextManager().fit(chat(3), budget)


async def test_the_error_names_what_does_not_fit() -> None:
    system = SystemMessage(content="Rules: " + "obey the rules " * 200)
    with pytest.raises(BudgetTooSmallError, match=r"system message .*Rules: obey") as caught:
        await ContextManager().fit([system, *chat(20)], 300)
    result = await ContextManager().fit([system, *chat(20)], caught.value.needed)
    assert result.messages[0] is system


class FailingCounter(TiktokenCounter):
    """Works for a while."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def count_message(self, message: LLMMessage) -> int:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("no tokens today")
        return super().count_message(message)


@pytest.mark.parametrize("calls", [0, 30, 102])
async def test_a_counter_that_fails_is_replaced_by_estimates(calls: int) -> None:
    manager = ContextManager(counter=FailingCounter(calls))
    with pytest.warns(RuntimeWarning, match="no tokens today") as caught:
        result = await manager.fit(chat(100), 1_000)
    assert len(caught) == 1
    assert TiktokenCounter().count_request(result.messages) <= 1_000
    assert result.messages[-1] == chat(100)[-1]


class WordyCompressor(ContextCompressor):
    """Writes marks far longer than they are taken for."""

    def extract(
        self, group: MessageGroup, read: Sequence[Passage], kept: Mapping[int, Set[int]], handle: str
    ) -> tuple[LLMMessage, ...]:
        shortened = super().extract(group, read, kept, handle)
        return tuple(
            m.model_copy(update={"content": f"{m.content} {'wordy ' * 300}"}) if isinstance(m.content, str) else m
            for m in shortened
        )


@pytest.mark.parametrize("budget", [300, 600, 1_500, 4_000])
async def test_forms_that_cost_more_than_thought_do_not_break_the_budget(budget: int) -> None:
    giants = [agent(f"report {n}\n" + "\n".join(f"row {i}: {i * n}" for i in range(300))) for n in range(12)]
    manager = ContextManager(compressor=WordyCompressor())
    result = await manager.fit([user("Go."), *giants, *chat(40), user("And?")], budget)
    assert manager.counter.count_request(result.messages) == result.report.tokens_after <= budget


async def test_an_agents_archive_is_its_own() -> None:
    shared = ContextManager()
    one, two = shared.for_agent(), shared.for_agent()
    result = await one.fit(chat(100), 1_000)
    handle = result.report.steps[0].handle
    assert one.expand(handle) == shared.expand(handle)
    with pytest.raises(LookupError, match=handle):
        two.expand(handle)


async def test_nothing_to_send_is_said() -> None:
    assert (await ContextManager().fit([], 100)).messages == []
    result = await ContextManager().fit([AssistantMessage(content=[], source="coder")], 100)
    assert len(result.messages) == 1


async def test_only_the_newest_version_of_a_section_is_sent() -> None:
    def section(text: str) -> LLMMessage:
        return SystemMessage(content=f"[project context: design]\n{text}")

    history = [user("Go."), section("three rooms"), *chat(60), section("four rooms"), *chat(60)]
    result = await ContextManager().fit(history, 1_500)
    assert [m for m in result.messages if isinstance(m, SystemMessage)] == [history[62]]


async def test_shares_are_guaranteed_and_what_is_not_used_goes_to_the_others() -> None:
    listing = "\n".join(f"docs/page_{n}.md" for n in range(400))
    history = [user("Question 7 about module_7: why does it fail?"), *exchange("list_files", {}, listing), *chat(200)]
    kept: dict[float, int] = {}
    for share in (0.0, 0.7):
        budget = TokenBudget(limit=2_000, target=1.0, shares={"design": share, "memory_patterns": 0.2})
        result = await ContextManager().fit(history, budget)
        kept[share] = str(result.messages).count("docs/page_")
        assert 1_800 < result.report.tokens_after <= 2_000
    assert kept[0.7] > kept[0.0]


@pytest.mark.parametrize("shares", [{"design": -0.1}, {"design": 0.8, "requirements": 0.3}])
def test_shares_that_cannot_be_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        TokenBudget(limit=100, shares=shares)


async def test_a_planner_is_told_what_it_may_use() -> None:
    manager = ContextManager()
    assert await manager.get_token_budget("Fix the typo.", 10_000) == 3_499  # beside the priming of the reply
    await manager.fit([user("Go.")], 1_000)  # what was fitted last says nothing about the next task
    assert await manager.get_token_budget("Fix the typo.") == 2_866
    asked = [SystemMessage(content="Be brief. " * 200), user("Go.")]
    assert await manager.get_token_budget("Fix the typo.", messages=asked) < 2_866 - 0.3 * 400
