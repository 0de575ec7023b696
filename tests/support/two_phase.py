"""Talks in which something is said early on and asked for long after, among much that is alike."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

FACT_TURN, COMPACTION_TURN, QUESTION_TURN = 5, 50, 60

# As it is called when it first comes up, and as it is called when it is asked for.
THINGS = [
    ("the walnut desk", "that desk of walnut"),
    ("the espresso machine", "the espresso maker"),
    ("the server rack in Oslo", "our rack over in Oslo"),
    ("the garden fence", "the fence around the garden"),
    ("the checkout page", "our page for checkout"),
    ("the nightly backup", "the backups that run nightly"),
    ("the spring brochure", "the brochure for spring"),
    ("the payroll export", "exporting the payroll"),
    ("the ferry tickets", "our tickets for the ferry"),
    ("the image resizer", "resizing of images"),
    ("the lobby carpet", "carpets for the lobby"),
    ("the search index", "the index we search"),
    ("the delivery van", "the van for deliveries"),
    ("the fire alarm", "alarms in case of fire"),
    ("the login form", "the form for the login"),
    ("the roof insulation", "insulating the roof"),
    ("the mobile app", "our app on mobile phones"),
    ("the wedding cake", "cake for the wedding"),
    ("the heating pump", "the pump of our heating"),
    ("the newsletter archive", "archived newsletters"),
    ("the conference booth", "our booth at the conference"),
    ("the water meter", "the meter for water"),
    ("the translation plugin", "the plugin for translations"),
    ("the bicycle shed", "the shed where bicycles go"),
]
FIRMS = "Nordwind Aldera Kestrel Bluefin Marlowe Tessera Quillon Orbis Halden Vireo Castell Lumen Pragma Sorrel".split()
PEOPLE = "Ines Tomas Priya Gustav Leila Marek Nadia Oscar Yuki Fiona Dario Helga".split()
SURNAMES = "Abelard Brannigan Castellano Dvorak Eriksen Fonseca Grimaldi Hashimoto Iversen Jablonski".split()
MONTHS = "January February March April May June July August September October November December".split()


def order(rng: random.Random) -> str:
    return f"{rng.choice(('ORD', 'PO', 'SO', 'W'))}-{rng.randrange(10_000, 999_999)}"


def commit(rng: random.Random) -> str:
    return f"{rng.getrandbits(40):010x}"


def address(rng: random.Random) -> str:
    return f"{rng.choice(SURNAMES).lower()}.{rng.randrange(10, 99)}@{rng.choice(FIRMS).lower()}-mail.example"


def path(rng: random.Random) -> str:
    return f"/srv/{rng.choice(SURNAMES).lower()}/v{rng.randrange(2, 90)}/{rng.choice(('main', 'site', 'run'))}.toml"


def date(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return f"20{rng.randrange(24, 29)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
    return f"{rng.randrange(1, 29)} {rng.choice(MONTHS)} 20{rng.randrange(24, 29)}"


def price(rng: random.Random) -> str:
    return f"{rng.randrange(1, 20)},{rng.randrange(100, 999)}.{rng.randrange(10, 99)} EUR"


def person(rng: random.Random) -> str:
    return f"{rng.choice(('Xaver', 'Ottilie', 'Wendel', 'Runa', 'Caspar', 'Ysolde'))} {rng.choice(SURNAMES)}"


@dataclass(frozen=True)
class Kind:
    """A kind of fact: how its id is made, how it is said, and how it is asked for."""

    name: str
    make: Callable[[random.Random], str]
    field: str
    said: tuple[str, ...]
    asked: tuple[str, ...]


KINDS = (
    Kind(
        "order number",
        order,
        "order",
        (
            "We placed the order for {thing} with {firm}; it is {id}.",
            "{firm} confirmed {thing} under order {id} today.",
        ),
        ("Which order number did {firm} give us for {thing}?", "Under which number was {thing} confirmed?"),
    ),
    Kind(
        "hash",
        commit,
        "commit",
        ("Since commit {id} {thing} is broken, {who} says.", "{who} traced the failure of {thing} to commit {id}."),
        (
            "With which commit did {thing} stop working, according to {who}?",
            "Which commit was it that {thing} failed with?",
        ),
    ),
    Kind(
        "e-mail",
        address,
        "contact",
        ("{who} looks after {thing}; write to {id}.", "For questions on {thing}, {who} is at {id}."),
        ("At which address do I reach {who} about {thing}?", "Whom do I write to about {thing}, and where?"),
    ),
    Kind(
        "path",
        path,
        "settings",
        (
            "The settings for {thing} are in {id} since {who} moved them.",
            "{who} keeps the settings of {thing} in {id}.",
        ),
        ("In which file does {who} keep the settings of {thing}?", "In what file are the settings, for {thing}?"),
    ),
    Kind(
        "date",
        date,
        "due",
        ("{who} needs {thing} finished by {id}, not later.", "{thing} has to be ready on {id}, {who} insists."),
        ("Until when does {who} need {thing}?", "What is the deadline for {thing}?"),
    ),
    Kind(
        "price",
        price,
        "offer",
        ("{firm} offered {thing} for {id} in total.", "The offer from {firm} for {thing} is {id}, shipping included."),
        ("How much does {firm} charge for {thing}?", "What would {thing} cost us?"),
    ),
    Kind(
        "name",
        person,
        "decides",
        ("At {firm}, {id} decides about {thing}.", "{id} is who signs for {thing} at {firm}."),
        ("Who at {firm} has the last word on {thing}?", "Whose signature do we need for {thing}?"),
    ),
)

CHAT = (
    "The meeting was moved to the small room, bring your notes.",
    "I read through the draft and changed a few sentences in the second part.",
    "Please keep the tone friendly and the paragraphs short.",
    "The weather ruined our plans again, so we stayed in and sorted papers.",
    "That looks much better than last week, the colours match now.",
    "Somebody should water the plants while we are away.",
    "Can you check whether the numbers add up before we send it?",
    "The printer on the third floor is jammed once more.",
    "Lunch is at noon, the new place around the corner.",
    "I would rather wait until everybody has had a look at it.",
    "We talked about hiring one more person for the front desk.",
    "The feedback from the workshop was mostly positive.",
)
REPLIES = (
    "Done, and I added a short note so that nobody has to look for it later.",
    "I looked into it and there is nothing unusual, everything is as we left it.",
    "Understood. I will come back to it when the others have answered.",
    "That should work; the only open point is who tells the rest of the team.",
    "I have put it on the list and will remind everybody the day before.",
    "Good idea, it saves us a trip and the afternoon is free anyway.",
)
OPENINGS = ("", "", "Sorry to come back to this so late. ", "One more thing before we finish: ")


@dataclass(frozen=True)
class Case:
    """A talk in two phases.

    Args:
        kind: What kind of fact it is about.
        turns: The messages of each turn; the last turn is the question alone.
        answer: The id that was said in turn 5 and is asked for in turn 60.
    """

    kind: str
    turns: tuple[tuple[LLMMessage, ...], ...]
    answer: str


def case(number: int) -> Case:
    """One of endlessly many cases; equal numbers give equal cases."""
    rng = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    thing = THINGS[rng.randrange(len(THINGS))]
    firm, who = rng.choice(FIRMS), rng.choice(PEOPLE)
    answer = kind.make(rng)
    others = [other for other in THINGS if other is not thing]
    turns: list[tuple[LLMMessage, ...]] = [
        (user("You help our office with orders, code and appointments. Keep track of what we tell you."),)
    ]
    for turn in range(2, QUESTION_TURN):
        if turn == FACT_TURN:
            said = rng.choice(kind.said).format(thing=thing[0], firm=firm, who=who, id=answer)
            record = {"subject": thing[0], "firm": firm, "person": who, kind.field: answer}
            turns.append(_told(rng, turn, said, record, others))
        elif turn > COMPACTION_TURN and number % 4:  # in most talks the second phase fits behind the compacted view
            turns.append((user(rng.choice(CHAT)), agent("Done.")))
        elif turn == 20 and rng.random() < 0.5:  # it comes up once more, without the id
            turns.append((user(f"{who} was asking about {thing[0]} again."), agent(rng.choice(REPLIES))))
        else:
            turns.append(_filler(rng, turn, others))
    asked = rng.choice(OPENINGS) + rng.choice(kind.asked).format(thing=thing[1], firm=firm, who=who)
    turns.append((user(asked),))
    assert answer not in asked
    return Case(kind.name, tuple(turns), answer)


def user(text: str) -> UserMessage:
    """What the person says."""
    return UserMessage(content=text[:1].upper() + text[1:], source="user")


def agent(text: str) -> AssistantMessage:
    """What the agent says."""
    return AssistantMessage(content=text, source="assistant")


def looked_up(turn: int, query: str, text: str) -> tuple[LLMMessage, ...]:
    """A tool call and its result."""
    call = FunctionCall(id=f"call_{turn}", name="look_up", arguments=json.dumps({"query": query}))
    result = FunctionExecutionResult(content=text, name="look_up", call_id=call.id, is_error=False)
    return AssistantMessage(content=[call], source="assistant"), FunctionExecutionResultMessage(content=[result])


def _told(
    rng: random.Random, turn: int, said: str, record: dict[str, str], others: list[tuple[str, str]]
) -> tuple[LLMMessage, ...]:
    """The turn of the fact: the person says it, among other things, or the agent, or a tool."""
    way = rng.randrange(4)
    if way == 0:
        return user(said), agent(rng.choice(REPLIES))
    if way == 1:
        return user(" ".join([*rng.sample(CHAT, 2), said, *rng.sample(CHAT, 2)])), agent(rng.choice(REPLIES))
    if way == 2:
        return user(rng.choice(CHAT)), agent(f"{rng.choice(REPLIES)} {said}")
    records = [_record(rng, other[0]) for other in rng.sample(others, 3)]
    records.insert(rng.randrange(4), record)
    return (
        user(f"What do we have on {record['subject']}?"),
        *looked_up(turn, record["subject"], json.dumps(records)),
        agent(rng.choice(REPLIES)),
    )


def _record(rng: random.Random, thing: str) -> dict[str, str]:
    kind = rng.choice(KINDS)
    return {"subject": thing, "firm": rng.choice(FIRMS), "person": rng.choice(PEOPLE), kind.field: kind.make(rng)}


def _filler(rng: random.Random, turn: int, others: list[tuple[str, str]]) -> tuple[LLMMessage, ...]:
    """Talk, facts of the same kinds on other things, and tool results."""
    kind = rng.choice(KINDS)
    thing, firm, who = rng.choice(others)[0], rng.choice(FIRMS), rng.choice(PEOPLE)
    fact = rng.choice(kind.said).format(thing=thing, firm=firm, who=who, id=kind.make(rng))
    way = rng.randrange(7)
    if way in (0, 5):
        return user(rng.choice(CHAT)), agent(rng.choice(REPLIES))
    if way == 1:
        return user(f"{rng.choice(CHAT)} {fact}"), agent(rng.choice(REPLIES))
    if way in (2, 6):
        return user(f"How is {thing} coming along?"), agent(f"{fact} {rng.choice(REPLIES)}")
    if way == 3:
        records = [_record(rng, other[0]) for other in rng.sample(others, rng.randrange(2, 6))]
        return user(f"List what is open at {firm}."), *looked_up(turn, firm, json.dumps(records)), agent(fact)
    log = "\n".join(
        f"2024-05-{rng.randrange(1, 29):02d} {rng.choice(PEOPLE)} {rng.choice(('opened', 'closed', 'moved'))} "
        f"ticket {rng.randrange(1_000, 9_999)} on {rng.choice(others)[0]}"
        for _ in range(rng.randrange(3, 8))
    )
    return user(f"Show me the log of {thing}."), *looked_up(turn, thing, log), agent(rng.choice(REPLIES))
