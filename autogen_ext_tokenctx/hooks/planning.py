"""A task, split by a model into steps that each have a token budget, and the steps as a team."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from autogen_core.models import AssistantMessage, ChatCompletionClient, LLMMessage, SystemMessage, UserMessage
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..context.answers import answer_of, json_in, json_output_of
from ..context.manager import ContextManager
from ..context.passages import clip
from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import TokenBudgetManager
from ..tokens.counting import TokenCounter
from ..tokens.task import TaskDefinition
from .plans import ExecutionPlan, PlanStep, Weight, Words, faults_of

logger = logging.getLogger(__name__)

_STEP_TOKENS = 300
"""Tokens every step gets beside its own text: the task and the newest message, both shortened, and one more."""

_TEXT_TOKENS = 60
"""Tokens a short step's own text takes: with less there is no plan."""

_FEW_STEPS = 4
"""Steps that a simplified plan is asked for."""

_TITLE_CHARS = 60
_PROBLEM_CHARS, _PROBLEMS = 200, 8
"""So much of what is wrong with an answer is sent back: one fault often shows in every step."""

_CHARS_A_TOKEN = 8
"""More characters than a token has in any prose."""


class TaskDecomposer:
    """Asks a model to split a task into steps, and divides a token budget among them.

    A plan comes back whatever the model does. An answer that cannot be used is sent back once with what is wrong with
    it. After that, and when the model fails, is silent too long or calls tools, the plan is made of the requirements
    of the task, a step each in their order, with one logged warning; its ``source`` is ``"fallback"``.

    Args:
        model_client: Calls the model.
        manager: Fits the requests, counts, and knows the budget of a call. None: a default one.
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
        detailed_from: int = 4_000,
        max_steps: int = 12,
        timeout: float = 60.0,
    ) -> None:
        if max_steps < 1 or not timeout > 0:
            raise ValueError(f"max_steps ({max_steps}) and timeout ({timeout}) must be positive")
        self._client = model_client
        self._manager = manager or ContextManager()
        self._detailed_from = detailed_from
        self._max_steps = max_steps
        self._timeout = timeout

    async def decompose_task(self, task: TaskDefinition | str, available_tokens: int | None = None) -> ExecutionPlan:
        """Split a task into steps.

        Args:
            task: What is to be done.
            available_tokens: What is divided among the steps, and what the request for the plan may take. None: the
                manager's ``get_token_budget(task)``.

        Raises:
            BudgetTooSmallError: The tokens do not hold a single step.
            ValueError: The task has no words.
        """
        definition = task if isinstance(task, TaskDefinition) else TaskDefinition(description=task)
        if not definition.text().strip():
            raise ValueError("a task without words cannot be planned; give it a description")
        available = self._manager.get_token_budget(definition) if available_tokens is None else available_tokens
        if available < _STEP_TOKENS + _TEXT_TOKENS:
            raise BudgetTooSmallError(available, _STEP_TOKENS + _TEXT_TOKENS, ["a plan of one step"])
        try:
            return await self._planned(definition, available)
        except Exception as error:  # whatever a model or its client does: there is work to be done
            logger.warning("the model gave no plan, it is made of the task's requirements: %r", error)
        return self._fallback(definition, available)

    async def _planned(self, task: TaskDefinition, available: int) -> ExecutionPlan:
        form = self._form(available)
        request: list[LLMMessage] = [
            SystemMessage(content=form.prompt),
            UserMessage(content=task.text(), source="user"),
        ]
        answer = await self._ask(request, form, task)
        try:
            return self._read(answer, form, task)
        except _UnusableAnswerError as unusable:
            request += [
                AssistantMessage(content=answer, source="planner"),
                UserMessage(content=unusable.request(), source="user"),
            ]
        return self._read(await self._ask(request, form, task), form, task)

    def _form(self, available: int) -> _Form:
        """How to ask this model for a plan of this size."""
        detailed = available >= self._detailed_from
        answer = DetailedPlan if detailed else SimplifiedPlan
        most = min(self._max_steps, available // (_STEP_TOKENS + _TEXT_TOKENS))
        prompt = _PROMPT + (_DETAILED.format(most=most) if detailed else _SIMPLIFIED.format(most=min(most, _FEW_STEPS)))
        json_output = json_output_of(self._client, answer)
        if json_output is answer:
            # the provider counts the schema as input
            schema = self._manager.counter.count_text(json.dumps(answer.model_json_schema()))
            return _Form(answer, prompt, json_output, TokenBudget.of(available, target=1.0, reserve=schema))
        example = json.dumps({"steps": [_EXAMPLE_DETAILED if detailed else _EXAMPLE]})
        prompt += f" Answer with one JSON object and nothing else, in this form: {example}"
        return _Form(answer, prompt, json_output, TokenBudget.of(available, target=1.0))

    async def _ask(self, request: Sequence[LLMMessage], form: _Form, task: TaskDefinition) -> str:
        # of a sibling: a fit sets the budget that the manager's get_token_budget goes by
        fitted = await self._manager.for_agent().fit(request, form.budget, task=task)
        return await answer_of(self._client, fitted.messages, form.json_output, self._timeout)

    def _read(self, answer: str, form: _Form, task: TaskDefinition) -> ExecutionPlan:
        """The plan that an answer has.

        Raises:
            _UnusableAnswerError: It has none that can be used.
        """
        draft = _parsed(answer, form.answer)
        if not 1 <= len(draft.steps) <= self._max_steps:
            raise _UnusableAnswerError([f"it has {len(draft.steps)} steps, there must be 1 to {self._max_steps}"])
        weights = {step.id: step.weight for step in draft.steps}
        words = [step.model_dump(exclude={"weight"}) for step in draft.steps]
        steps = [PlanStep(**given, token_budget=_STEP_TOKENS) for given in words]
        faults = faults_of(steps)
        if faults:
            raise _UnusableAnswerError(faults)
        available = form.budget.limit
        try:
            steps = _with_budgets(steps, weights, available, self._manager.counter)
        except BudgetTooSmallError as error:
            raise _UnusableAnswerError(
                [f"the steps need {error.needed} tokens, there are {available}: fewer steps, or shorter texts"]
            ) from None
        detailed = form.answer is DetailedPlan
        return ExecutionPlan(task=task, steps=tuple(steps), token_budget=available, detailed=detailed, source="model")

    def _fallback(self, task: TaskDefinition, available: int) -> ExecutionPlan:
        """The requirements in their order, a step each; neighbours share a step where there are too many."""
        parts = [part for part in map(str.strip, task.requirements) if part] or [task.description.strip()]
        count = min(len(parts), self._max_steps, available // (_STEP_TOKENS + _TEXT_TOKENS))
        room = available // count - _STEP_TOKENS
        counter = self._manager.counter
        steps: list[PlanStep] = []
        for i in range(count):
            own = parts[i * len(parts) // count : (i + 1) * len(parts) // count]
            step = PlanStep(
                id=f"step_{i + 1}",
                title=clip(own[0], _TITLE_CHARS),
                instruction="\n".join(own),
                depends_on=(steps[-1].id,) if steps else (),
                token_budget=_STEP_TOKENS,
            )
            steps.append(_shortened(step, room, counter))
        steps = _with_budgets(steps, {step.id: 1.0 for step in steps}, available, counter)
        return ExecutionPlan(task=task, steps=tuple(steps), token_budget=available, source="fallback")


class SimplifiedStep(BaseModel):
    """A step as a model is asked for it, where there is little room."""

    model_config = ConfigDict(coerce_numbers_to_str=True, str_strip_whitespace=True)

    id: Words
    title: Words
    instruction: Words
    depends_on: list[str]
    weight: Weight

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        # small models leave these out; providers refuse schemas with defaults in structured outputs
        if not isinstance(data, dict):
            return data
        given = {key: value for key, value in cast("dict[Any, Any]", data).items() if value is not None}
        return {"depends_on": [], "weight": 1.0, **given}


class DetailedStep(SimplifiedStep):
    """A step as a model is asked for it, where there is room."""

    description: Words
    acceptance: list[Words]
    expected_output: Words


class SimplifiedPlan(BaseModel):
    """A plan as a model is asked for it, where there is little room."""

    steps: list[SimplifiedStep]


class DetailedPlan(BaseModel):
    """A plan as a model is asked for it, where there is room."""

    steps: list[DetailedStep]


_PROMPT = (
    "Split the task of the user into steps for a team of agents, one agent a step. An agent sees the task, its own "
    "instruction, and what the steps before it gave. Every step has: id (unique; letters, digits, underscores), title, "
    "instruction, depends_on (ids of the steps whose results it needs, no circles; empty where it can start at once), "
    "and weight (how much context it needs in proportion to the others, 1 is usual)"
)
_SIMPLIFIED = ". Give {most} steps at most, with instructions of one sentence."
_DETAILED = (
    ", and also: description (what the step is for and what it works on), acceptance (a list of checks that show it "
    "is done), and expected_output (what it hands on). Give {most} steps at most, with instructions that leave no "
    "question open."
)
_EXAMPLE: dict[str, Any] = {"id": "step_1", "title": "…", "instruction": "…", "depends_on": [], "weight": 1}
_EXAMPLE_DETAILED = {**_EXAMPLE, "description": "…", "acceptance": ["…"], "expected_output": "…"}


@dataclass(frozen=True, slots=True)
class _Form:
    """How a plan is asked for.

    Args:
        answer: What the answer must be.
        prompt: The system message.
        json_output: As of ``ChatCompletionClient.create``.
        budget: What the request may take; its limit is what the steps share.
    """

    answer: type[SimplifiedPlan] | type[DetailedPlan]
    prompt: str
    json_output: bool | type[BaseModel] | None
    budget: TokenBudget


class _UnusableAnswerError(Exception):
    """An answer that is no plan, and why."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = [clip(problem, _PROBLEM_CHARS) for problem in problems[:_PROBLEMS]]
        super().__init__("; ".join(self.problems))

    def request(self) -> str:
        """What the model is told."""
        lines = "\n".join(f"- {problem}" for problem in self.problems)
        return f"This plan cannot be used:\n{lines}\nGive the whole plan again, corrected, in the same form."


