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


def rarity(documents: Collection[Iterable[str]], of: int = 0) -> dict[str, float]:
    """BM25's inverse document frequency of each term, from the distinct terms of each document.

    Args:
        documents: The distinct terms of each document.
        of: How many there are, if these are only those that have any of the terms that matter.
    """
    counts = Counter(chain.from_iterable(documents))
    size = max(of, len(documents))
    return {term: log(1.0 + (size - n + 0.5) / (n + 0.5)) for term, n in counts.items()}


def bm25(documents: Sequence[Mapping[str, int]], query: Mapping[str, float], idf: Mapping[str, float]) -> list[float]:
    """How well each document (term counts) answers a query (term weights)."""
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


def around(
    documents: Sequence[Mapping[str, int]],
    sizes: Sequence[int],
    query: Mapping[str, float],
    idf: Mapping[str, float],
    reach: float,
) -> list[float]:
    """How well the text around each document answers a query: BM25 of what stands within some tokens of it.

    Terms that stand apart in single turns meet in the passage about their subject, and it counts more that there are
    several of them than that one is said often.

    Args:
        documents: Term counts of each unit, in order.
        sizes: Tokens of each.
        query: Term weights.
        idf: Rarity of the terms.
        reach: Tokens from the middle of a unit to the middle of what still counts as being around it.
    """
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
    change = [0.0] * (len(documents) + 1)  # of the score, from each unit to the next
    for term, places in postings.items():
        weight = query[term] * idf[term] * (K1 + 1.0)
        counts: Counter[int] = Counter()
        for i, count in places:
            counts[bisect_left(middle, middle[i] - reach)] += count
            counts[bisect_right(middle, middle[i] + reach)] -= count
        said = 0
        before = 0.0
        for place, count in sorted(counts.items()):
            said += count
            now = weight * said / (said + K1)
            change[place] += now - before
            before = now
    return list(accumulate(change[:-1]))


def spread(scores: Sequence[float], sizes: Sequence[int], reach: float) -> list[float]:
    """Each score plus what comes over from its neighbours, halved (and more) with every ``reach`` tokens between them.

    Args:
        scores: One score a unit.
        sizes: Tokens of each unit.
        reach: Tokens over which a neighbour's score falls to 1/e.
    """
    out = list(scores)
    for order in (range(len(scores)), range(len(scores) - 1, -1, -1)):
        carried, before = 0.0, 0
        for i in order:
            carried *= exp(-(before + sizes[i]) / (2.0 * reach))
            out[i] += carried
            carried += scores[i]
            before = sizes[i]
    return out
