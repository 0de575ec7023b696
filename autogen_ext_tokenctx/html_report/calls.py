"""The model calls of a log: what both hooks did to one call belongs together, or it would count twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from .log import LoggedFit

LEVELS = ("none", "lossless", "light", "strong", "summary")
"""The names of `Level`, from nothing changed to the strongest."""

PLACES = {name: place for place, name in enumerate(LEVELS)}
"""The place of each of them."""

WAITING = 256
"""Calls that may wait for one whose client's fit is still to come. It is of the context alone then."""

Side = Literal["calls", "context", "client"]
"""Which hook is looked at: each alone, or both as one call."""


class Call(NamedTuple):
    """One model call.

    Args:
        number: Its number in the log, from 1.
        fits: What the context hook made of it, the client hook, or both in this order.
    """

    number: int
    fits: tuple[LoggedFit, ...]

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
    def compacted(self) -> bool:
        """Whether a hook made a new, shorter view for it."""
        return any(fit.compacted for fit in self.fits)

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
        return min(self.fits, key=lambda fit: fit.categories.get("unweighed", (0, 0))[1]).categories


def calls(fits: Iterable[LoggedFit]) -> Iterator[Call]:
    """The calls of fits in the order they began; a call comes when nothing more can belong to it.

    Args:
        fits: The fits of the log.

    Example:
        >>> def fit(hook: str) -> LoggedFit:
        ...     return LoggedFit(type="ContextFit", hook=hook, budget=9, tokens_before=8, tokens_after=7, call_id="a")
        >>> [len(call.fits) for call in calls([fit("context"), fit("client"), fit("client")])]
        [2, 1]
    """
    pending: dict[int, Call] = {}
    reads: dict[str, int] = {}
    number = 0
    for fit in fits:
        if fit.hook == "client" and fit.call_id in reads:
            place = reads.pop(fit.call_id)
            pending[place] = Call(place, (*pending[place].fits, fit))
        else:
            number += 1
            pending[number] = Call(number, (fit,))
            if fit.hook == "context" and fit.call_id:
                reads[fit.call_id] = number
        while pending:
            first = next(iter(pending.values()))
            waits = reads.get(first.sent.call_id) == first.number
            if waits and len(pending) <= WAITING:
                break
            if waits:
                del reads[first.sent.call_id]
            yield pending.pop(first.number)
    yield from pending.values()
