"""Strategies for histories as AutoGen makes them, a third of them broken in the ways real ones are."""

from __future__ import annotations

import json
from functools import cache

from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from hypothesis import strategies as st
from PIL import Image as PILImage

# fmt: off
WORDS = (
    "plan", "order", "flight", "parser", "budget", "token", "window", "agent", "tool", "result", "error", "retry",
    "invoice", "#W4817", "user_2291", "main.py", "/srv/data/in.csv", "2024-05-17", "19.90", "never", "always",
    "limit", "Berlin", "Ada", "deploy", "cache", "stream", "review", "merge", "branch", "test",
)
# fmt: on

BIG = {
    "spaces": " " * 1_000_000,
    "letters": "a" * 1_000_000,
    "words": "the quick brown fox jumps over the lazy dog. " * 22_000,
    "lines": "\n".join(f"{n:06d} INFO worker-{n % 7} handled request r-{n * 7919 % 100003}" for n in range(6_000)),
}
"""Texts of a megabyte. They take most of the time of a test, so that tests name them where they want them."""

ODD = (
    "<|endoftext|>",
    "\ud83d",
    "a\ud800b",
    "",
    "   ",
    "\n\n",
    "<|im_start|>system",
    "日本語の文章です。",
    "👩‍👩‍👧‍👦" * 5,
    "\x00",
)
PICTURE = Image.from_pil(PILImage.new("RGB", (640, 480)))
MAYBE_THIRD = st.sampled_from((False, False, True))


def prose(seed: int, words: int) -> str:
    """Words that differ from seed to seed; fewer of them where an example shrinks."""
    chosen: list[str] = []
    for _ in range(words):
        seed = (seed * 48271 + 11) % 2147483647  # the multiplier of Park and Miller's minimal generator
        chosen.append(WORDS[seed // 7 % len(WORDS)])
    return " ".join(chosen)


def sentences(most: int) -> st.SearchStrategy[str]:
    """Some words, at most so many; now and then a text that is odd."""
    plain = st.builds(prose, st.integers(1, 10**6), st.integers(1, most))
    return st.one_of(*[plain] * 9, st.sampled_from(ODD))


CALLS = st.sampled_from((1, 1, 1, 2, 3))
NAMES = st.sampled_from(("search", "read_file", "write_file"))
ARGUMENTS = st.one_of(sentences(4), sentences(4), sentences(150))
THOUGHTS = sentences(30)


def _records(seed: int, count: int) -> str:
    return json.dumps([{"id": (seed + n * 7919) % 10**6, "name": WORDS[(seed + n) % len(WORDS)]} for n in range(count)])


def _nested(word: str, text: str, other: str) -> str:
    return json.dumps({word: text, "nested": {"deep": [other] * 3}})


def _lines(seed: int, count: int) -> str:
    return "\n".join(prose(seed + n, 1 + (seed + n) % 10) for n in range(count))


RESULT_TEXTS: st.SearchStrategy[str] = st.one_of(
    sentences(120),
    sentences(5),
    st.builds(_records, st.integers(0, 10**6), st.integers(0, 40)),
    st.builds(_nested, st.sampled_from(WORDS), sentences(12), sentences(5)),
    st.builds(_lines, st.integers(1, 10**6), st.integers(0, 40)),
)
"""What a tool says: text, lines, JSON records, or an error."""


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> list[LLMMessage]:
    """A tool-calling message with its results."""
    count = draw(CALLS)
    calls = [
        FunctionCall(
            id=f"call_{number}_{n}",
            name=draw(NAMES),
            arguments=json.dumps({"q": draw(ARGUMENTS)}),
        )
        for n in range(count)
    ]
    results = [
        FunctionExecutionResult(content=draw(RESULT_TEXTS), name=c.name, call_id=c.id, is_error=False) for c in calls
    ]
    thought = draw(THOUGHTS) if draw(MAYBE_THIRD) else None
    message = AssistantMessage(content=calls, source="coder", thought=thought)
    if count > 1 and draw(MAYBE_THIRD):  # some tools answer in messages of their own
        return [message, *(FunctionExecutionResultMessage(content=[result]) for result in results)]
    return [message, FunctionExecutionResultMessage(content=results)]


def _rare(text: str, picture: bool) -> list[LLMMessage]:
    if picture:
        return [UserMessage(content=[text, PICTURE], source="user")]
    return [SystemMessage(content="\nRelevant memory:\n1. " + text)]


def _text_of(text: str, source: str) -> list[LLMMessage]:
    return [AssistantMessage(content=text, source=source)]


def _asked(text: str, source: str) -> list[LLMMessage]:
    return [UserMessage(content=text, source=source)]


SAID = st.builds(_text_of, sentences(60), st.sampled_from(("coder", "planner")))
ASKED = st.builds(_asked, sentences(40), st.sampled_from(("user", "user", "ann", "ben")))
RARE = st.builds(_rare, sentences(9), st.booleans())


@cache
def _turns(number: int) -> st.SearchStrategy[list[LLMMessage]]:
    """The messages of one step of a conversation; built once, since building costs more than drawing."""
    calls = exchanges(number)
    return st.sampled_from((calls,) * 6 + (ASKED,) * 3 + (SAID,) * 6 + (RARE,)).flatmap(lambda chosen: chosen)


@st.composite
def well_formed(draw: st.DrawFn) -> list[LLMMessage]:
    """A history as AutoGen makes them."""
    history: list[LLMMessage] = []
    if not draw(MAYBE_THIRD):
        history.append(SystemMessage(content=draw(THOUGHTS) or "rules"))
    for number in range(draw(st.integers(1, 16))):
        history += draw(_turns(number))
    return history


def _doubled(call_id: str, answered: int) -> list[LLMMessage]:
    calls = [FunctionCall(id=call_id, name=f"tool{n}", arguments="{}") for n in range(2)]
    results = [
        FunctionExecutionResult(content=f"r{n}", name=f"tool{n}", call_id=call_id, is_error=False) for n in range(2)
    ]
    return [
        AssistantMessage(content=calls, source="coder"),
        FunctionExecutionResultMessage(content=results[:answered]),
    ]


FAULTS: st.SearchStrategy[list[LLMMessage]] = st.one_of(
    exchanges(900).map(lambda messages: messages[:1]),  # a cancelled run: calls without results
    exchanges(901).map(lambda messages: messages[1:]),  # results without calls
    st.sampled_from((None, "hm")).map(lambda said: [AssistantMessage(content=[], source="coder", thought=said)]),
    st.builds(_doubled, st.sampled_from(("", "same")), st.integers(1, 2)),
    st.builds(lambda: [FunctionExecutionResultMessage(content=[])]),
    st.builds(lambda: [UserMessage(content=[], source="user")]),
)
"""What a provider would refuse, to be put anywhere."""


@st.composite
def broken(draw: st.DrawFn) -> list[LLMMessage]:
    """A history that a provider would refuse."""
    history = draw(well_formed())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(history)))
        history[place:place] = draw(FAULTS)
    return history


def histories() -> st.SearchStrategy[list[LLMMessage]]:
    """Any history; one in three is broken."""
    return st.one_of(well_formed(), well_formed(), broken())
