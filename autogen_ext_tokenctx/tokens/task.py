"""What an agent works on: the task that budgets and relevance go by, and how much it asks for."""

from __future__ import annotations

import re
from enum import Enum
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict


class TaskComplexity(str, Enum):
    """How much a task asks for."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


# As a user gives it; "auto" has it estimated.
Complexity: TypeAlias = TaskComplexity | Literal["low", "medium", "high", "auto"]


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
    requirements: tuple[str, ...] = ()
    complexity: TaskComplexity | None = None

    def text(self) -> str:
        """Description and requirements, a line each."""
        return "\n".join([self.description, *self.requirements])


def complexity_of(given: Complexity | None) -> TaskComplexity | Literal["auto"] | None:
    """Return a complexity as a user may give it; raise a ValueError where there is none of that name."""
    if given is None or given == "auto":
        return given
    try:
        return TaskComplexity(given)
    except ValueError:
        names = ", ".join(repr(one.value) for one in TaskComplexity)
        raise ValueError(f"a complexity is {names}, 'auto' to have it estimated, or None; got {given!r}") from None


def task_text(task: str | TaskDefinition | None) -> str:
    """Return a task in words, however it was given; empty where there is none."""
    return task.text() if isinstance(task, TaskDefinition) else task or ""


_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•–]|\(?\d{1,2}[.)]|\[[ xX]\])[ \t]+\S", re.MULTILINE)

_WORK = re.compile(
    r"\b(add|analy[sz]e|audit|automate|benchmark|build|compare|create|debug|deploy|design|document|evaluate|extend|fix"
    r"|implement|install|integrate|investigate|measure|migrate|monitor|optimi[sz]e|plan|port|prototype|publish|refactor"
    r"|research|review|rewrite|secure|summari[sz]e|test|train|translate|update|upgrade|validate|verify|write)\w{0,3}\b",
    re.IGNORECASE,
)

_BREADTH = re.compile(
    r"\b(architectur\w*|end[- ]to[- ]end|distributed|concurren\w+|scal(?:e|able|ability)|security|migrat\w+"
    r"|microservices?|subsystems?|systems?|platform|pipelines?|framework|infrastructure|backward[- ]compatib\w+"
    r"|multi-\w+|across|(?:entire|whole|every)\s+\w+|from scratch|production)\b",
    re.IGNORECASE,
)

_SMALL = re.compile(
    r"\b(typos?|renam\w+|trivial|quick(?:ly)?|simple|simply|one[- ]lin\w+|just|briefly"
    r"|what is|what's|when did|who is)\b",
    re.IGNORECASE,
)

_THING = re.compile(
    r"https?://\S+|(?<![\w./\\-])[\w./\\-]*\w\.[A-Za-z]{1,5}\b|\b\w+_\w+\b|\b[a-z]+[A-Z]\w+\b|`[^`\n]+`"
)


def estimate_complexity(task: TaskDefinition) -> TaskComplexity:
    """How much a task asks for: as it says itself, or else from signals in its words.

    Each signal gives points and has a cap, so that words alone do not decide: 2 points make a task medium, 6 high.

    - each requirement, and each item of a list in the description: 1, at most 6
    - each different kind of work that is named (design, migrate, test, ...) after the first: 1, at most 4
    - each different word for a wide reach (system, end-to-end, across, distributed, ...): 1.5, at most 4.5
    - each different file, identifier or address beyond two: 0.5, at most 2
    - every 100 words: 1, at most 3
    - words for something small (typo, rename, simple, "what is"): -2, at most once

    The words are English; requirements, lists, names and length count in any language. The weights are a judgement,
    held by a table of examples in the tests; a task that knows better sets ``complexity``.

    Args:
        task: The task. Its own ``complexity`` wins.

    Example:
        >>> estimate_complexity(TaskDefinition(description="Fix the typo in README.md")).value
        'low'
        >>> estimate_complexity(TaskDefinition(description="What is it?", complexity=TaskComplexity.HIGH)).value
        'high'
    """
    if task.complexity is not None:
        return task.complexity
    text = task.text()
    kinds_of_work = {match.lower() for match in _WORK.findall(text)}
    reach = {match.lower() for match in _BREADTH.findall(text)}
    demands = len(task.requirements) + len(_LIST_ITEM.findall(task.description))
    points = (
        min(demands, 6)
        + min(max(len(kinds_of_work) - 1, 0), 4)
        + min(1.5 * len(reach), 4.5)
        + min(0.5 * max(len(set(_THING.findall(text))) - 2, 0), 2.0)
        + min(len(text.split()) / 100, 3.0)
        # Of the description alone: a "just" in one requirement of many does not make the task small.
        - (2.0 if _SMALL.search(task.description) else 0.0)
    )
    if points >= 6:
        return TaskComplexity.HIGH
    return TaskComplexity.MEDIUM if points >= 2 else TaskComplexity.LOW
