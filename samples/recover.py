"""A tool fails because of something that was said long ago: what explains it, and which way on works?

python samples/recover.py    offline, with scripted models that can only use what is in their requests

An agent migrates a database, which renames a table, checks forty shelves, and then fails to load the table by its old
name. A model proposes ways on, by the history that it is shown, and they are tried until one works. It gets the last 12
messages (AutoGen's buffer), then the view of this package. At the end the agent helps itself with a tool.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import ToolCallExecutionEvent
from autogen_core import FunctionCall
from autogen_core.model_context import BufferedChatCompletionContext, ChatCompletionContext
from autogen_core.models import FunctionExecutionResult, LLMMessage
from autogen_core.tools import BaseTool
from claims import Claims
from quoting_model import QuotingModel

from autogen_ext_tokenctx import ErrorRecovery, RecoveryResult, RecoveryStrategy, TokenBudgetChatCompletionContext

BUDGET, VIEW, SHELVES = 2_000, 600, 40
TASKS = ("Migrate the database.", *(f"Check shelf {n}." for n in range(1, SHELVES + 1)), "Load the orders.")
AGAIN = "Load the orders again, and get help if it fails."
CAUSE = "table orders was renamed to orders_2024"


async def migrate(version: int) -> str:
    """Migrate the database."""
    return f"Version {version} is in force: the {CAUSE}, and customers has a new column."


async def check_shelf(shelf: int) -> str:
    """Count what a shelf holds."""
    return "\n".join(f"Shelf {shelf}, place {n}: {shelf * n * 7 % 31} boxes." for n in range(12))


async def load(table: str) -> str:
    """Load a table into the report."""
    if table != "orders_2024":
        raise ValueError(f"no such table: {table}")
    return "1,204 orders are loaded."


def call(name: str, **arguments: object) -> list[FunctionCall]:
    return [FunctionCall(id=f"{name}_{json.dumps(arguments)}", name=name, arguments=json.dumps(arguments))]


def work(view: str) -> str | list[FunctionCall]:
    """What the agent's model says: it calls the tool that the newest task asks for, and helps itself if it may."""
    task, at = max(((task, view.rfind(task)) for task in (*TASKS, AGAIN)), key=lambda found: found[1])
    since = view[at + len(task) :]
    if task == AGAIN and (ways := re.findall(r'table="(\w+)"', since)) and "loaded" not in since:
        return call("load", table=ways[0])
    if task == AGAIN and "no such table" in since and "loaded" not in since:
        return call("recover_from_error", what_failed="load: no such table: orders")
    if since.strip():
        return since.strip().splitlines()[-1]
    if task.startswith("Check"):
        return call("check_shelf", shelf=int(re.findall(r"\d+", task)[0]))
    return call("migrate", version=7) if task == TASKS[0] else call("load", table="orders")


def ways_on(view: str) -> str:
    """What the recovery's model proposes: the new name of the table if the history that it is shown has it."""
    renamed = re.findall(r"table orders was renamed to (\w+)", view)
    changes = [{"argument": "table", "value": renamed[0] if renamed else "orders_backup"}]
    return json.dumps(
        {
            "strategies": [
                {"kind": "retry", "reason": "the database may have been busy"},
                {"kind": "retry_with_changes", "reason": "the table may have another name", "changes": changes},
                {"kind": "ask", "reason": "somebody may know", "question": "Which table has the orders?"},
            ]
        }
    )


async def run(strategy: RecoveryStrategy) -> object:
    """Carry a way on out."""
    if strategy.kind not in ("retry", "retry_with_changes"):
        raise NotImplementedError(f"nobody is here to {strategy.kind}")
    return await load(**{"table": "orders", **strategy.changes})


def agent_with(context: ChatCompletionContext, tools: Sequence[BaseTool[Any, Any]] = ()) -> AssistantAgent:
    everything = [migrate, check_shelf, load, *tools]
    return AssistantAgent(
        "loader", QuotingModel(work), model_context=context, tools=[*everything], max_tool_iterations=5
    )


async def failed_run(agent: AssistantAgent) -> FunctionExecutionResult:
    """Do all tasks; return the result of the tool that failed at the end."""
    results: list[FunctionExecutionResult] = []
    for task in TASKS:
        for message in (await agent.run(task=task)).messages:
            results += message.content if isinstance(message, ToolCallExecutionEvent) else []
    (failed,) = (result for result in results if result.is_error)
    return failed


def told(name: str, view: Sequence[LLMMessage], result: RecoveryResult) -> bool:
    """Print what came of a recovery; return whether the view has what explains the failure."""
    is_explained = CAUSE in str(view)
    print(f"\n{name}: {len(view)} messages, the rename is {'in it' if is_explained else 'not in it'}")
    print(f"{result.text()}\nrecovered: {'yes' if result.recovered else 'no'}, value: {result.value}")
    return is_explained


async def main() -> int:
    claims = Claims()
    buffered = BufferedChatCompletionContext(12)
    failed = await failed_run(agent_with(buffered))
    last = await buffered.get_messages()
    result = await ErrorRecovery(QuotingModel(ways_on)).recover(failed, messages=last, run=run)
    is_explained = told("AutoGen's buffer of 12", last, result)
    claims.check("the buffer lost the cause, and no way on works", not is_explained and not result.recovered)

    context = TokenBudgetChatCompletionContext("gpt-4o", BUDGET)
    recovery = ErrorRecovery(QuotingModel(ways_on), context=context, budget=VIEW)
    agent = agent_with(context, [recovery.tool()])
    failed = await failed_run(agent)
    view = await context.compress_for_recovery(failed, budget=VIEW)
    result = await recovery.recover(failed, run=run)
    is_explained = told("this package", view.messages, result)
    print(f"{view.report.tokens_before:,} tokens of history became {view.report.tokens_after:,} of {VIEW}")
    claims.check("the view has the cause, within its budget", is_explained and view.report.tokens_after <= VIEW)
    kinds = [attempt.strategy.kind for attempt in result.tried]
    claims.check("ways on are tried until one works", result.recovered and kinds == ["retry", "retry_with_changes"])

    print("\nthe agent with the tool recover_from_error")
    messages = (await agent.run(task=AGAIN)).messages
    for message in messages:
        if isinstance(message, ToolCallExecutionEvent):
            print("\n".join(f"{result.name}: {result.content}" for result in message.content))
    claims.check("the agent helps itself", messages[-1].to_text() == "1,204 orders are loaded.")
    claims.end()
    return claims.code


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
