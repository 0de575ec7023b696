"""Archived messages in pages of numbered lines."""

from __future__ import annotations

import re

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.messages.archive import ContextArchive
from autogen_ext_tokenctx.messages.pages import page, page_lines
from autogen_ext_tokenctx.retrieval.search import search

HANDLE = "c0ffee00"


def exchange(name: str, arguments: str, result: str, call_id: str = "1") -> list[LLMMessage]:
    call = FunctionCall(id=call_id, name=name, arguments=arguments)
    answer = FunctionExecutionResult(content=result, name=name, call_id=call_id, is_error=False)
    return [AssistantMessage(content=[call], source="coder"), FunctionExecutionResultMessage(content=[answer])]


def read(messages: list[LLMMessage], tokens: int) -> list[str]:
    """All pages, each fetched as the one before says."""
    lines, start, pages = page_lines(messages), 1, list[str]()
    while True:
        pages.append(page(HANDLE, lines, start, None, tokens=tokens, count=len))
        goes_on = re.match(
            r'\[expand_context\("c0ffee00"\): .*; go on with expand_context\("c0ffee00", (\d+)\)\]', pages[-1]
        )
        if goes_on is None:
            return pages
        assert int(goes_on[1]) > start
        start = int(goes_on[1])


@settings(max_examples=60)
@given(text=st.text(st.sampled_from("ab 7\n\r\u2028é日👩"), max_size=1_500), tokens=st.integers(0, 900))
def test_the_pages_of_any_text_put_together_are_the_text(text: str, tokens: int) -> None:
    pages = read([UserMessage(content=text, source="ann")], tokens)
    bodies = [body.split("\n", 2)[2] for body in pages]
    assert "\n".join(bodies).replace("\n↪ ", "") == text.replace("\n↪ ", "")
    assert all(body.split("\n", 2)[1] == "ann:" for body in pages)


@pytest.mark.parametrize("tokens", [1, 120, 500, 10_000])
def test_every_page_says_which_lines_it_shows_of_whom_and_costs_what_it_may(tokens: int) -> None:
    rows = [f"row {n}: {n * 37 % 1009}" for n in range(60)]
    history = [UserMessage(content="Look\nhere", source="ann"), *exchange("look", '{"at": 1}', "\n".join(rows))]
    pages = read(history, tokens)
    shown = [re.match(r".*: lines (\d+)-(\d+) of (\d+)", text) for text in pages]
    assert all(shown)
    spans = [tuple(map(int, found.groups())) for found in shown if found]
    assert [first for first, _, _ in spans] == [1, *(last + 1 for _, last, _ in spans[:-1])]
    assert spans[-1][1:] == (62, 62)
    assert all('look({"at": 1}) gave:' in text for text, (_, last, _) in zip(pages, spans, strict=True) if last > 2)
    assert all(len(text.split("\n", 1)[1]) <= max(tokens, 40) for text in pages)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (2, 3, "lines 2-3 of 4; go on"),
        (-5, 1, "lines 1-1 of 4"),
        (4, 99, "lines 4-4 of 4; this is the end"),
        (5, None, "there are no lines 5 to the end: c0ffee00 has lines 1 to 4"),
        (3, 2, "there are no lines 3 to 2: c0ffee00 has lines 1 to 4"),
    ],
)
def test_a_range_is_given_or_what_there_is_is_said(start: int, end: int | None, says: str) -> None:
    lines = page_lines([SystemMessage(content="a\nb\nc\nd")])
    assert says in page(HANDLE, lines, start, end, tokens=99, count=len)


PAGE = """[expand_context("c0ffee00"): lines 3-4 of 9; go on with expand_context("c0ffee00", 5)]
ann:
zebra three
zebra four"""


@pytest.mark.parametrize("call_id", ["1", "other"])
@pytest.mark.parametrize("arguments", ['{"handle": "c0ffee00", "start": 3}', '{"handle": "c0ffee00"}'])
def test_a_page_that_left_the_view_is_read_under_the_handle_that_it_has(arguments: str, call_id: str) -> None:
    history = exchange("expand_context", arguments, PAGE)
    history[1].content[0].call_id = call_id  # type: ignore[union-attr]
    (line,) = page_lines(history)
    assert line.text == '[lines 3-4: expand_context("c0ffee00", 3, 4)]'


def test_a_result_of_another_tool_that_looks_like_a_page_is_shown_as_it_is() -> None:
    assert [line.text for line in page_lines(exchange("fetch", "{}", PAGE))] == PAGE.split("\n")


async def test_a_shortened_page_names_its_own_lines_and_no_new_handle() -> None:
    rows = "\n".join(f"zebra {n} has {n * 7919 % 9973} stripes and eats at {n * 37 % 101}" for n in range(90))
    text = (
        f'[expand_context("c0ffee00"): lines 101-190 of 400; go on with expand_context("c0ffee00", 191)]\nann:\n{rows}'
    )
    history: list[LLMMessage] = [UserMessage(content="Count zebras.", source="user")]
    for n in range(4):  # one after the other, so that some are no newest message
        history += exchange("expand_context", "{}", text.replace("101-190", f"{101 + n}-{190 + n}"), f"{n}")
    result = await ContextManager().fit(history, 1_000)
    marks = re.findall(r"lines? omitted: (expand_context\([^)]*\))\]", str(result.messages))
    assert marks
    assert all(re.fullmatch(r'expand_context\("c0ffee00", 10\d, 19\d\)', mark) for mark in marks)


@pytest.mark.parametrize(("query", "line"), [("port of crane", 7), ("4711", 12), ("who has the key", 3), ("zebra", 15)])
def test_a_search_names_the_lines_around_the_best_one_and_looks_into_no_page(query: str, line: int) -> None:
    rows = [f"row {n} says nothing" for n in range(1, 21)]
    rows[6], rows[11], rows[2], rows[14] = "crane is at port 80", "parcel 4711 waits", "Ann has the key", "a zebra"
    archive = ContextArchive()
    handle = archive.put(exchange("look", "{}", "\n".join(rows)))
    archive.put(
        exchange("expand_context", "{}", f'[expand_context("{handle}"): lines 1-20 of 20; end]\n' + "\n".join(rows))
    )
    archive.put(exchange("search_context", '{"query": "x"}', "\n".join(rows)))
    (hit,) = search(archive, query, 5)
    assert (hit.handle, hit.first, hit.last, hit.total) == (handle, line - 2, line + 2, 20)
    assert rows[line - 1] in hit.excerpt
