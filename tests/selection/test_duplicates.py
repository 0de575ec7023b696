"""What a later group repeats leaves once."""

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

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.form import Form, Level
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.selection.duplicates import duplicates
from tests.support.guarantees import check_pairs
from tests.support.work import growth

FILE = "\n".join(f"rule_{n} = {n * 37 % 101}" for n in range(40))
CHANGED = FILE.replace("rule_7 = 57", "rule_7 = 58")
OTHER = "\n".join(f"page two, entry {n * 71 % 997}" for n in range(40))
LONG = "The terms of the contract are these. " * 10


def read(text: str, arguments: str = '{"path": "a.py"}', *, name: str = "read_file") -> list[LLMMessage]:
    return reads([(name, arguments, text)])


def reads(calls: Sequence[tuple[str, str, str]]) -> list[LLMMessage]:
    asked = [FunctionCall(id=f"{n}", name=name, arguments=args) for n, (name, args, _) in enumerate(calls)]
    told = [
        FunctionExecutionResult(call_id=f"{n}", name=name, content=text, is_error=False)
        for n, (name, _, text) in enumerate(calls)
    ]
    return [AssistantMessage(content=asked, source="coder"), FunctionExecutionResultMessage(content=told)]


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


@pytest.mark.parametrize(
    ("history", "again"),
    [
        pytest.param([*read(FILE), user("And?"), *read(FILE)], {0}, id="read again"),
        pytest.param([*read(FILE), *read(FILE), *read(FILE)], {0, 1}, id="read three times"),
        pytest.param([*read(FILE), *read(FILE, '{"path":"a.py"}')], {0}, id="other blanks"),
        pytest.param([*read(FILE), *read(FILE, '{"path": "b.py"}')], set[int](), id="other arguments"),
        pytest.param([*read(FILE), *read(FILE, name="cat")], set[int](), id="another tool"),
        pytest.param([*read(FILE), *read(CHANGED)], set[int](), id="changed"),
        pytest.param([*read(FILE), *read(CHANGED), *read(FILE)], {0}, id="changed back"),
        pytest.param([*read(FILE, "{}"), *read(OTHER, "{}")], set[int](), id="the next page"),
        pytest.param([*read("job 7 runs"), *read("job 7 runs"), *read("job 7 done")], set[int](), id="polls"),
        pytest.param([*read("ok", '{"buy": 1}'), *read("ok", '{"buy": 1}')], set[int](), id="bought twice"),
        pytest.param(
            [*reads([("a", "{}", FILE), ("b", "{}", LONG)]), *read(FILE, "{}", name="a")],
            set[int](),
            id="one call of two",
        ),
        pytest.param(
            [*reads([("a", "{}", FILE), ("b", "{}", LONG)]), *read(LONG, "{}", name="b"), *read(FILE, "{}", name="a")],
            {0},
            id="both calls of two",
        ),
        pytest.param([user(LONG), user("And?"), user(LONG)], {0}, id="pasted again"),
        pytest.param([user("Go on."), user("And?"), user("Go on.")], set[int](), id="short"),
        pytest.param([user(LONG), UserMessage(content=LONG, source="ann")], set[int](), id="of another"),
        pytest.param([SystemMessage(content=LONG), SystemMessage(content=LONG)], set[int](), id="system"),
        pytest.param([*read(FILE)[:1], *read(FILE)[:1]], set[int](), id="calls left open"),
        pytest.param([*read(FILE, "no json"), *read(FILE, "no json")], {0}, id="no JSON"),
    ],
)
def test_who_is_named(history: list[LLMMessage], again: set[int]) -> None:
    groups = split(history)
    assert duplicates(groups).keys() == again


async def test_a_file_read_again_is_there_once_and_nothing_is_lost() -> None:
    history = [user("Check the rules."), *read(FILE), user("Look again."), *read(FILE), user("Which rule is 57?")]
    manager = ContextManager()
    result = await manager.fit(history, manager.counter.count_request(history) - 50)
    assert result.messages == [history[0], *history[3:]]
    (step,) = result.report.steps
    assert (step.form, step.why) == (Form.EVICTED, "repeated by a later call with the same result")
    assert manager.expand(step.handle) == history[1:3]
    assert result.report.level is Level.LOSSLESS


@pytest.mark.parametrize("pinned", [True, False])
async def test_what_is_pinned_stays_however_often_it_is_said(pinned: bool) -> None:
    talk = [user(f"Note {n}: " + "and so on " * 30) for n in range(9)]
    history: list[LLMMessage] = [user(LONG), *read(FILE), *talk, user(LONG), *read(FILE), user(LONG)]
    manager = ContextManager()
    budget = manager.counter.count_request(history) - 700
    result = await manager.fit(history, budget, pinned=history[1:3] if pinned else ())
    check_pairs(result.messages)
    assert result.messages[0] is history[0]
    assert result.messages[-1] is history[-1]
    assert sum(message is history[2] for message in result.messages) == pinned
    assert sum(message == history[0] for message in result.messages) == 2


async def test_under_the_trigger_nothing_leaves() -> None:
    history = [user("Go."), *read(FILE), *read(FILE)]
    result = await ContextManager().fit(history, 10_000)
    assert result.messages == history


def test_the_time_it_takes_grows_with_the_text_only() -> None:
    histories = {
        size: split([m for n in range(size) for m in read(FILE + str(n % 7), json.dumps({"n": n % 50}))])
        for size in (200, 800)
    }
    assert growth(lambda size: duplicates(histories[size]), 200) < 8


async def test_a_rule_at_the_head_does_not_give_way_to_a_memory_that_may_go() -> None:
    rule = SystemMessage(content="Relevant memory:\n1. Hall 4 is closed.")
    late = SystemMessage(content="Relevant memory:\n1. Hall 4 is closed.\n2. " + "The pump is new. " * 60)
    newest = SystemMessage(content="Relevant memory:\n3. The valve is old.")
    said = UserMessage(content="Look after the pumps.", source="user")
    history = [rule, said, late, AssistantMessage(content="word " * 300, source="coder"), newest, said]
    view = (await ContextManager().fit(history, 100)).messages
    assert "Hall 4 is closed." in str(view[0].content)
