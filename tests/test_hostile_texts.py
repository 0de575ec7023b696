"""Texts that are built to take long: reading them costs time linear in their length (guarantee G12).

Each shape makes a repeat of a pattern, a nesting or a list as long as it can. What is measured is the CPU time of this
thread at four times the length against that at one, so other processes do not count. ``TOKENCTX_HOSTILE_CHARS`` sets
the longer length: 200000 for the full size, less by default, which tells as well.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx import EstimatedTokenCounter, TaskDefinition
from autogen_ext_tokenctx.context.failure import Failure
from autogen_ext_tokenctx.forms.compressor import GroupCompressor
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.models.api_formats import read_list, read_ollama_model
from autogen_ext_tokenctx.models.names import ModelName
from autogen_ext_tokenctx.models.overflow import overflow_of
from autogen_ext_tokenctx.models.profile_table import profile_of
from autogen_ext_tokenctx.models.sources import PatternSource
from autogen_ext_tokenctx.planning.strategies import derived
from autogen_ext_tokenctx.retrieval.features import FeatureCache
from autogen_ext_tokenctx.summary.answers import UnusableAnswerError
from autogen_ext_tokenctx.summary.validation import read as read_summary
from autogen_ext_tokenctx.telemetry.redaction import redact
from autogen_ext_tokenctx.tokens.task import estimate_complexity

_CHARS = int(os.environ.get("TOKENCTX_HOSTILE_CHARS", "200000"))
_MOST = 8.0
"""Linear is 4, quadratic 16."""

_TINY = 0.004
"""Seconds: what takes less at the full length is not slow, and too short to be compared."""


def _result(text: str) -> list[LLMMessage]:
    return [
        AssistantMessage(content=[FunctionCall(id="1", name="look", arguments="{}")], source="coder"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content=text, name="look", call_id="1", is_error=False)]
        ),
    ]


def _read(messages: list[LLMMessage]) -> None:
    profiles = FeatureCache(EstimatedTokenCounter(), GroupCompressor())
    for group in split(messages):
        profiles.get(group)


def as_result(text: str) -> None:
    _read(_result(text))


def as_request(text: str) -> None:
    _read([UserMessage(content=text, source="user")])


def as_arguments(text: str) -> None:
    call = FunctionCall(id="1", name="write", arguments=json.dumps({"text": text}))
    _read([AssistantMessage(content=[call], source="coder", thought=text), *_result("ok")[1:]])


def as_task(text: str) -> None:
    estimate_complexity(TaskDefinition(description=text))


def as_summary(text: str) -> None:
    with suppress(UnusableAnswerError):
        read_summary(f"## Facts\n{text}", f"user: {text}", len(text), lambda said: len(said) // 4)


def as_source(text: str) -> None:
    facts = " ".join(f"1{'.1' * length}" for length in range(1, 40))
    with suppress(UnusableAnswerError):
        read_summary(f"## Facts\n- {facts}", f"user: {text}", 2_000, lambda said: len(said) // 4)


def as_error(text: str) -> None:
    overflow_of(RuntimeError(text))
    derived(Failure((), text, text, text), False)


def as_logged(text: str) -> None:
    redact(text)


def as_body(text: str) -> None:
    read_ollama_model({"parameters": text})
    read_list({"data": [{"id": text}, {"id": f"{text}x"}]}, ModelName.parse("m"))


def as_name(text: str) -> None:
    name = ModelName.parse(text)
    asyncio.run(PatternSource()(name))
    profile_of(text)


def of(head: str, group: str, tail: str = "") -> Callable[[int], str]:
    """A text of one group many times."""
    return lambda chars: head + group * ((chars - len(head) - len(tail)) // len(group)) + tail


def deep(opening: str, inner: str, closing: str, levels: int = 100) -> Callable[[int], str]:
    """JSON with as many structures, each nested so deep, as it takes."""
    one = opening * levels + inner + closing * levels
    return lambda chars: f"[{', '.join([one] * max(1, chars // (len(one) + 2)))}]"


def spine(chars: int) -> str:
    """Records by key, nested in the first of each: every level looks like a table."""
    one: dict[str, object] = {"x": 1}
    for _ in range(150):
        one = {"a": one, "b": {"x": 1}, "c": {"y": 2}}
    text = json.dumps(one)
    return f"[{', '.join([text] * max(1, chars // len(text)))}]"


def long_keys(chars: int) -> str:
    """Each path is as long as all keys above it."""
    one: dict[str, object] = {"x": "y" * 130}
    for level in range(60):
        one = {f"{level}{'k' * (chars // 100)}": one, "v": level}
    return json.dumps(one)


CASES: list[tuple[Callable[[str], None], Callable[[int], str]]] = [
    # noise
    (as_result, of("{", '"a\\')),
    (as_result, of("{", '"' + "a" * 30)),
    (as_result, of("", "0.12345 " * 31 + "x ")),
    (as_result, of("", "aB3" * 20 + "\\n")),
    (as_result, of("00000000", " ab")),
    (as_result, of("", 'd="M')),
    # source code
    (as_result, of("x {\n", " ", "b/\nc\n")),
    (as_result, of("x {\na", " ", "b/\n" + "c {\n  d\n" * 9)),
    (as_result, of("x {\n", "a \t ", "#\n")),
    (as_result, of("class A:\n  def f(a,\n", "x" * 50, "\n  y\n")),
    (as_result, of("def f(\n", "a(", "\n")),
    (as_result, of("{\n", "f(\n")),
    (as_result, of("", "class A {\n")),
    (as_result, of("{\n", "export ", "x\n")),
    (as_result, of("def f(a):\n", " " * 7 + "x {\n")),
    (as_result, of("{\n", "} else {\n")),
    (as_result, of("def f(\n", ") x\n")),
    (as_result, of("f()\n", "{\n")),
    (as_result, of(" a\n", "public:\n")),
    (as_result, of("# a\n", "{", "x\n")),
    # traces, headings, terminals, logs
    (as_result, of("Traceback (most recent call last):\n", "\n ", "x")),
    (as_result, of("", "Traceback (most recent call last):\n")),
    (as_result, of("panicked at\n", "\n" + " " * 40 + "thread x")),
    (as_result, of("Error\n", "  at f(x)\nError\n")),
    (as_result, of("", "goroutine 1 [\n")),
    (as_result, of("goroutine 1 [\n", " ", "1: x\n")),
    (as_result, of("#", " ", "x\n")),
    (as_result, of("", "\n# a\n")),
    (as_result, of("\n", "_", " x\n")),
    (as_result, of("", "\x1b[0")),
    (as_result, of("", "\x1b]0;x")),
    (as_result, of("", " 10%|#\r", "\nok")),
    (as_result, of("12:00:00\n", "1.")),
    (as_result, of("12:00:00 a\n12:00:01 a\n", "0x1")),
    (as_result, of("12:00:00 a\n12:00:01 a\n", "[1")),
    (as_result, of("", "12:00:00 [1\n")),
    (as_result, of("1" * 40, "1", "\n2: x\n{\n")),
    # JSON, and what Python prints
    (as_result, deep('{"a": ', "1", "}")),
    (as_result, deep("[", "1", "]")),
    (as_result, deep('{"a": [', '"x"', "]}", 150)),
    (as_result, deep('{"b": 1, "a": ', '"x"', "}", 200)),
    (as_result, spine),
    (as_result, long_keys),
    (as_result, of('{"a": "', "a ", '"}')),
    (as_result, of('{"a": ', "[1, ", "}")),
    (as_result, of("{", "'a': {", "}")),
    (as_result, of("[", "(1, ", "]")),
    (as_result, of("[", "-", "1]")),
    (as_result, of("[1", "+1", "]")),
    (as_result, of("[", "{'a'}, ", "]")),
    (as_result, of("[", "not ", "1]")),
    (as_result, of("[", "lambda: ", "1]")),
    (as_result, of("['", "{", "']")),
    (as_result, of("[", "[1, 2], ", "[3]]")),
    # words, names, ids
    (as_request, of("", "A’")),
    (as_request, of("", "A-a'")),
    (as_request, of("", "Ada of ")),
    (as_request, of("", "a_")),
    (as_request, of("a", "-")),
    (as_request, of("", "x_x ")),
    (as_request, of("", "never ")),
    (as_request, of("", "a1: ")),
    (as_request, of("", "ab-c: ", "\n")),
    (as_request, of("", "中")),
    (as_request, of("", "\n")),
    (as_request, of("", "! ")),
    (as_arguments, of("", "aB")),
    (as_arguments, of("", '{"')),
    (as_arguments, of("", "\\")),
    # tasks
    (as_task, of("", "0")),
    (as_task, of("", "a.")),
    (as_task, of("", "\n ")),
    (as_task, of("", "*\n ")),
    (as_task, of("", "every ")),
    (as_task, of("", "a_")),
    # summaries
    (as_summary, of("", "#")),
    (as_summary, of("- ", "1.")),
    (as_summary, of("- ", "a-1 ")),
    (as_source, of("", "1.")),
    (as_source, of("", "1")),
    (as_source, of("", "1.1 ")),
    # errors and logs
    (as_error, of("", "Connection")),
    (as_error, of("", "max_")),
    (as_error, of("maximum context length is ", "1")),
    (as_error, of("", "exceeds the max ")),
    (as_error, of("'", "a")),
    (as_logged, of("", """token"=> \\'""")),
    (as_logged, of("", "eyJ---")),
    (as_logged, of("", "://a:")),
    (as_logged, of("", "sk-a-")),
    (as_logged, of("", "password='a")),
    # what servers say of models
    (as_body, of("num_ctx", "\n")),
    (as_body, of("", " \n")),
    (as_body, of("num_ctx 1", " ", "x")),
    (as_body, of("", "a/")),
    (as_body, of("", ".ft-", "\nx")),
    (as_name, of("", "gpt5")),
    (as_name, of("", "gemini")),
    (as_name, of("", "qwen3")),
    (as_name, of("", ".ft-", "\nx")),
]


