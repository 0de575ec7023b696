"""What of a text is compared with a query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.retrieval.terms import is_entity, is_identifier, stem, terms, terms_of, written


@pytest.mark.parametrize(
    "forms",
    [
        "test tests tested testing",
        "deploy deploys deployed deploying",
        "run runs running",
        "create creates created creating",
        "party parties",
        "class classes",
        "process processes processed processing",
        "watch watches watched watching",
        "valve valves",
        "Ann Ann's ANN ann’s",
        "don't don’t Don't",
    ],
)
def test_forms_of_a_word_are_one_term(forms: str) -> None:
    assert len({tuple(terms(form)) for form in forms.split()}) == 1


@pytest.mark.parametrize("words", ["class clad", "gas glass", "pas pass", "bus busy", "red reed", "ring rung"])
def test_different_words_are_different_terms(words: str) -> None:
    one, other = words.split()
    assert terms(one) != terms(other)


@pytest.mark.parametrize("text", ["", "  ", "the of and", "What is it?", "It's just that, thank you.", "...", "---"])
def test_words_that_are_in_every_text_are_no_terms(text: str) -> None:
    assert terms(text) == []


@pytest.mark.parametrize(
    ("text", "whole", "parts"),
    [
        ("user_42", "user_42", ["user"]),
        ("src/parser.py", "src/parser.py", ["src", "parser"]),
        ("ann@example.org", "ann@example.org", ["ann", "example", "org"]),
        ("get_the_users", "get_the_users", ["get_the_users", "users"]),
        ("2024-05-17", "2024-05-17", ["2024"]),
        ("W4817", "w4817", []),
        ("well-known", "well-known", ["known"]),
    ],
)
def test_an_id_is_found_whole_and_by_its_parts(text: str, whole: str, parts: list[str]) -> None:
    found = terms(f"See {text}.")
    assert whole in found
    assert {term for part in parts for term in terms(part)} <= set(found)
    assert not any(len(term) <= 2 for term in found)
    assert "the" not in found


@pytest.mark.parametrize("text", ["日本語の文章", "数据库连接失败", "서울"])
def test_scripts_without_blanks_are_pairs_of_characters(text: str) -> None:
    pairs = [text[number : number + 2] for number in range(len(text) - 1)]
    assert terms(text) == pairs
    assert terms(f"x {text}")[-len(pairs) :] == pairs
    assert terms(text[0]) == [text[0]]


def test_a_line_in_finnish_has_finnish_stems() -> None:
    """The same word alone, and in a line of its language, where its forms find each other."""
    assert set(terms("Onko sopimuksen hinta nyt oikein?")) & set(terms("Mikä on sopimus ja sen hinta?")) >= set(
        terms("hinta")
    )
    one, other = terms("sopimuksen hinta on nyt tässä"), terms("sopimuksia ja hinta ovat nyt tässä")
    assert one[0] == other[0]


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_terms_of_two_texts_are_those_of_each_apart_from_case(one: str, other: str) -> None:
    assert terms(one) == terms_of(written(one))
    assert written(f"{one}\n{other}") == written(one) + written(other)
    assert all(term for term in terms(one))


@given(st.text(alphabet=st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=12))
def test_a_stem_is_a_beginning_of_its_word_but_for_a_y(word: str) -> None:
    found = stem(word)
    assert found
    assert word.startswith(found) or (found.endswith("i") and word.startswith(found[:-1]))


@pytest.mark.parametrize(
    ("term", "entity", "identifier"),
    [
        ("pump", False, False),
        ("12", False, False),
        ("4a", False, False),
        ("763", True, False),
        ("19.90", True, False),
        ("12,500", True, False),
        ("well-known", True, False),
        ("123456", True, True),
        ("12345", True, False),
        ("2024-05-17", True, True),
        ("2024-05-17t09:30:00", True, False),  # a moment of a log
        ("w4817", True, True),
        ("w481", True, False),
        ("ann@example.org", True, True),
        ("a@b", True, True),
        ("src/parser", True, True),
    ],
)
def test_what_names_one_thing_and_what_is_its_key(term: str, entity: bool, identifier: bool) -> None:
    assert (is_entity(term), is_identifier(term)) == (entity, identifier)
