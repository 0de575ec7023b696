"""What a fit did: one frozen report per call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from autogen_core.models import LLMMessage

from ..display import Grid, Shown
from ..forms.form import FitStep, Level
from ..selection.instructions import StandingInstruction

MAX_ROWS = 50
"""Steps that are shown; what they come to is in the totals."""

_MAX_CHARS = 120
"""So much of a text is shown in a cell."""

UNWEIGHED = "unweighed"
"""Where the tokens of groups are counted that no fit has weighed."""


@dataclass(frozen=True, slots=True)
class FitReport(Shown):
    """What one fit did to one request.

    Args:
        budget: The tokens the request was allowed.
        tokens_before: Tokens of the request as it came.
        tokens_after: Tokens of the request as it goes out.
        level: How hard the fit had to press.
        steps: One step per group that changed, and one for the shared block; empty when the view is the history.
        relevance: Context relevance score, relevance mass kept per mass there was against the task, 0 to 1.
        quality: Compression quality score, about the share of what the next step may need (task words, ids, numbers,
            names, rules) of all that may be shortened that is still in the view, 0 to 1; see ``selection/quality.py``.
        seconds: Time the fit took; 0.0 where the call went on with the view of an earlier one.
        groups: Number of groups of the history.
        cached_tokens: Tokens of ``tokens_after`` that were the start of the request before, as far as the provider's
            prompt cache can serve them. Only the hooks know the request before.
        cache_break: Why the provider's prompt cache cannot serve the start of the request before; "" when it can, or
            when there was none.
        reserve: Tokens of ``budget`` held back for what is not in the history.
        categories: For each category of groups their tokens in the history and, about, in the view. What came after
            the last compaction, or never needed one, was not looked at and stands under ``"unweighed"``.
        compacted: Groups were shortened or left out for this very call. A later one that goes on with the view has the
            same level and steps, and was not compacted.
        instructions: Standing instructions of people that are held word for word, where they were said or in the block.
        budget_source: Where the budget comes from: ``"given"``, or the source of the model's limit, such as
            ``"environment"`` or ``"known_table"``, see `TokenManager`. Only the hooks know it.
        call_id: Which model call it was. Where an agent has both hooks, their reports of one call have the same. Only
            the hooks know it.

    Example:
        >>> FitReport(budget=100, tokens_before=200, tokens_after=90).compression_ratio
        0.45
    """

    budget: int
    tokens_before: int
    tokens_after: int
    level: Level = Level.NONE
    steps: tuple[FitStep, ...] = ()
    relevance: float = 1.0
    quality: float = 1.0
    seconds: float = 0.0
    groups: int = 0
    cached_tokens: int = 0
    reserve: int = 0
    categories: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    cache_break: str = ""
    compacted: bool = False
    call_id: str = ""
    instructions: tuple[StandingInstruction, ...] = ()
    budget_source: str = ""

    @property
    def compression_ratio(self) -> float:
        """Tokens after per tokens before; 1.0 for an empty request."""
        return self.tokens_after / self.tokens_before if self.tokens_before else 1.0

    @property
    def utilization(self) -> float:
        """Share of the budget that the request uses."""
        return self.tokens_after / self.budget

    def with_unweighed(self, tokens: int, groups: int = 0) -> FitReport:
        """Return the report of a view that more was added to as it is; negative tokens are taken away."""
        before, after = self.categories.get(UNWEIGHED, (0, 0))
        return replace(
            self,
            tokens_before=self.tokens_before + tokens,
            tokens_after=self.tokens_after + tokens,
            groups=self.groups + groups,
            categories={**self.categories, UNWEIGHED: (before + tokens, after + tokens)},
        )

    def going_on(self) -> FitReport:
        """Return the report of a call that goes on with the view: nothing was fitted for it."""
        return replace(self, compacted=False, seconds=0.0)

    @property
    def prefix_reuse(self) -> float:
        """Share of the request that the provider's prompt cache can serve."""
        return self.cached_tokens / self.tokens_after if self.tokens_after else 0.0

    @property
    def tokens_saved(self) -> int:
        """Tokens that the provider does not see."""
        return self.tokens_before - self.tokens_after

    def _tables(self) -> list[Grid]:
        """Return the totals above the steps, then the categories; a notebook and rich show them."""
        title = (
            f"fit: {self.tokens_before:,} > {self.tokens_after:,} of {self.budget:,} tokens "
            f"({self.utilization:.0%}), level {self.level.name.lower()}"
        )
        note = (
            f"{self.groups:,} message groups, {self.tokens_saved:,} tokens saved, {self.cached_tokens:,} cached, "
            f"relevance {self.relevance:.2f}, quality {self.quality:.2f}, {self.seconds * 1e3:.1f} ms"
        )
        if self.cache_break:
            note += f"; {self.cache_break}"
        steps = [
            (
                _short(step.what),
                step.form.value,
                f"{step.tokens_before:,} > {step.tokens_after:,}",
                _short(step.why),
                step.handle,
            )
            for step in self.steps[:MAX_ROWS]
        ]
        if len(self.steps) > MAX_ROWS:
            steps.append((f"… {len(self.steps) - MAX_ROWS:,} more steps", "", "", "", ""))
        found = [Grid(title, ("what", "form", "tokens ", "why", "handle"), steps, note)]
        if self.categories:
            rows = [(name, f"{before:,} > {after:,}") for name, (before, after) in self.categories.items()]
            found.append(Grid("", ("category", "tokens "), rows))
        if self.instructions:
            held = [(_short(one.text), one.speaker, one.kind.value, f"{one.score:.2f}") for one in self.instructions]
            found.append(Grid("", ("standing instruction", "of", "kind", "score "), held))
        return found


@dataclass(frozen=True, slots=True)
class FitResult:
    """The list an LLM call gets, and what was done to make it fit.

    Args:
        messages: The view. Messages that were not changed are the very objects of the history.
        report: What was done.
    """

    messages: list[LLMMessage]
    report: FitReport


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else f"{text[: _MAX_CHARS - 1]}…"
