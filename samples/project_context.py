"""What a team should know: sections of a project that do not all fit, and one that changes on the way.

python samples/project_context.py    offline, with a scripted model that can only use what is in its request

Requirements, design and notes of 2,000 tokens each, for an agent with 3,000. The agent is asked about a line of each,
a requirement changes, and the same is asked of a manager outside of any team.
"""

from __future__ import annotations

import asyncio
import re

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from quoting_model import QuotingModel

from autogen_ext_tokenctx import (
    ContextManager,
    ContextPrioritizer,
    ProjectContext,
    ProjectContextMemory,
    Section,
    TokenBudgetChatCompletionContext,
)

LINES = {
    "requirements": "Orders are exported as Parquet files.",
    "design": "The ledger keeps its rows in CockroachDB.",
    "memory_patterns": "Retries of the mail gateway wait ninety seconds.",
}
ASKED = {
    "As what are orders exported?": "Parquet",
    "Where does the ledger keep its rows?": "CockroachDB",
    "How long do retries of the mail gateway wait?": "ninety",
}


def section(name: str, line: str) -> str:
    """A long text with one line that somebody will ask for."""
    filler = [
        f"Point {number} of {name}: module m{number} talks to module m{number * 7 % 50}." for number in range(120)
    ]
    return "\n".join([*filler[:60], line, *filler[60:]])


def answer(view: str) -> str:
    """Answers the question that stands last, if the line that answers it is there; of two versions the later one."""
    question = max(ASKED, key=lambda text: view.rfind(text))
    line = re.findall(r"Orders are exported as (\w+) files", view)
    if ASKED[question] == "Parquet":
        return line[-1] if line else "unknown"
    return ASKED[question] if any(ASKED[question] in one and one in view for one in LINES.values()) else "unknown"


async def main() -> None:
    project = ProjectContext(Section(name, name, section(name, line)) for name, line in LINES.items())
    context = TokenBudgetChatCompletionContext("gpt-4o", 3_000)
    agent = AssistantAgent(
        "architect", QuotingModel(answer), model_context=context, memory=[ProjectContextMemory(project)]
    )
    team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))
    right = 0
    for question, expected in ASKED.items():
        said = (await team.run(task=question)).messages[-1].to_text()
        report = context.last_report
        assert report is not None
        print(f"{question:46} {said:12} {report.tokens_after:,} of {report.budget:,} tokens")
        right += said == expected
    project.set("requirements", section("requirements", "Orders are exported as CSV files."))
    said = (await team.run(task="As what are orders exported?")).messages[-1].to_text()
    print(f"{'after the requirement has changed:':46} {said}")
    right += said == "CSV"

    print("\nhow much each section matters to a question:")
    for part in await ContextPrioritizer().prioritize_context(project, "Where does the ledger keep its rows?"):
        print(f"  {part.text()}")
    found = await ContextManager(project=project).get_context(
        "How long do retries of the mail gateway wait?", budget=1_500
    )
    print(f"get_context: {found.report.tokens_before:,} tokens became {found.report.tokens_after:,}")
    right += any(LINES["memory_patterns"] in str(message.content) for message in found.messages)
    print(f"\nright answers: {right} of {len(ASKED) + 2}")


if __name__ == "__main__":
    asyncio.run(main())
