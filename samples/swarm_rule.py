"""A swarm with handoffs: does the rule that the first agent was told bind the third?

python samples/swarm_rule.py    offline, with a scripted model that can only use what is in its request

The user tells a rule to the agent that plans. It hands over to the one that builds, and that to the one that ships,
each of them after long reports. Run twice: with contexts that keep the first and the last messages (AutoGen's
HeadAndTail), and with this package at 1,600 tokens a call.
"""

from __future__ import annotations

import asyncio
import re

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Handoff
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import Swarm
from autogen_core import FunctionCall
from autogen_core.model_context import ChatCompletionContext, HeadAndTailChatCompletionContext
from quoting_model import QuotingModel, quoted

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext

BUDGET = 1_600
RULE = "Nothing leaves the house before I have said yes to it."
NAMES = ("planner", "builder", "shipper")
TASKS = (
    "We build a shed for the garden.",
    f"It is to be of larch. {RULE} Go on with the plan.",
    *(f"Report on part {number} of the shed." for number in range(1, 9)),
    "Now send the shed to the customer.",
)


def answer(view: str) -> str | list[FunctionCall]:
    """What the scripted model says: a report for each task, now and then a handover, at the end what it may do."""
    me = re.findall(r"You are the (\w+)\.", view)[0]
    if "Now send the shed" in view:
        return "I ask first: you said nothing leaves before your yes." if quoted(view, [RULE]) else "I have sent it."
    reports = view.count("Report on part")
    following = NAMES[min(NAMES.index(me) + 1, len(NAMES) - 1)]
    if me != following and reports and reports % 3 == 0 and f"Transferred to {following}" not in view:
        return [FunctionCall(id=f"to_{following}", name=f"transfer_to_{following}", arguments="{}")]
    lines = (f"Board {reports}-{n} is cut to {200 + n * 7 % 90} cm and has {n % 5} knots." for n in range(24))
    return " ".join(lines)


async def swarm(*, has_plugin: bool) -> str:
    """Run the swarm; return what its last agent says."""
    model = QuotingModel(answer)
    client = TokenBudgetChatCompletionClient(model, BUDGET, model="gpt-4o") if has_plugin else model

    def context() -> ChatCompletionContext:
        if has_plugin:
            return TokenBudgetChatCompletionContext(model="gpt-4o", budget=BUDGET)
        return HeadAndTailChatCompletionContext(head_size=1, tail_size=4)

    agents: list[ChatAgent] = [
        AssistantAgent(
            name,
            client,
            system_message=f"You are the {name}.",
            handoffs=[Handoff(target=other) for other in NAMES if other != name],
            model_context=context(),
        )
        for name in NAMES
    ]
    team = Swarm(agents, termination_condition=MaxMessageTermination(4))
    said = ""
    for task in TASKS:
        said = (await team.run(task=task)).messages[-1].to_text()
    name = f"this package, {BUDGET:,} tokens a call" if has_plugin else "AutoGen's HeadAndTail(1, 4)"
    print(f"{name}, largest request {model.largest:,} tokens: {said}")
    return said


async def main() -> None:
    before = await swarm(has_plugin=False)
    after = await swarm(has_plugin=True)
    print(
        f"\nrule kept before: {'no' if 'sent it' in before else 'yes'}, after: {'no' if 'sent it' in after else 'yes'}"
    )


if __name__ == "__main__":
    asyncio.run(main())
