"""Terms: what of a text is compared with a query, in lower case and without inflection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from .stems import Remembered, finnish_stem, is_cyrillic, is_finnish, russian_stem

_WORD = re.compile(r"[^\W_]+(?:[_@.#/:'’-]+[^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")

_STOP = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between both but
    by can could did do does doing done down during each few for from further get go going had has have having he her
    here hers him his how i if in into is it its it's just let like me more most my no nor not now of off ok okay on
    once only or other our out over own please same she should so some such than thank thanks that that's the their
    them then there these they this those through to too under until up us very was we well were what when where which
    while who whom why will with would yeah yes you your""".split()
)


def _terms_of(word: str, latin: Callable[[str], str]) -> Iterable[str]:
    stem = russian_stem if is_cyrillic(word) else latin
    if _WIDE.search(word):  # no blanks between words there: pairs of characters do as well
        yield from (word[i : i + 2] for i in range(max(1, len(word) - 1)))
        return
    if word in _STOP:
        return
    if word.isalpha():
        yield stem(word)
        return
    bare = word.replace("’", "'")
    if bare.endswith("'s") or ("'" in bare and bare.replace("'", "").isalpha()):
        yield stem(bare.split("'")[0])
        return
    yield bare
    if not bare.isalnum():
        yield from (stem(part) for part in _PART.findall(bare) if len(part) > 2 and part not in _STOP)


def terms(text: str) -> list[str]:
    """Return the terms of a text in order: lower-case stems without stop words; ids whole and in parts."""
    return terms_of(written(text))


def written(text: str) -> list[str]:
    """Return the words of a text as they are written; ids are one word each."""
    return _WORD.findall(text)


def terms_of(words: Iterable[str]) -> list[str]:
    """Return the terms of the words of a line as `written` gives them."""
    words = list(words)
    known = _FINNISH if is_finnish(words) else _KNOWN
    return [term for word in words for term in known[word]]


def stem(word: str) -> str:
    """Return a word without its commonest English endings; both sides of a comparison get the same treatment."""
    for ending in ("ingly", "edly", "ing", "ies", "ed", "ly", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + ("i" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 3 and word[-1] in "ey":
        return word[:-1] + ("i" if word[-1] == "y" else "")
    return word


_KNOWN = Remembered(lambda word: tuple(_terms_of(word.lower(), stem)))
_FINNISH = Remembered(lambda word: tuple(_terms_of(word.lower(), finnish_stem)))


def is_entity(term: str) -> bool:
    """Return whether a term names one thing (an id, a number, a path, an address) and not a kind of thing."""
    return not term.isalpha() and len(term) > 2


_IDENTIFIER = re.compile(r"\d{6,}|\d{4}-\d\d-\d\d|(?=.*\d)(?=.*[^\d.,:%-]).{5,}", re.DOTALL)

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dt\d\d:\d\d")
"""A day is what a booking is made for; by a moment nothing is called, and every line of a log has one. As identifiers
they fill views with logs: of planted wishes .67 are kept at 30 % without, .56 with them."""


def is_identifier(term: str) -> bool:
    """Return whether a term is the key of one thing: letters with digits, a long number, a day, an address, a path."""
    is_key = "@" in term or "/" in term or _IDENTIFIER.fullmatch(term) is not None
    return is_key and _MOMENT.match(term) is None
