"""Relevance by meaning, beside that by words: what answers a question in other words than its own.

Words find names, ids and numbers, vectors what was said differently. Texts are weighed on two scales: one turn of a
chat may be the answer, or a whole passage of a meeting of which no single turn says what it is about. The vector of a
passage is the mean of its turns' vectors, which costs no second embedding (measured as good as one of the passage).
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..messages.groups import MessageGroup
from ..warn import warn
from .embedding import Embedder
from .features import GroupFeatures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# No measurement is on record for the numbers below, unless they name one.

_SHARE = 0.5
"""Share of relevance by meaning when a full question was just asked; it falls with the doubt about what is asked."""

_OWN = 0.4
"""Share of a text's own similarity; the rest is that of the passage around it."""

_PASSAGE_TOKENS = 400.0
"""How far, in tokens, a passage reaches: a neighbour so far away counts 1/e. As for words (`bm25`)."""

_FEW_TERMS = 5
"""Texts of fewer terms say nothing by themselves."""

_READ_CHARS = 2_000
"""What is given of a text: an embedder reads no more than some hundred tokens."""

_BLOCK = 32
"""Texts in one call of an embedder by `SemanticIndex.learn`: about half a second of a small model on one core."""

_SIZE = 20_000
"""Vectors that are remembered, those used last; one of MiniLM takes 1.5 KB."""


def blended(
    index: SemanticIndex,
    by_words: list[float],
    question: str,
    groups: Sequence[MessageGroup],
    profiles: Sequence[GroupFeatures],
    ambiguity: float,
) -> list[float]:
    """Return the scores of groups by words with those by meaning, on the same scale."""
    share = _SHARE * (1.0 - ambiguity)
    best = max(by_words, default=0.0)
    if share < 0.01 or best <= 0.0:
        return by_words
    found = index.relevance(question, texts_of(groups, profiles), [profile.tokens for profile in profiles])
    if found is None:
        return by_words
    return [(1.0 - share) * score + share * best * near for score, near in zip(by_words, found, strict=True)]


def texts_of(groups: Sequence[MessageGroup], profiles: Sequence[GroupFeatures]) -> list[tuple[Hashable, str]]:
    """Return what is embedded of groups, each with its key."""
    return [(group.key, _text(profile)) for group, profile in zip(groups, profiles, strict=True)]


def _text(profile: GroupFeatures) -> str:
    if len(profile.distinct) < _FEW_TERMS:
        return ""
    parts: list[str] = []
    max_chars = _READ_CHARS
    for passage in profile.passages:
        if passage.slot.kind == "result":
            parts.append(passage.label)
        for line in passage.lines:
            parts.append(line.text)
            max_chars -= len(line.text)
            if max_chars < 0:
                return "\n".join(parts)
    return "\n".join(parts)


