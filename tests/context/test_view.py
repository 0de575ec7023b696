"""Views: what stands for each group, counted exactly, and what is written once for all drafts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx.context.view import Draft, View, ViewBuilder
from autogen_ext_tokenctx.forms.compressor import DIGEST_SOURCE, GroupCompressor
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.forms.passages import Passage
from autogen_ext_tokenctx.messages.archive import ContextArchive
from autogen_ext_tokenctx.messages.groups import MessageGroup
from autogen_ext_tokenctx.messages.instructions import InstructionKind
from autogen_ext_tokenctx.messages.turns import SPACER
from autogen_ext_tokenctx.retrieval.features import FeatureCache
from autogen_ext_tokenctx.retrieval.index import HistoryIndex
from autogen_ext_tokenctx.selection.instructions import StandingInstruction
from autogen_ext_tokenctx.selection.knapsack import Choice
from autogen_ext_tokenctx.selection.prioritizer import GroupPrioritizer
from autogen_ext_tokenctx.selection.scope import whole_of
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter, GuardedTokenCounter

from ..support.histories import exchange, prose

COUNTER = GuardedTokenCounter(EstimatedTokenCounter())
RULES = SystemMessage(content="Be brief.")
TASK = UserMessage(content="Find out which boiler leaks.", source="user")
LONG = "\n".join(prose(number, 30) for number in range(12))


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


class Writer(GroupCompressor):
    """Notes of which groups it writes lines in their place."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[int] = []

    def extract(
        self, group: MessageGroup, read: Sequence[Passage], kept: Mapping[int, Set[int]], handle: str
    ) -> tuple[LLMMessage, ...]:
        self.written.append(group.index)
        return super().extract(group, read, kept, handle)


class Views:
    """A history and the views of it, for forms by number of group; the others stand in full."""

    def __init__(self, history: Sequence[LLMMessage], *, expandable: bool = True) -> None:
        index = HistoryIndex(COUNTER)
        index.follow(history)
        self.compressor, self.archive = Writer(), ContextArchive()
        scope = whole_of(index)
        features = FeatureCache(COUNTER, self.compressor)
        self.context = GroupPrioritizer().prioritize(scope.groups, profiles=features)
        self.builder = ViewBuilder(COUNTER, self.compressor, self.archive, scope, expandable=expandable)

    def draft(self, forms: dict[int, tuple[Form, set[int]]], **settings: Any) -> Draft:
        choices: list[Choice] = []
        for number, scored in self.context.groups.items():
            form, kept = forms.get(number, (Form.FULL, set[int]()))
            choices.append(Choice(scored, form, kept, cost=sum(scored.profile.segments[s].tokens for s in kept)))
        return self.builder.draft(choices, settings.pop("reasons", set[int]()), **settings)

    def view(self, forms: dict[int, tuple[Form, set[int]]], **settings: Any) -> View:
        return self.builder.build(self.draft(forms, **settings))


def tokens_of(view: View) -> int:
    return sum(map(COUNTER.count_message, view.messages))


ENDS: list[LLMMessage] = [user("Go on."), agent("Done."), user("Which?")]
HISTORY: list[LLMMessage] = [RULES, TASK, *exchange(1, 200), agent(LONG), *ENDS]
"""Groups: the rules, the task, an exchange, a long text, and three short ones."""

FORMS: dict[str, dict[int, tuple[Form, set[int]]]] = {
    "whole": {},
    "left out": {2: (Form.EVICTED, set()), 3: (Form.EVICTED, set())},
    "quoted": {2: (Form.EVICTED, set()), 3: (Form.DIGEST, {0, 2, 5})},
    "in its place": {3: (Form.EXTRACT, {0, 2, 5})},
    "marked": {3: (Form.EXTRACT, set())},
    "answered": {3: (Form.PLACEHOLDER, set())},
    "compact": {2: (Form.COMPACT, set()), 4: (Form.COMPACT, set())},
}


@pytest.mark.parametrize("expandable", [True, False])
@pytest.mark.parametrize("name", FORMS)
def test_what_a_draft_counts_is_what_its_view_costs(name: str, expandable: bool) -> None:
    views = Views(HISTORY, expandable=expandable)
    draft = views.draft(FORMS[name])
    view = views.builder.build(draft)
    assert draft.tokens == view.tokens == tokens_of(view)


def test_a_view_of_groups_in_full_is_the_history() -> None:
    view = Views(HISTORY).view({})
    assert all(shown is said for shown, said in zip(view.messages, HISTORY, strict=True))
    assert view.block is None
    assert not view.changed
    assert view.is_lossless(set())


