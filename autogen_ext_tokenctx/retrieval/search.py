"""Looking for words in what left the views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..display import clip
from ..errors import UnknownHandleError
from ..messages.archive import ContextArchive
from ..messages.pages import PageLine, page_lines
from .bm25 import bm25, idf_of
from .terms import terms

# No measurement is on record for the numbers below, unless they name one.

_HEAD_CHARS = 90
"""What an excerpt has of who said it."""

_AROUND = 2
"""A hit's range has so many lines before and after the best one: enough to see what it is about."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Something that left a view and answers a query.

    Args:
        handle: ``expand(handle)`` gives it back.
        excerpt: The line of it that answers best, with who said it.
        score: How well it answers; BM25.
        first: Number of the first line around that one, from 1, as ``expand_context`` counts them.
        last: Number of the last line around it.
        total: How many lines there are under the handle.
    """

    handle: str
    excerpt: str
    score: float
    first: int = 1
    last: int = 1
    total: int = 1


def search(archive: ContextArchive, query: str, most: int) -> list[SearchHit]:
    """Return the originals in an archive that answer a query, best first, at most ``most``."""
    wanted = dict.fromkeys(terms(query), 1.0)
    kept = _lines_in(archive)
    handles, lines = list(kept), list(kept.values())
    # what was expanded or found before is looked for where it stands, not in the results of these tools
    texts = [["" if line.found else f"{line.head} {line.text}" for line in found] for found in lines]
    said = [Counter(terms("\n".join(found))) for found in texts]
    idf = idf_of(said)
    scores = bm25(said, wanted, idf)
    best = sorted(range(len(handles)), key=lambda i: (-scores[i], i))[:most]
    return [_hit(handles[i], lines[i], texts[i], wanted, idf, scores[i]) for i in best if scores[i] > 0.0]


def _lines_in(archive: ContextArchive) -> dict[str, list[PageLine]]:
    """Return the lines of all originals, by handle; what a store does not give back is passed over."""
    found: dict[str, list[PageLine]] = {}
    for handle in archive.handles():
        with suppress(UnknownHandleError):
            found[handle] = page_lines(archive.get(handle))
    return found


def _hit(
    handle: str,
    lines: Sequence[PageLine],
    texts: Sequence[str],
    wanted: Mapping[str, float],
    idf: Mapping[str, float],
    score: float,
) -> SearchHit:
    best = max(range(len(lines)), key=lambda i: (_answers(texts[i], wanted, idf), -i))
    around = range(max(0, best - _AROUND), min(len(lines), best + _AROUND + 1))
    same = [i + 1 for i in around if lines[i].part == lines[best].part]
    excerpt = f"{clip(lines[best].head, _HEAD_CHARS)} {lines[best].text.strip()}"
    return SearchHit(handle, excerpt, score, same[0], same[-1], len(lines))


def _answers(line: str, wanted: Mapping[str, float], idf: Mapping[str, float]) -> float:
    return sum(idf.get(term, 0.0) for term in dict.fromkeys(terms(line)) if term in wanted)
