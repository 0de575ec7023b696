"""Budgets that nobody wrote down: from the model's limits, for each agent, and by how complex the task is.

python samples/limits_and_budgets.py    offline, with a scripted model that can only use what is in its request

First, where a budget comes from, and what happens to one that is too large. Then a model with a window of 3,000 tokens
writes eight reports, without this package and with it. Last, one history seen for tasks of different complexity.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path
from typing import Literal

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from claims import Claims
from quoting_model import QuotingModel

from autogen_ext_tokenctx import (
    ContextManager,
    FitReport,
    ProjectContext,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
    TokenConfig,
    TokenManager,
)

WINDOW = 3_000
EASY = "Fix the typo in line 12."
HARD = "Design and migrate the whole storage system: concurrent writers, security, tests, and a plan for production."
ASKED: dict[str, tuple[Literal["low", "high", "auto"], str]] = {
    "hard as low": ("low", HARD),
    "hard as high": ("high", HARD),
    "hard, auto": ("auto", HARD),
    "easy as low": ("low", EASY),
    "easy, auto": ("auto", EASY),
}
KINDS = ("project_structure", "memory_patterns", "related_task_history")


async def first_call(model: str, *, limits: TokenManager | None = None, budget: int | None = None) -> FitReport:
    context = TokenBudgetChatCompletionContext(model, budget, token_manager=limits)
    await context.add_message(UserMessage(content="Hello", source="user"))
    for _ in range(2):  # a second call says nothing new
        await context.get_messages()
    assert context.last_report is not None
    return context.last_report


async def sources(claims: Claims, folder: Path) -> None:
    """Budgets without ``budget=``, and one above the limit."""
    file = folder / "model_limits.json"
    file.write_text(json.dumps({"gpt-4.1": {"context_window": 20_000, "max_input_tokens": 12_000}}), encoding="utf-8")
    limits = TokenManager(TokenConfig(model_limits_config_path=file))
    found = {model: await first_call(model, limits=limits) for model in ("gpt-4o", "gpt-4.1", "gpt-4")}
    print("model       budget  from")
    for model, report in found.items():
        print(f"{model:<9}{report.budget:>9,}  {report.budget_source}")
    told = [report.budget_source for report in found.values()]
    claims.check("three sources give budgets", told == ["environment", "config_file", "known_table"])
    claims.check("the reply is held back of a window that it shares", found["gpt-4o"].budget == WINDOW * 3 // 4)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        capped = await first_call("gpt-4", budget=1_000_000)
    print(f"\nbudget=1_000_000 for gpt-4 became {capped.budget:,}. {len(said)} warning:")
    print(textwrap.fill(str(said[0].message), 110))
    claims.check("a budget above the limit is cut to it, with one warning", (capped.budget, len(said)) == (8_192, 1))


def answer(view: str) -> str:
    """What the scripted model says: a long report, or the code of the second report if it is in the request."""
    if "Which code" in view:
        return f"The code is {(re.findall(r'access code (K-[0-9]+)', view) or ['unknown'])[0]}."
    code = "The access code K-4711 opens the hall." if view.endswith("Write report 2.") else ""
    return " ".join([code, *(f"Pump {n} ran {n * 37 % 200} hours at {n % 7} bar." for n in range(30))])


async def small_window(claims: Claims, *, has_plugin: bool) -> None:
    """Two agents with a model that takes 3,000 tokens; the environment says so."""
    model = QuotingModel(answer, WINDOW)
    client = TokenBudgetChatCompletionClient(model, agent_budgets={"writer": 1_500}, model="gpt-4o")
    agents = [AssistantAgent(name, client if has_plugin else model) for name in ("reader", "writer")]
    team = RoundRobinGroupChat([*agents], max_turns=2)
    tasks = [*(f"Write report {number}." for number in range(1, 9)), "Which code opens the hall?"]
    said = ""
    try:
        for task in tasks:
            said = (await team.run(task=task)).messages[-1].to_text()
    except RuntimeError as error:  # a team tells its error as text
        said = str(error).splitlines()[0]
    print(f"{'with' if has_plugin else 'without'} the package, largest request {model.largest:,} tokens: {said}")
    if has_plugin:
        budgets = {record.agent: record.report.budget for record in client.recent}
        claims.check(f"budgets by agent, or by the limit: {budgets}", budgets == {"reader": 2_250, "writer": 1_500})
        claims.check("with the package the answer is right", said == "The code is K-4711.")
    else:
        claims.check("without the package the team dies of its context length", "maximum context length" in said)


def history(task: str) -> list[LLMMessage]:
    """Design, memory and work done, each more than a budget holds."""
    design = "\n".join(f"src/storage/part_{n}/writer_{n}.py" for n in range(300))
    memory = " ".join(f"Earlier, change {n} broke test {n * 7 % 50}." for n in range(150))
    work = [" ".join(f"Line {n}.{m} of file {n} has {m % 9} words." for m in range(40)) for n in range(12)]
    return [
        UserMessage(content="We work on the storage.", source="user"),
        *(section.message() for section in ProjectContext(design=design, memory_patterns=memory).texts()),
        *(AssistantMessage(content=text, source="coder") for text in work),
        UserMessage(content=task, source="user"),
    ]


async def complexities(claims: Claims) -> None:
    print(f"\n{'tokens in the view':<18}" + "".join(f"{kind:>22}" for kind in KINDS))
    views: dict[str, list[int]] = {}
    for name, (complexity, task) in ASKED.items():
        report = (await ContextManager().fit(history(task), 4_000, task=task, complexity=complexity)).report
        views[name] = [report.categories[kind][1] for kind in KINDS]
        print(f"{name:<18}" + "".join(f"{tokens:>22,}" for tokens in views[name]))
    low, high, hard, *easy = views.values()
    claims.check("complex: more of the design; simple: more of the work", low[0] < high[0] and low[2] > high[2])
    claims.check("auto sees by the words which is which", hard == high and easy[0] == easy[1])


async def main() -> int:
    claims = Claims()
    os.environ["MODEL_LIMIT_GPT4O"] = str(WINDOW)
    with tempfile.TemporaryDirectory() as folder:
        await sources(claims, Path(folder))
    print(f"\na team whose model takes {WINDOW:,} tokens")
    await small_window(claims, has_plugin=False)
    await small_window(claims, has_plugin=True)
    await complexities(claims)
    claims.end()
    return claims.code


if __name__ == "__main__":
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)  # the error of the team that dies is printed here
    sys.exit(asyncio.run(main()))
