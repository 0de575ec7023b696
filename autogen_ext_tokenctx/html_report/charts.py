"""The numbers of the charts: calls added up in bins, for each agent of each team and each hook.

However long the log is, the page gets at most `BINS` bins of at most `SERIES` series: when the bins are full, two
neighbours become one; when there are too many series, the smallest are put together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import inf
from operator import add
from typing import Any

from .calls import LEVELS, PLACES, Call, Side
from .log import LoggedFit

BINS = 120
"""Bins of the charts. More could not be told apart on a phone."""

SERIES = 90
"""Agents of teams, once for each way to look at the hooks, whose bins are kept apart."""

CATEGORIES = 8
"""Categories that are kept apart."""

OTHERS = "(others)"
"""The name of teams, agents and categories that were put together."""

SUMS = "calls before after budget cached over sent_over compactions shortened relevance quality seconds".split()
"""The fields of a bin that are sums over its calls; then come the calls of each level, and the peak."""

FIELDS = (*SUMS, *LEVELS, "peak")

PLACE = {field: place for place, field in enumerate(FIELDS)}

FIRST_LEVEL = len(SUMS)


class Bin:
    """Calls added up.

    Args:
        at: When the first of them was, in seconds since 1970.
    """

    __slots__ = ("at", "categories", "numbers")

    def __init__(self, at: float) -> None:
        self.at = at
        self.numbers: list[float] = [0] * len(FIELDS)
        self.categories: dict[str, list[int]] = {}

    def add(self, other: Bin) -> None:
        """Adds the calls of another bin."""
        self.add_numbers(other.numbers, other.categories, other.at)

    def add_numbers(self, numbers: list[float], categories: Mapping[str, Sequence[int]], at: float) -> None:
        """Adds the fields and categories of calls.

        Args:
            numbers: A value for each of the fields.
            categories: Their tokens before and after by category.
            at: When the first of the calls was, in seconds since 1970.
        """
        peak = max(self.numbers[-1], numbers[-1])
        self.numbers = list(map(add, self.numbers, numbers))
        self.numbers[-1] = peak
        if at < self.at:
            self.at = at
        mine = self.categories
        for name, (before, after) in categories.items():
            sums = mine.get(name)
            if sums is None:
                mine[name] = [before, after]
            else:
                sums[0] += before
                sums[1] += after

    def total(self, field: str) -> float:
        """A field of the bin."""
        return self.numbers[PLACE[field]]


Key = tuple[Side, str, str]
"""A way to look at the hooks, a team and an agent."""

Bins = dict[int, Bin]
"""The bins of a series by their place."""


class Charts:
    """The bins of all series.

    Example:
        >>> Charts().as_dict()["bin_width"]
        1
    """

    def __init__(self) -> None:
        self.width = 1
        """Calls of a bin."""
        self.calls = 0
        """Calls so far."""
        self.until = 0.0
        """When the last call was, in seconds since 1970."""
        self.notes: list[str] = []
        """What had to be put together, in words."""
        self._series: dict[Key, Bins] = defaultdict(dict)

    def add(self, call: Call) -> None:
        """Adds a call to its series: to that of both hooks, and to those of each hook that fitted it."""
        self.calls = max(self.calls, call.number)
        self.until = max(self.until, call.sent.at)
        while self.calls > BINS * self.width:
            self._halve()
        sides = [_numbers(fit, call) for fit in call.fits]
        self._add("calls", call, sides[0] if len(sides) == 1 else _both(call, *sides), call.categories)
        for fit, numbers in zip(call.fits, sides, strict=True):
            self._add(fit.hook, call, numbers, fit.categories)

    def _add(self, hook: Side, call: Call, numbers: list[float], categories: Mapping[str, tuple[int, int]]) -> None:
        sent = call.sent
        bins = self._series[(hook, sent.team, sent.agent)]
        _bin(bins, (call.number - 1) // self.width, sent.at).add_numbers(numbers, categories, sent.at)

    def total(self) -> Bin:
        """All calls in one bin."""
        total = Bin(inf)
        for (hook, _, _), bins in self._series.items():
            if hook == "calls":
                for one in bins.values():
                    total.add(one)
        return total

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON values. Also writes the notes."""
        total = self.total()
        agents = len({agent for _, _, agent in self._series})
        teams = len({team for _, team, _ in self._series})
        series = self._bounded()
        categories = self._bounded_categories(total)
        return {
            "bin_width": self.width,
            "calls": self.calls,
            "agents": agents,
            "teams": teams,
            "from": total.at if self.calls else 0,
            "until": self.until,
            "fields": FIELDS,
            "levels": LEVELS,
            "categories": categories,
            "series": [
                {
                    "hook": hook,
                    "team": team,
                    "agent": agent,
                    "bins": [[place, *_row(bins[place], categories)] for place in sorted(bins)],
                }
                for (hook, team, agent), bins in series.items()
            ],
        }

    def _halve(self) -> None:
        self.width *= 2
        for key, bins in self._series.items():
            halved: Bins = {}
            for place, one in bins.items():
                _bin(halved, place // 2, one.at).add(one)
            self._series[key] = halved

    def _bounded(self) -> Mapping[Key, Bins]:
        """The series, the smallest put together: first all their teams, and if that does not do, all their agents."""
        series = self._series
        if len({hook for hook, _, _ in series}) == 2:  # one hook alone is the calls
            series = {key: bins for key, bins in series.items() if key[0] == "calls"}
        for what, field, most in (("teams", 1, SERIES // 2), ("agents", 2, SERIES - 3)):
            if len(series) > SERIES:
                series = self._pooled(series, what, field, most)
        return series

    def _pooled(self, series: Mapping[Key, Bins], what: str, field: int, most: int) -> Mapping[Key, Bins]:
        """The series of the busiest teams, or agents, and those of all others as one."""
        of: dict[str, list[Key]] = defaultdict(list)
        busy: Counter[str] = Counter()
        for key, bins in series.items():
            of[key[field]].append(key)
            busy[key[field]] += int(sum(one.total("calls") for one in bins.values()))
        kept: set[str] = set()
        size = 0
        for name, _ in busy.most_common():
            size += len(of[name])
            if kept and size > most:
                break
            kept.add(name)
        pooled: dict[Key, Bins] = {}
        for key, bins in series.items():
            hook, _, agent = key
            if key[field] not in kept:
                key = (hook, OTHERS, agent if field == 1 else OTHERS)
            for place, one in bins.items():
                _bin(pooled.setdefault(key, {}), place, one.at).add(one)
        self.notes.append(
            f"The charts and the filter show {len(busy) - len(kept):,} of {len(busy):,} {what}, those with the fewest "
            f"calls, as one named {OTHERS}."
        )
        return pooled

    def _bounded_categories(self, total: Bin) -> list[str]:
        after = Counter({name: sums[1] for name, sums in total.categories.items()})
        names = [name for name, _ in after.most_common()]
        if len(names) <= CATEGORIES:
            return names
        self.notes.append(f"The charts show {len(names) - CATEGORIES + 1:,} small categories as one, named {OTHERS}.")
        return [*names[: CATEGORIES - 1], OTHERS]


def _bin(bins: Bins, place: int, at: float) -> Bin:
    if place not in bins:
        bins[place] = Bin(at)
    return bins[place]


def _numbers(fit: LoggedFit, call: Call) -> list[float]:
    """The fields of a call as one hook saw it."""
    before, after = fit.tokens_before, fit.tokens_after
    room = fit.room
    level = PLACES[fit.level]
    levels = [0] * len(LEVELS)
    levels[level] = 1
    cached = min(fit.cached_tokens, after)
    seconds = fit.seconds if fit.hook in call.fresh else 0.0
    scores = (True, fit.relevance, fit.quality) if level else (False, 0.0, 0.0)
    over = before > room, after > room, fit.hook in call.compacted
    return [1, before, after, room, cached, *over, *scores, seconds, *levels, before]


def _both(call: Call, context: list[float], client: list[float]) -> list[float]:
    """The fields of a call that both hooks fitted: what the client sent, and what either of them did."""
    numbers = client.copy()
    level = call.level
    numbers[FIRST_LEVEL:] = [*(place == level for place in range(len(LEVELS))), call.tokens_before]
    for field in ("over", "compactions", "shortened"):
        numbers[PLACE[field]] = max(context[PLACE[field]], client[PLACE[field]])
    for field in ("relevance", "quality"):
        scores = [side[PLACE[field]] for side in (context, client) if side[PLACE["shortened"]]]
        numbers[PLACE[field]] = min(scores, default=0.0)
    numbers[PLACE["seconds"]] += context[PLACE["seconds"]]
    numbers[PLACE["before"]] = call.tokens_before
    return numbers


def _row(one: Bin, categories: list[str]) -> list[Any]:
    """The fields of a bin, when it began, and its categories as places, tokens before and tokens after."""
    sums: dict[int, list[int]] = {}
    for name, (before, after) in one.categories.items():
        place = categories.index(name) if name in categories else len(categories) - 1
        total = sums.setdefault(place, [0, 0])
        total[0] += max(0, before)
        total[1] += max(0, after)
    return [
        *(round(number, 4) for number in one.numbers),
        round(one.at, 1),
        [[place, *tokens] for place, tokens in sums.items()],
    ]
