"""What holds for the lines of any text, and what an extract of one line has."""

from __future__ import annotations

from collections.abc import Sequence

from autogen_ext_tokenctx.forms.compressor import join_kept
from autogen_ext_tokenctx.forms.line import Line
from autogen_ext_tokenctx.forms.outline import text_lines


def chain(lines: Sequence[Line], number: int) -> set[int]:
    """A line and the lines that come along with it."""
    found: set[int] = set()
    while number >= 0:
        assert number not in found, "a header that needs itself"
        found.add(number)
        number = lines[number].header
    return found


def extract(text: str, *words: str) -> str:
    """The text with those lines only that have one of the words, and what comes along with them."""
    lines = text_lines(text)
    kept = {
        other
        for number, line in enumerate(lines)
        if any(word in line.text for word in words)
        for other in chain(lines, number)
    }
    return join_kept(lines, kept)
