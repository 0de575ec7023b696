"""The numbers of the page: a row for each call as each hook saw it, and of a long log one for several calls.

The page adds them up for what its filter leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple

from .calls import LEVELS, Call, Side
from .log import LoggedFit

BINS = 120  # bars of a chart at most: more could not be told apart on a phone (chosen, not measured)

# Rows of the page, about half a megabyte of JSON. Of more, neighbours become one, but never over a bar's end.
ROWS = 6_000

NAMES = 40  # agents, and teams, that are kept apart: those with the most calls (chosen, not measured)
CATEGORIES = 8  # categories that are kept apart: the style sheet of the page has as many colours

OTHERS = "(others)"  # the name of teams, agents and categories that were put together

# The fields of a row: sums over its calls, then the number of calls of each level, and the largest call.
SUMS = "calls before after budget cached over sent_over compactions shortened relevance quality seconds".split()
FIELDS = (*SUMS, *LEVELS, "peak")


class _Key(NamedTuple):
    """Whose calls a row is of, by the side that is looked at, and the place among rows of the same width."""

    place: int
    hook: Side
    team: str
    agent: str


class Row:
    """Calls added up: when the first was (seconds since 1970), a number for each of `FIELDS`, tokens by category."""

    __slots__ = ("at", "categories", "numbers")

    def __init__(self, at: float, numbers: dict[str, float], categories: Mapping[str, tuple[int, int]]) -> None:
        self.at, self.numbers = at, numbers
        self.categories = {name: (max(0, before), max(0, after)) for name, (before, after) in categories.items()}

    def add(self, other: Row) -> None:
        """Add the calls of another row."""
        peak = max(self.numbers["peak"], other.numbers["peak"])
        self.numbers = {name: number + other.numbers[name] for name, number in self.numbers.items()} | {"peak": peak}
        self.at = min(self.at, other.at)
        for name, (before, after) in other.categories.items():
            mine = self.categories.get(name, (0, 0))
            self.categories[name] = mine[0] + before, mine[1] + after


class Charts:
    """The rows of all calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.notes: list[str] = []  # what had to be put together, in words
        self._width = self._bin_width = 1  # calls of a row, and of a bar
        self._until = 0.0
        self._rows: dict[_Key, Row] = {}

    def add(self, call: Call) -> None:
        """Add a call: as it was in all, and as each hook saw it."""
        self.calls = max(self.calls, call.number)
        self._until = max(self._until, call.sent.at)
        # how long a log is, nobody knows before it is read: bars, and rows where there are too many, double their width
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
        total = Row(inf, dict.fromkeys(FIELDS, 0), {})
        for key, row in self._rows.items():
            if key.hook == "calls":
                total.add(row)
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values, and write the notes."""
        total = self.total()
        agents, teams = (self._bound(field) for field in ("agent", "team"))
        names = [name for name, _ in sorted(total.categories.items(), key=lambda entry: -entry[1][1])]
        if len(names) > CATEGORIES:
            self.notes.append(f"The charts show {len(names) - CATEGORIES + 1:,} small categories as one: {OTHERS}.")
            names = [*names[: CATEGORIES - 1], OTHERS]
        if len({key.hook for key in self._rows}) == 2:  # one hook alone is the calls
            self._rows = {key: row for key, row in self._rows.items() if key.hook == "calls"}
        series: dict[tuple[str, str, str], list[list[Any]]] = {}  # by hook, team and agent
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
                dict(zip(("hook", "team", "agent", "rows"), (*key, rows), strict=True)) for key, rows in series.items()
            ],
        }

    def _add(self, hook: Side, call: Call, numbers: dict[str, float], of: Mapping[str, tuple[int, int]]) -> None:
        key = _Key((call.number - 1) // self._width, hook, call.sent.team, call.sent.agent)
        self._put(key, Row(call.sent.at, numbers, of))

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
        """Put the agents, or teams, with the fewest calls together, and return how many there were."""
        busy: Counter[str] = Counter()
        for key, row in self._rows.items():
            busy[getattr(key, field)] += int(row.numbers["calls"])
        if len(busy) > NAMES:
            kept = {name for name, _ in busy.most_common(NAMES - 1)}
            self._regroup(lambda key: key if getattr(key, field) in kept else key._replace(**{field: OTHERS}))
            self.notes.append(
                f"The charts and the filter show {len(kept):,} of {len(busy):,} {field}s, those with the fewest "
                f"calls as one: {OTHERS}."
            )
        return len(busy)


def _numbers(fit: LoggedFit) -> dict[str, float]:
    """Return the fields of a call as one hook saw it."""
    changed = fit.level != "none"  # the scores of what was not shortened would only raise the means
    return {
        "calls": 1,
        "before": fit.tokens_before,
        "after": fit.tokens_after,
        "budget": fit.room,
        "cached": min(fit.cached_tokens, fit.tokens_after),
        "over": fit.tokens_before > fit.room,
        "sent_over": fit.tokens_after > fit.room,
        "compactions": bool(fit.compacted),
        "shortened": changed,
        "relevance": fit.relevance if changed else 0.0,
        "quality": fit.quality if changed else 0.0,
        "seconds": fit.seconds,
        **{name: name == fit.level for name in LEVELS},
        "peak": fit.tokens_before,
    }


def _both(call: Call, context: dict[str, float], client: dict[str, float]) -> dict[str, float]:
    """Return the fields of a call that both hooks fitted: what the client sent, and what either of them did."""
    shortened = [side for side in (context, client) if side["shortened"]]
    return {
        **client,
        "before": call.tokens_before,
        **{name: max(context[name], client[name]) for name in ("over", "compactions", "shortened")},
        **{name: min((side[name] for side in shortened), default=0.0) for name in ("relevance", "quality")},
        "seconds": context["seconds"] + client["seconds"],
        **{name: place == call.level for place, name in enumerate(LEVELS)},
        "peak": call.tokens_before,
    }


def _listed(row: Row, names: list[str]) -> list[Any]:
    """Return the fields of a row, when it began, and its categories as places, tokens before and tokens after."""
    # names stand in the page once, and a row has their places; what is not kept apart is in the last one
    sums: dict[int, tuple[int, int]] = {}
    for name, (before, after) in row.categories.items():
        place = names.index(name) if name in names else len(names) - 1
        sums[place] = sums.get(place, (0, 0))[0] + before, sums.get(place, (0, 0))[1] + after
    numbers = [round(number, 4) for number in row.numbers.values()]
    return [*numbers, round(row.at, 1), [[place, *tokens] for place, tokens in sums.items()]]
