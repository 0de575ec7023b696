"""Budgets: what they refuse, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.tokens.budget import TokenBudget, whole_tokens, within


class Six:
    """A number of a library's own, such as NumPy's."""

    def __index__(self) -> int:
        return 6


@st.composite
def budgets(draw: st.DrawFn) -> TokenBudget:
    limit = draw(st.integers(1, 100_000))
    trigger = draw(st.floats(0.01, 1.0))
    target = draw(st.floats(0.005, trigger))
    return TokenBudget(limit=limit, reserve=draw(st.integers(0, limit - 1)), trigger=trigger, target=target)


@given(budgets())
def test_the_target_is_within_the_trigger_and_that_within_what_the_reserve_leaves(budget: TokenBudget) -> None:
    assert 0 <= budget.target_tokens <= budget.trigger_tokens <= budget.available == budget.limit - budget.reserve


@given(budgets(), st.integers(1, 100_000))
@example(TokenBudget(limit=1_000, reserve=100), 950)
@example(TokenBudget(limit=1_000, reserve=100), 900)
@example(TokenBudget(limit=1_000, reserve=100), 899)
def test_a_limit_from_elsewhere_only_ever_takes_tokens_away(budget: TokenBudget, tokens: int) -> None:
    limited = within(budget, tokens)
    assert limited.available == min(tokens, budget.available)
    assert (limited.reserve, limited.trigger, limited.target) == (budget.reserve, budget.trigger, budget.target)
    assert (limited is budget) == (tokens >= budget.available)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -5}, "limit"),
        ({"limit": 100, "reserve": 100}, "reserve"),
        ({"limit": 100, "reserve": -1}, "reserve"),
        ({"limit": 100, "trigger": 0.5, "target": 0.6}, "target"),
        ({"limit": 100, "trigger": 0.5}, "target"),  # the default one
        ({"limit": 100, "target": 0.0}, "target"),
        ({"limit": 100, "trigger": 1.1}, "trigger"),
        ({"limit": 100, "shares": {"design": -0.1}}, "shares"),
        ({"limit": 100, "shares": {"design": 0.6, "requirements": 0.5}}, "shares"),
        ({"limit": 100, "shares": {"design": 2.0, "requirements": 3.0}}, "shares"),
        ({"limit": 100, "shares": {"designs": 0.1}}, "design"),
        ({"limit": 100, "window": 5}, "window"),
    ],
    ids=str,
)
def test_a_budget_that_cannot_be_is_refused_by_name(arguments: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        TokenBudget(**arguments)


@pytest.mark.parametrize(
    ("given_shares", "shares"),
    [
        ({}, {}),
        ({"design": 1.0}, {"design": 1.0}),
        ({"design": 1}, {"design": 1}),
        ({"design": 0}, {"design": 0}),
        ({"design": 0.7, "requirements": 0.3}, {"design": 0.7, "requirements": 0.3}),
        ({"design": 300, "requirements": 100}, {"design": 0.75, "requirements": 0.25}),
    ],
    ids=str,
)
def test_shares_may_fill_the_budget_and_tokens_are_taken_for_shares(
    given_shares: Mapping[str, float], shares: Mapping[str, float]
) -> None:
    assert TokenBudget(limit=100, shares=given_shares).shares == shares


WHOLE: list[Callable[[Any], object]] = [
    lambda value: TokenBudget(limit=value).limit,
    lambda value: TokenBudget.of(value).limit,
    lambda value: TokenBudget(limit=100, reserve=value).reserve,
    lambda value: TokenBudget.of(100, reserve=value).reserve,
    lambda value: whole_tokens(value, "a number", "6"),
]


@pytest.mark.parametrize("take", WHOLE, ids=["limit", "of", "reserve", "reserve of", "alone"])
def test_tokens_are_whole_numbers_and_nothing_else(take: Callable[[Any], object]) -> None:
    assert take(6) == take(Six()) == 6
    for value in (6.0, "6", True, False, None, [6]):
        with pytest.raises(TypeError, match="whole number"):
            take(value)


@pytest.mark.parametrize(("limit", "reserve"), [(0, 0), (-1, 0), (100, 100), (100, 101)])
def test_a_number_that_leaves_nothing_is_too_small(limit: int, reserve: int) -> None:
    with pytest.raises(BudgetTooSmallError) as refused:
        TokenBudget.of(limit, reserve=reserve)
    assert (refused.value.budget, refused.value.needed) == (limit, reserve + 1)
    assert TokenBudget.of(reserve + 1, reserve=reserve).available == 1


def test_a_budget_stays_the_one_that_it_is() -> None:
    budget = TokenBudget(limit=100, reserve=10, target=0.3)
    assert TokenBudget.of(budget, target=1.0) is budget
    with pytest.raises(ValidationError):
        budget.limit = 5  # pyright: ignore[reportAttributeAccessIssue]
