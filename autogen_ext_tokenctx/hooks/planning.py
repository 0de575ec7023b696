"""A task, split by a model into steps that each have a token budget, and the steps as a team."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from autogen_core.models import AssistantMessage, ChatCompletionClient, LLMMessage, SystemMessage, UserMessage
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..context.manager import ContextManager
from ..context.passages import clip
from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import TokenBudgetManager
from ..tokens.counting import TokenCounter
from ..tokens.task import TaskDefinition
from .answers import answer_of, json_in, json_output_of
from .chat_context import TokenBudgetChatCompletionContext

if TYPE_CHECKING:
    from autogen_agentchat.base import ChatAgent
    from autogen_agentchat.teams import GraphFlow, RoundRobinGroupChat

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


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _positive(number: float) -> float:
    if not isfinite(number) or number <= 0:
        raise ValueError("must be a number above 0")
    return number


# Checked by functions, because providers refuse schemas with minLength or exclusiveMinimum in structured outputs.
_Words = Annotated[str, AfterValidator(_filled)]
_Weight = Annotated[float, AfterValidator(_positive)]


class PlanStep(BaseModel):
    """A part of a task for one agent.

    Example:
        >>> step = PlanStep(id="2-tests", title="Tests", instruction="Write the tests.", token_budget=800)
        >>> step.agent_name
        'step_2_tests'
        >>> step.text()
        'Your step: Tests\\nWrite the tests.'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    id: _Words
    """What other steps name it by."""
    title: _Words
    """What it is, in a few words."""
    instruction: _Words
    """What its agent is to do."""
    description: str = ""
    """What the step is for and what it works on; only in a detailed plan."""
    acceptance: tuple[_Words, ...] = ()
    """What shows that it is done; only in a detailed plan."""
    expected_output: str = ""
    """What it hands on; only in a detailed plan."""
    depends_on: tuple[str, ...] = ()
    """Ids of the steps whose results it needs."""
    token_budget: int = Field(gt=0)
    """Input tokens its agent may use for one call."""

    @property
    def agent_name(self) -> str:
        """A name for its agent: the id as an identifier that providers take too.

        It always begins with ``step``, so that no id is mistaken for a team's ``user`` or manager.
        """
        name = re.sub(r"[^A-Za-z0-9_]", "_", self.id)
        return (name if name.startswith("step") else f"step_{name}")[:64]

    def text(self) -> str:
        """All that is said of the step, as a system message for its agent."""
        lines = [f"Your step: {self.title}", self.description, self.instruction]
        if self.acceptance:
            lines += ["It is done when:", *(f"- {criterion}" for criterion in self.acceptance)]
        if self.expected_output:
            lines.append(f"Expected output: {self.expected_output}")
        return "\n".join(line for line in lines if line)


MakeAgent = Callable[[PlanStep, TokenBudgetChatCompletionContext], "ChatAgent"]
"""Makes the agent of a step, with a context that has the step's budget."""


