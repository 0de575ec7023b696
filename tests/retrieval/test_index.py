"""The index follows a history through everything that can happen to one, and a long history costs no more to fit."""

from __future__ import annotations

import sqlite3
from typing import Any

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
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx import ContextManager, EstimatedTokenCounter
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.retrieval import index as index_module
from autogen_ext_tokenctx.retrieval.index import HistoryIndex
from autogen_ext_tokenctx.tokens.counting import GuardedTokenCounter

COUNTER = GuardedTokenCounter(EstimatedTokenCounter())


def said(text: str, source: str = "user") -> LLMMessage:
    return UserMessage(content=text, source=source)


def call(key: str) -> LLMMessage:
    return AssistantMessage(content=[FunctionCall(id=key, name="look", arguments="{}")], source="coder")


def result(key: str, text: str) -> LLMMessage:
    return FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content=text, name="look", call_id=key, is_error=False)]
    )


MESSAGES = st.one_of(
    st.builds(said, st.text(max_size=12), st.sampled_from(["user", "ann"])),
    st.builds(AssistantMessage, content=st.text(max_size=12), source=st.just("coder")),
    st.builds(SystemMessage, content=st.text(max_size=12)),
    st.builds(call, st.sampled_from(["a", "b"])),
    st.builds(result, st.sampled_from(["a", "b"]), st.text(max_size=12)),
)


def state(index: HistoryIndex) -> tuple[Any, ...]:
    return (
        [group.originals for group in index.groups],
        [group.index for group in index.groups],
        index.sizes,
        index.tokens,
    )


@given(st.lists(st.tuples(st.integers(0, 12), st.lists(MESSAGES, max_size=5)), min_size=1, max_size=6))
def test_it_follows_a_history_that_grows_and_changes(changes: list[tuple[int, list[LLMMessage]]]) -> None:
    index = HistoryIndex(COUNTER)
    history: list[LLMMessage] = []
    for keep, new in changes:
        history = [*history[: max(keep, len(history) - 2)], *new]
        index.follow(history)
        index.search("any word", 3)
        fresh = HistoryIndex(COUNTER)
        fresh.follow(history)
        assert state(index) == state(fresh)
        assert index.tokens == sum(map(COUNTER.count_message, history))
        assert [group.messages for group in index.groups] == [group.messages for group in split(history)]


@given(st.lists(MESSAGES, max_size=12), st.integers(0, 12))
def test_one_by_one_it_reads_the_same_as_at_once(history: list[LLMMessage], start: int) -> None:
    index, whole = HistoryIndex(COUNTER), HistoryIndex(COUNTER)
    index.follow(history[:start])
    for number in range(len(history[:start]), len(history)):
        assert index.add(history[number], number)
    assert not index.add(said("Not the next one."), len(history) + 1)
    whole.follow(history)
    assert state(index) == state(whole)


@pytest.mark.parametrize("change", ["text", "parts", "object"])
def test_a_message_that_was_changed_in_place_is_read_again(change: str) -> None:
    history = [said("Go."), call("a"), result("a", "one"), said("And?")]
    index = HistoryIndex(COUNTER)
    index.follow(history)
    before = index.tokens
    if change == "text":
        assert isinstance(history[0], UserMessage)
        history[0].content = "Go on to the end of the road, and then some more."
    elif change == "parts":
        assert isinstance(history[2], FunctionExecutionResultMessage)
        more = FunctionExecutionResult(content="x " * 40, name="look", call_id="b", is_error=False)
        history[2].content.append(more)
    else:
        history[0] = said("Go on to the end of the road, and then some more.")
    index.follow(history)
    assert index.tokens == sum(map(COUNTER.count_message, history)) > before


def test_it_finds_words_ids_and_calls_and_only_what_is_there() -> None:
    history: list[LLMMessage] = [said(f"Note {n} about {n * 7919}.") for n in range(50)]
    history[20:20] = [call("a"), result("a", "order #W2378156 of ann_lee@example.com\ud800")]
    index = HistoryIndex(COUNTER)
    index.follow(history)
    assert index.search("Where is #W2378156?", 5) == [20]
    assert index.search("ann_lee@example.com", 5) == [20]
    assert index.search("and the of", 5) == []
    index.follow(history[:10])
    assert index.search("Where is #W2378156?", 5) == []


def test_without_full_text_search_nothing_is_found_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> sqlite3.Connection:
        raise sqlite3.OperationalError("no such module: fts5, for once")

    monkeypatch.setattr(index_module.sqlite3, "connect", refuse)
    index = HistoryIndex(COUNTER)
    index.follow([said("one bee"), said("two bees"), said("three")])
    monkeypatch.setattr("autogen_ext_tokenctx.warn._warned", set[str]())
    with pytest.warns(UserWarning, match="no such module: fts5, for once") as warned:
        assert index.search("bees", 3) == index.search("bees", 3) == []
    assert len(warned) == 1


async def test_of_a_long_history_what_is_asked_for_is_found_and_the_rest_is_accounted_for() -> None:
    talk = [said(f"Remark {n} on the weather of day {n}, and on bus {n * 37 % 101}. " * 3, "ann") for n in range(1_500)]
    talk[40] = said("The locker of Mr Quagmire has the code 7415-GX.", "ann")
    history = [said("Help at the desk."), *talk, said("Which code has the locker of Mr Quagmire?")]
    manager = ContextManager()
    fitted = await manager.fit(history, 2_000)
    assert "7415-GX" in str(fitted.messages)
    assert fitted.report.tokens_after <= 2_000
    assert fitted.report.groups == len(history)
    steps = [step.group for step in fitted.report.steps if step.form is not Form.BLOCK]
    assert steps == sorted(set(steps))
    whole = {number for number, message in enumerate(history) if any(message is shown for shown in fitted.messages)}
    assert whole.isdisjoint(steps)
    assert whole.union(steps) == set(range(len(history)))
    for step in fitted.report.steps:
        if step.form in (Form.EVICTED, Form.DIGEST):
            assert manager.expand(step.handle) == [history[step.group]]
    again = await manager.fit(history, 2_000)
    assert again.messages == fitted.messages
