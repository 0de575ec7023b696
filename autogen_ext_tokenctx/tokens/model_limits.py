"""How large a model's window is, and how that was found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Window(NamedTuple):
    """The limits of one model, whoever states them.

    Args:
        context: Tokens of input and output together.
        input: Input tokens of one call, at most ``context``.
        output: Output tokens of one call, None if nobody said.
    """

    context: int
    input: int
    output: int | None = None

    @classmethod
    def stated(cls, context: int | None = None, input: int | None = None, output: int | None = None) -> Window | None:
        """Complete what a source states; None if it states neither a window nor an input limit.

        Without a separate input limit the input may fill the window, and without a window the input limit is one.

        Args:
            context: Tokens of input and output together.
            input: Input tokens of one call; more than ``context`` counts as ``context``.
            output: Output tokens of one call; more than ``context`` counts as ``context``.

        Example:
            >>> Window.stated(context=400_000, input=272_000, output=128_000)
            Window(context=400000, input=272000, output=128000)
            >>> Window.stated(context=8_192)
            Window(context=8192, input=8192, output=None)
        """
        whole = context or input
        if not whole:
            return None
        return cls(whole, min(input or whole, whole), min(output, whole) if output else None)


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """How many tokens a model takes and gives.

    Args:
        context_window: Tokens of input and output together.
        max_input_tokens: Input tokens of one call. Where the provider states no limit of its own for the input, this
            is the window, and a reply needs its share of it: hold that back with ``TokenBudget(reserve=...)``.
        max_output_tokens: Output tokens of one call, None if nobody said.
        source: Who said so: "environment", "config_file", "api", "known_table", "name_pattern" or "default".

    Example:
        >>> ModelLimits(400_000, 272_000, 128_000, "known_table").max_input_tokens
        272000
    """

    context_window: int
    max_input_tokens: int
    max_output_tokens: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source says about one model.

    Args:
        source: The name of the source, as `ModelLimits.source` shows it.
        window: The limits, None if the source does not know the model.
        note: Where they were found, or why not; never holds a key.
        fault: Whether the source might know but could not be asked now, so that it is worth asking again soon.

    Example:
        >>> Answer("config_file", None, "no such file").window is None
        True
    """

    source: str
    window: Window | None
    note: str
    fault: bool = False
