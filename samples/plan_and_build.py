"""A task is planned within a budget, and a team carries the plan out: does each step keep to its budget and its text?

python samples/plan_and_build.py    offline, with scripted models that can only use what is in their requests

A model splits the task into steps, and each step gets a share of 6,000 tokens. The plan runs as a GraphFlow whose
agents read long sources with a tool. Run with AutoGen's own contexts, and with those of the plan. Then once more with a
planner that gives no plan at all, and with the planner as an agent of a team.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import FunctionCall
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import SystemMessage
from claims import Claims
from quoting_model import QuotingModel, quoted

from autogen_ext_tokenctx import (
    ExecutionPlan,
    PlanningAgent,
    PlanStep,
    TaskDecomposer,
    TaskDefinition,
    TokenBudgetChatCompletionContext,
)

BUDGET, PAGES = 6_000, 8
TASK = TaskDefinition(
    description="Build the export of orders.",
    requirements=("Read the orders, source S-101.", "Write the file, source S-102.", "Test both, source S-103."),
)


def planned(view: str) -> str:
    """What the planner's model says: a step for each source that its request names, the last after the others."""
    found = re.findall(r"^(\w+) (.+), source (S-\d+)\.$", view, re.MULTILINE)
    ids = [verb.lower() for verb, _, _ in found]
    steps = [
        {
            "id": verb.lower(),
            "title": f"{verb} {what}",
            "instruction": f"{verb} {what}, as source {source} says.",
            "depends_on": ids[:-1] if verb.lower() == ids[-1] else [],
            "weight": 2 if verb == "Write" else 1,
        }
        for verb, what, source in found
    ]
    return json.dumps({"steps": steps})


def built(view: str) -> str | list[FunctionCall]:
    """What an agent's model says: it reads the source of its step to the end, if it sees which one that is."""
    source = re.search(r"Your step: .*\n.*source (S-\d+)", view)
    if source is None:
        return "I do not know what my step is."
    read = re.findall(rf"{source[1]}, page (\d+) of {PAGES}", view)
    page = int(read[-1]) + 1 if read else 1
    if page > PAGES:
        return f"{source[1]} is done."
    arguments = json.dumps({"source": source[1], "page": page})
    return [FunctionCall(id=f"{source[1]}_{page}", name="read_source", arguments=arguments)]


async def read_source(source: str, page: int) -> str:
    """Read a page of a source."""
    lines = [f"Field {source}.{page}.{n} has {n * 7 % 40} bytes and follows field {n * 3 % 50}." for n in range(30)]
    return "\n".join([*lines, f"This was {source}, page {page} of {PAGES}."])


class Worker(QuotingModel):
    """The model of a step's agent; takes note of which of its requests had the step's text in it."""

    def __init__(self, step: PlanStep) -> None:
        super().__init__(built)
        self._step = step
        self.known: list[bool] = []

    def _answer(self, view: str) -> str | list[FunctionCall]:
        text = " ".join(self._step.text().split())
        self.known.append(bool(quoted(view, [text])))
        return super()._answer(view)


async def carried_out(plan: ExecutionPlan, *, has_plugin: bool) -> int:
    """Run a plan as a team; return how many steps went over budget, were not done or called without their text."""
    workers = {step.agent_name: Worker(step) for step in plan.steps}

    def agent(step: PlanStep, context: TokenBudgetChatCompletionContext) -> ChatAgent:
        said = SystemMessage(content=step.text())
        chosen: ChatCompletionContext = context if has_plugin else UnboundedChatCompletionContext([said])
        model, turns = workers[step.agent_name], PAGES + 1
        return AssistantAgent(
            step.agent_name, model, tools=[read_source], model_context=chosen, max_tool_iterations=turns
        )

    result = await plan.as_team(agent, model="gpt-4o").run(task=plan.task.text())
    said = {message.source: message.to_text() for message in result.messages}
    print(f"\n{'contexts of the plan' if has_plugin else 'contexts of AutoGen'}, plan by the {plan.source}")
    print(f"{'step':<13}{'budget':>7}{'largest':>9}{'calls':>7}{'step known':>12}  after / said")
    for step in plan.order():
        worker, after = workers[step.agent_name], ", ".join(step.depends_on) or "nothing"
        known = f"{sum(worker.known)} of {len(worker.known)}"
        row = f"{step.agent_name:<13}{step.token_budget:>7,}{worker.largest:>9,}{len(worker.known):>7}{known:>12}"
        print(f"{row}  {after} / {said.get(step.agent_name, 'did not run')}")
    return sum(
        not all(worker.known) or worker.largest > step.token_budget or "is done" not in said.get(step.agent_name, "")
        for step, worker in zip(plan.steps, workers.values(), strict=True)
    )


async def main() -> int:
    claims = Claims()
    plan = await TaskDecomposer(QuotingModel(planned)).decompose_task(TASK, BUDGET)
    shares = {step.id: step.token_budget for step in plan.steps}
    claims.check(f"the model's plan divides the tokens: {shares}", sum(shares.values()) == BUDGET)
    over = await carried_out(plan, has_plugin=False)
    claims.check("with AutoGen's contexts every step goes over its budget", over == len(plan.steps))
    over = await carried_out(plan, has_plugin=True)
    claims.check("with the plan's contexts each keeps within it, and knows its step at every call", over == 0)

    print("\na planner that gives no plan")
    plan = await TaskDecomposer(QuotingModel(lambda _: "I would rather not.")).decompose_task(TASK, BUDGET)
    instructions = [step.instruction for step in plan.order()]
    claims.check("the requirements are the plan", (plan.source, instructions) == ("fallback", [*TASK.requirements]))
    claims.check("it can be carried out, too", await carried_out(plan, has_plugin=True) == 0)

    print("\na planner in a team")
    planner = PlanningAgent(TaskDecomposer(QuotingModel(planned)))
    first = QuotingModel(lambda view: f"I begin with {(re.findall(r'^1[.] (.+)$', view, re.MULTILINE) or ['?'])[0]}")
    team = RoundRobinGroupChat([planner, AssistantAgent("builder", first)], max_turns=2)
    talk = [f"{message.source}: {message.to_text()}" for message in (await team.run(task=TASK.text())).messages[1:]]
    print("\n".join(talk))
    claims.check("the next agent goes by its plan", "I begin with read" in talk[-1] and planner.last_plan is not None)
    claims.end()
    return claims.code


if __name__ == "__main__":
    logging.getLogger("autogen_ext_tokenctx").addHandler(logging.StreamHandler(sys.stdout))  # that there is no plan
    sys.exit(asyncio.run(main()))
