"""What a text is about, and how much that is what is asked: terms, weights, BM25, neighbourhood.

All of it is lexical and local. The formula is Okapi BM25 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance
Framework") with its usual constants, spread over neighbouring units, since an answer often stands beside the words
that match the question.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from math import exp, log

from .stems import finnish_stem, is_cyrillic, is_finnish, russian_stem

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

K1, B = 1.2, 0.75
"""BM25's usual constants."""


class _Terms(dict[str, tuple[str, ...]]):
    """Each written word and the terms it stands for; filled as words come, emptied before it grows too large.

    Args:
        stem: What makes the stem of a word in Latin letters.
    """

    _MAX = 400_000

    def __init__(self, stem: Callable[[str], str]) -> None:
        super().__init__()
        self._stem = stem

    def __missing__(self, word: str) -> tuple[str, ...]:
        if len(self) > self._MAX:
            self.clear()
        self[word] = found = tuple(_terms_of(word.lower(), self._stem))
        return found


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
    """The terms of a text in order: lower-case stems without stop words; ids whole and in parts.

    Example:
        >>> terms("The tests of user_42 are failing")
        ['test', 'user_42', 'user', 'fail']
    """
    return terms_of(written(text))


def written(text: str) -> list[str]:
    """The words of a text as they are written; ids are one word each."""
    return _WORD.findall(text)


def terms_of(words: Iterable[str]) -> list[str]:
    """The terms of the words of a line as `written` gives them."""
    words = list(words)
    known = _FINNISH if is_finnish(words) else _KNOWN
    return [term for word in words for term in known[word]]


_NAME = re.compile(r"\b[A-Z][\w’'-]{1,40}(?:[ ](?:(?:of|the|de|and|&|for|in|to)[ ]){0,2}[A-Z][\w’'-]{1,40}){1,5}")
_RULE = re.compile(
    r"\b(?:(?:you |we |it |must |should |please )?(?:always|never) "
    r"(?!been|had|seen|knew|thought|was|really|have|has)\w+"
    r"|from now on|make sure (?:to|that|you)|must not|(?:please |^|[.!;:] )do(?: not|n['’]t) \w+|at (?:most|least) \d"
    r"|no (?:more|less|later|earlier) than|deadline|only (?:use|if|when|ever)|not allowed|we (?:decided|agreed)"
    r"|(?:limit|budget|maximum|minimum) (?:is|of))\b",
    re.IGNORECASE,
)


_RULE_CUES = (
    *("always", "never", "from now on", "make sure", "must not", "do not", "don", "at most", "at least", "no more"),
    *("no less", "no later", "no earlier", "deadline", "only ", "not allowed", "we decided", "we agreed", "limit "),
    *("budget ", "maximum ", "minimum "),
)
"""One of these is in every rule: to look for them is ten times faster than for the whole pattern."""


def is_rule(text: str) -> bool:
    """Whether a text sounds like an instruction or a decision that stays in force.

    Example:
        >>> is_rule("Never deploy on Fridays."), is_rule("I deployed it on Friday.")
        (True, False)
    """
    lower = text.lower()
    return any(cue in lower for cue in _RULE_CUES) and _RULE.search(text) is not None


def names(text: str) -> list[str]:
    """Names of more than one word: of people, places, works, headings.

    Example:
        >>> names("She met Ada Lovelace at the University of Turin.")
        ['Ada Lovelace', 'University of Turin']
    """
    return list(dict.fromkeys(_NAME.findall(text)))


def facts(text: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The identifiers of a text, and its other numbers, without the names of fields.

    Example:
        >>> text = "address1: 763 Broadway, order #W2378156 of 2024-05-20"
        >>> facts(text, written(text))
        (['w2378156', '2024-05-20'], ['763'])
    """
    ids: dict[str, None] = {}
    numbers: dict[str, None] = {}
    for word in [word for word in words if not word.isalpha() or word.isupper()]:
        bare = word.lower()
        if bare.isalpha():
            if len(bare) > 4:
                ids[bare] = None
            continue
        digits = sum(map(str.isdigit, bare))
        if len(bare) < 3 or (digits < 2 and f"{word}: " in text):
            continue
        if is_identifier(bare):
            ids[bare] = None
        elif digits:
            numbers[bare] = None
    return list(ids), list(numbers)


def stem(word: str) -> str:
    """A word without its commonest English endings; both sides of a comparison get the same treatment.

    Example:
        >>> stem("running"), stem("runs"), stem("created"), stem("create"), stem("parties"), stem("party")
        ('run', 'run', 'creat', 'creat', 'parti', 'parti')
    """
    for ending in ("ingly", "edly", "ing", "ies", "ed", "ly", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + ("i" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 3 and word[-1] in "ey":
        return word[:-1] + ("i" if word[-1] == "y" else "")
    return word


_KNOWN = _Terms(stem)
_FINNISH = _Terms(finnish_stem)


def is_entity(term: str) -> bool:
    """Whether a term names one thing (an id, a number, a path, an address) and not a kind of thing."""
    return not term.isalpha() and len(term) > 2


_IDENTIFIER = re.compile(r"\d{6,}|\d{4}-\d\d-\d\d|(?=.*\d)(?=.*[^\d.,:%-]).{5,}", re.DOTALL)


def is_identifier(term: str) -> bool:
    """Whether a term is the key of one thing: letters and digits mixed, a long number, a date, an address, a path."""
    return "@" in term or "/" in term or _IDENTIFIER.fullmatch(term) is not None


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
