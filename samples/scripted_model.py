"""A stand-in for a model, so that the sample runs offline and gives the same table every time.

It knows which tool to call for which item, and nothing else: what it says it quotes from the messages it was sent,
found by a regular expression. An item that is not in these messages any more it calls "unknown". Like a real
endpoint it refuses a request that is larger than its window.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from autogen_core import FunctionCall
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx import counter_for_model

WINDOW = 16_000
"""Tokens a request to the scripted model may have."""

QUOTES = {
    "ACCEPT_RETRY_DELAY": r"ACCEPT_RETRY_DELAY = (\d+)",
    "slow_callback_duration": r"self\.slow_callback_duration = ([\d.]+)",
    "run_coroutine_threadsafe parameters": r"def run_coroutine_threadsafe\((.*?)\):",
    "to_thread parameters": r"def to_thread\((.*?)\):",
    "BoundedSemaphore release error": r"raise (\w+)\('BoundedSemaphore ",
    "_DEFAULT_LIMIT": r"_DEFAULT_LIMIT = ([\d* ]*\d)",
}
"""How each item looks in a source file."""

Lookup = tuple[str, str, str, str]
LOOKUPS: dict[str, list[list[Lookup]]] = {
    "researcher": [
        [
            ("ACCEPT_RETRY_DELAY", "list_files", "", ""),
            ("ACCEPT_RETRY_DELAY", "read_file", "name", "constants.py"),
            ("slow_callback_duration", "read_file", "name", "base_events.py"),
            ("run_coroutine_threadsafe parameters", "read_file", "name", "tasks.py"),
        ]
    ],
    "analyst": [
        [("to_thread parameters", "search_files", "pattern", r"^\s*(class|def|async def) ")],
        [("BoundedSemaphore release error", "search_files", "pattern", r"\braise ")],
    ],
    "writer": [[("_DEFAULT_LIMIT", "read_file", "name", "streams.py")]],
}
"""What each agent looks up in its first turn, its second, and so on: item, tool, argument and its value."""


class ContextLengthError(Exception):
    """What a provider answers to a request over the model's window."""


class ScriptedModel(ChatCompletionClient):
    """Plays every agent of the team, and the one that selects the next speaker.

    Args:
        window: Tokens a request may have.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._counter = counter_for_model("gpt-4o")
        self._usage = RequestUsage(0, 0)
        self._left = {agent: [list(turn) for turn in turns] for agent, turns in LOOKUPS.items()}

    async def create(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = (), **options: Any
    ) -> CreateResult:
        tokens = self._counter.count_request(messages, tools)
        if tokens > self._window:
            raise ContextLengthError(f"maximum context length is {self._window:,} tokens, the request has {tokens:,}")
        content = self._answer("\n\n".join(map(_text, messages)))
        usage = RequestUsage(tokens, self._counter.count_text(str(content)))
        self._usage = RequestUsage(
            self._usage.prompt_tokens + tokens, self._usage.completion_tokens + usage.completion_tokens
        )
        reason = "stop" if isinstance(content, str) else "function_calls"
        return CreateResult(finish_reason=reason, content=content, usage=usage, cached=False)

    def _answer(self, view: str) -> str | list[FunctionCall]:
        found = {item: match for item, pattern in QUOTES.items() if (match := re.search(pattern, view))}
        unknown = [item for item in QUOTES if item not in found]
        agent = re.match(r"You are the (\w+)", view)
        if agent is None:
            return self._next_speaker(view, unknown)
        turns = self._left[agent[1]]
        while turns and turns[0]:
            item, tool, argument, value = turns[0].pop(0)
            if item in unknown:
                arguments = json.dumps({argument: value} if argument else {})
                return [FunctionCall(id=f"{agent[1]}_{len(turns)}_{len(turns[0])}", name=tool, arguments=arguments)]
        del turns[:1]
        if agent[1] == "writer" and not (unknown and any(self._left.values())):
            lines = [f"{item}: {found[item][1] if item in found else 'unknown'}" for item in QUOTES]
            return "\n".join(["FINAL ANSWER", *lines])
        return "\n".join(
            ["What the sources say:", *(f"- {match[0]}" for match in found.values()), f"Still unknown: {len(unknown)}"]
        )

    def _next_speaker(self, view: str, unknown: Sequence[str]) -> str:
        """Whoever can look up something that nobody has said so far; the writer when there is no such agent."""
        last = re.findall(r"^(researcher|analyst|writer): ", view, re.MULTILINE)[-1:]
        for agent, turns in self._left.items():
            if [agent] != last and any(lookup[0] in unknown for turn in turns for lookup in turn):
                return agent
        return "researcher" if last == ["writer"] else "writer"

    async def create_stream(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = (), **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        yield await self.create(messages, tools=tools)

    async def close(self) -> None:
        pass

    def actual_usage(self) -> RequestUsage:
        return self._usage

    def total_usage(self) -> RequestUsage:
        return self._usage

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return self._counter.count_request(messages, tools)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return self._window - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> ModelInfo:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False, function_calling=True, json_output=False, structured_output=False, family="unknown"
        )


def _text(message: LLMMessage) -> str:
    if isinstance(message, FunctionExecutionResultMessage):
        return "\n".join(result.content for result in message.content)
    return message.content if isinstance(message.content, str) else ""
