"""What a group is to the task at hand: why it must stay, and its category."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from autogen_core.models import SystemMessage

from ..messages.groups import MessageGroup
from ..messages.instructions import BINDING
from ..messages.sections import CATEGORY_OF_SECTION, section_of
from ..messages.turns import Turns
from ..retrieval.features import GroupFeatures
from ..retrieval.terms import is_entity


class Category(str, Enum):
    """What a group is to the task; structure decides it, a callable of the user's can overrule."""

    CURRENT_TASK_REQUIREMENTS = "current_task_requirements"
    """System rules, the task, what is asked now, what people said is to hold, what is pinned, the newest message."""
    RELATED_TASK_HISTORY = "related_task_history"
    """Tool exchanges, and what agents said to each other."""
    PROJECT_STRUCTURE = "project_structure"
    """Listings: mostly paths and names."""
    MEMORY_PATTERNS = "memory_patterns"
    """System messages that came after the head, as AutoGen's memories add them."""
    GENERAL_CONTEXT = "general_context"
    """Short talk that names nothing."""


class PinReason(Enum):
    """Why a group must stay; the value is what reports say."""

    SYSTEM = "system message"
    REQUEST = "current request"
    """What the agent works on: what a person asked last, or another agent handed over."""
    FIRST_TASK = "first task"
    NEWEST = "newest message"
    USER = "pinned"
    MEMORY = "memory"
    """A late system message: it is shortened where all of them together take too much."""


DEFAULT_WEIGHTS: Mapping[Category, float] = {
    Category.CURRENT_TASK_REQUIREMENTS: 1.0,
    Category.RELATED_TASK_HISTORY: 0.8,
    Category.PROJECT_STRUCTURE: 0.6,
    Category.MEMORY_PATTERNS: 0.4,
    Category.GENERAL_CONTEXT: 0.2,
}
"""What speaks for a group is multiplied by that of its category. Equal weights keep about as much of what
is needed (row "weights of categories" of the ablation)."""

_SMALL_TALK_TERMS = 3
"""A message of so few terms, none of them an id, is general context. No measurement is on record."""


def pins_of(
    groups: Sequence[MessageGroup], turns: Turns, is_pinned: Callable[[MessageGroup], bool]
) -> dict[int, PinReason]:
    """Return why groups must stay, by their place; the user pins some."""
    pins: dict[int, PinReason] = {}
    newest_memory = -1
    in_head = True
    for i, group in enumerate(groups):
        if isinstance(group.head, SystemMessage):
            is_section = section_of(group.head) is not None
            pins[i] = PinReason.SYSTEM if in_head and not is_section else PinReason.MEMORY
            if not in_head and not is_section:
                newest_memory = i
        elif group.messages:
            in_head = False
        if is_pinned(group):
            pins[i] = PinReason.USER
    if newest_memory >= 0:
        pins[newest_memory] = PinReason.SYSTEM
    sendable = [i for i, group in enumerate(groups) if group.messages]
    if sendable and in_head and pins.get(sendable[-1]) is PinReason.SYSTEM:
        pins[sendable[-1]] = PinReason.NEWEST  # nothing but system messages, as AutoGen's selector asks: a prompt
    for i in turns.request:
        pins.setdefault(i, PinReason.REQUEST)
    if sendable:
        pins.setdefault(sendable[-1], PinReason.NEWEST)
    if turns.first is not None:
        pins.setdefault(turns.first, PinReason.FIRST_TASK)
    return pins


def category_of(group: MessageGroup, profile: GroupFeatures, pinned: PinReason | None, of_person: bool) -> Category:
    """Return the category of a group by its structure."""
    section = section_of(group.head)
    if section is not None:
        return Category(CATEGORY_OF_SECTION[section[1]])
    if isinstance(group.head, SystemMessage) and pinned is not PinReason.SYSTEM:
        return Category.MEMORY_PATTERNS
    if pinned:
        return Category.CURRENT_TASK_REQUIREMENTS
    if (
        not group.is_exchange
        and len(profile.distinct) <= _SMALL_TALK_TERMS
        and not any(map(is_entity, profile.distinct))
    ):
        return Category.GENERAL_CONTEXT
    if of_person and any(one.score >= BINDING for one in profile.instructions):
        return Category.CURRENT_TASK_REQUIREMENTS
    if group.is_exchange and _is_listing(profile):
        return Category.PROJECT_STRUCTURE
    return Category.RELATED_TASK_HISTORY


def _is_listing(profile: GroupFeatures) -> bool:
    """Return whether most lines of the results are one path each."""
    lines = [line.text for passage in profile.passages if passage.slot.kind == "result" for line in passage.lines[:200]]
    return len(lines) >= 5 and 2 * sum("/" in line and " " not in line.strip() for line in lines) > len(lines)
