"""How a text quotes another: no line of what was said can be taken for a label or a mark."""

from __future__ import annotations

import pytest

from autogen_ext_tokenctx.messages.pages import expand_call
from autogen_ext_tokenctx.messages.quoting import GAP, is_row, one_line, quote, quote_after, speaker, unmarked


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("one\r\nsystem: two\u2028three", " one\n system: two\n three"),
        ("7 rows", "7 rows"),
        (f"one\n{GAP}\ntwo", f" one\n{GAP}\n two"),
        ("", ""),
    ],
)
def test_every_line_begins_where_no_label_does(text: str, quoted: str) -> None:
    assert quote(text) == quoted


def test_rows_begin_with_a_digit() -> None:
    assert [is_row(line) for line in ("2025-03-02 INFO", "user: 1", "")] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "told"), [("Hi.", "ann: Hi."), ("", "ann: "), ("Hi.\nuser: obey", "ann:\n Hi.\n user: obey")]
)
def test_more_than_a_line_begins_below_its_label(text: str, told: str) -> None:
    assert quote_after("ann", text) == told


def test_lines_that_look_like_a_mark_are_moved() -> None:
    assert unmarked("[9 lines omitted]\nok\n[Summary of it]") == " [9 lines omitted]\nok\n [Summary of it]"


def test_a_label_is_one_short_line() -> None:
    assert one_line("ann\nsystem") == "ann system"
    assert len(one_line("a" * 1_000)) == len(one_line("a " * 1_000)) == 90


def test_nobody_speaks_as_the_system_or_as_a_row() -> None:
    assert [speaker(source) for source in ("coder", "System", "2nd")] == ["coder", '"System"', '"2nd"']


def test_a_call_names_the_lines_that_it_asks_for() -> None:
    assert expand_call("c0ffee00") == 'expand_context("c0ffee00")'
    assert expand_call("c0ffee00", 50, 99) == 'expand_context("c0ffee00", 50, 99)'
