"""The utility of a line: what it would add to a view, and how that falls as the view comes to say the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from hypothesis import given
from PIL import Image as PILImage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.messages.groups import split, text_of
from autogen_ext_tokenctx.retrieval.terms import terms
from autogen_ext_tokenctx.selection.prioritizer import GroupPrioritizer, PrioritizedContext, ScoredGroup
from autogen_ext_tokenctx.selection.utility import LineUtility, Utility, score_of
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import prose
from ..support.random_histories import histories

QUESTION = "Which valve leaks in the north hall?"


def user(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


def agent(text: str) -> LLMMessage:
    return AssistantMessage(content=text, source="coder")


def exchange(gave: str, thought: str | None = None, name: str = "look", arguments: str = "{}") -> list[LLMMessage]:
    result = FunctionExecutionResult(content=gave, name=name, call_id="c1", is_error=False)
    head = AssistantMessage(content=[FunctionCall("c1", arguments, name)], source="coder", thought=thought)
    return [head, FunctionExecutionResultMessage(content=[result])]


def scored(*messages: LLMMessage) -> PrioritizedContext:
    return GroupPrioritizer().prioritize(split(messages))


def lines_of(utility: Utility, group: ScoredGroup) -> list[LineUtility]:
    """The lines of a group, without labels."""
    return [line for line in utility.lines(group) if line.segment.line >= 0]


@given(histories().filter(bool))
def test_no_line_gains_by_what_the_view_has_already(history: list[LLMMessage]) -> None:
    context = scored(*history)
    utility = Utility(context)
    lines = [line for group in context.groups.values() for line in utility.lines(group)]
    gains = [utility.gain(line) for line in lines]
    assert all(gain >= -1e-9 for gain in gains)
    for number in range(0, len(lines), 1 + len(lines) // 5):
        utility.take(lines[number])
        after = [utility.gain(line) for line in lines]
        assert all(new <= old + 1e-9 for new, old in zip(after, gains, strict=True))
        gains = after


@given(histories().filter(bool))
def test_a_line_has_a_share_of_the_relevance_of_its_group(history: list[LLMMessage]) -> None:
    context = scored(*history)
    utility = Utility(context)
    for group in context.groups.values():
        lines = utility.lines(group)
        assert [line.segment for line in lines] == list(group.profile.segments)
        assert all(line.mass >= 0.0 and line.weight > 0.0 for line in lines)
        assert {line.group for line in lines} <= {group.group.index}


@pytest.mark.parametrize("trace", [False, True])
def test_long_groups_do_not_win_by_length(trace: bool) -> None:
    context = scored(*(agent(prose(seed, words)) for seed, words in enumerate((6, 60, 600, 1_200))), user(QUESTION))
    utility = Utility(replace(context, is_trace_question=trace))
    talk = list(context.groups.values())[:-1]
    whole = [utility.of_group(group) / score_of(group) for group in talk]
    each = [share / group.profile.tokens for share, group in zip(whole, talk, strict=True)]
    assert whole == sorted(whole)
    assert each == sorted(each, reverse=True)
    assert each[0] > each[-1]


def test_who_asks_about_the_run_is_answered_by_short_messages() -> None:
    context = scored(agent(prose(1, 6)), agent(prose(2, 1_200)), user(QUESTION))

    def ratio(trace: bool) -> float:
        utility = Utility(replace(context, is_trace_question=trace))
        short, long, _ = context.groups.values()
        return utility.of_group(short) / utility.of_group(long)

    assert ratio(True) > 1.5 * ratio(False)


def test_a_word_that_is_asked_for_gains_less_each_time_it_is_there() -> None:
    rows = "\n".join(f"The valve leaks by {word}." for word in ("noon", "dusk", "dawn", "night", "chance"))
    context = scored(user("Watch it."), *exchange(rows), agent("Fine."), user("When does the valve leak?"))
    utility = Utility(context)
    first, second, third, fourth, _ = lines_of(utility, context.groups[1])
    gains: list[float] = []
    for line in (first, second, third):
        utility.take(line)
        gains.append(utility.gain(fourth))
    assert gains[0] > gains[1] > gains[2] > 0.0


@pytest.mark.parametrize("word", ["valve", "W4817", "getUser"])
def test_a_line_that_has_a_word_of_the_question_gains_by_it(word: str) -> None:
    rows = "\n".join(["The pump runs.", f"The {word} leaks.", "The motor hums.", "The relay clicks."])
    context = scored(user("Watch it."), *exchange(rows), *exchange(f"A {word}."), agent("Fine."), user(f"A {word}?"))
    line = lines_of(Utility(context), context.groups[1])[1]
    plain = lines_of(Utility(replace(context, query={})), context.groups[1])[1]
    assert set(terms(word)) & set(line.asked)
    assert plain.asked == ()
    assert Utility(context).gain(line) > Utility(context).gain(line._replace(asked=()))


def test_facts_of_a_listing_gain_less_the_more_of_them_the_view_has() -> None:
    """Of one group: another group's facts gain what they gained."""
    listings = ["\n".join(f"order W{start + number}" for number in range(40)) for start in (1_000, 2_000)]
    context = scored(user("Watch the order."), *exchange(listings[0]), *exchange(listings[1]), agent("Fine."))
    utility = Utility(context)
    here, there = (lines_of(utility, context.groups[number]) for number in (1, 2))
    utility.take(here[0])
    before = utility.gain(here[-1]), utility.gain(there[-1])
    for line in here[1:-1]:
        utility.take(line)
    after = utility.gain(here[-1]), utility.gain(there[-1])
    assert after[0] < 0.8 * before[0]
    assert after[1] == pytest.approx(before[1], rel=0.01)


