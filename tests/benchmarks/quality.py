"""Whether the scores of a report mean something: their rank correlation with third-party marks of what was needed.

Run it with the folder of the harness and its data, which are not part of this project:

    python -m tests.benchmarks.quality ../shared/eval [--fast] [--budgets r10,r20,r30] [--sets locomo,magentic] [--json]

It needs the harness's own packages, as `tests.benchmarks.retention` does. For each case and budget a history is fitted
once; what the report says is set against the share of the marked information that the harness finds in the view. The
marks of one view are few (often one message, or three values), so that single views are noisy: the column "known" is
what one gets who knows the mean truth of each case set and budget, and nothing of the view.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import fmean, median
from time import perf_counter
from typing import Any
from unittest.mock import patch

from autogen_ext_tokenctx import BudgetTooSmallError, ContextManager
from autogen_ext_tokenctx.selection.quality import quality
from tests.benchmarks.harness import arguments, is_there
from tests.benchmarks.retention import HarnessCounter, from_rows, to_rows

FAMILIES = {
    "chat": ("evidence_soft", ("locomo", "qmsum")),
    "tools": ("grounding", ("tau_airline", "tau_retail")),
    "teams": ("grounding", ("magentic",)),
    "failures": ("evidence_soft", ("agentrx", "whowhen")),
}
"""For each family what the harness finds of the needed information, as a share, and its case sets."""

SCORES = ("quality", "relevance", "known")

_MANAGER = "autogen_ext_tokenctx.context.fit.quality"


@dataclass(slots=True)
class Fitted:
    """One view: what its report says, and the truth.

    Args:
        family: Family of its case set.
        dataset: Its case set.
        budget: Its budget, in the harness's words.
        truth: Share of the needed information that is in the view.
        quality: The report's compression quality score.
        relevance: The report's relevance score.
        seconds: Time of the fit.
        scoring: Time of it that the quality score took.
        known: Mean truth of the views of this case set and budget.
    """

    family: str
    dataset: str
    budget: str
    truth: float
    quality: float
    relevance: float
    seconds: float
    scoring: float
    known: float = 0.0


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 1; equal ones share the mean of theirs.

    Example:
        >>> ranks([0.5, 0.1, 0.5])
        [2.5, 1.0, 2.5]
    """
    places: dict[float, list[int]] = defaultdict(list)
    for place, value in enumerate(sorted(values), 1):
        places[value].append(place)
    return [fmean(places[value]) for value in values]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where one side never changes.

    Example:
        >>> spearman([1, 2, 3], [10, 20, 15])
        0.5
    """
    mean = (len(first) + 1) / 2
    a, b = ([rank - mean for rank in ranks(values)] for values in (first, second))
    spread = sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / spread if spread else None


def measure(cases: Sequence[Any], budgets: Sequence[str]) -> Iterator[Fitted]:
    """Fits each case within each budget that shortens it."""
    metrics: Any = importlib.import_module("ctxbench.metrics")
    bench: Any = importlib.import_module("ctxbench.run")
    count_tokens: Any = importlib.import_module("ctxbench.tokens").count_tokens
    manager = ContextManager(counter=HarnessCounter())
    scoring = 0.0

    def timed(*args: Any) -> float:
        nonlocal scoring
        started = perf_counter()
        score = quality(*args)
        scoring = perf_counter() - started
        return score

    with patch(_MANAGER, timed):
        for case in cases:
            family, truth = next((f, metric) for f, (metric, sets) in FAMILIES.items() if case.dataset in sets)
            reference, messages = metrics.CaseRef(case), from_rows(case.messages)
            for name, budget in bench.budgets_for(case, budgets):
                started = perf_counter()
                try:
                    result = asyncio.run(manager.for_agent().fit(messages, budget))
                except BudgetTooSmallError:
                    continue
                seconds = perf_counter() - started
                found = metrics.evaluate(reference, to_rows(result.messages), budget, count_tokens)
                report = result.report
                if truth in found and report.steps:
                    scores = (found[truth], report.quality, report.relevance)
                    yield Fitted(family, case.dataset, name, *scores, seconds, scoring)


def with_known(views: Sequence[Fitted]) -> list[Fitted]:
    """The views with the mean truth of their case set and budget."""
    for same in _grouped(views, lambda view: (view.dataset, view.budget)):
        known = fmean(view.truth for view in same)
        for view in same:
            view.known = known
    return list(views)


def correlations(views: Sequence[Fitted]) -> dict[str, tuple[int, dict[str, float | None]]]:
    """By name of a slice of the views: how many they are, and the rank correlation of each score with the truth."""
    rows = {"all views": (len(views), _correlation(views))}
    budgets = list(dict.fromkeys(view.budget for view in views))
    for family in FAMILIES:
        own = [view for view in views if view.family == family]
        if own:
            rows[family] = (len(own), _correlation(own))
            rows[f"{family}, one budget"] = (len(own), _mean_over(budgets, own))
    for budget in budgets:
        own = [view for view in views if view.budget == budget]
        rows[f"all, {budget}"] = (len(own), _correlation(own))
    means = [_mean_view(same) for same in _grouped(views, lambda view: (view.dataset, view.budget))]
    rows["means of case set and budget"] = (len(means), _correlation(means))
    return rows


def calibration(views: Sequence[Fitted]) -> list[tuple[float, int, float]]:
    """For each tenth of the quality score: where it starts, its views, and their mean truth."""
    tenths = _grouped(views, lambda view: min(9, int(10 * view.quality)))
    rows = [(min(9, int(10 * own[0].quality)) / 10, len(own), fmean(view.truth for view in own)) for own in tenths]
    return sorted(rows)


def _correlation(views: Sequence[Fitted]) -> dict[str, float | None]:
    truth = [view.truth for view in views]
    return {score: spearman([getattr(view, score) for view in views], truth) for score in SCORES}


def _mean_over(budgets: Iterable[str], views: Sequence[Fitted]) -> dict[str, float | None]:
    """The mean of the correlations within each budget."""
    each = [_correlation([view for view in views if view.budget == budget]) for budget in budgets]
    found = {score: [value for one in each if (value := one[score]) is not None] for score in SCORES}
    return {score: fmean(values) if values else None for score, values in found.items()}


def _mean_view(views: Sequence[Fitted]) -> Fitted:
    numbers = {name: fmean(getattr(view, name) for view in views) for name in ("truth", *SCORES, "seconds", "scoring")}
    return Fitted(views[0].family, views[0].dataset, views[0].budget, **numbers)


def _grouped(views: Iterable[Fitted], key: Callable[[Fitted], Hashable]) -> list[list[Fitted]]:
    groups: dict[Hashable, list[Fitted]] = defaultdict(list)
    for view in views:
        groups[key(view)].append(view)
    return list(groups.values())


def table(views: Sequence[Fitted]) -> str:
    """Correlations, calibration and cost in words and columns."""
    lines = [f"| rank correlation with the truth | n | {' | '.join(SCORES)} |", "|---|---|" + "---|" * len(SCORES)]
    for name, (size, row) in correlations(views).items():
        cells = ["" if value is None else f"{value:.2f}" for value in row.values()]
        lines.append(f"| {name} | {size} | {' | '.join(cells)} |")
    lines += ["", "| quality from | views | mean truth |", "|---|---|---|"]
    lines += [f"| {start:.1f} | {size} | {truth:.2f} |" for start, size, truth in calibration(views)]
    share = sum(view.scoring for view in views) / sum(view.seconds for view in views)
    each = median(1e3 * view.scoring for view in views)
    lines += ["", f"the quality score takes {each:.2f} ms, {share:.1%} of the time of the fits"]
    return "\n".join(lines)


def main() -> int:
    """Measures and prints."""
    parser = arguments(__doc__)
    parser.add_argument("--budgets", default="r10,r20,r30")
    parser.add_argument("--fast", action="store_true", help="at most 40 cases a set")
    parser.add_argument("--sets", default="", help="case sets, with commas; all if not given")
    parser.add_argument("--json", action="store_true", help="every view and the correlations as JSON")
    options = parser.parse_args()
    if not is_there(options.harness, "ctxbench", "data"):
        return 0
    data: Any = importlib.import_module("ctxbench.data")
    cases = data.load("dev", options.sets.split(",") if options.sets else None, options.fast)
    views = with_known(list(measure(cases, options.budgets.split(","))))
    if options.json:
        found = {name: {"views": size, **row} for name, (size, row) in correlations(views).items()}
        print(json.dumps({"correlations": found, "views": [asdict(view) for view in views]}))
    else:
        print(table(views) if views else "no case is shortened by these budgets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
