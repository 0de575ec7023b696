"""The numbers of `TokenMetrics` at one moment, as values and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..context.tables import Grid, Shown
from .totals import Histogram, TokenTotals

MAX_ROWS = 25
"""Agents and teams that are shown, those with the most tokens first."""

_HEADS = (
    "",
    "calls ",
    "before ",
    "after ",
    "saved ",
    "cached ",
    "compactions ",
    "would have failed ",
    "billed in/out ",
)


@dataclass(frozen=True, slots=True)
class WorstCall:
    """A compaction that cost much.

    Args:
        at: When, in seconds since 1970.
        hook: Which hook.
        agent: Name of the agent.
        team: Id of its team, "" outside of teams.
        model: Name of the model, "" where it is not known.
        tokens_before: Tokens of the request as it came.
        tokens_after: Tokens of the request as it went out.
        quality: Its quality score, see `FitReport`.
    """

    at: float
    hook: str
    agent: str
    team: str
    model: str
    tokens_before: int
    tokens_after: int
    quality: float


@dataclass(frozen=True, slots=True)
class MetricsSnapshot(Shown):
    """The numbers at one moment.

    Args:
        total: Of all calls.
        agents: By name of the agent, all teams together.
        teams: By id of the team; "" is what was outside of teams.
        lowest_quality: The compactions that kept least of the information, the worst first.
        largest_shrink: The compactions that kept the smallest share of the tokens, the worst first.
    """

    total: TokenTotals
    agents: Mapping[str, TokenTotals]
    teams: Mapping[str, TokenTotals]
    lowest_quality: tuple[WorstCall, ...]
    largest_shrink: tuple[WorstCall, ...]

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {
            "total": self.total.as_dict(),
            "agents": {name: totals.as_dict() for name, totals in self.agents.items()},
            "teams": {name: totals.as_dict() for name, totals in self.teams.items()},
            "lowest_quality": [asdict(call) for call in self.lowest_quality],
            "largest_shrink": [asdict(call) for call in self.largest_shrink],
        }

    def tables(self) -> list[Grid]:
        """All calls by agent and team, how the values spread, and the worst calls."""
        total = self.total
        money = (
            "" if total.saved_usd is None else f", about ${total.saved_usd:,.4f} in {total.priced_calls:,} priced calls"
        )
        share = total.tokens_saved / total.tokens_before if total.tokens_before else 0.0
        title = f"tokenctx: {total.calls:,} calls, {total.tokens_saved:,} tokens saved ({share:.0%}){money}"
        rows = [_row("total", total)]
        rows += [_row(name, totals) for name, totals in _largest(list(self.agents.items()))]
        teams = [(f"team {name}", totals) for name, totals in self.teams.items() if name]
        rows += [_row(name, totals) for name, totals in _largest(teams)]
        note = f"{total.repaired:,} units repaired" if total.repaired else ""
        found = [Grid(title, _HEADS, rows, note)]
        spread = [
            (name, f"{histogram.count:,}", f"{histogram.mean:.2f}", *(_below(histogram, part) for part in (0.5, 0.95)))
            for name, histogram in (
                ("utilization", total.utilization),
                ("compression", total.compression),
                ("quality", total.quality),
                ("fit ms", total.fit_ms),
            )
            if histogram.count
        ]
        found.append(Grid("", ("", "values ", "mean ", "half at most ", "95% at most "), spread))
        found += _worst("lowest quality", self.lowest_quality) + _worst("largest shrink", self.largest_shrink)
        return found


def _largest(named: Sequence[tuple[str, TokenTotals]]) -> list[tuple[str, TokenTotals]]:
    return sorted(named, key=lambda entry: -entry[1].tokens_before)[:MAX_ROWS]


def _row(name: str, totals: TokenTotals) -> tuple[str, ...]:
    billed = f"{totals.prompt_tokens:,} / {totals.completion_tokens:,}" if totals.billed_calls else "-"
    numbers = (
        totals.calls,
        totals.tokens_before,
        totals.tokens_after,
        totals.tokens_saved,
        totals.cached_tokens,
        totals.compactions,
        totals.would_have_failed,
    )
    return (name, *(f"{number:,}" for number in numbers), billed)


def _below(histogram: Histogram, part: float) -> str:
    """The bound that this part of the values stays within."""
    seen = 0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        seen += count
        if seen >= part * histogram.count:
            return f"{bound:g}"
    return f"> {histogram.bounds[-1]:g}"


def _worst(title: str, calls: Sequence[WorstCall]) -> list[Grid]:
    rows = [
        (
            call.agent,
            call.team,
            call.hook,
            call.model,
            f"{call.tokens_before:,} > {call.tokens_after:,}",
            f"{call.quality:.2f}",
        )
        for call in calls
    ]
    return [Grid(title, ("agent", "team", "hook", "model", "tokens ", "quality "), rows)] if rows else []
