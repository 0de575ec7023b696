"""How large a model's window is, what a source says of it, and what a source is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .names import ModelName


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """How many tokens a model takes and gives.

    Args:
        context_window: Tokens of input and output together.
        max_input_tokens: Input tokens of one call. Where the provider states no limit of its own for the input, this
            is the window, and a reply needs its share of it: hold that back with ``TokenBudget(reserve=...)``.
        max_output_tokens: Output tokens of one call, None if nobody said.
        source: Who said so: "environment", "config_file", "api", "known_table", "name_pattern", "default", or the name
            of a source of your own. `TokenManager` sets it.

    Example:
        >>> ModelLimits(400_000, 272_000, 128_000, "known_table").max_input_tokens
        272000
    """

    context_window: int
    max_input_tokens: int
    max_output_tokens: int | None = None
    source: str = ""

    @classmethod
    def stated(
        cls, context: int | None = None, input: int | None = None, output: int | None = None
    ) -> ModelLimits | None:
        """Complete what a source states; None if it states neither a window nor an input limit.

        Args:
            context: Tokens of input and output together; without it the input limit is the window.
            input: Input tokens of one call; without it, or if it is more than ``context``, the window.
            output: Output tokens of one call; more than ``context`` counts as ``context``.

        Example:
            >>> ModelLimits.stated(context=8_192)
            ModelLimits(context_window=8192, max_input_tokens=8192, max_output_tokens=None, source='')
        """
        window = context or input
        if not window:
            return None
        return cls(window, min(input or window, window), min(output, window) if output else None)


@dataclass(frozen=True, slots=True)
class LimitAnswer:
    """What one source says about one model.

    Args:
        source: The name of the source, as `ModelLimits.source` shows it.
        limits: The limits, None if the source does not know the model.
        note: Where they were found, or why not; never holds a key.
        fault: Whether the source might know but could not be asked now, so that it is worth asking again soon.

    Example:
        >>> LimitAnswer("config_file", None, "no such file").limits is None
        True
    """

    source: str
    limits: ModelLimits | None
    note: str = ""
    fault: bool = False


class LimitSource(Protocol):
    """Something that may know a model's limits: an async function, or an object with an async ``__call__``.

    Example:
        >>> async def in_house(name: ModelName) -> LimitAnswer:
        ...     return LimitAnswer("in_house", ModelLimits.stated(context=32_768) if name.base == "own-7b" else None)
        >>> source: LimitSource = in_house
    """

    async def __call__(self, name: ModelName, /) -> LimitAnswer:
        """Return what is known of a model; an error counts as a fault, and the next source is asked."""
        ...
