"""Lines put together again are the text."""

from __future__ import annotations

import pytest
from autogen_core.models import UserMessage

from autogen_ext_tokenctx.forms.passages import passages
from autogen_ext_tokenctx.messages.groups import split


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "one\ntwo\nthree",
        "A sentence. " * 80,
        "x" * 5_000,
        "no-blank-" * 400,
        "這是一個句子。" * 200,
        "line one\n" + "word " * 300 + "\nlast",
    ],
)
def test_all_lines_put_together_are_the_text(text: str) -> None:
    passage = passages(split([UserMessage(content=text, source="ann")])[0])[0]
    assert passage.text().split() == text.split()
    assert all(len(line.text) <= 500 for line in passage.lines)


def test_a_text_of_very_many_lines_is_taken_in_blocks() -> None:
    text = "\n".join(f"line {n}" for n in range(9_000))
    passage = passages(split([UserMessage(content=text, source="ann")])[0])[0]
    assert len(passage.lines) <= 2_000
    assert passage.text() == text


@pytest.mark.parametrize(
    "text", ["\x1b[0m" * 7, "\x1b[31m\x1b[0m\n", " \n\t ", "\x1b]0;title\x07", "\u2028" * 400 + "\x1b[0m"]
)
def test_a_text_of_nothing_but_notation_stays_what_it_is(text: str) -> None:
    """A provider refuses a message without content."""
    (passage,) = passages(split([UserMessage(content=text, source="user")])[0])
    assert passage.text()
    assert not passage.compact
