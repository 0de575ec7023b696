"""What the inflected forms of a word share, in languages where they share little of what is written."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import cache
from math import inf
from threading import Lock
from typing import Any, Protocol, TypeVar, cast

_logger = logging.getLogger(__name__)

_CYRILLIC = re.compile(r"[\u0400-\u04ff]")

_FINNISH_WORD = re.compile(
    r"[a-zäö]*(?:[äö]|aa|ii|uu|kk)[a-zäö]*|[a-z]{3,}(?:ssa|sta|lla|lta|lle|ksi|inen|uksen|isen|iden|jen|vat|ttu)"
    r"|joka|kuka|jos|kun|tai|oli|ovat|mutta|minun|sinun|hinta|eli|nyt|vain|kanssa"
)
"""How most words of a Finnish sentence look, and few of any other."""

_NOT_FINNISH = re.compile(
    r"\w*[üßåéèçñğışőűáíóúõ]\w*|der|die|das|den|und|ist|nicht|ein|eine|wir|ich|sie|och|att|det|som|inte|jag|the|and"
)
"""What lines of its neighbours have, German and Swedish before all, whose words have the same letters."""

_FINNISH_SHARE = 0.2
"""More than this share of the words of a line look so: in 12 of 12 short sentences, and 1 of 1,000 lines of English."""

_FINNISH_LETTERS = 6
"""A stem is cut to so many letters. What the stemmer leaves differs behind that (``sopimus``, ``sopimuks``).

Of 25 words in some 8 forms each, this lets .80 of all pairs of forms find each other; whole stems .66, 5-grams .72.
"""

_MOST_LETTERS = 40
"""Longer words are none."""

_lock = Lock()
"""A stemmer holds the word that it works on."""


_MAX_WORDS = 400_000
"""Words whose terms are remembered: some 60 MB."""

_Found = TypeVar("_Found")


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


class Remembered(dict[str, _Found]):
    """What a function gives for words; emptied when too large."""

    def __init__(self, function: Callable[[str], _Found]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, word: str) -> _Found:
        if len(self) > _MAX_WORDS:
            self.clear()
        self[word] = found = self._function(word)
        return found


def is_cyrillic(word: str) -> bool:
    """Return whether a word is written in Cyrillic letters."""
    return _CYRILLIC.search(word) is not None


def is_finnish(words: Iterable[str]) -> bool:
    """Return whether the words of a line are Finnish, as far as can be seen from them."""
    found = [_looks_finnish(word) for word in words if word.isalpha()]
    return sum(found) > _FINNISH_SHARE * len(found)


def russian_stem(word: str) -> str:
    """Return a word in lower case without its Russian endings."""
    return _stem("russian", word.replace("ё", "е"))


def finnish_stem(word: str) -> str:
    """Return a word in lower case without its Finnish endings."""
    stem = _stem("finnish", word)
    return (f"{stem[:-2]}s" if stem.endswith("ks") else stem)[:_FINNISH_LETTERS]  # tilaus, tilaukset


@cache
def _stemmer(language: str) -> _Stemmer | None:
    try:
        import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        _logger.warning("inflected words of %s do not find each other; pip install snowballstemmer", language)
        return None
    return cast(_Stemmer, cast(Any, snowballstemmer).stemmer(language))


def _stem(language: str, word: str) -> str:
    stemmer = _stemmer(language)
    if stemmer is None or len(word) > _MOST_LETTERS:
        return word
    with _lock:
        return stemmer.stemWord(word)


def _looks(word: str) -> float:
    """Return 1 for a word that looks Finnish, 0 for one that does not, and a lot less for one that is not."""
    lower = word.lower()
    if len(word) > _MOST_LETTERS:
        return 0.0
    if _NOT_FINNISH.fullmatch(lower):
        return -inf
    return float(_FINNISH_WORD.fullmatch(lower) is not None)


_looks_finnish = Remembered(_looks).__getitem__
