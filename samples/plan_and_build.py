"""A plan within a budget, and the team that carries it out.

python samples/plan_and_build.py    offline, with scripted models that can only use what is in their requests

A model splits a task into steps, each with a budget of its own, and the plan runs as a GraphFlow: each agent sees the
text of its step at every call, and tells the number that only its own step names. Then the same with a model that gives
no plan at all, and with the planner as one of a team.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from quoting_model import QuotingModel

from autogen_ext_tokenctx import (
    ExecutionPlan,
    PlanningAgent,
    PlanStep,
    TaskDecomposer,
    TaskDefinition,
    TokenBudgetChatCompletionContext,
)

TASK = TaskDefinition(
    description="Build the export of orders",
    requirements=("Read the orders (ticket T-101).", "Write the file (ticket T-102).", "Test both (ticket T-103)."),
)
STEPS: list[dict[str, Any]] = [
    {"id": "read", "title": "Reader", "instruction": "Read the orders, ticket T-101.", "depends_on": [], "weight": 1},
    {"id": "write", "title": "Writer", "instruction": "Write the file, ticket T-102.", "depends_on": [], "weight": 2},
    {"id": "test", "title": "Tests", "instruction": "Test both, ticket T-103.", "depends_on": ["read", "write"]},
]


def own_ticket(view: str) -> str:
    """What an agent of a step says: the ticket of its own step, if it sees that."""
    step = view[view.find("Your step:") :] if "Your step:" in view else ""
    ticket = re.search(r"T-\d+", step)
    return f"done: {ticket[0] if ticket else 'unknown'}"


async def carried_out(plan: ExecutionPlan) -> int:
    """Run a plan; return how many of its steps knew what they were to do."""

    def agent(step: PlanStep, context: TokenBudgetChatCompletionContext) -> ChatAgent:
        return AssistantAgent(step.agent_name, QuotingModel(own_ticket), model_context=context)

    result = await plan.as_team(agent, model="gpt-4o").run(task=plan.task.text())
    said = {message.source: message.to_text() for message in result.messages}
    for step in plan.order():
        print(
            f"  {step.agent_name:12} {step.token_budget:>5} tokens, after {', '.join(step.depends_on) or 'nothing':12}",
            end="",
        )
        print(f" {said.get(step.agent_name, 'did not run')}")
    return sum(re.search(r"T-\d+", step.text())[0] in said.get(step.agent_name, "") for step in plan.steps)  # pyright: ignore[reportOptionalSubscript]


async def main() -> None:
    logging.getLogger("autogen_ext_tokenctx").setLevel(logging.ERROR)  # the second model gives no plan, on purpose
    known = 0
    for name, said in (
        ("a model's plan", json.dumps({"steps": STEPS})),
        ("no plan from the model", "I would rather not."),
    ):
        plan = await TaskDecomposer(QuotingModel(lambda _, said=said: said)).decompose_task(TASK, 6_000)
        print(f"{name}: source {plan.source}, {len(plan.steps)} steps, {plan.token_budget:,} tokens")
        known += await carried_out(plan)
    planner = PlanningAgent(TaskDecomposer(QuotingModel(lambda _: json.dumps({"steps": STEPS}))))
    builder = AssistantAgent(
        "builder", QuotingModel(lambda view: "I begin with " + ("read" if "1. read" in view else "?"))
    )
    team = RoundRobinGroupChat([planner, builder], termination_condition=MaxMessageTermination(3))
    result = await team.run(task=TASK.text())
    print(f"a planner in a team: {result.messages[-1].to_text()}")
    known += result.messages[-1].to_text() == "I begin with read"
    print(f"\nsteps that knew what to do: {known} of 7")


if __name__ == "__main__":
    asyncio.run(main())
