"""The features of a request, by which its tokens are learned: each token of the counter in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

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
from autogen_core.tools import ToolSchema
from hypothesis import given
from PIL import Image as PILImage

from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter, RequestTokenCounter
from autogen_ext_tokenctx.tokens.request_size import FEATURES, RequestSize, measure

from ..support.random_histories import well_formed

COUNTER = EstimatedTokenCounter()
TOOL = ToolSchema(name="look", description="Looks at an item.")
PICTURE = Image(PILImage.new("RGB", (640, 480)))


def user(*parts: str | Image) -> UserMessage:
    return UserMessage(content=list(parts), source="user")


def calling(arguments: str, thought: str | None = None) -> AssistantMessage:
    return AssistantMessage(content=[FunctionCall("c1", arguments, "look")], source="coder", thought=thought)


def results(*texts: str) -> FunctionExecutionResultMessage:
    return FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content=text, name="look", call_id="c1", is_error=False) for text in texts]
    )


def total(size: RequestSize, name: str) -> float:
    return sum(vector[FEATURES.index(name)] for vector in size.parts.values())


def of(message: LLMMessage, name: str) -> float:
    return total(measure([message], [], COUNTER), name)


@given(well_formed())
def test_every_token_of_the_counter_is_in_one_feature(history: list[LLMMessage]) -> None:
    for tools in ((), (TOOL,)):
        size = measure(history, tools, COUNTER)
        in_features = sum(total(size, name) for name in ("tokens", "image tokens", "tool tokens"))
        assert size.counted == in_features == COUNTER.count_request(history, tools)


def test_tools_are_a_feature_of_their_own() -> None:
    with_tools, without = measure([], [TOOL], COUNTER), measure([], [], COUNTER)
    assert total(with_tools, "tool tokens") == COUNTER.count_tools([TOOL])
    assert total(without, "tool tokens") == 0
    assert total(with_tools, "tokens") == total(without, "tokens")
    assert total(with_tools, "request") == total(without, "request") == 1


@pytest.mark.parametrize(
    ("message", "sent_as"),
    [
        (SystemMessage(content="a"), 1),
        (user("a"), 1),
        (user("a", "b"), 1),
        (calling("{}"), 1),
        (results("a"), 1),
        (results("a", "b", "c"), 3),
    ],
    ids=["system", "user", "user of two parts", "call", "result", "three results"],
)
def test_a_message_counts_as_often_as_it_is_sent(message: LLMMessage, sent_as: int) -> None:
    assert of(message, "messages") == sent_as


@pytest.mark.parametrize("texts", [(), ("What is this?",), ("One.", "Two 2 is ö.")], ids=len)
def test_what_pictures_cost_stands_apart_from_the_text_beside_them(texts: tuple[str, ...]) -> None:
    plain = user(*texts)
    for pictures in (1, 2):
        pictured = user(*texts, *[PICTURE] * pictures)
        assert of(pictured, "image tokens") == COUNTER.count_message(pictured) - COUNTER.count_message(plain)
        for name in ("tokens", "digits", "foreign bytes", "messages"):
            assert of(pictured, name) == of(plain, name)
    assert of(plain, "image tokens") == 0


@pytest.mark.parametrize(
    ("text", "digits", "foreign"),
    [("", 0, 0), ("plain", 0, 0), ("a1b22", 3, 0), ("für 7", 1, 2), ("日本", 0, 6), ("٣", 0, 2), ("\ud83d!", 0, 1)],
)
def test_digits_and_bytes_of_other_scripts_are_counted_wherever_text_is_sent(
    text: str, digits: int, foreign: int
) -> None:
    holders: list[LLMMessage] = [
        SystemMessage(content=text),
        UserMessage(content=text, source="user"),
        user(text, PICTURE),
        AssistantMessage(content=text, source="coder"),
        calling(text),
        calling("{}", thought=text),
        results("", text),
    ]
    assert [of(holder, "digits") for holder in holders] == [digits] * len(holders)
    assert [of(holder, "foreign bytes") for holder in holders] == [foreign] * len(holders)


def test_messages_that_say_the_same_are_parts_of_their_own() -> None:
    same: Sequence[LLMMessage] = [user("Go on."), user("Go on."), user("Go on.")]
    size = measure(same, [], COUNTER)
    assert total(size, "messages") == 3
    assert len(size.parts) == len(measure(same[:1], [], COUNTER).parts) + 2


def test_requests_share_the_parts_that_they_have_in_common() -> None:
    first, second = user("One."), AssistantMessage(content="Two.", source="coder")
    before, after = measure([first], [], COUNTER), measure([first, second], [], COUNTER)
    assert before.parts.items() < after.parts.items()
    assert [measure(order, [], COUNTER).parts == after.parts for order in permutations((first, second))] == [True] * 2


class WordCounter(RequestTokenCounter):
    """Counts words, so that every role costs the same."""

    def count_text(self, text: str) -> int:
        return len(text.split())


def test_the_same_words_in_another_role_are_another_part() -> None:
    counter = WordCounter()
    said: list[LLMMessage] = [SystemMessage(content="Go on."), AssistantMessage(content="Go on.", source="coder")]
    ours, theirs = (measure([message], [], counter).parts.keys() for message in said)
    assert ours & theirs == measure([], [], counter).parts.keys()
