"""What is recalled from earlier messages: which lines, in what words, and when nothing is."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from copy import deepcopy

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
from autogen_core.tools import Tool, ToolSchema
from hypothesis import given
from PIL import Image as PILImage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.messages.groups import NO_RESULT, split
from autogen_ext_tokenctx.models.counters import counter_for_model
from autogen_ext_tokenctx.retrieval.recall import RECALL_SOURCE, Recalled
from autogen_ext_tokenctx.tokens.counting import TokenCounter
from tests.support.guarantees import Said, check_neighbours
from tests.support.random_histories import PICTURE, histories
from tests.support.work import calls

MANAGER = ContextManager()

DAY = """Tell me about the new printer.
The printer stands on the third floor and takes two kinds of paper.
Maria's parcel to Lyon has the order number LY-48213-K.
The parcel to Turin is late again, the order number is TU-90017-B.
Who waters the plants this week?
Paul waters them on Monday, Ines on Thursday.
The brochure needs a new title and larger pictures.
I changed the title, the pictures come tomorrow.
Great job, thanks for the quick help!
Sounds good, let's continue with the next step then.""".splitlines()


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def talk(lines: Sequence[str] = DAY) -> list[LLMMessage]:
    return [user(line) if number % 2 == 0 else agent(line) for number, line in enumerate(lines)]


def looked_up(text: str, query: str = "orders", call_id: str = "1") -> list[LLMMessage]:
    call = FunctionCall(id=call_id, name="look_up", arguments=json.dumps({"query": query}))
    result = FunctionExecutionResult(content=text, name="look_up", call_id=call_id, is_error=False)
    return [AssistantMessage(content=[call], source="coder"), FunctionExecutionResultMessage(content=[result])]


def recalled(
    earlier: Sequence[LLMMessage],
    question: str | Sequence[LLMMessage],
    view: Sequence[LLMMessage] | None = None,
    room: int = 500,
    manager: ContextManager = MANAGER,
) -> Recalled | None:
    asked = [user(question)] if isinstance(question, str) else question
    return asyncio.run(manager.recall(earlier, asked, asked if view is None else view, room))


def lines_of(found: Recalled | None) -> list[str]:
    """The lines of the block below its head; none when there is no block."""
    return str(found.message.content).splitlines()[1:] if found is not None else []


# Which lines


def test_the_line_that_shares_the_rare_words_is_recalled_with_who_said_it() -> None:
    lines = lines_of(recalled(talk(), "Which number had the parcel for Lyon?", room=60))
    assert lines == [f"user: {DAY[2]}"]


def test_the_block_says_what_it_is_and_how_to_get_the_whole() -> None:
    manager = ContextManager()
    history = talk()
    found = recalled(history, "Which number had the parcel for Lyon?", manager=manager)
    assert found is not None
    assert found.message.source == RECALL_SOURCE == "recalled_context"
    step = found.step
    assert str(found.message.content).splitlines()[0] == "[Retrieved from earlier messages]"
    assert history[2] in manager.expand(step.handle)
    assert (step.group, step.form) == (-1, Form.RECALLED)
    assert step.tokens_after == manager.counter.count_message(found.message)
    assert step.tokens_before == sum(map(manager.counter.count_message, manager.expand(step.handle)))
    assert "lyon" in step.why


def test_the_block_says_how_to_get_what_it_does_not_quote() -> None:
    manager = ContextManager()
    sentences = [f"Paragraph {n} deals with matter {n * 7} in some detail." for n in range(60)]
    sentences[33] = "The landlord in Graz is called Ottokar Wendelin."
    history = [user(" ".join(sentences)), *talk()]
    found = recalled(history, "How is the landlord in Graz called?", manager=manager, room=80)
    assert found is not None
    head = f'[Retrieved from earlier messages: expand_context("{found.step.handle}")]'
    assert str(found.message.content).splitlines()[0] == head
    assert manager.expand(found.step.handle) == history[:1]


def test_an_answer_beside_the_words_of_the_question_is_recalled() -> None:
    filler = [f"Note {n} on matter {n * 7}: it can wait." for n in range(40)]
    history = talk(["What is the code of the door in Basel?", "It is 77 31 04.", *filler])
    assert "coder: It is 77 31 04." in lines_of(recalled(history, "I forgot the code for Basel, the door."))


def test_an_id_that_the_question_names_is_enough() -> None:
    question = "The customer writes at length about all that went wrong with the delivery of TU-90017-B, and is angry."
    assert f"coder: {DAY[3]}" in lines_of(recalled(talk(), question))


