"""Counting in the tokens of the model that answers, and which budgets a request is fitted into for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from autogen_core.models import LLMMessage, UserMessage
from autogen_core.tools import ToolSchema
from hypothesis import example, given
from hypothesis import strategies as st

from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from autogen_ext_tokenctx.tokens.calibrated import BudgetTranslation, CalibratedCounter, PlannedRequest
from autogen_ext_tokenctx.tokens.calibration import Calibration
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter
from autogen_ext_tokenctx.tokens.request_size import measure

from ..support.histories import prose

COUNTER = EstimatedTokenCounter()
HISTORY: list[LLMMessage] = [UserMessage(content=prose(number, 40), source="user") for number in range(40)]
WHOLE = COUNTER.count_request(HISTORY)
DEAR: list[LLMMessage] = [
    UserMessage(
        content=" ".join(str(digit) for digit in range(number, number + 60)) + " насос течёт" * 9, source="user"
    )
    for number in range(20)
]
MIXED = {"alike": HISTORY, "dear first": [*DEAR, *HISTORY[20:]], "dear last": [*HISTORY[20:], *DEAR]}
"""Histories in which the model's tokens go up and down against the counter's."""
TOOL = ToolSchema(name="look", description="Looks at an item.")


def counter(price: float | None = None, *, trusted: bool = False) -> CalibratedCounter:
    """A counter that has seen some usages of a model with ``price`` tokens for each of its own, or none."""
    calibration = Calibration(trusted=trusted)
    if price is not None:
        for end in (8, 16, 24):
            size = measure(HISTORY[:end], [], COUNTER)
            calibration.observe(size, round(price * size.counted))
    return CalibratedCounter(COUNTER, calibration)


EXACT = CalibratedCounter(COUNTER)


def fit(history: Sequence[LLMMessage], budget: TokenBudget) -> list[LLMMessage]:
    """The newest messages that a budget holds."""
    view = [history[-1]]
    for message in reversed(history[:-1]):
        if COUNTER.count_request([message, *view]) > budget.available:
            break
        view.insert(0, message)
    needed = COUNTER.count_request(view)
    if needed > budget.available:
        raise BudgetTooSmallError(budget.limit, budget.reserve + needed, ["the newest message"])
    return view


def fitted(
    counting: CalibratedCounter, budget: TokenBudget, history: Sequence[LLMMessage] = HISTORY
) -> tuple[list[PlannedRequest], list[bool]]:
    """The plans of all fits of a history, and which of them were the best so far."""
    translation = BudgetTranslation(counting, history, (), [budget])
    plans: list[PlannedRequest] = []
    best: list[bool] = []
    while (own := translation.budget) is not None:
        assert len(plans) < 20, "it goes on for ever"
        try:
            view = fit(history, own)
        except BudgetTooSmallError as error:
            translation.too_small(error)
            continue
        counted = COUNTER.count_request(view)
        plans.append(counting.plan(view, (), counted))
        best.append(translation.fitted(view, counted, changed=len(view) < len(history)))
    return plans, best


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("tools", [(), (TOOL,)], ids=["no tools", "tools"])
def test_without_a_calibration_the_counter_is_the_plan(known: bool, tools: Sequence[ToolSchema]) -> None:
    counted = COUNTER.count_request(HISTORY, tools)
    plan = EXACT.plan(HISTORY, tools, counted if known else None)
    assert (plan.counted, plan.expected.tokens, plan.expected.margin) == (counted, counted, 0)
    assert EXACT.proportion(HISTORY, tools, cautious=False) == (1, 1)
    assert EXACT.is_exact
    assert EXACT.is_proportional


@pytest.mark.parametrize("price", [1.0, 1.005, 1.015])
def test_a_trusted_counter_is_planned_with_the_dearest_usage_there_was(price: float) -> None:
    counting = counter(price, trusted=True)
    plan = counting.plan(HISTORY, ())
    assert plan.expected.tokens == WHOLE
    assert price * WHOLE - 2 <= plan.expected.upper <= 1.02 * price * WHOLE + 2
    assert counting.is_proportional
    assert counting.is_exact == (price == 1.0)
    provider, own = counting.proportion(HISTORY, (), cautious=True)
    assert provider / own == pytest.approx(plan.expected.upper / WHOLE, abs=2e-3)


@pytest.mark.parametrize("price", [0.8, 1.0, 1.3, 1.6])
def test_a_calibrated_plan_is_near_what_the_model_counts_and_its_margin_covers_it(price: float) -> None:
    counting = counter(price)
    plan = counting.plan(HISTORY, ())
    assert plan.counted == WHOLE
    assert plan.expected.tokens == pytest.approx(price * WHOLE, rel=0.05)
    assert plan.expected.upper >= price * WHOLE
    for cautious in (True, False):
        provider, own = counting.proportion(HISTORY, (), cautious=cautious)
        assert provider == (plan.expected.upper if cautious else plan.expected.tokens)
        assert own == WHOLE


@pytest.mark.parametrize("counting", [EXACT, counter(), counter(1.3)], ids=["exact", "new", "calibrated"])
def test_a_plan_has_the_features_of_its_request(counting: CalibratedCounter) -> None:
    assert counting.plan(HISTORY, (TOOL,)).size() == measure(HISTORY, (TOOL,), COUNTER)


@pytest.mark.parametrize("kind", MIXED)
@given(
    price=st.sampled_from((None, 0.7, 1.0, 1.3, 1.8)),
    share=st.floats(0.1, 1.5),
    reserve=st.integers(0, 300),
    target=st.floats(0.5, 1.0),
)
@example(price=0.7, share=0.76, reserve=0, target=1.0)  # the margin hardly shrinks with what is left out
def test_the_best_fit_is_the_fullest_that_the_budget_holds(
    kind: str, price: float | None, share: float, reserve: int, target: float
) -> None:
    counting, history = counter(price), MIXED[kind]
    tokens = int(share * counting.plan(history, ()).expected.upper)
    budget = TokenBudget(limit=tokens + reserve, reserve=reserve, target=target)
    plans, best = fitted(counting, budget, history)
    chosen = [plan for plan, is_best in zip(plans, best, strict=True) if is_best][-1]
    within = [plan for plan in plans if plan.expected.upper <= budget.available]
    assert chosen.expected.tokens == max(plan.expected.tokens for plan in within)
    assert chosen.expected.upper <= budget.available
    assert len(plans) <= 3


@pytest.mark.parametrize("price", [0.7, 1.0, 1.3, 1.8])
def test_a_second_fit_fills_what_the_first_one_left(price: float) -> None:
    budget = TokenBudget.of(WHOLE // 2, target=1.0)
    plans, best = fitted(counter(price), budget)
    chosen = [plan for plan, is_best in zip(plans, best, strict=True) if is_best][-1]
    one_message = price * 1.2 * COUNTER.count_message(HISTORY[0])
    assert chosen.expected.upper > 0.85 * budget.available - one_message


@pytest.mark.parametrize(("kind", "is_filled"), [("dear first", True), ("dear last", False)])
def test_where_a_view_differs_from_its_history_the_first_fit_misses_and_the_second_one_does_not(
    kind: str, is_filled: bool
) -> None:
    """Of a history that is dear at its beginning, the newest messages take less than it says, and the other way."""
    counting, history = counter(), MIXED[kind]
    budget = TokenBudget.of(counting.plan(history, ()).expected.upper // 3, target=1.0)
    plans, best = fitted(counting, budget, history)
    assert len(plans) > 1
    assert best[0] is is_filled
    assert best[-1]
    assert (plans[-1].expected.tokens > plans[0].expected.tokens) is is_filled


@pytest.mark.parametrize("reserve", [0, 100])
@pytest.mark.parametrize("over", [0, 1])
def test_a_request_may_fill_its_budget_and_no_token_more(reserve: int, over: int) -> None:
    given_budget = TokenBudget(limit=900 + reserve, reserve=reserve)
    translation = BudgetTranslation(EXACT, HISTORY, (), [given_budget, TokenBudget.of(5_000)])
    assert translation.budget == given_budget
    assert translation.fitted(HISTORY[:1], 900 + over, changed=True) is (over == 0)
    assert (translation.budget is None) == (over == 0)


def test_what_is_still_over_is_fitted_into_less() -> None:
    """Whatever a view costs, the next budget is such that the same proportion is within."""
    translation = BudgetTranslation(EXACT, HISTORY, (), [TokenBudget.of(900)])
    asked: list[int] = []

    def go_on() -> None:
        while (budget := translation.budget) is not None:
            asked.append(budget.available)
            translation.fitted(HISTORY[:1], 1_000, changed=True)

    with pytest.raises(BudgetTooSmallError) as refused:
        go_on()
    assert asked[0] == 900
    assert asked[1] < 900
    assert refused.value.needed > refused.value.budget == 900


def too_small(translation: BudgetTranslation) -> BudgetTooSmallError:
    """The error for a request that needs a token more than may be had."""
    budget = translation.budget
    assert budget is not None
    return BudgetTooSmallError(budget.limit, budget.limit + 1, ["the newest message"])


@pytest.mark.parametrize("reserve", [0, 50])
@pytest.mark.parametrize("price", [None, 0.7, 1.3])
def test_what_has_no_room_with_the_margin_is_tried_without_it_and_then_as_given(
    price: float | None, reserve: int
) -> None:
    learned, given_budget = (TokenBudget(limit=limit + reserve, reserve=reserve) for limit in (1_500, 2_000))
    translation = BudgetTranslation(counter(price), HISTORY, (), [learned, given_budget])
    tried: list[int] = []

    def go_on() -> None:
        while (budget := translation.budget) is not None:
            assert budget.reserve == reserve
            tried.append(budget.available)
            translation.too_small(too_small(translation))

    with pytest.raises(BudgetTooSmallError) as refused:
        go_on()
    with_margin, without, given_with_margin, given_without = tried
    assert with_margin < without < given_without
    assert with_margin < given_with_margin < given_without
    assert refused.value.budget == given_budget.limit < refused.value.needed
    assert refused.value.what == ("the newest message",)


@pytest.mark.parametrize(("budgets", "tries"), [((900, 900), 1), ((900, 1_200), 2), ((900, 1_200, 900), 2)])
def test_the_same_budget_is_not_tried_twice(budgets: Sequence[int], tries: int) -> None:
    translation = BudgetTranslation(EXACT, HISTORY, (), [TokenBudget.of(budget) for budget in budgets])
    for number in range(tries):
        error = too_small(translation)
        if number == tries - 1:
            with pytest.raises(BudgetTooSmallError):
                translation.too_small(error)
        else:
            translation.too_small(error)


def test_what_fitted_once_is_kept_when_less_does_not_fit() -> None:
    counting = counter(1.3)
    translation = BudgetTranslation(counting, HISTORY, (), [TokenBudget.of(2 * WHOLE)])
    assert translation.fitted(HISTORY[:20], COUNTER.count_request(HISTORY[:20]), changed=True)
    assert translation.budget is not None
    translation.too_small(too_small(translation))
    assert translation.budget is None


@pytest.mark.parametrize("counting", [EXACT, counter(1.3)], ids=["exact", "calibrated"])
def test_what_was_not_changed_needs_no_second_fit(counting: CalibratedCounter) -> None:
    translation = BudgetTranslation(counting, HISTORY, (), [TokenBudget.of(3 * WHOLE)])
    assert translation.fitted(HISTORY, WHOLE, changed=False)
    assert translation.budget is None
