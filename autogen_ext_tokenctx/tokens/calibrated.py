"""Counting requests in the tokens of the model that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from .calibration import Calibration, Estimate
from .counting import TokenCounter
from .request_size import RequestSize, measure

_PROPORTION = 1_000
"""Tokens in which the proportion between a trusted count and its plan is expressed."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request, what a counter counts for it, and what the model that answers is expected to count.

    Args:
        messages: The messages of the request.
        tools: Its tools.
        counted: Its tokens by the counter.
        expected: What the provider will count.
        counter: What planned it.
        measured: Its features, where they were needed to plan it.
    """

    messages: Sequence[LLMMessage]
    tools: Sequence[Tool | ToolSchema]
    counted: int
    expected: Estimate
    counter: CalibratedCounter = field(repr=False)
    measured: RequestSize | None = field(default=None, repr=False)

    def size(self) -> RequestSize:
        """Return the features of the request, from which its usage is learned."""
        return self.measured or measure(self.messages, self.tools, self.counter.counter)


class CalibratedCounter:
    """Counts requests in the tokens of a model: a counter's, corrected by what the model's usage has shown.

    Args:
        counter: Counts messages. Its counts are additive and cached; nothing here counts a message otherwise.
        calibration: What was learned of the model. None: the counter is exact.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter
        >>> hello = [UserMessage(content="hello", source="user")]
        >>> CalibratedCounter(EstimatedTokenCounter()).plan(hello, ()).expected
        Estimate(tokens=10, margin=0)
        >>> CalibratedCounter(EstimatedTokenCounter(), Calibration()).plan(hello, ()).expected.margin > 0
        True
    """

    def __init__(self, counter: TokenCounter, calibration: Calibration | None = None) -> None:
        self.counter = counter
        self.calibration = calibration

    @property
    def is_proportional(self) -> bool:
        """Whether all requests are planned in one proportion to what the counter counts."""
        return self.calibration is None or self.calibration.is_trusted

    @property
    def is_exact(self) -> bool:
        """Whether every request is planned with what the counter counts."""
        return self.is_proportional and self._least(_PROPORTION) <= _PROPORTION

    def plan(
        self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], counted: int | None = None
    ) -> PlannedRequest:
        """Return what the provider will count for a request, with a margin.

        Args:
            messages: The messages.
            tools: The tools.
            counted: Tokens of both by the counter, if they are known.
        """
        if self.calibration is not None and not self.is_proportional:
            size = measure(messages, tools, self.counter)
            return PlannedRequest(messages, tools, size.counted, self.calibration.plan(size), self, size)
        if counted is None:
            counted = self.counter.count_request(messages, tools)
        margin = max(0, self._least(counted) - counted)
        return PlannedRequest(messages, tools, counted, Estimate(max(1, counted), margin), self)

    def proportion(
        self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], *, cautious: bool
    ) -> tuple[int, int]:
        """Return how many of the provider's tokens go with how many of the counter's in a request.

        Args:
            messages: The messages.
            tools: The tools.
            cautious: Whether the provider's are those that the request is planned with, or those expected.
        """
        if self.is_proportional:
            return (self._least(_PROPORTION), _PROPORTION) if cautious else (1, 1)
        planned = self.plan(messages, tools)
        return planned.expected.upper if cautious else planned.expected.tokens, planned.counted

    def _least(self, counted: int) -> int:
        return counted if self.calibration is None else self.calibration.least(counted)
