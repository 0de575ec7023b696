"""Conversations of other shapes than the data has: rows of one, or of several together, as OpenAI's format has them.

What an annotator marked stays word for word in all of them, so that the marks hold; a shape is a way to stand around
it. The last row, which is what the next step answers, is always that of the conversation itself, and so are the system
messages.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A conversation, and what is needed of it.

    Args:
        rows: The conversation; the last row is what is to be answered.
        needed: Numbers of the rows that are marked; none where values are asked for, which may be anywhere.
        others: Other conversations of the same kind, in random order; nothing that is needed is in them.
        draw: Random numbers.
    """

    rows: Sequence[Row]
    needed: Sequence[int]
    others: Sequence[Sequence[Row]]
    draw: random.Random


Shape = Callable[[Source], list[Row] | None]
"""Gives a conversation another shape; None where it cannot have that one."""


def as_they_are(source: Source) -> list[Row] | None:
    """As in the data."""
    return list(source.rows)


def long_turns(source: Source) -> list[Row] | None:
    """Long assistant turns beside short user turns: of a chat, five to nine turns are one of the assistant."""
    head, body, end = _parts(source.rows)
    out, place = list(body[:1]), 1
    while place < len(body):
        size = source.draw.randint(5, 9)
        out.append({"role": "assistant", "content": "\n".join(row["content"] for row in body[place : place + size])})
        out += body[place + size : place + size + 1]
        place += size + 1
    return [*head, *out, *end]


def long_agents(source: Source) -> list[Row] | None:
    """Long agents' turns: texts of agents that follow on one another are one message."""
    out: list[Row] = []
    for row in source.rows[:-1]:
        if out and all(one["role"] == "assistant" and not one.get("tool_calls") for one in (out[-1], row)):
            out[-1] = {**out[-1], "content": f"{out[-1]['content']}\n{row['content']}"}
        else:
            out.append(row)
    return [*out, source.rows[-1]] if len(out) + 1 < len(source.rows) else None


def weeks(source: Source) -> list[Row] | None:
    """A chat of weeks: four talks, some days apart, each message with its date and time in front."""
    head, body, end = _parts(source.rows)
    talks = [body, *(_parts(other)[1][:400] for other in source.others[:3])]
    source.draw.shuffle(talks)
    time, out = datetime(2025, 3, 3, 9, 12), list[Row]()
    for talk in talks:
        for row in talk:
            out.append({**row, "content": f"[{time:%a %d %b %Y, %H:%M}] {row['content']}"})
            time += timedelta(seconds=source.draw.randint(10, 90))
        time += timedelta(days=source.draw.randint(2, 9), hours=source.draw.randint(1, 5))
    return [*head, *out, *end]


def joined(source: Source) -> list[Row] | None:
    """After another one."""
    head, body, end = _parts(source.rows)
    return [*head, *_other(source.others[0], 0), *body, *end] if source.others else None


def interleaved(source: Source) -> list[Row] | None:
    """Two at once: the messages of another one come in between, evenly; a call stays with its results."""
    return _mixed(source, 1)


def four_at_once(source: Source) -> list[Row] | None:
    """Four at once, of eight speakers and more."""
    return _mixed(source, 3)


def two_voices(source: Source) -> list[Row] | None:
    """Many speakers given as two: each is the user or the assistant, by turns, and no message has a name."""
    names = list(dict.fromkeys(row.get("name") for row in source.rows[:-1] if row["role"] != "system"))
    if len(names) < 3:
        return None
    roles = {name: ("user", "assistant")[number % 2] for number, name in enumerate(names)}
    rows: list[Row] = [
        row if row["role"] == "system" else {"role": roles[row.get("name")], "content": row["content"]}
        for row in source.rows[:-1]
    ]
    return [*rows, source.rows[-1]]


def window(size: int, most: int | None = None) -> Shape:
    """Return the shape of a part of a conversation: so many messages, or a random number up to the most."""

    def shape(source: Source) -> list[Row] | None:
        head, body, end = _parts(source.rows)
        wanted = source.draw.randint(size, most or size) - len(head) - len(end)
        needed = [n - len(head) for n in source.needed]
        if not needed or len(body) < wanted or max(needed) - min(needed) >= wanted:
            return None
        low, high = max(0, max(needed) - wanted + 1), min(min(needed), len(body) - wanted)
        start = source.draw.randint(low, high)
        return [*head, *body[start : start + wanted], *end]

    return shape


def up_to(size: int) -> Shape:
    """Return the shape of so many messages: others before and after, and it; its tool calls may not be torn."""

    def shape(source: Source) -> list[Row] | None:
        head, body, end = _parts(source.rows)
        before, after = list[Row](), list[Row]()
        for number, other in enumerate(source.others):
            taken: list[Row] = []
            room = size - sum(map(len, (head, body, end, before, after)))
            for unit in _units(_other(other, number)):
                if len(taken) + len(unit) > room:
                    break
                taken += unit
            # what is done comes after another task; what was said may have been said long ago
            if source.needed and source.draw.random() < 0.5:
                after += taken
            else:
                before += taken
        found = [*head, *before, *body, *after, *end]
        return found if len(found) >= 0.9 * size else None

    return shape


def _parts(rows: Sequence[Row]) -> tuple[list[Row], list[Row], list[Row]]:
    """The system messages at the head, the rest, and the last row, with the call whose result it is."""
    first = next((n for n, row in enumerate(rows) if row["role"] != "system"), len(rows))
    end = len(rows) - 1
    while rows[end]["role"] == "tool":
        end -= 1
    return list(rows[:first]), list(rows[first:end]), list(rows[end:])


def _other(rows: Sequence[Row], number: int) -> list[Row]:
    """The messages of another conversation, without its system messages, its tool calls named apart."""
    out: list[Row] = []
    for row in rows:
        if row["role"] == "system":
            continue
        if row.get("tool_calls"):
            calls = [{**call, "id": f"o{number}_{call['id']}"} for call in row["tool_calls"]]
            out.append({**row, "tool_calls": calls})
        elif row["role"] == "tool":
            out.append({**row, "tool_call_id": f"o{number}_{row['tool_call_id']}"})
        else:
            out.append(row)
    while out and out[-1].get("tool_calls"):
        out.pop()
    return out


def _units(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """A call with its results, or one other message."""
    unit: list[Row] = []
    for row in rows:
        if row["role"] != "tool" and unit:
            yield unit
            unit = []
        unit.append(row)
    if unit:
        yield unit


def _mixed(source: Source, others: int) -> list[Row] | None:
    if len(source.others) < others:
        return None
    head, body, end = _parts(source.rows)
    talks = [body, *(_other(other, number) for number, other in enumerate(source.others[:others]))]
    placed: list[tuple[float, list[Row]]] = []
    for talk in talks:
        units = list(_units(talk))
        placed += [((number + source.draw.random()) / len(units), unit) for number, unit in enumerate(units)]
    placed.sort(key=lambda one: one[0])
    return [*head, *(row for _, unit in placed for row in unit), *end]
