"""What a model context holds back of its budget for the system messages and tools that it cannot see."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..errors import BudgetTooSmallError
from .budget import TokenBudget


class ReservedBudget:
    """The budget of one context, and what of it is held back: as given, as its `TokenBudget` says, or as learned."""

    def __init__(self, budget: int | TokenBudget, reserve: int | None) -> None:
        TokenBudget.of(budget)  # refuses now what no call could use
        with_reserve(budget, reserve)
        self.budget = budget
        self.given = reserve
        # An agent's calls differ (a reflection lists no tools), and the reserve has to hold the largest without going
        # up and down in between: so the largest of the last 8 counts. Chosen, not measured.
        self._learned: deque[int] = deque(maxlen=8)

    @property
    def is_learned(self) -> bool:
        """Whether calls show what is to be held back."""
        return self.given is None and not isinstance(self.budget, TokenBudget)

    @property
    def learned(self) -> list[int]:
        """What the last calls needed."""
        return list(self._learned)

    @property
    def reserve(self) -> int:
        """Tokens that are held back."""
        if self.given is not None:
            return self.given
        if isinstance(self.budget, TokenBudget):
            return self.budget.reserve
        return max(self._learned, default=first_reserve(self.budget))

    @property
    def tokens(self) -> TokenBudget:
        """The budget with the reserve."""
        return with_reserve(self.budget, self.reserve)

    def changed(self, budget: int | TokenBudget, reserve: int | None) -> ReservedBudget:
        """Return another budget for the same calls; raise BudgetTooSmallError as for the first."""
        changed = ReservedBudget(budget, reserve)
        changed.restore(self._learned)
        return changed

    def learn(self, tokens: int) -> None:
        """Take note of what a call needed; without effect where nothing is to be learned."""
        if self.is_learned:
            self._learned.append(tokens)

    def restore(self, learned: Iterable[int]) -> None:
        """Go on from what `learned` was."""
        self._learned.extend(learned)

    def explained(self, error: BudgetTooSmallError) -> BudgetTooSmallError:
        """Return the error of a call with a budget that is enough although the first reserve grows with it."""
        if not self.is_learned or self._learned:
            return error
        reserve = first_reserve(error.budget)
        view = needed = error.needed - reserve
        while (missing := view - (needed - first_reserve(needed))) > 0:
            needed += missing
        before, after = (f"the reserve ({tokens} tokens)" for tokens in (reserve, first_reserve(needed)))
        return BudgetTooSmallError(error.budget, needed, [after if name == before else name for name in error.what])


def first_reserve(budget: int) -> int:
    """Return what is held back of a budget as long as no call has shown what is needed."""
    # 15 %, at most what a system message and a few tools take: chosen, not measured.
    return min(budget * 15 // 100, 1_000)


def with_reserve(budget: int | TokenBudget, reserve: int | None) -> TokenBudget:
    """Return a budget with a reserve, its own where `reserve` is None; raise where that leaves nothing of it."""
    if isinstance(budget, int):
        return TokenBudget.of(budget, reserve=reserve or 0)
    if reserve is None:
        return budget
    if reserve >= budget.limit:
        raise BudgetTooSmallError(budget.limit, reserve + 1, [f"the reserve of {reserve} tokens"])
    return budget.model_copy(update={"reserve": reserve})
