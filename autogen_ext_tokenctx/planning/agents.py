"""Planning and recovery as agents of a team: who is asked answers with a plan, or with ways on."""

from __future__ import annotations

from collections.abc import Sequence

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_core import CancellationToken
from autogen_core.models import LLMMessage

from ..summary.text import rendered
from .error_recovery import ErrorRecovery, RecoveryResult
from .plan import ExecutionPlan
from .task_decomposer import TaskDecomposer


class _AnsweringAgent(BaseChatAgent):
    """Remembers what was said to it, and answers each turn with one text."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, description)
        self._heard: list[LLMMessage] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """What it answers with."""
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Answer what was said."""
        self._heard += [message.to_model_message() for message in messages]
        said = _text(self._heard[-1]) if self._heard else ""
        return Response(chat_message=TextMessage(content=await self._answer(said), source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget what was said."""
        self._heard.clear()

    async def _answer(self, said: str) -> str:
        """Return the answer to what was said last."""
        raise NotImplementedError


class PlanningAgent(_AnsweringAgent):
    """Splits what it was asked last into steps, each with a token budget.

    Args:
        decomposer: Makes the plans.
        name: Its name in the team.
        description: What a selector reads of it.

    Example:
        >>> from autogen_core.models import ChatCompletionClient
        >>> def planner(client: ChatCompletionClient) -> PlanningAgent:
        ...     return PlanningAgent(TaskDecomposer(client))  # planner.last_plan.as_team(...) carries it out
    """

    def __init__(
        self,
        decomposer: TaskDecomposer,
        name: str = "planner",
        description: str = "Splits a task into steps that depend on each other, each with a token budget.",
    ) -> None:
        super().__init__(name, description)
        self._decomposer = decomposer
        self.last_plan: ExecutionPlan | None = None
        """The plan of its last answer."""

    async def _answer(self, said: str) -> str:
        try:
            self.last_plan = await self._decomposer.decompose_task(said)
        except ValueError as error:  # a BudgetTooSmallError, too: an answer for the team, which may ask otherwise
            return f"There is no plan: {error}"
        return self.last_plan.text()


class RecoveryAgent(_AnsweringAgent):
    """Reads what a team has said, and proposes ways on after what failed last.

    Args:
        recovery: Finds the ways.
        name: Its name in the team.
        description: What a selector reads of it.

    Example:
        >>> from autogen_core.models import ChatCompletionClient
        >>> def helper(client: ChatCompletionClient) -> RecoveryAgent:
        ...     return RecoveryAgent(ErrorRecovery(client))
    """

    def __init__(
        self,
        recovery: ErrorRecovery,
        name: str = "recovery",
        description: str = "Says what to do after something failed: what to change, another tool, what to ask or skip.",
    ) -> None:
        super().__init__(name, description)
        self._recovery = recovery
        self.last_result: RecoveryResult | None = None
        """What came of its last answer."""

    async def _answer(self, said: str) -> str:
        self.last_result = await self._recovery.recover(said, messages=self._heard[:-1])
        return self.last_result.text()


def _text(message: LLMMessage) -> str:
    return message.content if isinstance(message.content, str) else rendered(message)
