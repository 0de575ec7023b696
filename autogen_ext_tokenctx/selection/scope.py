"""What of a long history a fit looks at.

To weigh a unit costs about a tenth of a millisecond, and of thousands nearly all would be weighed in vain. So the units
to look at are found first: what must be there, the newest, and what an index finds for the words of the task and of the
newest messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from autogen_core.models import LLMMessage, SystemMessage

from ..messages.groups import Unit, message_key, split, text_of
from ..retrieval.index import HistoryIndex, KnownUnits

_ALL, _ALL_TOKENS = 1_500, 80_000
"""A history of up to so many units, and of up to so many tokens, is looked at in full."""

_RECENT, _FOUND = 100, 300
"""Of a longer one: so many of the newest units, and so many that are found."""

_QUERY_CHARS = 1_000
_NEWEST = 50

NOTE = -1
"""Number of a group that is no part of the history."""


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

    def with_extra(self, message: LLMMessage) -> Scope:
        """The same with a user message that is no part of the history, after the task, or else the system messages."""
        # before the task it would be taken for it
        spoken = (n for n, unit in enumerate(self.units) if unit.messages and not isinstance(unit.head, SystemMessage))
        tasks = (n for n, unit in enumerate(self.units, 1) if unit.is_user)
        head = next(tasks, None) or next(spoken, len(self.units))
        units = [*self.units[:head], *split([message], first=NOTE), *self.units[head:]]
        return replace(self, units=units)


def whole_of(index: HistoryIndex) -> Scope:
    """All of a history."""
    return Scope(list(index.units), (), index.known)


def scope_of(index: HistoryIndex, task: str, pinned: Sequence[LLMMessage]) -> Scope:
    """What of a history to look at.

    Args:
        index: The history.
        task: What the agent works on; empty where the newest messages tell.
        pinned: Messages that must be there.
    """
    units, sizes = index.units, index.sizes
    if len(units) <= _ALL and sum(sizes) <= _ALL_TOKENS:
        return whole_of(index)
    chosen = _needed(units, pinned)
    chosen.update(range(max(0, len(units) - _RECENT), len(units)))
    chosen.update(index.search(_asked(units, task), _FOUND))
    beyond = [(unit, size) for unit, size in zip(units, sizes, strict=True) if unit.index not in chosen]
    return Scope([units[number] for number in sorted(chosen)], beyond, index.known)


def _needed(units: Sequence[Unit], pinned: Sequence[LLMMessage]) -> set[int]:
    """System messages, the first task, the newest message that can be sent, what is pinned, and what cannot be sent."""
    needed = {unit.index for unit in units if not unit.messages or isinstance(unit.head, SystemMessage)}
    needed.update(islice((unit.index for unit in units if unit.is_user), 1))
    needed.update(islice((unit.index for unit in reversed(units) if unit.messages), 1))
    if pinned:
        keys = set(map(message_key, pinned))
        needed.update(unit.index for unit in units if not keys.isdisjoint(unit.key))
    return needed


def _asked(units: Sequence[Unit], task: str) -> str:
    """The task, what a user said last, and what was said and done last: the words to look for, the surest first."""
    users = [unit for unit in units[-_NEWEST:] if unit.is_user]
    about = [*users[-1:], *reversed(units[-2:])]
    return "\n".join(text[:_QUERY_CHARS] for text in (task, *map(text_of, about)))
