"""What input tokens cost, from the data in the package ``genai-prices``."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from ..warn import warn_once

# Tokens between which the rates are looked up once. Providers whose prices differ for long requests begin those at
# multiples of it, or close to one (128,000, 200,000, 272,000).
_STEP = 4_000


class Prices(Protocol):
    """Something that knows what a request costs."""

    def __call__(self, model: str, tokens: int, cached: int) -> float | None:
        """Return the price of a request's input in US dollars, None when the model's is not known.

        Args:
            model: Name of the model, as given to its client.
            tokens: Input tokens.
            cached: Those of them that the provider's prompt cache serves.
        """
        ...


class ListPrices:
    """List prices as ``genai-prices`` ships them; nothing is downloaded.

    They are those of the version that is installed, at the time a model is first asked for, without anyone's
    discount. Loading them takes about 0.4 s, here and not in an agent's call. Without the package there is one
    warning and no price.

    Example:
        >>> ListPrices()("no-such-model", 1_000, 0) is None
        True
    """

    def __init__(self) -> None:
        self._rates = lru_cache(maxsize=1_024)(_rates)
        self._rates("gpt-4o", 0)  # the data is read at the first look-up

    def __call__(self, model: str, tokens: int, cached: int) -> float | None:
        """Return the price, see `Prices`."""
        rates = self._rates(model, max(0, tokens) // _STEP)
        if rates is None:
            return None
        fresh_rate, cached_rate = rates
        return (tokens - cached) * fresh_rate + cached * cached_rate


def _rates(model: str, step: int) -> tuple[float, float] | None:
    """Return US dollars of a fresh and of a cached token in a request of that size; None where they are not known."""
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        warn_once(
            "prices:genai-prices",
            'no prices are known, because genai-prices is not installed: pip install "autogen-ext-tokenctx[prices]"',
        )
        return None
    size = step * _STEP + _STEP // 2
    for name in dict.fromkeys((model, model.rpartition("/")[2])):  # routers put a provider in front
        try:
            fresh = calc_price(Usage(input_tokens=size), name).total_price
            cached = calc_price(Usage(input_tokens=size, cache_read_tokens=size), name).total_price
        except (LookupError, ValueError, ArithmeticError):
            continue
        return float(fresh) / size, float(cached) / size
    return None