class ExecutionPlan(BaseModel):
    """Steps that together do a task, within one budget.

    Raises:
        pydantic.ValidationError: (a ValueError) No steps, ids or agents' names that come twice, a dependency on no
            step of the plan or in a circle, or step budgets that do not add up to the plan's.

    Example:
        >>> steps = [
        ...     PlanStep(id="test", title="Test", instruction="Test it.", depends_on=("build",), token_budget=500),
        ...     PlanStep(id="build", title="Build", instruction="Build it.", token_budget=700),
        ... ]
        >>> plan = ExecutionPlan(
        ...     task=TaskDefinition(description="A shop"), steps=tuple(steps), token_budget=1_200, source="model"
        ... )
        >>> [step.id for step in plan.order()]
        ['build', 'test']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: TaskDefinition
    """What the steps do together."""
    steps: tuple[PlanStep, ...] = Field(min_length=1)
    """The steps, as they were planned; see `order`."""
    token_budget: int
    """What the budgets of the steps add up to."""
    detailed: bool = False
    """Whether each step says what it is for, when it is done and what it hands on."""
    source: Literal["model", "fallback"]
    """Who made it: the model, or, where that failed, the requirements of the task in their order."""

    @model_validator(mode="after")
    def _sound(self) -> ExecutionPlan:
        faults = _faults(self.steps)
        total = sum(step.token_budget for step in self.steps)
        if total != self.token_budget:
            faults.append(f"the budgets of the steps add up to {total}, the plan has {self.token_budget}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def order(self) -> list[PlanStep]:
        """The steps so that each comes after those it depends on; otherwise as they were planned."""
        steps = {step.id: step for step in self.steps}
        return [steps[name] for name in _order({step.id: step.depends_on for step in self.steps})]

    def as_team(self, make_agent: MakeAgent, *, model: str | None = None) -> GraphFlow:
        """A team in which a step starts when those it depends on are done; independent ones run at the same time.

        Args:
            make_agent: Makes the agent of a step. Name it ``step.agent_name``, give it the context, and
                ``step.text()`` as its system message: the context holds that much back. What comes on top, such as
                tools, is held back as in any `TokenBudgetChatCompletionContext`.
            model: Name of the model the agents use, for its tokenizer.

        Raises:
            ValueError: Two agents have the same name.

        Example:
            >>> from autogen_agentchat.agents import AssistantAgent
            >>> from autogen_core.models import ChatCompletionClient
            >>> def team(plan: ExecutionPlan, client: ChatCompletionClient) -> "GraphFlow":
            ...     return plan.as_team(
            ...         lambda step, context: AssistantAgent(
            ...             step.agent_name, client, model_context=context, system_message=step.text()
            ...         )
            ...     )
        """
        # here and not above: who plans need not load the teams
        from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

        agents = self._agents(make_agent, model)
        builder = DiGraphBuilder()
        for agent in agents.values():
            builder.add_node(agent)
        for step in self.steps:
            for parent in dict.fromkeys(step.depends_on):  # a second edge would be a second run to wait for
                builder.add_edge(agents[parent], agents[step.id])
        return GraphFlow(list(agents.values()), builder.build())

    def as_round_robin(self, make_agent: MakeAgent, *, model: str | None = None) -> RoundRobinGroupChat:
        """A team in which the steps run one after the other, each once. Arguments as of `as_team`."""
        from autogen_agentchat.teams import RoundRobinGroupChat

        agents = self._agents(make_agent, model)
        return RoundRobinGroupChat(list(agents.values()), max_turns=len(agents))

    def _agents(self, make_agent: MakeAgent, model: str | None) -> dict[str, ChatAgent]:
        agents = {step.id: make_agent(step, _context_of(step, model)) for step in self.order()}
        names = [agent.name for agent in agents.values()]
        if len(set(names)) < len(names):
            raise ValueError(f"agents' names must differ, name them step.agent_name; they are: {', '.join(names)}")
        return agents


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
        info: Mapping[str, Any] = {**self._client.model_info}
        if info.get("structured_output"):
            # the provider counts the schema as input
            schema = self._manager.counter.count_text(json.dumps(answer.model_json_schema()))
            return _Form(answer, prompt, answer, TokenBudget.of(available, target=1.0, reserve=schema))
        example = json.dumps({"steps": [_EXAMPLE_DETAILED if detailed else _EXAMPLE]})
        prompt += f" Answer with one JSON object and nothing else, in this form: {example}"
        return _Form(answer, prompt, json_output_of(self._client, answer), TokenBudget.of(available, target=1.0))

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
        faults = _faults(steps)
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

    id: _Words
    title: _Words
    instruction: _Words
    depends_on: list[str]
    weight: _Weight

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

    description: _Words
    acceptance: list[_Words]
    expected_output: _Words


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


def _faults(steps: Sequence[PlanStep]) -> list[str]:
    """What is wrong with how the steps hang together."""
    faults: list[str] = []
    ids = [step.id for step in steps]
    names = [step.agent_name for step in steps]
    if len(set(ids)) < len(ids):
        faults.append(f"ids must be unique, they are: {', '.join(ids)}")
    elif len(set(names)) < len(names):
        faults.append(f"ids must differ in their first 59 letters and digits, they are: {', '.join(ids)}")
    for step in steps:
        strangers = [name for name in step.depends_on if name not in ids]
        if strangers:
            faults.append(f"step {step.id} depends on what is no step: {', '.join(strangers)}")
    if not faults:
        waiting = set(ids) - set(_order({step.id: step.depends_on for step in steps}))
        if waiting:
            faults.append(f"these steps depend on each other in a circle: {', '.join(sorted(waiting))}")
    return faults


def _order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The names so that each comes after what it needs, without those that never can; otherwise as they come."""
    done: dict[str, None] = {}
    while True:
        ready = next((name for name, own in needs.items() if name not in done and done.keys() >= set(own)), None)
        if ready is None:
            return list(done)
        done[ready] = None


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


def _context_of(step: PlanStep, model: str | None) -> TokenBudgetChatCompletionContext:
    context = TokenBudgetChatCompletionContext(model, step.token_budget, task=step.text())
    system = SystemMessage(content=step.text())
    if context.manager.counter.count_message(system) > context.reserve:  # more than what is usual is known already
        context.learn_overhead([system], ())
    return context
