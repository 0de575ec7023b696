"""What one call asks of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..summary.summarizer import Summary
from ..tokens.budget import TokenBudget
from ..tokens.task import Complexity, TaskDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """What one call asks of a fit, which changes nothing of it; the fields are arguments of `ContextManager.fit`."""

    messages: Sequence[LLMMessage]  # the history. Only the messages it has when the fit begins count
    budget: TokenBudget  # input tokens of the whole request, by the counter of the manager
    tools: Sequence[Tool | ToolSchema] = ()  # the tools sent along; their schemas are counted
    task: str | TaskDefinition | None = None  # what the agent works on; without it the newest messages tell
    pinned: Sequence[LLMMessage] = ()  # messages to keep word for word
    # what a model said of the first messages. It goes into a view that has to be shorter, where its tokens remain,
    # and what it says already counts less
    summary: Summary | None = None
    # how much the task asks for, "low", "medium" or "high": the budget is divided among kinds of context by it.
    # ``"auto"`` has it estimated. None: only a budget with ``shares="auto"`` is divided
    complexity: Complexity | None = None
    # whether who reads the view has the tool ``expand_context``: only then do marks name its call
    expandable: bool = True
