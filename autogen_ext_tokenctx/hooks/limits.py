"""What a model takes, as budget of its calls: where none is given, and as the most that a given one may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autogen_core.models import ChatCompletionClient

from ..models.limits import ModelLimits
from ..models.names import settings_of
from ..models.token_manager import TokenManager
from ..tokens.budget import TokenBudget, within
from ..warn import WarnOnce

GIVEN = "given"
"""Where a budget comes from that the user gave."""

_GUESSES = frozenset({"name_pattern", "default"})
"""Sources that do not know the model itself: a given budget is not cut for a guess."""

_REPLY_TOKENS, _REPLY_SHARE = 4_096, 0.25
"""What the reply needs of a window that input and output share, where nobody says: AutoGen's Anthropic client asks for
as many; and never more than this share of it."""

_REPLY_KEYS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "num_predict")
"""What the tokens of a reply are called in the settings of a call."""


class CallBudget(NamedTuple):
    """The budget of a call.

    Args:
        budget: The tokens it may have; a number fills them, see `TokenBudget`.
        source: Where the number comes from: ``"given"``, or the source of the model's limit.
    """

    budget: int | TokenBudget
    source: str


class CallLimits:
    """Budgets within what models take.

    Args:
        client: The client that calls them, which may say how long replies are; None where it is not known.
        manager: Finds out what a model takes; None for the default chain.

    Example:
        >>> import asyncio
        >>> asyncio.run(CallLimits(None, None).of(None, "gpt-4", {}))
        CallBudget(budget=6144, source='known_table')
    """

    def __init__(self, client: ChatCompletionClient | None, manager: TokenManager | None) -> None:
        self._manager = manager if manager is not None else TokenManager(client=client)
        self._own: Mapping[str, Any] = {} if client is None else settings_of(client)
        self._last: dict[str, CallBudget] = {}
        self._warn = WarnOnce()

    async def of(self, given: int | TokenBudget | None, model: str, extra: Mapping[str, Any]) -> CallBudget:
        """Return the budget of a call to a model.

        Args:
            given: The budget that the user gave; None for what the model takes.
            model: The model's name; "" where it is not known.
            extra: Further arguments of the call, which go before the client's own.
        """
        found = self._last[repr((given, model))] = await self._of(given, model, extra)
        return found

    def last(self, given: int | TokenBudget | None, model: str) -> TokenBudget:
        """Return the budget of the last call to a model, and before there was one what may be taken for it."""
        found = self._last.get(repr((given, model)))
        return TokenBudget.of(found.budget if found else _DEFAULT.max_input_tokens if given is None else given)

    async def _of(self, given: int | TokenBudget | None, model: str, extra: Mapping[str, Any]) -> CallBudget:
        if given is not None and not model:
            return CallBudget(given, GIVEN)
        limits = await self._limits(model)
        reply = _reply_of({**self._own, **extra})
        if given is None:
            most = limits.max_input_tokens
            if most >= limits.context_window:  # the reply comes out of the same window
                share = int(_REPLY_SHARE * limits.context_window)
                most -= min(reply or _REPLY_TOKENS, share)
            return CallBudget(max(1, most), limits.source)
        most = min(limits.max_input_tokens, limits.context_window - (reply or 0))
        budget = TokenBudget.of(given)
        if limits.source in _GUESSES or budget.limit <= most or most <= 0:
            return CallBudget(given, GIVEN)
        self._warn(
            f"limit {model}",
            f"a budget of {budget.limit} tokens is more than {model!r} takes: {most} input tokens, by the source "
            f"{limits.source!r}. That is its budget now: give budget={most} or less, or correct the limit "
            "(TokenManager().explain(model) names where it is from)",
        )
        if isinstance(given, int):
            return CallBudget(most, limits.source)
        return CallBudget(within(given, max(1, most - given.reserve)), limits.source)

    async def _limits(self, model: str) -> ModelLimits:
        try:
            return await self._manager.get_limits(model or "unknown")
        except Exception as error:  # no agent must die because nobody knows its model
            self._warn("limits", f"the limits of {model!r} are not known ({error!r}); the default is taken")
            return _DEFAULT


_DEFAULT = ModelLimits(8_192, 8_192, source="default")


def check_dumpable(manager: TokenManager | None) -> None:
    """Raise where a token manager was brought: it cannot be put into a component's config.

    Raises:
        TypeError: There is one.
    """
    if manager is not None:
        raise TypeError(
            "a hook with token_manager= cannot be dumped: the token manager is an object of this process. Build the "
            "hook without it, or give it again in code after loading."
        )


def _reply_of(settings: Mapping[str, Any]) -> int | None:
    """Return the tokens of a reply, where the settings of a call say so."""
    options = settings.get("options")
    places: list[Any] = [settings, options if isinstance(options, Mapping) else {}]
    found = (place.get(key) for place in places for key in _REPLY_KEYS)
    return next((tokens for tokens in found if isinstance(tokens, int) and tokens > 0), None)
