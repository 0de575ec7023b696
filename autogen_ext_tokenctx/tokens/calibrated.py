"""Counting requests in the tokens of the model that answers, and budgets in those of the counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..errors import BudgetTooSmallError
from .budget import TokenBudget
from .calibration import Calibration, Estimate
from .counting import TokenCounter
from .request_size import RequestSize, measure

# Tokens in which the proportion between a trusted count and its plan is expressed: a unit, exact to a thousandth.
_PROPORTION = 1_000

# Fits of one attempt at most. The second fills what the first left, or takes back what it had too much; the third is
# for requests that are still over.
_REFITS = 3


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request, its tokens by the counter, and what the model that answers is expected to count."""

    messages: Sequence[LLMMessage]
    tools: Sequence[Tool | ToolSchema]
    counted: int
    expected: Estimate
    counter: CalibratedCounter = field(repr=False)
    measured: RequestSize | None = field(default=None, repr=False)  # where planning needed the features

    def size(self) -> RequestSize:
        """Return the features of the request, from which its usage is learned."""
        return self.measured or measure(self.messages, self.tools, self.counter.counter)


class CalibratedCounter:
    """Counts requests in the tokens of a model: a counter's, corrected by what the model's usage has shown."""

    def __init__(self, counter: TokenCounter, calibration: Calibration | None = None) -> None:
        # Without a calibration the counter is exact. Nothing but its additive, cached counts counts messages here.
        self.counter = counter
        self.calibration = calibration

    @property
    def is_proportional(self) -> bool:
        """Whether all requests are planned in one proportion to what the counter counts."""
        return self.calibration is None or self.calibration.is_trusted

    @property
    def is_exact(self) -> bool:
        """Whether every request is planned with what the counter counts."""
        return self.is_proportional and self._least(_PROPORTION) <= _PROPORTION

    def plan(
        self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], counted: int | None = None
    ) -> PlannedRequest:
        """Return what the provider will count for a request, with a margin; `counted` is its plain count if known."""
        if self.calibration is not None and not self.is_proportional:
            size = measure(messages, tools, self.counter)
            return PlannedRequest(messages, tools, size.counted, self.calibration.plan(size), self, size)
        if counted is None:
            counted = self.counter.count_request(messages, tools)
        margin = max(0, self._least(counted) - counted)
        return PlannedRequest(messages, tools, counted, Estimate(max(1, counted), margin), self)

    def proportion(
        self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], *, cautious: bool
    ) -> tuple[int, int]:
        """Return how many of the provider's tokens, planned or expected, go with how many of the counter's."""
        if self.is_proportional:
            return (self._least(_PROPORTION), _PROPORTION) if cautious else (1, 1)
        planned = self.plan(messages, tools)
        return planned.expected.upper if cautious else planned.expected.tokens, planned.counted

    def _least(self, counted: int) -> int:
        return counted if self.calibration is None else self.calibration.least(counted)


class BudgetTranslation:
    """The budgets, in the counter's tokens, that a request is to be fitted into, one after the other."""

    def __init__(
        self,
        counter: CalibratedCounter,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        budgets: Sequence[TokenBudget],
    ) -> None:
        self._counter = counter
        self._messages, self._tools = messages, tools
        # The share of the counter's tokens in the provider's differs with what is chosen, so a first fit may miss: then
        # the proportion that it showed gives the second. Where what must be there does not fit with the margin of the
        # estimate, it is tried without, and where it does not fit a learned limit, within the budget as it was given:
        # better than to give up, and the provider decides.
        cautions = (True,) if counter.is_exact else (True, False)
        different = [budget for number, budget in enumerate(budgets) if budget not in budgets[:number]]
        self._attempts = [(budget, cautious) for budget in different for cautious in cautions]
        self._begin()

    @property
    def budget(self) -> TokenBudget | None:
        """What to fit into next, in the counter's tokens; None when the last fit was the best one."""
        if self._left == 0:
            return None
        given = self._attempts[0][0]
        available = max(1, given.available * self._counted // self._planned)
        return given.model_copy(update={"limit": available + given.reserve})

    def fitted(self, view: Sequence[LLMMessage], counted: int, changed: bool) -> bool:
        """Return whether a fit into `budget` is the best so far; raise BudgetTooSmallError where none stayed in any."""
        given, cautious = self._attempts[0]
        self._left -= 1
        plan = self._counter.plan(view, self._tools, counted)
        cost = plan.expected.upper if cautious else plan.expected.tokens
        is_over = cost > given.available
        is_best = not is_over and (self._best is None or plan.expected.tokens > self._best.expected.tokens)
        if is_best:
            self._best = plan
        # With .95 of its target a request is full enough, one more fit would add little: chosen, not measured.
        is_done = not is_best or not changed or self._counter.is_proportional or cost >= 0.95 * given.target_tokens
        if self._best is not None and is_done:
            self._left = 0
        elif self._best is not None:
            self._left = min(self._left, 1)
        # A fit that is over is taken to cost a 50th more, the second one four times that: a margin that hardly shrinks
        # with what is left out would keep requests over in ever smaller steps. With a 50th each time 2 of 3,000 random
        # budgets were missed.
        misses = _REFITS - self._left if is_over else 0
        self._planned, self._counted = cost + cost * misses**2 // 50, plan.counted
        if self._left == 0 and self._best is None:
            needed = given.reserve + cost
            self._next(BudgetTooSmallError(given.limit, needed, ["the request, as the model counts it"]))
        return is_best

    def too_small(self, error: BudgetTooSmallError) -> None:
        """Go on where nothing could be fitted into `budget`; raise, in the provider's tokens, where it was the last."""
        given = self._attempts[0][0]
        needed = given.reserve + -(-(error.needed - given.reserve) * self._planned // self._counted)
        if self._best is not None:
            self._left = 0
            return
        self._next(BudgetTooSmallError(given.limit, needed, error.what))

    def _next(self, error: BudgetTooSmallError) -> None:
        """Go on with the next attempt."""
        if len(self._attempts) == 1:
            raise error from None
        del self._attempts[0]
        self._begin()

    def _begin(self) -> None:
        self._left = _REFITS
        self._best: PlannedRequest | None = None
        self._planned, self._counted = self._counter.proportion(
            self._messages, self._tools, cautious=self._attempts[0][1]
        )
