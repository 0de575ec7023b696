"""What an agent works on: the task that budgets and relevance go by."""

from __future__ import annotations

from enum import Enum

from pydantic import BaseModel, ConfigDict, Field


class TaskComplexity(str, Enum):
    """How much a task asks for."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class TaskDefinition(BaseModel):
    """A task in words, for relevance, budgets and planning.

    Args:
        description: What is to be done.
        requirements: What the result has to satisfy, one sentence each.
        complexity: How much the task asks for; None lets it be estimated.

    Example:
        >>> task = TaskDefinition(description="Find the bug", requirements=["Do not change the API"])
        >>> task.text()
        'Find the bug\\nDo not change the API'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    """What is to be done."""
    requirements: tuple[str, ...] = Field(default=())
    """What the result has to satisfy, one sentence each."""
    complexity: TaskComplexity | None = None
    """How much the task asks for; None lets it be estimated."""

    def text(self) -> str:
        """Description and requirements, a line each."""
        return "\n".join([self.description, *self.requirements])