class SemanticIndex:
    """Remembers the vectors of texts, each with a key that is equal for equal texts only; blank texts have none."""

    # An embedder that raises, or gives anything but one finite vector of the same length for each text, is given up
    # with one warning; `relevance` is None from then on, and its caller goes on with words alone.

    def __init__(self, embedder: Embedder, *, size: int = _SIZE) -> None:
        self._embedder = embedder
        self._size = size
        self._known: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()
        self._width = 0
        self._failed = False
        self._one_at_a_time = threading.Lock()

    def relevance(self, query: str, texts: Sequence[tuple[Hashable, str]], sizes: Sequence[int]) -> list[float] | None:
        """Return how much each text of a history, given its tokens, and its passage are about a query, from 0 to 1."""
        if not query.strip():
            return None
        if not texts:
            return []
        found, missing = self._look_up(query, texts)
        made = self._guarded(missing) if missing else {}
        if made is None or self._failed:
            return None
        import numpy as np

        found.update(made)
        self._remember(found)
        asked = found[_key(query)]
        blank = np.zeros_like(asked)
        rows = np.stack([found[key] if text.strip() else blank for key, text in texts])
        there = (rows * rows).sum(axis=1) > 0.0
        if not there.any():
            return [0.0] * len(texts)
        own = _above_mean(rows @ asked, there)
        own[~there] = 0.0  # a blank text has the relevance of its passage
        return (_OWN * own + (1.0 - _OWN) * _above_mean(_passages(rows, sizes) @ asked, there)).tolist()

    async def learn(self, query: str, texts: Sequence[tuple[Hashable, str]]) -> None:
        """Embed what is not known yet in a worker thread, so that the event loop goes on meanwhile."""
        if not query.strip() or self._failed:
            return
        missing = list(self._look_up(query, texts)[1].items())
        for start in range(0, len(missing), _BLOCK):
            made = await asyncio.to_thread(self._guarded, dict(missing[start : start + _BLOCK]))
            if made is None:
                return
            self._remember(made)

    def _look_up(
        self, query: str, texts: Sequence[tuple[Hashable, str]]
    ) -> tuple[dict[Hashable, NDArray[np.float32]], dict[Hashable, str]]:
        """Return what is known of the vectors wanted, and the texts of the others."""
        wanted = {_key(query): query, **{key: text for key, text in texts if text.strip()}}
        known = {key: self._known.get(key) for key in wanted}
        found = {key: vector for key, vector in known.items() if vector is not None}
        return found, {key: text for key, text in wanted.items() if key not in found}

    def _remember(self, vectors: Mapping[Hashable, NDArray[np.float32]]) -> None:
        for key, vector in vectors.items():
            self._known.pop(key, None)
            self._known[key] = vector
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    def _guarded(self, texts: Mapping[Hashable, str]) -> dict[Hashable, NDArray[np.float32]] | None:
        """Return vectors of length 1; None, with one warning, when they cannot be had."""
        if self._failed:
            return None
        try:
            with self._one_at_a_time:
                return self._embed(texts)
        except Exception as error:  # an agent must not die because a text could not be embedded
            if not self._failed:
                self._failed = True
                self._known.clear()
                warn(
                    f"the embedder {type(self._embedder).__name__} failed ({error!r}); relevance is by words alone "
                    "from now on. Fix the embedder or leave it out.",
                    RuntimeWarning,
                )
            return None

    def _embed(self, texts: Mapping[Hashable, str]) -> dict[Hashable, NDArray[np.float32]]:
        import numpy as np

        given = self._embedder.embed(list(texts.values()))
        rows = np.asarray(given, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[0] != len(texts) or not rows.shape[1]:
            raise ValueError(f"{len(texts)} texts gave vectors of the shape {rows.shape}")
        if self._width and rows.shape[1] != self._width:
            raise ValueError(f"a vector had {self._width} numbers before and has {rows.shape[1]} now")
        if not np.isfinite(rows).all():
            raise ValueError("a vector holds what is not a finite number")
        self._width = rows.shape[1]
        largest = np.abs(rows).max(axis=1, keepdims=True)  # first by the largest, or squares might overflow
        rows = rows / np.where(largest > 0.0, largest, 1.0)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(lengths > 0.0, lengths, 1.0)
        return dict(zip(texts, rows.astype(np.float32), strict=True))


def _key(query: str) -> Hashable:
    return ("asked", query)


def _above_mean(values: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return values from 0 for the mean of those that are there, and below it, to 1 for the best of them."""
    above = (values - values[there].mean()).clip(0.0)
    best = above[there].max()
    # a history of one kind has no best: what floating point makes of equal numbers must not become one
    return (above / best).clip(0.0, 1.0) if best > 1e-6 else above * 0.0


def _passages(rows: NDArray[np.float32], sizes: Sequence[int]) -> NDArray[np.float32]:
    """Return the vector of the passage around each text: the mean of its neighbours by tokens, nearer ones more."""
    import numpy as np

    weighted = rows * np.asarray(sizes, dtype=np.float32)[:, None]
    out = np.array(weighted)
    for order in (range(len(rows)), range(len(rows) - 1, -1, -1)):
        carried, before = np.zeros_like(rows[0]), 0
        for i in order:
            carried = carried * np.exp(-(before + sizes[i]) / (2.0 * _PASSAGE_TOKENS), dtype=np.float32)
            out[i] += carried
            carried = carried + weighted[i]
            before = sizes[i]
    lengths = np.linalg.norm(out, axis=1, keepdims=True)
    return (out / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)
