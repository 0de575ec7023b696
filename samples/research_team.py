"""Three agents read the asyncio sources of this Python to answer one question, each agent in its own token budget.

python samples/research_team.py                   offline, with a scripted model
python samples/research_team.py --without         the same without the plugin
python samples/research_team.py --model gpt-4o    a real model; the key is read from OPENAI_API_KEY
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

from asyncio_sources import list_files, read_file, search_files, true_answers
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import ChatCompletionClient, ModelFamily, ModelInfo
from call_table import HEADER, PrintingClient
from scripted_model import WINDOW, ScriptedModel

from autogen_ext_tokenctx import TokenBudgetChatCompletionContext

BUDGETS = {"researcher": 8_000, "analyst": 6_000, "writer": 4_000}
OTHERS_BUDGET = 2_000  # for the call that selects the next speaker

DUTIES = {
    "researcher": "You are the researcher. Read the source files that matter, and quote what they say.",
    "analyst": "You are the analyst. Search all source files for definitions, and quote what you find.",
    "writer": "You are the writer. Look up what the others left open. Give the final answer when all is known.",
}
TOOLS = {"researcher": [list_files, read_file], "analyst": [search_files], "writer": [read_file]}

QUESTION = """Which defaults and signatures does asyncio have in this Python? Find in its sources:
{items}
When all is known, the writer says FINAL ANSWER and then a line `item: value` for each item. The value is what the \
source says: the right-hand side of the assignment, the parameters without parentheses, the exception class.""".format(
    items="\n".join(f"- {item}" for item in true_answers())
)

SELECTOR_PROMPT = """The members of a team:
{roles}
Their conversation:
{history}
Who of {participants} speaks next? Look up what is still unknown first; then the writer answers. Say only the name."""


def build_team(
    kind: str, client: ChatCompletionClient, contexts: Mapping[str, ChatCompletionContext]
) -> RoundRobinGroupChat | SelectorGroupChat:
    agents: list[ChatAgent | Team] = [
        AssistantAgent(
            name,
            client,
            tools=[*TOOLS[name]],
            model_context=contexts[name],
            system_message=duty,
            description=duty,
            max_tool_iterations=8,
            reflect_on_tool_use=True,
        )
        for name, duty in DUTIES.items()
    ]
    end = TextMentionTermination("FINAL ANSWER", sources=["writer"]) | MaxMessageTermination(60)
    if kind == "round-robin":
        return RoundRobinGroupChat(agents, termination_condition=end)
    return SelectorGroupChat(agents, client, termination_condition=end, selector_prompt=SELECTOR_PROMPT)


async def run_with(kind: str, model: ChatCompletionClient, name: str) -> bool:
    """Run the team with both hooks. True when the answer is right and no request was over its budget."""
    contexts = {agent: TokenBudgetChatCompletionContext(name, budget) for agent, budget in BUDGETS.items()}
    client = PrintingClient(model, OTHERS_BUDGET, contexts, name)
    print(f"\n{kind} team\n{HEADER}")
    result = await build_team(kind, client, contexts).run(task=QUESTION)
    print(client.totals)
    return check(result.messages[-1].to_text()) and not client.totals.over_budget


async def run_without(kind: str, model: ChatCompletionClient) -> bool:
    """Run the team as AutoGen does without the plugin: every agent sends its whole history."""
    contexts = {agent: UnboundedChatCompletionContext() for agent in BUDGETS}
    try:
        result = await build_team(kind, model, contexts).run(task=QUESTION)
    except Exception as error:
        print(f"\n{kind} team without the plugin died: {(str(error) or repr(error)).splitlines()[0]}")
        return False
    return check(result.messages[-1].to_text())


def check(answer: str) -> bool:
    """Print the final answer, and whether the sources themselves say the same."""
    truth = true_answers()
    said = dict(re.findall(r"^\W*([\w ]+?)\W*: *`?(.*?)`?$", answer, re.MULTILINE))
    wrong = [item for item, value in truth.items() if said.get(item) != value]
    print(f"{answer}\nanswer correct: {'no, see ' + ', '.join(wrong) if wrong else 'yes'}")
    return not wrong


def real_model(name: str, base_url: str | None) -> ChatCompletionClient:
    try:
        openai = importlib.import_module("autogen_ext.models.openai")
    except ImportError:
        sys.exit('--model needs AutoGen\'s OpenAI client: pip install "autogen-ext[openai]"')
    options: dict[str, Any] = {"base_url": base_url} if base_url else {}
    info = ModelInfo(
        vision=False, function_calling=True, json_output=False, structured_output=False, family=ModelFamily.UNKNOWN
    )
    try:
        return openai.OpenAIChatCompletionClient(model=name, model_info=info, **options)
    except Exception as error:  # no key, or a bad URL
        sys.exit(f"{type(error).__name__}: {error}")


async def main() -> int:
    parser = argparse.ArgumentParser(description="A research team in which every agent keeps to its token budget.")
    parser.add_argument("--team", choices=["round-robin", "selector", "both"], default="both")
    parser.add_argument("--without", action="store_true", help="run without the plugin")
    parser.add_argument("--model", metavar="NAME", help="use a real model, with the key in OPENAI_API_KEY")
    parser.add_argument("--base-url", metavar="URL", help="endpoint of the model, when it is not OpenAI's")
    args = parser.parse_args()
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)  # a run that dies is told in one line
    right = True
    for kind in ["round-robin", "selector"] if args.team == "both" else [args.team]:
        model = real_model(args.model, args.base_url) if args.model else ScriptedModel(WINDOW)
        run = run_without(kind, model) if args.without else run_with(kind, model, args.model or "gpt-4o")
        right = await run and right
        await model.close()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
