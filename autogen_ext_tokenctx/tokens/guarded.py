"""A counter that cannot fail: when the one it wraps raises, estimates take over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..warn import warn
from .counting import EstimatedTokenCounter, TokenCounter


class GuardedTokenCounter:
    """Passes calls on to a counter until one raises; from then on it estimates, and has said so once.

    Args:
        inner: The counter to use while it works.

    Example:
        >>> GuardedTokenCounter(EstimatedTokenCounter()).count_text("hello") > 0
        True
    """

    def __init__(self, inner: TokenCounter) -> None:
        self._counter = inner
        self._failed = False

    @property
    def estimates(self) -> bool:
        """Whether the counter has failed, and what was counted before no longer counts."""
        return self._failed

    def count_text(self, text: str) -> int:
        """Tokens of a text."""
        return self._guarded(lambda counter: counter.count_text(text))

    def count_message(self, message: LLMMessage) -> int:
        """Tokens of a message with its overhead."""
        return self._guarded(lambda counter: counter.count_message(message))

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Tokens of a whole request."""
        return self._guarded(lambda counter: counter.count_request(messages, tools))

    def _guarded(self, count: Callable[[TokenCounter], int]) -> int:
        if not self._failed:
            try:
                return count(self._counter)
            except Exception as error:
                self._failed = True
                warn(
                    f"the token counter {type(self._counter).__name__} failed ({error!r}); tokens are estimated from "
                    "now on, on the high side. Fix the counter or leave counter= out.",
                    RuntimeWarning,
                )
                self._counter = EstimatedTokenCounter()
        return count(self._counter)
