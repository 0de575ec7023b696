"""What a model context holds back of its budget for the system messages and tools that it cannot see."""

from __future__ import annotations

from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget

_FIRST_PERCENT, _FIRST_MOST = 15, 1_000
"""Percent of the budget, and tokens at most, that are held back as long as no call has shown what is needed."""


def first_reserve(budget: int) -> int:
    """What is held back of a budget as long as no call has shown what is needed.

    Example:
        >>> first_reserve(2_000), first_reserve(100_000)
        (300, 1000)
    """
    return min(budget * _FIRST_PERCENT // 100, _FIRST_MOST)


def with_reserve(budget: int | TokenBudget, reserve: int | None) -> TokenBudget:
    """A budget with a reserve; one that has its own keeps it where ``reserve`` is None.

    Raises:
        BudgetTooSmallError: The reserve leaves nothing of the budget.

    Example:
        >>> with_reserve(1_000, 200).available
        800
    """
    if isinstance(budget, int):
        return TokenBudget.of(budget, reserve=reserve or 0)
    if reserve is None:
        return budget
    if reserve >= budget.limit:
        raise BudgetTooSmallError(budget.limit, reserve + 1, [f"the reserve of {reserve} tokens"])
    return budget.model_copy(update={"reserve": reserve})


def with_growing_reserve(error: BudgetTooSmallError) -> BudgetTooSmallError:
    """The error of a context that holds back its first reserve, with a budget that is enough though that grows with it.

    Example:
        >>> error = with_growing_reserve(BudgetTooSmallError(1_000, 1_365, ["the reserve (150 tokens)"]))
        >>> error.needed, error.needed - first_reserve(error.needed), error.what
        (1429, 1215, ('the reserve (214 tokens)',))
    """
    reserve = first_reserve(error.budget)
    view = needed = error.needed - reserve
    while (missing := view - (needed - first_reserve(needed))) > 0:
        needed += missing
    before, after = (f"the reserve ({tokens} tokens)" for tokens in (reserve, first_reserve(needed)))
    return BudgetTooSmallError(error.budget, needed, [after if name == before else name for name in error.what])
