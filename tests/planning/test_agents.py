"""Planning and recovery inside a team: as agents, and as tools of an agent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import UserMessage

from autogen_ext_tokenctx import (
    ErrorRecovery,
    PlanningAgent,
    RecoveryAgent,
    TaskDecomposer,
    TokenBudget,
    TokenBudgetChatCompletionContext,
)

from ..support.histories import prose
from ..support.strict_client import StrictClient, call

STEPS = [
    {"id": "find", "title": "Find it", "instruction": "Find the bug."},
    {"id": "fix", "title": "Fix it", "instruction": "Fix the bug.", "depends_on": ["find"]},
]
PLAN = json.dumps({"steps": STEPS})
WAYS = json.dumps(
    {"strategies": [{"kind": "ask", "reason": "the table may have moved", "question": "Is it orders_2 now?"}]}
)


async def test_a_planning_agent_answers_with_the_steps() -> None:
    planner = PlanningAgent(TaskDecomposer(StrictClient([PLAN])))
    coder = AssistantAgent("coder", StrictClient(["I begin with find."]))
    team = RoundRobinGroupChat([planner, coder], termination_condition=MaxMessageTermination(3))
    result = await team.run(task="Repair the login of the shop.")
    assert result.messages[1].source == "planner"
    answer = result.messages[1].to_text()
    assert "1. find (" in answer
    assert "after find" in answer
    assert "Fix the bug." in answer
    assert planner.last_plan is not None
    assert [step.id for step in planner.last_plan.order()] == ["find", "fix"]
    await team.reset()
    assert (await team.run(task="Repair the login again.")).messages[1].to_text()


async def test_a_plan_that_cannot_be_is_said_and_nobody_dies() -> None:
    context = TokenBudgetChatCompletionContext(budget=TokenBudget(limit=700))
    planner = PlanningAgent(TaskDecomposer(StrictClient([PLAN]), context=context))
    assert "There is no plan: " in (await planner.run(task="Repair the login.")).messages[-1].to_text()


async def test_a_recovery_agent_reads_the_team() -> None:
    helper = RecoveryAgent(ErrorRecovery(StrictClient([WAYS])))
    coder = AssistantAgent("coder", StrictClient(["It failed: no such table orders."]))
    team = RoundRobinGroupChat([coder, helper], termination_condition=MaxMessageTermination(3))
    result = await team.run(task="Load the orders.")
    assert "no such table orders" in result.messages[-1].to_text()
    assert "orders_2" in result.messages[-1].to_text()
    assert helper.last_result is not None
    assert "Load the orders." in str(helper.last_result.view.messages)


async def test_an_agent_plans_with_a_tool_within_what_is_free() -> None:
    context = TokenBudgetChatCompletionContext(budget=TokenBudget(limit=6_000, reserve=600))
    plans = StrictClient([PLAN])
    decomposer = TaskDecomposer(plans, context=context)
    client = StrictClient([[call("plan_task", "c1", task="Repair the login.")], "done"])
    agent = AssistantAgent("lead", client, model_context=context, tools=[decomposer.tool()])
    result = await agent.run(task=f"Repair the login. {prose(1, 300)}")
    text = result.messages[-1].to_text()
    assert "1. find (" in text
    assert "2. fix (" in text
    empty = TokenBudgetChatCompletionContext(budget=TokenBudget(limit=6_000, reserve=600))
    assert await context.get_token_budget("Repair the login.") < await empty.get_token_budget("Repair the login.")


@pytest.mark.parametrize(("words", "detailed"), [(30, True), (2_400, False)])
async def test_whether_a_plan_is_detailed_follows_what_is_free(words: int, detailed: bool) -> None:
    context = TokenBudgetChatCompletionContext(budget=TokenBudget(limit=14_000))
    await context.add_message(UserMessage(content=prose(1, words), source="user"))
    plan = await TaskDecomposer(StrictClient([PLAN]), context=context).decompose_task("Fix the typo.")
    assert plan.detailed is detailed
    assert plan.token_budget == await context.get_token_budget("Fix the typo.")


async def test_recovery_sees_the_history_of_its_context() -> None:
    context = TokenBudgetChatCompletionContext(budget=6_000)
    await context.add_message(UserMessage(content="Load orders.csv into the table orders.", source="user"))
    client = StrictClient([WAYS] * 3)
    recovery = ErrorRecovery(client, context=context)
    result = await recovery.recover(ValueError("no such table"))
    assert "orders.csv" in str(result.view.messages)
    tool: Any = recovery.tool()
    shown = await tool.run_json({"what_failed": "no such table"}, CancellationToken())
    assert "orders_2" in tool.return_value_as_string(shown)
    with pytest.raises(ValueError, match="give tool\\(\\) the agent's model context"):
        ErrorRecovery(client).tool()
