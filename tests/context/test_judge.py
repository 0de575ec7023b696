"""A model's judgement of a view: what it is asked, what is read from its answer, and that it never stops an agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from autogen_core.models import CreateResult, LLMMessage, UserMessage

from autogen_ext_tokenctx.context.judge import Judgement, judge
from autogen_ext_tokenctx.context.manager import ContextManager
from tests.support.histories import conversation
from tests.support.strict_client import Reply, StrictClient, call

GOOD = '{"reason": "The number of the valve is missing.", "score": 0.4}'


def user(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


HISTORY = [user("Find the leak."), user("Valve 4711 leaks."), user("The motor runs."), user("Which valve leaks?")]
VIEW = [HISTORY[0], HISTORY[3]]


def asked(client: StrictClient) -> str:
    """All that the model was sent."""
    (request,) = client.requests
    return "\n".join(str(message.content) for message in request.messages)


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"Let me think.\n```json\n{GOOD}\n```",
        '{"reason": "a draft", "score": 0.9} No: ' + GOOD,
        GOOD.replace("0.4", '"0.4"'),
        GOOD + ' {"note": 1}',
    ],
    ids=["bare", "fenced", "last of two", "number as text", "something after it"],
)
async def test_the_judgement_is_found_in_the_answer(answer: str) -> None:
    found = await judge(StrictClient([answer]), HISTORY, VIEW)
    assert found == Judgement(reason="The number of the valve is missing.", score=0.4)


async def test_the_model_gets_the_task_the_view_and_what_is_missing() -> None:
    client = StrictClient([GOOD])
    await judge(client, HISTORY, VIEW, "Repair the valve")
    text = asked(client)
    view, missing = text.split("</view>")
    assert "Repair the valve" in view
    assert "Which valve leaks?" in view
    assert "Valve 4711" not in view
    assert missing.index("The motor runs.") < missing.index("Valve 4711 leaks.")
    assert "Find the leak." not in missing


async def test_a_whole_history_needs_no_model() -> None:
    client = StrictClient([GOOD])
    found = await judge(client, HISTORY, [message.model_copy() for message in HISTORY])
    assert found is not None
    assert found.score == 1.0
    assert not client.requests


async def test_the_request_stays_within_its_tokens() -> None:
    history = conversation(60)
    view = (await ContextManager().fit(history, 1_500)).messages
    client = StrictClient([GOOD])
    assert await judge(client, history, view, tokens=4_000) is not None
    assert 2_500 < client.requests[0].tokens < 4_400
    assert "more are not shown" in asked(client)


def fails(*_: Any) -> str:
    raise ConnectionError("no route")


BAD: dict[str, Reply] = {
    "an error": fails,
    "no json": "It is fine.",
    "no reason": '{"score": 0.5}',
    "an empty reason": '{"reason": " ", "score": 0.5}',
    "out of range": '{"reason": "all is there", "score": 70}',
    "not a number": '{"reason": "all is there", "score": NaN}',
    "a list": "[1]",
    "empty": "",
    "a call": [call("look", "1")],
}


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD.keys())
async def test_a_model_that_fails_gives_none_and_one_warning(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    assert await judge(StrictClient([reply]), HISTORY, VIEW) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_view_without_room_for_a_judgement_gives_none(caplog: pytest.LogCaptureFixture) -> None:
    client = StrictClient([GOOD])
    assert await judge(client, HISTORY, [user("word " * 3_000)], tokens=1_000) is None
    assert "it may take 1000" in caplog.text
    assert not client.requests


class SilentClient(StrictClient):
    """Never answers."""

    async def create(self, messages: Sequence[LLMMessage], **_: Any) -> CreateResult:
        await asyncio.sleep(3_600)
        raise AssertionError


async def test_a_silent_model_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    assert await judge(SilentClient(), HISTORY, VIEW, timeout=0.01) is None
    assert len(caplog.records) == 1


async def test_odd_text_can_be_sent() -> None:
    client = StrictClient([GOOD])
    assert await judge(client, [user("a\ud800b"), *HISTORY], VIEW, "task \ud83d") is not None
    asked(client).encode()
