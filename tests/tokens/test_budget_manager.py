"""Dividing a total: among kinds of context, and among agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.selection.prioritizer import Category
from autogen_ext_tokenctx.tokens.budget_manager import (
    CONTEXT_TYPE_OF_CATEGORY,
    CONTEXT_TYPES,
    DEFAULT_SHARES,
    ROLE_WEIGHTS,
    TokenBudgetManager,
)
from autogen_ext_tokenctx.tokens.task import TaskComplexity, TaskDefinition, estimate_complexity

MANAGER = TokenBudgetManager()
totals = st.integers(1, 10**12)
complexities = st.sampled_from(TaskComplexity)
names = st.sampled_from(("ann", "bob", "cat", "dan", "eve"))
teams = st.lists(names, min_size=1, unique=True)


def test_high_is_divided_as_specified() -> None:
    assert list(DEFAULT_SHARES[TaskComplexity.HIGH].values()) == [0.30, 0.30, 0.25, 0.15]


@pytest.mark.parametrize("complexity", TaskComplexity)
def test_default_shares_add_up(complexity: TaskComplexity) -> None:
    shares = DEFAULT_SHARES[complexity]
    assert tuple(shares) == CONTEXT_TYPES
    assert sum(shares.values()) == pytest.approx(1)  # pyright: ignore[reportUnknownMemberType]


def test_simpler_tasks_need_less_design_and_more_history() -> None:
    low, medium, high = (MANAGER.allocate_budget(1_000, name) for name in ("low", "medium", "high"))
    assert low["design"] < medium["design"] < high["design"]
    assert low["execution_history"] > medium["execution_history"] > high["execution_history"]


def test_every_category_has_a_share() -> None:
    assert set(CONTEXT_TYPE_OF_CATEGORY) == {category.value for category in Category}
    assert set(CONTEXT_TYPE_OF_CATEGORY.values()) == set(CONTEXT_TYPES)


@given(totals, complexities)
def test_an_allocation_adds_up_and_is_fair_to_the_token(total: int, complexity: TaskComplexity) -> None:
    allocation = MANAGER.allocate_budget(total, complexity)
    assert sum(allocation.values()) == total
    for name, tokens in allocation.items():
        percent = round(DEFAULT_SHARES[complexity][name] * 100)
        assert total * percent // 100 <= tokens <= total * percent // 100 + 1


@given(st.integers(1, 10_000), complexities)
def test_more_in_total_is_never_less_for_anyone_by_more_than_rounding(total: int, complexity: TaskComplexity) -> None:
    less, more = (MANAGER.allocate_budget(tokens, complexity) for tokens in (total, total + 1))
    assert all(more[name] >= less[name] - 1 for name in CONTEXT_TYPES)
    much_more = MANAGER.allocate_budget(total + 20, complexity)  # 20 tokens are a whole one for the smallest share
    assert all(much_more[name] > less[name] for name in CONTEXT_TYPES)


@pytest.mark.parametrize("total", [0, -1])
def test_nothing_cannot_be_divided(total: int) -> None:
    with pytest.raises(BudgetTooSmallError, match="positive number of tokens"):
        MANAGER.allocate_budget(total, "low")


def test_unknown_complexity() -> None:
    with pytest.raises(ValueError, match="huge"):
        MANAGER.allocate_budget(10, "huge")


def test_own_shares_are_taken_in_proportion() -> None:
    shares: dict[str, float] = {name: 1.0 for name in CONTEXT_TYPES}  # noqa: C420 (its keys would be literals)
    manager = TokenBudgetManager(shares={TaskComplexity.LOW: shares})
    assert set(manager.allocate_budget(400, "low").values()) == {100}
    assert manager.allocate_budget(400, "high") == MANAGER.allocate_budget(400, "high")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"design": 1.0}, "must be of requirements"),
        (dict.fromkeys(CONTEXT_TYPES, 0.0), "more than 0"),
        (dict(zip(CONTEXT_TYPES, (1.0, 1.0, 1.0, -0.1), strict=True)), "0 or more"),
        (dict(zip(CONTEXT_TYPES, (1.0, 1.0, 1.0, float("nan")), strict=True)), "0 or more"),
    ],
)
def test_shares_that_cannot_be(shares: Mapping[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TokenBudgetManager(shares={TaskComplexity.LOW: shares})


@given(
    total=st.integers(5_000, 10**9),
    team=teams,
    weights=st.dictionaries(names, st.floats(0.01, 1e6)),
    minimum=st.integers(0, 1_000),
)
def test_team(total: int, team: list[str], weights: dict[str, float], minimum: int) -> None:
    weights = {name: weight for name, weight in weights.items() if name in team}
    budgets = MANAGER.budgets_for_team(total, team, weights=weights, minimum=minimum)
    assert list(budgets) == team
    assert sum(budgets.values()) == total
    assert min(budgets.values()) >= minimum
    by_weight = sorted(team, key=lambda name: weights.get(name, 1.0))
    assert all(budgets[a] <= budgets[b] + 1 for a, b in pairwise(by_weight))


def test_roles_weigh_and_weights_overrule_them() -> None:
    roles = {"ann": "Coder", "bob": "reviewer", "cat": "mascot"}
    budgets = MANAGER.budgets_for_team(4_500, ["ann", "bob", "cat"], roles=roles, minimum=0)
    assert budgets == {"ann": 2_000, "bob": 1_500, "cat": 1_000}
    overruled = MANAGER.budgets_for_team(4_500, ["ann", "bob", "cat"], roles=roles, weights={"ann": 0.5}, minimum=0)
    assert overruled == {"ann": 750, "bob": 2_250, "cat": 1_500}
    assert all(weight > 0 for weight in ROLE_WEIGHTS.values())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"total": 2_999, "agents": ["a", "b", "c"]}, BudgetTooSmallError, "3000 are needed for 3 agents"),
        ({"total": 0, "agents": ["a"], "minimum": 0}, BudgetTooSmallError, "positive"),
        ({"total": 9_999, "agents": []}, ValueError, "at least one agent"),
        ({"total": 9_999, "agents": ["a", "a"]}, ValueError, "must differ"),
        ({"total": 9_999, "agents": ["a"], "weights": {"b": 1}}, ValueError, "not in the team: b"),
        ({"total": 9_999, "agents": ["a"], "roles": {"b": "coder"}}, ValueError, "not in the team: b"),
        ({"total": 9_999, "agents": ["a"], "weights": {"a": 0}}, ValueError, "more than 0"),
        ({"total": 9_999, "agents": ["a"], "minimum": -1}, ValueError, "negative"),
    ],
)
def test_teams_that_cannot_be(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    budgets: Callable[..., object] = MANAGER.budgets_for_team
    with pytest.raises(error, match=message):
        budgets(**arguments)


@pytest.mark.parametrize(
    ("description", "requirements", "expected"),
    [
        ("Fix the typo in README.md", (), "low"),
        ("What is the capital of France?", (), "low"),
        ("Find the bug", (), "low"),
        ("Rename get_user to fetch_user in users.py", (), "low"),
        ("Summarise this article.", (), "low"),
        ("Write a function that parses ISO dates, and test it.", (), "low"),
        ("查一下明天的天气", (), "low"),
        ("Add pagination to the users endpoint", ("At most 100 a page", "Keep the old URLs"), "medium"),
        ("Compare three vector databases, evaluate their cost and write a short report.", (), "medium"),
        ("Refactor parser.py, lexer.py and ast.py to share one tokenizer, then update and test them.", (), "medium"),
        ("Plan the trip:\n- flights\n- hotel\n- two museums\n- a day in the mountains", (), "medium"),
        (
            "Design and implement a distributed job queue across our microservices, migrate the old cron jobs, "
            "benchmark it and document the architecture.",
            (),
            "high",
        ),
        (
            "Migrate the entire billing system to the new platform, end-to-end.",
            ("No downtime", "Every invoice stays readable", "Audited by security"),
            "high",
        ),
        ("重写结算系统", ("不停机", "保留发票", "通过审计"), "medium"),
        ("重写结算系统", ("不停机", "保留发票", "通过审计", "性能不低于现在", "可回滚", "有文档"), "high"),
    ],
)
def test_complexity(description: str, requirements: tuple[str, ...], expected: str) -> None:
    task = TaskDefinition(description=description, requirements=requirements)
    assert estimate_complexity(task).value == expected
    assert MANAGER.estimate_complexity(task).value == expected


@pytest.mark.parametrize("complexity", TaskComplexity)
def test_a_task_that_says_so_itself_is_believed(complexity: TaskComplexity) -> None:
    task = TaskDefinition(description="Migrate every system end-to-end.", complexity=complexity)
    assert estimate_complexity(task) is complexity


@given(st.text(max_size=400), st.lists(st.text(max_size=80), max_size=8).map(tuple), st.text(min_size=1, max_size=80))
def test_one_more_requirement_never_makes_a_task_simpler(
    description: str, requirements: tuple[str, ...], more: str
) -> None:
    order = list(TaskComplexity)
    before = TaskDefinition(description=description, requirements=requirements)
    after = TaskDefinition(description=description, requirements=(*requirements, more))
    assert order.index(estimate_complexity(after)) >= order.index(estimate_complexity(before))


@pytest.mark.parametrize(("complexity", "expected"), [("low", 3_500), ("medium", 5_000), ("high", 6_000)])
def test_a_planner_gets_requirements_and_design(complexity: str, expected: int) -> None:
    task = TaskDefinition(description="Do it.", complexity=TaskComplexity(complexity))
    assert MANAGER.get_token_budget(task, 10_000) == expected
