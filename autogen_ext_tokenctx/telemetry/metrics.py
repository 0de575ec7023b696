"""What all fitted calls of a process come to: tokens, compactions, time, quality and money."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from autogen_core import AgentId
from autogen_core.logging import LLMCallEvent, LLMStreamEndEvent
from autogen_core.models import LLMMessage

from ..context.tables import Grid, Shown
from ..hooks.agents import agent_name, team_of
from ..hooks.events import DEFAULT_AGENT, FitEvent
from .fit_changes import MAX_AGENTS, FitChanges
from .listening import EventListener
from .prices import Prices
from .snapshot import MetricsSnapshot, WorstCall
from .totals import Call, Groups, RunningTotals

WORST = 5
"""How many of the worst calls are kept, of each kind."""

_UNMATCHED = 8
"""Readings of one context that may await the client's event; more only pile up where there is no client hook."""
_TAIL = 4
"""Messages at the end of a request among which the newest of its context is: an orchestrator may add a question."""


@dataclass(slots=True)
class _Read:
    """A context's event that the client's event of the same call may follow."""

    team: str
    agent: str
    newest: Sequence[LLMMessage]
    model: str
    call: Call
    compacts: bool


class TokenMetrics(EventListener, Shown):
    """Adds up what the hooks do, by agent, by team and in all.

    Where an agent has both hooks, one call gives two events. It is counted once: what went out is what the client
    sent, and what it would have been is what came to the client with what the context had saved. A reading of a
    context counts at once, and is corrected when its call comes to the client.

    The numbers take bounded memory however long a process runs: 1,000 agents and 1,000 teams have their own, those
    that were silent longest go into "(others)".

    Args:
        prices: What requests cost, such as ``ListPrices()``. Without it no money is told.
        worst: How many of the worst calls are kept, of each kind.

    Example:
        >>> with TokenMetrics() as metrics:
        ...     pass  # run the team
        >>> metrics.snapshot().total.calls
        0
    """

    def __init__(self, *, prices: Prices | None = None, worst: int = WORST) -> None:
        super().__init__()
        self._prices = prices
        self._worst = worst
        self._clear()

    def reset(self) -> None:
        """Begin anew, from nothing."""
        self.acquire()
        try:
            self._clear()
        finally:
            self.release()

    def snapshot(self) -> MetricsSnapshot:
        """The numbers as they are now."""
        self.acquire()
        try:
            return MetricsSnapshot(
                self._total.frozen(),
                self._agents.frozen(),
                self._teams.frozen(),
                tuple(self._lowest),
                tuple(self._shrunk),
            )
        finally:
            self.release()

    def as_dict(self) -> dict[str, Any]:
        """The numbers as they are now, as JSON values."""
        return self.snapshot().as_dict()

    def tables(self) -> list[Grid]:
        """The tables of a snapshot."""
        return self.snapshot().tables()

    def hear(self, event: object) -> None:
        """Count a fit or a bill; other events are not looked at."""
        if isinstance(event, FitEvent):
            self._fit(event)
        elif isinstance(event, LLMCallEvent | LLMStreamEndEvent):
            self._bill(event)

    def _clear(self) -> None:
        self._total, self._agents, self._teams = RunningTotals(), Groups(), Groups()
        self._lowest: list[WorstCall] = []
        self._shrunk: list[WorstCall] = []
        self._changes = FitChanges()
        self._reads: OrderedDict[tuple[str, str], list[_Read]] = OrderedDict()

    def _fit(self, event: FitEvent) -> None:
        change = self._changes.of(event)
        compacts = change.is_compaction
        own = self._groups(event.team, event.agent)
        if event.hook == "context":
            call = self._call(event, None)
            self._remember(event, _Read(event.team, event.agent, event.view[-1:], event.model, call, compacts))
        else:
            read = self._read_for(event)
            call = self._call(event, read)
            if read is not None:
                compacts = compacts and not read.compacts
                for totals in self._groups(read.team, read.agent):
                    totals.add(read.call, -1)
        for totals in own:
            totals.add(call)
            totals.compactions += compacts
            totals.repaired += change.repaired
            if change.is_fresh:
                totals.fit_ms.add(event.report.seconds * 1e3)
            if change.is_compaction:
                totals.quality.add(event.report.quality)
        if change.is_compaction:
            self._rank(event)

    def _groups(self, team: str, agent: str) -> tuple[RunningTotals, ...]:
        return self._total, self._agents.of(agent), self._teams.of(team)

    def _call(self, event: FitEvent, read: _Read | None) -> Call:
        report = event.report
        before, model = report.tokens_before, event.model
        if read is not None:
            before += read.call.tokens_before - read.call.tokens_after
            model = model or read.model
        after, cached = report.tokens_after, report.cached_tokens
        saved = self._saved(model, before, after, cached)
        over = before > report.budget - report.reserve or (read is not None and read.call.would_have_failed)
        return Call(before, after, cached, report.utilization, over, saved)

    def _saved(self, model: str, before: int, after: int, cached: int) -> float | None:
        if self._prices is None or not model:
            return None
        try:
            whole, sent = self._prices(model, before, 0), self._prices(model, after, cached)
        except Exception as error:  # the tokens count all the same
            self._warn("prices", f"the price of a call could not be told ({error!r}); its tokens are counted")
            return None
        return None if whole is None or sent is None else whole - sent

    def _remember(self, event: FitEvent, read: _Read) -> None:
        key = (event.team, event.agent)
        reads = self._reads.setdefault(key, [])
        self._reads.move_to_end(key)
        reads.append(read)
        del reads[:-_UNMATCHED]
        if len(self._reads) > MAX_AGENTS:
            self._reads.popitem(last=False)

    def _read_for(self, event: FitEvent) -> _Read | None:
        """The reading of a context that this call sends, which is forgotten then.

        It is known by its newest message. A client's transforms may have changed that one: then it is the agent's
        only reading that no call was found for. Outside a runtime client and context may name the agent differently.
        """
        tail = event.history[-_TAIL:]
        for key in dict.fromkeys(((event.team, event.agent), ("", DEFAULT_AGENT))):
            reads = self._reads.get(key, [])
            for number in range(len(reads) - 1, -1, -1):
                if any(message in tail for message in reads[number].newest):
                    return reads.pop(number)
        reads = self._reads.get((event.team, event.agent), [])
        return reads.pop() if len(reads) == 1 else None

    def _rank(self, event: FitEvent) -> None:
        report = event.report
        call = WorstCall(
            event.at,
            event.hook,
            event.agent,
            event.team,
            event.model,
            report.tokens_before,
            report.tokens_after,
            report.quality,
        )
        self._lowest = nsmallest(self._worst, [*self._lowest, call], key=lambda c: c.quality)
        self._shrunk = nsmallest(
            self._worst, [*self._shrunk, call], key=lambda c: c.tokens_after / max(1, c.tokens_before)
        )

    def _bill(self, event: LLMCallEvent | LLMStreamEndEvent) -> None:
        stated: str | None = event.kwargs.get("agent_id")
        agent = AgentId.from_str(stated) if stated else None
        for totals in self._groups(team_of(agent), agent_name(agent, DEFAULT_AGENT)):
            totals.billed_calls += 1
            totals.prompt_tokens += event.prompt_tokens
            totals.completion_tokens += event.completion_tokens
