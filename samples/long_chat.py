"""A long chat in which the user corrects himself: which value does the assistant use at the end?

python samples/long_chat.py    offline, with a scripted model that can only use what is in its request

Sixty turns, three appointments that are moved on the way, and a question about them at the end. Run twice: with
AutoGen's token-limited context, and with this package, both at 1,500 tokens a call.
"""

from __future__ import annotations

import asyncio
import re

from autogen_agentchat.agents import AssistantAgent
from autogen_core.model_context import ChatCompletionContext, TokenLimitedChatCompletionContext
from quoting_model import QuotingModel

from autogen_ext_tokenctx import TokenBudgetChatCompletionContext

BUDGET = 1_500
APPOINTMENTS = {
    3: "The dentist appointment in Lindorf is on Monday.",
    9: "My piano lesson with Edda is on Tuesday.",
    15: "The visit to the notary Brock is on Wednesday.",
    31: "Sorry, not Monday: the dentist appointment in Lindorf is on Thursday.",
    38: "Correction: my piano lesson with Edda is on Friday, not Tuesday.",
    44: "The visit to the notary Brock is on Saturday instead of Wednesday.",
}
TRUTH = {"dentist": "Thursday", "piano": "Friday", "notary": "Saturday"}
DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday"


def answer(view: str) -> str:
    """What the scripted model says: of each appointment the day that stands last in its request."""
    if "On which days" not in view:
        turn = len(re.findall(r"walk", view))
        return f"Noted. On walk {turn} one sees {turn % 7} herons, {turn % 5} boats and the old mill by the river."
    found: dict[str, str] = {}
    for line in re.split(r"[\n.]", view):
        for name in TRUTH:
            days = re.findall(rf"is on ({DAYS})", line)
            if name in line and days:
                found[name] = days[-1]
    return ", ".join(f"{name}: {found.get(name, 'unknown')}" for name in TRUTH)


async def chat(context: ChatCompletionContext, name: str) -> int:
    """Run the chat; return how many days are right."""
    model = QuotingModel(answer)
    agent = AssistantAgent("secretary", model, model_context=context)
    for turn in range(60):
        said = APPOINTMENTS.get(turn, f"I took walk {turn} today, along the river, past the mill and over the bridge.")
        await agent.run(task=said)
    result = await agent.run(task="On which days are my dentist appointment, my piano lesson and the notary?")
    told = result.messages[-1].to_text()
    right = sum(f"{name}: {day}" in told for name, day in TRUTH.items())
    print(f"{name}, largest request {model.largest:,} tokens: {told}")
    return right


async def main() -> None:
    limited = TokenLimitedChatCompletionContext(QuotingModel(answer), token_limit=BUDGET)
    before = await chat(limited, f"AutoGen's TokenLimited({BUDGET:,})")
    ours = TokenBudgetChatCompletionContext(model="gpt-4o", budget=BUDGET)
    after = await chat(ours, f"this package, {BUDGET:,} tokens a call")
    print(f"\nright days before: {before}, after: {after} of {len(TRUTH)}")


if __name__ == "__main__":
    asyncio.run(main())
