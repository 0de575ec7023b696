"""The numbers of the page: a row for each call as each hook saw it, and of a long log one for several calls.

The page adds them up for what its filter leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import inf
from operator import add
from typing import Any, NamedTuple

from .calls import LEVELS, PLACES, Call, Side
from .log import LoggedFit

BINS = 120
"""Bars of a chart. More could not be told apart on a phone."""

ROWS = 6_000
"""Rows of the page, about half a megabyte; of more, neighbours become one, but never over a bar's end."""

NAMES = 40
"""Agents, and teams, that are kept apart: those with the most calls."""

CATEGORIES = 8
"""Categories that are kept apart: there are as many colours."""

OTHERS = "(others)"
"""The name of teams, agents and categories that were put together."""

SUMS = "calls before after budget cached over sent_over compactions shortened relevance quality seconds".split()
"""The fields of a row that are sums over its calls; then come the calls of each level, and the peak."""

FIELDS = (*SUMS, *LEVELS, "peak")

PLACE = {field: place for place, field in enumerate(FIELDS)}


class _Key(NamedTuple):
    """Whose calls a row is of: by a way to look at the hooks, and the place among rows of the same width."""

    place: int
    hook: Side
    team: str
    agent: str


class Row:
    """Calls added up.

    Args:
        at: When the first of them was, in seconds since 1970.
        numbers: A value for each of the fields.
        categories: Their tokens before and after by category.
    """

    __slots__ = ("at", "categories", "numbers")

    def __init__(self, at: float, numbers: list[float], categories: Mapping[str, tuple[int, int]]) -> None:
        self.at, self.numbers = at, numbers
        self.categories = {name: (max(0, before), max(0, after)) for name, (before, after) in categories.items()}

    def add(self, other: Row) -> None:
        """Add the calls of another row."""
        peak = max(self.numbers[-1], other.numbers[-1])
        self.numbers = [*map(add, self.numbers[:-1], other.numbers[:-1]), peak]
        self.at = min(self.at, other.at)
        for name, (before, after) in other.categories.items():
            mine = self.categories.get(name, (0, 0))
            self.categories[name] = mine[0] + before, mine[1] + after

    def total(self, field: str) -> float:
        """Return a field of the row."""
        return self.numbers[PLACE[field]]


