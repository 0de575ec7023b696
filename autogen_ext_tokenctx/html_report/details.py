"""The calls that can be looked at one by one: the newest, the worst, and those that made a new view.

A log has more calls than a page can hold. What is left out is said in the notes.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from typing import Any

from ..telemetry.redaction import clip
from .calls import Call
from .log import LoggedFit, LoggedTexts

# Calls that the page can show in detail: the newest, those that would have been furthest over the budget or nearest to
# it, and the newest with a compaction. Chosen, not measured: more than anyone clicks through.
NEWEST, WORST, COMPACTED = 100, 100, 300

# Bytes for the steps and texts of all these calls. Chosen: with them the page stays below some ten megabytes, which
# phones still open.
ROOM = 8_000_000


class Details:
    """Chooses the calls while the log is read."""

    def __init__(self) -> None:
        self.notes: list[str] = []  # what was left out, in words
        self._calls = self._compactions = 0
        self._newest: deque[Call] = deque(maxlen=NEWEST)
        self._compacted: deque[Call] = deque(maxlen=COMPACTED)
        self._worst: list[tuple[float, int, Call]] = []

    def add(self, call: Call) -> None:
        """Look at the next call."""
        if any(fit.texts for fit in call.fits):
            call = call._replace(fits=tuple(map(_slim, call.fits)))
        self._calls += 1
        self._newest.append(call)
        if call.compacted:
            self._compactions += 1
            self._compacted.append(call)
        # a heap of the worst so far, the least bad on top; of equals the older ones stay
        heapq.heappush(self._worst, (call.pressure, -call.number, call))
        if len(self._worst) > WORST:
            heapq.heappop(self._worst)

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the chosen calls as JSON values, in the order of the log, and write the notes."""
        # the order is that in which they get room for their steps and texts
        worst = [call for _, _, call in sorted(self._worst, reverse=True)]
        chosen = {call.number: call for call in (*worst, *reversed(self._compacted), *reversed(self._newest))}
        if len(chosen) < self._calls:
            self.notes.append(
                f"Single calls: {len(chosen):,} of {self._calls:,} can be looked at, namely the newest {NEWEST}, the "
                f"{WORST} that needed most of their budget, and {min(COMPACTED, self._compactions):,} of "
                f"{self._compactions:,} with a compaction. Totals and charts count all."
            )
        room, left_out = ROOM, 0
        found: dict[int, dict[str, Any]] = {}
        for call in chosen.values():
            fits: list[dict[str, Any]] = []
            for logged in call.fits:
                fits.append(_fit(logged, room))
                room -= len(json.dumps((fits[-1]["steps"], fits[-1]["sent"])))
            left_out += sum(fit["steps_left_out"] for fit in fits)
            found[call.number] = {**_numbers(call), "fits": fits}
        if left_out:
            self.notes.append(f"Steps: {left_out:,} are not listed; of each call those that saved most are.")
        return [found[number] for number in sorted(found)]


def _slim(fit: LoggedFit) -> LoggedFit:
    """Return the fit without the texts that would not be shown."""
    # hundreds of fits are held until the log is read, and their texts would be most of the memory
    view = fit.texts.view[-60:] if fit.texts else ()  # more than anyone scrolls through
    short = [message.model_copy(update={"text": clip(message.text, 4_000)}) for message in view]
    return fit.model_copy(update={"texts": LoggedTexts(view=tuple(short))})


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
        "compacted": call.compacted,
        "pressure": round(call.pressure, 4),
    }


def _fit(fit: LoggedFit, room: int) -> dict[str, Any]:
    """Return a fit as JSON values, with the steps that saved most and the texts sent, as far as there is room."""
    saved = [step.tokens_before - step.tokens_after for step in fit.steps]
    most = heapq.nlargest(40, range(len(saved)), key=saved.__getitem__)
    steps = [fit.steps[place].model_dump() for place in sorted(most)]
    if len(json.dumps(steps)) > room:
        steps = []
    sent = [[message.who, message.text] for message in fit.texts.view] if fit.texts else []
    if len(json.dumps((steps, sent))) > room:
        sent = []
    # a log that is not of `FitLog` may have no steps, for `FitEvent.as_dict` has none; the forms count all groups
    logged = max(len(fit.steps), sum(form.get("groups", form.get("units", 0)) for form in fit.forms.values()))
    return {
        **fit.model_dump(exclude={"type", "call_id", "forms", "steps", "texts", "categories"}),
        "categories": [[name, *tokens] for name, tokens in fit.categories.items()],
        "steps": steps,
        "steps_left_out": logged - len(steps),
        "sent": sent,
    }
