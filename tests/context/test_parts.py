"""What one asks of the manager, its parts and a context: the same engine answers as in the hooks."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from autogen_core import EVENT_LOGGER_NAME
from autogen_core.code_executor import CodeResult
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import TextResultContent, ToolResult

from autogen_ext_tokenctx import (
    BudgetTooSmallError,
    Category,
    ContextCompressor,
    ContextManager,
    ContextPrioritizer,
    FitEvent,
    MessageGroup,
    ModelOptimizer,
    ProjectContext,
    TokenBudget,
    TokenBudgetChatCompletionContext,
)

from ..support.histories import conversation, prose
from ..support.strict_client import call

QUESTION = "With what is the pump of hall nine primed?"
ANSWER = "The pump of hall nine is primed with glycol."


def project() -> ProjectContext:
    return ProjectContext(
        requirements=f"{prose(1, 90)}\n{ANSWER}\n{prose(2, 90)}", design=prose(3, 300), memory_patterns=prose(4, 300)
    )


def said(messages: list[LLMMessage]) -> str:
    return "\n".join(str(message.content) for message in messages)


async def test_compress_gives_what_a_fit_gives() -> None:
    history = conversation(30)
    compressed = await ContextCompressor().compress(history, 1_500)
    assert compressed.messages == (await ContextManager().fit(history, 1_500)).messages
    assert (await ContextCompressor().compress(history, 100_000)).messages == history
    with pytest.raises(BudgetTooSmallError):
        await ContextCompressor().compress(history, 5)


async def test_a_project_is_compressed_to_what_the_task_asks_for() -> None:
    result = await ContextCompressor().compress(project(), 500, QUESTION)
    assert ANSWER in said(result.messages)
    assert 0 < result.report.tokens_after <= 500


async def test_sections_are_ranked_against_the_task() -> None:
    found = await ContextPrioritizer().prioritize_context(project(), QUESTION)
    assert [one.what for one in found] == ["section requirements", "section design", "section memory_patterns"]
    assert found[0].score == 1.0
    assert found[0].relevance == 1.0
    assert found[0].category is Category.CURRENT_TASK_REQUIREMENTS
    assert not any(one.must_stay for one in found)
    assert all(one.what in one.text() for one in found)


async def test_a_history_is_ranked_with_what_must_stay_first() -> None:
    history = [
        SystemMessage(content="Be brief."),
        *conversation(8),
        UserMessage(content="Which boiler?", source="user"),
    ]
    found = await ContextPrioritizer().prioritize_context(history)
    reasons = [one.must_stay for one in found]
    assert set(reasons) == {"system message", "first task", "current request", ""}
    assert reasons == sorted(reasons, key=lambda why: why == "")
    free = [one.score for one in found if not one.must_stay]
    assert free == sorted(free, reverse=True)
    assert sorted(map(id, history)) == sorted(id(message) for one in found for message in one.messages)


async def test_the_weights_and_scorers_of_a_prioritizer_rank_too() -> None:
    weights = {Category.MEMORY_PATTERNS: 5.0}
    found = await ContextPrioritizer(weights=weights).prioritize_context(project(), "Go on.")
    assert found[0].what == "section memory_patterns"

    def mine(group: MessageGroup) -> float:
        return 1.0 if "pump" in str(group.head.content)[:80] else 0.0

    ranked = await ContextPrioritizer(scorers={"mine": mine}).prioritize_context(conversation(5))
    assert any(one.relevance == 1.0 for one in ranked)


async def test_get_context_has_the_project_and_what_the_task_needs_of_a_history() -> None:
    manager = ContextManager(project=project())
    alone = await manager.get_context(QUESTION, budget=600)
    assert ANSWER in said(alone.messages)
    assert str(alone.messages[-1].content) == QUESTION
    history = [SystemMessage(content="Be brief."), *conversation(30)]
    both = await manager.get_context(QUESTION, history, budget=3_000)
    assert both.messages[0] is history[0]
    assert both.messages[-1] is history[-1]
    assert ANSWER in said(both.messages)
    assert 1_500 < both.report.tokens_after <= 3_000
    assert [message.type for message in both.messages[:2]] == ["SystemMessage", "SystemMessage"]


async def test_the_budget_of_a_plan_starts_from_what_is_free() -> None:
    manager = ContextManager()
    empty = await manager.get_token_budget("Fix the typo.", 10_000)
    taken = await manager.get_token_budget("Fix the typo.", 10_000, [SystemMessage(content=prose(1, 900))])
    system = manager.counter.count_message(SystemMessage(content=prose(1, 900)))
    assert empty - taken == pytest.approx(0.35 * system, abs=2)
    with pytest.raises(BudgetTooSmallError):
        await manager.get_token_budget("Fix the typo.", 1_000, [SystemMessage(content=prose(1, 900))])
    context = TokenBudgetChatCompletionContext(budget=TokenBudget(limit=10_000, reserve=1_000))
    free = await context.get_token_budget("Fix the typo.")
    await context.add_message(UserMessage(content=prose(2, 900), source="user"))
    assert await context.get_token_budget("Fix the typo.") < free < empty


async def test_a_context_knows_its_history() -> None:
    context = TokenBudgetChatCompletionContext(budget=2_000)
    await context.add_message(UserMessage(content=ANSWER, source="user"))
    for message in conversation(30):
        await context.add_message(message)
    before = await context.get_messages()
    result = await context.get_context(QUESTION)
    assert ANSWER in said(result.messages)
    assert result.report.tokens_after <= 2_000
    assert await context.get_messages() == before


async def failing_context() -> TokenBudgetChatCompletionContext:
    """An agent whose last call has no result yet."""
    context = TokenBudgetChatCompletionContext(budget=20_000)
    for message in conversation(12):
        await context.add_message(message)
    await context.add_message(AssistantMessage(content=[call("load", "c1", path="orders.csv")], source="coder"))
    return context


@pytest.mark.parametrize(
    ("failed", "end"),
    [
        (ValueError("no such table: orders"), "ValueError: no such table: orders"),
        ("no such table: orders", "no such table: orders"),
        (CodeResult(exit_code=2, output="no such table: orders"), "no such table: orders"),
        (
            ToolResult(name="load", result=[TextResultContent(content="no such table: orders")], is_error=True),
            "load: no such table: orders",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_context_explains_a_failure_by_its_own_history(failed: Any, end: str) -> None:
    result = await (await failing_context()).compress_for_recovery(failed, budget=800)
    assert str(result.messages[-1].content).endswith(end)
    assert any("Find out which boiler leaks" in str(message.content) for message in result.messages)
    assert result.report.tokens_after <= 800
    assert "orders.csv" not in said(result.messages)  # nothing is known of what came of that call


async def test_the_result_of_an_open_call_ends_the_view_with_the_call() -> None:
    failed = FunctionExecutionResult(content="no such table: orders", name="load", call_id="c1", is_error=True)
    result = await (await failing_context()).compress_for_recovery(failed, budget=800)
    *_, asked, answered = result.messages
    assert isinstance(asked, AssistantMessage)
    assert "orders.csv" in str(asked.content)
    assert answered == FunctionExecutionResultMessage(content=[failed])


def test_a_project_is_shaped_for_a_model() -> None:
    optimizer = ModelOptimizer()
    assert [m.type for m in optimizer.optimize_for_model(project(), "gpt-4o")] == ["SystemMessage"] * 3
    merged = optimizer.optimize_for_model(project(), "claude-sonnet-4")
    assert sum(isinstance(message, SystemMessage) for message in merged) == 1
    assert ANSWER in said(merged)
    with pytest.raises(TypeError, match=r"section 'design' .*await project.read\(\)"):
        optimizer.optimize_for_model(ProjectContext(design=lambda: "late"), "gpt-4o")


def test_what_they_give_is_the_same_from_any_thread_and_loop() -> None:
    history = conversation(30)
    first, second = (asyncio.run(ContextCompressor().compress(history, 1_200)).messages for _ in range(2))
    assert first == second


async def test_a_bare_fit_logs_what_it_did(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, EVENT_LOGGER_NAME):
        result = await ContextManager().fit(conversation(30), 1_500)
        (event,) = (record.msg for record in caplog.records if isinstance(record.msg, FitEvent))
        assert event.report == result.report
        assert (event.hook, event.agent) == ("context", "default")
        caplog.clear()
        context = TokenBudgetChatCompletionContext(budget=1_500, initial_messages=conversation(30))
        await context.get_messages()
        assert len([record for record in caplog.records if isinstance(record.msg, FitEvent)]) == 1  # not twice
