"""How many tokens a text has, estimated from the classes of its characters: no rank file, no network."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


class _Class(NamedTuple):
    """A kind of piece that OpenAI's pre-tokenizers make: tokens of a piece, and of each character after the first."""

    pattern: str
    piece: float
    included: int = 0
    further: float = 0.0


_MARK = r"[!-/:-@\[-`{-~]"
# Piece and further tokens: fitted by linear programming, the smallest mean overcount for which chunks of 60 to 2,000
# characters are not below a share of the larger of the o200k_base and cl100k_base counts: 1.0 for English text, code,
# data and logs (other seeds and files than the tests'), 0.92 for other scripts, 0.82 for five more European languages,
# less for random letters. Tokens for long runs were set by hand. The first class that fits takes the piece.
_CLASSES = {
    "hex": _Class(r"(?<=[0-9])(?:[a-f]+|[A-F]+)(?![A-Za-z])", 1.3),
    "mixed": _Class(r"(?<=[0-9])[A-Z]?[a-z]+|(?<=[a-z0-9])[A-Z]+(?![a-z])", 1.4, 2, 0.08),  # base64, identifiers
    "capitals": _Class(r" ?[A-Z]+(?![a-z])", 1.25, 3, 0.18),
    "word_after_space": _Class(r" [a-z]+", 0.89, 5, 0.22),
    "name_after_space": _Class(r" [A-Z][a-z]+", 1.16, 5, 0.37),
    "word": _Class(r"[A-Z]?[a-z]+", 0.77, 5, 0.14),
    "digits": _Class(r"[0-9]{1,3}", 1.02),
    "marks": _Class(rf" ?(?P<a>{_MARK})(?P=a)*(?:(?P<b>{_MARK})(?P=b)*)?[\r\n]*", 1.12, 16, 0.03),
    "lines": _Class(r"\s*[\r\n]+|\t+", 0.0, 4, 0.0625),  # a single one mostly belongs to the piece before it
    "foreign": _Class(r" ?[^\x00-\x7f]", 0.0),  # see _foreign_tokens
    "spaces": _Class(r"\s+(?!\S)|\s", 0.93, 16, 0.014),
    "control": _Class(r"[\x00-\x7f]", 1.0),
}
_PIECE = re.compile("|".join(f"(?P<{name}>{kind.pattern})" for name, kind in _CLASSES.items()))

# Each letter or cluster of consonants that is seldom in a word of a language, so that the word is several tokens.
_RARE = re.compile(r"[jqxz]|[bcdfghklmnprstvw]{4}", re.IGNORECASE)

# Characters that a neighbour is mostly put together with, whole words where a language is well known: what one costs on
# average in the larger of the two counts, set by hand from sentences, the ones in tests/tokens/corpora.py. Any other
# character costs what it does alone: over the sentences of 23 languages that is 0.92 to 1.16 of the real counts.
_MERGED = (
    (0x430, 0x45F, 0.45),  # Cyrillic, lower case
    (0x621, 0x652, 0.65),  # Arabic
    (0x1F300, 0x1FAFF, 2.75),  # emoji
)


# The larger of the o200k_base and cl100k_base counts of each character from U+0080 to U+FFFF, two bits each, packed by
# zlib. Made from the rank files of tiktoken; they do not change.
_COUNTS = zlib.decompress(Path(__file__).with_name("character_tokens.zlib").read_bytes())


def estimate_tokens(text: str) -> int:
    """Return the tokens of a text, estimated on the high side from its character classes; 0 for none."""
    # One regular expression cuts the text into pieces much like OpenAI's pre-tokenizers do; each kind of piece has a
    # price in tokens. Aimed at is the larger of the o200k_base and cl100k_base counts. The time is linear in the text.
    # How far off it is, kind by kind: python -m pytest tests/tokens/test_estimate.py -k table -s. The classes were
    # chosen with that table in view. On 4,000 chunks of 137 other files of the standard library 6 were undercounted by
    # more than a tenth (by 21 % at most); the whole files came out 4 to 28 % high.
    #
    # Of the first 64 characters, each costs more: short texts scatter more than long ones. Both prices were fitted with
    # those of the classes.
    total = 1.56 * min(len(text) / 32, 2) + 1.16 * len(_RARE.findall(text))
    for match in _PIECE.finditer(text):
        kind, piece = match.lastgroup or "", match[0]
        if kind == "foreign":
            total += _foreign_tokens(piece)
        else:
            _, tokens, included, further = _CLASSES[kind]
            total += tokens + further * max(0, len(piece) - included)
    return min(max(round(total), 1), byte_length(text))  # any character is a token or a part of one


def byte_length(text: str) -> int:
    """Return the UTF-8 bytes of a text, the upper bound of its tokens in any byte-pair encoding."""
    # A lone surrogate counts three bytes, as the U+FFFD that tiktoken puts in its place.
    return len(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=4_096)
def _foreign_tokens(piece: str) -> float:
    """Return the tokens of a character outside ASCII, and of a space before it."""
    code = ord(piece[-1])
    alone = _tokens_alone(piece[-1])
    merged = next((tokens for first, last, tokens in _MERGED if first <= code <= last), None)
    if merged is not None and (alone == 1 or code > 0xFFFF):
        return merged + 0.93 * (piece[0] == " ")  # beside its letters: no word is less than a token
    is_apart = alone > 1 and piece[0] == " " and not "가" <= piece[-1] <= "힣"
    return alone + is_apart  # a space is put together with whole characters only, and with syllables of Korean


def _tokens_alone(character: str) -> int:
    """Return the tokens of a character outside ASCII that stands alone, in the larger of OpenAI's two encodings."""
    code = ord(character)
    if not 0x80 <= code <= 0xFFFF:
        return len(character.encode("utf-8", "surrogatepass"))
    at, place = divmod(code - 0x80, 4)
    return _COUNTS[at] >> (2 * place) & 3