def test_the_block_stands_after_what_must_stay_at_the_head() -> None:
    view = Views(HISTORY).view(FORMS["quoted"])
    assert view.messages[:2] == [RULES, TASK]
    block = view.messages[2]
    assert isinstance(block, UserMessage)
    assert block.source == DIGEST_SOURCE
    assert view.messages[3:] == ENDS
    assert prose(1, 30).splitlines()[0] in str(block.content)


def test_the_block_stands_before_what_came_after_the_groups_in_it() -> None:
    view = Views(HISTORY).view({0: (Form.EVICTED, set())})
    assert view.block is not None
    assert view.messages == [view.block.message, *HISTORY[1:]]


def test_what_came_of_the_task_stands_before_the_block() -> None:
    views = Views(HISTORY)
    view = views.view(FORMS["left out"], outcome=5)
    assert view.messages.index(HISTORY[-2]) > 2
    first = views.view({**FORMS["left out"], 4: (Form.EVICTED, set())}, outcome=5)
    assert first.messages[2] == HISTORY[-2]


def test_without_a_block_nothing_tells_what_left() -> None:
    view = Views(HISTORY).view(FORMS["left out"], block=False)
    assert view.block is None
    assert view.messages == [RULES, TASK, *ENDS]


def test_what_left_for_a_reason_of_its_own_needs_no_block() -> None:
    assert Views(HISTORY).view(FORMS["left out"], reasons={2, 3}).block is None
    assert Views(HISTORY).view(FORMS["left out"], reasons={2}).block is not None


@pytest.mark.parametrize("in_turns", [True, False])
def test_a_history_of_turns_stays_one(in_turns: bool) -> None:
    history = [TASK, agent(LONG), *ENDS, *([] if in_turns else [user("Well?")])]
    view = Views(history).view({1: (Form.EVICTED, set())})
    assert (SPACER in view.messages) is in_turns
    assert view.tokens == tokens_of(view)


def test_a_form_that_is_no_shorter_is_not_taken() -> None:
    views = Views(HISTORY)
    view = views.view({4: (Form.EXTRACT, set()), 5: (Form.PLACEHOLDER, set())})
    assert HISTORY[-3] in view.messages
    assert HISTORY[-2] in view.messages
    assert {part.form for part in view.changed} <= {Form.FULL}


def test_what_stands_in_full_is_lossless_and_what_is_shortened_is_not() -> None:
    views = Views(HISTORY)
    assert not views.view(FORMS["in its place"]).is_lossless(set())
    assert views.view({3: (Form.EVICTED, set())}).is_lossless({3})  # a later group repeats it


def test_a_standing_instruction_of_what_left_stands_in_the_block() -> None:
    rule = "Never restart boiler nine."
    history = [RULES, TASK, user(f"{rule} {LONG}"), agent("Done."), user("Which?")]
    held = [StandingInstruction(2, "user", rule, InstructionKind.PROHIBITION, 0.9, 8)]
    views = Views(history)
    view = views.view({2: (Form.EVICTED, set())}, held=held)
    assert view.block is not None
    assert rule in str(view.block.message.content)
    assert rule not in str(views.view({2: (Form.EVICTED, set())}).messages)


def test_what_drafts_have_in_common_is_written_once() -> None:
    views = Views(HISTORY)
    first = {2: (Form.EXTRACT, {0, 1}), 3: (Form.DIGEST, {0, 2})}
    more = {2: (Form.EXTRACT, {0, 1}), 3: (Form.DIGEST, {0, 2, 4})}
    for forms in (first, more, first):
        views.draft(forms)
    assert views.compressor.written == [2]
    views.draft({2: (Form.EXTRACT, {0, 1, 2}), 3: (Form.DIGEST, {0, 2})})
    assert views.compressor.written == [2, 2]


def test_a_draft_stays_as_it_is_when_its_choices_change() -> None:
    views = Views(HISTORY)
    kept = {0, 2}
    draft = views.draft({3: (Form.DIGEST, kept)})
    before = views.builder.build(draft)
    kept.update({3, 4, 5})
    views.draft({3: (Form.DIGEST, kept)})
    assert views.builder.build(draft) == before


def test_steps_tell_what_became_of_each_group_and_share_the_block() -> None:
    views = Views(HISTORY)
    view = views.view(FORMS["quoted"])
    block, exchanged, text = views.builder.steps(view, {2: "said again"})
    assert (block.group, block.form) == (-1, Form.BLOCK)
    assert (exchanged.group, exchanged.form, exchanged.tokens_after, exchanged.why) == (
        2,
        Form.EVICTED,
        0,
        "said again",
    )
    assert (text.group, text.form) == (3, Form.DIGEST)
    assert view.block is not None
    assert block.tokens_after + text.tokens_after == view.block.tokens
    assert views.archive.get(exchanged.handle) == HISTORY[2:4]
    assert views.archive.get(text.handle) == [HISTORY[4]]
    assert views.archive.get(view.block.handle) == HISTORY[2:5]
