"""Splitting and repair, a case a row."""

from __future__ import annotations

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

from autogen_ext_tokenctx.messages.groups import (
    NO_RESULT,
    STRAY_SOURCE,
    common_prefix,
    content_hash,
    pictures_of,
    repair,
    split,
)
from tests.support.guarantees import check_pairs


def call(*ids: str, thought: str | None = None) -> AssistantMessage:
    calls = [FunctionCall(id=id_, name=f"tool_{n}", arguments="{}") for n, id_ in enumerate(ids)]
    return AssistantMessage(content=calls, source="coder", thought=thought)


def result(*ids: str, name: str = "tool_0") -> FunctionExecutionResultMessage:
    return FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content=f"result {id_}", name=name, call_id=id_) for id_ in ids]
    )


USER = UserMessage(content="hello", source="user")

WELL_FORMED: list[list[LLMMessage]] = [
    [],
    [USER],
    [SystemMessage(content="rules"), USER, call("1"), result("1")],
    [call("1", "2"), result("2", "1")],
    [call("1", "2"), result("1"), result("2")],
    [call("1"), result("1"), call("1"), result("1")],
]


@pytest.mark.parametrize("history", WELL_FORMED)
def test_what_is_well_formed_stays_the_same_objects(history: list[LLMMessage]) -> None:
    repaired = repair(history)
    assert len(repaired) == len(history)
    assert all(one is other for one, other in zip(repaired, history, strict=True))


@pytest.mark.parametrize(
    ("history", "types"),
    [
        ([call("1")], "AF"),
        ([call("1"), USER], "AFU"),
        ([call("1", "2"), result("2")], "AF"),
        ([call("1"), USER, result("1")], "AFU"),
        ([call("1"), AssistantMessage(content=[], source="coder"), result("1")], "AF"),
        ([call("1", "2"), result("1"), USER, result("2"), USER], "AFFUU"),
        ([call("1"), USER, call("2"), result("2"), result("1")], "AFUAFU"),
        ([call("1"), *[USER] * 8, result("1")], "AF" + "U" * 9),
        ([result("1")], "U"),
        ([call("1"), result("1", "1")], "AFU"),
        ([call("1"), result("1", "9")], "AFU"),
        ([call("", ""), result("", "")], "AF"),
        ([call("same", "same"), result("same", "same")], "AF"),
        ([call(""), result("")], "AF"),
        ([AssistantMessage(content=[], source="a")], ""),
        ([AssistantMessage(content=[], source="a", thought="hm"), USER], "AU"),
        ([UserMessage(content=[], source="u"), USER], "U"),
        ([FunctionExecutionResultMessage(content=[]), USER], "U"),
        ([call("1"), FunctionExecutionResultMessage(content=[]), result("1")], "AF"),
    ],
)
def test_what_is_broken_is_repaired(history: list[LLMMessage], types: str) -> None:
    repaired = repair(history)
    assert "".join(message.type[0] for message in repaired) == types
    check_pairs(repaired)
    assert [m for group in split(history) for m in group.originals] == history


def test_a_missing_result_is_not_made_up() -> None:
    placeholder = repair([call("1")])[1]
    assert isinstance(placeholder, FunctionExecutionResultMessage)
    assert placeholder.content[0].content == NO_RESULT
    assert placeholder.content[0].is_error


def test_a_stray_result_keeps_its_text_and_says_what_it_is() -> None:
    stray = repair([result("1", name="search")])[0]
    assert isinstance(stray, UserMessage)
    assert stray.source == STRAY_SOURCE
    assert "search" in stray.content
    assert "result 1" in stray.content


def test_results_without_ids_go_by_name_then_by_order() -> None:
    history: list[LLMMessage] = [
        call("", ""),
        FunctionExecutionResultMessage(
            content=[
                FunctionExecutionResult(content="second", name="tool_1", call_id=""),
                FunctionExecutionResult(content="first", name="tool_0", call_id=""),
            ]
        ),
    ]
    calls, results = repair(history)
    assert isinstance(calls, AssistantMessage)
    assert isinstance(results, FunctionExecutionResultMessage)
    by_id = {r.call_id: r.content for r in results.content}
    assert [by_id[c.id] for c in calls.content if isinstance(c, FunctionCall)] == ["first", "second"]


def test_the_hash_tells_contents_apart() -> None:
    texts = ["a", "b", "\ud83d", ""]
    messages: list[LLMMessage] = [UserMessage(content=text, source=source) for text in texts for source in ("u", "v")]
    messages += [SystemMessage(content="a"), AssistantMessage(content="a", source="u"), call("1"), call("2")]
    assert len({content_hash([message]) for message in messages}) == len(messages)


def test_histories_are_compared_from_their_beginning() -> None:
    one, other = (SystemMessage(content=text) for text in "ab")
    assert [common_prefix([one, other], others) for others in ([one, one], [one.model_copy(), other], [])] == [1, 2, 0]


def test_the_letters_of_a_text_are_no_pictures() -> None:
    assert pictures_of([UserMessage(content="no picture", source="user")]) == []
