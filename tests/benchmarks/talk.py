"""Generated sessions of an agent with tools: what is said and read, with facts planted early and asked for later.

The same arguments give the same session, and no file is read.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

TASK = (
    "Work through the open cases of the freight office: look up what is missing, name what is wrong, and keep every "
    "answer short. Never change a record without asking first."
)

# fmt: off
_FIRST = (
    "Ada Bruno Carla Dario Edda Felix Greta Hugo Ines Jonas Klara Leif Mona Nils Olga Piet Rosa Sven Tilda Uwe"
).split()
_LAST = (
    "Abenov Birkeland Castellan Dvorak Eklund Farkas Gauthier Halvorsen Ibarra Jankowski Keller Lindqvist Moreau "
    "Novotny Okafor Petrov Quispe Ramires Szabo Thorsen Umarov Vestergaard Wolters Yilmaz Zuberi"
).split()
_PLACES = (
    "Aarhus Bergen Cadiz Dijon Evora Faro Ghent Haarlem Imola Jena Kaunas Lund Malmo Narvik Oulu Porto Riga Siena "
    "Tartu Turku Udine Vigo Wismar Zadar"
).split()
_WORDS = (
    "carrier delay pallet customs invoice driver gate weight label route depot seal scan buffer window manifest "
    "container transfer retry queue schedule inspection damage claim refund notice address contact stock lift ramp "
    "crane forklift payment currency rate discount approval form signature copy scanner server batch index worker"
).split()
_VERBS = "checked moved booked refused confirmed delayed opened closed split merged weighed signed returned".split()
# fmt: on

_SAID = (
    ("For later: the order of {name} has the code {id}.", "Which code has the order of {name}?"),
    ("{name} gave us {id} as reference for the shipment to {place}.", "What was the reference for {place}, by {name}?"),
    ("{name} keeps the spare key of the {place} depot under {id}.", "Where do I find the {place} key of {name}?"),
    ("The contract with {name} in {place} is filed as {id}.", "I need {name}'s contract. How is it filed?"),
    ("From now on {name} pays with voucher {id}.", "{name} wants to pay now. With what?"),
    ("{name} complained about the noise in {place}, ticket {id}.", "Please close the ticket of {name}."),
)
"""A plant of the user, and a later question for it: some in the same words, some only by the name."""
_READ = {
    "json": "Which reference does our system have for {name} in {place}?",
    "log": "What was the trace of the request for {name} that the gateway refused?",
    "text": "Which certificate did {name} issue for the lift in {place}?",
}
"""Questions for what was planted in a tool result, by the kind of the result."""

_ROUTINE = (
    "Look at the next case, it is about the {word} in {place}.",
    "And what about the {word} that was {verb} in {place}?",
    "Go on with the {word}.",
    "Is there anything on the {word} of {name}?",
)
_MAX_PLANTED = 200  # names for the rest of the session must stay


@dataclass(frozen=True)
class Session:
    """A session, and what is known about it."""

    messages: tuple[LLMMessage, ...]
    calls: tuple[int, ...]
    """After how many messages the model is called."""
    asked: Mapping[int, str]
    """By such a number: the id that the newest user message asks for."""


@dataclass(frozen=True)
class _Fact:
    name: str
    place: str
    id: str

    def fill(self, template: str) -> str:
        return template.format(name=self.name, place=self.place, id=self.id)


def make_session(messages: int = 140, *, calls: int | None = None, mean_tokens: int = 210, seed: int = 1) -> Session:
    """A session of so many messages.

    Args:
        messages: How many, at least two a model call. What is above that are remarks that nobody answers.
        calls: Model calls; None for 64 in 140 messages.
        mean_tokens: Tokens of a message, about. Tool results get what users and answers do not need.
        seed: Of the random numbers.
    """
    wanted = messages * 64 // 140 if calls is None else calls
    if not 0 < 2 * wanted <= messages:
        raise ValueError(f"{wanted} model calls do not go with {messages} messages")
    return _Maker(random.Random(seed), messages, wanted, mean_tokens).session()


class _Maker:
    """Writes one session turn by turn."""

    def __init__(self, rng: random.Random, messages: int, calls: int, mean_tokens: int) -> None:
        self._rng = rng
        self._turns = list(self._turn_sizes(calls))
        turns = len(self._turns)
        self._remarks = [rng.randrange(min(1, turns - 1), turns) for _ in range(messages - 2 * calls)]
        small = 30 * (turns + len(self._remarks)) + 60 * turns + 40 * (calls - turns)
        self._result_tokens = max(12.0, (messages * mean_tokens - small) / max(1, calls - turns))
        people = [f"{first} {last}" for first in _FIRST for last in _LAST]
        rng.shuffle(people)
        early = max(1, turns // 3)
        count = max(0, min(turns - 1 - early, _MAX_PLANTED))
        facts = [_Fact(people.pop(), rng.choice(_PLACES), self._id()) for _ in range(count)]
        self._people = people
        self._planted = {
            turn: [f for n, f in enumerate(facts) if n * early // count == turn - 1] for turn in range(turns)
        }
        self._questions: dict[_Fact, str] = {}
        self._asked_in = dict(zip(range(early + 1, turns), rng.sample(facts, count), strict=False))
        self._messages: list[LLMMessage] = []
        self._calls: list[int] = []
        self._asked: dict[int, str] = {}

    def session(self) -> Session:
        for turn, calls in enumerate(self._turns):
            for _ in range(self._remarks.count(turn)):
                self._user(f"{self._sentence()} {self._sentence()}", "planner")
            self._turn(turn, calls)
        return Session(tuple(self._messages), tuple(self._calls), self._asked)

    def _turn_sizes(self, calls: int) -> Iterator[int]:
        """Model calls of each turn: that of the answer, and one for each exchange with tools."""
        left = calls
        while left:
            size = min(left, self._rng.choice((1, 2, 3, 3, 4, 5)))
            left -= size
            yield size

    def _turn(self, turn: int, calls: int) -> None:
        plants = deque(self._planted[turn])
        in_results = [plants.popleft() for _ in range(min(len(plants) // 2, calls - 1))]
        fact = self._asked_in.get(turn)
        ask = self._questions[fact] if fact else self._routine() if turn else TASK
        said: list[str] = []
        for plant in plants:
            said_as, question = self._rng.choice(_SAID)
            said.append(plant.fill(said_as))
            self._questions[plant] = plant.fill(question)
        self._user(" ".join([ask, *said]), "user")
        if fact:
            self._asked[len(self._messages)] = fact.id
        for number in range(calls - 1):
            self._calls.append(len(self._messages))
            self._exchange(in_results[number : number + 1])
        self._calls.append(len(self._messages))
        found = f"It is {fact.id}. " if fact else ""
        answer = found + " ".join(self._sentence() for _ in range(self._rng.randint(1, 6)))
        self._messages.append(AssistantMessage(content=answer, source="clerk"))

    def _user(self, text: str, source: str) -> None:
        self._messages.append(UserMessage(content=text, source=source))

    def _exchange(self, plants: list[_Fact]) -> None:
        calls: list[FunctionCall] = []
        results: list[FunctionExecutionResult] = []
        for number in range(2 if self._rng.random() < 0.15 else 1):
            kind, call_id = self._rng.choice(tuple(_READ)), f"call_{len(self._messages)}_{number}"
            tool = {"json": "query_records", "log": "read_log", "text": "read_document"}[kind]
            arguments = {"about": self._rng.choice(_WORDS), "place": self._rng.choice(_PLACES), "limit": 50}
            fact = plants[number] if number < len(plants) else None
            if fact:
                self._questions[fact] = fact.fill(_READ[kind])
            content = self._result(kind, fact)
            calls.append(FunctionCall(id=call_id, name=tool, arguments=json.dumps(arguments)))
            results.append(FunctionExecutionResult(content=content, name=tool, call_id=call_id, is_error=False))
        self._messages.append(AssistantMessage(content=calls, source="clerk"))
        self._messages.append(FunctionExecutionResultMessage(content=results))

    def _result(self, kind: str, fact: _Fact | None) -> str:
        """Records, log lines or sentences, as many as it takes; the fact somewhere among them."""
        tokens = self._result_tokens * min(8.0, self._rng.lognormvariate(-0.4, 0.8))
        characters = tokens * {"json": 2.6, "log": 2.3, "text": 4.7}[kind]
        parts: list[str] = []
        while sum(map(len, parts)) < characters:
            parts.append(self._part(kind, _Fact(self._person(), self._rng.choice(_PLACES), self._id())))
        if fact:
            parts.insert(self._rng.randint(0, len(parts)), self._fact_part(kind, fact))
        return f"[{', '.join(parts)}]" if kind == "json" else (" " if kind == "text" else "\n").join(parts)

    def _part(self, kind: str, other: _Fact) -> str:
        if kind == "json":
            return self._record(other)
        if kind == "text":
            return self._sentence()
        level = self._rng.choice(("INFO", "INFO", "DEBUG", "WARN"))
        return f"{self._time()} {level} {self._pick(_WORDS)} {self._pick(_VERBS)} in {self._rng.randint(1, 900)} ms"

    def _fact_part(self, kind: str, fact: _Fact) -> str:
        if kind == "json":
            return self._record(fact)
        if kind == "text":
            return f"The lift in {fact.place} was inspected by {fact.name}, certificate {fact.id}."
        return f"{self._time()} ERROR gateway refused request for {fact.name} trace={fact.id}"

    def _record(self, of: _Fact) -> str:
        """A JSON record."""
        return json.dumps(
            {
                "customer": of.name,
                "place": of.place,
                "reference": of.id,
                "status": self._pick(_VERBS),
                "weight": self._rng.randint(10, 9_000) / 10,
                "note": f"{self._pick(_WORDS)} {self._pick(_WORDS)}",
            }
        )

    def _routine(self) -> str:
        template = self._rng.choice(_ROUTINE)
        return template.format(
            word=self._pick(_WORDS), verb=self._pick(_VERBS), place=self._pick(_PLACES), name=self._person()
        )

    def _sentence(self) -> str:
        one, two, three = self._rng.sample(_WORDS, 3)
        count = self._rng.randint(2, 90)
        return f"The {one} in {self._pick(_PLACES)} was {self._pick(_VERBS)} with {count} {two}s after the {three}."

    def _time(self) -> str:
        return f"2025-03-{self._rng.randint(1, 28):02}T{self._rng.randint(0, 23):02}:{self._rng.randint(0, 59):02}:07Z"

    def _person(self) -> str:
        return self._rng.choice(self._people)

    def _pick(self, words: Sequence[str]) -> str:
        return self._rng.choice(words)

    def _id(self) -> str:
        letters = "".join(self._rng.choice("BCDFGHKLMPRTVXZ") for _ in range(2))
        return f"{letters}-{self._rng.randint(10_000, 99_999)}-{self._rng.choice('ABCDEFGH')}"
