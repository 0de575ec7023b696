"""The numbers of the charts: calls added up in bins, for each agent of each team and each hook.

However long the log is, the page gets at most `BINS` bins of at most `SERIES` series: when the bins are full, two
neighbours become one; when there are too many series, the smallest are put together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from .report_calls import LEVELS, Call, Side

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

Key = tuple[Side, str, str]


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

    def add(self, call: Call) -> None:
        """Adds a call."""
        shortened = call.level > 0
        values = (
            1,
            call.tokens_before,
            call.tokens_after,
            call.sent.room,
            min(call.sent.cached_tokens, call.tokens_after),
            call.was_over,
            call.is_over,
            bool(call.compacted),
            shortened,
            min(fit.relevance for fit in call.fits) if shortened else 0,
            min(fit.quality for fit in call.fits) if shortened else 0,
            sum(fit.seconds for fit in call.fits),
            *(level == call.level for level in range(len(LEVELS))),
        )
        self._add(values, call.tokens_before, call.categories)
        self.at = min(self.at, call.sent.at)

    def merge(self, other: Bin) -> None:
        """Adds the calls of another bin."""
        self._add(other.numbers[:-1], other.numbers[-1], other.categories)
        self.at = min(self.at, other.at)

    def _add(
        self, values: Iterable[float], peak: float, categories: Mapping[str, list[int]] | Mapping[str, tuple[int, int]]
    ) -> None:
        numbers = self.numbers
        for place, value in enumerate(values):
            numbers[place] += value
        numbers[-1] = max(numbers[-1], peak)
        for name, (before, after) in categories.items():
            sums = self.categories.setdefault(name, [0, 0])
            sums[0] += max(0, before)
            sums[1] += max(0, after)

    def total(self, field: str) -> float:
        """A field of the bin."""
        return self.numbers[FIELDS.index(field)]


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
        self.total = Bin(float("inf"))
        """All calls in one bin."""
        self.until = 0.0
        """When the last call was, in seconds since 1970."""
        self.notes: list[str] = []
        """What had to be put together, in words."""
        self._series: dict[Key, dict[int, Bin]] = defaultdict(dict)

    def add(self, call: Call) -> None:
        """Adds a call to its series."""
        self.calls = max(self.calls, call.number)
        self.until = max(self.until, call.sent.at)
        self.total.add(call)
        while self.calls > BINS * self.width:
            self._halve()
        for hook in get_args(Side):
            seen = call.side(hook)
            if seen is not None:
                bins = self._series[(hook, call.team, call.agent)]
                _bin(bins, (call.number - 1) // self.width, call.sent.at).add(seen)

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON values. Also writes the notes."""
        series = self._bounded()
        categories = self._bounded_categories()
        return {
            "bin_width": self.width,
            "calls": self.calls,
            "from": self.total.at if self.calls else 0,
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
            halved: dict[int, Bin] = {}
            for place, one in bins.items():
                _bin(halved, place // 2, one.at).merge(one)
            self._series[key] = halved

    def _bounded(self) -> Mapping[Key, dict[int, Bin]]:
        """The series, the smallest put together: first all their teams, and if that does not do, all their agents."""
        series = self._series
        if len({hook for hook, _, _ in series}) == 2:  # one hook alone is the calls
            series = {key: bins for key, bins in series.items() if key[0] == "calls"}
        for what, name in (("teams", 1), ("agents", 2)):
            if len(series) <= SERIES:
                break
            ranked = sorted(series, key=lambda key: -sum(one.total("calls") for one in series[key].values()))
            kept = SERIES // 2 if what == "teams" else SERIES - 3
            merged: dict[Key, dict[int, Bin]] = {key: series[key] for key in ranked[:kept]}
            for hook, team, agent in ranked[kept:]:
                key = (hook, OTHERS, OTHERS if name == 2 else agent)
                bins = merged.setdefault(key, {})
                for place, one in series[(hook, team, agent)].items():
                    _bin(bins, place, one.at).merge(one)
            small = len({key[name] for key in ranked[kept:]})
            self.notes.append(f"The charts show {small:,} {what} with few calls as one, named {OTHERS}.")
            series = merged
        return series

    def _bounded_categories(self) -> list[str]:
        after = Counter({name: sums[1] for name, sums in self.total.categories.items()})
        names = [name for name, _ in after.most_common()]
        if len(names) <= CATEGORIES:
            return names
        self.notes.append(f"The charts show {len(names) - CATEGORIES + 1:,} small categories as one, named {OTHERS}.")
        return [*names[: CATEGORIES - 1], OTHERS]


def _bin(bins: dict[int, Bin], place: int, at: float) -> Bin:
    if place not in bins:
        bins[place] = Bin(at)
    return bins[place]


def _row(one: Bin, categories: list[str]) -> list[Any]:
    """The fields of a bin, when it began, and its categories as places, tokens before and tokens after."""
    sums: dict[int, list[int]] = {}
    for name, (before, after) in one.categories.items():
        place = categories.index(name) if name in categories else len(categories) - 1
        total = sums.setdefault(place, [0, 0])
        total[0] += before
        total[1] += after
    return [
        *(round(number, 4) for number in one.numbers),
        round(one.at, 1),
        [[place, *tokens] for place, tokens in sums.items()],
    ]
