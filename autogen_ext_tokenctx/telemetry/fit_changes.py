"""What is new in an event: a view goes on from the one before, and so does its report."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ..context.report import FitStep, Form
from ..hooks.events import FitEvent

MAX_AGENTS = 256
"""How many agents are remembered; of more, those that were silent longest are forgotten."""


@dataclass(frozen=True, slots=True)
class FitChange:
    """What of a report came with this very call.

    Args:
        is_fresh: The view was made for it. Else the report's seconds are those of an earlier call.
        is_compaction: Units were shortened or left out for it.
        repaired: How many units were repaired for it.
    """

    is_fresh: bool
    is_compaction: bool
    repaired: int


@dataclass(frozen=True, slots=True)
class _Known:
    seconds: float
    steps: tuple[FitStep, ...]


class FitChanges:
    """Compares each event with the one before, of the same hook and agent."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], _Known] = OrderedDict()

    def of(self, event: FitEvent) -> FitChange:
        """What is new in ``event``, which is remembered.

        Args:
            event: The newest event of its agent.
        """
        report = event.report
        steps = lasting(report.steps)
        key = (event.hook, event.team, event.agent)
        last = self._known.pop(key, None)
        self._known[key] = _Known(report.seconds, steps)
        if len(self._known) > MAX_AGENTS:
            self._known.popitem(last=False)
        if last is not None and last.steps == steps:
            return FitChange(last.seconds != report.seconds, False, 0)
        known = _repaired(last.steps) if last else frozenset[tuple[int, str]]()
        is_compaction = any(step.form is not Form.REPAIRED for step in steps)
        return FitChange(True, is_compaction, len(_repaired(steps) - known))


def lasting(steps: tuple[FitStep, ...]) -> tuple[FitStep, ...]:
    """The steps that a view keeps as long as it serves: not what is recalled for one turn, which stands last."""
    end = len(steps)
    while end and steps[end - 1].form is Form.RECALLED:
        end -= 1
    return steps[:end]


def _repaired(steps: tuple[FitStep, ...]) -> frozenset[tuple[int, str]]:
    return frozenset((step.unit, step.handle) for step in steps if step.form is Form.REPAIRED)
