"""The numbers of `TokenMetrics`: what calls come to, added up, and all of it at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..display import Grid, Shown

_HEADS = ("", *"calls ;before ;after ;saved ;cached ;compactions ;would have failed ;billed in/out ".split(";"))


@dataclass(frozen=True, slots=True)
class TokenTotals:
    """What the calls of one agent, one team or all come to.

    Args:
        calls: Requests that were fitted. One that the provider refused as too long, and that was sent once more
            smaller, is two.
        tokens_before: Tokens of the requests as they would have been.
        tokens_after: Tokens of the requests as they went out.
        budget_tokens: Tokens of their budgets.
        cached_tokens: Tokens of ``tokens_after`` that the provider's prompt cache can serve.
        compactions: Calls for which groups were shortened or left out; those that went on with such a view do not
            count again.
        quality_sum: Sum of the quality scores of the compactions, see `FitReport`; of two hooks' the lower one.
        repaired: Groups that were repaired because a provider would have refused them, in each view that was made.
        would_have_failed: Calls whose tokens before were more than the budget has for them.
        fit_seconds: Time in which views were made.
        billed_calls: Calls that the model client logged a bill of.
        prompt_tokens: Input tokens of those bills.
        completion_tokens: Output tokens of those bills.
        priced_calls: Calls whose price is known.
        priced_usd: An estimate of what these would have cost more, in US dollars: all tokens before at the full price,
            less the tokens after with the cached ones at the price for these. A provider may have served a part of
            the longer request from its cache, too; then it is less.

    Example:
        >>> (TokenTotals(tokens_before=90, tokens_after=60) + TokenTotals(tokens_before=10)).tokens_saved
        40
    """

    calls: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    budget_tokens: int = 0
    cached_tokens: int = 0
    compactions: int = 0
    quality_sum: float = 0.0
    repaired: int = 0
    would_have_failed: int = 0
    fit_seconds: float = 0.0
    billed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    priced_calls: int = 0
    priced_usd: float = 0.0

    def __add__(self, other: TokenTotals) -> TokenTotals:
        return TokenTotals(*(getattr(self, name) + getattr(other, name) for name in _FIELDS))

    def __sub__(self, other: TokenTotals) -> TokenTotals:
        return TokenTotals(*(getattr(self, name) - getattr(other, name) for name in _FIELDS))

    @property
    def tokens_saved(self) -> int:
        """Tokens that the provider did not see."""
        return self.tokens_before - self.tokens_after

    @property
    def compression(self) -> float:
        """Tokens after per tokens before; 1.0 when there are none."""
        return self.tokens_after / self.tokens_before if self.tokens_before else 1.0

    @property
    def utilization(self) -> float:
        """Share of the budgets that was used; 0.0 when there are none."""
        return self.tokens_after / self.budget_tokens if self.budget_tokens else 0.0

    @property
    def quality(self) -> float | None:
        """Mean quality score of the compactions; None when there are none."""
        return self.quality_sum / self.compactions if self.compactions else None

    @property
    def saved_usd(self) -> float | None:
        """``priced_usd``, None when no price is known."""
        return self.priced_usd if self.priced_calls else None

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values, those that follow from them too."""
        return {**asdict(self), **{name: getattr(self, name) for name in _DERIVED}}


_FIELDS = tuple(entry.name for entry in fields(TokenTotals))
_DERIVED = ("tokens_saved", "compression", "utilization", "quality", "saved_usd")


@dataclass(frozen=True, slots=True)
class MetricsSnapshot(Shown):
    """The numbers at one moment.

    Args:
        total: Of all calls.
        agents: By name of the agent, all teams together.
        teams: By id of the team; "" is what was outside of teams.
    """

    total: TokenTotals
    agents: Mapping[str, TokenTotals]
    teams: Mapping[str, TokenTotals]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {
            "total": self.total.as_dict(),
            "agents": {name: totals.as_dict() for name, totals in self.agents.items()},
            "teams": {name: totals.as_dict() for name, totals in self.teams.items()},
        }

    def _tables(self) -> list[Grid]:
        return tables_of(self)


def tables_of(snapshot: MetricsSnapshot) -> list[Grid]:
    """Return the table of all calls, by agent and by team."""
    total = snapshot.total
    title = f"tokenctx: {total.calls:,} calls, {total.tokens_saved:,} tokens saved ({1 - total.compression:.0%})"
    if total.saved_usd is not None:
        title += f", about ${total.saved_usd:,.4f} in {total.priced_calls:,} priced calls"
    rows = [_row("total", total)]
    rows += [_row(name, totals) for name, totals in _largest(list(snapshot.agents.items()))]
    teams = [(f"team {name}", totals) for name, totals in snapshot.teams.items() if name]
    rows += [_row(name, totals) for name, totals in _largest(teams)]
    return [Grid(title, _HEADS, rows, _note(total))]


def _largest(named: Sequence[tuple[str, TokenTotals]]) -> list[tuple[str, TokenTotals]]:
    return sorted(named, key=lambda entry: -entry[1].tokens_before)[:25]  # more would not fit a screen


def _row(name: str, totals: TokenTotals) -> tuple[str, ...]:
    billed = f"{totals.prompt_tokens:,} / {totals.completion_tokens:,}" if totals.billed_calls else "-"
    names = "calls tokens_before tokens_after tokens_saved cached_tokens compactions would_have_failed".split()
    return (name, *(f"{getattr(totals, field):,}" for field in names), billed)


def _note(total: TokenTotals) -> str:
    if not total.calls:
        return ""
    quality = "" if total.quality is None else f", mean quality {total.quality:.2f}"
    repaired = f", {total.repaired:,} message groups repaired" if total.repaired else ""
    spent = f", {total.fit_seconds / total.calls * 1e3:.1f} ms a call"
    return f"{total.utilization:.0%} of the budgets used{quality}{spent}{repaired}"
