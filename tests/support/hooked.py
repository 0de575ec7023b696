"""One model client and one model context, with the hooks a test is about."""

from __future__ import annotations

from typing import Literal

from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import ChatCompletionClient

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext

Mode = Literal["context", "client", "both"]
MODES: tuple[Mode, ...] = ("context", "client", "both")


def client_for(mode: Mode, inner: ChatCompletionClient, budget: int) -> ChatCompletionClient:
    """``inner``, behind the client hook if ``mode`` says so."""
    return inner if mode == "context" else TokenBudgetChatCompletionClient(inner, budget)


def context_for(mode: Mode, budget: int) -> ChatCompletionContext:
    """The context hook, if ``mode`` says so, else AutoGen's unbounded context."""
    return UnboundedChatCompletionContext() if mode == "client" else TokenBudgetChatCompletionContext(budget=budget)
