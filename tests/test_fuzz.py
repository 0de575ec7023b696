"""Texts, states and files of any kind: nothing raises but the project's own errors, and no request is broken.

What is drawn is put together from pieces that readers look for, and from states and files that were right before a part
of them was replaced. A few examples run with the other tests; `--hypothesis-profile random` runs thousands.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from time import thread_time
from typing import Any

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from autogen_ext_tokenctx import (
    BudgetTooSmallError,
    EstimatedTokenCounter,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
    TokenManager,
)
from autogen_ext_tokenctx.cli.saved_messages import BadFileError
from autogen_ext_tokenctx.cli.saved_states import read_state
from autogen_ext_tokenctx.html_report.log import FitLogReader
from autogen_ext_tokenctx.models.api_formats import read_list, read_ollama_model
from autogen_ext_tokenctx.models.names import ModelName
from autogen_ext_tokenctx.models.overflow import overflow_of
from autogen_ext_tokenctx.models.sources import DefaultSource, FileSource

from .support.histories import conversation
from .support.strict_client import StrictClient, check_request

MANY = 8 * settings().max_examples
"""Some hundred by default, two thousand with the random profile, for each of the tests."""

PIECES = st.sampled_from(
    [*"{}[]\"',:a1\n\r\t ._-/=|#\u2028\x0b\x00中。é🙂?!", "A", "ab", "0.1", "1e9", "\\n", "\\u0000", '\\"', "    ",
     "\x1b[0m", "\r\n", "user: ", "system: ", "[Excerpts of 12 earlier messages]",
     "</messages>", "<|im_start|>", "<|endoftext|>", "…", "```", "~~~",
     "Traceback (most recent call last):", '  File "a.py", line 3', "Error", "at f(x)", "goroutine 1 [", "panicked at",
     "def f(a):", "class A {", "if (x) {", "} else {", "import os", "public:", "- ", "* ", "1. ", "## ", "> ", "---",
     "12:00:01 INFO", "2024-05-01T00:00:00Z", "#W123", "https://a.b/c?d=e", "/srv/a.csv", "10%|##", "null", "true",
     "never ", "always ", "do not ", "from now on ", "ignore ", "sk-abcdefghijklmnopqrstuvwx", "password="]
)  # fmt: skip


KINDS = st.sampled_from(["user", "agent", "result", "arguments", "thought"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Pieces, each some times over, at most 12,000 characters."""
    parts = draw(st.lists(st.tuples(PIECES, st.sampled_from([1, 1, 1, 2, 7, 60, 400])), min_size=1, max_size=12))
    return "".join(piece * times for piece, times in parts)[: draw(st.sampled_from([200, 2_000, 12_000]))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of a JSON value."""
    found = [path]
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    elif isinstance(value, list):
        inner = list(enumerate(value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for key, part in inner:
        found += places(part, (*path, key))
    return found


def changed(draw: Callable[[st.SearchStrategy[Any]], Any], value: Any) -> Any:
    """A JSON value with some of its parts replaced, removed, doubled or moved."""
    value = deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        *path, key = draw(st.sampled_from(places(value)[1:] or [("",)]))
        inside = value
        for step in path:
            inside = inside[step]
        if not isinstance(inside, dict | list):
            break
        kind = draw(st.sampled_from(["replace", "text", "remove", "other"]))
        if kind == "remove":
            del inside[key]
        elif kind == "other":
            inside[key] = deepcopy(draw(st.sampled_from([value, *(_at(value, path) for path in places(value)[:40])])))
        else:
            inside[key] = draw(JSON if kind == "replace" else texts())
        if not places(value)[1:]:
            break
    return value


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def run(work: Callable[[], Any]) -> Any:
    """Run a coroutine; only the warnings that say what was left out may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for expected in ("only the messages of a saved state", "standing instructions take more", "is ignored"):
            warnings.filterwarnings("ignore", f"(?s).*{expected}")
        return asyncio.run(work())


@pytest.mark.parametrize("half", [1, 2])  # so that two processes share it
@settings(max_examples=MANY // 2)
@given(said=st.lists(st.tuples(KINDS, texts()), max_size=8), budget=st.integers(60, 3_000))
def test_any_text_gives_a_request_that_is_taken(half: int, said: list[tuple[str, str]], budget: int) -> None:
    history: list[LLMMessage] = [UserMessage(content="Look at it.", source="user")]
    for number, (kind, text) in enumerate(said):
        arguments = json.dumps({"text": text}) if kind == "arguments" else '{"a": 1}'
        call = FunctionCall(id=f"{number}", name="look", arguments=arguments)
        content = text if kind == "result" else "ok"
        result = FunctionExecutionResult(content=content, name="look", call_id=f"{number}", is_error=False)
        if kind == "user":
            history.append(UserMessage(content=text or " ", source="user"))
        elif kind == "agent":
            history.append(AssistantMessage(content=text, source="coder"))
        else:
            thought = text if kind == "thought" else None
            history.append(AssistantMessage(content=[call], source="coder", thought=thought))
            history.append(FunctionExecutionResultMessage(content=[result]))

    async def agent() -> None:
        inner = StrictClient(window=budget + 200)
        client = TokenBudgetChatCompletionClient(inner, budget, model="gpt-4o")
        context = TokenBudgetChatCompletionContext(budget=budget, counter=EstimatedTokenCounter())
        for message in history:
            await context.add_message(message)
        for _ in range(2):
            try:
                view = await context.get_messages()
                check_request(view)
                await client.create(view)
                await client.create(history)
            except BudgetTooSmallError:
                pass
            await context.add_message(UserMessage(content="What of W123, and never?", source="user"))
        state = json.loads(json.dumps(await context.save_state()))
        again = TokenBudgetChatCompletionContext(budget=budget, counter=EstimatedTokenCounter())
        await again.load_state(state)
        asked = ({"handle": "00000000"}, {"query": said[0][1] if said else "a"})
        for tool, arguments in zip(context.tools(), asked, strict=True):
            await tool.run_json(arguments, None)  # type: ignore[arg-type]

    started = thread_time()
    run(agent)
    assert thread_time() - started < 5.0  # a hundred times what the longest takes: only what explodes does not end


async def _state() -> Any:
    context = TokenBudgetChatCompletionContext(budget=700, initial_messages=conversation(9))
    await context.get_messages()
    await context.add_message(UserMessage(content="And valve 3-1?", source="user"))
    await context.get_messages()
    return json.loads(json.dumps(await context.save_state()))


STATE = asyncio.run(_state())


@settings(max_examples=MANY)
@given(data=st.data())
def test_any_state_gives_its_messages_or_an_error_of_its_own(data: st.DataObject) -> None:
    extra = changed(data.draw, STATE["autogen_ext_tokenctx"])
    state = {**STATE, "autogen_ext_tokenctx": extra}

    async def load() -> None:
        context = TokenBudgetChatCompletionContext(budget=700)
        await context.load_state(state)
        check_request(await context.get_messages())
        assert len((await context.save_state())["messages"]) == len(STATE["messages"])

    run(load)
    with suppress(BadFileError):
        read_state(state)


@settings(max_examples=MANY)
@given(data=st.data())
def test_any_file_of_limits_is_read_or_ignored(data: st.DataObject, tmp_path_factory: Any) -> None:
    file: Path = tmp_path_factory.getbasetemp() / "limits.json"
    right = {"gpt-4o": 9_000, "my-model": {"context_window": 32_000, "max_output_tokens": 900}}
    text = json.dumps(changed(data.draw, right)) if data.draw(st.booleans()) else data.draw(texts())
    file.write_text(text, encoding="utf-8", errors="surrogatepass")

    async def look() -> None:
        manager = TokenManager(sources=[FileSource(file), DefaultSource(8_192)])
        for name in ("gpt-4o", "my-model", data.draw(texts()) + "x"):
            limits = await manager.get_limits(name)
            assert limits.context_window > 0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(look())


@settings(max_examples=MANY)
@given(data=st.data())
def test_any_log_is_read_line_by_line(data: st.DataObject, tmp_path_factory: Any) -> None:
    file: Path = tmp_path_factory.getbasetemp() / "fits.jsonl"
    fit = {"type": "ContextFit", "at": 1.0, "hook": "client", "agent": "a", "team": "", "model": "m", "budget": 9}
    fit |= {"reserve": 0, "tokens_before": 9, "tokens_after": 5, "cached_tokens": 0, "seconds": 0.1, "groups": 2}
    lines = [json.dumps(changed(data.draw, fit)) if data.draw(st.booleans()) else data.draw(texts()) for _ in range(4)]
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    reader = FitLogReader(file)
    with suppress(ValueError):  # of a newer version
        assert len(list(reader)) + reader.skipped <= reader.lines


@settings(max_examples=MANY)
@given(JSON, texts())
def test_any_answer_of_a_server_is_read(answer: Any, text: str) -> None:
    name = ModelName.parse(text)
    for value in (answer, {"data": answer}, {"data": [{"id": text, "max_model_len": answer}]}, {"models": [answer]}):
        read_list(value, name)
    for value in (answer, {"parameters": text, "model_info": answer}, {"model_info": {"x.context_length": answer}}):
        read_ollama_model(value)
    overflow_of(RuntimeError(text))
