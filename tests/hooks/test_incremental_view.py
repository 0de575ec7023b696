"""A fitted view that grows with its history, and what a provider's cache can serve of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
from autogen_core.tools import ToolSchema
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.report import FitReport
from autogen_ext_tokenctx.forms.form import FitStep, Form
from autogen_ext_tokenctx.hooks.incremental_view import IncrementalView, SentPrefix, TurnRecall, head_of
from autogen_ext_tokenctx.messages.groups import repair, split
from autogen_ext_tokenctx.messages.turns import SPACER, newest_turn
from autogen_ext_tokenctx.models.profiles import PromptCache
from autogen_ext_tokenctx.retrieval.recall import Recalled
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import conversation, exchange
from ..support.random_histories import histories, well_formed

COUNTER = EstimatedTokenCounter()
CACHE = PromptCache(automatic=True, minimum=0, granularity=1, discount=0.5)
SYSTEM = SystemMessage(content="Be brief.")
TASK = UserMessage(content="Watch the boiler of hall nine.", source="user")
BLOCK = UserMessage(content="[It stood there that the valve leaks.]", source="recalled")


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def tokens_of(messages: Sequence[LLMMessage]) -> int:
    return sum(map(COUNTER.count_message, messages))


def whole(*messages: LLMMessage, steps: tuple[FitStep, ...] = ()) -> IncrementalView:
    """A view that is its history."""
    tokens = COUNTER.count_request(messages)
    report = FitReport(
        budget=9_000, tokens_before=tokens, tokens_after=tokens, groups=len(split(messages)), steps=steps
    )
    return IncrementalView(messages, messages, report, "settings", beside=COUNTER.count_request(()))


def step(group: int, form: Form = Form.EVICTED) -> FitStep:
    return FitStep(group, "somebody", form, 50, 0, "", "c0ffee00")


def extended(view: IncrementalView, history: Sequence[LLMMessage]) -> IncrementalView:
    found = view.extended(history, COUNTER)
    assert found is not None
    return found[0]


def recalled() -> Recalled:
    tokens = COUNTER.count_message(BLOCK)
    return Recalled(BLOCK, FitStep(-1, "recalled", Form.RECALLED, 0, tokens, "", ""))


@given(well_formed(), well_formed())
def test_a_view_that_grows_is_the_view_of_the_whole(first: list[LLMMessage], more: list[LLMMessage]) -> None:
    view = whole(*first)
    found = view.extended([*first, *more], COUNTER)
    assert found is not None
    grown, still_open = found
    assert list(grown.covered) + list(still_open) == [*first, *more]
    assert grown.report.tokens_after == COUNTER.count_request(grown.view)
    assert grown.report.groups == len(split(grown.covered))


@given(st.lists(histories(), min_size=1, max_size=4))
def test_what_is_added_is_sendable_and_counted(parts: list[list[LLMMessage]]) -> None:
    view = whole(TASK)
    for part in parts:
        view = view.plus(part, COUNTER)
    added = [message for part in parts for message in repair(part)]
    assert list(view.view) == [TASK, *added]
    assert view.report.tokens_after == COUNTER.count_request(view.view)
    times = sum(map(bool, parts))
    assert view.growth == (tokens_of(added) / times if times else 0.0)


def test_a_history_that_no_longer_begins_alike_is_not_gone_on_with() -> None:
    view = whole(TASK, agent("It leaks."))
    assert view.extended([TASK], COUNTER) is None
    assert view.extended([user("Another."), agent("It leaks.")], COUNTER) is None
    assert view.extended([TASK, agent("It does not."), user("Go on.")], COUNTER) is None


def test_a_call_at_the_end_is_given_out_and_not_remembered() -> None:
    call, result = exchange(1)
    view = whole(TASK)
    found = view.extended([TASK, agent("Hm."), call], COUNTER)
    assert found is not None
    grown, still_open = found
    assert list(still_open) == [call]
    assert len(grown.covered) == 2
    assert len(extended(grown, [TASK, agent("Hm."), call, result]).covered) == 4


def test_a_result_for_a_call_that_was_given_up_ends_the_view() -> None:
    """The view says that there was none; now there is."""
    call = AssistantMessage(content=[FunctionCall("c1", "{}", "look")], source="coder")
    result = FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content="It leaks.", name="look", call_id="c1", is_error=False)]
    )
    view = whole(TASK).plus([call, user("Never mind.")], COUNTER)
    history = [TASK, call, user("Never mind.")]
    assert view.extended([*history, agent("Well.")], COUNTER) is not None
    assert view.extended([*history, result], COUNTER) is None
    assert whole(TASK).plus([call, result], COUNTER).extended([TASK, call, result, result], COUNTER) is not None


CLOCKS = [[], [SystemMessage(content="It is noon.")], [SYSTEM, SystemMessage(content="It is past eleven at night.")]]


@pytest.mark.parametrize("old", CLOCKS, ids=len)
@pytest.mark.parametrize("new", CLOCKS, ids=len)
def test_other_system_messages_at_the_head_take_the_place_of_the_old_ones(
    old: list[LLMMessage], new: list[LLMMessage]
) -> None:
    talk: list[LLMMessage] = [TASK, agent("It leaks."), user("Where?")]
    view = whole(*old, *talk, steps=(step(len(old) + 1), step(-1, Form.BLOCK)))
    view = view.recalling(newest_turn([*old, *talk]), recalled(), COUNTER)
    grown = extended(view, [*new, *talk, agent("Here.")])
    assert list(grown.view) == [*new, *talk, agent("Here.")]
    assert grown.report.tokens_after == COUNTER.count_request(grown.view)
    assert grown.report.groups == len(new) + 4
    assert {one.group for one in grown.report.steps} == {len(new) + 1, -1}
    messages, report = grown.given()
    assert messages.index(BLOCK) == len(new) + 2
    assert report.tokens_after == COUNTER.count_request(messages)
    assert grown.recalled is not None
    assert grown.recalled.turn == newest_turn([*new, *talk])


def test_the_group_right_behind_the_head_is_the_one_that_a_step_is_about() -> None:
    view = whole(SYSTEM, TASK, agent("It leaks."), steps=(step(0), step(1)))
    grown = extended(view, [SYSTEM, SystemMessage(content="It rains."), TASK, agent("It leaks.")])
    assert [one.group for one in grown.report.steps] == [0, 2]


def test_a_head_that_was_shortened_cannot_be_changed() -> None:
    short = SystemMessage(content="Be…")
    view = replace(whole(SYSTEM, TASK), view=(short, TASK))
    assert view.extended([SystemMessage(content="Be long."), TASK, agent("Yes.")], COUNTER) is None
    assert view.extended([SYSTEM, TASK, agent("Yes.")], COUNTER) is not None
    assert whole(SYSTEM).extended([SystemMessage(content="Be long."), TASK], COUNTER) is None


@given(st.integers(0, 500), st.integers(0, 500))
def test_other_tools_cost_what_they_cost(first: int, second: int) -> None:
    view = whole(TASK)
    priming, plain = view.beside, view.report.tokens_after
    changed = view.with_beside(first).with_beside(second)
    assert changed.report.tokens_after == plain + second - priming
    assert changed.report.tokens_saved == view.report.tokens_saved
    assert changed.with_beside(priming) == view


def test_the_newest_user_message_can_be_of_one_call_alone() -> None:
    asked = user("Is it done?")
    view = whole(TASK, agent("It leaks."), asked)
    without = view.without_newest(COUNTER)
    assert list(without.view) == list(without.covered) == [TASK, agent("It leaks.")]
    assert without.report.groups == 2
    assert without.report.tokens_after == COUNTER.count_request(without.view)


@pytest.mark.parametrize(
    "view",
    [
        whole(TASK),
        whole(TASK, agent("It leaks.")),
        replace(whole(TASK, user("Is it done?")), view=(TASK, user("Is it…"))),
    ],
    ids=["nothing else", "an agent's", "shortened"],
)
def test_what_else_is_newest_stays(view: IncrementalView) -> None:
    assert view.without_newest(COUNTER) is view


@pytest.mark.parametrize(
    ("form", "shortens"),
    [
        (Form.FULL, False),
        (Form.COMPACT, False),
        (Form.REPAIRED, False),
        (Form.EXTRACT, True),
        (Form.DIGEST, True),
        (Form.PLACEHOLDER, True),
    ],
)
def test_whether_the_newest_message_says_all_that_it_said(form: Form, shortens: bool) -> None:
    assert whole(TASK, user("And?"), steps=(step(1, form),)).shortens_newest is shortens
    assert not whole(TASK, user("And?"), steps=(step(0, form),)).shortens_newest


@pytest.mark.parametrize("away", [(), (1,), (1, 2), (2,)], ids=str)
@pytest.mark.parametrize("form", [Form.DIGEST, Form.EVICTED])
def test_what_is_recalled_stands_before_the_turn_that_asks(form: Form, away: tuple[int, ...]) -> None:
    """Also where groups of the history, before it or in it, are not in the view."""
    history: list[LLMMessage] = [TASK, agent("One."), agent("Two."), user("Which valve?"), *exchange(1), agent("It.")]
    for gone in (away, (*away, 4)):
        groups = split(history)
        view = [message for group in groups if group.index not in gone for message in group.messages]
        made = replace(whole(*history, steps=tuple(step(number, form) for number in gone)), view=tuple(view))
        messages, _ = made.recalling(newest_turn(history), recalled(), COUNTER).given()
        assert messages[messages.index(BLOCK) + 1 :] == view[view.index(history[3]) :]


@pytest.mark.parametrize("alternates", [True, False])
def test_in_a_history_of_turns_a_block_keeps_the_turns_and_all_of_it_is_counted(alternates: bool) -> None:
    history: list[LLMMessage] = [TASK, agent("It leaks."), user("Where?")]
    if not alternates:
        history.insert(1, agent("Well."))
    view = whole(*history).recalling(newest_turn(history), recalled(), COUNTER)
    messages, report = view.given()
    place = messages.index(BLOCK)
    assert messages[place + 1] == (SPACER if alternates else history[-1])
    assert report.tokens_after == COUNTER.count_request(messages)
    assert view.recalled_tokens == COUNTER.count_request(messages) - COUNTER.count_request(history)
    assert list(view.view) == history
    assert report.steps[-1].form is Form.RECALLED


def test_without_anything_recalled_a_call_gets_the_view() -> None:
    view = whole(TASK, agent("It leaks."))
    for made in (view, view.recalling(newest_turn(view.covered), None, COUNTER), view.recalling(None, None, COUNTER)):
        assert made.given() == ([TASK, agent("It leaks.")], view.report)
        assert made.recalled_tokens == 0


@pytest.mark.parametrize(
    ("place", "can_stand"), [(-1, False), (0, True), (1, True), (2, False), (3, True), (4, True), (5, False)]
)
def test_a_saved_block_needs_a_place_and_none_before_a_result(place: int, can_stand: bool) -> None:
    view: list[LLMMessage] = [TASK, *exchange(1), agent("It.")]
    found = recalled()
    saved = TurnRecall(newest_turn(view), place, replace(found, step=replace(found.step, tokens_after=9_999)))
    if not can_stand:
        with pytest.raises(ValueError, match=f"message {place}"):
            saved.restored(view, COUNTER)
        return
    assert saved.restored(view, COUNTER) == TurnRecall(saved.turn, place, found)


def served(prefix: SentPrefix, messages: Sequence[LLMMessage], tools: Sequence[ToolSchema] = ()) -> int:
    return prefix.served(messages, COUNTER.count_request(messages, tools), tools, CACHE)


@given(well_formed(), st.integers(0, 20), well_formed())
def test_a_cache_serves_the_start_that_two_requests_share(
    first: list[LLMMessage], shared: int, more: list[LLMMessage]
) -> None:
    prefix = SentPrefix(COUNTER)
    assert served(prefix, first) == 0
    other = [agent("Something else.")]
    second = [*first[:shared], *other, *more]
    assert served(prefix, second) == COUNTER.count_request(first) - tokens_of(first[min(shared, len(first)) :])
    assert served(prefix, second) == COUNTER.count_request(second)


def test_other_tools_leave_a_cache_nothing_and_only_for_that_call() -> None:
    one, other = (ToolSchema(name=name, description="Does it.") for name in ("look", "read"))
    prefix, history = SentPrefix(COUNTER), conversation(2)
    served(prefix, history, [one])
    assert served(prefix, history, [other]) == 0
    assert served(prefix, history, [other]) == COUNTER.count_request(history, [other])
    assert served(prefix, history) == 0


def test_a_head_that_changes_is_said_to_break_the_cache() -> None:
    prefix = SentPrefix(COUNTER)
    for head, is_broken in ((SYSTEM, False), (SYSTEM, False), (SystemMessage(content="It is noon."), True)):
        served(prefix, [head, TASK, agent("It leaks.")])
        assert bool(prefix.broken) is is_broken
    served(prefix, [SystemMessage(content="It is noon."), user("Another.")])
    assert not prefix.broken


def test_the_head_is_the_system_messages_before_anything_else() -> None:
    assert head_of([SYSTEM, SYSTEM, TASK, SYSTEM]) == (SYSTEM, SYSTEM)
    assert head_of([TASK, SYSTEM]) == head_of([]) == ()
