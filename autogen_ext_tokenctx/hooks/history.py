"""Reading the end of a history that is still being written."""

from __future__ import annotations

from collections.abc import Sequence

from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, LLMMessage


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
