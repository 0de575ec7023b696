"""Messages that are nearly the same are merged, and what only one of them says stays."""

from __future__ import annotations

import re

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx import ContextManager

from ..support.guarantees import check_budget, check_nothing_lost, check_order, check_pinned, check_turns, check_useful
from ..support.histories import conversation, prose

TASK = UserMessage(content="Watch the orders service and tell me about failures.", source="user")
ASKED = UserMessage(content="Which steps are next?", source="user")


def heartbeat(number: int) -> str:
    return (
        f"Heartbeat {number}: the orders service is up, all workers answer, the queue is short, the disk is "
        f"{number * 7 % 90} percent full, the certificate holds for another {200 - number} days and nothing needs to "
        f"be done by anybody here. Ticket HB-{4_000 + number * 13} was closed."
    )


def watched(kind: type[AssistantMessage] | type[UserMessage], count: int = 30) -> list[LLMMessage]:
    return [TASK, *(kind(content=heartbeat(number), source="monitor") for number in range(count)), ASKED]


async def shown(history: list[LLMMessage], budget: int) -> str:
    result = await ContextManager().fit(history, budget)
    assert result.report.tokens_after <= budget
    return "\n".join(str(message.content) for message in result.messages)


@pytest.mark.parametrize("kind", [AssistantMessage, UserMessage])
async def test_thirty_alike_become_one_with_the_facts_of_the_others(
    kind: type[AssistantMessage] | type[UserMessage],
) -> None:
    small = await shown(watched(kind), 600)
    assert small.count("the certificate holds") <= 3
    assert len(set(re.findall(r"HB-\d+", small))) >= 18
    larger = await shown(watched(kind), 900)
    assert set(re.findall(r"HB-\d+", larger)) == {f"HB-{4_000 + number * 13}" for number in range(30)}


async def test_where_there_are_tokens_they_stand_whole_again() -> None:
    view = await shown(watched(AssistantMessage), 1_600)
    assert view.count("the certificate holds") > 15


async def test_what_a_person_says_again_and_again_leaves_tokens_to_what_he_says_once() -> None:
    history: list[LLMMessage] = [TASK]
    for number in range(60):
        once = "The dentist appointment in Lindorf is on Monday." if number == 7 else ""
        text = once or f"I took walk {number} today, along the river, past the mill and over the old bridge."
        history += [UserMessage(content=text, source="user"), AssistantMessage(content="Noted.", source="secretary")]
    view = await shown([*history, UserMessage(content="I took a walk today.", source="user")], 700)
    assert "dentist appointment in Lindorf is on Monday" in view


async def test_two_alike_are_left_alone() -> None:
    pair = [AssistantMessage(content=heartbeat(number), source="monitor") for number in range(2)]
    assert "Heartbeat 0: … " not in await shown([TASK, *pair, *conversation(20)[1:]], 700)


async def test_system_messages_and_what_is_pinned_stay_as_they_are() -> None:
    pinned = AssistantMessage(content=heartbeat(99), source="monitor")
    history = [SystemMessage(content="Be brief."), TASK, pinned, *watched(AssistantMessage)[1:]]
    result = await ContextManager().fit(history, 700, pinned=[pinned])
    assert any(message is pinned for message in result.messages)


@pytest.mark.parametrize("between", ["\n", "  \t", "\r\n", " \n\n "])
@pytest.mark.parametrize("budget", [300, 500, 700])
async def test_pieces_stand_as_the_text_has_them_however_its_words_are_apart(between: str, budget: int) -> None:
    said = [
        heartbeat(number)
        .replace(" percent", between + "percent")
        .replace(" Ticket", between + "Ticket")
        .replace(" the disk is ", f" the disk is{between}")
        for number in range(30)
    ]
    history: list[LLMMessage] = [TASK, *(AssistantMessage(content=text, source="monitor") for text in said), ASKED]
    manager = ContextManager()
    result = await manager.fit(history, budget)
    assert any(" … " in str(message.content) for message in result.messages)
    check_order(manager, history, result)
    check_nothing_lost(manager, history, result)


@given(
    seed=st.integers(0, 500),
    count=st.integers(3, 25),
    words=st.integers(12, 60),
    changed=st.integers(0, 8),
    budget=st.integers(120, 900),
)
async def test_what_is_merged_keeps_every_guarantee(
    seed: int, count: int, words: int, changed: int, budget: int
) -> None:
    said = prose(seed, 3 * words).split()[:words]
    history: list[LLMMessage] = [TASK]
    for number in range(count):
        own = [f"{word}{number}" if place % 5 == 0 and place % 9 < changed else word for place, word in enumerate(said)]
        history.append(AssistantMessage(content=" ".join(own), source="monitor"))
    history.append(ASKED)
    manager = ContextManager()
    result = await manager.fit(history, budget)
    check_budget(manager, budget, result)
    check_pinned(history, result.messages)
    check_order(manager, history, result)
    check_nothing_lost(manager, history, result)
    check_useful(manager, history, budget, result)
    check_turns(history, result, budget)
