"""What each part of choosing context is worth: the retention benchmark with one part off at a time.

    python -m tests.benchmarks.ablation ../shared/eval [--budgets r10,r20,r30] [--only near,facts]

It needs what `tests.benchmarks.retention` needs, and works by setting constants of the package in this process before
the harness forks its workers.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from operator import not_
from typing import Any

from autogen_ext_tokenctx.selection.outcomes import Outcome
from autogen_ext_tokenctx.selection.prioritizer import Category
from tests.benchmarks.harness import arguments, is_there
from tests.benchmarks.retention import FAMILIES, family_means

PARTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "nothing off": ("selection.utility", {}),
    "relevance of groups": ("selection.utility", {"_BASE": 1e6}),
    "relevance of neighbours": ("retrieval.bm25", {"_NEAR_SHARE": 0.0, "_FAR_SHARE": 0.0}),
    "recency": ("selection.utility", {"_RECENT": 0.0}),
    "identifiers and names": ("selection.utility", {"_FACT": 0.0}),
    "words beside identifiers": ("selection.utility", {"_MOST": 0.25}),
    "what the agent said first": ("selection.utility", {"_OWN": 1.0}),
    "facts of one group": ("selection.utility", {"_MANY": 1e6}),
    "crumbs": ("selection.knapsack", {"CRUMB": 0.0}),
    "arguments of the last calls": ("retrieval.query", {"_CALLED": 0.0}),
    "what was said already": ("selection.utility", {"_SAID_AGAIN": 1.0, "_SAID_AGAIN_OPEN": 1.0}),
    "a line's own words": ("selection.utility", {"_FIT_BASE": 1e6}),
    "words of the query in a line": ("selection.utility", {"_ASKED": 0.0, "_NAMED": 0.0}),
    "new words": ("selection.utility", {"_WORDS": 0.0}),
    "more for new words of talk while it is open what is asked": ("selection.utility", {"_OPEN": 0.0}),
    "passages of short turns": ("retrieval.bm25", {"_PASSAGE_SHARE": 0.0}),
    "questions about the run": ("selection.prioritizer", {"is_trace_question": not_}),
    "weights of categories": ("selection.prioritizer", {"DEFAULT_WEIGHTS": dict.fromkeys(Category, 1.0)}),
    "outcomes of calls": ("selection.prioritizer", {"OUTCOME_WEIGHTS": dict.fromkeys(Outcome, 1.0)}),
    "neighbouring lines": ("selection.knapsack", {"BESIDE": 0.0}),
    "standing instructions": ("context.compaction", {"SHARE": 0.0}),
    "digest": ("selection.knapsack", {"IN_DIGEST": 0.001}),
}


def main() -> int:
    """Measures and prints one row a part."""
    parser = arguments(__doc__)
    parser.add_argument("--budgets", default="r10,r20,r30")
    parser.add_argument("--only", default="", help="parts to switch off, by the start of their names, with commas")
    parser.add_argument("--procs", type=int, default=2)
    options = parser.parse_args()
    if not is_there(options.harness, "ctxbench"):
        return 0
    bench: Any = importlib.import_module("ctxbench.run")
    print(f"| off | {' | '.join(FAMILIES)} |\n|---|{'---|' * len(FAMILIES)}")
    budgets = str(options.budgets).split(",")
    wanted = tuple(str(options.only).split(",")) if options.only else ()
    for part, (name, constants) in PARTS.items():
        if wanted and not part.startswith(wanted):
            continue
        module = importlib.import_module(f"autogen_ext_tokenctx.{name}")
        before = {constant: getattr(module, constant) for constant in constants}
        for constant, value in constants.items():
            setattr(module, constant, value)
        rows = bench.run("dev", ["tests.benchmarks.retention:reduce"], budgets, fast=True, procs=options.procs)
        for constant, value in before.items():
            setattr(module, constant, value)
        means = [family_means(rows, budget) for budget in budgets]
        cells = [" ".join(f"{mean[family]:.3f}".lstrip("0") for mean in means) for family in FAMILIES]
        print(f"| {part} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
