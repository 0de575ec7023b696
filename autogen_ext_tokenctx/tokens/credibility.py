"""Which bills can be of the whole prompt, and where a server cuts prompts without saying so."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

# Bills over which the highest ratio counts: what a price may be is not forgotten by a few cheap requests. Chosen.
_BILLS = 20

# Share of the plain count from which a bill is taken at its word. No tokenizer in tests/tokens/corpora.py makes fewer
# tokens than 0.95 of o200k_base, the rest is for the envelopes of calls, which are counted as the dearest format.
_PLAIN = 0.9


class _Bill(NamedTuple):
    parts: Mapping[object, int]  # tokens of each part of the request by the counter, without pictures, in their order
    counted: int  # tokens of all parts
    billed: int
    fresh: int  # tokens by the counter that no request before began with; a cache may have served the rest
    stands: bool  # whether it did not grow with the text, as far as an earlier bill shows
    pictures: bool  # whether it is of pictures too, whose price says nothing of that of text
    credible: bool = False

    @property
    def ratio(self) -> float:
        return self.billed / self.counted


_counted = attrgetter("counted")


class Credibility:
    """The last bills of one model, and what they allow to plan with."""

    # A bill below the plain count may leave out what a cache served, or be of a prompt that the server cut. It is
    # believed when bills have shown that they are in proportion to the count: then the count is too high.
    def __init__(self) -> None:
        self._recent: deque[_Bill] = deque(maxlen=_BILLS)
        self._ratios: deque[float] = deque(maxlen=_BILLS)
        self._growths: deque[float] = deque(maxlen=_BILLS)
        self._top = 0
        self._proven = 0.0
        self.ceiling: int | None = None  # tokens at which the server seems to cut prompts, if anything speaks for it

    @property
    def highest(self) -> float:
        """Billed ÷ counted at the most, over the last credible bills; 1 at least, unless counts are too high."""
        # What the bills grow by counts too: where a part is left out of all of them, that is the true price.
        return max([0.0 if self._proven else 1.0, *self._growths, *self._ratios])

    def believes(self, parts: Mapping[object, int], billed: int, *, pictures: bool = False) -> bool:
        """Return whether a bill can be of the whole prompt; it is one of the last from now on."""
        counted = sum(parts.values())
        if self.ceiling is not None and billed > self.ceiling:
            self.ceiling = None
        stands = any(_stands(before, parts, billed) for before in self._recent if before.credible)
        bill = _Bill(parts, counted, billed, self._fresh(parts, counted), stands, pictures)
        if not (stands or pictures):
            self._growths.append(self._growth(bill))
        if not (stands or pictures) and self._in_proportion(bill):
            self._proven = bill.ratio
        if not stands and billed >= _PLAIN * (self._proven or 1.0) * counted:
            bill = bill._replace(credible=True)
            if not pictures:
                self._ratios.append(bill.ratio)
        self._top = max(self._top, billed)
        self._recent.append(bill)
        if not bill.credible and self._is_cut(bill):
            self.ceiling = self._top
        return bill.credible

    def dump(self) -> tuple[list[float], float, int | None]:
        """Return what is kept over a restart: ratios of credible bills, the proven low one, and the ceiling."""
        return list(self._ratios), self._proven, self.ceiling

    def load(self, ratios: Iterable[float], proven: float, ceiling: int | None) -> None:
        """Go on from what `dump` gave."""
        self._ratios.extend(ratios)
        self._proven, self.ceiling = proven, ceiling
        self._top = ceiling or 0

    def _growth(self, bill: _Bill) -> float:
        """Return what a counted token added to bills since much shorter requests that this one goes on from."""
        shorter = [before for before in self._recent if not (before.stands or before.pictures)]
        # A request that is less than half as long again tells mostly noise.
        shorter = [before for before in shorter if bill.counted >= 1.5 * before.counted]
        return max((_slope(before, bill) for before in shorter if _goes_on(before, bill.parts)), default=0.0)

    def _fresh(self, parts: Mapping[object, int], counted: int) -> int:
        known = 0
        for before in self._recent:
            same = 0
            for (key, tokens), other in zip(parts.items(), before.parts, strict=False):
                if key != other:
                    break
                same += tokens
            known = max(known, same)
        return counted - known

    def _in_proportion(self, newest: _Bill) -> bool:
        """Return whether low bills grew as their texts did: the count is too high, and nothing was left out."""
        bills = [bill for bill in (*self._recent, newest) if not (bill.stands or bill.pictures)]
        small, large = min(bills, key=_counted), max(bills, key=_counted)
        ratios = [bill.ratio for bill in bills]
        # Where a count is too high by nature, an estimate's for example, bills over counts of which one is twice
        # another have ratios within a tenth of each other, and grow by nearly their ratio. A cache that serves a fixed
        # part, 2 % or more of the request, makes bills grow faster than their ratio says; a window lets them stand.
        if large.counted < 2 * small.counted or max(ratios) > min(1.0, 1.1 * min(ratios)):
            return False
        return 0.8 * large.ratio <= _slope(small, large) <= 1.02 * large.ratio

    def _is_cut(self, newest: _Bill) -> bool:
        """Return whether bills stand near the highest there was, though texts differ and no cache explains it."""
        # A window shows in three bills near the highest there was (servers cut whole messages: down to .8 of it), for
        # texts that differ by 5 % or more, of which the bills show a quarter at most. Chosen, not measured.
        # The highest may still be high enough to be believed.
        near = [bill for bill in self._recent if bill.billed >= 0.8 * self._top]
        standing = [
            bill for bill in near if (bill.billed == self._top if bill.credible else not self._may_be_cached(bill))
        ]
        if len(standing) < 3 or newest is not standing[-1]:
            return False
        short, long = min(standing, key=_counted), max(standing, key=_counted)
        if long.counted < 1.05 * short.counted:
            return long.counted > short.counted and long.billed == short.billed
        return _slope(short, long) <= 0.25

    def _may_be_cached(self, bill: _Bill) -> bool:
        if bill.fresh >= _PLAIN * bill.counted:
            return False
        # Caches serve in blocks: OpenAI's of 128 tokens are the coarsest that are documented.
        return bill.billed <= 2 * (self.highest * bill.fresh + 128)


def _slope(small: _Bill, large: _Bill) -> float:
    return (large.billed - small.billed) / (large.counted - small.counted)


def _goes_on(before: _Bill, parts: Mapping[object, int]) -> bool:
    """Return whether a request has nearly all that an earlier one has, and more."""
    evicted, added = _apart(before, parts)
    return evicted < added / 4


def _stands(before: _Bill, parts: Mapping[object, int], billed: int) -> bool:
    """Return whether a bill is no higher than an earlier one, for a request that goes on from it."""
    evicted, added = _apart(before, parts)
    # Half a token is the least price of a counted one, by which `Calibration` bounds it too.
    return evicted < added / 4 and billed < before.billed + 0.5 * (added - 4 * evicted)


def _apart(before: _Bill, parts: Mapping[object, int]) -> tuple[int, int]:
    evicted = sum(tokens for key, tokens in before.parts.items() if key not in parts)
    return evicted, sum(tokens for key, tokens in parts.items() if key not in before.parts)
