"""The forms of what a view has of a history, and the steps of a report that say which was taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Form(str, Enum):
    """How a group of the history stands in the view, from nothing lost to nothing there."""

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
    """The shared block itself, which stands for all groups that left; what of it is their lines stands with them."""
    PLACEHOLDER = "placeholder"
    """One line and a handle."""
    EVICTED = "evicted"
    """Not in the view; the archive has it."""
    SUMMARY = "summary"
    """A model's summary, which stands for the first groups."""
    RECALLED = "recalled"
    """Lines of groups that left, back for one turn in a block of their own."""
    SHAPED = "shaped"
    """The request as the model's endpoint takes it."""

    @classmethod
    def _missing_(cls, value: object) -> Form | None:
        """Return the form by the name that versions before 0.2 saved."""
        return {"stub": cls.PLACEHOLDER, "gone": cls.EVICTED}.get(str(value))


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
    """One change of one group.

    Args:
        group: Number of the group in the history, from 0; -1 for a block that stands for several groups.
        what: Who and what, such as ``"coder: read_file"``.
        form: The form the group has in the view.
        tokens_before: Tokens of the group in the history.
        tokens_after: Tokens of it in the view. The lines of the shared block share its tokens by about what each costs.
        why: The reason in a few words, with scores where there are any.
        handle: ``ContextManager.expand(handle)`` gives the original back; empty where nothing left the view.
    """

    group: int
    what: str
    form: Form
    tokens_before: int
    tokens_after: int
    why: str
    handle: str = ""

    def as_dict(self) -> dict[str, int | str]:
        """The step as JSON values."""
        return {
            "group": self.group,
            "what": self.what,
            "form": self.form.value,
            "tokens_before": self.tokens_before,
            "tokens_after": self.tokens_after,
            "why": self.why,
            "handle": self.handle,
        }
