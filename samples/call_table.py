"""Prints a line for each model call, from the reports of the two hooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from autogen_ext_tokenctx import FitReport, TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext

HEADER = "call  agent        budget  without    sent  level     form, tokens before > after: whose"


@dataclass
class Totals:
    """Sums over the calls of one team."""

    calls: int = 0
    without: int = 0
    sent: int = 0
    over_budget: int = 0

    def __str__(self) -> str:
        saved = 100 * (self.without - self.sent) / max(1, self.without)
        return (
            f"{self.calls} calls: {self.without:,} tokens without the plugin, {self.sent:,} sent, {saved:.0f} % saved\n"
            f"every request within its budget: {'no' if self.over_budget else 'yes'}"
        )


class PrintingClient(TokenBudgetChatCompletionClient):
    """The client hook, printing what was done to each call.

    Args:
        inner: The client that calls the model.
        budget: Tokens of a call for whoever has no budget of their own.
        contexts: The context hook of each agent; its budget is the agent's budget here too.
        model: Name of the model, for its tokenizer.
    """

    def __init__(
        self,
        inner: ChatCompletionClient,
        budget: int,
        contexts: Mapping[str, TokenBudgetChatCompletionContext],
        model: str,
    ) -> None:
        super().__init__(inner, budget, {name: context.budget for name, context in contexts.items()}, model=model)
        self._contexts = contexts
        self.totals = Totals()

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        result = await super().create(messages, **options)
        agent, request = self.recent[-1].agent, self.recent[-1].report
        view = self._contexts[agent].last_report if agent in self._contexts else None
        self._print(agent, request, view)
        return result

    def _print(self, agent: str, request: FitReport, view: FitReport | None) -> None:
        reports = [report for report in (view, request) if report is not None]
        without = request.tokens_before + (view.tokens_saved if view is not None else 0)
        self.totals.calls += 1
        self.totals.without += without
        self.totals.sent += request.tokens_after
        self.totals.over_budget += request.tokens_after > request.budget
        level = max(report.level for report in reports).name.lower()
        name = agent.removesuffix("GroupChatManager").lower()
        print(
            f"{self.totals.calls:>4}  {name:<11}{request.budget:>8,}{without:>9,}{request.tokens_after:>8,}"
            f"  {level:<8}  {_shortened(reports)}".rstrip()
        )


def _shortened(reports: Sequence[FitReport]) -> str:
    """Which messages got a shorter form, and their tokens before and after."""
    parts: list[str] = []
    steps = [step for report in reports for step in report.steps if step.form.value != "block"]
    for form in dict.fromkeys(step.form for step in steps):
        group = [step for step in steps if step.form is form]
        names = Counter(step.what.split(": ")[-1] for step in group)
        before, after = sum(step.tokens_before for step in group), sum(step.tokens_after for step in group)
        listed = ", ".join(name if count == 1 else f"{count} {name}" for name, count in names.items())
        parts.append(f"{form.value} {before:,} > {after:,}: {listed}")
    return "; ".join(parts)[:64]
