"""The features of a group: its costs, its lines, and what they name."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256

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

from autogen_ext_tokenctx.forms.compressor import GroupCompressor
from autogen_ext_tokenctx.messages.groups import MessageGroup, split
from autogen_ext_tokenctx.retrieval.features import FeatureCache, GroupFeatures, facts, names
from autogen_ext_tokenctx.retrieval.terms import terms, written
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import prose
from ..support.random_histories import histories

COUNTER = EstimatedTokenCounter()
CACHE = FeatureCache(COUNTER, GroupCompressor())
PICTURE = Image(PILImage.new("RGB", (640, 480)))


def user(*parts: str | Image) -> UserMessage:
    return UserMessage(content=parts[0] if len(parts) == 1 and isinstance(parts[0], str) else list(parts), source="ann")


def exchange(gave: str, thought: str | None = None, arguments: str = "{}") -> list[LLMMessage]:
    result = FunctionExecutionResult(content=gave, name="look", call_id="c1", is_error=False)
    head = AssistantMessage(content=[FunctionCall("c1", arguments, "look")], source="coder", thought=thought)
    return [head, FunctionExecutionResultMessage(content=[result])]


def features(*messages: LLMMessage) -> GroupFeatures:
    (group,) = split(messages)
    return CACHE.get(group)


def tokens_of(messages: Sequence[LLMMessage]) -> int:
    return sum(map(COUNTER.count_message, messages))


@given(histories())
def test_costs_are_exact_and_the_compact_form_is_the_cheaper_one(history: list[LLMMessage]) -> None:
    for group in split(history):
        found = CACHE.get(group)
        assert found.tokens == tokens_of(group.messages)
        assert found.compact_tokens <= found.tokens
        assert (found.compact is None) == (found.compact_tokens == found.tokens)
        if found.compact is not None:
            assert tokens_of(found.compact) == found.compact_tokens


@given(histories())
def test_every_line_of_a_group_is_a_segment_that_says_what_it_needs(history: list[LLMMessage]) -> None:
    for group in split(history):
        found = CACHE.get(group)
        lines = {(number, line) for number, one in enumerate(found.passages) for line in range(len(one.lines))}
        assert {(one.passage, one.line) for one in found.segments if one.line >= 0 and one.kind != "image"} <= lines
        for number, segment in enumerate(found.segments):
            assert segment.tokens > 0
            assert segment.requires < number
            if segment.requires >= 0:
                assert found.segments[segment.requires].passage == segment.passage


@given(histories())
def test_the_words_of_a_group_are_those_of_its_lines_and_of_its_pictures(history: list[LLMMessage]) -> None:
    for group in split(history):
        found = CACHE.get(group)
        words = {term for segment in found.segments for term in segment.words}
        if any(segment.kind == "image" for segment in found.segments):
            words.update(terms("image picture photo screenshot"))
        assert set(found.counts) == words == set(found.distinct)
        assert len(found.distinct) == len(set(found.distinct))
        assert found.thoughts <= found.counts


def test_what_a_line_says_nothing_without_comes_with_it() -> None:
    """The line of a record needs the record's name, that the heading, and that what says whose text it is."""
    records = "\n".join(f"## Pump n{row}\n\n- berth: {row * 7}\n- port: p{row * 11}" for row in range(12))
    segments = features(*exchange(f"# Harbour\n\n{records}")).segments
    number = next(number for number, segment in enumerate(segments) if "p55" in segment.words)
    needed: list[str] = []
    while (number := segments[number].requires) >= 0:
        needed.append(" ".join(segments[number].words))
    record, heading, label = needed
    assert "n5" in record
    assert terms("Harbour")[0] in heading
    assert "look" in label


def test_a_picture_costs_what_it_adds_to_its_message() -> None:
    text = "This is the boiler."
    found = features(user(text, PICTURE))
    (picture,) = [segment for segment in found.segments if segment.kind == "image"]
    assert picture.tokens == tokens_of([user(text, PICTURE)]) - tokens_of([user(text)])
    assert picture.words == ()
    assert found.tokens == picture.tokens + tokens_of([user(text)])


@pytest.mark.parametrize("word", ["image", "picture", "photo", "screenshots"])
def test_a_message_with_a_picture_is_found_by_what_pictures_are_called(word: str) -> None:
    (term,) = terms(word)
    assert term in features(user("This is the boiler.", PICTURE)).counts
    assert term not in features(user("This is the boiler.")).counts


