"""How much of the information a next step needs survives a budget, on real conversations with third-party marks.

Run it with the folder of the harness and its data, which are not part of this project:

    python -m tests.benchmarks.retention ../shared/eval --budgets r10,r20,r30 [--fast] [--semantic]

It needs the harness's own packages (numpy, bpe-openai, langchain-core). It prints the mean of each family of case sets
with its 95 % interval (a bootstrap that draws whole conversations) and exits with 1 if a view breaks a guarantee that
the harness checks. Other reducers are measured beside with `--beside module:function`, imported from the working
directory or PYTHONPATH.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import chain
from statistics import fmean, median
from typing import Any

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx import BudgetTooSmallError, ContextManager, ContextPrioritizer, MiniLMEmbedder
from tests.benchmarks.harness import arguments, cell, is_there, markdown

FAMILIES = {
    "chat recall": ("evidence_recall", ("locomo", "qmsum")),
    "tool arguments": ("grounding", ("tau_airline", "tau_retail")),
    "tool calls complete": ("call_ok", ("tau_airline", "tau_retail")),
    "multi-agent": ("grounding", ("magentic",)),
    "failure analysis": ("evidence_soft", ("agentrx",)),
}

_NO_NAME = "none"


class HarnessCounter:
    """Counts as the harness does: o200k_base, 4 tokens a message and a call, names where the source has them."""

    def __init__(self) -> None:
        self._tokens: Any = importlib.import_module("ctxbench.tokens").text_tokens

    def count_text(self, text: str) -> int:
        return self._tokens(text)

    def count_message(self, message: LLMMessage) -> int:
        return sum(importlib.import_module("ctxbench.tokens").message_tokens(row) for row in to_rows([message]))

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return sum(map(self.count_message, messages))


def reduce(messages: list[dict[str, Any]], budget: int, count_tokens: Any, query: str) -> list[dict[str, Any]]:
    """The harness's entry: a new manager for each history, so that nothing is remembered from another."""
    return _reduced(ContextManager(counter=HarnessCounter()), messages, budget)


def reduce_semantic(messages: list[dict[str, Any]], budget: int, count_tokens: Any, query: str) -> list[dict[str, Any]]:
    """The same with relevance by meaning; vectors are remembered, or each case would embed its conversation anew."""
    return _reduced(ContextManager(counter=HarnessCounter(), prioritizer=_semantic()), messages, budget)


@cache
def _semantic() -> ContextPrioritizer:
    return ContextPrioritizer(embedder=MiniLMEmbedder())


def _reduced(manager: ContextManager, messages: list[dict[str, Any]], budget: int) -> list[dict[str, Any]]:
    # as the hooks do it: the agents of these histories have no tool expand_context, so marks do not name it
    fitted = manager.fit(from_rows(messages), budget, expandable=False)
    try:
        return to_rows(asyncio.run(fitted).messages)
    except BudgetTooSmallError as error:  # the harness counts neither our first task nor marks into its floor
        raise ValueError(f"needs {error.needed} tokens") from error


def from_rows(rows: Sequence[dict[str, Any]]) -> list[LLMMessage]:
    """OpenAI's format as AutoGen's messages."""
    out: list[LLMMessage] = []
    for row in rows:
        text, name = row.get("content") or "", row.get("name") or _NO_NAME
        if row["role"] == "system":
            out.append(SystemMessage(content=text))
        elif row["role"] == "user":
            out.append(UserMessage(content=text, source=name if name != _NO_NAME else "user"))
        elif row["role"] == "tool":
            result = FunctionExecutionResult(content=text, name=name, call_id=row["tool_call_id"], is_error=False)
            last = out[-1] if out else None
            if isinstance(last, FunctionExecutionResultMessage):
                out[-1] = FunctionExecutionResultMessage(content=[*last.content, result])
            else:
                out.append(FunctionExecutionResultMessage(content=[result]))
        elif row.get("tool_calls"):
            calls = [
                FunctionCall(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
                for call in row["tool_calls"]
            ]
            out.append(AssistantMessage(content=calls, thought=text or None, source=name))
        else:
            out.append(AssistantMessage(content=text, source=name))
    return out


def to_rows(messages: Sequence[LLMMessage]) -> list[dict[str, Any]]:
    """AutoGen's messages in OpenAI's format."""
    rows: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, SystemMessage):
            rows.append({"role": "system", "content": message.content})
        elif isinstance(message, FunctionExecutionResultMessage):
            rows += [
                {"role": "tool", "tool_call_id": result.call_id, "content": result.content, **_named(result.name)}
                for result in message.content
            ]
        elif isinstance(message, UserMessage):
            rows.append({"role": "user", "content": message.content, **_named(message.source, "user")})
        elif isinstance(message.content, str):
            rows.append({"role": "assistant", "content": message.content, **_named(message.source)})
        else:
            calls = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.content
            ]
            rows.append(
                {"role": "assistant", "content": message.thought, "tool_calls": calls, **_named(message.source)}
            )
    return rows