def test_a_row_of_a_table_comes_with_its_keys_and_the_call_it_answers() -> None:
    towns = ["Lyon", "Bern", "Graz", "Oslo"] * 10
    towns[30] = "Turin"
    rows = [{"parcel": f"P-{n}", "city": town, "weight": 3 * n + 100} for n, town in enumerate(towns)]
    lines = lines_of(recalled([*looked_up(json.dumps(rows)), *talk(DAY[4:])], "Did we send one to Turin?", room=80))
    assert lines[:2] == ["look_up(orders):", " (parcel, city, weight):"]
    assert " P-30, Turin, 190" in lines


def test_lines_stand_in_the_order_of_the_history() -> None:
    lines = lines_of(recalled(talk(), "Compare the order numbers of the parcels to Turin and Lyon."))
    assert [line for line in lines if "parcel" in line] == [f"user: {DAY[2]}", f"coder: {DAY[3]}"]


def test_pieces_of_a_long_message_are_recalled_not_the_whole() -> None:
    sentences = [f"Paragraph {n} deals with matter {n * 7} in some detail." for n in range(60)]
    sentences[33] = "The landlord in Graz is called Ottokar Wendelin."
    (line,) = lines_of(recalled([user(" ".join(sentences)), *talk()], "How is the landlord in Graz called?", room=50))
    assert line == f"user: {sentences[33]}"


def test_what_the_newest_call_was_made_with_is_asked_for_too() -> None:
    question = user("Please go on.")
    loop = looked_up("nothing", query="parcel to Turin", call_id="2")
    assert f"coder: {DAY[3]}" in lines_of(recalled(talk(), [question, *loop]))
    assert recalled(talk(), [question]) is None


def test_parts_of_a_message_beside_images() -> None:
    picture = Image(PILImage.new("RGB", (8, 8)))
    earlier: list[LLMMessage] = [
        UserMessage(content=["The leak is behind boiler K-77.", picture], source="user"),
        *talk(),
    ]
    asked = UserMessage(content=[picture, "Where is the leak?"], source="user")
    assert "user: The leak is behind boiler K-77." in lines_of(recalled(earlier, [asked]))


def test_the_same_line_is_recalled_once() -> None:
    history = [*talk(), *talk()]
    assert lines_of(recalled(history, "Which number had the parcel for Lyon?")).count(f"user: {DAY[2]}") == 1


def test_system_messages_are_not_recalled() -> None:
    memory = SystemMessage(content="Relevant memory: the parcel to Lyon has the number LY-1.")
    assert not any("LY-1." in line for line in lines_of(recalled([*talk(), memory], "The parcel to Lyon?")))


# What the view has


@pytest.mark.parametrize(
    "shown",
    [
        user(DAY[2]),
        user(f"[Excerpts of 9 earlier messages]\nuser: {DAY[2]}\ncoder: {DAY[5]}"),
        SystemMessage(content=f"Facts.\n{DAY[2]}"),
        AssistantMessage(content=f"As you said: {DAY[2]}", source="coder"),
    ],
)
def test_what_the_view_says_is_not_recalled(shown: LLMMessage) -> None:
    question = user("Which number had the parcel for Lyon?")
    assert not any("LY-48213-K" in line for line in lines_of(recalled(talk(), [question], [shown, question])))


def test_rows_that_the_view_has_in_other_notation_are_not_recalled() -> None:
    rows = [
        {"parcel": f"P-{n}", "city": city, "weight": 3 * n + 100} for n, city in enumerate(["Lyon", "Turin", "Bern"])
    ]
    shown = looked_up("(parcel, city, weight):\nP-1, Turin, 103")
    question = user("What is the weight of the parcel to Turin?")
    assert not any(
        "Turin" in line for line in lines_of(recalled(looked_up(json.dumps(rows)), [question], [*shown, question]))
    )


def test_what_belongs_together_is_recalled_though_the_view_has_its_words_apart() -> None:
    question = user("Which number had the parcel for Lyon?")
    apart = user("Maria's parcel is on its way to Lyon.\nOrder numbers: TU-90017-B, LY-48213-K.")
    assert f"user: {DAY[2]}" in lines_of(recalled(talk(), [question], [apart, question]))


# When nothing is recalled


@pytest.mark.parametrize(
    "said",
    [
        "yes please",
        "Thanks, great job!",
        "Sounds good.",
        "Perfect, thank you. Let's continue with the next step.",
        "ok",
        "That is all for today, good night and see you tomorrow!",
        "Why?",
        "I don't understand. Could you explain that again?",
        "No, I didn't mean that.",
        "👍",
        "",
    ],
)
def test_small_talk_recalls_nothing(said: str) -> None:
    assert recalled(talk(), said) is None


