"""States that AutoGen's own teams save after a run with a scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.base import Team
from autogen_agentchat.teams import MagenticOneGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext

from .histories import Talk, look, prose
from .strict_client import StrictClient, call

BUDGET = 900
"""Tokens of the context hook's agents: all of them compact their histories."""

Kind = Literal["round_robin", "selector", "swarm", "magentic_one"]
KINDS: tuple[Kind, ...] = ("round_robin", "selector", "swarm", "magentic_one")
Hooked = Literal["plain", "hooked"]
HOOKED: tuple[Hooked, ...] = ("plain", "hooked")


@cache
def team_state(kind: Kind, hooked: Hooked) -> str:
    """The JSON of the state of a team after a run."""
    return json.dumps(asyncio.run(_saved(_TEAMS[kind](hooked))))


@cache
def agent_state(hooked: Hooked) -> str:
    """The JSON of the state of a single agent after a run."""
    return json.dumps(asyncio.run(_saved(_agent("ann", StrictClient([Talk(90)]), hooked, tools=[look]))))


@cache
def society_state(hooked: Hooked) -> str:
    """The JSON of the state of a team with a team inside one of its agents, which has run by itself before."""

    async def saved() -> dict[str, Any]:
        client, inner = StrictClient([Talk(90)]), _round_robin(hooked)
        team = RoundRobinGroupChat([SocietyOfMindAgent("mind", inner, client), _agent("carol", client, hooked)])
        await team.load_state(await team.save_state())
        await inner.run(task="Find out which boiler leaks.")
        return dict(await team.save_state())

    return json.dumps(asyncio.run(saved()))


def _agent(name: str, client: StrictClient, hooked: Hooked, **kwargs: Any) -> AssistantAgent:
    context: ChatCompletionContext = UnboundedChatCompletionContext()
    if hooked == "hooked":
        context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=BUDGET)
    reflects = "tools" in kwargs and "handoffs" not in kwargs
    return AssistantAgent(name, client, model_context=context, reflect_on_tool_use=reflects, **kwargs)


def _round_robin(hooked: Hooked) -> Team:
    client = StrictClient([Talk(90)])
    return RoundRobinGroupChat([_agent(name, client, hooked, tools=[look]) for name in ("ann", "bob")], max_turns=9)


def _selector(hooked: Hooked) -> Team:
    client, picked = StrictClient([Talk(90)]), iter(range(100))
    chooser = StrictClient([lambda messages, tools: ("ann", "bob")[next(picked) % 2]])
    return SelectorGroupChat([_agent(name, client, hooked) for name in ("ann", "bob")], chooser, max_turns=9)


def _swarm(hooked: Hooked) -> Team:
    script: list[Any] = []
    for n in range(8):
        script.append([call("look", f"look_{n}", item=n)])
        script.append([call(f"transfer_to_{('bob', 'ann')[n % 2]}", f"hand_{n}")])
    client = StrictClient([*script, "All done."])
    pairs = (("ann", "bob"), ("bob", "ann"))
    return Swarm(
        [_agent(name, client, hooked, tools=[look], handoffs=[other], max_tool_iterations=5) for name, other in pairs],
        max_turns=9,
    )


def _magentic_one(hooked: Hooked) -> Team:
    rounds, said = iter(range(1, 100)), Talk(90)

    def reply(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
        if "is_request_satisfied" not in str(messages[-1].content):
            return str(said(messages, ()))
        number = next(rounds)
        answers = {
            "is_request_satisfied": number == 7,
            "is_in_loop": False,
            "is_progress_being_made": True,
            "next_speaker": ("ann", "bob")[number % 2],
            "instruction_or_question": f"Instruction {number}: {prose(number, 60)}",
        }
        return json.dumps({key: {"reason": "because", "answer": answer} for key, answer in answers.items()})

    client = StrictClient([reply])
    return MagenticOneGroupChat([_agent(name, client, hooked) for name in ("ann", "bob")], client, max_turns=12)


_TEAMS: dict[Kind, Callable[[Hooked], Team]] = {
    "round_robin": _round_robin,
    "selector": _selector,
    "swarm": _swarm,
    "magentic_one": _magentic_one,
}


async def _saved(who: Team | AssistantAgent) -> dict[str, Any]:
    for task in ("Find out which boiler leaks.", "Go on.", "And on."):
        await who.run(task=task)
        if not isinstance(who, AssistantAgent):
            break
    return dict(await who.save_state())
