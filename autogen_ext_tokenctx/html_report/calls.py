"""The model calls of a log: what both hooks did to one call belongs together, or it would count twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from .log import LoggedFit

LEVELS = ("none", "lossless", "light", "strong", "summary")  # the names of `Level`, from nothing changed to strongest

Side = Literal["calls", "context", "client"]  # which hook is looked at: each alone, or both as one call


class Call(NamedTuple):
    """One model call, with its number in the log from 1, and the fits of the context, of the client, or of both."""

    number: int
    fits: tuple[LoggedFit, ...]

    @property
    def agent(self) -> str:
        """The name of the agent."""
        return self.fits[0].agent

    @property
    def team(self) -> str:
        """The id of its team, "" outside of teams."""
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
        """The tokens that went out."""
        return self.sent.tokens_after

    @property
    def tokens_before(self) -> int:
        """The tokens that would have gone out without any hook."""
        return self.tokens_after + sum(fit.tokens_saved for fit in self.fits)

    @property
    def was_over(self) -> bool:
        """Whether it would have been over a hook's budget."""
        return any(fit.tokens_before > fit.room for fit in self.fits)

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
        """The tokens by category, from the hook that weighed more of what it sent."""
        return min(self.fits, key=lambda fit: fit.categories.get("unweighed", (0, 0))[1]).categories


def calls(fits: Iterable[LoggedFit]) -> Iterator[Call]:
    """Yield the calls of fits in the order they began; a call comes when nothing more can belong to it.

    Example:
        >>> def fit(hook: str) -> LoggedFit:
        ...     return LoggedFit(type="ContextFit", hook=hook, budget=9, tokens_before=8, tokens_after=7, call_id="a")
        >>> [len(call.fits) for call in calls([fit("context"), fit("client"), fit("client")])]
        [2, 1]
    """
    pending: dict[int, Call] = {}  # by number, so in the order of the log
    reads: dict[str, int] = {}  # the numbers of those that wait for the fit of their client, by call id
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
            if reads.get(first.sent.call_id) == first.number:  # it waits, and all after it wait for their turn
                # Chosen: far more than the agents of one process that run at the same time. The first is then taken for
                # a call of the context alone.
                if len(pending) <= 256:
                    break
                del reads[first.sent.call_id]
            yield pending.pop(first.number)
    yield from pending.values()
