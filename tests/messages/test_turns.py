"""Who asks, who answers, and what is still open at the end of a history."""

from __future__ import annotations

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx.messages.calls import split_open_call
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.messages.turns import (
    Exchange,
    Turn,
    Turns,
    alternates,
    newest_turn,
    question_before,
    turns_of,
)

from ..support.histories import exchange


def user(source: str = "user") -> UserMessage:
    return UserMessage(content=f"{source} says something.", source=source)


AGENT = AssistantMessage(content="Done.", source="coder")
RULES = SystemMessage(content="Be brief.")
EMPTY = UserMessage(content=[], source="user")
CALL, RESULT = exchange(1)

HISTORIES: dict[str, tuple[list[LLMMessage], Turns]] = {
    "nobody": ([RULES], Turns(None, (), (), frozenset())),
    "one question": ([RULES, user()], Turns(1, (1,), (Exchange(1, None),), frozenset({1}))),
    "answered": ([user(), AGENT, user()], Turns(0, (2,), (Exchange(0, 1), Exchange(2, None)), frozenset({0, 2}))),
    "a tool loop": ([user(), CALL, RESULT], Turns(0, (0,), (Exchange(0, None),), frozenset({0}))),
    "the last of several in a row": (
        [user(), user(), AGENT],
        Turns(0, (1,), (Exchange(1, 2),), frozenset({0, 1})),
    ),
    "another agent hands over": ([user(), user("ann")], Turns(0, (0, 1), (Exchange(0, 1),), frozenset({0}))),
    "the first task has another source": (
        [user("Dana"), AGENT, user("Dana")],
        Turns(0, (2,), (Exchange(0, 1), Exchange(2, None)), frozenset({0, 2})),
    ),
    "an empty message": ([user(), EMPTY, AGENT], Turns(0, (0,), (Exchange(0, 2),), frozenset({0}))),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_turns(name: str) -> None:
    history, turns = HISTORIES[name]
    assert turns_of(split(history)) == turns


def test_who_is_named_is_a_person() -> None:
    history = [user(), AGENT, user("Dana"), AGENT]
    assert turns_of(split(history)).people == {0}
    assert turns_of(split(history), ["dana"]).people == {0, 2}


def test_a_first_task_has_an_outcome_once_something_else_is_asked() -> None:
    assert turns_of(split([user(), AGENT])).outcome is None
    assert turns_of(split([user(), AGENT, user()])).outcome == 1
    assert turns_of(split([user(), CALL, RESULT, user()])).outcome is None
    assert turns_of(split([user(), CALL, RESULT, user(), AGENT])).outcome is None  # it answers what is asked now


@pytest.mark.parametrize(
    ("history", "is_so"),
    [
        ([user(), AGENT, user()], True),
        ([RULES, user(), AGENT, RULES, user()], True),
        ([], True),
        ([AGENT, user()], False),
        ([user(), user()], False),
        ([user(), CALL, RESULT], False),
    ],
)
def test_users_and_agents_in_turns(history: list[LLMMessage], is_so: bool) -> None:
    assert alternates(history) is is_so


@pytest.mark.parametrize(
    ("history", "still_open"),
    [
        ([user(), CALL], 1),
        ([user(), CALL, RESULT], 0),
        ([user(), CALL, EMPTY], 2),
        ([user(), CALL, RULES], 2),
        ([user(), CALL, user()], 0),  # who speaks gave up the call
        ([user()], 0),
    ],
)
def test_an_open_call_at_the_end(history: list[LLMMessage], still_open: int) -> None:
    closed, rest = split_open_call(history)
    assert [*closed, *rest] == history
    assert len(rest) == still_open


def test_the_newest_turn_is_of_all_who_came_in_one_after_the_other() -> None:
    assert newest_turn([user(), AGENT, user("ann"), user("ben"), CALL, RESULT]) == Turn(2, 3)
    assert newest_turn([AGENT]) is None


def test_the_question_before_a_turn_of_agents() -> None:
    history = [user(), AGENT, user("ann"), user("ben")]
    assert question_before(history, Turn(2, 3)) == [history[0]]
    assert question_before(history, Turn(0, 0)) == ()
    assert question_before(history, Turn(2, 3), people=["ann"]) == ()
