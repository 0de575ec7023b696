"""What of a long history a fit looks at.

To weigh a group costs about a tenth of a millisecond, and of thousands nearly all would be weighed in vain. So those
to look at are found first: what must be there, the newest, and what an index finds for the words of the task and of
the newest messages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from autogen_core.models import LLMMessage, SystemMessage

from ..messages.groups import MessageGroup, message_key, split, text_of
from ..messages.instructions import BINDING, instructions_in
from ..messages.turns import Turns, turns_of
from ..retrieval.index import HistoryIndex, KnownGroups

# No measurement is on record for the numbers below, unless they name one.

_ALL, _ALL_TOKENS = 1_500, 80_000
"""A history of up to so many groups, and of up to so many tokens, is looked at in full."""

_RECENT, _FOUND, _BINDING = 100, 300, 100
"""Of a longer one: so many of the newest groups, so many that are found, and so many with a standing instruction."""

_QUERY_CHARS, _NEWEST = 1_000, 50
"""So much of each text is looked for, and among so many of the newest groups the last user message: bounds time."""

NOTE = -1
"""Number of a group that is no part of the history."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The groups that a fit looks at, and those that it leaves out unseen."""

    groups: Sequence[MessageGroup]  # those looked at, in order
    not_considered: Sequence[tuple[MessageGroup, int]]  # the others, with their tokens
    known: KnownGroups  # what earlier fits found out about groups of the history, to be filled

    def with_extra(self, message: LLMMessage) -> Scope:
        """Return the scope with a message that is no part of the history, after the task or the system messages."""
        # before the task it would be taken for it
        spoken = (
            n for n, group in enumerate(self.groups) if group.messages and not isinstance(group.head, SystemMessage)
        )
        tasks = (n for n, group in enumerate(self.groups, 1) if group.is_user)
        head = next(tasks, None) or next(spoken, len(self.groups))
        groups = [*self.groups[:head], *split([message], first=NOTE), *self.groups[head:]]
        return replace(self, groups=groups)


def whole_of(index: HistoryIndex) -> Scope:
    """Return all of a history."""
    return Scope(list(index.groups), (), index.known)


def scope_of(index: HistoryIndex, task: str, pinned: Sequence[LLMMessage], people: Collection[str] = ()) -> Scope:
    """Return what of a history to look at."""
    groups, sizes = index.groups, index.sizes
    if len(groups) <= _ALL and sum(sizes) <= _ALL_TOKENS:
        return whole_of(index)
    turns = turns_of(groups, people)
    chosen = _needed(groups, turns, pinned)
    chosen.update(_binding(groups, turns, index.known.instructions))
    chosen.update(range(max(0, len(groups) - _RECENT), len(groups)))
    chosen.update(index.search(_asked(groups, task), _FOUND))
    chosen.update(_of_their_turns(turns, sorted(chosen)))
    not_considered = [(group, size) for group, size in zip(groups, sizes, strict=True) if group.index not in chosen]
    return Scope([groups[number] for number in sorted(chosen)], not_considered, index.known)


def _needed(groups: Sequence[MessageGroup], turns: Turns, pinned: Sequence[LLMMessage]) -> set[int]:
    """Return what must be there, and what cannot be sent."""
    needed = {group.index for group in groups if not group.messages or isinstance(group.head, SystemMessage)}
    needed.update(i for i in (turns.first, turns.outcome, *turns.request) if i is not None)
    needed.update(islice((group.index for group in reversed(groups) if group.messages), 1))
    if pinned:
        keys = set(map(message_key, pinned))
        needed.update(group.index for group in groups if not keys.isdisjoint(group.key))
    return needed


def _binding(groups: Sequence[MessageGroup], turns: Turns, known: dict[MessageGroup, float]) -> list[int]:
    """Return where people most likely said what is to hold; each message is read once."""
    for place in turns.people:
        if groups[place] not in known:
            found = instructions_in(text_of(groups[place])[:_QUERY_CHARS])
            known[groups[place]] = max((one.score for one in found), default=0.0)
    likely = [place for place in turns.people if known[groups[place]] >= BINDING]
    return sorted(likely, key=lambda place: (-known[groups[place]], -place))[:_BINDING]


def _of_their_turns(turns: Turns, chosen: Sequence[int]) -> Iterator[int]:
    """Yield the questions and answers of the turns that groups are from: they are judged together."""
    starts = [exchange.question for exchange in turns.exchanges]
    for place in chosen:
        number = bisect_right(starts, place) - 1
        # of several messages of a person in a row the last stands for the question
        own = turns.exchanges[max(0, number) : number + 1 + (place in turns.people)]
        yield from (i for exchange in own for i in exchange if i is not None)


def _asked(groups: Sequence[MessageGroup], task: str) -> str:
    """Return what to look for: the task, what a user said last, what was said and done last; the surest first."""
    users = [group for group in groups[-_NEWEST:] if group.is_user]
    about = [*users[-1:], *reversed(groups[-2:])]
    return "\n".join(text[:_QUERY_CHARS] for text in (task, *map(text_of, about)))
