"""Random histories, a third of them broken in the ways real ones are."""

from __future__ import annotations

import json
import random

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


def sentence(rng: random.Random, most: int) -> str:
    """Some words; now and then a text that is odd."""
    if rng.random() < 0.04:
        return rng.choice(ODD)
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def result_text(rng: random.Random) -> str:
    """What a tool says: text, lines, JSON records, or an error."""
    kind = rng.randrange(5)
    if kind == 0:
        return json.dumps([{"id": rng.randrange(10**6), "name": rng.choice(WORDS)} for _ in range(rng.randint(0, 40))])
    if kind == 1:
        return json.dumps({rng.choice(WORDS): sentence(rng, 12), "nested": {"deep": [sentence(rng, 5)] * 3}})
    if kind == 2:
        return "\n".join(sentence(rng, 10) for _ in range(rng.randint(0, 40)))
    return sentence(rng, 5 if kind == 3 else 120)


def exchange(rng: random.Random, number: int) -> list[LLMMessage]:
    """A tool-calling message with its results."""
    calls = [
        FunctionCall(
            id=f"call_{number}_{n}",
            name=rng.choice(("search", "read_file", "write_file")),
            arguments=json.dumps({"q": sentence(rng, rng.choice((4, 4, 150)))}),
        )
        for n in range(rng.choice((1, 1, 1, 2, 3)))
    ]
    results = [
        FunctionExecutionResult(content=result_text(rng), name=c.name, call_id=c.id, is_error=False) for c in calls
    ]
    thought = sentence(rng, 30) if rng.random() < 0.3 else None
    message = AssistantMessage(content=calls, source="coder", thought=thought)
    if len(results) > 1 and rng.random() < 0.3:  # some tools answer in messages of their own
        return [message, *(FunctionExecutionResultMessage(content=[result]) for result in results)]
    return [message, FunctionExecutionResultMessage(content=results)]


def well_formed(rng: random.Random) -> list[LLMMessage]:
    """A history as AutoGen makes them."""
    history: list[LLMMessage] = []
    if rng.random() < 0.7:
        history.append(SystemMessage(content=sentence(rng, 30) or "rules"))
    for number in range(rng.randint(1, 16)):
        kind = rng.randrange(8)
        if kind < 3:
            history += exchange(rng, number)
        elif kind == 3:
            history.append(UserMessage(content=sentence(rng, 40), source="user"))
        elif kind == 4 and rng.random() < 0.3:
            history.append(SystemMessage(content="\nRelevant memory:\n1. " + sentence(rng, 6)))
        elif kind == 5 and rng.random() < 0.2:
            history.append(UserMessage(content=[sentence(rng, 9), PICTURE], source="user"))
        elif kind == 6 and rng.random() < 0.004:
            history.append(UserMessage(content=rng.choice(list(BIG.values())), source="user"))
        else:
            history.append(AssistantMessage(content=sentence(rng, 60), source=rng.choice(("coder", "planner"))))
    return history


def broken(rng: random.Random) -> list[LLMMessage]:
    """A history that a provider would refuse."""
    history = well_formed(rng)
    for _ in range(rng.randint(1, 4)):
        place = rng.randint(0, len(history))
        kind = rng.randrange(6)
        if kind == 0:
            history[place:place] = exchange(rng, 900)[:1]
        elif kind == 1:
            history[place:place] = exchange(rng, 901)[1:]
        elif kind == 2:
            history.insert(place, AssistantMessage(content=[], source="coder", thought=rng.choice((None, "hm"))))
        elif kind == 3:
            same = rng.choice(("", "same"))
            calls = [FunctionCall(id=same, name=f"tool{n}", arguments="{}") for n in range(2)]
            results = [FunctionExecutionResult(content=f"r{n}", name=f"tool{n}", call_id=same) for n in range(2)]
            history[place:place] = [
                AssistantMessage(content=calls, source="coder"),
                FunctionExecutionResultMessage(content=results[: rng.randint(1, 2)]),
            ]
        elif kind == 4:
            history.insert(place, FunctionExecutionResultMessage(content=[]))
        else:
            history.insert(place, UserMessage(content=[], source="user"))
    return history


@st.composite
def histories(draw: st.DrawFn) -> list[LLMMessage]:
    """A random history; one in three is broken."""
    rng = random.Random(draw(st.integers(0, 2**32 - 1)))
    return broken(rng) if draw(st.integers(0, 2)) == 0 else well_formed(rng)
