"""The model calls of a log: what both hooks did to one call belongs together.

With both hooks on, a call is first read from the model context and then goes through the model client. Added up as
two calls it would count twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from .log import LoggedFit

LEVELS = ("none", "lossless", "light", "strong", "summary")
"""The names of `Level`, from nothing changed to the strongest."""

PLACES = {name: place for place, name in enumerate(LEVELS)}
"""The place of each of them."""

WAITING = 256
"""Agents of which a read of the context may wait for the client's call. The one that waits longest is a call alone."""

_NONE = frozenset[str]()
_ONLY = {hook: frozenset({hook}) for hook in ("context", "client")}

Side = Literal["calls", "context", "client"]
"""Which hook is looked at: each alone, or both as one call."""


class Call(NamedTuple):
    """One model call.

    Args:
        number: Its number in the log, from 1.
        fits: What the context hook made of it, the client hook, or both in this order.
        compacted: The hooks that made a new, shorter view for it, and did not go on with the one before.
        fresh: The hooks whose fit was made for it. Else its seconds are those of an earlier call.
    """

    number: int
    fits: tuple[LoggedFit, ...]
    compacted: frozenset[str]
    fresh: frozenset[str]

    @property
    def agent(self) -> str:
        """Name of the agent."""
        return self.fits[0].agent

    @property
    def team(self) -> str:
        """Id of its team, "" outside of teams."""
        return self.fits[0].team

    @property
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
        return self.tokens_after + sum([fit.tokens_saved for fit in self.fits])

    @property
    def was_over(self) -> bool:
        """Whether it would have been over a hook's budget."""
        return any(fit.tokens_before > fit.room for fit in self.fits)

    @property
    def pressure(self) -> float:
        """How many times the budget it would have been."""
        return max([fit.tokens_before / max(1, fit.room) for fit in self.fits])

    @property
    def level(self) -> int:
        """The strongest level, as its place in `LEVELS`."""
        return max([PLACES[fit.level] for fit in self.fits])

    @property
    def categories(self) -> dict[str, tuple[int, int]]:
        """Tokens by category, from the hook that weighed more of what it sent."""
        if len(self.fits) == 1:
            return self.sent.categories
        return min(self.fits, key=lambda fit: fit.categories.get("unweighed", (0, 0))[1]).categories


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
    known: dict[tuple[str, str, str], tuple[Mapping[str, Mapping[str, int]], float]] = {}
    number = 0
    for fit in fits:
        who = (fit.team, fit.agent)
        key = (*who, fit.hook)
        forms = _forms(fit)
        last_forms, last_seconds = known.get(key, ({}, -1.0))
        known[key] = forms, fit.seconds
        hook = _ONLY[fit.hook]
        compacted = hook if fit.level != "none" and forms != last_forms else _NONE
        fresh = hook if fit.seconds != last_seconds else _NONE
        read = waiting.pop(who, None)
        if read is not None and fit.hook == "client":
            yield Call(read.number, (*read.fits, fit), read.compacted | compacted, read.fresh | fresh)
            continue
        if read is not None:
            yield read
        number += 1
        call = Call(number, (fit,), compacted, fresh)
        if fit.hook == "client":
            yield call
            continue
        waiting[who] = call
        if len(waiting) > WAITING:
            yield waiting.popitem(last=False)[1]
    yield from waiting.values()


def _forms(fit: LoggedFit) -> Mapping[str, Mapping[str, int]]:
    """What a view that goes on keeps from call to call. What is recalled comes and goes without a new view."""
    if fit.forms.keys() & {"recalled", "repaired"}:
        return {name: form for name, form in fit.forms.items() if name not in ("recalled", "repaired")}
    return fit.forms
