"""The errors this package raises on purpose, all under `TokenCtxError`, and the refusal of unknown keys.

What else goes wrong inside (no rank file, a counter that raises, a compressor that fails) costs one warning: an agent
must not die because its context could not be counted or shortened.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import cast

from pydantic import BaseModel, model_validator


class TokenCtxError(Exception):
    """Base of every error raised on purpose by this package.

    Example:
        >>> issubclass(BudgetTooSmallError, TokenCtxError)
        True
    """


class BudgetTooSmallError(TokenCtxError, ValueError):
    """What has to be in the request does not fit the budget, even in its shortest form.

    Args:
        budget: The budget in tokens.
        needed: The tokens the shortest valid request needs.
        what: Names of what could not fit, largest first.

    Example:
        >>> error = BudgetTooSmallError(100, 140, ["system message 'You are…' (120 tokens)"])
        >>> error.needed - error.budget
        40
    """

    def __init__(self, budget: int, needed: int, what: Sequence[str] = ()) -> None:
        self.budget = budget
        self.needed = needed
        self.what = tuple(what)
        if budget <= 0:
            text = f"a budget of {budget} tokens cannot hold any request; give a positive number of tokens"
        else:
            names = "; ".join(self.what) or "the request"
            # Below 100 it mostly is a number of messages, as the `buffer_size` of AutoGen's own contexts is.
            hint = " A budget counts tokens, not messages." if budget < 100 else ""
            text = (
                f"the budget of {budget} tokens is too small: at least {needed} are needed for {names}. "
                f"Raise the budget to {needed} or more, or shorten what must be there (system messages, tools, "
                f"pins).{hint}"
            )
        super().__init__(text)

    def __reduce__(self) -> tuple[type["BudgetTooSmallError"], tuple[int, int, tuple[str, ...]]]:
        return type(self), (self.budget, self.needed, self.what)


class UnknownModelError(TokenCtxError, LookupError):
    """No tokenizer or limit is known for a model, and the caller asked for an exact one.

    Args:
        model: The name that was asked for.
        remedy: What the caller can do instead, as one sentence.

    Example:
        >>> str(UnknownModelError("my-model", "Give encoding='o200k_base'."))
        "nothing is known about model 'my-model'. Give encoding='o200k_base'."
    """

    def __init__(self, model: str, remedy: str) -> None:
        self.model = model
        self.remedy = remedy
        super().__init__(f"nothing is known about model {model!r}. {remedy}")

    def __reduce__(self) -> tuple[type["UnknownModelError"], tuple[str, str]]:
        return type(self), (self.model, self.remedy)


class UnknownHandleError(TokenCtxError, LookupError):
    """A handle that this archive never gave out, or whose original has been evicted.

    Args:
        handle: The handle that was asked for.

    Example:
        >>> "cafe0123" in str(UnknownHandleError("cafe0123"))
        True
    """

    def __init__(self, handle: str) -> None:
        self.handle = handle
        super().__init__(
            f"no original is archived under handle {handle!r}. Handles are the short ids in shortened messages and "
            "in FitReport.steps; each agent can only expand what left its own context."
        )

    def __reduce__(self) -> tuple[type["UnknownHandleError"], tuple[str]]:
        return type(self), (self.handle,)


def check_keys(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise a ValueError for a key that nobody reads, with the nearest one of those that are read."""
    names = [str(getattr(key, "value", key)) for key in known]
    for key in given:
        name = str(getattr(key, "value", key))
        if name not in names:
            nearest = get_close_matches(name, names, 1, 0.4)
            hint = f", did you mean {nearest[0]!r}?" if nearest else ";"
            raise ValueError(f"{what} has no {name[:80]!r}{hint} It takes {', '.join(names)}")


class StrictConfig(BaseModel):
    """A configuration that refuses keys it does not have, with the nearest one that it has."""

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: object) -> object:
        if isinstance(data, Mapping):
            check_keys(map(str, cast("Mapping[object, object]", data)), cls.model_fields, cls.__name__)
        return cast("object", data)
