"""Histories for tests of the hooks: long enough to need compaction, all of them valid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema

from .strict_client import call


@cache
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


async def look(item: int) -> str:
    """Look at an item of the list."""
    return prose(item, 120)


class Talk:
    """Replies that differ, so that histories grow: a tool call every third time, where there are tools."""

    def __init__(self, words: int = 120) -> None:
        self.words = words
        self.count = 0

    def __call__(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str | list[FunctionCall]:
        self.count += 1
        if tools and self.count % 3 == 0:
            return [call("look", f"call_{self.count}", item=self.count)]
        return f"Reply {self.count}: {prose(self.count, self.words)}"


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


def unquoted(text: str) -> str:
    """A text without the space that stands before each line of a quotation."""
    return "\n".join(line.removeprefix(" ") for line in text.split("\n"))
