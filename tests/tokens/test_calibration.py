"""Learning a provider's token counts from its bills."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest
from autogen_core import Image
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from autogen_ext_tokenctx.models.counters import TiktokenCounter
from autogen_ext_tokenctx.tokens.calibration import Calibration
from autogen_ext_tokenctx.tokens.request_size import RequestSize, measure

from ..support.histories import conversation, prose
from .corpora import corpora

COUNTER = TiktokenCounter()
TEXTS = corpora()


def talk(kind: str, turns: int, seed: int = 1) -> list[LLMMessage]:
    r = random.Random(seed)
    messages: list[LLMMessage] = [SystemMessage(content="Be brief.")]
    for _ in range(turns):
        start = r.randint(0, len(TEXTS[kind]) - 300)
        text = TEXTS[kind][start : start + r.randint(80, 300)]
        messages += [UserMessage(content=text, source="user"), AssistantMessage(content=text[::2], source="helper")]
    return messages


def size_of(messages: Sequence[LLMMessage]) -> RequestSize:
    return measure(messages, [], COUNTER)


def bill(messages: Sequence[LLMMessage], factor: float = 1.35, foreign: float = 0.35) -> int:
    """A provider whose template adds a system prompt, and whose tokenizer is worse, most of all beyond ASCII."""
    texts = "".join(str(message.content) for message in messages)
    bytes_beyond = len(texts.encode()) - sum(map(str.isascii, texts))
    return int(23 + factor * COUNTER.count_request(messages) + len(messages) + foreign * bytes_beyond)


@pytest.mark.parametrize("kind", ["english", "code", "json", "german", "chinese", "korean", "csv"])
def test_estimate_is_close_after_three_bills(kind: str) -> None:
    calibration = Calibration()
    messages = talk(kind, 10)
    margins: list[float] = []
    for call in range(9):
        request = messages[: 2 + 2 * call]
        expected, actual = calibration.predict(size_of(request)), bill(request)
        assert actual <= expected.upper
        margins.append(expected.margin / actual)
        if call >= 3:
            assert expected.tokens == pytest.approx(actual, rel=0.02)
        calibration.observe(size_of(request), actual)
    assert margins[0] > 0.3
    assert margins[-1] < 0.04


def test_a_new_script_has_a_wide_margin_however_many_bills_there_were() -> None:
    calibration = Calibration()
    english = talk("english", 30)
    for end in range(2, 61, 2):
        calibration.observe(size_of(english[:end]), bill(english[:end]))
    more: list[LLMMessage] = [*english, UserMessage(content=TEXTS["korean"][:300], source="user")]
    expected, actual = calibration.predict(size_of(more)), bill(more)
    added = actual - bill(english)
    assert actual <= expected.upper
    assert expected.margin > added / 4


def test_nothing_is_learned_from_what_no_tokenizer_can_count() -> None:
    calibration = Calibration()
    size = size_of(conversation(5))
    before = calibration.dump()
    for actual in (0, -5, 1, size.counted // 5, size.counted * 9):
        calibration.observe(size, actual)
    assert calibration.dump() == before
    assert calibration.predict(size) == Calibration().predict(size)


def test_one_outlier_is_not_believed() -> None:
    calibration = Calibration()
    messages = talk("english", 12)
    for end in range(2, 18, 2):
        calibration.observe(size_of(messages[:end]), bill(messages[:end]))
    for wrong in (0.6, 1.9):
        before = calibration.predict(size_of(messages))
        calibration.observe(size_of(messages), int(before.tokens * wrong))
        after = calibration.predict(size_of(messages))
        assert after.tokens == before.tokens
        assert after.upper >= before.tokens * wrong  # but there is room for it
        calibration.observe(size_of(messages[:18]), bill(messages[:18]))
        assert calibration.predict(size_of(messages)).upper < before.tokens * 1.2


def test_a_change_of_the_model_is_noticed() -> None:
    calibration = Calibration()
    messages = talk("english", 20)
    for end in range(2, 22, 2):
        calibration.observe(size_of(messages[:end]), bill(messages[:end]))
    for end in range(22, 32, 2):
        calibration.observe(size_of(messages[:end]), bill(messages[:end], factor=2.0))
    request = messages[:32]
    assert calibration.predict(size_of(request)).tokens == pytest.approx(bill(request, factor=2.0), rel=0.02)


def test_trusted_counts_have_no_margin_until_two_bills_contradict_them() -> None:
    calibration = Calibration(trusted=True)
    messages = talk("english", 12)
    for end in range(2, 12, 2):
        request = size_of(messages[:end])
        assert calibration.predict(request) == (request.counted, 0)
        calibration.observe(request, request.counted + 6)  # what OpenAI bills for tools is known that well
    assert calibration.is_trusted
    for end in (12, 14, 16):
        calibration.observe(size_of(messages[:end]), bill(messages[:end]))
    assert not calibration.is_trusted
    expected, actual = calibration.predict(size_of(messages)), bill(messages)
    assert expected.tokens == pytest.approx(actual, rel=0.05)
    assert actual <= expected.upper


def test_dear_images_are_learned() -> None:
    calibration = Calibration(trusted=True)
    messages = talk("english", 10)
    picture = Image(PillowImage.new("RGB", (512, 512)))
    messages[3] = UserMessage(content=["What is this?", picture], source="user")
    dear = 32 * 255  # as gpt-4o-mini bills
    for end in range(4, 14, 2):
        request = size_of(messages[:end])
        calibration.observe(request, request.counted + dear)
    whole = size_of(messages)
    assert calibration.predict(whole).tokens == pytest.approx(whole.counted + dear, rel=0.02)


def test_dump_and_load_through_json() -> None:
    calibration = Calibration()
    messages = talk("german", 8)
    for end in (4, 6, 8):
        calibration.observe(size_of(messages[:end]), bill(messages[:end]))
    loaded = Calibration.load(json.loads(json.dumps(calibration.dump())))
    assert loaded.dump() == calibration.dump()
    other = talk("german", 8, seed=2)
    expected = loaded.predict(size_of(other))
    assert expected.tokens == pytest.approx(calibration.predict(size_of(other)).tokens, rel=0.03)
    assert expected.margin < Calibration().predict(size_of(other)).margin
    assert expected.tokens == pytest.approx(bill(other), rel=0.05)


@pytest.mark.parametrize(
    "change",
    [
        {"prices": [1.0]},
        {"prices": ["x"] * 7},
        {"covariance": [[1.0] * 7] * 6},
        {"covariance": [[float("nan")] * 7] * 7},
        {"scatter": -1},
        {"more": 1},
    ],
)
def test_broken_states_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Calibration.load({**Calibration().dump(), **change})


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(-1, 30)), max_size=25), st.booleans())
def test_whatever_the_bills_estimates_stay_bounded(bills: list[tuple[int, float]], trusted: bool) -> None:
    calibration = Calibration(trusted=trusted)
    messages = [UserMessage(content=prose(n, 30), source="user") for n in range(20)]
    for count, factor in bills:
        size = size_of(messages[:count])
        calibration.observe(size, int(size.counted * factor))
        expected = calibration.predict(size_of(messages))
        assert 1 <= expected.tokens <= 10 * size_of(messages).counted + 1_000
        assert expected.margin >= 0


def test_messages_that_say_the_same_count_twice() -> None:
    message = UserMessage(content="Go on.", source="user")
    assert len(size_of([message, message]).parts) == 3
    assert size_of([message, message]).counted == COUNTER.count_request([message, message])
