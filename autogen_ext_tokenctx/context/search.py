"""Looking for words in what left the views."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .archive import ContextArchive
from .passages import clip, passages
from .relevance import bm25, rarity, terms
from .units import split

_EXCERPT_CHARS = 240


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Something that left a view and answers a query.

    Args:
        handle: ``expand(handle)`` gives it back.
        excerpt: The line of it that answers best, with who said it.
        score: How well it answers; BM25.
    """

    handle: str
    excerpt: str
    score: float


def search(archive: ContextArchive, query: str, most: int) -> list[SearchHit]:
    """The originals in an archive that answer a query, best first, at most ``most``."""
    wanted = dict.fromkeys(terms(query), 1.0)
    handles = archive.handles()
    lines = [
        [
            f"{passage.label}: {line.text}"
            for unit in split(archive.get(h))
            for passage in passages(unit)
            for line in passage.lines
        ]
        for h in handles
    ]
    said = [Counter(terms("\n".join(found))) for found in lines]
    idf = rarity(said)
    scores = bm25(said, wanted, idf)
    best = sorted(range(len(handles)), key=lambda i: (-scores[i], i))[:most]
    return [
        SearchHit(
            handles[i], clip(max(lines[i], key=lambda line: _answers(line, wanted, idf)), _EXCERPT_CHARS), scores[i]
        )
        for i in best
        if scores[i] > 0.0
    ]


def _answers(line: str, wanted: dict[str, float], idf: dict[str, float]) -> float:
    return sum(idf.get(term, 0.0) for term in dict.fromkeys(terms(line)) if term in wanted)
