"""Summaries by a model: what is asked, what is taken, and what comes of every fault."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from autogen_core import CacheStore, ComponentModel, Image, InMemoryStore
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from autogen_ext_tokenctx.summary.answers import UnusableAnswerError
from autogen_ext_tokenctx.summary.summarizer import ContextSummarizer, Summary
from autogen_ext_tokenctx.summary.text import HEADINGS, rendered, take
from autogen_ext_tokenctx.summary.validation import read, unfounded
from autogen_ext_tokenctx.summary.writer import SummaryUsage
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import conversation, prose
from ..support.slow_client import SlowClient, until
from ..support.strict_client import Reply, StrictClient, call

GOOD = "## Goal and standing rules\n- Find the boiler that leaks.\n## Facts\n- Nothing found yet."
COUNTER = EstimatedTokenCounter()
HISTORY = conversation(4)


def summarizer(client: StrictClient, **settings: Any) -> ContextSummarizer:
    given: dict[str, Any] = {"counter": COUNTER, **settings}
    return ContextSummarizer(client, **given)


def raising(error: BaseException) -> Reply:
    def reply(*_: object) -> str:
        raise error

    return reply


def cut_off(*_: object) -> CreateResult:
    return CreateResult(finish_reason="length", content=GOOD, usage=RequestUsage(1, 1), cached=False)


def no_result(*_: object) -> Any:
    return None


def asked(client: StrictClient, number: int = -1) -> str:
    """What the model was given in a request."""
    content = client.requests[number].messages[-1].content
    assert isinstance(content, str)
    return content


class NamedClient(StrictClient):
    """Has the name of a known model."""

    def dump_component(self) -> ComponentModel:
        return ComponentModel(provider="strict", config={"model": "gpt-4o"})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


FAULTS: dict[str, Reply] = {
    "fails": raising(RuntimeError("bad gateway")),
    "empty": "  \n",
    "refuses": "I am sorry, but I cannot help with that.",
    "over-long": GOOD + "\n- more and more" * 400,
    "endless": GOOD + " on and on" * 5_000,
    "calls tools": [call("look", "1", item=1)],
    "cut off": cut_off,
    "headings alone": "\n".join(f"## {name}\n- none" for name in HEADINGS),
    "made up": GOOD + "\n- The order W2378156 is late.",
    "cancels itself": raising(asyncio.CancelledError()),
    "no result": no_result,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_once_is_asked_again_and_a_fault_always_is_none(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = StrictClient([FAULTS[fault], GOOD])
    summary = await summarizer(client).merge(None, HISTORY)
    assert summary is not None
    assert summary.calls == 2
    assert not caplog.records

    client = StrictClient([FAULTS[fault]])
    broken = summarizer(client)
    assert await broken.merge(None, HISTORY) is None
    assert await broken.merge(None, HISTORY[:-1]) is None
    assert broken.usage.calls == len(client.requests) == 4
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize(
    ("fault", "told"),
    [("empty", "empty"), ("over-long", "are allowed"), ("calls tools", "tools"), ("made up", "W2378156")],
)
async def test_the_model_is_told_what_was_wrong(fault: str, told: str) -> None:
    client = StrictClient([FAULTS[fault], GOOD])
    await summarizer(client).merge(None, HISTORY)
    assert told not in asked(client, 0)
    assert told in asked(client, 1)


async def test_a_success_lets_the_next_failure_be_told(caplog: pytest.LogCaptureFixture) -> None:
    client = StrictClient(["", GOOD, ""])
    flaky = summarizer(client, attempts=1)
    outcomes = [await flaky.merge(None, HISTORY[:-number]) is None for number in range(1, 5)]
    assert outcomes == [True, False, True, True]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_hung_model_is_given_up(stubborn: bool) -> None:
    client = SlowClient([GOOD], 60, stubborn=stubborn)
    assert await asyncio.wait_for(summarizer(client, timeout=0.02).merge(None, HISTORY), 30) is None
    await asyncio.sleep(0)
    assert client.cancelled == 2


async def test_cancelling_passes_through_and_ends_the_call() -> None:
    client = SlowClient([GOOD], 60)
    shared = summarizer(client)
    task = asyncio.create_task(shared.merge(None, HISTORY))
    await until(lambda: client.running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert client.cancelled == 1
    assert not client.running
    assert shared.usage.calls == 1


# What a summary is


async def test_what_a_summary_says_of_itself() -> None:
    client = StrictClient([GOOD])
    summary = await summarizer(client).merge(None, HISTORY)
    assert summary is not None
    assert summary.covers == len(HISTORY)
    assert summary.tokens_before == sum(map(COUNTER.count_message, HISTORY))
    assert (summary.calls, summary.prompt_tokens) == (1, client.requests[0].tokens)
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    message = summary.message()
    assert message.source == "context_summary"
    assert str(message.content).startswith(f"[Summary of {len(HISTORY)} earlier messages")
    positions = [summary.text.index(f"## {name}") for name in HEADINGS]
    assert positions == sorted(positions)


async def test_messages_that_are_shorter_than_a_summary_are_left_alone() -> None:
    client = StrictClient([GOOD])
    shared = summarizer(client)
    assert await shared.merge(None, [UserMessage(content="hello", source="ann")]) is None
    standing = Summary(text="t", covers=1, key="k", tokens_before=9)
    assert await shared.merge(standing, []) is standing
    assert not client.requests


async def test_a_summary_is_smaller_than_what_it_replaces() -> None:
    history = [UserMessage(content="red green blue " * 50, source="ann")]
    long = GOOD + "\n- red green blue" * 60
    client = StrictClient([long])
    assert await summarizer(client, max_tokens=2_000).merge(None, history) is None
    summary = await summarizer(StrictClient([GOOD])).merge(None, history)
    assert summary is not None
    assert COUNTER.count_message(summary.message()) < COUNTER.count_message(history[0])


async def test_a_second_merge_sends_the_standing_summary_and_what_is_new() -> None:
    client = StrictClient([GOOD, GOOD.replace("Nothing", "Only dust")])
    shared = summarizer(client)
    first = await shared.merge(None, HISTORY)
    new = [UserMessage(content=f"Look again. {prose(77, 200)}", source="user")]
    second = await shared.merge(first, new)
    assert first is not None
    assert second is not None
    sent = asked(client, 1)
    assert first.text in sent
    assert rendered(new[0]) in sent
    assert not any(rendered(message) in sent for message in HISTORY)
    assert second.covers == first.covers + 1
    assert second.tokens_before == first.tokens_before + COUNTER.count_message(new[0])
    assert "Only dust" in second.text


def test_every_kind_of_message_is_told_with_who_said_it() -> None:
    picture = Image(PillowImage.open(io.BytesIO(_png())))
    result = FunctionExecutionResult(content="no such file", name="look", call_id="1", is_error=True)
    texts = [
        rendered(message)
        for message in (
            SystemMessage(content="Be brief."),
            UserMessage(content=["See:", picture], source="ann"),
            AssistantMessage(content=[call("look", "1", item=7)], thought="Let me look.", source="coder"),
            FunctionExecutionResultMessage(content=[result]),
            AssistantMessage(content="Done \ud800.", source="coder"),
        )
    ]
    assert texts == [
        "system: Be brief.",
        "ann:\n See:\n [image]",
        'coder: Let me look.\ncoder calls look: {"item": 7}',
        "look failed: no such file",
        "coder: Done ?.",
    ]


def _png() -> bytes:
    file = io.BytesIO()
    PillowImage.new("RGB", (2, 2)).save(file, "PNG")
    return file.getvalue()


# Its window


@pytest.mark.parametrize("giant", [False, True])
async def test_a_history_ten_times_the_window_goes_in_parts_that_fit(giant: bool) -> None:
    window, most = 2_500, 500
    history: list[LLMMessage] = conversation(70)
    if giant:
        history = [UserMessage(content="\n\n".join(map(rendered, history)), source="ann")]
    assert sum(map(COUNTER.count_message, history)) > 10 * window
    client = StrictClient([GOOD])
    client.counter = COUNTER
    summary = await summarizer(client, max_tokens=most, max_input_tokens=window).merge(None, history)
    assert summary is not None
    assert max(request.tokens for request in client.requests) <= window - most
    assert summary.calls == len(client.requests) < 40
    sent = "\n".join(asked(client, number) for number in range(len(client.requests)))
    for word in prose(7).split() + prose(44).split():
        assert word in sent
    if not giant:
        assert all(sent.count(rendered(message)) == 1 for message in history if isinstance(message, AssistantMessage))


async def test_retries_in_parts_fit_too() -> None:
    client = StrictClient([GOOD + "\n- " + ", ".join(f"ID{n}ABCDEF{n}" * 9 for n in range(10)), GOOD])
    client.counter = COUNTER
    summary = await summarizer(client, max_tokens=1_000, max_input_tokens=2_900).merge(None, conversation(40))
    assert summary is not None
    assert max(request.tokens for request in client.requests) <= 2_900


class LateCounter(EstimatedTokenCounter):
    """Counts more for a whole than for its pieces."""

    def count_text(self, text: str) -> int:
        return super().count_text(text) * (3 if len(text) > 2_500 else 2) // 2


async def test_a_whole_that_costs_more_than_its_pieces_fits_too() -> None:
    client = StrictClient([GOOD])
    client.counter = LateCounter()
    made = summarizer(client, counter=client.counter, max_tokens=500, max_input_tokens=3_000)
    assert await made.merge(None, conversation(20)) is not None
    assert max(request.tokens for request in client.requests) <= 2_500


REFUSALS: dict[str, Callable[[int, int], str]] = {
    "with numbers": lambda sent, limit: f"prompt is too long: {sent} tokens > {limit} maximum",
    "in other tokens": lambda sent, limit: f"prompt is too long: {2 * sent} tokens > {2 * limit} maximum",
    "with a limit in other tokens": lambda sent, limit: (
        f"Input tokens exceed the configured limit of {3 * limit} tokens."
    ),
    "with its limit": lambda sent, limit: f"Input tokens exceed the configured limit of {limit} tokens.",
    "without numbers": lambda sent, limit: "Your input exceeds the context window of this model.",
}


@pytest.mark.parametrize("said", REFUSALS)
async def test_a_refusal_teaches_a_smaller_window(said: str, caplog: pytest.LogCaptureFixture) -> None:
    limit = 3_000
    refused = 0

    def reply(messages: Sequence[LLMMessage], _: object) -> str:
        nonlocal refused
        sent = COUNTER.count_request(messages)
        if sent > limit:
            refused += 1
            raise RuntimeError(REFUSALS[said](sent, limit))
        return GOOD

    client = StrictClient([reply])
    shared = summarizer(client, max_tokens=400)
    assert await shared.merge(None, conversation(30)) is not None
    assert 1 <= refused <= 4
    sizes = [request.tokens for request in client.requests[: refused + 1]]
    assert sizes == sorted(set(sizes), reverse=True)
    before = refused
    assert await shared.merge(None, conversation(31)) is not None
    assert refused == before
    assert not caplog.records


async def test_a_model_that_refuses_every_length_is_given_up_and_tried_whole_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = StrictClient([raising(RuntimeError("Your input exceeds the context window of this model."))])
    shared = summarizer(client)
    assert await shared.merge(None, conversation(30)) is None
    assert len({request.json for request in client.requests}) == len(client.requests) < 6
    assert "max_tokens" in caplog.text
    client.script[:] = [GOOD]
    assert await shared.merge(None, conversation(30)) is not None


async def test_a_standing_summary_too_large_for_the_window_is_summarised_as_text() -> None:
    standing = Summary(text=prose(5, 6_000), covers=9, key="k", tokens_before=90_000)
    client = StrictClient([GOOD])
    client.counter = COUNTER
    summary = await summarizer(client, max_tokens=300, max_input_tokens=2_000).merge(standing, HISTORY)
    assert summary is not None
    assert summary.covers == 9 + len(HISTORY)
    assert max(request.tokens for request in client.requests) <= 2_000


@given(st.lists(st.text(max_size=200), min_size=1, max_size=8), st.integers(8, 80))
def test_what_is_taken_fits_and_the_rest_is_left(texts: list[str], room: int) -> None:
    left: tuple[str, ...] = tuple(texts)
    taken: list[str] = []
    while left:
        chunk, left = take(left, room, len)
        assert len(chunk) <= room
        taken.append(chunk)
    assert "".join("".join(taken).split()) == "".join("".join(texts).split())


# What it may state

SOURCE = (
    "ann: Order #W2378156 of 2024-05-20 costs $1,250.00 for 48 items, 120s each; ask jo@example.org. "
    'look: {"path": "/srv/app/config.yaml", "log": "line one\\nport 8443 at 12:30", "user_id": 300}. '
    'Upgrade to v1.25.3, see File "run.py", line 42. 订单98765已付。 item 1234'
)


@pytest.mark.parametrize(
    "text",
    [
        "Order W2378156 (#w2378156) of 2024-05-20 costs 1250, or $1,250, or 1250.00",
        "120 s, 120s, 120-second",
        "a follow-up, and/or e.g. the 3rd of 5-10 in 24h, a 2-step plan, it's N/A",
        "config.yaml in /srv/app/ and /srv/app/config.yaml, app/config.yaml",
        "port 8443 at 12:30, user_id=300, user_id:300, run.py:42",
        "v1.25.3, 订单98765已付, item-1234, jo@example.org",
        "2. **Ann** asked 48 times",
    ],
)
def test_what_stands_in_the_source_may_be_stated(text: str) -> None:
    assert list(unfounded(text, SOURCE)) == []


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("order W2378157", "W2378157"),
        ("order 2378156", "2378156"),
        ("on 2024-05-21", "2024-05-21"),
        ("costs 125", "125"),
        ("costs 250", "250"),
        ("costs 1250.50", "1250.50"),
        ("at 12:45", "12:45"),
        ("port 844", "844"),
        ("ask al@example.org", "al@example.org"),
        ("in srv/app/other", "srv/app/other"),
        ("see main.py", "main.py"),
        ("order_id", "order_id"),
        ("ticket ABC-42", "ABC-42"),
        ("v1.25.4", "v1.25.4"),
        ("121s", "121s"),
        ("run.py:1234567", "run.py:1234567"),
    ],
)
def test_what_does_not_stand_in_the_source_is_found(text: str, invented: str) -> None:
    assert list(unfounded(text, SOURCE)) == [invented]


@pytest.mark.parametrize(
    "answer",
    [
        "Here it is:\n**Facts**\n- The pump leaks.",
        "### 3. FACTS\nThe pump leaks.",
        "Facts: The pump leaks.",
        "**Facts:** The pump leaks.",
        "**Facts** The pump leaks.",
        "## Facts: The pump leaks.",
        "<think>\n## Facts\n- The valve leaks.\n</think>\n## Facts\n- The pump leaks.\n## Open questions\nNone.",
    ],
)
def test_headings_are_found_as_models_write_them(answer: str) -> None:
    text = read(answer, "", 1_000, len)
    assert text.count("The pump leaks.") == 1
    assert "valve" not in text
    assert text.count("- none") == 4
    assert len(text.splitlines()) == 10


@given(st.lists(st.sampled_from([*(f"## {name}" for name in HEADINGS), "- a b c", "word " * 30, ""]), max_size=40))
def test_what_is_taken_of_an_answer_keeps_its_limit(lines: list[str]) -> None:
    text = ""
    with suppress(UnusableAnswerError):
        text = read("\n".join(lines), "", 400, len)
    assert len(text) <= 400
    assert not text or all(f"## {name}" in text for name in HEADINGS)


async def test_a_summary_slightly_over_its_limit_loses_its_last_lines() -> None:
    lines = [f"- The pump leaks at joint {letter}." for letter in "abcdefghijklmnopqrstuvwxyz"]
    answer = f"{GOOD}\n" + "\n".join(lines) + "\n## Open questions\n- Which pump?"
    assert 250 < COUNTER.count_text(answer) < 312
    client = StrictClient([answer])
    summary = await summarizer(client, max_tokens=250).merge(None, HISTORY)
    assert summary is not None
    assert COUNTER.count_text(summary.text) <= 250
    assert lines[0] in summary.text
    assert lines[-1] not in summary.text
    assert "Which pump?" in summary.text


# The cache


async def test_a_second_process_pays_nothing() -> None:
    store = InMemoryStore[str]()
    history = conversation(45)
    first = await summarizer(StrictClient([GOOD]), store=store, max_input_tokens=4_000).merge(None, history)
    client = StrictClient([raising(RuntimeError("not to be called"))])
    other = summarizer(client, store=store, max_input_tokens=4_000)
    second = await other.merge(None, conversation(45))
    assert first is not None
    assert second is not None
    assert second.text == first.text
    assert (second.calls, second.prompt_tokens, second.completion_tokens) == (0, 0, 0)
    assert other.usage == SummaryUsage(cached=1)
    assert not client.requests


class DecodingStore(InMemoryStore[str]):
    """Gives JSON as what it stands for, as AutoGen's store for Redis does."""

    def get(self, key: str, default: str | None = None) -> Any:
        value = super().get(key, default)
        with suppress(ValueError, TypeError):
            return json.loads(value or "")
        return value


