"""How the numbers of `TokenMetrics` look on a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..context.report_view import Grid
from .totals import Histogram, TokenTotals

if TYPE_CHECKING:
    from .metrics import MetricsSnapshot, WorstCall

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


def grids(snapshot: MetricsSnapshot) -> list[Grid]:
    """A snapshot as tables: all calls by agent and team, how the values spread, and the worst calls.

    Args:
        snapshot: The numbers.
    """
    total = snapshot.total
    money = "" if total.saved_usd is None else f", about ${total.saved_usd:,.4f} in {total.priced_calls:,} priced calls"
    share = total.tokens_saved / total.tokens_before if total.tokens_before else 0.0
    title = f"tokenctx: {total.calls:,} calls, {total.tokens_saved:,} tokens saved ({share:.0%}){money}"
    rows = [_row("total", total)]
    rows += [_row(name, totals) for name, totals in _largest(list(snapshot.agents.items()))]
    teams = [(f"team {name}", totals) for name, totals in snapshot.teams.items() if name]
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
    found += _worst("lowest quality", snapshot.lowest_quality) + _worst("largest shrink", snapshot.largest_shrink)
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
