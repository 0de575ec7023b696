"""What belongs together in files of records, and that no view takes the lines of two records for one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.quotations import Source
from autogen_ext_tokenctx.forms.compressor import quoted as quote
from autogen_ext_tokenctx.forms.line import Line, join
from autogen_ext_tokenctx.forms.outline import text_lines
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.messages.groups import split
from tests.support import guarantees as check
from tests.support.histories import unquoted
from tests.support.outlines import chain, extract
from tests.support.records import FILES, SHIPMENTS, ports_by_key, wrong

MANAGER = ContextManager()
"""Files are read once for all tests."""

QUESTIONS = (
    "What is the port of {one.key}?",
    "Which ports are {one.key} and {other.key} bound for?",
)


def history_of(text: str) -> list[LLMMessage]:
    """A file that was read, and so much after it that it is not the newest."""
    call = FunctionCall(id="1", name="read_file", arguments='{"path": "shipments"}')
    result = FunctionExecutionResult(content=text, name="read_file", call_id="1", is_error=False)
    history: list[LLMMessage] = [
        UserMessage(content="Look after the shipments.", source="user"),
        AssistantMessage(content=[call], source="clerk"),
        FunctionExecutionResultMessage(content=[result]),
        AssistantMessage(content="There are 60 of them.", source="clerk"),
    ]
    for number in range(4):
        note = f"The harbour master called about the crane, it can wait until week {number + 20}."
        history.append(UserMessage(content=note, source="user"))
        history.append(AssistantMessage(content=f"Noted as number {number}.", source="clerk"))
    return history


async def view_of(text: str, question: str, budget: int) -> tuple[list[LLMMessage], list[LLMMessage]]:
    """A history and what the context hook makes of it when a field is asked for that has left the view."""
    context = TokenBudgetChatCompletionContext(budget=budget, manager=MANAGER.for_agent())
    history = history_of(text)
    for message in history:
        await context.add_message(message)
    await context.get_messages()
    await context.add_message(UserMessage(content=question, source="user"))
    return history, await context.get_messages()


def quoted(view: Sequence[LLMMessage]) -> str:
    """What a view says before the question; each text ends a record."""
    return unquoted("\n".join("\n".join([*check.texts(message), "[end]"]) for message in view[:-1]))


@pytest.mark.parametrize("kind", FILES)
async def test_no_view_gives_a_record_the_field_of_another_one(kind: str) -> None:
    for question, number, budget in zip(QUESTIONS, (43, 30), (1_500, 450), strict=True):
        asked = question.format(one=SHIPMENTS[number], other=SHIPMENTS[number + 9])
        history, view = await view_of(FILES[kind], asked, budget)
        sources = [check.Said.by(group.messages) for group in split(history)]
        for message in view[:-1]:
            for text in check.texts(message):
                check.check_neighbours(text, sources, labelled=True)
        text = quoted(view)
        assert wrong(ports_by_key(text)) == []
        # a line of a record brings the one that names it: read past the marks, each port has its key, and the right one
        far = ports_by_key(text, marks_separate=False)
        assert wrong(far) == []
        assert all(key for key, _ in far)
        if budget == 1_500:  # what is asked for is there; at 450, recall has room for a line or two
            assert (SHIPMENTS[number].key, SHIPMENTS[number].port) in far


@pytest.mark.parametrize("kind", FILES)
async def test_a_digest_and_an_extract_keep_records_apart(kind: str) -> None:
    history = history_of(FILES[kind])
    for budget, length in ((450, len(history)), (700, 3)):  # as one message among others, and as the newest
        result = await MANAGER.fit(history[:length], budget)
        check.check_order(MANAGER, history[:length], result)
        text = quoted([*result.messages, history[0]])
        assert len(ports_by_key(text)) < len(SHIPMENTS)
        assert wrong(ports_by_key(text)) == wrong(ports_by_key(text, marks_separate=False)) == []


LISTS = {
    "yaml": ("ports:\n- id: P-1\n  city: Oslo\n  berth: 4\n- id: P-2", "berth", ["- id: P-1", "  berth: 4"]),
    "a key below": ("- city: Oslo\n  id: P-1\n  berth: 4", "berth", ["- city: Oslo", "  id: P-1", "  berth: 4"]),
    "no key": ("- city: Oslo\n  berth: 4\n  crane: no", "crane", ["- city: Oslo", "  crane: no"]),
    "a bare dash": ("-\n  name: Oslo\n  berth: 4\n  crane: no", "crane", ["-", "  name: Oslo", "  crane: no"]),
    "attributes": ('<p id="1">\n  <a>x</a>\n  <b>y</b>\n</p>', "y", ['<p id="1">', "  <b>y</b>"]),
    "no indentation": ("<ps>\n<p>\n<id>1</id>\n<b>y</b>\n</p>\n</ps>", "y", ["<ps>", "<p>", "<id>1</id>", "<b>y</b>"]),
    "the end of an element": ("<ps>\n<p>\n<id>1</id>\n</p>\n<q>\n</q>\n</ps>", "</q>", ["<ps>", "<q>", "</q>"]),
    "never closed": ("<p>\none\n<p>\ntwo\n<br>\nthree\n<br>\nfour", "four", ["<p>", "<br>", "four"]),
    "chapters": ("# A\n\n## B\n\nb\n\n### C\n\nc\n\n## D\n\nd", "d", ["# A", "## D", "d"]),
    "dense chapters": ("# A\n- a: 1\n# B\n- b: 2", "b: 2", ["# B", "- b: 2"]),
    "paragraphs": ("Port: A\nBerth: 1\nCrane: 2\n\nPort: B\nBerth: 3\nCrane: 4", "Crane: 4", ["Port: B", "Crane: 4"]),
    "key below": ("Berth: 1\nPort id: A\nC: 2\n\nBerth: 3\nPort id: B\nC: 4", "C: 4", ["Port id: B", "C: 4"]),
    "rows": ("Port: A\nBerth: 1\nCrane: 2\nPort: B\nBerth: 3\nCrane: 4", "Crane: 4", ["Port: B", "Crane: 4"]),
    "titles": ("Oslo\nBerth: 1\nCrane: 2\n\nRome\nBerth: 3\nCrane: 4", "Crane: 4", ["Rome", "Crane: 4"]),
    "one paragraph": ("Port: A\nBerth: 1\nCrane: 2", "Crane", ["Crane: 2"]),
    "speakers": ("Ann: a\nBen: b\nAnn: c\nBen: d", "Ben: d", ["Ben: d"]),
    "a list": ("To do:\n- call Ann\n- write", "write", ["- write"]),
    "indentation": ("First class (best):\n  wine\nSecond class:\n  water", "water", ["Second class:", "  water"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "word", "kept"), LISTS.values(), ids=list(LISTS))
def test_a_line_brings_the_one_that_names_its_record(text: str, word: str, kept: list[str]) -> None:
    assert [row for row in extract(text, word).split("\n") if row != "…"] == kept


ROWS = st.sampled_from(
    ["- a: {n}", "  b: {n}", "id: {n}", "  id: x{n}", "<p>", "</p>", '<q id="{n}">', "</q>", "   <id>{n}</id>", "-",
     "{{", "}}", "", "---", "# A{n}", "## B{n}", "### C{n}", "P: {n}", "Q: {n}", "\t\tdeep {n}", "plain {n}", "<br>"]
)  # fmt: skip


@given(st.lists(ROWS, max_size=30))
def test_no_line_needs_itself_and_none_is_lost(rows: list[str]) -> None:
    text = "\n".join(row.format(n=n) for n, row in enumerate(rows))
    lines = text_lines(text)
    assert join(lines).split() == text.split()
    assert all(len(chain(lines, number)) <= len(lines) for number in range(len(lines)))


def test_what_comes_along_with_a_line_is_bounded() -> None:
    lines = text_lines("\n".join(" " * number + f"row {number}" for number in range(300)))
    assert max(len(chain(lines, number)) for number in range(300)) <= 13


@pytest.mark.parametrize("kept", [{0, 2, 3}, {1, 4}, {0, 1, 2}])
def test_a_gap_mark_stands_between_quoted_lines_that_are_no_neighbours(kept: set[int]) -> None:
    rows = ("one", "two", "three", "four", "five")
    check.check_neighbours("\n".join(quote([Line(row) for row in rows], kept)), [said("\n".join(rows))])


@pytest.mark.parametrize("shown", ["one\nthree", "two\nfour\nfive", "four\nthree"])
def test_the_check_finds_lines_that_are_no_neighbours(shown: str) -> None:
    with pytest.raises(AssertionError, match="no neighbours"):
        check.check_neighbours(shown, [said("one\ntwo\nthree\n\nfour\nfive")])


def said(text: str) -> Source:
    return check.Said.by([UserMessage(content=text, source="user")])
