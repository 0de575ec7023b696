"""Noise stands as a mark with its kind and size before any word goes."""

from __future__ import annotations

import json
import uuid
from itertools import pairwise

import pytest
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

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.form import Level
from autogen_ext_tokenctx.forms.noise import noise_runs, without_noise
from autogen_ext_tokenctx.messages.groups import texts

from ..support.histories import prose
from ..support.noise_texts import NOISE
from ..support.strict_client import call

WORDS = [f"Note {number}: {prose(number, 20)}" for number in range(6)]


def history(noise: str, request: str = "What was noted of the valves?") -> list[LLMMessage]:
    """Notes, a tool's result with noise between two words of its own, and a request."""
    result = FunctionExecutionResult(
        content=f"Saved below.\n{noise}\nChecked by Ann.", name="look", call_id="1", is_error=False
    )
    return [
        UserMessage(content="Keep notes for me.", source="user"),
        *(AssistantMessage(content=words, source="coder") for words in WORDS[:3]),
        AssistantMessage(content=[call("look", "1")], source="coder"),
        FunctionExecutionResultMessage(content=[result]),
        *(AssistantMessage(content=words, source="coder") for words in WORDS[3:]),
        UserMessage(content=request, source="user"),
    ]


def said(messages: list[LLMMessage]) -> str:
    return "\n".join(text for message in messages for text in texts(message))


@pytest.mark.parametrize("kind", NOISE)
async def test_noise_goes_before_any_word(kind: str) -> None:
    name, noise = NOISE[kind]
    manager = ContextManager()
    messages = history(noise)
    result = await manager.fit(messages, 1_100)
    view = said(result.messages)
    assert all(words in view for words in [*WORDS, "Saved below.", "Checked by Ann."])
    assert name in view
    assert " characters of " in view
    assert noise not in view
    assert result.report.level > Level.LOSSLESS
    [step] = result.report.steps
    assert manager.expand(step.handle) == messages[4:6]
    assert f'expand_context("{step.handle}")' in view


@pytest.mark.parametrize("kind", NOISE)
async def test_noise_in_the_newest_message_goes_before_older_words(kind: str) -> None:
    _, noise = NOISE[kind]
    messages = [*history("nothing")[:-1], UserMessage(content=f"Who wrote this?\n{noise}\nIt is Ben's.", source="user")]
    view = said((await ContextManager().fit(messages, 1_100)).messages)
    assert all(words in view for words in [*WORDS, "Who wrote this?", "It is Ben's."])
    assert noise not in view


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("base64", "Decode the base64 text."),
        ("hex dump", "What do the first bytes of the dump mean?"),
        ("embedding", "Is the embedding normalised?"),
        ("SVG path", "Draw the icon with fewer curves."),
        ("minified bundle", "What does the minified bundle do?"),
    ],
)
async def test_noise_that_is_asked_for_stays(kind: str, request_: str) -> None:
    _, noise = NOISE[kind]
    messages = [
        *history("nothing", request="Go on.")[:-1],
        *history(noise, request_)[4:6],
        history(noise, request_)[-1],
    ]
    whole = await ContextManager().fit(messages, 100_000)
    view = said((await ContextManager().fit(messages, whole.report.tokens_after - 150)).messages)
    assert noise in view


async def test_system_messages_and_what_is_pinned_keep_their_noise() -> None:
    _, noise = NOISE["base64"]
    system = SystemMessage(content=f"The key is\n{noise}")
    pinned = UserMessage(content=f"The logo is\n{noise[:400]}", source="user")
    messages = [system, history("nothing")[0], pinned, *history("nothing")[1:]]
    whole = await ContextManager().fit(messages, 100_000)
    result = await ContextManager().fit(messages, whole.report.tokens_after - 100, pinned=[pinned])
    assert system in result.messages
    assert pinned in result.messages


async def test_a_history_that_fits_keeps_its_noise() -> None:
    messages = history(NOISE["base64"][1])
    assert (await ContextManager().fit(messages, 100_000)).messages == messages


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\n".join(str(uuid.UUID(int=n * 7**30)) for n in range(60)), id="ids"),
        pytest.param("\n".join(f"{n * 7**60:040x}"[-40:] for n in range(1, 60)), id="hashes"),
        pytest.param("/srv/" + "/".join(f"Module{n}" for n in range(60)), id="path"),
        pytest.param("\n".join(f"{n} {n * 31 % 97} {n * 7} 2024 1999" for n in range(1000, 1100)), id="table"),
        pytest.param(", ".join(f"{n}.50" for n in range(400)), id="prices"),
        pytest.param(json.dumps([{"id": n, "city": "Oslo", "paid": True} for n in range(90)]), id="JSON"),
        pytest.param(repr([{"id": n, "city": "Oslo", "paid": True} for n in range(90)]), id="Python"),
        pytest.param(json.dumps([{"k": n} for n in range(90)], separators=(",", ":")), id="dense JSON"),
        pytest.param(",".join(f"item_{n}" for n in range(1400)), id="one long line"),
        pytest.param("\n".join(f"  if (a{n} > {n}) {{ return f(a{n}); }}" for n in range(90)), id="code"),
        pytest.param("=" * 900, id="ruler"),
        pytest.param(" ".join(["word"] * 900), id="words"),
        pytest.param("ThisIsALongName" * 30, id="name"),
        pytest.param("\n".join(f"{n}.1234, {50 + n}.5678" for n in range(10, 80)), id="places on a map"),
    ],
)
def test_what_is_read_is_no_noise(text: str) -> None:
    assert noise_runs(text) == []


@pytest.mark.parametrize("kind", ["base64 in JSON", "embeddings in JSON"])
def test_json_without_its_noise_is_json(kind: str) -> None:
    text, kinds = without_noise(NOISE[kind][1])
    assert kinds
    assert len(text) < len(NOISE[kind][1]) // 4
    json.loads(text)


PIECES = [*(noise[:700] for _, noise in NOISE.values()), "a word ", "\n", '"', "{", "\nAnn said it. "]


@given(st.lists(st.sampled_from(PIECES), max_size=6))
def test_words_beside_noise_stay(pieces: list[str]) -> None:
    text = "".join(pieces)
    runs = noise_runs(text)
    assert all(0 <= run.start < run.end <= len(text) for run in runs)
    assert all(one.end <= other.start for one, other in pairwise(runs))
    if not any(piece.startswith(("!function", "<svg")) for piece in pieces):
        shorter = without_noise(text)[0]
        assert shorter.count("Ann said it. ") == text.count("Ann said it. ")
