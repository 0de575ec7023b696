"""The estimate holds its promise on every kind of text, and shows by how much."""

import random
import statistics
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.tokens.encodings import count_tokens, load_encoding
from autogen_ext_tokenctx.tokens.estimate import byte_length, estimate_tokens

from ..support.work import growth
from .corpora import REQUIRED, chunks, corpora

CORPORA = corpora()
ANY_TEXT = st.text(st.characters())  # lone surrogates included


def real_tokens(text: str) -> int:
    encodings = [load_encoding(name) for name in ("o200k_base", "cl100k_base")]
    return max(count_tokens(encoding, text) for encoding in encodings if encoding is not None)


@cache
def ratios(kind: str) -> list[float]:
    return [estimate_tokens(chunk) / real_tokens(chunk) for chunk in chunks(CORPORA[kind], 150, seed=5)]


@pytest.mark.parametrize("kind", REQUIRED)
def test_no_chunk_is_undercounted_by_more_than_a_tenth(kind: str) -> None:
    assert min(ratios(kind)) >= 0.9


@pytest.mark.parametrize("kind", REQUIRED)
def test_a_kind_is_not_overcounted_by_more_than_a_third_on_average(kind: str) -> None:
    assert statistics.mean(ratios(kind)) <= 1.33


def test_table_of_errors() -> None:
    rows = {kind: ratios(kind) for kind in CORPORA}
    print("\nkind         min   mean  max")
    for kind, values in rows.items():
        print(f"{kind:<12} {min(values):.2f}  {statistics.mean(values):.2f}  {max(values):.2f}")
    assert all(min(values) > 0.85 for values in rows.values())


@given(ANY_TEXT)
def test_between_nothing_and_the_bytes(text: str) -> None:
    assert (0 if not text else 1) <= estimate_tokens(text) <= byte_length(text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb" * 100, "\x00\x07", "\u200b" * 50, "<|endoftext|>"])
def test_odd_text_never_raises(text: str) -> None:
    assert 0 < estimate_tokens(text) <= byte_length(text)


@pytest.mark.parametrize(
    "text",
    [
        " " * 200_000,
        "x" * 200_000,
        (" " * 999 + "x") * 200,
        CORPORA["code"][:100_000] * 2,
        "".join(random.Random(1).choices("abcdef \n.,ABC01é中", k=200_000)),
    ],
    ids=["spaces", "one letter", "gaps", "code", "noise"],
)
def test_the_time_it_takes_grows_with_the_text_only(text: str) -> None:
    assert 0 < estimate_tokens(text) <= byte_length(text)
    assert growth(lambda size: estimate_tokens(text[:size]), 50_000) < 8
