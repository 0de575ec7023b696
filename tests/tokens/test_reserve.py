"""What of a budget is held back: as given, as the budget says, or the most that the last calls needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from autogen_ext_tokenctx.tokens.reserve import ReservedBudget, first_reserve, with_reserve

NEEDS = st.lists(st.integers(0, 1_500), max_size=30)


def learned(needs: list[int], budget: int = 4_000) -> ReservedBudget:
    reserved = ReservedBudget(budget, None)
    for tokens in needs:
        reserved.learn(tokens)
    return reserved


@given(NEEDS.filter(bool))
def test_what_is_held_back_is_the_most_that_a_recent_call_needed(needs: list[int]) -> None:
    reserved = learned(needs)
    assert reserved.reserve in needs
    assert reserved.reserve == max(reserved.learned)
    assert reserved.reserve >= needs[-1]
    assert reserved.tokens.available == 4_000 - reserved.reserve


def test_a_need_that_came_once_long_ago_is_forgotten() -> None:
    reserved = learned([1_400, *[200] * 100])
    assert reserved.reserve == 200
    assert len(reserved.learned) < 100
    assert learned([1_400, 200]).reserve == 1_400


def test_what_was_learned_holds_for_another_budget() -> None:
    changed = learned([700, 500]).changed(9_000, None)
    assert (changed.reserve, changed.tokens.limit, changed.learned) == (700, 9_000, [700, 500])
    given = changed.changed(9_000, 100)
    assert given.reserve == 100
    assert given.changed(9_000, None).reserve == 700


@given(NEEDS)
def test_a_saved_reserve_goes_on_where_it_was(needs: list[int]) -> None:
    before, after = learned(needs), ReservedBudget(4_000, None)
    after.restore(before.learned)
    assert (after.reserve, after.learned) == (before.reserve, before.learned)


@pytest.mark.parametrize(
    ("budget", "reserve", "held"),
    [(4_000, 0, 0), (4_000, 250, 250), (TokenBudget(limit=4_000, reserve=300), None, 300)],
    ids=["none", "given", "of the budget"],
)
def test_what_is_stated_is_never_learned(budget: int | TokenBudget, reserve: int | None, held: int) -> None:
    reserved = ReservedBudget(budget, reserve)
    reserved.learn(900)
    assert not reserved.is_learned
    assert reserved.learned == []
    assert reserved.reserve == reserved.tokens.reserve == held


@pytest.mark.parametrize(
    ("budget", "reserve"),
    [(500, 500), (500, 501), (TokenBudget(limit=500), 500), (TokenBudget(limit=500, reserve=10), 700), (0, None)],
    ids=str,
)
def test_a_reserve_that_leaves_nothing_is_refused_at_once(budget: int | TokenBudget, reserve: int | None) -> None:
    with pytest.raises(BudgetTooSmallError) as refused:
        ReservedBudget(budget, reserve)
    assert refused.value.needed > refused.value.budget


@pytest.mark.parametrize("budget", [500, TokenBudget(limit=500, reserve=10)], ids=["number", "budget"])
def test_a_reserve_may_leave_a_single_token(budget: int | TokenBudget) -> None:
    assert with_reserve(budget, 499).available == 1


@given(budget=st.integers(1, 200_000), more=st.integers(1, 200_000))
def test_the_first_reserve_grows_with_the_budget_up_to_a_limit(budget: int, more: int) -> None:
    assert 0 <= first_reserve(budget) < budget
    assert first_reserve(budget) <= first_reserve(budget + more) <= 1_000


@given(budget=st.integers(1, 30_000), view=st.integers(1, 30_000))
def test_the_budget_an_error_asks_for_is_enough_and_no_less_is(budget: int, view: int) -> None:
    """Told before any call, when the reserve still grows with the budget."""
    error = learned([], budget).explained(BudgetTooSmallError(budget, view + first_reserve(budget)))
    assert error.needed - first_reserve(error.needed) >= view
    assert (error.needed - 1) - first_reserve(error.needed - 1) < view


def test_only_a_reserve_that_no_call_has_shown_grows_with_the_budget() -> None:
    error = BudgetTooSmallError(1_000, 1_365, ["the reserve (150 tokens)"])
    grown = learned([], 1_000).explained(error)
    assert (grown.needed, grown.what) == (1_429, ("the reserve (214 tokens)",))
    assert learned([150], 1_000).explained(error) is error
    assert ReservedBudget(1_000, 150).explained(error) is error
