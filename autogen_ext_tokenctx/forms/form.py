"""The forms of what a view has of a history, and the steps of a report that say which was taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Form(str, Enum):
    """How a unit of the history stands in the view, from nothing lost to nothing there."""

    FULL = "full"
    """As it is in the history."""
    REPAIRED = "repaired"
    """Made acceptable to a provider: an open call got a result, a stray result became text."""
    COMPACT = "compact"
    """The same values in less notation."""
    EXTRACT = "extract"
    """In its place, its most useful lines."""
    DIGEST = "digest"
    """Left its place; its best lines are in the shared block."""
    BLOCK = "block"
    """The shared block itself, which stands for all units that left; what of it is their lines stands with them."""
    STUB = "stub"
    """One line and a handle."""
    GONE = "gone"
    """Not in the view; the archive has it."""
    SUMMARY = "summary"
    """A model's summary, which stands for the first units."""
    RECALLED = "recalled"
    """Lines of units that left, back for one turn in a block of their own."""


class Level(IntEnum):
    """How hard a fit had to press; the strongest form that was used decides."""

    NONE = 0
    """Nothing was changed."""
    LOSSLESS = 1
    """Only notation and what later messages repeat was dropped."""
    LIGHT = 2
    """Under half of the history's tokens were left out."""
    STRONG = 3
    """Half of the history's tokens or more were left out."""
    SUMMARY = 4
    """A model's summary stands for part of the history."""


@dataclass(frozen=True, slots=True)
class FitStep:
    """One change of one unit.

    Args:
        unit: Number of the unit in the history, from 0; -1 for a block that stands for several units.
        what: Who and what, such as ``"coder: read_file"``.
        form: The form the unit has in the view.
        tokens_before: Tokens of the unit in the history.
        tokens_after: Tokens of it in the view. The lines of the shared block share its tokens by about what each costs.
        why: The reason in a few words, with scores where there are any.
        handle: ``ContextManager.expand(handle)`` gives the original back; empty where nothing left the view.
    """

    unit: int
    what: str
    form: Form
    tokens_before: int
    tokens_after: int
    why: str
    handle: str = ""

    def as_dict(self) -> dict[str, int | str]:
        """The step as JSON values."""
        return {
            "unit": self.unit,
            "what": self.what,
            "form": self.form.value,
            "tokens_before": self.tokens_before,
            "tokens_after": self.tokens_after,
            "why": self.why,
            "handle": self.handle,
        }
