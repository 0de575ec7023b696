"""AutoGen's real clients, each for a model of another family, at the server that plays the providers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from autogen_core.models import ChatCompletionClient, ModelFamily, ModelInfo

from ..support.histories import prose
from ..support.provider_rules import Json
from ..support.provider_server import ProviderServer, Reply, ToolCall


def _info(family: str) -> ModelInfo:
    return ModelInfo(
        vision=False,
        function_calling=True,
        json_output=True,
        structured_output=False,
        family=family,
        multiple_system_messages=False,
    )


def _openai(model: str, url: str, family: str | None = None) -> ChatCompletionClient:
    openai = pytest.importorskip("autogen_ext.models.openai", reason="needs autogen-ext[openai]")
    known = {} if family is None else {"model_info": _info(family)}
    return openai.OpenAIChatCompletionClient(model=model, base_url=f"{url}/v1", api_key="none", max_retries=0, **known)


def _gpt(model: str, url: str) -> ChatCompletionClient:
    return _openai(model, url)


def _open_weights(model: str, url: str) -> ChatCompletionClient:
    return _openai(model, url, ModelFamily.UNKNOWN)


def _mistral(model: str, url: str) -> ChatCompletionClient:
    return _openai(model, url, ModelFamily.MISTRAL)


def _anthropic(model: str, url: str) -> ChatCompletionClient:
    anthropic = pytest.importorskip("autogen_ext.models.anthropic", reason="needs autogen-ext[anthropic]")
    sdk = pytest.importorskip("anthropic.resources", reason="needs autogen-ext[anthropic]")
    if "temperature" not in inspect.signature(sdk.AsyncMessages.create).parameters:
        pytest.skip("AutoGen 0.7.5's client for Anthropic passes temperature: it needs anthropic<1")
    info = _info(ModelFamily.CLAUDE_4_SONNET)
    return anthropic.AnthropicChatCompletionClient(
        model=model, base_url=url, api_key="none", max_retries=0, model_info=info
    )


def _ollama(model: str, url: str) -> ChatCompletionClient:
    ollama = pytest.importorskip("autogen_ext.models.ollama", reason="needs autogen-ext[ollama]")
    return ollama.OllamaChatCompletionClient(model=model, host=url, model_info=_info(ModelFamily.UNKNOWN))


@dataclass(frozen=True)
class Endpoint:
    """A model behind one of AutoGen's clients.

    Args:
        model: Name of the model.
        make: Makes the client.
        call_id: The ids that the model, or who serves it, gives to its calls; a number is put in.
    """

    model: str
    make: Callable[[str, str], ChatCompletionClient]
    call_id: str = "call_{:024}"

    def client(self, server: ProviderServer) -> ChatCompletionClient:
        return self.make(self.model, server.url)

    def __str__(self) -> str:
        return self.model


GPT = Endpoint("gpt-4o", _gpt)
CLAUDE = Endpoint("claude-sonnet-4", _anthropic, "toolu_{:024}")
CLAUDE_OPUS = Endpoint("claude-opus-4-6", _anthropic, "toolu_{:024}")
GEMMA_2 = Endpoint("gemma-2-9b-it", _open_weights, "chatcmpl-tool-{:032}")  # as vLLM gives them
GEMMA_3 = Endpoint("gemma-3-27b-it", _open_weights, "chatcmpl-tool-{:032}")
MISTRAL = Endpoint("mistral-large-latest", _mistral, "Id{:07}")
MISTRAL_7B = Endpoint("mistral-7b-instruct-v0.2", _mistral, "chatcmpl-tool-{:032}")
LLAMA = Endpoint("llama3.2", _ollama)
ENDPOINTS = (GPT, CLAUDE, CLAUDE_OPUS, GEMMA_2, GEMMA_3, MISTRAL, MISTRAL_7B, LLAMA)


@dataclass
class Model:
    """Replies as models give them: texts that end with white space or are empty, calls, several at a time."""

    call_id: str
    count: int = 0
    answers: list[str] = field(default_factory=list[str])

    def __call__(self, request: Json) -> Reply:
        self.count += 1
        if request.get("tools") and not _has_results(request["messages"][-1]) and self.count % 4:
            ids = [self.call_id.format(2 * self.count + n) for n in range(1 + self.count % 2)]
            return [ToolCall(call_id, "look", {"item": 2 * self.count + n}) for n, call_id in enumerate(ids)]
        self.answers.append("" if self.count % 7 == 0 else f"Reply {self.count}: {prose(self.count, 45)} \n")
        return self.answers[-1]


def _has_results(message: Json) -> bool:
    if message["role"] == "tool":
        return True
    blocks: str | list[Json] = message.get("content") or ""
    return not isinstance(blocks, str) and any(block["type"] == "tool_result" for block in blocks)
