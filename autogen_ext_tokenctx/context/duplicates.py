"""What later groups of a history repeat."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from functools import lru_cache

from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResultMessage, SystemMessage

from .units import Unit

_LARGE_CHARS = 200
"""Less text is not worth looking for. Calls that change something answer shortly, and each of them counts."""

_READ_ARGUMENTS = 2_000
"""Longer arguments are compared as they are written."""


def duplicates(units: Sequence[Unit]) -> dict[int, str]:
    """Units of which a later one says the same again: they can leave. What an agent says beside its calls is no part
    of that.

    Args:
        units: A history.

    Returns:
        Why, by the unit's index. Tool exchanges whose calls were all made again with the same results, and messages
        that the same one said again word for word; only those with a large text.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext_tokenctx.context.units import split
        >>> page = UserMessage(content="the same page " * 20, source="user")
        >>> duplicates(split([page, UserMessage(content="And?", source="user"), page]))
        {0: 'said again in a later message'}
    """
    found: dict[int, str] = {}
    said: set[Hashable] = set()
    for unit in reversed(units):
        if unit.is_exchange:
            answers = _answers(unit)
            if said.issuperset(answers) and sum(len(text) for _, _, text in answers) >= _LARGE_CHARS:
                found[unit.index] = "said again by a later call with the same result"
            said.update(answers)
        elif not isinstance(unit.head, SystemMessage) and _is_large(unit):
            if unit.key in said:
                found[unit.index] = "said again in a later message"
            said.add(unit.key)
    return found


def _answers(unit: Unit) -> list[tuple[Hashable, bool | None, str]]:
    """Each call of an exchange with whether it failed and its result."""
    results = {
        result.call_id: result
        for message in unit.messages
        if isinstance(message, FunctionExecutionResultMessage)
        for result in message.content
    }
    return [
        ((call.name, _ordered(call.arguments)), results[call.id].is_error, results[call.id].content)
        for call in _calls(unit)
    ]


def _calls(unit: Unit) -> list[FunctionCall]:
    return [call for call in unit.messages[0].content if isinstance(call, FunctionCall)]


@lru_cache(maxsize=4_096)
def _ordered(arguments: str) -> str:
    """Arguments as they are, whatever the order of their keys and the blanks between them."""
    if len(arguments) > _READ_ARGUMENTS:
        return arguments
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def _is_large(unit: Unit) -> bool:
    content = unit.head.content
    texts = [content] if isinstance(content, str) else [part for part in content if isinstance(part, str)]
    return sum(map(len, texts)) >= _LARGE_CHARS
