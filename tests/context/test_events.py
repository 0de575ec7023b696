"""The event of a fit: logged where AutoGen's are, without a word of any message."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator

import pytest
from autogen_core import EVENT_LOGGER_NAME
from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx.context.events import FitEvent, emit
from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.report import FitReport
from autogen_ext_tokenctx.forms.form import FitStep, Form, Level

from ..support.histories import conversation

REPORT = FitReport(
    budget=1_000,
    tokens_before=3_000,
    tokens_after=900,
    level=Level.STRONG,
    steps=(
        FitStep(1, "coder: look", Form.DIGEST, 800, 40, "SECRET", "cafe"),
        FitStep(2, "coder: look", Form.DIGEST, 700, 30, "SECRET", "beef"),
        FitStep(3, "coder", Form.EVICTED, 600, 0, "SECRET", "f00d"),
    ),
    categories={"memory_patterns": (500, 100)},
    call_id="c1",
    compacted=True,
)


class Heard(logging.Handler):
    """Keeps the events that it hears."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.events: list[FitEvent] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, FitEvent):
            self.events.append(record.msg)


@pytest.fixture
def heard() -> Generator[Heard]:
    logger, handler = logging.getLogger(EVENT_LOGGER_NAME), Heard()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def message(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


def test_an_event_is_json_without_a_word_of_any_message() -> None:
    event = FitEvent("client", "coder", "t1", "gpt-4o", REPORT, [message("SECRET")], [message("SECRET")], at=7.0)
    told = json.loads(str(event))
    assert "SECRET" not in str(event)
    assert told == event.as_dict()
    assert {key: told[key] for key in ("type", "hook", "agent", "team", "model", "at")} == {
        "type": "ContextFit",
        "hook": "client",
        "agent": "coder",
        "team": "t1",
        "model": "gpt-4o",
        "at": 7.0,
    }


def test_steps_are_told_by_form() -> None:
    assert FitEvent("client", "coder", "", "", REPORT).as_dict()["forms"] == {
        "digest": {"groups": 2, "tokens_before": 1_500, "tokens_after": 70},
        "evicted": {"groups": 1, "tokens_before": 600, "tokens_after": 0},
    }


def test_numbers_of_the_report_are_in_the_event() -> None:
    told = FitEvent("client", "coder", "", "", REPORT).as_dict()
    for name in ("budget", "tokens_before", "tokens_after", "reserve", "cached_tokens", "compacted", "call_id"):
        assert told[name] == getattr(REPORT, name)
    assert told["level"] == "strong"
    assert told["categories"] == {"memory_patterns": [500, 100]}


def test_an_event_has_the_messages_as_they_were(heard: Heard) -> None:
    history, view = [message("one"), message("two")], [message("two")]
    emit("context", "coder", "", "", REPORT, history, view)
    history.clear()
    view.clear()
    (event,) = heard.events
    assert event.history == (message("one"), message("two"))
    assert event.view == (message("two"),)
    assert event.report is REPORT


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_an_event_is_only_made_where_somebody_listens(level: int, heard: Heard) -> None:
    logging.getLogger(EVENT_LOGGER_NAME).setLevel(level)
    emit("context", "coder", "", "", REPORT, [], [])
    assert len(heard.events) == (level == logging.INFO)


async def test_a_fit_of_a_manager_is_one_event(heard: Heard) -> None:
    history = conversation(8)
    result = await ContextManager().fit(history, 900)
    (event,) = heard.events
    assert (event.hook, event.agent) == ("context", "default")
    assert event.report is result.report
    assert list(event.history) == history
    assert list(event.view) == result.messages
