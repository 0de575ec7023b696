"""How much of what is asked of source files and failing runs survives a budget, with and without each text parser.

    python -m tests.benchmarks.code_and_logs [--only traces,code] [--kinds]

The files are modules of the standard library, the runs are really run (see `cases`); no model and no network is asked.
A case scores the share of its wanted lines that stand in one message of the view, word for word. Budgets are shares of
the conversation above what must stay. Parsers are switched off by patching, in this process only.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

from autogen_core.models import FunctionExecutionResultMessage, LLMMessage, UserMessage

from autogen_ext_tokenctx import ContextManager
from autogen_ext_tokenctx.forms import outline
from autogen_ext_tokenctx.forms.line import Outline
from tests.benchmarks.cases.case import Case, conversation
from tests.benchmarks.cases.failing_runs import failing_runs
from tests.benchmarks.cases.project import COLOUR
from tests.benchmarks.cases.sources import source_cases

BUDGETS = (0.1, 0.2, 0.3)


def _none(rows: Sequence[str], taken: object = None) -> Outline:
    return Outline()


def _same(text: str) -> str:
    return text


PARSERS: dict[str, tuple[str, Callable[..., Any]]] = {
    "traces": ("traces", _none),
    "headings": ("headings", _none),
    "deeper lines": ("nested", _none),
    "records": ("fields", _none),
    "terminal": ("shown", _same),
}
"""By parser: the name in the module of texts that switches it off, and what stands there instead."""


@contextmanager
def without(*parsers: str) -> Generator[None]:
    """Switch parsers off."""
    before = {name: getattr(outline, name) for name, _ in map(PARSERS.__getitem__, parsers)}
    for name, instead in map(PARSERS.__getitem__, parsers):
        setattr(outline, name, instead)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(outline, name, function)


async def scores(cases: Sequence[Case]) -> dict[str, list[list[float]]]:
    """Return by kind the scores of its cases, a list for each budget."""
    manager = ContextManager()
    found: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in BUDGETS])
    for number, case in enumerate(cases):
        history = conversation(case, number)
        stays = manager.counter.count_request([history[0], history[1], history[-1]])
        rest = manager.counter.count_request(history) - stays
        agent = manager.for_agent()
        for place, share in enumerate(BUDGETS):
            view = (await agent.fit(history, stays + int(share * rest))).messages
            found[case.kind][place].append(score(case, view[:-1]))
    return found


def score(case: Case, view: Sequence[LLMMessage]) -> float:
    """Return the share of the wanted lines that are in the message that has most of them."""
    wanted = [*case.headers, *case.lines]
    return max(sum(line in said for line in wanted) / len(wanted) for said in map(_text_of, view))


def _text_of(message: LLMMessage) -> str:
    if isinstance(message, FunctionExecutionResultMessage):
        said = "\n".join(result.content for result in message.content)
    else:
        said = message.content if isinstance(message.content, str) else ""
    if isinstance(message, UserMessage):  # quoted lines have a space before them
        said = "\n".join(line.removeprefix(" ") for line in said.split("\n"))
    return COLOUR.sub("", said)


def row(name: str, means: Sequence[Sequence[float]]) -> str:
    """Return a row of the table: the mean at each budget, for each column."""
    return f"| {name} | " + " | ".join(" ".join(f"{mean:.3f}" for mean in column) for column in means) + " |"


async def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="parsers to switch off one at a time, with commas; all if not given")
    parser.add_argument("--kinds", action="store_true", help="a column for each kind of question, too")
    options = parser.parse_args()
    off = options.only.split(",") if options.only is not None else list(PARSERS)
    columns = {"source": source_cases(), "failing runs": failing_runs()}
    print(f"{len(columns['source'])} questions about source files, {len(columns['failing runs'])} about failing runs;")
    print(f"at {', '.join(f'{share:.0%}' for share in BUDGETS)} of what need not stay\n")
    heads = False
    for name, parsers in {"nothing": [], **{one: [one] for one in off if one}, "all of them": list(PARSERS)}.items():
        with without(*parsers):
            found = {column: await scores(cases) for column, cases in columns.items()}
        means = {
            column: [fmean(score for kind in kinds.values() for score in kind[n]) for n in range(len(BUDGETS))]
            for column, kinds in found.items()
        }
        if options.kinds:
            means |= {kind: list(map(fmean, of)) for kinds in found.values() for kind, of in kinds.items()}
        if not heads:
            print(f"| off | {' | '.join(means)} |\n|---|{'---|' * len(means)}")
            heads = True
        print(row(name, list(means.values())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
