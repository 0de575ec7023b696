"""The compression quality score: 1 when nothing is missing, never lower for more, and it falls for what matters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.selection.knapsack import Choice
from autogen_ext_tokenctx.selection.prioritizer import GroupPrioritizer, PrioritizedContext
from autogen_ext_tokenctx.selection.quality import quality
from tests.support.histories import conversation
from tests.support.random_histories import histories
from tests.support.work import calls

QUESTION = "Which valve leaks in the north hall?"


def user(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


def bot(text: str) -> LLMMessage:
    return AssistantMessage(content=text, source="engineer")


def scored(*messages: LLMMessage) -> PrioritizedContext:
    return GroupPrioritizer().prioritize(split(messages))


def choices(context: PrioritizedContext, forms: Mapping[int, Form], kept: Mapping[int, set[int]]) -> list[Choice]:
    """Every group in full, those with another form aside."""
    return [Choice(s, forms.get(i, Form.FULL), set(kept.get(i, ()))) for i, s in context.groups.items()]


def without(context: PrioritizedContext, *evicted: int) -> float:
    return quality(context, choices(context, dict.fromkeys(evicted, Form.EVICTED), {}))


@pytest.fixture(name="talk")
def a_talk() -> PrioritizedContext:
    return scored(
        user("Look after the valves of the north hall."),
        bot("The valve by the north gate leaks a little every day."),
        bot("Lunch was soup and a little bread again, every day."),
        user("Never close a pump without a call to Ada Lovelace."),
        bot("Part 4711-X was ordered from the usual shop in May."),
        bot("We got another letter about part 4711-X this morning."),
        bot("Nobody was there to sign for the large grey parcel."),
        user(QUESTION),
    )


def test_it_is_1_when_nothing_is_missing_and_0_when_nothing_is_there(talk: PrioritizedContext) -> None:
    assert without(talk) == 1.0
    assert without(talk, *range(8)) == 0.0
    assert quality(talk, []) == 1.0


@pytest.mark.parametrize(
    ("needed", "other"),
    [
        pytest.param(1, 2, id="words of the task"),
        pytest.param(3, 2, id="a rule"),
        pytest.param(2, 4, id="a fact that another line has is not all lost"),
    ],
)
def test_it_falls_further_for_what_the_next_step_may_need(talk: PrioritizedContext, needed: int, other: int) -> None:
    assert without(talk, needed) < without(talk, other) < 1.0


def test_a_fact_that_left_with_all_its_lines_counts_for_nothing(talk: PrioritizedContext) -> None:
    alone, elsewhere = without(talk, 4, 5), without(talk, 4, 6)
    assert alone < elsewhere


def test_the_more_is_open_the_more_a_fact_counts_away_from_its_line() -> None:
    said = [user("Order the parts."), bot("Part 4711-X costs 19.90."), bot("Part 4711-X is grey."), bot("Noted.")]
    asked, open_ended = scored(*said, user(QUESTION)), scored(*said)
    assert asked.ambiguity < open_ended.ambiguity == 1.0

    def left_of_it(context: PrioritizedContext) -> float:
        bare = without(context, 1, 2)
        return (without(context, 1) - bare) / (1.0 - bare)

    assert left_of_it(asked) < left_of_it(open_ended)


@pytest.mark.parametrize("form", [Form.DIGEST, Form.EXTRACT])
def test_lines_count_wherever_they_stand(form: Form) -> None:
    context = scored(user("Go on."), bot("The first line says a.\nThe second says b."), user("Go on with it."))
    some, all_of_it = ({1: {n for n in (1, last) if n}} for last in (0, 2))
    assert without(context, 1) < quality(context, choices(context, {1: form}, some)) < 1.0
    assert quality(context, choices(context, {1: form}, all_of_it)) == 1.0


def test_what_is_sure_of_its_place_or_said_again_is_not_counted(talk: PrioritizedContext) -> None:
    view = choices(talk, {1: Form.EVICTED, 2: Form.EVICTED}, {})
    before = quality(talk, view)
    view[1].fixed = True  # said again elsewhere
    assert quality(talk, view) > before
    for choice in (view[0], *view[3:]):
        choice.fixed = True  # every view has it
    assert quality(talk, view) == 0.0


def test_what_was_not_looked_at_is_missing(talk: PrioritizedContext) -> None:
    view = choices(talk, {}, {})
    scores = [quality(talk, view, unseen) for unseen in (0, 10, 1_000, 100_000)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


@given(history=histories(), seed=st.integers(0, 10**6), unseen=st.integers(0, 10**6))
def test_keeping_more_never_lowers_it(history: list[LLMMessage], seed: int, unseen: int) -> None:
    context, rng = scored(*history), random.Random(seed)
    view = [Choice(s, fixed=rng.random() < 0.2) for s in context.groups.values()]
    steps = [(i, n) for i, s in context.groups.items() for n in range(-1, min(50, len(s.profile.segments)))]
    rng.shuffle(steps)
    score = quality(context, view, unseen)
    for part in (steps[at : at + 1 + len(steps) // 8] for at in range(0, len(steps), 1 + len(steps) // 8)):
        for i, number in part:
            if number < 0:
                view[i].form = rng.choice((Form.COMPACT, Form.FULL))
            elif view[i].form is Form.EVICTED:
                view[i].form = rng.choice((Form.DIGEST, Form.EXTRACT))
            view[i].kept.update({number} - {-1})
        before, score = score, quality(context, view, unseen)
        assert 0.0 <= before <= score <= 1.0
    assert score == 1.0 or unseen


async def test_a_larger_budget_gives_a_report_of_higher_quality() -> None:
    history, manager = conversation(30), ContextManager()
    scores = [(await manager.fit(history, budget)).report.quality for budget in (1_000, 2_000, 4_000, 8_000, 100_000)]
    assert scores == sorted(scores)
    assert scores[-1] == 1.0


def test_it_costs_a_small_part_of_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autogen_ext_tokenctx.context.engine._MANY_GROUPS", 10**6)  # all of it in one thread
    history, manager = conversation(50), ContextManager()
    asyncio.run(manager.fit(history, 2_000))  # read once
    whole = calls(lambda: asyncio.run(manager.fit(history, 2_000)))
    context = scored(*history)
    view = choices(context, dict.fromkeys(range(25, 125), Form.EVICTED), {})
    quality(context, view)
    assert 0 < calls(lambda: quality(context, view)) < 0.25 * whole
