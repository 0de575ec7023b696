"""A scripted model client that records every request and refuses what providers refuse."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from autogen_core import CancellationToken, Component, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel
from typing_extensions import Self

from autogen_ext_tokenctx.models.counters import counter_for_model
from autogen_ext_tokenctx.tokens.counting import TokenCounter

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")

Content = str | list[FunctionCall]
Reply = Content | CreateResult | Callable[[Sequence[LLMMessage], Sequence[Tool | ToolSchema]], Content | CreateResult]


class RefusedRequestError(Exception):
    """What a provider would answer 400 to."""


@dataclass(frozen=True)
class Request:
    """One recorded request, the messages as JSON too: what was sent stays known when objects change later."""

    messages: list[LLMMessage]
    tools: list[Tool | ToolSchema]
    tokens: int
    stream: bool
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    json: tuple[str, ...] = ()


def call(name: str, call_id: str, **arguments: Any) -> FunctionCall:
    """A tool call."""
    return FunctionCall(id=call_id, name=name, arguments=json.dumps(arguments))


def check_request(messages: Sequence[LLMMessage]) -> None:
    """Refuse a request that providers refuse, whatever its length.

    Raises:
        RefusedRequestError: And why.
    """
    if not messages:
        raise RefusedRequestError("empty request")
    open_ids: set[str] = set()
    for message in messages:
        if not isinstance(message, FunctionExecutionResultMessage) and open_ids:
            raise RefusedRequestError(f"calls without results: {sorted(open_ids)}")
        if isinstance(message, SystemMessage):
            continue
        if isinstance(message, FunctionExecutionResultMessage):
            for result in message.content:
                if result.call_id not in open_ids:
                    raise RefusedRequestError(f"result without its call: {result.call_id!r}")
                open_ids.remove(result.call_id)
            continue
        if not _NAME.match(message.source):
            raise RefusedRequestError(f"bad name: {message.source!r}")
        if not message.content and not isinstance(message, AssistantMessage):
            raise RefusedRequestError("user message without content")
        if isinstance(message, UserMessage) or isinstance(message.content, str):
            continue
        if not message.content:
            raise RefusedRequestError("assistant message with an empty list of calls")
        ids = [item.id for item in message.content]
        if "" in ids or len(set(ids)) < len(ids):
            raise RefusedRequestError(f"empty or duplicate call ids: {ids}")
        for item in message.content:
            if not isinstance(json.loads(item.arguments), dict):
                raise RefusedRequestError(f"arguments are no JSON object: {item.arguments}")
        open_ids = set(ids)
    if open_ids:
        raise RefusedRequestError(f"calls without results: {sorted(open_ids)}")


class StrictClientConfig(BaseModel):
    """Configuration of `StrictClient`; only replies that are text can be dumped."""

    script: list[str]
    window: int


class StrictClient(ChatCompletionClient, Component[StrictClientConfig]):
    """Answers from a script, records every request of ``create`` and ``create_stream``, refuses bad ones.

    Args:
        script: The replies in order, the last one for ever.
        window: Tokens a request may have, by the project's own counter.
        family: The model's family, as AutoGen names it: its selector writes its prompt as a system message for some.
    """

    component_type = "model"
    component_config_schema = StrictClientConfig
    component_provider_override = "tests.support.strict_client.StrictClient"

    def __init__(
        self, script: Sequence[Reply] = ("ok",), window: int = 1_000_000, family: str = ModelFamily.GPT_4O
    ) -> None:
        self.script = list(script)
        self.window = window
        self.family = family
        self.requests: list[Request] = []
        self.counter: TokenCounter = counter_for_model(None)
        self.closed = False
        self.closed_streams = 0

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        arguments = {
            "tool_choice": tool_choice,
            "json_output": json_output,
            "extra_create_args": extra_create_args,
            "cancellation_token": cancellation_token,
        }
        return self._answer(messages, tools, arguments, stream=False)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        arguments = {
            "tool_choice": tool_choice,
            "json_output": json_output,
            "extra_create_args": extra_create_args,
            "cancellation_token": cancellation_token,
        }
        result = self._answer(messages, tools, arguments, stream=True)
        try:
            if isinstance(result.content, str):
                for word in re.findall(r"\S+\s*", result.content):
                    yield word
            yield result
        finally:
            self.closed_streams += 1

    def _answer(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        arguments: dict[str, Any],
        *,
        stream: bool,
    ) -> CreateResult:
        tokens = self.counter.count_request(messages, tools)
        sent = tuple(message.model_dump_json() for message in messages)
        self.requests.append(Request(list(messages), list(tools), tokens, stream, arguments, sent))
        check_request(messages)
        if tokens > self.window:
            raise RefusedRequestError(f"{tokens} tokens, the window has {self.window}")
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        content = reply(messages, tools) if callable(reply) else reply
        if isinstance(content, CreateResult):
            return content
        reason = "stop" if isinstance(content, str) else "function_calls"
        return CreateResult(
            finish_reason=reason,
            content=content,
            usage=RequestUsage(tokens, self.counter.count_text(str(content))),
            cached=False,
        )

    async def close(self) -> None:
        self.closed = True

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(1, 2)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(3, 4)

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return 0

    @property
    def capabilities(self) -> ModelInfo:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=True,
            function_calling=True,
            json_output=True,
            structured_output=True,
            family=self.family,
            multiple_system_messages=True,
        )

    def _to_config(self) -> StrictClientConfig:
        return StrictClientConfig(script=[reply for reply in self.script if isinstance(reply, str)], window=self.window)

    @classmethod
    def _from_config(cls, config: StrictClientConfig) -> Self:
        return cls(config.script, config.window)
