"""What all fitted calls of a process come to: tokens, compactions, time, quality and money."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from autogen_core import AgentId
from autogen_core.logging import LLMCallEvent, LLMStreamEndEvent

from ..context.events import DEFAULT_AGENT, FitEvent
from ..context.report import FitReport
from ..display import Grid, Shown
from ..forms.form import Form
from ..hooks.link import agent_name, team_of
from .listening import EventListener
from .prices import Prices
from .totals import MetricsSnapshot, TokenTotals, tables_of

# Agents, and teams, that have numbers of their own. Chosen, not measured: more than anyone looks at one by one, and
# below a megabyte.
MAX_GROUPS = 1_000


class TokenMetrics(EventListener, Shown):
    """Adds up what the hooks do, by agent, by team and in all.

    Where an agent has both hooks, one call gives two events. It is counted once: what went out is what the client
    sent, and what it would have been is what came to the client with what the context had saved. A read of a
    context counts at once, and is corrected when its call comes to the client.

    The numbers take bounded memory however long a process runs: the 1,000 agents and the 1,000 teams that were active
    last have their own, and those of all are in the total. How values spread is in the histograms of
    `OpenTelemetryHandler`.

    Args:
        prices: What requests cost, such as ``ListPrices()``. Without it no money is told.

    Example:
        >>> with TokenMetrics() as metrics:
        ...     pass  # run the team
        >>> metrics.snapshot().total.calls
        0
    """

    def __init__(self, *, prices: Prices | None = None) -> None:
        super().__init__()
        self._prices = prices
        self._clear()

    def reset(self) -> None:
        """Begin anew, from nothing."""
        self.acquire()
        try:
            self._clear()
        finally:
            self.release()

    def snapshot(self) -> MetricsSnapshot:
        """Return the numbers as they are now."""
        self.acquire()
        try:
            return MetricsSnapshot(self._total, dict(sorted(self._agents.items())), dict(sorted(self._teams.items())))
        finally:
            self.release()

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as they are now, as JSON values."""
        return self.snapshot().as_dict()

    def _tables(self) -> list[Grid]:
        return tables_of(self.snapshot())

    def hear(self, event: object) -> None:
        """Count a fit or a bill; other events are not looked at."""
        if isinstance(event, FitEvent):
            self._fit(event)
        elif isinstance(event, LLMCallEvent | LLMStreamEndEvent):
            self._bill(event)

    def _clear(self) -> None:
        self._total = TokenTotals()
        self._agents: OrderedDict[str, TokenTotals] = OrderedDict()
        self._teams: OrderedDict[str, TokenTotals] = OrderedDict()
        self._reads: OrderedDict[str, tuple[FitEvent, TokenTotals]] = OrderedDict()

    def _fit(self, event: FitEvent) -> None:
        call_id = event.report.call_id
        if event.hook == "client" and call_id in self._reads:
            read, counted = self._reads.pop(call_id)
            # the read counted alone until now, perhaps under another name: it is taken back, and the call counts whole
            self._add(read.team, read.agent, TokenTotals() - counted)
            self._add(event.team, event.agent, self._call(event, read))
            return
        call = self._call(event, None)
        self._add(event.team, event.agent, call)
        if event.hook == "context" and call_id:
            self._reads[call_id] = replace(event, history=(), view=()), call  # not the messages, which may be large
            if len(self._reads) > 256:  # more only pile up where there is no client hook; chosen, not measured
                self._reads.popitem(last=False)

    def _add(self, team: str, agent: str, change: TokenTotals) -> None:
        self._total += change
        for groups, name in ((self._agents, agent), (self._teams, team)):
            groups[name] = groups.pop(name, TokenTotals()) + change  # to the end: the first ones were idle longest
            if not groups[name].calls and not groups[name].billed_calls:
                del groups[name]  # its only call was another's
            elif len(groups) > MAX_GROUPS:
                groups.popitem(last=False)

    def _call(self, event: FitEvent, read: FitEvent | None) -> TokenTotals:
        """Return what one call adds, by the event of the hook that saw it last, and the context's if there are two."""
        report = event.report
        reports = (report, read.report) if read else (report,)
        after = report.tokens_after
        before = after + sum(each.tokens_saved for each in reports)
        qualities = [each.quality for each in reports if each.compacted]
        usd = self._saved(event.model or (read.model if read else ""), before, after, report.cached_tokens)
        return TokenTotals(
            calls=1,
            tokens_before=before,
            tokens_after=after,
            budget_tokens=report.budget,
            cached_tokens=report.cached_tokens,
            compactions=bool(qualities),
            quality_sum=min(qualities, default=0.0),
            repaired=sum(map(repaired, reports)),
            would_have_failed=before > report.budget - report.reserve
            or any(each.tokens_before > each.budget - each.reserve for each in reports),
            fit_seconds=sum(each.seconds for each in reports),
            priced_calls=usd is not None,
            priced_usd=usd or 0.0,
        )

    def _saved(self, model: str, before: int, after: int, cached: int) -> float | None:
        if self._prices is None or not model:
            return None
        try:
            whole, sent = self._prices(model, before, 0), self._prices(model, after, cached)
        except Exception as error:  # the tokens count all the same
            self._warn("prices", f"the price of a call could not be told ({error!r}); its tokens are counted")
            return None
        return None if whole is None or sent is None else whole - sent

    def _bill(self, event: LLMCallEvent | LLMStreamEndEvent) -> None:
        stated: str | None = event.kwargs.get("agent_id")
        agent = AgentId.from_str(stated) if stated else None
        bill = TokenTotals(billed_calls=1, prompt_tokens=event.prompt_tokens, completion_tokens=event.completion_tokens)
        self._add(team_of(agent), agent_name(agent, DEFAULT_AGENT), bill)


def repaired(report: FitReport) -> int:
    """Return how many groups were repaired for the view, if it was made for this call."""
    return sum(step.form is Form.REPAIRED for step in report.steps) if report.seconds else 0
