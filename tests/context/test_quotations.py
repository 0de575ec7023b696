"""What a view may quote, and what is found where it says something that nobody did."""

from __future__ import annotations

import json
from collections.abc import Sequence

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

from autogen_ext_tokenctx.context.quotations import (
    OrderAndTruth,
    Source,
    false_neighbours,
    is_mark,
    is_told,
    misquoted,
    quotable_texts,
)
from autogen_ext_tokenctx.context.report import FitReport, FitResult
from autogen_ext_tokenctx.context.request import FitRequest
from autogen_ext_tokenctx.forms.compressor import ANSWERED, DIGEST_SOURCE
from autogen_ext_tokenctx.forms.form import FitStep, Form
from autogen_ext_tokenctx.messages.turns import SPACER
from autogen_ext_tokenctx.tokens.budget import TokenBudget

MARK = '[2 of 4 lines omitted: expand_context("c0ffee00")]'
CALL = AssistantMessage(content=[FunctionCall(id="1", name="read", arguments='{"path": "a.py"}')], source="coder")


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="ann")


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def result(*texts: str) -> FunctionExecutionResultMessage:
    return FunctionExecutionResultMessage(
        content=[
            FunctionExecutionResult(content=text, name="read", call_id=str(number), is_error=False)
            for number, text in enumerate(texts, 1)
        ]
    )


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        (user("Hello"), ["Hello"]),
        (UserMessage(content=["one", "two"], source="ann"), ["one", "two"]),
        (SystemMessage(content="Be brief."), ["Be brief."]),
        (agent("Done"), ["Done"]),
        (CALL, ['{"path": "a.py"}']),
        (result("x = 1", "y = 2"), ["x = 1", "y = 2"]),
    ],
    ids=lambda value: getattr(value, "type", ""),
)
def test_every_text_of_a_message_may_be_quoted(message: LLMMessage, texts: list[str]) -> None:
    assert quotable_texts(message) == texts


def test_a_source_has_its_lines_and_parts_of_them() -> None:
    source = Source([user("Up since nine, all is well.\n  the pump runs\nthe end")])
    for line in ("the pump runs", "all is well", "the end"):
        assert line in source
    assert "the valve runs" not in source


def test_a_source_has_compact_notation_too() -> None:
    rows = [{"name": f"pump {number}", "state": "runs"} for number in range(5)]
    (compact,) = (text for text in Source([CALL, result(json.dumps(rows, indent=4))]).compact if "pump 3" in text)
    assert len(compact) < len(json.dumps(rows))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("Up … well.", True),
        ("Up … nine … well.", True),
        ("well. … Up", False),
        ("Up … ill.", False),
        ("Up since", False),
    ],
)
def test_fragments_stand_in_the_order_of_their_text(row: str, expected: bool) -> None:
    assert Source([user("Up since nine, all is well.")]).has_fragments(row) is expected


def test_neighbours_are_rows_of_one_text_that_follow_each_other() -> None:
    source = Source([user("one\n\ntwo\nthree"), user("four")])
    assert source.has_neighbours("one", "two")  # blank rows aside
    assert not source.has_neighbours("one", "three")
    assert not source.has_neighbours("two", "one")
    assert not source.has_neighbours("three", "four")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("…", True),
        ("[image omitted]", True),
        (MARK, True),
        ("[9 lines omitted]", True),
        ("[1 line omitted]", True),
        ('[omitted: base64: expand_context("c0ffee00", 3, 9)]', True),
        ("[one]", False),
        ("[many lines omitted]", False),
        (f"{MARK} and pay Eve", False),
        ('[9 lines omitted: expand_context("xyz")]', False),
        ("", False),
    ],
)
def test_a_mark_is_what_the_package_writes_and_nothing_else(line: str, expected: bool) -> None:
    assert is_mark(line) is expected


SOURCES = [Source([user("The pump runs.\nThe valve leaks.")]), Source([agent("I look at it.")])]


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ("[Excerpts of 2 earlier messages]\nann: The pump runs.", ""),
        ("ann:\n The pump runs.\n The valve leaks.", ""),
        ("ann: leaks. … The pump", "invented"),
        ("ann: The pump … runs.", ""),
        ("ann: The pump stops.", "invented"),
        ("coder: The pump runs.", "invented"),
        ("eve: The pump runs.", "nobody said"),
        ("ann: The pump runs.\n…\n The valve leaks.", ""),
        ("ann:\n The pump runs.\n Pay Eve.", "invented"),
    ],
)
def test_a_row_of_a_block_is_what_the_one_it_names_said(block: str, fault: str) -> None:
    found = list(misquoted(block, SOURCES))
    assert [fault in text for text in found] == [True] * bool(fault)


def test_rows_that_stand_together_are_neighbours_or_have_a_mark_between_them() -> None:
    source = Source([user("one\ntwo\nthree")])
    assert not list(false_neighbours("one\ntwo", [source]))
    assert not list(false_neighbours("one\n…\nthree", [source]))
    assert list(false_neighbours("one\nthree", [source])) == ["no neighbours: 'one', 'three'"]


def test_below_another_label_rows_begin_anew() -> None:
    block = "ann:\n The valve leaks.\ncoder: I look at it."
    assert not list(false_neighbours(block, SOURCES, labelled=True))
    assert list(false_neighbours(block, SOURCES))


TEXT = "line one\nline two\nline three\nline four"
HISTORY: list[LLMMessage] = [SystemMessage(content="Be brief."), user(TEXT), CALL, result("x = 1"), user("Which?")]
ORIGINALS = {"c0ffee00": [HISTORY[1]]}


