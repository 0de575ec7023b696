"""How much of a request the provider has seen at the start of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..context.units import common_prefix
from ..tokens.counting import TokenCounter
from ..tokens.profiles import PromptCache
from .incremental_view import head_of

_CHANGED_HEAD = (
    "the system message is not that of the request before, so the provider's cache cannot serve what comes after it: "
    "say what changes at each call (the time, retrieved memory) in the newest user message"
)


class SentPrefix:
    """Remembers the last request of one agent.

    Args:
        counter: Counts tokens.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter
        >>> cache = PromptCache(automatic=True, minimum=0, granularity=1, discount=0.5)
        >>> talk = [UserMessage(content="Hello there", source="user")]
        >>> prefix, tokens = SentPrefix(EstimatedTokenCounter()), EstimatedTokenCounter().count_request(talk)
        >>> prefix.served(talk, tokens, (), cache), prefix.served(talk, tokens, (), cache) == tokens
        (0, True)
    """

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._messages: Sequence[LLMMessage] = ()
        self._tokens = 0
        self._tools: list[Any] = []
        self.broken = ""
        """Why the last request does not begin as the one before, where a caller can help it; "" where none does."""

    def served(
        self, messages: Sequence[LLMMessage], tokens: int, tools: Sequence[Tool | ToolSchema], cache: PromptCache
    ) -> int:
        """Tokens of a request that the provider's cache can serve, at best; it is the last request from now on.

        Args:
            messages: The messages of the request, in order.
            tokens: What it counts as a whole.
            tools: Its tools. Providers put them before the messages, so other tools leave nothing to serve.
            cache: What the provider caches.
        """
        before, self._messages = self._messages, messages
        tokens_before, self._tokens = self._tokens, tokens
        tools_before, self._tools = self._tools, list(tools)
        self.broken = ""
        if not before:
            return 0
        if head_of(before) != head_of(messages):
            self.broken = _CHANGED_HEAD
        if tools_before != self._tools:
            return 0
        same = common_prefix(before, messages)
        # what is not the same any more is less to count, and mostly nothing
        return cache.cached_tokens(tokens_before - sum(map(self._counter.count_message, before[same:])))
