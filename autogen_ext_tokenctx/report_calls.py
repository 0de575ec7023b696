"""The model calls of a log: what both hooks did to one call belongs together.

With both hooks on, a call is first read from the model context and then goes through the model client. Added up as
two calls it would count twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from .report_log import LoggedFit

LEVELS = ("none", "lossless", "light", "strong", "summary")
"""The names of `Level`, from nothing changed to the strongest."""

WAITING = 256
"""Agents of which a read of the context may wait for the client's call. The one that waits longest is a call alone."""

Side = Literal["calls", "context", "client"]
"""Which hook is looked at: each alone, or both as one call."""


@dataclass(frozen=True)
class Call:
    """One model call.

    Args:
        number: Its number in the log, from 1.
        fits: What the context hook made of it, the client hook, or both in this order.
        compacted: The hooks that made a new, shorter view for it, and did not go on with the one before.
    """

    number: int
    fits: tuple[LoggedFit, ...]
    compacted: frozenset[str]

    @property
    def agent(self) -> str:
        """Name of the agent."""
        return self.fits[0].agent

    @property
    def team(self) -> str:
        """Id of its team, "" outside of teams."""
        return self.fits[0].team

    @cached_property
    def sent(self) -> LoggedFit:
        """The last fit, which saw what went out."""
        return self.fits[-1]

    @property
    def tokens_after(self) -> int:
        """Tokens that went out."""
        return self.sent.tokens_after

    @property
    def tokens_before(self) -> int:
        """Tokens that would have gone out without any hook."""
        return self.tokens_after + sum(fit.tokens_saved for fit in self.fits)

    @property
    def was_over(self) -> bool:
        """Whether it would have been over a hook's budget."""
        return any(fit.tokens_before > fit.room for fit in self.fits)

    @property
    def is_over(self) -> bool:
        """Whether it went out over the budget of the last hook."""
        return self.sent.tokens_after > self.sent.room

    @property
    def pressure(self) -> float:
        """How many times the budget it would have been."""
        return max(fit.tokens_before / max(1, fit.room) for fit in self.fits)

    @property
    def level(self) -> int:
        """The strongest level, as its place in `LEVELS`."""
        return max(LEVELS.index(fit.level) for fit in self.fits)

    @property
    def categories(self) -> dict[str, tuple[int, int]]:
        """Tokens by category, from the hook that weighed more of what it sent."""
        return min(self.fits, key=lambda fit: fit.categories.get("unweighed", (0, 0))[1]).categories

    def side(self, hook: Side) -> Call | None:
        """The call as one hook saw it; None when that hook did not."""
        if hook == "calls":
            return self
        fits = tuple(fit for fit in self.fits if fit.hook == hook)
        return Call(self.number, fits, self.compacted & {hook}) if fits else None


def calls(fits: Iterable[LoggedFit]) -> Iterator[Call]:
    """The calls of fits in the order they were logged; a call comes when nothing more can belong to it.

    Args:
        fits: The fits of the log.

    Example:
        >>> def fit(hook: str) -> LoggedFit:
        ...     return LoggedFit(type="ContextFit", hook=hook, budget=9, tokens_before=8, tokens_after=7)
        >>> [len(call.fits) for call in calls([fit("context"), fit("client"), fit("client")])]
        [2, 1]
    """
    waiting: OrderedDict[tuple[str, str], Call] = OrderedDict()
    forms: dict[tuple[str, str, str], object] = {}
    number = 0
    for fit in fits:
        who = (fit.team, fit.agent)
        seen = _forms(fit)
        is_new = fit.level != "none" and forms.get((*who, fit.hook)) != seen
        forms[(*who, fit.hook)] = seen
        compacted = frozenset({fit.hook} if is_new else ())
        read = waiting.pop(who, None)
        if read is not None and fit.hook == "client":
            yield Call(read.number, (*read.fits, fit), read.compacted | compacted)
            continue
        if read is not None:
            yield read
        number += 1
        call = Call(number, (fit,), compacted)
        if fit.hook == "client":
            yield call
            continue
        waiting[who] = call
        if len(waiting) > WAITING:
            yield waiting.popitem(last=False)[1]
    yield from waiting.values()


def _forms(fit: LoggedFit) -> object:
    """What a view that goes on keeps from call to call. What is recalled comes and goes without a new view."""
    return hash(tuple((name, form) for name, form in fit.forms.items() if name not in ("recalled", "repaired")))
