"""What the benchmarks on real conversations share: where the harness and its data are, budgets, intervals, tables."""

from __future__ import annotations

import argparse
import importlib
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from autogen_core.models import FunctionExecutionResultMessage, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx import TokenCounter

KINDS = {"locomo": "chat", "qmsum": "chat", "tau_airline": "tools", "tau_retail": "tools"}
"""Kinds of the case sets; those of agent teams are "teams"."""

SHARES = (0.1, 0.2, 0.3)
"""Budgets that are measured, of what is above what must stay."""

_OF_A_SET = 6
"""Conversations of each set."""

_RESAMPLES = 1_000


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser that takes the folder of the harness."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("harness", type=Path, help="folder with ctxbench/ and data/")
    return parser


def is_there(folder: Path, *parts: str) -> bool:
    """Whether the parts of the harness are there; it can be imported then. Where they are not, a line says so.

    Args:
        folder: The folder of the harness.
        parts: Folders in it.
    """
    if not all((folder / part).is_dir() for part in parts):
        print(f"no harness with {' and '.join(parts)} in {folder}: skipped")
        return False
    sys.path.insert(0, str(folder))
    return True


def conversations(split: str = "dev", *, asked: bool = True) -> dict[str, list[list[dict[str, Any]]]]:
    """Return the longest conversations of each set, by kind.

    Args:
        split: Part of the data.
        asked: With the question that a case asks at the end, which is none of the conversation's own messages.
    """
    data: Any = importlib.import_module("ctxbench.data")
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for case in data.load(split):
        rows = case.messages if asked or case.kind == "grounding" else case.messages[:-1]
        if len(rows) > len(found[case.dataset].get(case.group, [])):
            found[case.dataset][case.group] = rows
    by_kind: dict[str, list[list[dict[str, Any]]]] = defaultdict(list)
    for name, groups in sorted(found.items()):
        longest = sorted(groups.values(), key=lambda rows: -len(rows))[:_OF_A_SET]
        by_kind[KINDS.get(name, "teams")] += [rows for rows in longest if len(rows) >= 8]
    return by_kind


def room(history: Sequence[LLMMessage], counter: TokenCounter) -> tuple[int, int]:
    """Return the tokens of what must stay, as the harness has it, and those of the rest.

    What must stay are system messages, the first and the last user message, and the last message, with its call where
    it is a result. A budget of 10 % is the first number and 10 % of the second.
    """
    users = [n for n, message in enumerate(history) if isinstance(message, UserMessage)]
    stays = {n for n, message in enumerate(history) if isinstance(message, SystemMessage)}
    stays |= {*users[:1], *users[-1:], len(history) - 1}
    if isinstance(history[-1], FunctionExecutionResultMessage):
        stays.add(len(history) - 2)
    floor = counter.count_request([history[n] for n in sorted(stays)])
    return floor, counter.count_request(history) - floor


def interval(*sets: Iterable[Sequence[float]]) -> tuple[float, float, float]:
    """Return the mean of the means of some sets, and its 95 % interval by a bootstrap that draws whole groups.

    Args:
        sets: The values of each group of a set.

    Example:
        >>> interval([[1.0, 1.0], [1.0]])
        (1.0, 1.0, 1.0)
    """
    sums = [[(sum(values), len(values)) for values in groups if values] for groups in sets]
    draw = random.Random(0)
    means = sorted(fmean(_mean(draw.choices(found, k=len(found))) for found in sums) for _ in range(_RESAMPLES))
    return fmean(map(_mean, sums)), means[round(0.025 * _RESAMPLES)], means[round(0.975 * _RESAMPLES) - 1]


def _mean(sums: Sequence[tuple[float, int]]) -> float:
    return sum(total for total, _ in sums) / sum(size for _, size in sums)


def cell(*sets: Iterable[Sequence[float]]) -> str:
    """Return a mean and its interval as they stand in a table.

    Example:
        >>> cell([[1.0], [1.0]])
        '1.00 [1.00–1.00]'
    """
    mean, low, high = interval(*sets)
    return f"{mean:.2f} [{low:.2f}–{high:.2f}]"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    Example:
        >>> print(markdown(["type", "10 %"], [["names", "0.50"]]))
        | type | 10 % |
        |---|---|
        | names | 0.50 |
    """
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
