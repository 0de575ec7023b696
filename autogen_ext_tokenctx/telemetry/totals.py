"""The numbers of `TokenMetrics`: what is added up, and the frozen copy of it that a user reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

SHARE_BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Upper bounds, each in its bucket, for shares: of the budget, of the tokens before, of the information kept."""

MILLISECOND_BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0)
"""Upper bounds, each in its bucket, for the time of a fit."""

MAX_GROUPS = 1_000
"""How many agents, and how many teams, have numbers of their own."""

OTHERS = "(others)"
"""Where the numbers of those go that were silent longest, when there are more."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values fell where.

    Args:
        bounds: Upper bounds of the buckets, in order; a value on a bound is in the bucket below it.
        counts: Values in each bucket; one more than bounds, the last for what is above all of them.
        sum: Sum of the values.

    Example:
        >>> Histogram((0.5, 1.0), (1, 3, 0), 2.8).mean
        0.7
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Mean of the values; 0.0 when there are none."""
        return self.sum / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class TokenTotals:
    """What the calls of one agent, one team or all come to.

    Args:
        calls: Requests that were fitted. One that the provider refused as too long, and that was sent once more
            smaller, is two.
        tokens_before: Tokens of the requests as they would have been.
        tokens_after: Tokens of the requests as they went out.
        cached_tokens: Tokens of ``tokens_after`` that the provider's prompt cache can serve.
        compactions: Calls for which units were shortened or left out; those that went on with such a view do not
            count again.
        repaired: Units that were repaired because a provider would have refused them.
        would_have_failed: Calls whose tokens before were more than the budget has for them.
        billed_calls: Calls that the model client logged a bill of.
        prompt_tokens: Input tokens of those bills.
        completion_tokens: Output tokens of those bills.
        priced_calls: Calls whose price is known.
        saved_usd: An estimate of what they would have cost more, in US dollars: all tokens before at the full price,
            less the tokens after with the cached ones at the price for these. A provider may have served a part of
            the longer request from its cache, too; then it is less. None when no price is known.
        utilization: Of each call: share of the budget that is used.
        compression: Of each call: tokens after per tokens before.
        quality: Of each compaction: its quality score, see `FitReport`.
        fit_ms: Of each view that was made: milliseconds. With both hooks there may be two a call.
    """

    calls: int
    tokens_before: int
    tokens_after: int
    cached_tokens: int
    compactions: int
    repaired: int
    would_have_failed: int
    billed_calls: int
    prompt_tokens: int
    completion_tokens: int
    priced_calls: int
    saved_usd: float | None
    utilization: Histogram
    compression: Histogram
    quality: Histogram
    fit_ms: Histogram

    @property
    def tokens_saved(self) -> int:
        """Tokens that the provider did not see."""
        return self.tokens_before - self.tokens_after

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON values, ``tokens_saved`` with them."""
        values = asdict(self)
        values["tokens_saved"] = self.tokens_saved
        return values


@dataclass(slots=True)
class Call:
    """What one call adds to the totals."""

    tokens_before: int
    tokens_after: int
    cached_tokens: int
    utilization: float
    would_have_failed: bool
    saved_usd: float | None


@dataclass(slots=True)
class _Counts:
    """A histogram that grows."""

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float, sign: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += sign
        self.sum += sign * value

    def merge(self, other: _Counts) -> None:
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def frozen(self) -> Histogram:
        return Histogram(self.bounds, tuple(self.counts), self.sum)


def _shares() -> _Counts:
    return _Counts(SHARE_BOUNDS)


@dataclass(slots=True)
class RunningTotals:
    """`TokenTotals` that grow."""

    calls: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    cached_tokens: int = 0
    compactions: int = 0
    repaired: int = 0
    would_have_failed: int = 0
    billed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    priced_calls: int = 0
    saved_usd: float = 0.0
    utilization: _Counts = field(default_factory=_shares)
    compression: _Counts = field(default_factory=_shares)
    quality: _Counts = field(default_factory=_shares)
    fit_ms: _Counts = field(default_factory=lambda: _Counts(MILLISECOND_BOUNDS))

    def add(self, call: Call, sign: int = 1) -> None:
        """Count a call, or take back one that was counted."""
        self.calls += sign
        self.tokens_before += sign * call.tokens_before
        self.tokens_after += sign * call.tokens_after
        self.cached_tokens += sign * call.cached_tokens
        self.would_have_failed += sign * call.would_have_failed
        if call.saved_usd is not None:
            self.priced_calls += sign
            self.saved_usd += sign * call.saved_usd
        self.utilization.add(call.utilization, sign)
        self.compression.add(call.tokens_after / call.tokens_before if call.tokens_before else 1.0, sign)

    def merge(self, other: RunningTotals) -> None:
        """Add all of another's."""
        for entry in fields(self):
            mine, its = getattr(self, entry.name), getattr(other, entry.name)
            if isinstance(mine, _Counts):
                mine.merge(its)
            else:
                setattr(self, entry.name, mine + its)

    def frozen(self) -> TokenTotals:
        """A copy for the user."""
        values: dict[str, Any] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        for name, value in values.items():
            if isinstance(value, _Counts):
                values[name] = value.frozen()
        if not self.priced_calls:
            values["saved_usd"] = None
        return TokenTotals(**values)


class Groups:
    """Running totals by name, of a bounded number of names."""

    def __init__(self) -> None:
        self._totals: OrderedDict[str, RunningTotals] = OrderedDict()

    def of(self, name: str) -> RunningTotals:
        """Those of a name; they are made if there are none."""
        found = self._totals.get(name)
        if found is not None:
            self._totals.move_to_end(name)
            return found
        if len(self._totals) >= MAX_GROUPS:
            silent = next(other for other in self._totals if other != OTHERS)
            gone = self._totals.pop(silent)
            self._totals.setdefault(OTHERS, RunningTotals()).merge(gone)
        return self._totals.setdefault(name, RunningTotals())

    def frozen(self) -> Mapping[str, TokenTotals]:
        """A copy for the user, by name in order."""
        return {name: totals.frozen() for name, totals in sorted(self._totals.items())}
