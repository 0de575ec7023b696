"""Histories for tests of the hooks: long enough to need compaction, all of them valid."""

from __future__ import annotations

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from .strict_client import call


def prose(seed: int, words: int = 60) -> str:
    """Words that differ from seed to seed, so that no two messages are the same."""
    things = ("valve", "pump", "sensor", "relay", "gauge", "filter", "motor", "cable", "switch", "boiler")
    clauses = [f"{things[(seed * 7 + n * 3) % 10]} {seed}-{n} read {seed * n % 97}" for n in range(words // 3)]
    return " ".join(", ".join(clauses[n : n + 5]) + "." for n in range(0, len(clauses), 5))


def exchange(number: int, words: int = 60) -> list[LLMMessage]:
    """A tool call and its result."""
    call_id = f"call_{number}"
    result = FunctionExecutionResult(content=prose(number, words), name="look", call_id=call_id, is_error=False)
    return [
        AssistantMessage(content=[call("look", call_id, item=number)], source="coder"),
        FunctionExecutionResultMessage(content=[result]),
    ]


def conversation(turns: int, words: int = 60) -> list[LLMMessage]:
    """A task, then user, tool and assistant turns."""
    messages: list[LLMMessage] = [UserMessage(content="Find out which boiler leaks. Report its number.", source="user")]
    for number in range(turns):
        messages += exchange(number, words)
        messages.append(
            AssistantMessage(content=f"Checked item {number}: {prose(number + 500, words)}", source="coder")
        )
        messages.append(UserMessage(content=f"Go on with item {number + 1}.", source="user"))
    return messages
