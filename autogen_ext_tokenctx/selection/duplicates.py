"""Groups whose place a later one takes: calls and messages that are repeated, memories and sections said anew."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence, Set
from functools import lru_cache

from autogen_core import FunctionCall
from autogen_core.models import AssistantMessage, SystemMessage

from ..messages.calls import results_in
from ..messages.groups import MessageGroup
from ..messages.sections import section_of
from .prioritizer import PinReason, ScoredGroup

_WHOLE = (PinReason.USER, PinReason.NEWEST)
"""Such a system message takes no other's place, nor another its: it may be shortened, or must not."""

# No measurement is on record for the numbers below, unless they name one.

_LARGE_CHARS = 200
"""Less text is not worth looking for. Calls that change something answer shortly, and each of them counts."""

_READ_ARGUMENTS = 2_000
"""Longer arguments are compared as they are written."""


def superseded(groups: Sequence[ScoredGroup]) -> tuple[dict[int, str], set[int]]:
    """Return why groups leave whose place a later one takes, and which are repeated word for word, by number."""
    free = {scored.group.index for scored in groups if not scored.pinned}
    repeated = {index: why for index, why in duplicates([scored.group for scored in groups]).items() if index in free}
    system = [(scored.group.index, scored.group.head) for scored in groups if scored.pinned not in _WHOLE]
    late_first = [(index, head) for index, head in reversed(system) if isinstance(head, SystemMessage)]
    sure = {scored.group.index for scored in groups if scored.pinned is PinReason.SYSTEM}
    memories = set(_repeated_memories(late_first, sure))
    reasons = {
        **repeated,
        **dict.fromkeys(_old_sections(late_first), "a later version of this section took its place"),
        **dict.fromkeys(memories, "repeated in a later system message"),
    }
    return reasons, memories.union(_repeated_in_full([scored.group for scored in groups], repeated.keys()))


def _old_sections(late_first: Sequence[tuple[int, SystemMessage]]) -> Iterator[int]:
    """Yield the system messages of which a later one has the same section."""
    known: set[str] = set()
    for index, head in late_first:
        section = section_of(head)
        if section is not None:
            if section[0] in known:
                yield index
            known.add(section[0])


def _repeated_memories(late_first: Sequence[tuple[int, SystemMessage]], sure: Set[int]) -> Iterator[int]:
    """Yield the system messages of which later ones have every line: of one that is sure of its place, such ones."""
    known: set[str] = set()
    known_surely: set[str] = set()
    for index, head in late_first:
        lines = {line.strip() for line in head.content.splitlines()}
        if lines <= (known_surely if index in sure else known) and known:
            yield index
            continue  # whoever has its lines is known already
        known |= lines
        if index in sure:
            known_surely |= lines


def _repeated_in_full(groups: Sequence[MessageGroup], repeated: Set[int]) -> Iterator[int]:
    """Yield the repeated groups that say nothing beside their calls, or the same as later calls."""
    known: set[str] = set()
    for group in reversed(groups):
        thought = group.head.thought if group.is_exchange and isinstance(group.head, AssistantMessage) else None
        if group.index in repeated and (not thought or thought in known):
            yield group.index
        if thought:
            known.add(thought)


def duplicates(groups: Sequence[MessageGroup]) -> dict[int, str]:
    """Return why groups with a large text leave that a later one repeats, by number in the history."""
    found: dict[int, str] = {}
    known: set[Hashable] = set()
    for group in reversed(groups):
        if group.is_exchange:
            answers = _answers(group)
            if known.issuperset(answers) and sum(len(text) for _, _, text in answers) >= _LARGE_CHARS:
                found[group.index] = "repeated by a later call with the same result"
            known.update(answers)
        elif not isinstance(group.head, SystemMessage) and _is_large(group):
            if group.key in known:
                found[group.index] = "repeated in a later message"
            known.add(group.key)
    return found


def _answers(group: MessageGroup) -> list[tuple[Hashable, bool | None, str]]:
    """Return each call of an exchange with whether it failed and its result."""
    results = {result.call_id: result for result in results_in(group.messages)}
    return [
        ((call.name, _ordered(call.arguments)), results[call.id].is_error, results[call.id].content)
        for call in group.messages[0].content
        if isinstance(call, FunctionCall)
    ]


@lru_cache(maxsize=4_096)
def _ordered(arguments: str) -> str:
    """Return arguments whatever the order of their keys and the blanks between them."""
    if len(arguments) > _READ_ARGUMENTS:
        return arguments
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def _is_large(group: MessageGroup) -> bool:
    content = group.head.content
    texts = [content] if isinstance(content, str) else [part for part in content if isinstance(part, str)]
    return sum(map(len, texts)) >= _LARGE_CHARS
