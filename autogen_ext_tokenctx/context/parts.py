"""The parts of a manager as one uses them alone, on messages: a compressor and a prioritizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autogen_core.models import LLMMessage

from ..display import clip
from ..forms.compressor import GroupCompressor, label_of
from ..messages.groups import texts
from ..messages.sections import ProjectContext, section_of
from ..selection.prioritizer import Category, GroupPrioritizer, PinReason
from ..selection.utility import score_of
from ..tokens.budget import TokenBudget
from ..tokens.task import TaskDefinition
from .engine import ContextEngine
from .report import FitResult
from .request import FitRequest

_WHAT_CHARS = 60
"""So much is shown of what a priority is of."""


@dataclass(frozen=True, slots=True)
class Priority:
    """How much a message, or a call with its results, matters to a task.

    Args:
        what: Who said it and how it begins, or the name of a section.
        messages: The messages, as they were given.
        category: What it is to the task.
        weight: The weight of its category, times what came of a call.
        relevance: How well it answers the task, or what was asked last: 1 for what answers best, 0 for what does not.
        recency: 1 for the newest, falling with what came after it.
        score: What the three come to, 1 for the highest.
        must_stay: Why it is in every view, such as ``"current request"``; "" where its score decides.

    Example:
        >>> Priority("user: Hi", (), Category.GENERAL_CONTEXT, 0.2, 0.0, 1.0, 0.5, "").text()
        '0.50  user: Hi  (general_context 0.2, relevance 0.00, recency 1.00)'
    """

    what: str
    messages: tuple[LLMMessage, ...]
    category: Category
    weight: float
    relevance: float
    recency: float
    score: float
    must_stay: str

    def text(self) -> str:
        """Return the scores in a line."""
        scores = f"{self.category.value} {self.weight:.1f}, relevance {self.relevance:.2f}, recency {self.recency:.2f}"
        stays = f", {self.must_stay}" if self.must_stay else ""
        return f"{self.score:.2f}  {self.what}  ({scores}{stays})"


class ContextPrioritizer(GroupPrioritizer):
    __doc__ = GroupPrioritizer.__doc__

    async def prioritize_context(
        self, context: ProjectContext | Sequence[LLMMessage], task: str | TaskDefinition | None = None
    ) -> list[Priority]:
        """Return how much each part of a context matters to a task: what must stay first, then the highest score.

        It is what the hooks choose by; nothing is left out here.

        Args:
            context: The sections of a project, or a history.
            task: What is worked on; without it the newest messages tell.

        Example:
            >>> import asyncio
            >>> project = ProjectContext(design="Orders are kept in Redis.", memory_patterns="Ann likes tea.")
            >>> found = asyncio.run(ContextPrioritizer().prioritize_context(project, "Where are orders kept?"))
            >>> [(one.what, one.relevance) for one in found]
            [('section design', 1.0), ('section memory_patterns', 0.0)]
        """
        engine = ContextEngine(prioritizer=self)
        found = (await engine.scored(await messages_of(context), task)).groups.values()
        scored = [one for one in found if one.group.messages]
        top = max((score_of(one) for one in scored), default=0.0) or 1.0
        priorities = [
            Priority(
                what=_what(one.group.originals, label_of(one.group)),
                messages=one.group.originals,
                category=one.category,
                weight=one.weight,
                relevance=one.relevance,
                recency=one.recency,
                score=score_of(one) / top,
                must_stay=one.pinned.value if one.pinned and one.pinned is not PinReason.MEMORY else "",
            )
            for one in scored
        ]
        return sorted(priorities, key=lambda one: (not one.must_stay, -one.score))


class ContextCompressor(GroupCompressor):
    __doc__ = GroupCompressor.__doc__

    async def compress(
        self,
        context: ProjectContext | Sequence[LLMMessage],
        budget: int | TokenBudget,
        task: str | TaskDefinition | None = None,
    ) -> FitResult:
        """Return a context as it fits a budget: what matters least gets shorter first.

        Args:
            context: A history, or the sections of a project.
            budget: Input tokens of the request that it is for.
            task: What is worked on; without it the newest messages tell.

        Returns:
            The messages and the report. A context within the budget comes back as it is.

        Raises:
            BudgetTooSmallError: What must be there does not fit even in its shortest form.

        Example:
            >>> import asyncio
            >>> from autogen_core.models import UserMessage
            >>> history = [UserMessage(content=f"note {n}: " + "word " * 50, source="user") for n in range(40)]
            >>> asyncio.run(ContextCompressor().compress(history, 600)).report.tokens_after <= 600
            True
        """
        messages = await messages_of(context)
        request = FitRequest(messages=messages, budget=TokenBudget.of(budget, target=1.0), task=task)
        return await ContextEngine(compressor=self).fit_request(request)


async def messages_of(context: ProjectContext | Sequence[LLMMessage]) -> Sequence[LLMMessage]:
    """Return the messages of a context: those of its sections, or the history that it is."""
    if isinstance(context, ProjectContext):
        return [section.message() for section in await context.read()]
    return context


def _what(messages: Sequence[LLMMessage], label: str) -> str:
    section = section_of(messages[0])
    said = " ".join(" ".join(texts(messages[0])).split())
    return f"section {section[0]}" if section else f"{label}: {clip(said, _WHAT_CHARS)}"
