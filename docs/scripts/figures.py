"""Makes every figure of README.md: the picture and the sample's output as generate.py does, and the session's table.

python docs/scripts/figures.py            writes them; part of a release
python docs/scripts/figures.py --check    says which differ, and exits with 1 when one does

The session is measured with `tests.benchmarks.sessions` in about ten seconds. Times differ from run to run and from
machine to machine: of them only the ratio is checked, and that loosely.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import generate  # it puts the clone on the path

from autogen_ext_tokenctx import TiktokenCounter
from tests.benchmarks.contexts import CONTEXTS, MODEL, NEWEST, OURS, TOKEN_LIMITED
from tests.benchmarks.sessions import BUDGET, replay_all
from tests.benchmarks.talk import Session, make_session

README = generate.ROOT / "README.md"
REGION = re.compile(r"(?<=<!--session-->\n).*?(?=<!--/session-->)", re.DOTALL)
"""Where README.md shows the session."""
MESSAGES = 140
TOLERANCE = 1.5
"""Times as large or as small a ratio of times may be: on a busy machine runs were within 1.2 of each other."""

_WIDTH = 120
_TIMES = re.compile(r"(?P<seconds>[\d.]+) s of CPU,\sand\sTokenLimited\s(?P<ratio>\d+)\stimes")
_COLUMNS = {
    "context": "context",
    "over_budget": "calls over budget",
    "broken_pairs": "calls with broken pairs",
    "task_kept": "task kept",
    "facts_kept": "facts kept",
    "prefix_cached": "prefix cached",
    "dollars_cached": "input cost with cache",
}


def measured() -> str:
    """The session's text and table, measured now."""
    session = make_session(MESSAGES, seed=1)
    contexts = {name: make for name, make in CONTEXTS.items() if name != NEWEST}
    return shown(session, asyncio.run(replay_all(contexts, [session], BUDGET)))


def shown(session: Session, rows: Sequence[Mapping[str, Any]]) -> str:
    """What README.md says of a session.

    Args:
        session: The session.
        rows: What was measured of each context, as `replay_all` gives it.
    """
    counter = TiktokenCounter(MODEL)
    tokens = sum(map(counter.count_message, session.messages))
    by_name = {row["context"]: row for row in rows}
    about = (
        f"A generated session with tools: {len(session.messages)} messages, {tokens:,} tokens, {len(session.calls)} "
        f"model calls, a budget of {BUDGET:,} tokens. {len(session.asked)} facts are planted early and asked for "
        "later. One run of `python -m tests.benchmarks.sessions`:"
    )
    times = (
        f"Reading its {len(session.calls)} views took this context {by_name[OURS]['cpu_ms'] / 1_000:.2f} s of CPU, and "
        f"TokenLimited {by_name[TOKEN_LIMITED]['cpu_to_ours']:.0f} times as long."
    )
    table = [_line(_COLUMNS.values()), "|" + "---|" * len(_COLUMNS)]
    table += [_line(_cell(key, row[key]) for key in _COLUMNS) for row in rows]
    return "\n\n".join(["", _filled(about), "\n".join(table), _filled(times), ""]).removeprefix("\n")


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(key: str, value: Any) -> str:
    if key == "dollars_cached":
        return f"${value:.3f}"
    if isinstance(value, float):
        return f"{value:.0%}".replace("%", " %")
    return "this one" if value == OURS else str(value)


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def differences(standing: str, now: str) -> list[str]:
    """What of a text differs from the same measured now; of times only a ratio far from the other.

    Args:
        standing: The text in README.md.
        now: The text as measured.
    """
    old, new = _TIMES.search(standing), _TIMES.search(now)
    if old and new:
        ratio = int(new["ratio"]) / max(1, int(old["ratio"]))
        if 1 / TOLERANCE <= ratio <= TOLERANCE:
            now = now.replace(new[0], old[0])
    lines = difflib.ndiff(_words(standing), _words(now))
    return [line for line in lines if line.startswith(("-", "+"))]


def _words(text: str) -> list[str]:
    """Paragraphs and rows of a table, however they are broken into lines."""
    parts = re.split(r"\n\n|\n(?=\|)", text.strip())
    return [" ".join(part.split()) for part in parts]


def main() -> int:
    """Write the figures, or say which differ; 1 when one does."""
    parser = argparse.ArgumentParser(description="Make every figure of README.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a figure differs")
    check = parser.parse_args().check
    failed = generate.update(check)
    text = README.read_text(encoding="utf-8")
    standing = REGION.search(text)
    if standing is None:
        sys.exit(f"{README.name} has no place for the session: <!--session--> and <!--/session-->")
    now = measured()
    found = differences(standing[0], now)
    state = "up to date, times aside" if not found else "out of date" if check else "written"
    print(f"{README.name}, the session: {state}", *found, sep="\n")
    if not check:
        README.write_text(REGION.sub(lambda _: now, text), encoding="utf-8", newline="\n")
        return 0
    return 1 if found or failed else 0


if __name__ == "__main__":
    sys.exit(main())
