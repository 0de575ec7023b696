"""Facts that stand nowhere else, put at random places of a conversation, and whether a view still tells them.

A fact is a value (a plain thing of two words, a name, an amount or an id, drawn for each fact) and what it is of (a
subject of two words); neither is in the conversation before. It is *readable* where both stand in one message of the
view, at most 200 characters apart: a bare list of values, from which nobody knows what is what, does not pay.

By type:

- decision: one of the assistant, as a sentence at the end of a message of it.
- wish: one of the person who spoke first, as a sentence at the end of a message.
- argument: a name in the arguments of a tool call, whose result is one word.
- line: a line in the middle third of a tool result of 60 to 100 lines (a log, a table, settings or minutes).
- rule, fact, name, number: sentences of that person, as wishes are.

Where the speaker has no message in the part of the conversation that is planted, the sentence is a message of its own.
Conversations are rows in OpenAI's format, as those of the harness.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autogen_core.models import FunctionExecutionResultMessage, LLMMessage

from .harness import cell, conversations, is_there, markdown
from .retention import to_rows
from .talk import make_session

Row = dict[str, Any]

NEAR = 200
"""Characters that may stand between a value and what it is of."""

# fmt: off
_COLOURS = "cobalt ochre crimson ivory teal maroon amber indigo scarlet beige turquoise copper".split()
_THINGS = "lantern trellis awning tapestry sundial pergola carafe footstool weathervane birdbath hammock easel".split()
_FIRST = "Ottoline Thaddeus Perpetua Leopold Isolde Barnabas Cordelia Ignatius Philippa Lysander Hermia Gideon".split()
_LAST = "Brask Quillfeather Vandermeer Ashgrove Pellinore Tarkovian Wexcombe Drummelzier Oxenham Lightwood".split()
_UNITS = "crowns litres hectares shillings bushels".split()
SUBJECTS = (
    "harbour gala", "attic mural", "orchard fence", "chapel roof", "regatta dinner", "quarry visit", "lighthouse tour",
    "ferry landing", "choir evening", "village fountain", "mill wheel", "castle archive", "puppet theatre",
    "glacier hike", "bakery opening", "botany lecture", "pottery class", "falconry show", "canal bridge",
    "tram museum", "winter market", "beekeeper meeting", "sailing school", "observatory night",
)
_TOOLS = (
    ("send_invitation", "guest", "event"), ("assign_reviewer", "reviewer", "matter"),
    ("share_folder", "with", "folder"), ("book_speaker", "speaker", "occasion"),
)
# fmt: on

_SENTENCES: Mapping[str, Sequence[str]] = {
    "decision": (
        "We will go with {value} for the {subject}.",
        "Then it is settled: the {subject} gets {value}.",
        "After weighing both, I decided on {value} for the {subject}.",
        "I have chosen {value} for the {subject}, the other options are off the table.",
    ),
    "wish": (
        "By the way, for the {subject} I would like {value}.",
        "I would rather have {value} for the {subject}, if that is possible.",
        "What I really want for the {subject} is {value}.",
        "It would make me happy if the {subject} had {value}.",
    ),
    "rule": (
        "From now on, never mention {value} when you write about the {subject}.",
        "Always ask me about {value} before you change anything of the {subject}.",
        "Do not touch {value} of the {subject} until I say so.",
        "Whenever the {subject} comes up, put {value} first.",
    ),
    "fact": (
        "The {subject} has {value} now.",
        "They found {value} under the {subject} last week.",
        "There is {value} at the entrance of the {subject}.",
        "The {subject} was paid for with {value}.",
    ),
    "name": (
        "{value} looks after the {subject}.",
        "The one to call about the {subject} is {value}.",
        "I met {value} at the {subject}.",
        "{value} wrote to us about the {subject}.",
    ),
    "number": (
        "The {subject} comes to {value}.",
        "We counted {value} for the {subject}.",
        "The {subject} may take up to {value}.",
        "It was {value} for the {subject} the last time.",
    ),
}
"""What is said, by type; types of other kinds are arguments of calls and lines of results."""

_OF_THE_ASSISTANT = ("decision",)


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted fact.

    Args:
        type: One of those that this module tells.
        value: What is nowhere else.
        subject: What it is of.
    """

    type: str
    value: str
    subject: str

    def fill(self, template: str) -> str:
        """Return a template with the value and the subject."""
        return template.format(value=self.value, subject=self.subject)