async def test_a_store_that_decodes_json_keeps_summaries_too() -> None:
    store = DecodingStore()
    assert await summarizer(StrictClient([GOOD]), store=store).merge(None, HISTORY) is not None
    client = StrictClient([raising(RuntimeError("not to be called"))])
    assert await summarizer(client, store=store).merge(None, HISTORY) is not None
    assert not client.requests


@pytest.mark.parametrize("other", [{"max_tokens": 300}, {"history": conversation(5)}, {"standing": True}])
async def test_another_question_is_asked(other: dict[str, Any]) -> None:
    store = InMemoryStore[str]()
    await summarizer(StrictClient([GOOD]), store=store).merge(None, HISTORY)
    client = StrictClient([GOOD])
    standing = Summary(text=GOOD, covers=1, key="k", tokens_before=900) if other.get("standing") else None
    limit: int = other.get("max_tokens", 800)
    await summarizer(client, store=store, max_tokens=limit).merge(standing, other.get("history", HISTORY))
    assert len(client.requests) == 1


async def test_a_merge_that_failed_half_way_goes_on_where_it_stopped() -> None:
    client = StrictClient([GOOD, GOOD, raising(RuntimeError("down"))])
    shared = summarizer(client, max_input_tokens=4_000, attempts=1)
    assert await shared.merge(None, conversation(45)) is None
    assert len(client.requests) == 3
    client.script[:] = [GOOD]
    summary = await shared.merge(None, conversation(45))
    assert summary is not None
    assert shared.usage.cached == 2
    assert shared.usage.calls == 3 + summary.calls


