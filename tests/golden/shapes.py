"""Generated histories of many shapes: chats, teams, tool loops, logs, code, long and short turns, 8 to 240 messages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from PIL import Image as PILImage

PICTURE = Image.from_pil(PILImage.new("RGB", (320, 240)))
NAMES = "Ines Tomas Priya Gustav Leila Marek Nadia Oscar Yuki Fiona".split()
PLACES = "Lyon Turin Oslo Porto Ghent Malmö Graz Vilnius Cork Bergen".split()
GOODS = "desk lamp pump valve sensor carpet engine filter gauge boiler ladder printer".split()
ACTS = "repair ship order cancel move paint check return measure replace".split()
FILLER = "the a with for after before near under until because while today soon again maybe".split()


def sentence(rng: random.Random, words: int) -> str:
    """Plain words around a name, a place and a thing."""
    filler = [rng.choice(FILLER) if n % 2 else rng.choice(GOODS + ACTS) for n in range(max(1, words - 4))]
    return f"{rng.choice(NAMES)} will {rng.choice(ACTS)} the {rng.choice(GOODS)} in {rng.choice(PLACES)} " + " ".join(
        filler
    )


def paragraph(rng: random.Random, sentences: int) -> str:
    return ". ".join(sentence(rng, rng.randint(6, 18)) for _ in range(sentences)) + "."


def identifier(rng: random.Random) -> str:
    return rng.choice(
        (f"#W{rng.randrange(10**6, 10**7)}", f"PO-{rng.randrange(10**4, 10**5)}", f"{rng.getrandbits(40):x}")
    )


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def agent(text: str, source: str = "assistant") -> AssistantMessage:
    return AssistantMessage(content=text, source=source)


def tool(rng: random.Random, name: str, arguments: dict[str, object], text: str, number: int) -> list[LLMMessage]:
    call = FunctionCall(id=f"call_{number}", name=name, arguments=json.dumps(arguments))
    result = FunctionExecutionResult(
        content=text, name=name, call_id=call.id, is_error=text.startswith("Error") and rng.random() < 0.9
    )
    thought = sentence(rng, 9) if rng.random() < 0.2 else None
    return [
        AssistantMessage(content=[call], source="assistant", thought=thought),
        FunctionExecutionResultMessage(content=[result]),
    ]


# What tools say


def records(rng: random.Random) -> str:
    rows = [
        {
            "order": identifier(rng),
            "customer": {"name": rng.choice(NAMES), "city": rng.choice(PLACES)},
            "items": [{"name": rng.choice(GOODS), "price": rng.randrange(100, 9_999) / 100} for _ in range(2)],
            "status": rng.choice(("open", "shipped", "cancelled")),
        }
        for _ in range(rng.randint(2, 12))
    ]
    return json.dumps(rows, indent=rng.choice((None, 2)))


def log(rng: random.Random) -> str:
    lines = [
        f"2026-03-{1 + n % 28:02d} 10:{n % 60:02d}:07 INFO worker-{n % 5} did job {rng.randrange(9_999)} in {n % 97} ms"
        for n in range(rng.randint(20, 120))
    ]
    lines[rng.randrange(len(lines))] = (
        f"2026-03-09 10:11:12 ERROR worker-3 {rng.choice(GOODS)} timed out: {identifier(rng)}"
    )
    return "\n".join(lines)


def code(rng: random.Random) -> str:
    parts: list[str] = []
    for _ in range(rng.randint(2, 7)):
        name, limit = rng.choice(ACTS) + "_" + rng.choice(GOODS), rng.randrange(2, 500)
        parts.append(
            f"def {name}(count: int, limit: int = {limit}) -> int:\n"
            f'    """{sentence(rng, 8)}."""\n'
            f"    if count > limit:\n        raise ValueError('{rng.choice(GOODS)}')\n    return count * {limit}\n"
        )
    return "\n".join(parts)


def page(rng: random.Random) -> str:
    parts = [f"# {rng.choice(PLACES)} {rng.choice(GOODS)} guide"]
    for _ in range(rng.randint(2, 6)):
        parts.append(
            f"## {sentence(rng, 5)}\n\n{paragraph(rng, rng.randint(1, 5))}\n\n- {identifier(rng)}: {sentence(rng, 6)}"
        )
    return "\n\n".join(parts)


def failure(rng: random.Random) -> str:
    return f"Error: {rng.choice(GOODS)} {identifier(rng)} not found in {rng.choice(PLACES)}"


RESULTS: tuple[Callable[[random.Random], str], ...] = (records, log, code, page, failure)


# Histories


def chat(rng: random.Random, turns: int, asked: int, answered: int) -> list[LLMMessage]:
    """A person and an assistant in turn."""
    history: list[LLMMessage] = [SystemMessage(content="You are a helpful assistant.")]
    for _ in range(turns):
        history += [user(paragraph(rng, asked)), agent(paragraph(rng, answered) + f" Reference {identifier(rng)}.")]
    return [*history, user(f"What was the reference for the {rng.choice(GOODS)} in {rng.choice(PLACES)}?")]


def meeting(rng: random.Random, turns: int, speakers: int) -> list[LLMMessage]:
    """Many short turns of many people."""
    people = NAMES[:speakers]
    history: list[LLMMessage] = [user("Take the minutes of this meeting.")]
    history += [user(sentence(rng, rng.randint(3, 16)), people[n * 7 % speakers]) for n in range(turns)]
    return [*history, user(f"What did {people[0]} say about {rng.choice(PLACES)}?")]


def loop(rng: random.Random, calls: int, results: tuple[Callable[[random.Random], str], ...]) -> list[LLMMessage]:
    """One task and an agent that calls tools until now."""
    history: list[LLMMessage] = [
        SystemMessage(content="You repair services. Never delete data."),
        user(f"Find out why {rng.choice(NAMES)} waits for the {rng.choice(GOODS)} {identifier(rng)} and mend it."),
    ]
    for number in range(calls):
        arguments: dict[str, object] = {"id": identifier(rng), "city": rng.choice(PLACES)}
        history += tool(
            rng, rng.choice(("look_up", "read_file", "search")), arguments, rng.choice(results)(rng), number
        )
        if rng.random() < 0.2:
            history.append(agent(paragraph(rng, 2)))
    return history


def service(rng: random.Random, turns: int) -> list[LLMMessage]:
    """A customer and an agent with tools."""
    history: list[LLMMessage] = [SystemMessage(content="You serve customers of a shop. " + paragraph(rng, 6))]
    number = 0
    for _ in range(turns):
        history.append(user(f"My order {identifier(rng)}: please {sentence(rng, 8)}."))
        for _ in range(rng.randint(0, 2)):
            history += tool(rng, "get_order", {"order": identifier(rng)}, records(rng), number)
            number += 1
        history.append(agent(paragraph(rng, 1)))
    return [*history, user("Do it for the first order, please.")]


def team(rng: random.Random, rounds: int) -> list[LLMMessage]:
    """What one agent of a team sees: the task, others' messages, and its own work."""
    history: list[LLMMessage] = [user(f"Write a report on the {rng.choice(GOODS)} trade in {rng.choice(PLACES)}.")]
    for number in range(rounds):
        history += [user(paragraph(rng, 2), "planner"), user(page(rng), "WebSurfer")]
        history += tool(rng, "search", {"q": sentence(rng, 4)}, rng.choice(RESULTS)(rng), number)
        history.append(agent(paragraph(rng, 3), "writer"))
    return [*history, user("Go on with the next section.", "planner")]


