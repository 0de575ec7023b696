"""What of a long history a fit looks at: no more than could matter to a view of its size.

To weigh a unit costs about a tenth of a millisecond. Of a history that is many times the budget nearly all would be
weighed in vain, so the units to look at are found first: what must be there, the newest, and what an index finds for
the words of the task and of the newest messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogen_core.models import LLMMessage, SystemMessage, UserMessage

from .index import HistoryIndex, KnownUnits
from .units import Unit, message_key, texts

_ALL = 4.0
"""A history of up to so many times the budget is looked at in full."""

_RECENT, _FOUND = 1.0, 1.5
"""Of a longer one: the newest units of so many times the budget, and what is found, of so many."""

_LEAST_ROOM = 2_000
"""Views of less are treated as if they had so many tokens: it takes little time, and single units can be as large."""

_MOST_FOUND = 400
_QUERY_CHARS = 1_000
_NEWEST = 50


@dataclass(frozen=True, slots=True)
class Scope:
    """The units that a fit looks at, and those that it leaves out unseen.

    Args:
        units: The units of the history that are looked at, in order.
        beyond: The others, with their tokens.
        known: What earlier fits found out about units of the history, to be filled.
    """

    units: Sequence[Unit]
    beyond: Sequence[tuple[Unit, int]]
    known: KnownUnits

    def numbered(self) -> Sequence[Unit]:
        """The units as a history of their own."""
        return [replace(unit, index=number) for number, unit in enumerate(self.units)] if self.beyond else self.units


def scope_of(index: HistoryIndex, room: int, task: str, pinned: Sequence[LLMMessage]) -> Scope:
    """What of a history to look at for a view of some tokens.

    Args:
        index: The history.
        room: Tokens of the view.
        task: What the agent works on; empty where the newest messages tell.
        pinned: Messages that must be there.
    """
    room = max(room, _LEAST_ROOM)
    units, sizes = list(index.units), list(index.sizes)
    if sum(sizes) <= _ALL * room:
        return Scope(units, (), index.known)
    chosen = _needed(units, pinned)
    left = _RECENT * room
    newest = len(units)
    while newest and left > 0:
        newest -= 1
        chosen.add(newest)
        left -= sizes[newest]
    left = _FOUND * room
    for number in index.search(_asked(units, task), _MOST_FOUND):
        if left <= 0:
            break
        if number not in chosen:
            chosen.add(number)
            left -= sizes[number]
    beyond = [(unit, size) for unit, size in zip(units, sizes, strict=True) if unit.index not in chosen]
    return Scope([units[number] for number in sorted(chosen)], beyond, index.known)


def _needed(units: Sequence[Unit], pinned: Sequence[LLMMessage]) -> set[int]:
    """System messages, what users said first and last, and what is pinned."""
    needed = {unit.index for unit in units if isinstance(unit.head, SystemMessage)}
    said = (unit.index for unit in units if unit.messages and isinstance(unit.head, UserMessage))
    needed.update(list(said)[:1])
    if pinned:
        keys = set(map(message_key, pinned))
        needed.update(unit.index for unit in units if not keys.isdisjoint(unit.key))
    return needed


def _asked(units: Sequence[Unit], task: str) -> str:
    """The task, what a user said last, and what was said and done last: the words to look for, the surest first."""
    users = [unit for unit in units[-_NEWEST:] if unit.messages and isinstance(unit.head, UserMessage)]
    about = [*users[-1:], *reversed(units[-2:])]
    return "\n".join([task[:_QUERY_CHARS], *("\n".join(texts(unit))[:_QUERY_CHARS] for unit in about)])