class BadStore(CacheStore[Any]):
    """Fails, or gives whatever it likes."""

    component_config_schema = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, value: object) -> None:
        self.value = value

    def get(self, key: str, default: object = None) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def set(self, key: str, value: object) -> None:
        if isinstance(self.value, Exception):
            raise self.value


@pytest.mark.parametrize("value", ["", "{", "[]", '{"text": "x"}', "I cannot do that.", b"\xff", 7, {"text": "x"}])
async def test_broken_values_are_passed_over(value: object, caplog: pytest.LogCaptureFixture) -> None:
    summary = await summarizer(StrictClient([GOOD]), store=BadStore(value)).merge(None, HISTORY)
    assert summary is not None
    assert summary.calls == 1
    assert not caplog.records


async def test_a_store_that_fails_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    shared = summarizer(StrictClient([GOOD]), store=BadStore(OSError("disk full")))
    for number in (1, 2, 3):
        assert await shared.merge(None, HISTORY[:-number]) is not None
    assert len(caplog.records) == 1
    assert "disk full" in caplog.text


async def test_what_the_clients_own_cache_gave_is_not_paid() -> None:
    result = CreateResult(finish_reason="stop", content=GOOD, usage=RequestUsage(500, 50), cached=True)
    summary = await summarizer(StrictClient([result])).merge(None, HISTORY)
    assert summary is not None
    assert (summary.calls, summary.prompt_tokens, summary.completion_tokens) == (1, 0, 0)


