"""Judge by the worst: what survives a budget in conversations of shapes that the data does not have.

    python -m tests.benchmarks.shapes ../shared/eval [--fast] [--cases 24] [--only chat,generated]

The dev cases of the harness are given other shapes (`tests.benchmarks.shaping` has the definitions): long assistant
turns beside short user turns, chats of weeks, parts of conversations, two after one another, two and four at once, many
speakers as two, 20 to 2,000 messages. What is needed stays word for word, and what is measured is what
`tests.benchmarks.retention` measures, by the harness's own checks: for chats the share of the marked messages that are
in the view, for tools and teams the values that are there beside what they belong to, for failures the marked steps, in
part. Marked messages under 20 characters are left out, since they cannot be told inside a longer one. Other
conversations are of the same kind, and what is needed is not in them.

Generated histories need no data: sessions of 20 to 2,000 messages, with many speakers, and with long answers beside
short questions (the id that the newest message asks for is in an earlier message of the view), and the questions about
source files and failing runs of `tests.benchmarks.code_and_logs`.

Budgets are what must stay and 10, 20 and 30 % of the rest; one fit each, without what the context hook recalls. A row
is a shape; n is its cases, with 95 % intervals by a bootstrap over conversations. In bold is the worst of a kind at a
budget, and the last column says which shape of a kind is worst over the three. Exits with 1 if a view breaks its budget
or a pair of call and result. ``--fast`` takes few cases: it finds what is broken, its intervals are wide.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from multiprocessing import get_context
from typing import Any

from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from autogen_ext_tokenctx import BudgetTooSmallError, ContextManager, TiktokenCounter

from . import retention
from .cases.failing_runs import failing_runs
from .cases.sources import source_cases
from .code_and_logs import scores
from .harness import SHARES, arguments, cell, interval, is_there, markdown, room
from .planting import said, text_of
from .shaping import (
    Row,
    Shape,
    Source,
    as_they_are,
    four_at_once,
    interleaved,
    joined,
    long_agents,
    long_turns,
    two_voices,
    up_to,
    weeks,
    window,
)
from .talk import Session, make_session

SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "chat": {
        "as they are": as_they_are,
        "long assistant turns": long_turns,
        "weeks": weeks,
        "one after another": joined,
        "a part, 60 to 260 messages": window(60, 260),
        "two at once": interleaved,
        "four at once, many speakers": four_at_once,
        "many speakers as two": two_voices,
        "20 messages": window(20),
        "200 messages": window(200),
        "2,000 messages": up_to(2_000),
    },
    "tools": {
        "as they are": as_they_are,
        "a task after a task": joined,
        "two tasks at once": interleaved,
        "200 messages": up_to(200),
        "1,000 messages": up_to(1_000),
    },
    "teams": {
        "as they are": as_they_are,
        "long agents' turns": long_agents,
        "a task after a task": joined,
        "two tasks at once": interleaved,
        "500 messages": up_to(500),
    },
    "failures": {
        "as they are": as_they_are,
        "long agents' turns": long_agents,
        "a run after a run": joined,
        "500 messages": up_to(500),
    },
}
"""By kind and name."""

_FAMILIES = {"chat": "chat recall", "tools": "tool arguments", "teams": "multi-agent", "failures": "failure analysis"}
"""By kind, the family of `retention` with its measure and case sets."""

_SHORTEST = 20
"""Characters of a marked message."""
_FAST_TEXT = 400_000
"""Characters after which a shape has enough cases for ``--fast``."""

Found = dict[float, dict[str, list[float]]]
"""By budget and conversation, the values of the cases."""


@dataclass
class Measured:
    """What a shape came to.

    Args:
        kind: Kind of the conversations.
        shape: Name of the shape.
        found: The values.
        broken: Views over their budget or with a broken pair.
        refused: Budgets that were too small.
    """

    kind: str
    shape: str
    found: Found = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    broken: int = 0
    refused: int = 0

    @property
    def size(self) -> int:
        """How many cases."""
        return max((sum(map(len, groups.values())) for groups in self.found.values()), default=0)

    def mean(self, share: float) -> float:
        """The mean at a budget."""
        return interval(self.found[share].values())[0]


@dataclass(frozen=True)
class Job:
    """One case in one shape.

    Args:
        kind: Its kind.
        shape: Name of the shape.
        case: The case as the harness has it, whose messages are checked.
        rows: The conversation in its shape.
    """

    kind: str
    shape: str
    case: Any
    rows: Sequence[Row]


def jobs(kind: str, cases: Sequence[Any], most: int, text: float = inf) -> Iterator[Job]:
    """Give cases of a kind each of its shapes.

    Args:
        kind: The kind.
        cases: Its cases, as the harness loads them.
        most: Cases for each shape.
        text: Characters after which a shape has enough cases.
    """
    talks: dict[str, Sequence[Row]] = {}
    for case in cases:
        own = case.messages if case.kind == "grounding" else case.messages[:-1]
        if len(own) > len(talks.get(case.group, ())):
            talks[case.group] = own
    texts = {group: "\n".join(map(text_of, rows)) for group, rows in talks.items()}
    order = _spread(cases)
    for name, shape in SHAPES[kind].items():
        count, size = 0, 0
        for case in order:
            draw = random.Random(f"{name} {case.case_id}")
            case = replace(case, evidence=[n for n in case.evidence if len(text_of(case.messages[n])) >= _SHORTEST])
            needed = [check["value"] for check in case.checks]
            needed += [text_of(case.messages[n]) for n in case.evidence]
            others = [
                talks[group]
                for group, said_there in texts.items()
                if group != case.group and not any(value in said_there for value in needed)
            ]
            draw.shuffle(others)
            rows = shape(Source(case.messages, case.evidence, others, draw)) if needed else None
            if rows is not None:
                yield Job(kind, name, case, rows)
                count, size = count + 1, size + sum(len(text_of(row)) for row in rows)
            if count == most or size >= text:
                break


def _spread(cases: Sequence[Any]) -> list[Any]:
    """Cases in an order in which every conversation of every set comes once before one comes twice."""
    mixed = sorted(cases, key=lambda case: case.case_id)
    random.Random(5).shuffle(mixed)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    turn: dict[str, int] = {}
    for case in mixed:
        turn[case.case_id] = seen[case.dataset, case.group]
        seen[case.dataset, case.group] += 1
    return sorted(mixed, key=lambda case: turn[case.case_id])


def check(job: Job) -> tuple[Job, list[tuple[float, float]], int, int]:
    """Fit a case at each budget; return the values, the broken views and the refused budgets."""
    metrics: Any = importlib.import_module("ctxbench.metrics")
    bench: Any = importlib.import_module("ctxbench.run")
    count_tokens: Any = importlib.import_module("ctxbench.tokens").count_tokens
    metric = retention.FAMILIES[_FAMILIES[job.kind]][0]
    reference = metrics.CaseRef(job.case)
    values: list[tuple[float, float]] = []
    broken = refused = 0
    manager = ContextManager(counter=retention.HarnessCounter())
    history = retention.from_rows(job.rows)
    specs = [f"r{100 * share:.0f}" for share in SHARES]
    budgets = bench.budgets_for(replace(job.case, messages=list(job.rows)), specs)
    for share, (_, budget) in zip(SHARES, budgets, strict=True):
        try:
            view = retention.to_rows(asyncio.run(manager.for_agent().fit(history, budget)).messages)
        except BudgetTooSmallError:
            view = []
        found = metrics.evaluate(reference, view, budget, count_tokens)
        values.append((share, float(found[metric])))
        refused += not view
        broken += bool(view) and bool(found["over_budget"] or found["tool_violations"])
    return replace(job, rows=()), values, broken, refused


def of_data(kinds: Sequence[str], most: int, text: float, procs: int) -> Iterator[Measured]:
    """Measure the shapes of dev cases, kind by kind, in so many processes; the rest is for `jobs`."""
    data: Any = importlib.import_module("ctxbench.data")
    for kind in kinds:
        _, sets = retention.FAMILIES[_FAMILIES[kind]]
        rows = {name: Measured(kind, name) for name in SHAPES[kind]}
        with get_context("fork").Pool(procs) as pool:
            for job, values, broken, refused in pool.imap(check, jobs(kind, data.load("dev", list(sets)), most, text)):
                row = rows[job.shape]
                for share, value in values:
                    row.found[share][job.case.group].append(value)
                row.broken += broken
                row.refused += refused
        yield from (row for row in rows.values() if row.size)


def generated(most: int, lengths: Sequence[int] = (20, 140, 560, 2_000)) -> Iterator[Measured]:
    """Measure generated sessions: by length, with many speakers, with long answers beside short questions.

    Args:
        most: Questions for each shape.
        lengths: Messages.
    """
    for messages in lengths:
        yield asyncio.run(_of_sessions(f"a session of {messages:,} messages", _sessions(messages, most)))
    middle = lengths[len(lengths) // 2 - 1]
    many = [(name, _many_speakers(history), asked) for name, history, asked in _sessions(middle, most)]
    yield asyncio.run(_of_sessions("a session of many speakers", many))
    long = [(name, _long_answers(history), asked) for name, history, asked in _sessions(middle, most)]
    yield asyncio.run(_of_sessions("a session with long answers", long))


def _sessions(messages: int, most: int) -> Iterator[tuple[str, list[LLMMessage], str]]:
    """Histories of about so many messages, that end with a question, and the id it asks for: two of each session."""
    seed, found = 0, 0
    while found < most:
        seed += 1
        session = _session(messages, seed)
        for end in sorted(session.asked)[-2:]:
            yield f"{messages} {seed}", list(session.messages[:end]), session.asked[end]
            found += 1


def _session(messages: int, seed: int) -> Session:
    return make_session(messages + 4, mean_tokens=60 if messages > 1_000 else 210, seed=seed)


def _many_speakers(history: Sequence[LLMMessage]) -> list[LLMMessage]:
    """People's messages from eight of them, one after the other, but for the first and the newest."""
    names = [f"person_{letter}" for letter in "abcdefgh"]
    return [
        message.model_copy(update={"source": names[number % len(names)]})
        if isinstance(message, UserMessage) and 0 < number < len(history) - 1
        else message
        for number, message in enumerate(history)
    ]