@dataclass(frozen=True, slots=True)
class History:
    """A conversation to plant facts in, and its kind: "chat", "tools", "teams" or "generated"."""

    kind: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether one fact is readable in one view.

    Args:
        type: Type of the fact.
        kind: Kind of the conversation.
        group: Which conversation it is: what the bootstrap draws.
        share: The budget.
        readable: With what it is of.
        there: The value at all.
    """

    type: str
    kind: str
    group: int
    share: float
    readable: bool
    there: bool


def generated(count: int = 8, messages: int = 140) -> list[History]:
    """Return generated sessions that end where the model is called, with no question for what they hold themselves."""
    sessions = [make_session(messages, seed=seed) for seed in range(1, count + 1)]
    ends = [max(call for call in session.calls if call not in session.asked) for session in sessions]
    return [History("generated", to_rows(session.messages[:end])) for session, end in zip(sessions, ends, strict=True)]


def histories(harness: Path, least: int) -> list[History]:
    """Return generated sessions and, where they are, the dev conversations of the harness that are long enough.

    Args:
        harness: The folder of the harness.
        least: Characters that a conversation has at least.
    """
    found = generated()
    tasks: set[str] = set()  # case sets of agent teams share conversations
    if is_there(harness, "ctxbench", "data"):
        for kind, talks in sorted(conversations(asked=False).items()):
            for rows in talks:
                task = next((row["content"] for row in rows if row["role"] == "user"), "")
                if task not in tasks and sum(map(len, map(text_of, rows))) >= least:
                    tasks.add(task)
                    found.append(History(kind, rows))
    return found


def text_of(row: Row) -> str:
    """Return all that a row says: its text, and its calls."""
    calls = [f"{call['function']['name']} {call['function']['arguments']}" for call in row.get("tool_calls") or ()]
    return "\n".join([row.get("content") or "", *calls])


def plants(types: Sequence[str], draw: random.Random, rows: Sequence[Row]) -> list[Plant]:
    """Return a fact of each type, of words that the conversation does not have."""
    taken = "\n".join(map(text_of, rows)).lower()
    subjects = draw.sample([subject for subject in SUBJECTS if subject not in taken], len(types))
    found: list[Plant] = []
    for type_, subject in zip(types, subjects, strict=True):
        value = _value(type_, draw)
        while any(part.lower() in taken for part in _parts(value)):
            value = _value(type_, draw)
        taken += "\n".join(["", *_parts(value)]).lower()
        found.append(Plant(type_, value, subject))
    return found


def _value(type_: str, draw: random.Random) -> str:
    name = f"{draw.choice(_FIRST)} {draw.choice(_LAST)}"
    amount = f"{draw.randint(1_100, 9_899):,} {draw.choice(_UNITS)}"
    if type_ in ("argument", "name"):
        return name
    if type_ == "number":
        return amount
    plain = f"the {draw.choice(_COLOURS)} {draw.choice(_THINGS)}"
    if type_ in ("rule", "fact"):
        return plain
    return draw.choice(
        (plain, name, amount, f"{draw.choice('QXZ')}{draw.choice('KVW')}-{draw.randint(10_000, 99_999)}")
    )


def _parts(value: str) -> list[str]:
    """The part of a value that has to be new: a name's last name, the number of an amount, else all of it."""
    words = value.split()
    if len(words) < 2 or words[0] == "the":
        return [value.removeprefix("the ")]
    return words[:1] if words[0][0].isdigit() else words[1:]


def put(rows: Sequence[Row], facts: Sequence[Plant], draw: random.Random, zone: range) -> list[Row]:
    """Return a conversation with facts planted at random places.

    Args:
        rows: The conversation.
        facts: What to plant.
        draw: Gives the places.
        zone: Rows among which they are; those of the first and the last user message are left as they are.
    """
    out = [dict(row) for row in rows]
    users = [n for n, row in enumerate(rows) if row["role"] == "user"]
    person = rows[users[0]].get("name") if users else None
    agent = next((row["name"] for row in rows if row["role"] == "assistant" and row.get("name")), None)
    gaps = [n for n in zone if rows[n]["role"] not in ("tool", "system")]
    between: dict[int, list[Row]] = defaultdict(list)
    hosts: set[int] = {*users[:1], *users[-1:]}
    for number, fact in enumerate(facts):
        role, name = ("assistant", agent) if fact.type in _OF_THE_ASSISTANT else ("user", person)
        if fact.type not in _SENTENCES:
            between[draw.choice(gaps)] += _exchange(fact, draw, f"planted_{number}", agent)
            continue
        sentence = _capital(fact.fill(draw.choice(_SENTENCES[fact.type])))
        places = [
            n
            for n in zone
            if n not in hosts and rows[n]["role"] == role and (role == "assistant" or rows[n].get("name") == name)
            if rows[n].get("content") and not rows[n].get("tool_calls")
        ]
        if places:
            host = draw.choice(places)
            hosts.add(host)
            out[host]["content"] = f"{out[host]['content']} {sentence}"
        else:
            between[draw.choice(gaps)].append({"role": role, "content": sentence, **({"name": name} if name else {})})
    return [row for n, old in enumerate(out) for row in (*between[n], old)]


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _exchange(fact: Plant, draw: random.Random, call_id: str, agent: str | None) -> list[Row]:
    """A call and its result, one of which has the fact."""
    if fact.type == "argument":
        tool, who, what = draw.choice(_TOOLS)
        arguments, result = {who: fact.value, what: fact.subject}, "Done."
    else:
        tool, result = _large_result(fact, draw)
        arguments = {"part": draw.randint(1, 9)}
    function = {"name": tool, "arguments": json.dumps(arguments)}
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }
    if agent:
        call["name"] = agent
    return [call, {"role": "tool", "tool_call_id": call_id, "content": result, "name": tool}]


