"""A model client for an OpenAI-compatible server, with nothing between a test and what the server says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal

import httpx
from autogen_core import CancellationToken
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

TIMEOUT = 120.0


class RefusedError(Exception):
    """The server answered 400."""


class LlamaClient(ChatCompletionClient):
    """Sends text messages to ``/v1/chat/completions``; tools are not sent.

    Args:
        url: Address of the server.
        reply_tokens: The longest reply.
    """

    def __init__(self, url: str, reply_tokens: int = 1) -> None:
        # A connection for each request: the server may close one that is kept at the moment it is used again.
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=httpx.Limits(max_keepalive_connections=0))
        self._reply_tokens = reply_tokens

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
        response = await self._http.post("/v1/chat/completions", json=self._body(messages))
        _check(response)
        answer = response.json()
        return _result(answer["choices"][0]["message"]["content"], answer["usage"])

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
        body = {**self._body(messages), "stream": True, "stream_options": {"include_usage": True}}
        said = ""
        async with self._http.stream("POST", "/v1/chat/completions", json=body) as response:
            if response.is_error:
                await response.aread()
            _check(response)
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line.removeprefix("data: "))
                for choice in event["choices"]:
                    piece = choice["delta"].get("content") or ""
                    said += piece
                    yield piece
                if "usage" in event:
                    yield _result(said, event["usage"])

    async def close(self) -> None:
        await self._http.aclose()

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

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
            vision=False, function_calling=False, json_output=False, structured_output=False, family="unknown"
        )

    def _body(self, messages: Sequence[LLMMessage]) -> dict[str, Any]:
        sent = [_sent(message) for message in messages]
        return {"messages": sent, "max_tokens": self._reply_tokens, "temperature": 0}


def _sent(message: LLMMessage) -> dict[str, str]:
    if not isinstance(message, (SystemMessage, UserMessage, AssistantMessage)) or not isinstance(message.content, str):
        raise TypeError(f"only text is sent, not {message}")
    role = {"SystemMessage": "system", "UserMessage": "user", "AssistantMessage": "assistant"}[message.type]
    return {"role": role, "content": message.content}


def _check(response: httpx.Response) -> None:
    if response.status_code == 400:
        raise RefusedError(response.text)
    response.raise_for_status()


def _result(content: str, usage: Mapping[str, int]) -> CreateResult:
    bill = RequestUsage(usage["prompt_tokens"], usage["completion_tokens"])
    return CreateResult(finish_reason="stop", content=content, usage=bill, cached=False)