def giant(rng: random.Random, before: int, results: Callable[[random.Random], str]) -> list[LLMMessage]:
    """A newest result that is larger than all that was before."""
    text = "\n".join(results(rng) for _ in range(8))
    return [*chat(rng, before, 1, 1)[:-1], user(f"Look at the {rng.choice(GOODS)}."), *tool(rng, "dump", {}, text, 0)]


def pictures(rng: random.Random) -> list[LLMMessage]:
    history: list[LLMMessage] = [user("Describe what the camera sees.")]
    for _ in range(4):
        shown = UserMessage(content=[paragraph(rng, 2), PICTURE], source="camera")
        history += [shown, agent(paragraph(rng, 4))]
    return [*history, user("Which picture had the pump?")]


def memories(rng: random.Random) -> list[LLMMessage]:
    """System messages among the turns, and calls that were cut off."""
    history: list[LLMMessage] = []
    for number in range(8):
        history += [user(paragraph(rng, 1)), SystemMessage(content="\nRelevant memory:\n1. " + paragraph(rng, 2))]
        exchange = tool(rng, "look_up", {"id": identifier(rng)}, records(rng), number)
        history += exchange[: 1 if number % 3 == 1 else 2]
        history.append(agent(paragraph(rng, 2)))
    return [*history, user("And now?")]


def histories() -> Iterator[tuple[str, list[LLMMessage]]]:
    """The name and the messages of each history; the same ones each time."""
    shapes: dict[str, Callable[[random.Random], list[LLMMessage]]] = {
        "chat": lambda rng: chat(rng, 12, 1, 2),
        "chat of long answers": lambda rng: chat(rng, 8, 1, 14),
        "chat of long questions": lambda rng: chat(rng, 8, 10, 1),
        "chat of weeks": lambda rng: chat(rng, 90, 1, 1),
        "two speakers": lambda rng: meeting(rng, 60, 2),
        "meeting": lambda rng: meeting(rng, 120, 7),
        "long meeting": lambda rng: meeting(rng, 230, 4),
        "records": lambda rng: loop(rng, 10, (records,)),
        "logs": lambda rng: loop(rng, 6, (log,)),
        "code": lambda rng: loop(rng, 8, (code,)),
        "pages": lambda rng: loop(rng, 6, (page,)),
        "failures": lambda rng: loop(rng, 14, (failure, records)),
        "all results": lambda rng: loop(rng, 18, RESULTS),
        "service": lambda rng: service(rng, 9),
        "team": lambda rng: team(rng, 6),
        "two talks": lambda rng: [*chat(rng, 8, 1, 2), *loop(rng, 6, RESULTS)[1:]],
        "giant log": lambda rng: giant(rng, 4, log),
        "giant records": lambda rng: giant(rng, 4, records),
        "pictures": pictures,
        "memories": memories,
    }
    for shape, make in shapes.items():
        for seed in range(5):
            yield f"{shape} {seed}", make(random.Random(f"{shape} {seed}"))
