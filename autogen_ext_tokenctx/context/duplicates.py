"""What later units of a history say again, and what they have overtaken."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from functools import lru_cache

from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResultMessage, SystemMessage

from .units import Unit

_LARGE_CHARS = 200
"""Less text is not worth looking for. Calls that change something answer shortly, and each of them counts."""

_ALIKE = 0.5
"""Share of a result that stands in the result of a later, equal call too if it is of the same thing, seen later."""

_FEW_ROWS = 5
"""Results of fewer lines are compared by words."""

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


def stale(units: Sequence[Unit]) -> dict[int, str]:
    """Tool exchanges that were made again later, and then told something else of the same thing.

    A file read again after it was changed, a status asked for again. A result that has little in common with the
    later one is of another thing, such as the next page of a list, and not named here.

    Args:
        units: A history.

    Returns:
        Why, by the unit's index. Unlike `duplicates` these say something that the later ones do not.

    Example:
        >>> from autogen_core.models import AssistantMessage, FunctionExecutionResult
        >>> from autogen_ext_tokenctx.context.units import split
        >>> def look(number: int, state: str) -> list[object]:
        ...     call = FunctionCall(id=f"{number}", name="status", arguments='{"job": 7}')
        ...     result = FunctionExecutionResult(call_id=call.id, name="status", content=state, is_error=False)
        ...     return [
        ...         AssistantMessage(content=[call], source="coder"),
        ...         FunctionExecutionResultMessage(content=[result]),
        ...     ]
        >>> stale(split([*look(1, "job 7 is running"), *look(2, "job 7 is done")]))
        {0: 'overtaken by a later call of status'}
    """
    found: dict[int, str] = {}
    later: dict[Hashable, tuple[str, bool]] = {}  # of each call: the next result, and whether it changed after this one
    for unit in reversed(units):
        if not unit.is_exchange:
            continue
        answers = _answers(unit)
        overtaken = [_is_overtaken(text, *later[call]) if call in later else None for call, _, text in answers]
        if any(overtaken) and all(state is not None for state in overtaken):
            names = dict.fromkeys(call.name for call in _calls(unit))
            found[unit.index] = f"overtaken by a later call of {', '.join(names)}"
        later.update((call, (text, bool(state))) for (call, _, text), state in zip(answers, overtaken, strict=True))
    return found


def _is_overtaken(text: str, later: str, changed: bool) -> bool | None:
    """Whether the same thing is seen otherwise later; None where something else is seen."""
    if text == later:
        return changed
    parts, later_parts = _parts(text), _parts(later)
    return True if len(parts & later_parts) >= _ALIKE * len(parts) else None


def _parts(text: str) -> set[str]:
    rows = {row.strip() for row in text.splitlines()}
    return rows if len(rows) >= _FEW_ROWS else set(text.split())


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
