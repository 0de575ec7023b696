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
    """What one call asks of a fit, which changes nothing of it. The arguments are those of `ContextManager.fit`.

    Args:
        messages: The history. Only the messages it has when the fit begins count.
        budget: Input tokens of the whole request, by the counter of the manager.
        tools: The tools sent along; their schemas are counted.
        task: What the agent works on; without it the newest messages tell.
        pinned: Messages to keep word for word.
        summary: What a model said of the first messages. It goes into a view that has to be shorter, where its
            tokens remain, and what it says already counts less.
        complexity: How much the task asks for, "low", "medium" or "high": the budget is divided among kinds of context
            by it. ``"auto"`` has it estimated. None: only a budget with ``shares="auto"`` is divided.
        expandable: Whether who reads the view has the tool ``expand_context``: only then do marks name its call.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> FitRequest(messages=[UserMessage(content="Hi", source="user")], budget=TokenBudget.of(100)).budget.limit
        100
    """

    messages: Sequence[LLMMessage]
    budget: TokenBudget
    tools: Sequence[Tool | ToolSchema] = ()
    task: str | TaskDefinition | None = None
    pinned: Sequence[LLMMessage] = ()
    summary: Summary | None = None
    complexity: Complexity | None = None
    expandable: bool = True