# Pauses, sharing, configuration


async def test_after_three_failures_there_is_a_pause_of_five_minutes() -> None:
    clock = Clock()
    client = StrictClient([""])
    shared = summarizer(client, attempts=1, clock=clock)

    async def calls_at(now: float) -> int:
        clock.now = now
        before = len(client.requests)
        assert await shared.merge(None, HISTORY) is None
        return len(client.requests) - before

    times = [0, 1, 2, 3, 301, 303, 500, 602, 604]
    assert [await calls_at(now) for now in times] == [1, 1, 1, 0, 0, 1, 0, 0, 1]
    client.script[:] = [GOOD]
    clock.now = 10_000
    assert await shared.merge(None, HISTORY) is not None
    client.script[:] = [""]
    assert await shared.merge(None, HISTORY) is not None  # cached
    assert await shared.merge(None, HISTORY[:-1]) is None
    assert len(client.requests) == 7


async def test_failures_are_counted_from_the_last_success_on() -> None:
    client = StrictClient(["", "", GOOD, "", "", GOOD])
    shared = summarizer(client, attempts=1, clock=Clock())
    made = [await shared.merge(None, HISTORY[: 8 + number]) is not None for number in range(6)]
    assert made == [False, False, True, False, False, True]


async def test_failures_at_the_same_time_make_one_pause() -> None:
    clock = Clock()
    client = SlowClient([raising(RuntimeError("down"))])
    shared = summarizer(client, attempts=1, clock=clock, timeout=600)
    merges = [asyncio.create_task(shared.merge(None, HISTORY[number:])) for number in range(8)]
    await until(lambda: client.running == 8)  # all are asked before the first fails
    client.answer.set()
    assert await asyncio.gather(*merges) == [None] * 8
    assert len(client.requests) == 8
    assert await shared.merge(None, HISTORY) is None
    assert len(client.requests) == 8
    clock.now = 301.0
    assert await shared.merge(None, HISTORY) is None
    assert len(client.requests) == 9


