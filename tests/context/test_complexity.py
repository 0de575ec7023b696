"""A budget divided by how much the task asks for: simple tasks keep what was done, complex ones what is built into."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from autogen_core.models import LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx import (
    ContextManager,
    FitReport,
    TaskComplexity,
    TaskDefinition,
    TokenBudget,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
    TokenBudgetManager,
)
from autogen_ext_tokenctx.messages.sections import SectionText
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import conversation, prose
from ..support.strict_client import StrictClient

BUDGET = 4_000
HARD = "Design and migrate the whole distributed system, test it, document it and deploy it across every platform."
EASY = "Fix the typo."


def history(task: str = "Go on.") -> list[LLMMessage]:
    """Sections and a long run, so that every kind of context has more than its share."""
    sections = [
        SectionText(kind, kind, "\n".join(prose(100 * seed + line, 12) for line in range(100))).message()
        for seed, kind in enumerate(("requirements", "design", "memory_patterns"))
    ]
    return [
        UserMessage(content="Find the leak.", source="user"),
        *sections,
        *conversation(30)[1:],
        UserMessage(content=task, source="user"),
    ]


def tokens(report: FitReport | None, *categories: str) -> int:
    assert report is not None
    return sum(report.categories.get(category, (0, 0))[1] for category in categories)


def fitted(budget: int | TokenBudget = BUDGET, messages: Sequence[LLMMessage] = (), **more: Any) -> FitReport:
    manager = ContextManager(counter=EstimatedTokenCounter())
    return asyncio.run(manager.fit(messages or history(), budget, **more)).report


def test_the_more_complex_the_task_the_more_design_and_the_less_history() -> None:
    low, medium, high = (fitted(complexity=complexity) for complexity in ("low", "medium", "high"))
    design = [tokens(report, "project_structure") for report in (low, medium, high)]
    run = [tokens(report, "related_task_history", "general_context") for report in (low, medium, high)]
    assert design == sorted(set(design))
    assert run == sorted(set(run), reverse=True)
    for report in (low, medium, high):
        assert 0.9 * BUDGET < report.tokens_after <= BUDGET


@pytest.mark.parametrize("complexity", list(TaskComplexity))
def test_every_kind_of_context_gets_its_share(complexity: TaskComplexity) -> None:
    report = fitted(complexity=complexity)
    shares = TokenBudgetManager().allocate_budget(BUDGET, complexity)
    assert tokens(report, "project_structure") >= 0.9 * shares["design"]
    assert tokens(report, "memory_patterns") >= 0.9 * shares["memory_patterns"]
    assert tokens(report, "related_task_history", "general_context") >= 0.85 * shares["execution_history"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"complexity": "auto"},
        {"budget": TokenBudget(limit=BUDGET, target=1.0, shares="auto")},
        {"complexity": "auto", "task": HARD},
    ],
    ids=["complexity", "shares", "task"],
)
def test_it_is_estimated_from_what_is_asked(arguments: dict[str, Any]) -> None:
    hard = fitted(messages=history(HARD), **arguments)
    if "task" in arguments:
        arguments = {**arguments, "task": EASY}
    easy = fitted(messages=history(EASY), **arguments)
    assert tokens(hard, "project_structure") > tokens(easy, "project_structure")


def test_a_task_that_says_its_complexity_is_believed() -> None:
    low, high = (
        fitted(task=TaskDefinition(description="Go on.", complexity=complexity), complexity="auto")
        for complexity in (TaskComplexity.LOW, TaskComplexity.HIGH)
    )
    assert tokens(high, "project_structure") > tokens(low, "project_structure")


def test_shares_that_are_given_go_before() -> None:
    budget = TokenBudget(limit=BUDGET, target=1.0, shares={"memory_patterns": 0.6})
    assert fitted(budget, complexity="high").categories == fitted(budget).categories


async def test_both_hooks_divide() -> None:
    seen: dict[str, dict[str, int]] = {"context": {}, "client": {}}
    for complexity in TaskComplexity:
        context = TokenBudgetChatCompletionContext(
            budget=BUDGET, counter=EstimatedTokenCounter(), complexity=complexity, initial_messages=history()
        )
        await context.get_messages()
        seen["context"][complexity.value] = tokens(context.last_report, "project_structure")
        client = TokenBudgetChatCompletionClient(
            StrictClient(["well"]), BUDGET, counter=EstimatedTokenCounter(), complexity=complexity
        )
        await client.create([SystemMessage(content="You help."), *history()])
        seen["client"][complexity.value] = tokens(client.last_report, "project_structure")
    for found in seen.values():
        assert found["low"] < found["medium"] < found["high"]


def test_a_complexity_is_dumped_and_loaded() -> None:
    context = TokenBudgetChatCompletionContext(budget=BUDGET, complexity="auto")
    assert context.dump_component().config["complexity"] == "auto"
    again = TokenBudgetChatCompletionContext.load_component(context.dump_component())
    assert again.dump_component() == context.dump_component()
    budget = TokenBudget(limit=BUDGET, shares="auto")
    assert TokenBudget.model_validate_json(budget.model_dump_json()) == budget


def test_a_complexity_that_is_none_is_refused() -> None:
    wrong: Any = "hihg"
    with pytest.raises(ValueError, match="'low', 'medium', 'high', 'auto'"):
        TokenBudgetChatCompletionContext(budget=BUDGET, complexity=wrong)
    with pytest.raises(ValueError, match="'hihg'"):
        fitted(complexity=wrong)
