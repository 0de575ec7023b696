"""BM25 over terms, and what its scores pass on to neighbours.

The formula is Okapi BM25 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework"). An answer often
stands beside the words that match the question, so scores reach over to the groups around.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from math import exp, log

K1, B = 1.2, 0.75
"""BM25's usual constants."""

# No measurement is on record for the numbers below, unless they name one.

_NEAR_TOKENS, _NEAR_SHARE = 40.0, 0.2
_FAR_TOKENS, _FAR_SHARE = 400.0, 0.2
"""Tokens over which a score reaches its neighbours, and the share they count for: a turn or two, and a passage of a
meeting. Without both chats lose .05, .04 and .05 (row "relevance of neighbours" of the ablation)."""

_PASSAGE_TOKENS, _PASSAGE_SHARE, _TURN_TOKENS = 800.0, 1.5, 12.0
"""Tokens around a group that are its passage, and what its score counts where groups are very short: it falls to 1/e
with so many tokens of the median group, for turns of a meeting say little one by one and long messages stand alone.
Without it chats lose .04, .05 and .03 (row "passages of short turns" of the ablation)."""


_FEW, _FEW_SHARE = 2, 0.05
"""A word tells which document is meant if no more have it than that, or than this share of them."""


def few(documents: int) -> int:
    """Return how many of some documents may have a word that still tells which one is meant."""
    return max(_FEW, int(_FEW_SHARE * documents))


def rarity(documents: int, having: int = 1) -> float:
    """Return the inverse document frequency of a term that some of the documents have."""
    return log(1.0 + (documents - having + 0.5) / (having + 0.5))


def idf_of(documents: Collection[Iterable[str]], of: int = 0) -> dict[str, float]:
    """Return the inverse document frequency of each term, from the distinct terms of ``of`` documents or more."""
    counts = Counter(chain.from_iterable(documents))
    size = max(of, len(documents))
    return {term: rarity(size, n) for term, n in counts.items()}


def bm25(documents: Sequence[Mapping[str, int]], query: Mapping[str, float], idf: Mapping[str, float]) -> list[float]:
    """Return how well each document (term counts) answers a query (term weights)."""
    lengths = [sum(document.values()) for document in documents]
    mean = (sum(lengths) / len(lengths) if lengths else 1.0) or 1.0
    wanted = {term: weight * idf[term] * (K1 + 1.0) for term, weight in query.items() if term in idf}
    scores: list[float] = []
    for document, length in zip(documents, lengths, strict=True):
        # not an intersection of sets: sums must not depend on its order, which differs from one process to the next
        shorter, other = (document, wanted) if len(document) < len(wanted) else (wanted, document)
        norm = K1 * (1.0 - B + B * length / mean)
        found = [(document[term], wanted[term]) for term in shorter if term in other]
        scores.append(sum([weight * count / (count + norm) for count, weight in found]))
    return scores


def with_neighbours(
    documents: Sequence[Mapping[str, int]], sizes: Sequence[int], query: Mapping[str, float], idf: Mapping[str, float]
) -> list[float]:
    """Return the score of each document, given its tokens, with what its neighbours and its passage add."""
    scores = bm25(documents, query, idf)
    near, far = proximity_scores(scores, sizes, _NEAR_TOKENS), proximity_scores(scores, sizes, _FAR_TOKENS)
    own = [
        score + _NEAR_SHARE * (beside - score) + _FAR_SHARE * (further - score)
        for score, beside, further in zip(scores, near, far, strict=True)
    ]
    passages = _passages(documents, sizes, query, idf)
    median = sorted(sizes)[len(sizes) // 2] if sizes else 0
    best, best_passage = max(own, default=0.0) or 1.0, max(passages, default=0.0) or 1.0
    share = _PASSAGE_SHARE * exp(-median / _TURN_TOKENS)
    return [score / best + share * passage / best_passage for score, passage in zip(own, passages, strict=True)]


def _passages(
    documents: Sequence[Mapping[str, int]], sizes: Sequence[int], query: Mapping[str, float], idf: Mapping[str, float]
) -> list[float]:
    """Return the BM25 score of what is within `_PASSAGE_TOKENS` of each document, middle to middle."""
    # terms that stand apart in single turns meet in the passage about their subject
    middle: list[float] = []
    end = 0.0
    for size in sizes:
        middle.append(end + size / 2.0)
        end += size
    postings: dict[str, list[tuple[int, int]]] = {term: [] for term in query if term in idf}
    for i, document in enumerate(documents):
        shorter, other = (document, postings) if len(document) < len(postings) else (postings, document)
        for term in [term for term in shorter if term in other]:
            postings[term].append((i, document[term]))
    change = [0.0] * (len(documents) + 1)  # of the score, from each group to the next
    for term, places in postings.items():
        weight = query[term] * idf[term] * (K1 + 1.0)
        counts: Counter[int] = Counter()
        for i, count in places:
            counts[bisect_left(middle, middle[i] - _PASSAGE_TOKENS)] += count
            counts[bisect_right(middle, middle[i] + _PASSAGE_TOKENS)] -= count
        total = 0
        before = 0.0
        for place, count in sorted(counts.items()):
            total += count
            now = weight * total / (total + K1)
            change[place] += now - before
            before = now
    return list(accumulate(change[:-1]))


def proximity_scores(scores: Sequence[float], sizes: Sequence[int], reach: float) -> list[float]:
    """Return each score plus those of its neighbours, which fall to 1/e over ``reach`` tokens."""
    out = list(scores)
    for order in (range(len(scores)), range(len(scores) - 1, -1, -1)):
        carried, before = 0.0, 0
        for i in order:
            carried *= exp(-(before + sizes[i]) / (2.0 * reach))
            out[i] += carried
            carried += scores[i]
            before = sizes[i]
    return out
