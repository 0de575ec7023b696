"""A support desk whose customer sets rules on the way: who remembers them at the end?

python samples/support_desk.py    offline, with a scripted model that can only use what is in its request

Three agents with tools and AutoGen's ListMemory, chosen by a selector. The customer sets three rules in the middle of
the talk and asks for the next steps at the end. Run twice: with AutoGen's buffer of the last 12 messages, and with this
package at 2,000 tokens a call.
"""

from __future__ import annotations

import asyncio
import json
import re

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import SelectorGroupChat
from autogen_core import FunctionCall
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType
from autogen_core.model_context import BufferedChatCompletionContext, ChatCompletionContext
from quoting_model import QuotingModel, quoted

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext

BUDGET = 2_000
NAMES = ("orders", "refunds", "shipping")
RULES = (
    "Never call me on the phone, write to anna@example.org only.",
    "Before you refund anything, tell me the amount and wait for my yes.",
    "All amounts in Swiss francs, please.",
)
CUSTOMER = (
    "Hello, my order #W4817 came without the lamp.",
    f"By the way: {RULES[0]} What does order #W4817 say?",
    "And what about order #W4818, which I placed a day later?",
    f"I see. {RULES[1]} Which carrier brought order #W4819?",
    "The box was open. Did anybody else complain about order #W4820?",
    f"{RULES[2]} What did order #W4821 cost?",
    "Can order #W4822 still be changed?",
    "And order #W4823?",
    "Please look at order #W4824 as well.",
    "One more: order #W4825.",
    "Now write down the next steps for order #W4817, and keep to everything I said.",
)


async def look_up_order(order: str) -> str:
    """Look up an order."""
    seed = int(order[2:])
    parts = [{"item": f"part {seed}-{n}", "price": seed % 97 + n, "carrier": f"van {n % 5}"} for n in range(30)]
    return json.dumps({"order": order, "parts": parts})


def answer(view: str) -> str | list[FunctionCall]:
    """What the scripted model says: it looks up the newest order, then quotes what it finds in its request."""
    if "select the next role" in view:
        candidates = re.findall(r"'(\w+)'", re.findall(r"next role from \[(.*?)\]", view)[-1])
        return candidates[len(re.findall("#W48", view)) % len(candidates)]
    if "Now write down the next steps" in view:
        kept = quoted(view, RULES)
        return "\n".join(["NEXT STEPS", *(f"- I keep to this: {rule}" for rule in kept), "- I send a new lamp."])
    order = re.findall(r"#W\d+", view)[-1]
    if f'"order": "{order}"' in view or f"order: {order}" in view:
        return f"Order {order} has 30 parts, they came with several vans."
    return [FunctionCall(id=f"look_{order}", name="look_up_order", arguments=json.dumps({"order": order}))]


async def desk(*, has_plugin: bool) -> int:
    """Run the desk; return how many of the rules the last answer keeps to."""
    model = QuotingModel(answer)
    client = TokenBudgetChatCompletionClient(model, BUDGET, model="gpt-4o") if has_plugin else model
    memory = ListMemory()
    await memory.add(MemoryContent(content="The shop is closed on Sundays.", mime_type=MemoryMimeType.TEXT))

    def context() -> ChatCompletionContext:
        if has_plugin:
            return TokenBudgetChatCompletionContext(model="gpt-4o", budget=BUDGET)
        return BufferedChatCompletionContext(buffer_size=12)

    agents: list[ChatAgent | Team] = [
        AssistantAgent(
            name,
            client,
            description=f"Knows about {name}.",
            system_message=f"You answer for {name}.",
            tools=[look_up_order],
            memory=[memory],
            model_context=context(),
            reflect_on_tool_use=True,
        )
        for name in NAMES
    ]
    said = ""
    for text in CUSTOMER:
        team = SelectorGroupChat(agents, client, termination_condition=MaxMessageTermination(3))
        result = await team.run(task=text)
        said = result.messages[-1].to_text()
    kept = quoted(said, RULES)
    name = f"this package, {BUDGET:,} tokens a call" if has_plugin else "AutoGen's buffer of 12 messages"
    print(f"\n{name}: {len(kept)} of {len(RULES)} rules kept, largest request {model.largest:,} tokens\n{said}")
    return len(kept)


async def main() -> None:
    before = await desk(has_plugin=False)
    after = await desk(has_plugin=True)
    print(f"\nrules kept before: {before}, after: {after} of {len(RULES)}")


if __name__ == "__main__":
    asyncio.run(main())