class Charts:
    """The rows of all calls.

    Example:
        >>> Charts().as_dict()["bin_width"]
        1
    """

    def __init__(self) -> None:
        self.calls = 0
        """Calls so far."""
        self.notes: list[str] = []
        """What had to be put together, in words."""
        self._width = self._bin_width = 1  # calls of a row, and of a bar
        self._until = 0.0
        self._rows: dict[_Key, Row] = {}

    def add(self, call: Call) -> None:
        """Add a call: as it was in all, and as each hook saw it."""
        self.calls = max(self.calls, call.number)
        self._until = max(self._until, call.sent.at)
        while self.calls > BINS * self._bin_width:
            self._bin_width *= 2
        sides = [_numbers(fit) for fit in call.fits]
        self._add("calls", call, sides[0] if len(sides) == 1 else _both(call, *sides), call.categories)
        for fit, numbers in zip(call.fits, sides, strict=True):
            self._add(fit.hook, call, numbers, fit.categories)
        while len(self._rows) > ROWS and self._width < self._bin_width:
            self._width *= 2
            self._regroup(lambda key: key._replace(place=key.place // 2))

    def total(self) -> Row:
        """Return all calls as one row."""
        total = Row(inf, [0] * len(FIELDS), {})
        for key, row in self._rows.items():
            if key.hook == "calls":
                total.add(row)
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values. Also writes the notes."""
        total = self.total()
        agents, teams = (self._bound(field) for field in ("agent", "team"))
        names = [name for name, _ in sorted(total.categories.items(), key=lambda entry: -entry[1][1])]
        if len(names) > CATEGORIES:
            self.notes.append(f"The charts show {len(names) - CATEGORIES + 1:,} small categories as one: {OTHERS}.")
            names = [*names[: CATEGORIES - 1], OTHERS]
        if len({key.hook for key in self._rows}) == 2:  # one hook alone is the calls
            self._rows = {key: row for key, row in self._rows.items() if key.hook == "calls"}
        series: dict[tuple[str, str, str], list[list[Any]]] = {}
        for key, row in sorted(self._rows.items(), key=lambda entry: entry[0].place):
            series.setdefault(key[1:], []).append([key.place * self._width, *_listed(row, names)])
        return {
            "bin_width": self._bin_width,
            "calls": self.calls,
            "agents": agents,
            "teams": teams,
            "from": total.at if self.calls else 0,
            "until": self._until,
            "fields": FIELDS,
            "levels": LEVELS,
            "categories": names,
            "series": [
                {"hook": hook, "team": team, "agent": agent, "rows": rows}
                for (hook, team, agent), rows in series.items()
            ],
        }

    def _add(self, hook: Side, call: Call, numbers: list[float], categories: Mapping[str, tuple[int, int]]) -> None:
        self._put(
            _Key((call.number - 1) // self._width, hook, call.sent.team, call.sent.agent),
            Row(call.sent.at, numbers, categories),
        )

    def _put(self, key: _Key, row: Row) -> None:
        if key in self._rows:
            self._rows[key].add(row)
        else:
            self._rows[key] = row

    def _regroup(self, key_of: Callable[[_Key], _Key]) -> None:
        rows, self._rows = self._rows, {}
        for key, row in rows.items():
            self._put(key_of(key), row)

    def _bound(self, field: str) -> int:
        """Put the agents, or teams, with the fewest calls together; return how many there were."""
        busy: Counter[str] = Counter()
        for key, row in self._rows.items():
            busy[getattr(key, field)] += int(row.total("calls"))
        if len(busy) > NAMES:
            kept = {name for name, _ in busy.most_common(NAMES - 1)}
            self._regroup(lambda key: key if getattr(key, field) in kept else key._replace(**{field: OTHERS}))
            self.notes.append(
                f"The charts and the filter show {len(kept):,} of {len(busy):,} {field}s, those with the fewest "
                f"calls as one: {OTHERS}."
            )
        return len(busy)


def _numbers(fit: LoggedFit) -> list[float]:
    """Return the fields of a call as one hook saw it."""
    level = PLACES[fit.level]
    levels = [place == level for place in range(len(LEVELS))]
    over = fit.tokens_before > fit.room, fit.tokens_after > fit.room, bool(fit.compacted)
    scores = (True, fit.relevance, fit.quality) if level else (False, 0.0, 0.0)
    cached = min(fit.cached_tokens, fit.tokens_after)
    tokens = fit.tokens_before, fit.tokens_after, fit.room, cached
    return [1, *tokens, *over, *scores, fit.seconds, *levels, fit.tokens_before]


def _both(call: Call, context: list[float], client: list[float]) -> list[float]:
    """Return the fields of a call that both hooks fitted: what the client sent, and what either of them did."""
    numbers = client.copy()
    numbers[len(SUMS) :] = [*(place == call.level for place in range(len(LEVELS))), call.tokens_before]
    for field in ("over", "compactions", "shortened"):
        numbers[PLACE[field]] = max(context[PLACE[field]], client[PLACE[field]])
    for field in ("relevance", "quality"):
        scores = [side[PLACE[field]] for side in (context, client) if side[PLACE["shortened"]]]
        numbers[PLACE[field]] = min(scores, default=0.0)
    numbers[PLACE["seconds"]] += context[PLACE["seconds"]]
    numbers[PLACE["before"]] = call.tokens_before
    return numbers


def _listed(row: Row, names: list[str]) -> list[Any]:
    """Return the fields of a row, when it began, and its categories as places, tokens before and tokens after."""
    sums: dict[int, tuple[int, int]] = {}
    for name, (before, after) in row.categories.items():
        place = names.index(name) if name in names else len(names) - 1
        sums[place] = sums.get(place, (0, 0))[0] + before, sums.get(place, (0, 0))[1] + after
    numbers = [round(number, 4) for number in row.numbers]
    return [*numbers, round(row.at, 1), [[place, *tokens] for place, tokens in sums.items()]]
