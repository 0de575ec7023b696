"""How many input tokens one LLM call of one agent may use."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Literal, cast

from pydantic import ConfigDict, Field, field_validator, model_validator

from ..errors import BudgetTooSmallError, StrictConfig, check_keys

# Default share of the budget that a compaction goes down to. With g tokens a call and a budget of B, views fill
# (1 + target) / 2 of B on average, and a provider's cache serves about 1 - 2g / ((1 - target²) B) of them: a lower
# target costs context, a higher one costs the cache. Chosen between the two, not measured.
TARGET = 0.6

# The kinds of context a budget is divided among: what is asked, what it is built into and how, what was done so far,
# and what is known from earlier work.
CONTEXT_TYPES = ("requirements", "design", "execution_history", "memory_patterns")


class TokenBudget(StrictConfig):
    """The input tokens one agent may use for one call, and when to compact.

    Args:
        limit: Input tokens of the whole request (system messages, history, tool schemas, reply priming).
        reserve: Tokens of ``limit`` held back for what is added after the history was chosen, such as an
            agent's system messages and tools.
        trigger: Share of ``available`` above which compaction starts.
        target: Share of ``available`` a compaction goes down to. Lower means rarer compactions and a longer
            life of the provider's prompt cache, at the price of less history in the view.
        shares: Guaranteed minima of ``target`` for kinds of context, such as ``{"design": 0.3}``, or the tokens that
            `TokenBudgetManager.allocate_budget` gives. What a kind cannot use goes to the others. ``"auto"``: by the
            complexity of the task, as `TokenBudgetManager` divides.

    Raises:
        TypeError: ``limit`` or ``reserve`` is no whole number.
        pydantic.ValidationError: (a ValueError) ``limit`` is not positive, ``reserve`` leaves nothing of it,
            ``target`` is above ``trigger``, or ``shares`` are negative or add up to more than 1.

    Example:
        >>> budget = TokenBudget(limit=6_000, reserve=500)
        >>> budget.available, budget.trigger_tokens, budget.target_tokens
        (5500, 5500, 3300)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int
    reserve: int = Field(default=0, ge=0)
    trigger: float = Field(default=1.0, gt=0.0, le=1.0)
    target: float = Field(default=TARGET, gt=0.0, le=1.0)
    shares: Mapping[str, float] | Literal["auto"] = Field(default_factory=dict[str, float])

    @field_validator("limit", "reserve", mode="before")
    @classmethod
    def _whole(cls, value: object) -> int:
        return whole_tokens(value, "a limit or reserve", "6_000")

    @field_validator("shares", mode="before")
    @classmethod
    def _of_kinds(cls, shares: object) -> object:
        """Refuse kinds that there are not; take tokens, as `TokenBudgetManager.allocate_budget` gives, for shares."""
        if not isinstance(shares, Mapping):
            return shares
        given = cast("Mapping[str, float]", shares)
        check_keys(given, CONTEXT_TYPES, "shares")
        if sum(given.values()) > 1 and all(isinstance(tokens, int) for tokens in given.values()):
            return {kind: tokens / sum(given.values()) for kind, tokens in given.items()}
        return given

    @model_validator(mode="after")
    def _positive(self) -> TokenBudget:
        if self.limit <= 0 or self.reserve >= self.limit:
            raise ValueError(f"limit ({self.limit}) must be positive and larger than reserve ({self.reserve})")
        if self.target > self.trigger:
            raise ValueError(f"target ({self.target}) must not be above trigger ({self.trigger})")
        shares = self.given_shares.values()
        if any(share < 0 for share in shares) or sum(shares) > 1.0 + 1e-9:
            raise ValueError(f"shares must not be negative or add up to more than 1: {self.shares}")
        return self

    @property
    def given_shares(self) -> Mapping[str, float]:
        """Shares that are numbers; none as long as ``"auto"`` stands for them."""
        return {} if self.shares == "auto" else self.shares

    @property
    def available(self) -> int:
        """Tokens the fitted request may use: ``limit - reserve``."""
        return self.limit - self.reserve

    @property
    def trigger_tokens(self) -> int:
        """Compaction starts above this many tokens."""
        return int(self.available * self.trigger)

    @property
    def target_tokens(self) -> int:
        """Compaction goes down to this many tokens."""
        return int(self.available * self.target)

    @classmethod
    def of(cls, budget: int | TokenBudget, *, target: float = TARGET, reserve: int = 0) -> TokenBudget:
        """``budget`` as it is when it is a `TokenBudget`, else one with that limit.

        Raises:
            TypeError: The budget is neither a whole number nor a `TokenBudget`.
            BudgetTooSmallError: The number is not positive, or ``reserve`` leaves nothing of it.

        Example:
            >>> TokenBudget.of(1_000, target=1.0).target_tokens
            1000
        """
        if isinstance(budget, TokenBudget):
            return budget
        budget = whole_tokens(budget, "a budget", "6_000, or a TokenBudget")
        reserve = whole_tokens(reserve, "a reserve", "800")
        if budget <= reserve:
            raise BudgetTooSmallError(budget, reserve + 1, [f"the reserve of {reserve} tokens"])
        return cls(limit=budget, reserve=reserve, target=target)


def whole_tokens(value: object, name: str, examples: str) -> int:
    """Return `value` as a number of tokens; raise a TypeError where it is no whole number, or True or False."""
    if not isinstance(value, bool):
        try:
            return index(value)  # pyright: ignore[reportArgumentType]
        except TypeError:
            pass
    raise TypeError(f"{name} is a whole number of tokens, such as {examples}; got {value!r} ({type(value).__name__})")


def within(budget: TokenBudget, tokens: int) -> TokenBudget:
    """Return `budget` with at most that many tokens available; the very same when it has no more."""
    if budget.available <= tokens:
        return budget
    return budget.model_copy(update={"limit": tokens + budget.reserve})