@pytest.mark.parametrize("question", ["How tall is the Eiffel tower?", "Draw a zebra."])
def test_what_was_never_talked_about_recalls_nothing(question: str) -> None:
    assert recalled(talk(), question) is None


def test_a_number_that_stands_there_by_chance_recalls_nothing() -> None:
    history = talk(
        [f"Item {n}: gauge reads {n * 7 % 31}, fine." if n % 2 else f"Go on with item {n}." for n in range(40)]
    )
    assert recalled(history, "Go on with item 41.") is None
    assert recalled(history, "Go on with item 14.") is None


def test_no_history_and_no_room() -> None:
    assert recalled([], "Which number had the parcel for Lyon?") is None
    assert recalled(talk(), "Which number had the parcel for Lyon?", room=0) is None
    assert recalled(talk(), []) is None


# Guarantees


class DearMessages:
    """Counts messages at much more than their texts, so that estimates made from texts are too low."""

    def __init__(self) -> None:
        self._inner: TokenCounter = counter_for_model(None)

    def count_text(self, text: str) -> int:
        return self._inner.count_text(text)

    def count_message(self, message: LLMMessage) -> int:
        return 3 * self._inner.count_message(message) + 40

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return sum(map(self.count_message, messages)) + self._inner.count_request((), tools)


@pytest.mark.parametrize("counter", [None, DearMessages()])
def test_the_room_is_kept_exactly(counter: TokenCounter | None) -> None:
    manager = ContextManager(counter=counter)
    history = talk([f"Parcel {n} is at depot_{n % 12}, shelf {n * 31 % 97}." for n in range(120)])
    costs: list[int] = []
    for room in range(0, 600, 7):
        found = recalled(history, "What is at depot_3, on which shelf?", room=room, manager=manager)
        if found is not None:
            assert manager.counter.count_message(found.message) == found.step.tokens_after <= room
            costs.append(found.step.tokens_after)
    assert costs[-1] > 2 * costs[0]


def test_the_work_grows_with_the_lines_only() -> None:
    def work(lines: int) -> int:
        text = "\n".join(f"parcel PX-{n * 37} is at depot_{n % 12}, shelf {n * 31 % 97}" for n in range(lines))
        earlier, manager = [user("Keep this list."), *looked_up(text)], ContextManager()
        assert recalled(earlier, "On which shelf is parcel PX-37?", manager=manager) is not None  # read once
        return calls(lambda: recalled(earlier, "On which shelf is parcel PX-74?", manager=manager))

    assert work(800) < 6 * work(200)


def test_what_stands_for_a_result_that_never_came_is_not_quoted() -> None:
    interrupted: list[LLMMessage] = [
        UserMessage(content="Find the invoice.", source="user"),
        AssistantMessage(content=[FunctionCall(id="1", name="search", arguments='{"q": "invoice"}')], source="coder"),
        *talk([f"Parcel {n} is at depot_{n}." for n in range(30)]),
    ]
    found = recalled(interrupted, "Was the search for the invoice interrupted?")
    assert found is None or NO_RESULT not in str(found.message.content)


@given(history=histories())
def test_any_history(history: list[LLMMessage]) -> None:
    before = deepcopy(history, {id(PICTURE): PICTURE})
    rng = random.Random(len(history))
    asking = rng.randrange(len(history))
    room = rng.randrange(20, 400)
    view = [message for message in history if rng.random() < 0.5]
    found = asyncio.run(MANAGER.recall(history[:asking], history[asking:], view, room))
    assert found == asyncio.run(MANAGER.recall(history[:asking], history[asking:], view, room))
    assert history == before
    if found is None:
        return
    assert found.step.tokens_after == MANAGER.counter.count_message(found.message) <= room
    originals = MANAGER.expand(found.step.handle)
    assert all(message in history[:asking] for message in originals)
    sources = [Said.by(group.messages) for group in split(originals)]
    check_neighbours(str(found.message.content), sources, labelled=True)
    said = Said.by(originals)
    for line in lines_of(found):
        bare = line.strip()
        if bare == "…":
            continue
        parts = [bare, *(bare[place + 2 :] for place in range(len(bare)) if bare.startswith(": ", place))]
        assert bare.endswith(":") or any(part in said for part in parts), f"invented: {bare!r}"