def _parsed(answer: str, form: type[SimplifiedPlan] | type[DetailedPlan]) -> SimplifiedPlan | DetailedPlan:
    found = [plan for value in json_in(answer) for plan in _objects_with_steps(value)]
    if not found:
        raise _UnusableAnswerError(["it has no JSON object with a list named steps"])
    try:
        return form.model_validate(found[-1])  # what comes before are thoughts and drafts
    except ValidationError as error:
        raise _UnusableAnswerError(
            [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        ) from None


def _objects_with_steps(value: Any) -> Iterator[dict[str, Any]]:
    """The objects that have ``steps``, in whatever they are wrapped."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if "steps" in fields:
            yield fields
            return
        value = list(fields.values())
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _objects_with_steps(item)


def _text_tokens(step: PlanStep, counter: TokenCounter) -> int:
    return counter.count_message(SystemMessage(content=step.text()))


def _with_budgets(
    steps: Sequence[PlanStep], weights: Mapping[str, float], total: int, counter: TokenCounter
) -> list[PlanStep]:
    """The steps with ``total`` divided among them: each gets its own text and the minimum, the rest goes by weight.

    Raises:
        BudgetTooSmallError: The total does not hold that.
    """
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


def _shortened(step: PlanStep, room: int, counter: TokenCounter) -> PlanStep:
    """A step whose text fits; its agent also has the whole task, as the first message of the team."""
    whole = step.instruction
    chars = _CHARS_A_TOKEN * room
    if len(whole) > chars:
        step = step.model_copy(update={"instruction": clip(whole, chars)})
    chars = min(chars, len(whole))
    while chars > 1 and _text_tokens(step, counter) > room:
        chars //= 2
        step = step.model_copy(update={"instruction": clip(whole, chars)})
    return step
