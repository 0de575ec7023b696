"""After a failure: the part of a long history that explains it, and ways on that are tried until one works.

python samples/recover.py    offline, with scripted models that can only use what is in their requests

The table that a tool misses was renamed eighty messages ago. AutoGen's buffer of the last 12 messages has forgotten
that; this package finds it, and the second of three ways on works.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from autogen_core import FunctionCall
from autogen_core.model_context import BufferedChatCompletionContext, ChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from quoting_model import QuotingModel

from autogen_ext_tokenctx import ErrorRecovery, RecoveryStrategy, TokenBudgetChatCompletionContext

CAUSE = "The table orders was renamed to orders_2024 by the migration."


def call(number: int, name: str, arguments: str, text: str, *, failed: bool = False) -> list[LLMMessage]:
    result = FunctionExecutionResult(content=text, name=name, call_id=f"c{number}", is_error=failed)
    calls = [FunctionCall(id=f"c{number}", name=name, arguments=arguments)]
    return [AssistantMessage(content=calls, source="loader"), FunctionExecutionResultMessage(content=[result])]


def history() -> list[LLMMessage]:
    said: list[LLMMessage] = [UserMessage(content="Load the orders into the report.", source="user")]
    said += call(0, "migrate", '{"version": 7}', CAUSE)
    for number in range(1, 40):
        said += call(number, "check", f'{{"shelf": {number}}}', f"Shelf {number} holds {number * 37 % 101} boxes. " * 8)
    return said + call(99, "load", '{"table": "orders"}', "no such table: orders", failed=True)


def ways_on(view: str) -> str:
    """What the model proposes: the table's new name, if the request says it."""
    table = "orders_2024" if CAUSE in view else "orders_backup"
    change = [{"argument": "table", "value": table}]
    empty: dict[str, Any] = {"changes": [], "tool": "", "question": ""}
    return json.dumps(
        {
            "strategies": [
                {**empty, "kind": "retry", "reason": "it may have been busy"},
                {**empty, "kind": "retry_with_changes", "reason": "the table has another name", "changes": change},
                {**empty, "kind": "skip", "reason": "the report may do without"},
            ]
        }
    )


async def run(strategy: RecoveryStrategy) -> object:
    """Carries a way on out: only the renamed table can be loaded."""
    if strategy.kind == "retry_with_changes" and strategy.changes.get("table") == "orders_2024":
        return "1,204 orders loaded"
    raise ValueError("no such table")


async def filled(context: ChatCompletionContext) -> ChatCompletionContext:
    for message in history():
        await context.add_message(message)
    return context


async def main() -> None:
    buffered = await filled(BufferedChatCompletionContext(12))
    before = await ErrorRecovery(QuotingModel(ways_on)).recover(
        "load: no such table: orders", messages=await buffered.get_messages(), run=run
    )
    print(f"AutoGen's Buffered(12):\n{before.text()}\n")

    context = TokenBudgetChatCompletionContext("gpt-4o", 3_000)
    await filled(context)
    failed = history()[-1]
    assert isinstance(failed, FunctionExecutionResultMessage)
    view = await context.compress_for_recovery(failed, budget=600)
    print(f"the view that explains it: {view.report.tokens_before:,} tokens became {view.report.tokens_after:,}")
    after = await ErrorRecovery(QuotingModel(ways_on), context=context).recover(failed, run=run)
    print(f"this package:\n{after.text()}")
    print(f"what it gave: {after.value}")
    yes = {True: "yes", False: "no"}
    print(f"\nrecovered before: {yes[before.recovered]}, after: {yes[after.recovered]}")


if __name__ == "__main__":
    asyncio.run(main())
