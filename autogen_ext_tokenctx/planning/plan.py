"""Plans: steps that depend on each other, within one budget, and the teams that carry them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from graphlib import CycleError, TopologicalSorter
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Literal, cast

from autogen_core.models import SystemMessage
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..hooks.chat_context import TokenBudgetChatCompletionContext
from ..tokens.task import TaskDefinition

if TYPE_CHECKING:
    from autogen_agentchat.base import ChatAgent
    from autogen_agentchat.teams import GraphFlow, RoundRobinGroupChat


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _positive(number: float) -> float:
    if not isfinite(number) or number <= 0:
        raise ValueError("must be a number above 0")
    return number


# Checked by functions, because providers refuse schemas with minLength or exclusiveMinimum in structured outputs.
Words = Annotated[str, AfterValidator(_filled)]
Weight = Annotated[float, AfterValidator(_positive)]


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

    id: Words
    """What other steps name it by."""
    title: Words
    """What it is, in a few words."""
    instruction: Words
    """What its agent is to do."""
    description: str = ""
    """What the step is for and what it works on; only in a detailed plan."""
    acceptance: tuple[Words, ...] = ()
    """What shows that it is done; only in a detailed plan."""
    expected_output: str = ""
    """What it hands on; only in a detailed plan."""
    depends_on: tuple[str, ...] = ()
    """Ids of the steps whose results it needs."""
    token_budget: int = Field(gt=0)
    """Input tokens its agent may use for one call."""

    @property
    def agent_name(self) -> str:
        """A name for its agent: the id as an identifier that providers take too."""
        # it always begins with "step", so that no id is mistaken for a team's "user" or manager
        name = re.sub(r"[^A-Za-z0-9_]", "_", self.id)
        return (name if name.startswith("step") else f"step_{name}")[:64]

    def text(self) -> str:
        """Return all that is said of the step, as a system message for its agent."""
        lines = [f"Your step: {self.title}", self.description, self.instruction]
        if self.acceptance:
            lines += ["It is done when:", *(f"- {criterion}" for criterion in self.acceptance)]
        if self.expected_output:
            lines.append(f"Expected output: {self.expected_output}")
        return "\n".join(line for line in lines if line)


# Makes the agent of a step, with a context that has the step's budget and text.
MakeAgent = Callable[[PlanStep, TokenBudgetChatCompletionContext], "ChatAgent"]


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
    """Whether each step was to say what it is for, when it is done and what it hands on."""
    source: Literal["model", "fallback"]
    """Who made it: the model, or, where that failed, the requirements of the task in their order."""

    @model_validator(mode="after")
    def _sound(self) -> ExecutionPlan:
        faults = faults_of(self.steps)
        total = sum(step.token_budget for step in self.steps)
        if total != self.token_budget:
            faults.append(f"the budgets of the steps add up to {total}, the plan has {self.token_budget}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def text(self) -> str:
        """Return the steps in their order, for an agent or a log."""
        parts: list[str] = []
        for number, step in enumerate(self.order(), 1):
            after = f", after {', '.join(step.depends_on)}" if step.depends_on else ""
            head, *rest = step.text().split("\n")
            parts.append("\n".join([f"{number}. {step.id} ({step.token_budget} tokens{after}): {head}", *rest]))
        return "\n".join(parts)

    def order(self) -> list[PlanStep]:
        """Return the steps so that each comes after those it depends on; otherwise as they were planned."""
        # again and again the first step that has what it needs: a sorter would give them in an order of its own
        order: list[PlanStep] = []
        done: set[str] = set()
        while len(order) < len(self.steps):
            order.append(next(step for step in self.steps if step.id not in done and done.issuperset(step.depends_on)))
            done.add(order[-1].id)
        return order

    def as_team(self, make_agent: MakeAgent, *, model: str | None = None) -> GraphFlow:
        """Return a team in which a step starts when those it depends on are done, and independent ones run together.

        Args:
            make_agent: Makes the agent of a step. Name it ``step.agent_name`` and give it the context, in which the
                text of the step stands word for word at every call.
            model: Name of the model the agents use, for its tokenizer.

        Raises:
            ValueError: Two agents have the same name.

        Example:
            >>> from autogen_agentchat.agents import AssistantAgent
            >>> from autogen_core.models import ChatCompletionClient
            >>> def team(plan: ExecutionPlan, client: ChatCompletionClient) -> "GraphFlow":
            ...     return plan.as_team(
            ...         lambda step, context: AssistantAgent(
            ...             step.agent_name, client, model_context=context, system_message="You are part of a team."
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
        """Return a team in which the steps run one after the other, each once. Arguments as of `as_team`."""
        from autogen_agentchat.teams import RoundRobinGroupChat

        agents = self._agents(make_agent, model)
        return RoundRobinGroupChat(list(agents.values()), max_turns=len(agents))

    def _agents(self, make_agent: MakeAgent, model: str | None) -> dict[str, ChatAgent]:
        agents = {step.id: make_agent(step, _context_of(step, model)) for step in self.order()}
        names = [agent.name for agent in agents.values()]
        if len(set(names)) < len(names):
            raise ValueError(f"agents' names must differ, name them step.agent_name; they are: {', '.join(names)}")
        return agents


def faults_of(steps: Sequence[PlanStep]) -> list[str]:
    """Return what is wrong with how the steps hang together."""
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
        try:
            TopologicalSorter({step.id: step.depends_on for step in steps}).prepare()
        except CycleError as error:
            circle = sorted(set(cast("list[str]", error.args[1])))
            faults.append(f"these steps depend on each other in a circle: {', '.join(circle)}")
    return faults


def _context_of(step: PlanStep, model: str | None) -> TokenBudgetChatCompletionContext:
    # a system message that stands at the head is in every view, and behind an agent's own a provider takes it, too
    said = SystemMessage(content=step.text())
    context = TokenBudgetChatCompletionContext(model, step.token_budget, task=step.text(), initial_messages=[said])
    context.pin(said)
    return context
