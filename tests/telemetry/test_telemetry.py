"""What spans, metrics and the log show of a fit, and what they never show."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import FunctionCall, SingleThreadedAgentRuntime
from autogen_core.logging import LLMCallEvent
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
from opentelemetry import trace

from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.models.counters import counter_for_model
from autogen_ext_tokenctx.telemetry.fit_log import FitLog
from autogen_ext_tokenctx.telemetry.listening import EventListener
from autogen_ext_tokenctx.telemetry.metrics import TokenMetrics
from autogen_ext_tokenctx.telemetry.redaction import REDACTED, redact

from ..benchmarks.talk import make_session
from ..support.events import EVENTS, Collected, fit, step
from ..support.histories import prose
from ..support.random_histories import histories
from ..support.strict_client import StrictClient
from ..support.work import calls, growth

STEPS = (step(1), step(2))


@pytest.fixture(autouse=True)
def event_logger() -> Iterator[None]:
    """Each test leaves the event logger as it was."""
    level, handlers, filters = EVENTS.level, list(EVENTS.handlers), list(EVENTS.filters)
    yield
    assert (EVENTS.level, EVENTS.handlers, EVENTS.filters) == (level, handlers, filters)


class Ear(EventListener):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []

    def hear(self, event: object) -> None:
        if event == "fault":
            raise RuntimeError("no")
        self.heard.append(event)


# Listening


@pytest.mark.parametrize("level", [logging.NOTSET, logging.DEBUG, logging.INFO, logging.WARNING])
def test_listeners_hear_whatever_the_level_and_it_comes_back(level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EVENTS, "level", level)
    EVENTS.setLevel(level)
    one, two = Ear().attach(), Ear().attach()
    EVENTS.info("a")
    one.detach()
    EVENTS.info("b")
    two.detach()
    EVENTS.info("c")
    assert (one.heard, two.heard) == (["a"], ["a", "b"])
    assert EVENTS.level == level


def test_what_the_root_logger_prints_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    with Ear() as ear:
        EVENTS.info("private")
        EVENTS.warning("for all")
    assert ear.heard == ["private", "for all"]
    assert caplog.messages == ["for all"]


def test_a_level_that_is_set_meanwhile_counts_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    before = EVENTS.level
    with Ear() as ear:
        EVENTS.setLevel(logging.INFO)
        EVENTS.info("for all")
    assert ear.heard == caplog.messages == ["for all"]
    assert EVENTS.level == logging.INFO
    EVENTS.setLevel(before)


def test_attaching_twice_is_once() -> None:
    with Ear() as ear:
        ear.attach()
        EVENTS.info("a")
    ear.detach()
    assert ear.heard == ["a"]


def test_a_fault_costs_one_warning() -> None:
    with Ear() as ear, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for event in ("fault", "a", "fault", "b"):
            EVENTS.info(event)
    assert ear.heard == ["a", "b"]
    assert len(caught) == 1


# OpenTelemetry


def test_a_span_has_the_numbers_of_its_fit() -> None:
    collected = Collected()
    collected.handler.hear(fit(steps=STEPS, cached_tokens=128, team="t", at=1_000.5, seconds=0.25, compacted=True))
    (span,) = collected.spans
    assert span.name == "tokenctx.fit"
    assert (span.start_time, span.end_time) == (1_000_250_000_000, 1_000_500_000_000)
    shown = dict(span.attributes or {})
    assert (
        shown.items()
        >= {
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.agent.name": "coder",
            "gen_ai.usage.input_tokens": 500,
            "gen_ai.usage.cache_read.input_tokens": 128,
            "tokenctx.tokens.before": 900,
            "tokenctx.tokens.after": 500,
            "tokenctx.team": "t",
            "tokenctx.compacted": True,
            "tokenctx.reused": False,
        }.items()
    )


def test_a_view_that_goes_on_took_no_time() -> None:
    collected = Collected()
    for seconds in (0.25, 0.0):
        collected.handler.hear(fit(steps=STEPS, seconds=seconds))
    first, second = collected.spans
    assert first.end_time is not None
    assert first.start_time != first.end_time
    assert second.start_time == second.end_time
    assert dict(second.attributes or {})["tokenctx.reused"]
    assert {name: total for name, _, _, total in collected.points() if name == "tokenctx.fit.duration"} == {
        "tokenctx.fit.duration": 0.25
    }


def test_usage_stands_on_the_spans_of_the_client_hook_alone() -> None:
    collected = Collected()
    for hook in ("context", "client"):
        collected.handler.hear(fit(hook=hook))
    assert ["gen_ai.usage.input_tokens" in (span.attributes or {}) for span in collected.spans] == [False, True]


def test_metrics_add_up_and_have_no_team() -> None:
    collected = Collected()
    for hook in ("context", "client"):
        collected.handler.hear(fit(hook=hook, team="t", compacted=True, quality=0.5, cached_tokens=100))
    collected.handler.hear(fit(500, 510))
    bill = {"prompt_tokens": 40, "completion_tokens": 2}
    collected.handler.hear(LLMCallEvent(messages=[], response={"model": "gpt-4o-mini"}, **bill))
    found: dict[tuple[str, str | None, str], float] = {}
    for name, group, attributes, total in collected.points():
        kind = attributes.get("gen_ai.token.type") or ""
        found[name, group, kind] = found.get((name, group, kind), 0) + total
        assert "t" not in attributes.values()
    assert found == {
        ("tokenctx.token.usage", "{token}", ""): 1_510,
        ("tokenctx.tokens.saved", "{token}", ""): 800,
        ("tokenctx.fit.duration", "s", ""): pytest.approx(0.006),
        ("tokenctx.utilization", "1", ""): pytest.approx(1.51),
        ("tokenctx.quality", "1", ""): 1.0,
        ("gen_ai.client.token.usage", "{token}", "input"): 40,
        ("gen_ai.client.token.usage", "{token}", "output"): 2,
    }


async def test_spans_are_children_of_autogens() -> None:
    collected = Collected()
    client = TokenBudgetChatCompletionClient(StrictClient([lambda m, t: prose(len(m), 150)]), 2_000)
    agents = [
        AssistantAgent(name, client, model_context=TokenBudgetChatCompletionContext(budget=2_000))
        for name in ("ann", "bob")
    ]
    runtime = SingleThreadedAgentRuntime(tracer_provider=collected.tracer_provider)
    runtime.start()
    with collected.handler:
        await RoundRobinGroupChat(list(agents), max_turns=6, runtime=runtime).run(task="Discuss the boilers.")
    await runtime.stop()
    by_id = {span.context.span_id: span for span in collected.spans if span.context}
    fits = [span for span in collected.spans if span.name == "tokenctx.fit"]
    assert len(fits) == 12
    for span in fits:
        assert span.parent is not None
        parent = by_id[span.parent.span_id]
        assert parent.name.startswith("autogen process")
        assert str(dict(span.attributes or {})["gen_ai.agent.name"]) in parent.name


async def test_a_span_is_a_child_of_what_the_caller_has_open() -> None:
    collected = Collected()
    context = TokenBudgetChatCompletionContext(budget=1_000)
    await context.add_message(UserMessage(content="Hello.", source="user"))
    tracer = trace.get_tracer("test", tracer_provider=collected.tracer_provider)
    with collected.handler, tracer.start_as_current_span("mine") as mine:
        await context.get_messages()
    assert collected.spans[0].parent == mine.get_span_context()


def test_without_an_sdk_nothing_happens() -> None:
    from autogen_ext_tokenctx.telemetry.spans import OpenTelemetryHandler

    with OpenTelemetryHandler(texts=True):
        EVENTS.info(fit())


# The log


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_log_has_a_header_and_a_line_a_fit(tmp_path: Path) -> None:
    path = tmp_path / "fits.jsonl"
    event = fit(steps=STEPS)
    for _ in range(2):  # the second time it is appended to
        with FitLog(path):
            EVENTS.info(event)
            EVENTS.info("something else")
            assert lines(path)[-1]["type"] == "ContextFit", "it is there at once"
    header, *fits = lines(path)
    assert header == {"type": "TokenctxLog", "version": 1}
    as_dict = json.loads(str(event))
    wanted = {
        "group": 1,
        "what": "coder: read_file",
        "form": "placeholder",
        "tokens_before": 400,
        "tokens_after": 10,
        "why": "general_context",
        "handle": "cafe",
    }
    assert fits == [{**as_dict, "steps": [wanted, {**wanted, "group": 2}], "texts": None}] * 2


@given(st.lists(st.lists(st.sampled_from([step(n, why=f"“{n}”") for n in range(4)]), max_size=5), max_size=6))
def test_steps_are_logged_as_they_are_however_they_change(tmp_path: Path, history: list[list[Any]]) -> None:
    path = tmp_path / "steps.jsonl"
    path.unlink(missing_ok=True)
    with FitLog(path) as log:
        for steps in history:
            log.hear(fit(steps=tuple(steps)))
    assert [[s["why"] for s in line["steps"]] for line in lines(path)[1:]] == [[s.why for s in h] for h in history]


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "fits.jsonl"
    with FitLog(path), FitLog(path):  # as two processes would

        def work() -> None:
            for _ in range(50):
                EVENTS.info(fit(steps=STEPS * 20))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(lines(path)) == 1 + 2 * 200


@pytest.mark.parametrize("place", ["no/such/folder/fits.jsonl", "."])
def test_a_log_that_cannot_be_written_is_refused_at_once(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be written .* give FitLog a file"):
        FitLog(tmp_path / place)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_costs_one_warning() -> None:
    log = FitLog("/dev/null")
    log.path = Path("/dev/full")
    log.detach()
    with log, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            EVENTS.info(fit())
    assert [str(w.message) for w in caught] == ["fits cannot be logged to /dev/full any more (No space left on device)"]


@pytest.mark.parametrize(
    ("texts", "why"), [(False, "lines that the task asks for"), (True, f"lines: 1; asked for: secret={REDACTED}")]
)
def test_a_log_without_texts_does_not_name_what_was_asked_for(tmp_path: Path, texts: bool, why: str) -> None:
    with FitLog(tmp_path / "fits.jsonl", texts=texts) as log:
        log.hear(fit(steps=(step(-1, Form.RECALLED, why="lines: 1; asked for: secret=rosebud"),)))
    assert lines(log.path)[1]["steps"][0]["why"] == why


# Texts

MARK = "zebrafinch"


def _marked(message: LLMMessage) -> LLMMessage:
    """A message with the mark in each of its texts."""
    if isinstance(message, FunctionExecutionResultMessage):
        results = [r.model_copy(update={"content": f"{MARK} {r.content} {MARK}"}) for r in message.content]
        return message.model_copy(update={"content": results})
    if isinstance(message, AssistantMessage) and isinstance(message.content, list):
        calls = [
            FunctionCall(id=c.id, name=c.name, arguments=json.dumps({"q": MARK, "more": c.arguments}))
            for c in message.content
        ]
        return message.model_copy(update={"content": calls, "thought": MARK})
    if isinstance(message.content, str):
        return message.model_copy(update={"content": f"{MARK} {message.content} {MARK}"})
    return message.model_copy(update={"content": [MARK, *message.content]})


def exported(collected: Collected, log: Path, metrics: TokenMetrics) -> str:
    """All that telemetry told anyone."""
    spans = [(span.name, dict(span.attributes or {}), span.events) for span in collected.spans]
    page = metrics._repr_html_()  # pyright: ignore[reportPrivateUsage]
    return repr((spans, list(collected.points()), log.read_text(), metrics.as_dict(), page))


@given(histories())
def test_no_word_of_any_message_is_told(tmp_path: Path, history: list[LLMMessage]) -> None:
    history = [_marked(message) for message in history]
    collected, path = Collected(), tmp_path / "fits.jsonl"

    async def run(metrics: TokenMetrics) -> None:
        context = TokenBudgetChatCompletionContext(budget=1_500, initial_messages=history)
        client = TokenBudgetChatCompletionClient(StrictClient(), 1_200)
        try:
            await client.create([SystemMessage(content=MARK), *await context.get_messages()])
        except ValueError:  # some histories cannot fit
            return

    with collected.handler, FitLog(path), TokenMetrics() as metrics:
        asyncio.run(run(metrics))
    assert MARK not in exported(collected, path, metrics)


def test_with_texts_they_are_told_without_secrets_and_clipped(tmp_path: Path) -> None:
    collected, path = Collected(texts=True), tmp_path / "fits.jsonl"
    history: list[LLMMessage] = [
        SystemMessage(content="Be brief."),
        UserMessage(content=f"{MARK}, my key is sk-proj-abcdefghijklmnop1234 \ud800", source="ann"),
        AssistantMessage(
            content=[FunctionCall(id="1", name="login", arguments='{"password": "rosebud"}')], source="bob"
        ),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content="x" * 100_000, name="login", call_id="1", is_error=False)]
        ),
    ]
    with collected.handler, FitLog(path, texts=True):
        EVENTS.info(fit(history=history, view=history[:2]))
    shown = dict(collected.spans[0].attributes or {})
    logged = lines(path)[1]["texts"]
    assert [entry["who"] for entry in logged["history"]] == ["system", "ann", "bob", "login"]
    assert logged["view"] == logged["history"][:2]
    assert shown["tokenctx.view"] == ("system: Be brief.", f"ann: {MARK}, my key is {REDACTED} ?")
    for told in (repr(shown), path.read_text()):
        assert MARK in told
        assert "rosebud" not in told
        assert "sk-proj" not in told
        assert len(told) < 45_000


def test_a_span_has_room_for_the_newest_texts() -> None:
    collected = Collected(texts=True)
    history = [UserMessage(content=f"{n} {'y' * 5_000}", source="ann") for n in range(500)]
    collected.handler.hear(fit(history=history))
    told = dict(collected.spans[0].attributes or {})["tokenctx.history"]
    assert isinstance(told, tuple)
    assert sum(len(str(text)) for text in told) <= 61_000
    assert str(told[-1]).startswith("ann: 499 ")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key sk-abcdefghijklmnopqrstuvwx and on", "abcdefghijklmnop"),
        ("sk-ant-api03-AbCdEf_123456-7890AbCd", "AbCdEf"),
        ("ghp_0123456789abcdefghij0123456789abcdef", "0123456789"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
        ("Authorization: Bearer abc.def-ghi_jkl", "def-ghi"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIi"),
        ("postgres://ann:rosebud@db/main", "rosebud"),
        ("password=rosebud&user=ann", "rosebud"),
        ('{"api_key": "rosebud 7", "n": 1}', "rosebud"),
        (r"{\"client_secret\": \"rosebud\"}", "rosebud"),
        ("OPENAI_API_KEY='rosebud'", "rosebud"),
        ("GITHUB_TOKEN: rosebud", "rosebud"),
        ('token = "pw"', "pw"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow cut off", "MIIEow"),
    ],
)
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    "text", ["max_tokens=4096", "The secret of good soup is time.", "sk-1", "https://host:80/a@b", "import secrets"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "part", ["password", "sk-a-", "-----BEGIN PRIVATE KEY-----", "eyJ", "://a:", "token=", '"\\', "a" * 9]
)
def test_redaction_takes_time_in_proportion_to_the_text(part: str) -> None:
    assert growth(lambda size: redact(part * (size // len(part))), 25_000) < 8


# Cost


async def test_telemetry_costs_a_small_part_of_the_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MANY_GROUPS", "_LONG_CHARS"):  # all of it in one thread
        monkeypatch.setattr(f"autogen_ext_tokenctx.context.engine.{name}", 10**9)
    session, collected = make_session(40), Collected()
    records: list[logging.LogRecord] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    listeners = (collected.handler, TokenMetrics(), FitLog(tmp_path / "fits.jsonl"))
    context = TokenBudgetChatCompletionContext(counter=counter_for_model("gpt-4o"), budget=2_000)
    recorder, level, fits = Recorder(logging.INFO), EVENTS.level, 0
    EVENTS.addHandler(recorder)
    EVENTS.setLevel(logging.INFO)

    def read() -> None:
        with pytest.raises(StopIteration):  # there is nothing to wait for
            context.get_messages().send(None)

    try:
        for number, message in enumerate(session.messages):
            if number in session.calls:
                fits += calls(read)
            await context.add_message(message)
    finally:
        EVENTS.removeHandler(recorder)
        EVENTS.setLevel(level)
    assert any(step.form is Form.EVICTED for step in (context.last_report.steps if context.last_report else ()))
    heard = calls(lambda: [listener.handle(record) for record in records for listener in listeners])
    listeners[-1].close()
    assert 0 < heard < 0.1 * fits