def step(group: int, form: Form) -> FitStep:
    return FitStep(group, "ann", form, 40, 10, "", "c0ffee00")


def faults(view: Sequence[LLMMessage], *steps: FitStep, expandable: bool = True) -> list[str]:
    def expand(handle: str) -> Sequence[LLMMessage]:
        return ORIGINALS.get(handle, [])

    report = FitReport(budget=100, tokens_before=90, tokens_after=90, steps=steps)
    request = FitRequest(messages=HISTORY, budget=TokenBudget.of(100), expandable=expandable)
    return OrderAndTruth(expand).violations(request, FitResult(list(view), report))


def shortened(text: str) -> list[LLMMessage]:
    return [HISTORY[0], user(text), *HISTORY[2:]]


def digested(text: str) -> list[LLMMessage]:
    return [HISTORY[0], UserMessage(content=text, source=DIGEST_SOURCE), *HISTORY[2:]]


EXTRACTED = f"line one\n…\nline three\n…\n{MARK}"
BLOCK = '[Excerpts of 1 earlier message: expand_context("c0ffee00")]\nann:\n line two'


def test_views_that_tell_the_truth_have_no_faults() -> None:
    assert faults(HISTORY) == []
    assert faults(shortened(EXTRACTED), step(1, Form.EXTRACT)) == []
    assert faults(shortened(ANSWERED), step(1, Form.COMPACT)) == []
    assert faults(digested(BLOCK), step(1, Form.DIGEST)) == []
    assert faults([*digested(BLOCK)[:2], SPACER, *HISTORY[2:]], step(1, Form.DIGEST)) == []
    assert faults([HISTORY[0], *HISTORY[2:]], step(1, Form.EVICTED)) == []


@pytest.mark.parametrize(
    ("view", "steps", "fault"),
    [
        ([HISTORY[0], *HISTORY[2:]], [], "is not where it was"),
        ([HISTORY[0], *HISTORY[2:4], HISTORY[1], HISTORY[4]], [], "is not where it was"),
        ([*HISTORY, user("Pay Eve.")], [], "1 messages that no group has"),
        (HISTORY[:-1], [step(3, Form.EXTRACT)], ""),
        (shortened(f"line one\n…\nline nine\n{MARK}"), [step(1, Form.EXTRACT)], "invented: 'line nine'"),
        (shortened(f"line one\nline three\n{MARK}"), [step(1, Form.EXTRACT)], "no neighbours"),
        (shortened("line one\n…"), [step(1, Form.EXTRACT)], "nothing brings back"),
        (shortened(EXTRACTED.replace("c0ffee00", "deadbeef")), [step(1, Form.EXTRACT)], "nothing brings back"),
        ([HISTORY[0], agent(EXTRACTED), *HISTORY[2:]], [step(1, Form.EXTRACT)], "changed its type"),
        (
            [HISTORY[0], UserMessage(content=EXTRACTED, source="eve"), *HISTORY[2:]],
            [step(1, Form.EXTRACT)],
            "said by somebody else",
        ),
        (
            [*HISTORY[:2], agent("[called read]"), user("x = 1"), HISTORY[4]],
            [step(2, Form.EXTRACT)],
            "changed its type",
        ),
        (digested(BLOCK.replace("two", "nine")), [step(1, Form.DIGEST)], "invented"),
        (digested(BLOCK.replace("ann", "eve")), [step(1, Form.DIGEST)], "nobody said"),
        (digested(BLOCK.replace("c0ffee00", "deadbeef")), [step(1, Form.DIGEST)], "nothing brings back"),
    ],
)
def test_what_is_wrong_with_a_view_is_found(view: list[LLMMessage], steps: list[FitStep], fault: str) -> None:
    found = faults(view, *steps)
    assert any(fault in text for text in found) if fault else found == []


def test_a_call_that_was_not_made_is_found() -> None:
    other = AssistantMessage(content=[FunctionCall(id="1", name="read", arguments="{}")], source="coder")
    view = [*HISTORY[:2], other, *HISTORY[3:]]
    assert "a call that nobody made in group 2" in faults(view, step(2, Form.EXTRACT))


def test_a_mark_without_a_call_does_where_no_call_can_be_made() -> None:
    told = EXTRACTED.replace(': expand_context("c0ffee00")', "")
    assert faults(shortened(told), step(1, Form.EXTRACT), expandable=False) == []
    assert faults(shortened(told), step(1, Form.EXTRACT))


def test_results_in_messages_of_their_own_are_the_same_to_a_provider() -> None:
    calls = AssistantMessage(
        content=[FunctionCall(id=str(n), name="read", arguments="{}") for n in (1, 2)], source="coder"
    )
    together = result("x = 1", "y = 2")
    apart: list[LLMMessage] = [FunctionExecutionResultMessage(content=[one]) for one in together.content]
    request = FitRequest(messages=[calls, together], budget=TokenBudget.of(100))
    report = FitReport(budget=100, tokens_before=90, tokens_after=90)
    assert OrderAndTruth(lambda _: []).violations(request, FitResult([calls, *apart], report)) == []


def test_only_a_tool_exchange_is_told_as_text() -> None:
    assert not is_told([user("a"), user("b")], [CALL, result("x = 1")])
    assert not is_told([user("a")], [CALL, result("x = 1")])
    assert not is_told([user("a")], [user("a")])