def _seconds(reader: Callable[[str], None], text: str) -> float:
    started = time.thread_time()
    reader(text)
    return time.thread_time() - started


@pytest.mark.parametrize(
    ("reader", "shape"), CASES, ids=[f"{reader.__name__}-{number}" for number, (reader, _) in enumerate(CASES)]
)
def test_a_text_of_four_times_the_length_takes_at_most_eight_times_as_long(
    reader: Callable[[str], None], shape: Callable[[int], str]
) -> None:
    longer, shorter = shape(_CHARS), shape(_CHARS // 4)
    bound = _MOST * max(1.0, len(longer) / (4 * len(shorter)))  # whole structures may be longer than four times
    gc.disable()  # a collection of the objects of other tests is no reading
    try:
        least = min(_seconds(reader, shorter) for _ in range(3))
        most = float("inf")
        for _ in range(5):  # the least of five, and no more of them than it takes
            most = min(most, _seconds(reader, longer))
            if most <= max(_TINY, bound * least):
                break
    finally:
        gc.enable()
    assert most <= max(_TINY, bound * least), f"{len(shorter)} chars: {least:.4f} s, {len(longer)} chars: {most:.4f} s"


@pytest.mark.parametrize("kind", [('{"a": ', "}"), ("[", "]"), ('{"a": [', "]}"), ('{"b": 1, "a": ', "}")])
def test_structures_that_are_nested_deep_take_no_longer_than_flat_ones(kind: tuple[str, str]) -> None:
    opening, closing = kind
    deep_one, flat_one = deep(opening, '"x"', closing, 150)(_CHARS), deep(opening, '"x"', closing, 2)(_CHARS)
    flat = min(_seconds(as_result, flat_one) for _ in range(3))
    assert min(_seconds(as_result, deep_one) for _ in range(3)) <= _MOST * flat


@pytest.mark.parametrize("levels", [150, 480, 960, 4_000, 20_000])
@pytest.mark.parametrize("kind", [("[", "]"), ('{"a":', "}"), ("{'a':", "}"), ("(", ")")])
def test_no_depth_is_an_error(kind: tuple[str, str], levels: int) -> None:
    opening, closing = kind
    text = f'{{"x": {opening * levels}"1"{closing * levels}}}'
    as_result(text)
    as_request(text)
    _read([AssistantMessage(content=[FunctionCall(id="1", name="w", arguments=text)], source="c"), *_result("ok")[1:]])
    redact(text)