def _long_answers(history: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Each answer twelve times as long, with answers of another session."""
    words = [
        message.content
        for message in make_session(400, seed=99).messages
        if isinstance(message, AssistantMessage)
        and isinstance(message.content, str)
        and "It is " not in message.content
    ]
    draw = random.Random(3)
    return [
        message.model_copy(update={"content": " ".join([message.content, *draw.choices(words, k=11)])})
        if isinstance(message, AssistantMessage) and isinstance(message.content, str)
        else message
        for message in history
    ]


async def _of_sessions(shape: str, cases: Iterator[Any] | Sequence[Any]) -> Measured:
    manager = ContextManager(counter=TiktokenCounter("gpt-4o"))
    row = Measured("generated", shape)
    for name, history, asked in cases:
        floor, rest = room(history, manager.counter)
        agent = manager.for_agent()
        for share in SHARES:
            budget = floor + int(share * rest)
            view = (await agent.fit(history, budget)).messages
            row.found[share][name].append(float(any(asked in said(message) for message in view[:-1])))
            row.broken += manager.counter.count_request(view) > budget
    return row


def code_and_logs(files: int, runs: Sequence[str] = ()) -> Iterator[Measured]:
    """Measure the questions about source files and failing runs.

    Args:
        files: Questions about files.
        runs: Kinds of failing runs; all where none is named.
    """
    for shape, cases in (("source files", source_cases(files)), ("logs of failing runs", failing_runs(runs))):
        row = Measured("generated", shape)
        for kind, values in asyncio.run(scores(cases)).items():
            for share, column in zip(SHARES, values, strict=True):
                for number, value in enumerate(column):
                    row.found[share][f"{kind} {number}"].append(value)
        yield row


def table(rows: Sequence[Measured]) -> str:
    """Return a row a shape, with the worst marked."""
    worst = {
        (kind, share): min(row.mean(share) for row in rows if row.kind == kind)
        for kind in {row.kind for row in rows}
        for share in SHARES
    }
    last = {kind: min((row for row in rows if row.kind == kind), key=_over_all).shape for kind, _ in worst}
    lines: list[list[str]] = []
    for row in rows:
        cells = [cell(row.found[share].values()) for share in SHARES]
        cells = [
            f"**{text}**" if row.mean(share) == worst[row.kind, share] else text
            for share, text in zip(SHARES, cells, strict=True)
        ]
        mark = "worst" if last[row.kind] == row.shape else ""
        lines.append([row.kind, row.shape, str(row.size), *cells, mark])
    return markdown(["kind", "shape", "n", *(f"{100 * share:.0f} %" for share in SHARES), ""], lines)


def _over_all(row: Measured) -> float:
    return sum(map(row.mean, SHARES))


def main() -> int:
    """Measure and print; 1 when a view is broken."""
    parser = arguments(__doc__)
    parser.add_argument("--fast", action="store_true", help="few cases a shape: under a minute on two cores")
    parser.add_argument("--cases", type=int, default=24, help="of a shape, at most")
    parser.add_argument("--only", default="", help="kinds, with commas: chat, tools, teams, failures, generated")
    parser.add_argument("--procs", type=int, default=2)
    options = parser.parse_args()
    kinds = str(options.only).split(",") if options.only else [*SHAPES, "generated"]
    if unknown := [kind for kind in kinds if kind not in (*SHAPES, "generated")]:
        parser.error(f"no such kind: {', '.join(unknown)}")
    most, text = (min(options.cases, 4), _FAST_TEXT) if options.fast else (options.cases, inf)
    rows: list[Measured] = []
    if is_there(options.harness, "ctxbench", "data"):
        rows += of_data([kind for kind in kinds if kind in SHAPES], most, text, options.procs)
    if "generated" in kinds:
        rows += generated(min(most, 20))
        rows += code_and_logs(*((8, ("traceback", "unittest")) if options.fast else (60, ())))
    broken, refused = sum(row.broken for row in rows), sum(row.refused for row in rows)
    if rows:
        print(f"{broken} views broken, {refused} refused as too small a budget\n\n{table(rows)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
