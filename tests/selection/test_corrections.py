"""Lines that later ones take the place of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.selection.corrections import corrections
from autogen_ext_tokenctx.selection.prioritizer import GroupPrioritizer

from ..support.histories import conversation


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def corrected(said: Sequence[str]) -> set[tuple[int, int]]:
    groups = split([user(text) for text in said])
    found = corrections(GroupPrioritizer().prioritize(groups))
    return {(old.group, new.group) for old, new in found.items()}


CORRECTED = [
    ("Book the train to Lyon for Tuesday.", "Sorry, not Tuesday: the train to Lyon is for Thursday."),
    ("Send the invoice of ACME to 4711.", "Send the invoice of ACME to 4812."),
    ("Das Treffen mit Frau Krug ist am Montag.", "Das Treffen mit Frau Krug ist doch am Freitag."),
    (
        "The visit to the notary Brock is on Wednesday.",
        "The visit to the notary Brock is on Saturday instead of Wednesday.",
    ),
    ("My piano lesson with Edda is on Tuesday.", "Correction: my piano lesson with Edda is on Friday, not Tuesday."),
    ("The warehouse limit for pallets is 40.", "The warehouse limit for pallets changed, it is 55 now."),
]
OTHERS = [
    ("By the way, the plumber in Lindorf is called Brock.", "By the way, the notary in Graufeld is called Wendelin."),
    ("Book the train to Lyon for Tuesday.", "Book the train to Lyon for Tuesday."),
    ("Book the train to Lyon.", "Not a word to the others about the party."),
    ("Fix parser.py.", "Thanks!"),
    ("Book the train to Lyon.", "Book the train to Lyon, not the bus please."),
]


@pytest.mark.parametrize("said", CORRECTED)
def test_what_a_person_says_anew_with_another_value_corrects_it(said: tuple[str, str]) -> None:
    assert corrected(["Hello there, good morning.", *said]) == {(1, 2)}


@pytest.mark.parametrize("said", OTHERS)
def test_what_is_on_other_things_or_says_the_same_corrects_nothing(said: tuple[str, str]) -> None:
    assert corrected(["Hello there, good morning.", *said]) == set()


def test_agents_correct_nobody() -> None:
    old, new = CORRECTED[0]
    said = [
        user("Hello."),
        user(old),
        AssistantMessage(content=new, source="planner"),
        user(new, "ann"),
        user("Go on."),
    ]
    assert corrections(GroupPrioritizer().prioritize(split(said))) == {}


@pytest.mark.parametrize("said", CORRECTED)
async def test_no_view_has_the_old_value_alone(said: tuple[str, str]) -> None:
    old, new = said
    history: list[LLMMessage] = [
        user("Plan the move of our office."),
        AssistantMessage(content="I will.", source="planner"),
        user(old),
        AssistantMessage(content="Noted.", source="planner"),
        *conversation(8),
        user(new),
        AssistantMessage(content="Changed.", source="planner"),
        *conversation(16)[16:],
        user("What else is to do for the office?"),
    ]
    seen: set[tuple[bool, bool]] = set()
    for budget in range(150, 1_500, 50):
        text = "\n".join(str(message.content) for message in (await ContextManager().fit(history, budget)).messages)
        seen.add((old in text, new in text))
        if old in text and new in text:
            assert text.index(old) < text.index(new)
    assert (True, False) not in seen
