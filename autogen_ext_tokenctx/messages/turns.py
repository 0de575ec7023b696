"""Reading the end of a history that is still being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from .groups import STRAY_SOURCE

CALL_SOURCE = "tool_call"
"""Source of the user message that a call becomes whose arguments are not shown whole."""


def split_open_call(messages: Sequence[LLMMessage]) -> tuple[Sequence[LLMMessage], Sequence[LLMMessage]]:
    """``messages`` without, and then only, a tool call at the end whose results are not all there yet.

    What comes before such a call is final; the call is not: its results may still come, so no placeholder for
    them may be remembered.

    Example:
        >>> from autogen_core import FunctionCall
        >>> call = AssistantMessage(content=[FunctionCall(id="1", name="look", arguments="{}")], source="coder")
        >>> [len(part) for part in split_open_call([call])]
        [0, 1]
    """
    start = len(messages)
    results = 0
    while start:
        start -= 1
        message = messages[start]
        if isinstance(message, FunctionExecutionResultMessage):
            results += len(message.content)
            continue
        if (
            isinstance(message, AssistantMessage)
            and not isinstance(message.content, str)
            and results < len(message.content)
        ):
            return messages[:start], messages[start:]
        break
    return messages, messages[:0]


class Turn(NamedTuple):
    """The turn at the end of a history: what was asked last, and the tool calls and replies since."""

    start: int
    """Number of the first message that asks."""
    newest: int
    """Number of the last message that asks."""


def newest_turn(messages: Sequence[LLMMessage]) -> Turn | None:
    """The turn at the end of a history; None when nobody has asked anything.

    When several speakers came in one after the other, as in a team, their newest messages ask together; memories
    among them do not count.

    Example:
        >>> talk = [UserMessage(content="Hi.", source="user"), AssistantMessage(content="Hello!", source="coder")]
        >>> newest_turn([*talk, UserMessage(content="Now?", source="user"), UserMessage(content="Yes?", source="ann")])
        Turn(start=2, newest=3)
    """
    turn: Turn | None = None
    speakers: set[str] = set()
    for number in range(len(messages) - 1, -1, -1):
        message = messages[number]
        if isinstance(message, UserMessage) and message.source not in speakers and not is_transcript(message):
            turn = Turn(number, number) if turn is None else turn._replace(start=number)
            speakers.add(message.source)
        elif turn is not None and not isinstance(message, SystemMessage):
            break
    return turn


def is_transcript(message: LLMMessage) -> bool:
    """Return whether a message tells of a call or its result, and is nothing that a person or another agent said."""
    return isinstance(message, UserMessage) and message.source in (CALL_SOURCE, STRAY_SOURCE)
