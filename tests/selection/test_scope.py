"""What of a long history a fit looks at."""

from __future__ import annotations

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx.retrieval.index import HistoryIndex
from autogen_ext_tokenctx.selection import scope as module
from autogen_ext_tokenctx.selection.scope import Scope, scope_of, whole_of
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter, GuardedTokenCounter


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_ALL": 10, "_RECENT": 4, "_FOUND": 2, "_BINDING": 2}.items():
        monkeypatch.setattr(module, name, value)


def chat(turns: int, **said: str) -> list[LLMMessage]:
    """A chat in which some questions are given by number, such as ``q7``."""
    messages: list[LLMMessage] = [SystemMessage(content="Be brief.")]
    for turn in range(turns):
        messages.append(UserMessage(content=said.get(f"q{turn}", f"What of thing {turn}?"), source="user"))
        messages.append(AssistantMessage(content=f"Thing {turn} is on its way.", source="coder"))
    return messages


def looked_at(messages: list[LLMMessage], task: str = "", pinned: tuple[LLMMessage, ...] = ()) -> set[int]:
    index = HistoryIndex(GuardedTokenCounter(EstimatedTokenCounter()))
    index.follow(messages)
    scope = scope_of(index, task, pinned)
    numbers = {group.index for group in scope.groups}
    assert numbers.isdisjoint(group.index for group, _ in scope.not_considered)
    assert len(numbers) + len(scope.not_considered) == len(index.groups)
    return numbers


def test_a_short_history_is_looked_at_whole() -> None:
    assert looked_at(chat(4)) == set(range(9))


def test_of_a_long_one_the_head_the_first_task_with_its_outcome_and_the_newest() -> None:
    found = looked_at(chat(40))
    assert {0, 1, 2, 77, 78, 79, 80} <= found
    assert len(found) < 20


def test_what_is_asked_is_found_with_its_question() -> None:
    history = chat(
        40, q11="The parcel for Lindorf has the number LX-4711.", q39="Which number has the parcel for Lindorf?"
    )
    assert {23, 24} <= looked_at(history)


def test_what_is_pinned_and_what_binds_is_looked_at() -> None:
    history = chat(40, q20="Never send anything to Ulm without asking me first.")
    assert 41 in looked_at(history)
    assert 31 not in looked_at(history)
    assert 31 in looked_at(history, pinned=(history[31],))


def test_a_note_stands_after_the_first_task_and_is_no_part_of_the_history() -> None:
    index = HistoryIndex(GuardedTokenCounter(EstimatedTokenCounter()))
    index.follow(chat(2))
    note = UserMessage(content="What was said so far.", source="context_summary")
    groups: Scope = whole_of(index).with_extra(note)
    assert [group.index for group in groups.groups] == [0, 1, module.NOTE, 2, 3, 4]
