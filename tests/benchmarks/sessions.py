"""What contexts cost and keep over a long session of an agent with tools: ours, AutoGen's, other libraries'.

    python -m tests.benchmarks.sessions [--json FILE] [--only replay,sizes] [--seeds 3] [--large] [--memory]

Sessions are generated (`tests.benchmarks.talk`); every context replays the same ones. Libraries that are not installed
are skipped. Ratios are of the same run; other work on the machine moves even those, so CPU time stands beside. Parts:

- replay: the whole session through every context; times, guarantees, what is kept, prompt cache and money.
- sizes: time of a call by the length of the history.
- loaded: the first call on a loaded state against the tokenizer alone; --large takes a million tokens.
- blocking: how long the event loop stands still while a context is read.
- summaries: what a summary in the making adds to a call.
- imports: time to import the package.
- memory: bytes a message, over 100,000 messages; minutes long, so only with --memory or --only memory.

Notes on the measures: the prompt cache is taken to know the request before and no older one; a session's system
message and tools, which all contexts would send alike, are not counted; ours holds its usual reserve for them back
from the budget, the others use all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autogen_ext_tokenctx import TiktokenCounter, __version__
from tests.benchmarks import footprint
from tests.benchmarks.contexts import CONTEXTS, MODEL, OURS, MakeContext
from tests.benchmarks.peers import PEERS, is_installed
from tests.benchmarks.replay import Call, Measures, measures, replay
from tests.benchmarks.talk import Session, make_session

Row = dict[str, Any]

BUDGET = 8_000
_WARM_UP = 30

_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "time": {
        "get_ms": "get, ms",
        "to_ours": "of ours",
        "cpu_ms": "CPU, ms",
        "cpu_to_ours": "of ours",
        "add_ms": "add, ms",
        "p50_ms": "p50, ms",
        "p95_ms": "p95, ms",
        "max_ms": "max, ms",
    },
    "worth": {
        "mean_tokens": "tokens a call",
        "over_budget": "over budget",
        "most_over": "most over, tokens",
        "broken_pairs": "broken pairs",
        "task_kept": "task kept",
        "facts_kept": "facts kept",
    },
    "cache": {
        "prefix_shared": "prefix same",
        "prefix_cached": "prefix cached",
        "dollars": "$",
        "dollars_cached": "$ with cache",
    },
}
_FORMATS = {
    "dollars": ".3f",
    "dollars_cached": ".3f",
    "mean_tokens": ",.0f",
    "to_ours": ".2f",
    "cpu_to_ours": ".2f",
    "over_tokenizer": ".2f",
}
_SHARES = ("task_kept", "facts_kept", "prefix_shared", "prefix_cached")


def found_contexts() -> tuple[dict[str, MakeContext], list[str]]:
    """All contexts there are to measure, and the names of those whose library is not installed."""
    installed = {name: make for name, (package, make) in PEERS.items() if is_installed(package)}
    return {**CONTEXTS, **installed}, [name for name in PEERS if name not in installed]


async def replay_all(contexts: Mapping[str, MakeContext], sessions: Sequence[Session], budget: int) -> list[Row]:
    """A row of measures for each context, over all sessions."""
    counter = TiktokenCounter(MODEL)
    found: dict[str, Measures] = {}
    for name, make in contexts.items():
        await replay(make_session(_WARM_UP, seed=0), make(budget // 8), counter, budget)
        calls, adding = list[Call](), 0.0
        for session in sessions:
            more, seconds = await replay(session, make(budget), counter, budget)
            calls += more
            adding += seconds
        found[name] = measures(calls, adding)
    ours = found[OURS]
    return [
        {
            "context": name,
            **asdict(row),
            "to_ours": row.get_ms / ours.get_ms,
            "cpu_to_ours": row.cpu_ms / ours.cpu_ms,
        }
        for name, row in found.items()
    ]


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Rows as Markdown, a column for each key."""
    lines = [f"| {' | '.join(columns.values())} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(_cell(key, row[key]) for key in columns)} |" for row in rows]
    return "\n".join(lines)


