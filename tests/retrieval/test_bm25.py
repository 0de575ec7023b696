"""BM25, and what it passes on to neighbours: laws, whatever the constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autogen_ext_tokenctx.retrieval.bm25 import bm25, idf_of, proximity_scores, with_neighbours

TERMS = st.sampled_from(("pump", "valve", "relay", "gauge", "motor", "cable"))


def counted(terms: Sequence[str]) -> Counter[str]:
    return Counter(terms)


DOCUMENTS = st.lists(st.lists(TERMS, max_size=12).map(counted), min_size=1, max_size=8)
QUERIES = st.dictionaries(TERMS, st.floats(0.01, 2.0), max_size=4)
SCORES = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=10)
REACH = st.floats(5.0, 500.0)


def doc(text: str) -> Counter[str]:
    return Counter(text.split())


@given(DOCUMENTS, st.integers(0, 20))
def test_the_rarer_a_term_the_more_it_weighs_and_it_always_weighs_something(
    documents: list[Counter[str]], more: int
) -> None:
    having = Counter(term for document in documents for term in document)
    idf = idf_of(documents)
    assert idf.keys() == having.keys()
    assert all(weight > 0.0 for weight in idf.values())
    for one in idf:
        assert all((idf[one] > idf[other]) == (having[one] < having[other]) for other in idf)
    of_more = idf_of(documents, len(documents) + more)
    assert all((of_more[term] > idf[term]) == (more > 0) for term in idf)


@given(DOCUMENTS, QUERIES)
def test_a_score_is_positive_where_a_term_is_found_and_nothing_elsewhere(
    documents: list[Counter[str]], query: Mapping[str, float]
) -> None:
    scores = bm25(documents, query, idf_of(documents))
    assert [score > 0.0 for score in scores] == [not query.keys().isdisjoint(document) for document in documents]


@given(DOCUMENTS, QUERIES, TERMS, st.floats(0.01, 2.0))
def test_more_weight_for_a_term_raises_what_has_it_alone(
    documents: list[Counter[str]], query: Mapping[str, float], term: str, more: float
) -> None:
    idf = idf_of(documents)
    before = bm25(documents, query, idf)
    after = bm25(documents, {**query, term: query.get(term, 0.0) + more}, idf)
    for document, old, new in zip(documents, before, after, strict=True):
        assert new > old if term in document else new == pytest.approx(old)


@given(DOCUMENTS, QUERIES, QUERIES)
def test_scores_of_queries_add_up(
    documents: list[Counter[str]], query: Mapping[str, float], other: Mapping[str, float]
) -> None:
    assume(query.keys().isdisjoint(other))
    idf = idf_of(documents)
    parts = zip(bm25(documents, query, idf), bm25(documents, other, idf), strict=True)
    assert bm25(documents, {**query, **other}, idf) == pytest.approx([one + two for one, two in parts])


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("pump pump relay relay", "pump relay relay relay"),
        ("pump relay", "pump relay relay relay relay"),
        ("pump valve relay", "pump relay relay"),
        ("valve relay", "pump relay"),
    ],
    ids=["more often", "shorter", "both words", "the rarer word"],
)
def test_of_two_documents_that_answer_one_answers_better(better: str, worse: str) -> None:
    documents = [*map(doc, (better, worse)), doc("pump motor"), doc("pump cable"), doc("gauge")]
    scores = bm25(documents, {"pump": 1.0, "valve": 1.0}, idf_of(documents))
    assert scores[0] > scores[1] > 0.0


def test_nothing_has_no_score() -> None:
    assert bm25([], {"pump": 1.0}, {}) == []
    assert bm25([doc(""), doc("")], {"pump": 1.0}, {"pump": 1.0}) == [0.0, 0.0]
    assert with_neighbours([], [], {"pump": 1.0}, {}) == []
    assert with_neighbours([doc("valve")], [10], {"pump": 1.0}, {}) == [0.0]


@given(SCORES, REACH, st.integers(1, 300))
def test_a_score_reaches_both_ways_and_falls_with_the_distance(scores: list[float], reach: float, tokens: int) -> None:
    sizes = [tokens] * len(scores)
    found = proximity_scores(scores, sizes, reach)
    assert found[::-1] == pytest.approx(proximity_scores(scores[::-1], sizes, reach))
    assert all(new >= old for new, old in zip(found, scores, strict=True))
    alone = proximity_scores([0.0, 0.0, 1.0, 0.0, 0.0], [tokens] * 5, reach)
    assert 0.0 <= alone[0] < alone[1] < alone[2] == 1.0
    assert alone == pytest.approx(alone[::-1])


@given(SCORES, REACH, st.integers(1, 300))
def test_a_longer_reach_reaches_more(scores: list[float], reach: float, tokens: int) -> None:
    sizes = [tokens] * len(scores)
    near, far = (proximity_scores(scores, sizes, length) for length in (reach, 2 * reach))
    assert all(further >= nearer for nearer, further in zip(near, far, strict=True))


def beside(size: int, distance: int, count: int = 60) -> list[float]:
    """What stands around a document that alone answers, of documents of one size, from the nearest on."""
    documents = [doc(f"word{number} other") for number in range(count)]
    documents[0] = doc("pump")
    scores = with_neighbours(documents, [size] * count, {"pump": 1.0}, idf_of(documents))
    return [score / scores[0] for score in scores[: distance + 1]]


@pytest.mark.parametrize("size", [5, 12, 60, 400])
def test_what_stands_beside_an_answer_counts_less_than_it_and_more_than_what_is_far(size: int) -> None:
    scores = beside(size, 59)
    assert scores[0] > scores[1] >= scores[59] >= 0.0
    assert scores == sorted(scores, reverse=True)


def test_short_turns_share_a_passage_and_long_messages_stand_alone() -> None:
    assert beside(5, 1)[1] > beside(60, 1)[1] > beside(400, 1)[1]
    assert beside(5, 1)[1] > 0.5
    assert beside(400, 1)[1] < 0.2


def test_a_score_reaches_over_a_few_messages_that_are_neither_short_nor_long() -> None:
    assert beside(100, 4)[4] > 0.02


def test_a_passage_ends() -> None:
    """Of short turns, those of the passage count, and not all that come after it."""
    scores = beside(5, 999, count=1_000)
    assert scores[100] > 0.3 * scores[1]
    assert scores[500] < 0.01
    backwards = [doc("pump"), *[doc(f"word{number}") for number in range(999)]][::-1]
    found = with_neighbours(backwards, [5] * 1_000, {"pump": 1.0}, idf_of(backwards))
    assert [score / found[-1] for score in found[::-1]] == pytest.approx(scores, abs=1e-6)


def test_terms_that_stand_apart_meet_in_their_passage() -> None:
    """Two turns with a word each, near each other, are a better place than two that are far apart."""

    def best(distance: int) -> float:
        documents = [doc(f"word{number}") for number in range(600)]
        documents[100], documents[100 + distance] = doc("pump"), doc("valve")
        documents[400] = doc("pump")  # a single word elsewhere sets the measure
        query = {"pump": 1.0, "valve": 1.0}
        scores = with_neighbours(documents, [5] * 600, query, idf_of(documents))
        return scores[100] / scores[400]

    assert best(20) > best(450)


@given(DOCUMENTS, QUERIES, st.integers(1, 200))
def test_no_score_with_neighbours_is_below_zero(
    documents: list[Counter[str]], query: Mapping[str, float], size: int
) -> None:
    scores = with_neighbours(documents, [size] * len(documents), query, idf_of(documents))
    assert all(score >= -1e-9 for score in scores)
    assert any(scores) == any(not query.keys().isdisjoint(document) for document in documents)