def _named(name: str, *unnamed: str) -> dict[str, str]:
    return {} if name in (_NO_NAME, *unnamed) else {"name": name}


def family_means(rows: Sequence[dict[str, Any]], budget: str) -> dict[str, float]:
    """By family: the mean over its case sets of the mean over their cases."""
    found = {family: _sets(rows, family, budget) for family in FAMILIES}
    return {
        family: fmean(fmean(chain.from_iterable(groups)) for groups in sets) for family, sets in found.items() if sets
    }


def table(rows: Sequence[dict[str, Any]], budgets: Sequence[str]) -> str:
    """A line per family and method, a column per budget."""
    lines: list[list[str]] = []
    for family, (metric, _) in FAMILIES.items():
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [row for row in rows if row["method"] == method]
            cells = [_cell(own, family, budget) for budget in budgets]
            lines.append([family, metric, method.partition(":")[0], *cells])
    return markdown(["family", "metric", "by", *budgets], lines)


def _cell(rows: Sequence[dict[str, Any]], family: str, budget: str) -> str:
    sets = _sets(rows, family, budget)
    return cell(*sets) if sets else ""


def _sets(rows: Sequence[dict[str, Any]], family: str, budget: str) -> list[list[list[float]]]:
    """Return what was measured of each case set of a family, by conversation."""
    metric, sets = FAMILIES[family]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["dataset"] in sets and row["budget"] == budget:
            found[row["dataset"]][row["group"]].append(float(row.get(metric, 0.0)))
    return [list(groups.values()) for groups in found.values()]


def main() -> int:
    """Measures and prints; 1 when a guarantee is broken."""
    parser = arguments(__doc__)
    parser.add_argument("--budgets", default="r10,r20,r30")
    parser.add_argument("--fast", action="store_true", help="at most 40 cases a set")
    parser.add_argument("--semantic", action="store_true", help="with MiniLM, of the extra [semantic]")
    parser.add_argument("--sets", default="", help="case sets, with commas; all if not given")
    parser.add_argument("--beside", default="", help="other reducers, module:function, with commas")
    parser.add_argument("--procs", type=int, default=2)
    options = parser.parse_args()
    if not is_there(options.harness, "ctxbench"):
        return 0
    budgets = options.budgets.split(",")
    bench: Any = importlib.import_module("ctxbench.run")
    method = f"tests.benchmarks.retention:{'reduce_semantic' if options.semantic else 'reduce'}"
    sets = options.sets.split(",") if options.sets else None
    methods = [method, *filter(None, options.beside.split(","))]
    everything: list[dict[str, Any]] = bench.run("dev", methods, budgets, sets, fast=options.fast, procs=options.procs)
    print(table(everything, budgets))
    rows = [row for row in everything if row["method"] == method]
    seconds = sorted(row["seconds"] * 1e3 for row in rows)
    broken = [row for row in rows if row["over_budget"] or row["tool_violations"] or not row["order_ok"]]
    refused = sum(bool(row["error"]) for row in rows)
    print(f"{len(rows)} fits, {len(broken)} broken, {refused} refused as too small a budget")
    print(f"ms a fit, nothing remembered: p50 {median(seconds):.1f}, p95 {seconds[int(len(seconds) * 0.95)]:.1f}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