def _large_result(fact: Plant, draw: random.Random) -> tuple[str, str]:
    """A tool and its result: lines that say nothing of note, and the fact in the middle third."""
    tool, line, template = draw.choice(_RESULTS)
    lines = [line(number, draw) for number in range(1, draw.randint(60, 100))]
    place = draw.randint(len(lines) // 3, 2 * len(lines) // 3)
    lines.insert(place, fact.fill(template).replace("{number}", str(place)))
    return tool, "\n".join(lines)


def _log(number: int, draw: random.Random) -> str:
    return f"2025-04-02 08:{number // 2:02}:17 INFO worker {draw.randint(1, 6)}: batch done, {draw.randint(2, 9)} items"


def _table(number: int, draw: random.Random) -> str:
    return f"{number},{draw.choice(('bolts', 'nuts', 'screws'))},shelf {draw.randint(1, 9)},stored"


def _settings(number: int, draw: random.Random) -> str:
    return f"{draw.choice(('retry', 'cache', 'queue', 'batch'))}_{draw.choice(('limit', 'size'))}: {draw.randint(1, 9)}"


def _minutes(number: int, draw: random.Random) -> str:
    return f"Point {number}: the {draw.choice(('roof', 'door', 'lift', 'yard'))} was looked at, nothing is to be done."


_RESULTS: Sequence[tuple[str, Callable[[int, random.Random], str], str]] = (
    ("read_log", _log, "2025-04-02 08:24:40 WARN {subject}: {value} is missing"),
    ("list_stock", _table, "0,{subject},{value},reserved"),
    ("show_settings", _settings, "reserved_for: {value}  # {subject}"),
    ("read_minutes", _minutes, "Point 0: {value} is kept for the {subject}."),
)
"""Tools with long results: an ordinary line, and the line of the fact."""


def look(fact: Plant, view: Sequence[LLMMessage]) -> tuple[bool, bool]:
    """Return whether a fact is readable in a view, and whether its value is there at all."""
    value, subject = fact.value.lower(), fact.subject.lower()
    there = False
    for message in view:
        text = said(message).lower()
        place = text.find(value)
        while place != -1:
            end = place + len(value)
            if not (text[place - 1 : place].isalnum() or text[end : end + 1].isalnum()):
                there = True
                if subject in text[max(0, place - NEAR - len(subject)) : end + NEAR + len(subject)]:
                    return True, True
            place = text.find(value, place + 1)
    return False, there


def said(message: LLMMessage) -> str:
    """Return all that a message says, calls and results with it."""
    if isinstance(message, FunctionExecutionResultMessage):
        return "\n".join(result.content for result in message.content)
    return "\n".join(map(text_of, to_rows([message])))


def table(seen: Sequence[Seen]) -> str:
    """Return the share of readable facts by type, over all, by kind of conversation, and the share of bare values."""
    shares = sorted({one.share for one in seen})
    parts: dict[str, Callable[[Seen], bool]] = {}
    for type_ in dict.fromkeys(one.type for one in seen):
        parts[type_] = lambda one, type_=type_: one.type == type_
    parts["**all**"] = lambda one: True
    for kind in dict.fromkeys(one.kind for one in seen):
        parts[f"all, {kind}"] = lambda one, kind=kind: one.kind == kind
    rows: list[list[str]] = []
    for name, has in parts.items():
        own = [one for one in seen if has(one)]
        rows.append([name, str(len(own) // len(shares)), *_cells(own, shares, lambda one: one.readable)])
    rows.append(["all, the value at all", str(len(seen) // len(shares)), *_cells(seen, shares, lambda one: one.there)])
    return markdown(["type", "facts", *(f"{share:.0%}".replace("%", " %") for share in shares)], rows)


def _cells(seen: Sequence[Seen], shares: Sequence[float], found: Callable[[Seen], bool]) -> list[str]:
    cells: list[str] = []
    for share in shares:
        groups: dict[int, list[float]] = defaultdict(list)
        for one in seen:
            if one.share == share:
                groups[one.group].append(float(found(one)))
        cells.append(cell(groups.values()))
    return cells
