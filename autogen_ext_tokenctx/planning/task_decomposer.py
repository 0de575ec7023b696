"""A task, split by a model into steps that each have a token budget, and the steps as a team."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, cast

from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient, CreateResult, SystemMessage, UserMessage
from autogen_core.tools import BaseTool
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..context.manager import ContextManager
from ..context.request import FitRequest
from ..display import clip
from ..errors import BudgetTooSmallError
from ..hooks.chat_context import TokenBudgetChatCompletionContext
from ..hooks.tools import TextTool, ToolText
from ..summary.answers import UnusableAnswerError, checked_answer, json_output_of, objects_with, problems_of, result_of
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import TokenBudgetManager
from ..tokens.counting import TokenCounter
from ..tokens.task import TaskDefinition
from .plan import ExecutionPlan, PlanStep, Weight, Words, faults_of

logger = logging.getLogger(__name__)

# Tokens every step gets beside its own text. Chosen: the task and the newest message, both shortened, and one more.
_STEP_TOKENS = 300

_TEXT_TOKENS = 60  # tokens that the text of a short step takes: with less there is no plan


class TaskDecomposer:
    """Asks a model to split a task into steps, and divides a token budget among them.

    A plan comes back whatever the model does. An answer that cannot be used is sent back once with what is wrong with
    it. After that, and when the model fails or is silent too long, the plan is made of the requirements of the task, a
    step each in their order, with one logged warning; its ``source`` is ``"fallback"``.

    Args:
        model_client: Calls the model.
        manager: Fits the requests and counts. None: that of the context, or a default one.
        context: The model context of an agent: a plan gets what is free in its budget.
        detailed_from: With so many tokens a detailed plan is asked for: description, acceptance and expected output
            of every step. With less it is a simplified one, of few steps with short instructions.
        max_steps: Steps a plan may have at most.
        timeout: Seconds to wait for an answer.

    Raises:
        ValueError: ``max_steps`` or ``timeout`` is not positive.

    Example:
        >>> from autogen_ext.models.replay import ReplayChatCompletionClient
        >>> client = ReplayChatCompletionClient([
        ...     '{"steps": [{"id": "find", "title": "Find it", "instruction": "Find the bug."},'
        ...     ' {"id": "fix", "title": "Fix it", "instruction": "Fix the bug.", "depends_on": ["find"]}]}'
        ... ])
        >>> import asyncio
        >>> plan = asyncio.run(TaskDecomposer(client).decompose_task("Repair the login", 2_000))
        >>> [step.id for step in plan.order()], sum(step.token_budget for step in plan.steps), plan.source
        (['find', 'fix'], 2000, 'model')
    """

    def __init__(
        self,
        model_client: ChatCompletionClient,
        *,
        manager: ContextManager | None = None,
        context: TokenBudgetChatCompletionContext | None = None,
        detailed_from: int = 4_000,
        max_steps: int = 12,
        timeout: float = 60.0,
    ) -> None:
        if max_steps < 1 or not timeout > 0:
            raise ValueError(f"max_steps ({max_steps}) and timeout ({timeout}) must be positive")
        self._client = model_client
        self._context = context
        self._manager = manager or (context.manager if context else ContextManager())
        self._detailed_from = detailed_from
        self._max_steps = max_steps
        self._timeout = timeout

    async def decompose_task(self, task: TaskDefinition | str, available_tokens: int | None = None) -> ExecutionPlan:
        """Split a task into steps.

        Args:
            task: What is to be done.
            available_tokens: What is divided among the steps, and what the request for the plan may take. None: the
                ``get_token_budget(task)`` of the context, or of the manager.

        Raises:
            BudgetTooSmallError: The tokens do not hold a single step.
            ValueError: The task has no words.
        """
        definition = task if isinstance(task, TaskDefinition) else TaskDefinition(description=task)
        if not definition.text().strip():
            raise ValueError("a task without words cannot be planned; give it a description")
        if available_tokens is None:  # what is free in the context, or in a call without one
            free = self._manager if self._context is None else self._context
            available_tokens = await free.get_token_budget(definition)
        if available_tokens < _STEP_TOKENS + _TEXT_TOKENS:
            raise BudgetTooSmallError(available_tokens, _STEP_TOKENS + _TEXT_TOKENS, ["a plan of one step"])
        try:
            return await self._planned(definition, available_tokens)
        except Exception as error:  # whatever a model or its client does: there is work to be done
            logger.warning("the model gave no plan, it is made of the task's requirements: %r", error)
        return self._fallback(definition, available_tokens)

    def tool(self, context: TokenBudgetChatCompletionContext | None = None) -> BaseTool[Any, Any]:
        """Return the tool ``plan_task``, with which an agent gets a task split into steps.

        Args:
            context: The agent's model context: a plan takes what is free in it. None: that of this decomposer.

        Example:
            >>> from autogen_core.models import ChatCompletionClient
            >>> def tools(client: ChatCompletionClient) -> list[BaseTool[Any, Any]]:
            ...     return [TaskDecomposer(client).tool()]
        """
        decomposer = copy(self)  # shares its client and manager, and asks the context of another agent
        decomposer._context = context or self._context
        return PlanTaskTool(decomposer)

    async def _planned(self, task: TaskDefinition, available: int) -> ExecutionPlan:
        detailed = available >= self._detailed_from
        limit = min(self._max_steps, available // (_STEP_TOKENS + _TEXT_TOKENS))
        prompt = _PROMPT + (_DETAILED.format(limit=limit) if detailed else _SHORT.format(limit=min(limit, 4)))
        json_output = json_output_of(self._client, PlanDraft)
        reserve = 0
        if json_output is PlanDraft:  # the provider counts the schema as input
            reserve = self._manager.counter.count_text(json.dumps(PlanDraft.model_json_schema()))
        else:
            example = json.dumps({"steps": [{**_EXAMPLE, **(_EXAMPLE_DETAILS if detailed else {})}]})
            prompt += f" Answer with one JSON object and nothing else, in this form: {example}"
        budget = TokenBudget.of(available, target=1.0, reserve=reserve)  # asked once: nothing is to be left for later
        request = [SystemMessage(content=prompt), UserMessage(content=task.text(), source="user")]

        async def ask(rejected: UnusableAnswerError | None) -> CreateResult:
            repair = rejected.messages() if rejected else ()
            asked = FitRequest(messages=[*request, *repair], budget=budget, task=task)
            fitted = await self._manager.for_agent().fit_request(asked)
            return await result_of(self._client, fitted.messages, json_output, self._timeout)

        return await checked_answer(ask, lambda answer: self._read(answer, task, available, detailed))

    def _read(self, answer: str, task: TaskDefinition, available: int, detailed: bool) -> ExecutionPlan:
        """Return the plan that an answer has; raise an UnusableAnswerError where it has none that can be used."""
        found = objects_with(answer, "steps")
        if not found:
            raise UnusableAnswerError("it has no JSON object with a list named steps")
        try:
            drafts = PlanDraft.model_validate(found[-1]).steps  # what comes before are thoughts and drafts
        except ValidationError as error:
            raise UnusableAnswerError(*problems_of(error)) from None
        if not 1 <= len(drafts) <= self._max_steps:
            raise UnusableAnswerError(f"it has {len(drafts)} steps, there must be 1 to {self._max_steps}")
        steps = [draft.step(detailed) for draft in drafts]
        if faults := faults_of(steps):
            raise UnusableAnswerError(*faults)
        weights = {draft.id: draft.weight or 1.0 for draft in drafts}
        try:
            steps = _with_budgets(steps, weights, available, self._manager.counter)
        except BudgetTooSmallError as error:
            raise UnusableAnswerError(
                f"the steps need {error.needed} tokens, there are {available}: fewer steps, or shorter texts"
            ) from None
        return ExecutionPlan(task=task, steps=tuple(steps), token_budget=available, detailed=detailed, source="model")

    def _fallback(self, task: TaskDefinition, available: int) -> ExecutionPlan:
        """Return the requirements in their order, a step each; neighbours share one where there are too many."""
        parts = [part for part in map(str.strip, task.requirements) if part] or [task.description.strip()]
        count = min(len(parts), self._max_steps, available // (_STEP_TOKENS + _TEXT_TOKENS))
        max_tokens = available // count - _STEP_TOKENS
        counter = self._manager.counter
        steps: list[PlanStep] = []
        for i in range(count):
            # as many neighbours for each step as for any other, to within one
            own = parts[i * len(parts) // count : (i + 1) * len(parts) // count]
            step = PlanStep(
                id=f"step_{i + 1}",
                title=clip(own[0], 60),
                instruction="\n".join(own),
                depends_on=(steps[-1].id,) if steps else (),
                token_budget=_STEP_TOKENS,
            )
            steps.append(_shortened(step, max_tokens, counter))
        steps = _with_budgets(steps, {step.id: 1.0 for step in steps}, available, counter)
        return ExecutionPlan(task=task, steps=tuple(steps), token_budget=available, source="fallback")


class PlanTaskArgs(BaseModel):
    """Arguments of ``plan_task``."""

    task: str = Field(description="What is to be done, with everything that the result has to satisfy.")


class PlanTaskTool(TextTool[PlanTaskArgs]):
    """Gives an agent a task as steps."""

    def __init__(self, decomposer: TaskDecomposer) -> None:
        super().__init__(
            PlanTaskArgs,
            "plan_task",
            "Split a task into steps, with what each needs and how many tokens of context it gets.",
        )
        self._decomposer = decomposer

    async def run(self, args: PlanTaskArgs, cancellation_token: CancellationToken) -> ToolText:
        """Return the steps in their order, or a sentence that says why there are none."""
        try:
            return ToolText(text=(await self._decomposer.decompose_task(args.task)).text())
        except ValueError as error:  # a BudgetTooSmallError is one, too
            return ToolText(text=str(error))


# The form of a structured answer. Strict structured output knows no defaults: every field has to be there, and may be
# null. Without docstrings, which would be sent along.
def _untitled(schema: dict[str, Any]) -> None:
    for part in schema["properties"].values():
        del part["title"]  # says the name once more, and is billed at each call


class StepDraft(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True, str_strip_whitespace=True, json_schema_extra=_untitled)

    id: Words
    title: Words
    instruction: Words
    depends_on: list[str] | None
    weight: Weight | None
    description: str | None
    acceptance: list[Words] | None
    expected_output: str | None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        # small models leave fields out
        return {**dict.fromkeys(cls.model_fields), **cast("dict[str, Any]", data)} if isinstance(data, dict) else data

    def step(self, detailed: bool) -> PlanStep:
        """Return the step, with the least budget there is."""
        left_out = {"weight"} if detailed else {"weight", "description", "acceptance", "expected_output"}
        given = self.model_dump(exclude=left_out, exclude_none=True)
        return PlanStep.model_validate({**given, "token_budget": _STEP_TOKENS})


class PlanDraft(BaseModel):
    steps: list[StepDraft]


_PROMPT = (
    "Split the task of the user into steps for a team of agents, one agent a step. An agent sees the task, its own "
    "instruction, and what the steps before it gave. Every step has: id (unique; letters, digits, underscores), title, "
    "instruction, depends_on (ids of the steps whose results it needs, no circles; empty where it can start at once), "
    "and weight (how much context it needs in proportion to the others, 1 is usual)"
)
_SHORT = ". Give {limit} steps at most, with instructions of one sentence. Other fields are null."
_DETAILED = (
    ", and also: description (what the step is for and what it works on), acceptance (a list of checks that show it "
    "is done), and expected_output (what it hands on). Give {limit} steps at most, with instructions that leave no "
    "question open."
)
_EXAMPLE: dict[str, Any] = {"id": "step_1", "title": "…", "instruction": "…", "depends_on": [], "weight": 1}
_EXAMPLE_DETAILS = {"description": "…", "acceptance": ["…"], "expected_output": "…"}


def _text_tokens(step: PlanStep, counter: TokenCounter) -> int:
    return counter.count_message(SystemMessage(content=step.text()))


def _with_budgets(
    steps: Sequence[PlanStep], weights: Mapping[str, float], total: int, counter: TokenCounter
) -> list[PlanStep]:
    """Return the steps with the total divided: each gets its own text and the minimum, the rest goes by weight."""
    texts = {step.id: _text_tokens(step, counter) for step in steps}
    least = {name: tokens + _STEP_TOKENS for name, tokens in texts.items()}
    if total < sum(least.values()):
        largest = sorted(least, key=lambda name: -least[name])
        raise BudgetTooSmallError(
            total, sum(least.values()), [f"step {name!r} ({least[name]} tokens)" for name in largest]
        )
    rest = total - sum(texts.values())
    given = TokenBudgetManager().budgets_for_team(rest, texts, weights=weights, minimum=_STEP_TOKENS)
    return [step.model_copy(update={"token_budget": texts[step.id] + given[step.id]}) for step in steps]


def _shortened(step: PlanStep, max_tokens: int, counter: TokenCounter) -> PlanStep:
    """Return a step whose text fits; its agent also has the whole task, as the first message of the team."""
    whole = step.instruction
    chars = 8 * max_tokens  # more than any prose has: what is behind them need not be counted
    if len(whole) > chars:
        step = step.model_copy(update={"instruction": clip(whole, chars)})
    chars = min(chars, len(whole))
    while chars > 1 and _text_tokens(step, counter) > max_tokens:
        chars //= 2
        step = step.model_copy(update={"instruction": clip(whole, chars)})
    return step