def _cell(key: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if key in _SHARES:
        return f"{value:.0%}".replace("%", " %")
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:{_FORMATS.get(key, ',.2f' if value < 10 else ',.0f')}}"


def _print(title: str, rows: Sequence[Row], columns: Mapping[str, str] | None = None) -> None:
    print(f"\n### {title}\n\n{table(rows, columns or {key: key.replace('_', ' ') for key in rows[0]})}", flush=True)


def _replay(options: argparse.Namespace) -> list[Row]:
    sessions = [make_session(options.messages, seed=seed) for seed in range(1, options.seeds + 1)]
    contexts, missing = found_contexts()
    rows = asyncio.run(replay_all(contexts, sessions, options.budget))
    counter = TiktokenCounter(MODEL)
    tokens = sum(counter.count_message(message) for session in sessions for message in session.messages)
    calls = sum(len(session.calls) for session in sessions)
    asked = sum(len(session.asked) for session in sessions)
    about = f"{len(sessions)} x {options.messages} messages, {tokens:,} tokens, {calls} calls, {asked} facts asked for"
    for part, columns in _COLUMNS.items():
        _print(f"replay, {part}: {about}, budget {options.budget:,}", rows, {"context": "context", **columns})
    for name in missing:
        print(f"\n{name}: not installed: skipped")
    return rows


def _printed(title: str, measure: Callable[[argparse.Namespace], list[Row]]) -> Callable[..., list[Row]]:
    def part(options: argparse.Namespace) -> list[Row]:
        rows = measure(options)
        _print(title, rows)
        return rows

    return part


PARTS: Mapping[str, Callable[[argparse.Namespace], list[Row]]] = {
    "replay": _replay,
    "sizes": _printed(
        "time of a call by messages in the history, one short message new",
        lambda options: asyncio.run(footprint.by_size(options.budget)),
    ),
    "loaded": _printed(
        "first call on a loaded state",
        lambda options: asyncio.run(footprint.loaded(options.budget, 6_400 if options.large else 1_300)),
    ),
    "blocking": _printed(
        "longest wait of another task", lambda options: asyncio.run(footprint.blocking(options.budget))
    ),
    "summaries": _printed(
        "what summaries in the background add to a call",
        lambda options: asyncio.run(footprint.summaries(options.budget)),
    ),
    "imports": _printed("import", lambda options: footprint.imports()),
    "memory": _printed(
        "memory a message, over AutoGen's own list",
        lambda options: footprint.memory(options.budget, options.memory_messages),
    ),
}


def main() -> int:
    """Measures, prints Markdown, and writes what was measured; 1 when a view of ours broke a guarantee."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the measures")
    parser.add_argument("--only", default="", help="parts, with commas")
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--messages", type=int, default=140, help="of a replayed session")
    parser.add_argument("--seeds", type=int, default=1, help="sessions to replay")
    parser.add_argument("--large", action="store_true", help="load a state of a million tokens")
    parser.add_argument("--memory", action="store_true", help="measure memory, too")
    parser.add_argument("--memory-messages", type=int, default=100_000)
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [part for part in PARTS if part != "memory" or options.memory]
    if unknown := [part for part in wanted if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    TiktokenCounter(MODEL)  # loads the tokenizer, once for the process
    print(f"autogen-ext-tokenctx {__version__}, Python {platform.python_version()}, {platform.machine()}")
    results = {part: PARTS[part](options) for part in wanted}
    if options.json:
        about = {"version": __version__, "python": platform.python_version(), "budget": options.budget}
        options.json.write_text(json.dumps({**about, **results}, indent=1) + "\n")
    own = [row for row in results.get("replay", []) if row["context"] == OURS]
    return 1 if any(row["over_budget"] or row["broken_pairs"] or row["task_kept"] < 1 for row in own) else 0


if __name__ == "__main__":
    sys.exit(main())