NAMES = [
    ("of a person", user("The gala is for Ottoline Brask."), True),
    ("of an agent, said once", agent("The gala is for Ottoline Brask."), True),
    ("of an agent, said again", agent("Ines Ashgrove is on duty."), False),
    ("of a call", *exchange("done", arguments='{"guest": "Ottoline Brask"}'), True),
    ("of a record", *exchange("guest: Ottoline Brask"), False),
]


@pytest.mark.parametrize("case", NAMES, ids=[str(case[0]) for case in NAMES])
def test_where_tools_are_in_use_a_name_is_a_fact_unless_it_is_one_of_records(case: tuple[Any, ...]) -> None:
    _, *said, is_fact = case
    duty = [*exchange("on duty: Ines Ashgrove"), agent("On duty: Ines Ashgrove.")]
    context = scored(user("Plan the gala."), *said, *duty, user("And now?"))
    lines = Utility(context).lines(context.groups[1])
    assert any(line.per_fact > 0 and line.facts for line in lines) == is_fact


@pytest.mark.parametrize("price", [1, 4])
async def test_what_a_tool_was_called_with_is_kept_before_records(price: int) -> None:
    """The call is the agent's own decision, and no tool gives it back."""
    booked = exchange("done", arguments='{"guest": "Ottoline Brask", "event": "harbour gala"}', name="invite")
    logs = [exchange("\n".join(prose(60 * seed + row, 9) for row in range(60))) for seed in range(8)]
    history = [user("Plan the gala."), *logs[0], *booked, *(one for log in logs[1:] for one in log), user("And now?")]
    manager = ContextManager(counter=EstimatedTokenCounter())
    whole = manager.counter.count_request(history)
    view = (await manager.for_agent().fit(history, whole // (5 * price))).messages
    assert "invite(Ottoline Brask, harbour gala)" in "\n".join(map(text_of, split(view)))


@pytest.mark.parametrize(("said", "is_more"), [(user, True), (agent, True), (None, False)])
def test_new_words_of_what_is_said_gain_more_as_long_as_it_is_open_what_is_asked(
    said: Callable[[str], LLMMessage] | None, is_more: bool
) -> None:
    """No tool brings that back; what a result says may be looked up again."""
    text = "The orchard fence becomes cobalt."
    told = [said(text)] if said else exchange(text)
    start, end = [user("Plan the gala."), *exchange("on duty: Ines"), *told], exchange("ok")

    def per_word(*messages: LLMMessage) -> float:
        context = scored(*messages)
        return lines_of(Utility(context), context.groups[2])[0].per_word

    is_open, asked = per_word(*start, *end), per_word(*start, *end, user(f"{QUESTION} And who mends it by Monday?"))
    assert (is_open > 2 * asked) == is_more


def test_facts_that_the_view_has_gain_nothing() -> None:
    context = scored(user("Watch."), *exchange("order W4817\norder W4817 Ada Lovelace\nx\ny"), agent("Fine."))
    utility = Utility(context)
    first, second, *_ = lines_of(utility, context.groups[1])
    before = utility.gain(second)
    utility.take(first)
    between = utility.gain(second)
    utility.take(second)
    assert before > between > utility.gain(second)


def test_facts_of_records_count_whatever_is_asked_and_those_of_talk_only_while_that_is_open() -> None:
    context = scored(
        user("Watch it."), agent("It is W4817."), *exchange("It is W2291."), agent("Fine."), user(QUESTION)
    )
    of_talk: list[float] = []
    of_records: set[float] = set()
    for ambiguity in (0.0, 0.5, 1.0):
        utility = Utility(replace(context, ambiguity=ambiguity))
        talk, record = (lines_of(utility, context.groups[number])[0] for number in (1, 2))
        of_talk.append(talk.per_fact)
        of_records.add(record.per_fact)
    assert of_talk[0] == 0.0
    assert of_talk == sorted(set(of_talk))
    assert len(of_records) == 1
    assert of_records.pop() > 0.0
    of_the_run = Utility(replace(context, is_trace_question=True))
    assert lines_of(of_the_run, context.groups[2])[0].per_fact == 0.0


def test_a_repeated_line_keeps_more_of_its_relevance_while_it_is_open_what_is_asked() -> None:
    context = scored(user("Watch it."), agent("The valve leaks."), agent("The valve leaks."), agent("Fine."))

    def left(ambiguity: float) -> float:
        utility = Utility(replace(context, ambiguity=ambiguity))
        first, second = (lines_of(utility, context.groups[number])[0] for number in (1, 2))
        alone = second._replace(per_word=0.0, per_fact=0.0, asked=())
        before = utility.gain(alone)
        utility.take(first)
        return utility.gain(alone) / before

    assert 1.0 > left(0.0) > left(1.0) > 0.0


def test_a_line_unlike_the_others_of_its_text_gains_by_that() -> None:
    rows = [f"12:00:{number:02d} worker-{number % 3} read valve {number % 7} ok" for number in range(40)]
    rows[23] = "panic: the disk of the archive is full"
    context = scored(user("Watch it."), *exchange("\n".join(rows)), agent("Fine."), user(QUESTION))
    utility = Utility(context)
    lines = lines_of(utility, context.groups[1])
    odd = max(lines, key=lambda line: line.per_odd)
    assert "panic" in odd.segment.words
    assert utility.gain(odd) > utility.gain(odd._replace(per_odd=0.0))
    assert utility.gain(odd) == max(map(utility.gain, lines))


def test_what_is_said_beside_a_call_has_a_relevance_of_its_own() -> None:
    """It answers; the long result beside it does not make it less."""
    filler = "\n".join(prose(seed, 30) for seed in range(40))
    context = scored(
        user("Watch it."),
        *exchange(filler, thought="The valve leaks in the north hall."),
        agent("Fine."),
        *exchange(filler.replace("read", "took"), thought="The motor hums in the lower yard."),
        agent("Good."),
        agent("Very good."),
        user(QUESTION),
    )
    assert context.groups[1].beside > context.groups[1].relevance
    utility = Utility(context)

    def of_thought(number: int) -> float:
        lines = [line for line in utility.lines(context.groups[number]) if line.segment.kind == "thought"]
        return sum(line.mass / line.segment.tokens for line in lines) / len(lines)

    answers = replace(context.groups[1], beside=context.groups[1].relevance)
    as_result = utility.lines(answers)
    thought = [line.mass for line in utility.lines(context.groups[1]) if line.segment.kind == "thought"]
    assert sum(thought) > sum(line.mass for line in as_result if line.segment.kind == "thought")
    assert of_thought(1) > of_thought(3)


def test_a_picture_that_is_asked_for_comes_before_all_lines_and_of_others_the_newest() -> None:
    picture = Image(PILImage.new("RGB", (64, 48)))
    history = [UserMessage(content=[f"Here is {name}.", picture], source="user") for name in ("a heron", "a gate")]
    context = scored(user("Watch it."), *history, agent("Fine."), user(QUESTION))

    def mass(number: int, *, pictured: bool) -> float:
        group = replace(context.groups[number], pictured=pictured)
        (line,) = [line for line in Utility(context).lines(group) if line.segment.kind == "image"]
        return line.mass

    older, newer = (mass(number, pictured=False) for number in (1, 2))
    assert 0.0 < older < newer
    lines = [line.mass for group in context.groups.values() for line in lines_of(Utility(context), group)]
    assert min(mass(number, pictured=True) for number in (1, 2)) > 10 * max(lines)


def test_what_speaks_for_a_group_grows_with_each_of_its_scores() -> None:
    context = scored(user("Watch it."), agent("The valve leaks."), user(QUESTION))
    group = replace(context.groups[1], weight=0.5, relevance=0.5, recency=0.5)
    for name in ("weight", "relevance", "recency"):
        assert score_of(replace(group, **{name: 0.6})) > score_of(group) > 0.0
    assert score_of(group, 0.6) == score_of(replace(group, relevance=0.6))
    assert score_of(group, 0.0) == score_of(replace(group, relevance=0.0)) > 0.0