async def test_what_is_cached_is_had_in_a_pause_too() -> None:
    client = StrictClient([GOOD, ""])
    shared = summarizer(client, attempts=1)
    summary = await shared.merge(None, HISTORY)
    for _ in range(4):
        assert await shared.merge(None, HISTORY[:-1]) is None
    assert len(client.requests) == 4
    again = await shared.merge(None, HISTORY)
    assert again is not None
    assert summary is not None
    assert again.text == summary.text


async def test_a_team_shares_a_summariser() -> None:
    client = SlowClient([GOOD])
    shared = summarizer(client, timeout=600)
    histories = [conversation(4)[number:] for number in range(5)]
    merges = [asyncio.create_task(shared.merge(None, history)) for history in histories]
    await until(lambda: client.running == 5)
    client.answer.set()
    summaries = await asyncio.gather(*merges)
    assert [summary and summary.covers for summary in summaries] == [len(history) for history in histories]
    assert [summary and summary.calls for summary in summaries] == [1] * 5
    assert shared.usage.calls == 5


async def test_round_trip_as_a_component() -> None:
    original = ContextSummarizer(
        StrictClient([GOOD]), max_tokens=300, timeout=7.0, attempts=3, store=InMemoryStore[str]()
    )
    dumped = original.dump_component()
    assert dumped.provider.startswith("autogen_ext_tokenctx.")
    loaded = ContextSummarizer.load_component(dumped)
    assert loaded.dump_component() == dumped
    assert await loaded.merge(None, HISTORY) is not None
    with pytest.raises(TypeError, match="counter="):
        summarizer(StrictClient()).dump_component()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"max_tokens": 50}, "max_tokens"),
        ({"max_input_tokens": 2_000}, "smaller max_tokens"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        summarizer(StrictClient(), **wrong)


async def test_the_window_of_a_known_model_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_LIMIT_GPT_4O", "3000")
    client = NamedClient([GOOD])
    client.counter = COUNTER
    assert await summarizer(client, max_tokens=400).merge(None, conversation(20)) is not None
    assert len(client.requests) > 1
    assert max(request.tokens for request in client.requests) <= 2_600
