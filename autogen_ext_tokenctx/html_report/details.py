"""The calls that can be looked at one by one: the newest, the worst, and those that made a new view.

A log has more calls than a page can hold. What is left out is said in the notes.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from .calls import Call
from .log import LoggedFit, LoggedStep
from .texts import compared, trimmed

NEWEST = 100
"""Newest calls that are kept."""

WORST = 100
"""Calls that are kept because they would have been furthest over the budget, or nearest to it."""

COMPACTED = 300
"""Newest calls with a compaction that are kept."""

STEPS = 40
"""Steps of a fit that are kept: those that saved most."""

ROOM = 8_000_000
"""Bytes for the steps and texts of all calls together."""


class Details:
    """Chooses the calls while the log is read.

    Example:
        >>> Details().as_dicts()
        []
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        """What was left out, in words."""
        self._calls = 0
        self._compactions = 0
        self._newest: deque[Call] = deque(maxlen=NEWEST)
        self._compacted: deque[Call] = deque(maxlen=COMPACTED)
        self._worst: list[tuple[float, int, Call]] = []

    def add(self, call: Call) -> None:
        """Looks at the next call."""
        if any(fit.texts for fit in call.fits):
            call = call._replace(fits=tuple(map(_slim, call.fits)))
        self._calls += 1
        self._newest.append(call)
        if call.compacted:
            self._compactions += 1
            self._compacted.append(call)
        entry = (call.pressure, -call.number, call)
        if len(self._worst) < WORST:
            heapq.heappush(self._worst, entry)
        elif entry > self._worst[0]:
            heapq.heapreplace(self._worst, entry)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The chosen calls as JSON values, in the order of the log. Also writes the notes."""
        worst = [call for _, _, call in sorted(self._worst, reverse=True)]
        chosen = {call.number: call for call in (*worst, *reversed(self._compacted), *reversed(self._newest))}
        kept = {number: _numbers(call) for number, call in chosen.items()}
        if len(kept) < self._calls:
            self.notes.append(
                f"Single calls: {len(kept):,} of {self._calls:,} can be looked at, namely the newest {NEWEST}, the "
                f"{WORST} that needed most of their budget, and {min(COMPACTED, self._compactions):,} of "
                f"{self._compactions:,} with a compaction. Totals and charts count all."
            )
        room = ROOM
        steps_out = texts_out = 0
        for call in chosen.values():
            size, left_out = _add_steps(kept[call.number]["fits"], call.fits, room)
            room -= size
            steps_out += left_out
        for call in chosen.values():  # after the steps of all calls, which are short and always there
            size, left_out = _add_texts(kept[call.number]["fits"], call.fits, room)
            room -= size
            texts_out += left_out
        if steps_out:
            self.notes.append(f"Steps: {steps_out:,} are not listed; of each call those that saved most are.")
        if texts_out:
            self.notes.append(f"Texts: {texts_out:,} before and after are left out to keep the file small.")
        return [kept[number] for number in sorted(kept)]


def _numbers(call: Call) -> dict[str, Any]:
    return {
        "number": call.number,
        "team": call.team,
        "agent": call.agent,
        "at": call.sent.at,
        "before": call.tokens_before,
        "after": call.tokens_after,
        "budget": call.sent.room,
        "cached": min(call.sent.cached_tokens, call.tokens_after),
        "level": call.level,
        "was_over": call.was_over,
        "compacted": bool(call.compacted),
        "pressure": round(call.pressure, 4),
        "fits": [
            {
                **fit.model_dump(exclude={"type", "forms", "steps", "texts", "categories"}),
                "compacted": fit.hook in call.compacted,
                "categories": [[name, *tokens] for name, tokens in fit.categories.items()],
            }
            for fit in call.fits
        ],
    }


def _slim(fit: LoggedFit) -> LoggedFit:
    """The fit without what would not be shown, since hundreds of them are held."""
    return fit if fit.texts is None else fit.model_copy(update={"texts": trimmed(fit.texts)})


def _add_steps(fits: list[dict[str, Any]], logged: Sequence[LoggedFit], room: int) -> tuple[int, int]:
    """Adds the steps that saved most, as far as there is room.

    Returns:
        The bytes they take, and how many steps were left out.
    """
    size = left_out = 0
    for record, fit in zip(fits, logged, strict=True):
        places = range(len(fit.steps))
        most = heapq.nlargest(STEPS, places, key=lambda place, steps=fit.steps: _saved(steps[place]))
        record["steps"] = [fit.steps[place].model_dump() for place in sorted(most)]
        needed = len(json.dumps(record["steps"]))
        if size + needed > room:
            record["steps"], needed = [], 0
        size += needed
        record["steps_left_out"] = max(len(fit.steps), _logged_steps(fit)) - len(record["steps"])
        left_out += record["steps_left_out"]
    return size, left_out


def _saved(step: LoggedStep) -> int:
    return step.tokens_before - step.tokens_after


def _logged_steps(fit: LoggedFit) -> int:
    return sum(form.get("units", 0) for form in fit.forms.values())


def _add_texts(fits: list[dict[str, Any]], logged: Sequence[LoggedFit], room: int) -> tuple[int, int]:
    """Adds the texts side by side, as far as there is room.

    Returns:
        The bytes they take, and how many pairs of texts were left out.
    """
    size = left_out = 0
    for record, fit in zip(fits, logged, strict=True):
        if fit.texts is None:
            continue
        record["messages_left_out"] = fit.texts.left_out
        if size + sum(len(message.text) for message in fit.texts.history) <= room:
            rows = compared(fit.texts)
            needed = len(json.dumps(rows))
            if size + needed <= room:
                record["texts"] = rows
                size += needed
                continue
        record["texts_left_out"] = True
        left_out += 1
    return size, left_out
