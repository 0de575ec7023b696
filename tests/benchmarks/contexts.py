"""The contexts that are measured: AutoGen's own, this package's, and the least that keeps a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autogen_core.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    HeadAndTailChatCompletionContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx import TiktokenCounter, TokenBudgetChatCompletionContext
from tests.support.strict_client import StrictClient

MODEL = "gpt-4o"
OURS = "ours"
NEWEST = "newest, counts cached"
TOKEN_LIMITED = "AutoGen TokenLimited"

MakeContext = Callable[[int], ChatCompletionContext]
"""Makes an empty context for a budget."""


class PlainCounter(TiktokenCounter):
    """Counts each message anew each time."""

    def count_message(self, message: LLMMessage) -> int:
        return self._count_message(message)


class CountingClient(StrictClient):
    """Counts as AutoGen's OpenAI client does, which keeps no counts but has to download its tokenizer first.

    It leaves out what that client does on top, turning every message into OpenAI's form, so it is a little quicker.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plain = PlainCounter(MODEL)

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return self._plain.count_request(messages, tools)


class NewestContext(ChatCompletionContext):
    """The newest messages that fit, each counted once: what any context must at least do."""

    def __init__(self, budget: int, initial_messages: list[LLMMessage] | None = None) -> None:
        super().__init__(initial_messages)
        self._budget = budget
        self._counter = PlainCounter(MODEL)
        self._counts: list[int] = []

    async def get_messages(self) -> list[LLMMessage]:
        self._counts += map(self._counter.count_message, self._messages[len(self._counts) :])
        left = self._budget - self._counter.count_request(())
        start = len(self._messages)
        while start and self._counts[start - 1] <= left:
            start -= 1
            left -= self._counts[start]
        while start < len(self._messages) and isinstance(self._messages[start], FunctionExecutionResultMessage):
            start += 1
        return self._messages[start:]


def ours(budget: int) -> TokenBudgetChatCompletionContext:
    """This package's context, as an agent would have it."""
    return TokenBudgetChatCompletionContext(model=MODEL, budget=budget)


def token_limited(budget: int) -> TokenLimitedChatCompletionContext:
    """AutoGen's context that keeps a budget."""
    return TokenLimitedChatCompletionContext(CountingClient(), token_limit=budget)


CONTEXTS: Mapping[str, MakeContext] = {
    OURS: ours,
    NEWEST: NewestContext,
    "AutoGen Unbounded": lambda budget: UnboundedChatCompletionContext(),
    "AutoGen Buffered(20)": lambda budget: BufferedChatCompletionContext(20),
    "AutoGen HeadAndTail(5, 15)": lambda budget: HeadAndTailChatCompletionContext(5, 15),
    TOKEN_LIMITED: token_limited,
}