def test_what_is_said_beside_a_call_is_matched_by_itself() -> None:
    found = features(*exchange("The pump runs. " * 40, thought="The valve leaks."))
    thought, rest = found.matched()
    assert set(terms("The valve leaks.")) <= set(thought.counts)
    assert thought.is_thought
    assert not rest.is_thought
    assert thought.counts + rest.counts == found.counts
    assert rest.counts.keys().isdisjoint(thought.counts)
    assert 0 < thought.tokens < rest.tokens < found.tokens


def test_a_group_without_a_thought_is_matched_whole() -> None:
    for messages in ([user("The valve leaks.")], exchange("The valve leaks.")):
        found = features(*messages)
        (whole,) = found.matched()
        assert (whole.counts, whole.tokens, whole.is_thought) == (found.counts, found.tokens, False)


def test_words_said_beside_a_call_and_given_by_it_count_in_both() -> None:
    (valve,) = terms("valve")
    found = features(*exchange("The valve leaks.", thought="The valve leaks, I think."))
    assert [one.counts[valve] for one in found.matched()] == [1, 1]
    assert found.counts[valve] == 2


@pytest.mark.parametrize("padding", [0, 300], ids=["short", "pasted"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_what_a_person_says_is_to_hold_is_found_at_either_end(place: str, padding: int) -> None:
    rule = "Never write to the production database."
    filler = [prose(number, 12) for number in range(padding)]
    text = "\n".join([rule, *filler] if place == "first" else [*filler, rule])
    found = features(user(text))
    assert any(rule in instruction.text for instruction in found.instructions)
    assert any(segment.rule for segment in found.segments)


def test_what_an_agent_or_a_tool_says_is_no_instruction() -> None:
    rule = "Never write to the production database."
    for messages in ([AssistantMessage(content=rule, source="coder")], exchange(rule)):
        assert features(*messages).instructions == ()
        assert not any(segment.rule for segment in features(*messages).segments)


def test_noise_is_that_which_the_compact_form_leaves_out() -> None:
    key = base64.b64encode(b"".join(sha256(bytes([number])).digest() for number in range(20))).decode()
    noisy = features(*exchange(f"See the key:\n{key}"))
    assert noisy.noise
    assert noisy.compact is not None
    assert features(*exchange("See the key.")).noise == frozenset()


def test_a_placeholder_is_cheaper_than_what_it_stands_for_where_that_is_long() -> None:
    for messages in ([user(prose(1, 400))], exchange(prose(2, 400)), [user(prose(3, 200), PICTURE)]):
        found = features(*messages)
        assert 0 < found.placeholder_tokens < found.tokens / 2
    short, long = (features(*exchange("Done.", arguments=json.dumps({"q": "a" * size}))) for size in (10, 200))
    assert short.placeholder_tokens < long.placeholder_tokens  # a call that is no line stays


class Counting(GroupCompressor):
    """Notes which groups are read."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def compact(self, group: MessageGroup, passages: object, handle: str) -> tuple[LLMMessage, ...] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.seen.append(str(group.head.content))
        return None


def test_a_group_is_read_once_while_it_is_among_those_used_last() -> None:
    compressor = Counting()
    cache = FeatureCache(COUNTER, compressor, size=2)
    one, two, three = (split([user(text)])[0] for text in ("one", "two", "three"))
    for group in (one, two, one, three, one, two):
        assert cache.get(group).tokens == CACHE.get(group).tokens
    assert compressor.seen == ["one", "two", "three", "two"]


def test_equal_groups_of_different_histories_are_read_once() -> None:
    compressor = Counting()
    cache = FeatureCache(COUNTER, compressor)
    first, second = split([user("same"), user("same")])
    assert cache.get(first) is cache.get(second)
    assert compressor.seen == ["same"]


@pytest.mark.parametrize(
    ("text", "ids", "numbers"),
    [
        ("order W4817 of ann@example.org", ["w4817", "ann@example.org"], []),
        ("763 Broadway", [], ["763"]),
        ("paid 19.90 of 120", [], ["19.90", "120"]),
        ("since 2024-05-17", ["2024-05-17"], []),
        ("address1: Broadway", [], []),  # the name of a field
        ("see src/parser.py", ["src/parser.py"], []),
        ("SELECT it FROM there", ["select"], []),
        ("12 of 34", [], []),
        ("a plain text", [], []),
        ("W4817 is W4817 is w4817", ["w4817"], []),
    ],
)
def test_keys_and_numbers_of_a_line(text: str, ids: list[str], numbers: list[str]) -> None:
    assert facts(text, written(text)) == (ids, numbers)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ada Lovelace met Ada Lovelace", ["Ada Lovelace"]),
        ("the Bank of the West", ["Bank of the West"]),
        ("Ada and I", []),
        ("Ada met ben", []),
        ("ada lovelace", []),
    ],
)
def test_names_have_several_words(text: str, found: list[str]) -> None:
    assert names(text) == found
