"""Which form each group takes: laws of growing and shrinking, and which lines come before others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import pytest
from autogen_core import FunctionCall, Image
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
from PIL import Image as PILImage

from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.selection.corrections import Place
from autogen_ext_tokenctx.selection.knapsack import Allocation, Choice
from autogen_ext_tokenctx.selection.prioritizer import GroupPrioritizer, PrioritizedContext

from ..support.histories import conversation, prose
from ..support.random_histories import histories

WHOLE = 10**7
"""More tokens than any history here has."""

QUESTION = "Which valve leaks in the north hall?"


def user(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


def agent(text: str) -> LLMMessage:
    return AssistantMessage(content=text, source="coder")


def exchange(gave: str, thought: str | None = None, arguments: str = "{}") -> list[LLMMessage]:
    result = FunctionExecutionResult(content=gave, name="look", call_id="c1", is_error=False)
    head = AssistantMessage(content=[FunctionCall("c1", arguments, "look")], source="coder", thought=thought)
    return [head, FunctionExecutionResultMessage(content=[result])]


def scored(messages: Sequence[LLMMessage]) -> PrioritizedContext:
    return GroupPrioritizer().prioritize(split(messages))


def allocation(
    context: PrioritizedContext,
    *,
    whole: Iterable[int] = (),
    in_place: Iterable[int] = (),
    out: Iterable[int] = (),
    corrected_by: Mapping[Place, Place] | None = None,
    max_tokens: int = 10_000,
    quotes: bool = True,
) -> Allocation:
    return Allocation(context, whole, in_place, out, corrected_by or {}, max_tokens, quotes=quotes)


class State(NamedTuple):
    """What is chosen of a group."""

    form: Form
    kept: Set[int]
    cost: int
    mass: float


def state(chosen: Allocation) -> dict[int, State]:
    return {
        number: State(choice.form, frozenset(choice.kept), choice.cost, round(choice.mass, 6))
        for number, choice in chosen.choices.items()
    }


def cost(chosen: Allocation) -> int:
    return sum(choice.cost for choice in chosen.choices.values())


def kept(choice: Choice) -> list[str]:
    """The lines of a group that are kept, as text."""
    profile = choice.scored.profile
    segments = [profile.segments[number] for number in sorted(choice.kept)]
    return [profile.passages[one.passage].lines[one.line].text for one in segments if one.line >= 0]


def is_whole(choice: Choice) -> bool:
    """Whether all of a group is in the view: in full, or line by line."""
    return choice.form is Form.FULL or choice.kept >= set(range(len(choice.scored.profile.segments)))


@given(histories().filter(bool), st.lists(st.integers(0, 2_000), max_size=5), st.booleans())
def test_growing_never_takes_more_tokens_than_it_may(history: list[LLMMessage], steps: list[int], quotes: bool) -> None:
    chosen = allocation(scored(history), quotes=quotes)
    for tokens in steps:
        before, forms = cost(chosen), state(chosen)
        grew = chosen.grow(tokens)
        assert cost(chosen) - before <= tokens
        assert grew == (state(chosen) != forms)


@given(histories().filter(bool), st.integers(0, 3_000), st.integers(0, 3_000))
def test_shrinking_undoes_growing(history: list[LLMMessage], first: int, more: int) -> None:
    chosen = allocation(scored(history))
    empty = state(chosen)
    chosen.grow(first)
    chosen.grow(more)
    assert not chosen.shrink(WHOLE)
    assert state(chosen) == empty


@given(histories().filter(bool), st.integers(1, 3_000), st.integers(1, 3_000))
def test_shrinking_frees_what_it_says(history: list[LLMMessage], tokens: int, less: int) -> None:
    chosen = allocation(scored(history))
    chosen.grow(tokens)
    before = cost(chosen)
    assert chosen.shrink(less) == (before - cost(chosen) >= less)
    assert chosen.shrink(0)


@given(histories().filter(bool), st.lists(st.integers(1, 300), max_size=6))
def test_what_a_kept_line_needs_is_kept_too(history: list[LLMMessage], steps: list[int]) -> None:
    chosen = allocation(scored(history))
    for tokens in steps:
        chosen.grow(tokens)
        for choice in chosen.choices.values():
            segments = choice.scored.profile.segments
            assert {segments[number].requires for number in choice.kept} - {-1} <= choice.kept


@given(histories().filter(bool), st.lists(st.integers(1, 400), max_size=6))
def test_all_that_fits_is_taken_however_small_the_steps_before_were(
    history: list[LLMMessage], steps: list[int]
) -> None:
    chosen = allocation(scored(history))
    for tokens in steps:
        chosen.grow(tokens)
    chosen.grow(WHOLE)
    assert all(is_whole(choice) for choice in chosen.choices.values() if choice.scored.group.messages)
    assert not chosen.grow(WHOLE)
    if all(choice.form is Form.FULL for choice in chosen.choices.values()):
        assert chosen.relevance_kept() == pytest.approx(1.0)


@given(histories().filter(bool), st.lists(st.integers(1, 400), max_size=6))
def test_more_tokens_never_keep_less_of_what_is_relevant(history: list[LLMMessage], steps: list[int]) -> None:
    chosen = allocation(scored(history))
    shares = [chosen.relevance_kept()]
    for tokens in steps:
        chosen.grow(tokens)
        shares.append(chosen.relevance_kept())
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] <= shares[-1] <= 1.0 + 1e-9


def test_of_nothing_all_is_kept() -> None:
    chosen = allocation(scored([]))
    assert not chosen.grow(100)
    assert not chosen.shrink(1)
    assert chosen.relevance_kept() == 1.0


def test_what_only_some_groups_may_take_leaves_the_others_their_chance() -> None:
    context = scored(conversation(8))
    chosen = allocation(context)
    own = {3, 5}
    assert chosen.grow(WHOLE, own)
    assert {number for number, one in chosen.choices.items() if one.form is not Form.EVICTED} == own
    assert not chosen.grow(WHOLE, own)
    assert chosen.grow(WHOLE)
    assert all(map(is_whole, chosen.choices.values()))


def test_what_is_too_large_for_now_is_taken_when_there_are_more_tokens() -> None:
    context = scored([agent(prose(1, 200)), user(QUESTION)])
    chosen = allocation(context, quotes=False)
    assert chosen.grow(40) == (chosen.choices[1].form is Form.FULL)
    assert chosen.choices[0].form is Form.EVICTED
    assert chosen.grow(WHOLE)
    assert chosen.choices[0].form is Form.FULL


def test_without_a_block_a_group_stands_in_its_place_or_not_at_all() -> None:
    context = scored(conversation(8))
    for tokens in (100, 400, 1_000):
        chosen = allocation(context, quotes=False)
        chosen.grow(tokens)
        assert {one.form for one in chosen.choices.values()} <= {Form.EVICTED, Form.COMPACT, Form.FULL}
        with_block = allocation(context)
        with_block.grow(tokens)
        assert not {Form.DIGEST, Form.EXTRACT}.isdisjoint(one.form for one in with_block.choices.values())


def test_what_stands_whole_or_left_is_not_chosen_again() -> None:
    context = scored(conversation(4))
    chosen = allocation(context, whole=[0, 2], out=[3])
    assert chosen.choices[0].form is Form.FULL
    chosen.grow(WHOLE)
    assert chosen.choices[3].form is Form.EVICTED
    chosen.shrink(WHOLE)
    assert [chosen.choices[number].form for number in (0, 2, 3)] == [Form.FULL, Form.FULL, Form.EVICTED]
    assert chosen.choices[2].cost == context.groups[2].profile.tokens


def test_of_a_result_that_comes_again_only_what_was_said_beside_it_is_open() -> None:
    history = [user("Watch it."), *exchange(prose(1, 60), thought="The valve leaks."), user(QUESTION)]
    context = scored(history)
    chosen = allocation(context, whole=[0, 2], out=[1])
    assert chosen.relevance_kept() < 1.0
    assert chosen.grow(WHOLE)
    assert kept(chosen.choices[1]) == ["The valve leaks."]
    assert chosen.relevance_kept() == pytest.approx(1.0)
    silent = allocation(scored([user("Watch it."), *exchange(prose(1, 60)), user(QUESTION)]), whole=[0, 2], out=[1])
    assert silent.relevance_kept() == pytest.approx(1.0)


def test_what_answers_comes_first() -> None:
    history = [agent(prose(seed, 30)) for seed in range(12)]
    history.insert(4, agent("By the gate of the north hall the valve leaks."))
    context = scored([*history, *[agent(prose(seed, 30)) for seed in range(20, 24)], user(QUESTION)])
    chosen = allocation(context, whole=[len(context.groups) - 1], quotes=False)
    chosen.grow(context.groups[4].profile.tokens)
    assert chosen.choices[4].form is Form.FULL


def test_the_lines_beside_a_kept_one_come_before_others_like_them() -> None:
    """Alike but for their place; only one answers."""
    names = ("heron", "otter", "robin", "badger", "stoat", "raven", "finch", "weasel", "marten", "magpie", "linnet")
    lines = [f"The {name} sleeps" for name in names]
    lines[6] = "The valve leaks in the north hall"
    context = scored([user("Watch it."), agent("\n".join(lines)), agent("Fine."), user(QUESTION)])
    chosen = allocation(context, whole=[0, 2, 3])
    line = context.groups[1].profile.segments[7].tokens
    chosen.grow(3 * line + context.groups[1].profile.segments[0].tokens + 4)
    found = [lines.index(text) for text in kept(chosen.choices[1])]
    assert 6 in found
    assert len(found) > 1
    assert found == list(range(found[0], found[-1] + 1))


def test_with_a_line_that_is_corrected_comes_what_corrects_it() -> None:
    """Nothing else speaks for the later line: what is asked is in the older one."""
    filler = [f"{prose(seed, 20)}\n{prose(seed + 50, 20)}" for seed in range(8)]
    first = f"{prose(60, 20)}\nIn the north hall the valve leaks.\n{prose(61, 20)}"
    later = f"{prose(62, 20)}\nIt was mended since, says the plumber.\n{prose(63, 20)}"
    said = [first, *filler[:2], later, *filler[2:], "Fine."]
    context = scored([user("Watch it."), *map(agent, said), user(QUESTION)])
    old, new = Place(1, 2), Place(4, 2)

    def has(chosen: Allocation, place: Place) -> bool:
        choice = chosen.choices[place.group]
        return choice.form in (Form.FULL, Form.COMPACT) or place.segment in choice.kept

    def grown(corrected_by: Mapping[Place, Place]) -> Allocation:
        chosen = allocation(context, whole=[0, 11, 12], corrected_by=corrected_by)
        chosen.grow(30)
        return chosen

    alone, corrected = grown({}), grown({old: new})
    assert (has(alone, old), has(alone, new)) == (True, False)
    assert (has(corrected, old), has(corrected, new)) == (True, True)
    while corrected.shrink(1):
        assert has(corrected, new) or not has(corrected, old)


def test_what_corrects_a_group_that_stands_whole_comes_before_all_else() -> None:
    said = [f"{prose(seed, 20)}\n{prose(seed + 50, 20)}" for seed in range(6)]
    context = scored([user("The valve is shut."), *map(agent, said), user(QUESTION)])
    chosen = allocation(context, whole=[0, 6, 7], corrected_by={Place(0, 1): Place(2, 1)})
    chosen.grow(context.groups[2].profile.segments[1].tokens + context.groups[2].profile.segments[0].tokens)
    assert [number for number, one in chosen.choices.items() if one.kept] == [2]


def test_of_a_text_that_is_shortened_in_its_place_the_head_and_the_tail_come_first() -> None:
    lines = [f"Line {number} says {prose(number, 9)}" for number in range(40)]
    context = scored([user("\n".join(lines))])
    chosen = allocation(context, in_place=[0])
    assert chosen.choices[0].form is Form.EXTRACT
    chosen.grow(2 * max(segment.tokens for segment in context.groups[0].profile.segments))
    found = kept(chosen.choices[0])
    assert found[0] == lines[0]
    assert found[-1] == lines[-1]
    chosen.grow(200)
    found = kept(chosen.choices[0])
    assert [lines.index(text) for text in (*found[:2], *found[-2:])] == [0, 1, 38, 39]


def test_of_a_request_the_line_that_asks_comes_before_the_rest() -> None:
    lines = [prose(number, 12) for number in range(60)]
    lines[30] = "Please list all of these readings as a table."
    context = scored([user("\n".join(lines))])
    chosen = allocation(context, in_place=[0])
    chosen.grow(6 * max(segment.tokens for segment in context.groups[0].profile.segments))
    assert lines[30] in kept(chosen.choices[0])


@pytest.mark.parametrize(("max_tokens", "is_call_whole"), [(2_000, True), (60, False)])
def test_a_call_comes_before_its_result_if_it_leaves_that_some_tokens(max_tokens: int, is_call_whole: bool) -> None:
    arguments = "\n".join(f"step {number}: read {prose(number, 6)}" for number in range(10))
    context = scored([user("Watch it."), *exchange("\n".join(prose(seed, 12) for seed in range(80)), "", arguments)])
    chosen = allocation(context, whole=[0], in_place=[1], max_tokens=max_tokens)
    profile = context.groups[1].profile
    of_call = [
        number
        for number, one in enumerate(profile.segments)
        if one.line >= 0 and profile.passages[one.passage].slot.kind == "arguments"
    ]
    assert len(of_call) > 1
    chosen.grow(min(max_tokens, sum(profile.segments[number].tokens for number in of_call) + 120))
    assert set(of_call) <= chosen.choices[1].kept if is_call_whole else not set(of_call) <= chosen.choices[1].kept
    if is_call_whole:
        assert len(kept(chosen.choices[1])) > len(of_call)


def test_of_a_prompt_with_a_history_in_it_the_beginning_and_the_newest_lines_come_first() -> None:
    lines = [f"turn {number}: {prose(number, 9)}" for number in range(80)]
    context = scored([SystemMessage(content="\n".join(lines))])
    whole = context.groups[0].profile.tokens
    chosen = allocation(context, in_place=[0], max_tokens=whole // 2)
    chosen.grow(whole // 3)
    found = [lines.index(text) for text in kept(chosen.choices[0])]
    left_out = sorted(set(range(80)) - set(found))
    assert found[0] == 0
    assert found[-1] == 79
    assert left_out == list(range(left_out[0], left_out[-1] + 1))
    assert 79 - left_out[-1] > left_out[0] > 1


def test_pictures_of_a_text_in_its_place_come_before_its_middle_the_newest_first() -> None:
    picture = Image(PILImage.new("RGB", (64, 48)))
    text = "\n".join(prose(number, 12) for number in range(40))
    context = scored([UserMessage(content=[picture, text, picture], source="user")])
    profile = context.groups[0].profile
    pictures = [number for number, one in enumerate(profile.segments) if one.kind == "image"]
    chosen = allocation(context, in_place=[0])
    lines = sorted((one.tokens for one in profile.segments if one.kind != "image"), reverse=True)
    chosen.grow(profile.segments[pictures[0]].tokens + sum(lines[:6]))
    assert [number for number in pictures if number in chosen.choices[0].kept] == pictures[-1:]
