"""A question about one long tool result, and the lines of it that answer it."""

from __future__ import annotations

from dataclasses import dataclass

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from tests.benchmarks.talk import make_session


@dataclass(frozen=True)
class Case:
    """One question.

    Args:
        name: What it is about.
        kind: What sort of question it is; cases of a kind share a row of the table.
        tool: The tool that gave the text, and its argument.
        text: The result.
        question: What the user asks many turns later.
        lines: The lines that answer it, without blanks at their ends.
        headers: The lines without which those say little: of a class, a function, a failed test.
    """

    name: str
    kind: str
    tool: tuple[str, str]
    text: str
    question: str
    lines: tuple[str, ...]
    headers: tuple[str, ...] = ()


def conversation(case: Case, seed: int) -> list[LLMMessage]:
    """Return a session in whose first third the text of the case is read, with its question at the end.

    Args:
        case: The case.
        seed: Of the session.
    """
    around = list(make_session(24, mean_tokens=120, seed=seed).messages)
    name, argument = case.tool
    call = FunctionCall(id="case", name=name, arguments=argument)
    result = FunctionExecutionResult(call_id="case", name=name, content=case.text, is_error=False)
    place = next(n for n, message in enumerate(around) if n > 6 and isinstance(message, UserMessage))
    around[place:place] = [
        UserMessage(content="Please look at this first.", source="user"),
        AssistantMessage(content=[call], source="assistant"),
        FunctionExecutionResultMessage(content=[result]),
        AssistantMessage(content="I have read it.", source="assistant"),
    ]
    return [*around, UserMessage(content=case.question, source="user")]
