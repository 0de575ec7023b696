"""What a team knows of its project, where that is too large to be sent whole.

python samples/project_context.py    offline, with a scripted model that can only use what is in its request

Two agents take turns. Requirements, design and memory patterns are sections of one project context, together about as
large as the model's window. AutoGen's ListMemory sends them whole, at every turn once more, and the run dies.
`ProjectContextMemory` lets each in once, and the context keeps of each what counts. On the way the design changes:
from then on its new text holds. Last, the same without a team: how sections rank for a task, and what a request gets.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.memory import ListMemory, Memory, MemoryContent, MemoryMimeType
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from claims import Claims
from quoting_model import QuotingModel

from autogen_ext_tokenctx import (
    ContextManager,
    ContextPrioritizer,
    ProjectContext,
    ProjectContextMemory,
    TokenBudgetChatCompletionContext,
)

BUDGET, WINDOW = 2_500, 6_000
NAMES = ("architect", "coder")
STORES = ("Redis", "PostgreSQL")
QUESTION = "Where are the orders kept, and how long may a request of the checkout take?"


def design(store: str) -> str:
    """The design, with the place of the orders somewhere in the middle."""
    rooms = [f"Service {n} listens on port {8_000 + n} and writes its log to volume {n % 9}." for n in range(120)]
    rooms[60] += f"\nThe orders are kept in {store}."
    return "\n".join(rooms)


def project(store: str = STORES[0]) -> ProjectContext:
    """Three sections of about 2,000 tokens each, two of them with a line that the question is about."""
    rules = [f"Screen {n} must load within {n % 7 + 2} seconds." for n in range(150)]
    rules[90] = "A request of the checkout may take at most 350 ms."
    lessons = [f"Sprint {n}: test {n * 7 % 50} was flaky, so it was run {n % 4 + 2} times." for n in range(120)]
    return ProjectContext(requirements="\n".join(rules), design=design(store), memory_patterns="\n".join(lessons))


def answer(view: str) -> str:
    """What the scripted model says: the newest store and the time, as far as they are in its request."""
    if view.rfind(QUESTION) < view.rfind("Look at part"):
        return f"I have looked at part {len(re.findall('Look at part', view))}."
    store = (re.findall(r"orders are kept in (\w+)", view) or ["unknown"])[-1]
    limit = (re.findall(r"checkout may take at most (\d+ ms)", view) or ["unknown"])[-1]
    return f"Answer: orders in {store}, checkout within {limit}."


async def ask(*, has_plugin: bool) -> tuple[list[str], TokenBudgetChatCompletionContext]:
    """Run the team, with a change of the design between two questions; return the answers and the last context."""
    known = project()
    model = QuotingModel(answer, WINDOW)
    contexts = {name: TokenBudgetChatCompletionContext("gpt-4o", BUDGET) for name in NAMES}
    whole = ListMemory()
    for section in await known.read():
        await whole.add(MemoryContent(content=section.text, mime_type=MemoryMimeType.TEXT))
    memory: Memory = ProjectContextMemory(known) if has_plugin else whole
    agents = [
        AssistantAgent(name, model, memory=[memory], model_context=contexts[name] if has_plugin else None)
        for name in NAMES
    ]
    team = RoundRobinGroupChat([*agents], max_turns=2)
    answers: list[str] = []
    try:
        for store in STORES:
            known.set("design", design(store))
            for part in range(3):
                await team.run(task=f"Look at part {part}.")
            answers.append((await team.run(task=QUESTION)).messages[-1].to_text())
    except RuntimeError as error:  # a team tells its error as text
        answers.append(str(error).splitlines()[0])
    print(f"{'with' if has_plugin else 'without'} the package, largest request {model.largest:,} tokens:")
    print("\n".join(f"  {said}" for said in answers))
    return answers, contexts[NAMES[-1]]


def expected(store: str) -> str:
    return f"Answer: orders in {store}, checkout within 350 ms."


async def team(claims: Claims) -> None:
    """The team, with each of the two memories."""
    before, _ = await ask(has_plugin=False)
    claims.check("sections sent whole do not fit the model", "maximum context length" in before[-1])
    after, context = await ask(has_plugin=True)
    claims.check("both facts were found in sections that do not fit whole", after[0] == expected(STORES[0]))
    is_replaced = not any(f"kept in {STORES[0]}" in str(message.content) for message in context.last_view)
    claims.check("once the design has changed, the new one holds", is_replaced and after[1:] == [expected(STORES[1])])
    kept = await lines_kept(context.last_view, STORES[1], "the coder's last request")
    claims.check("requirements weigh more than memory patterns", kept["requirements"] > kept["memory_patterns"] > 0)


async def lines_kept(view: Sequence[LLMMessage], store: str, name: str) -> dict[str, int]:
    """Print and return how many lines of each section stand in a view."""
    sent = "\n".join(str(message.content) for message in view).split("\n")
    print(f"\n{name}: lines of each section that are in it")
    kept: dict[str, int] = {}
    for section in await project(store).read():
        lines = section.text.split("\n")
        kept[section.name] = len({line for line in lines if any(line in one for one in sent)})
        print(f"  {section.name:<16}{kept[section.name]:>4} of {len(lines)}")
    return kept


async def without_a_team(claims: Claims) -> None:
    """What the manager and the prioritizer say of the same sections."""
    known = project()
    ranked = await ContextPrioritizer().prioritize_context(known, QUESTION)
    print(f"\n{'score':>5}{'weight':>8}{'relevance':>11}  what, for the question")
    for part in ranked:
        print(f"{part.score:>5.2f}{part.weight:>8.1f}{part.relevance:>11.2f}  {part.what}")
    claims.check("the section that answers best comes first", ranked[0].what == "section requirements")
    report = " ".join(f"Ticket {number} is done." for number in range(300))
    history = [
        UserMessage(content="We build a shop.", source="user"),
        AssistantMessage(content=report, source="coder"),
        UserMessage(content=QUESTION, source="user"),
    ]
    result = await ContextManager(project=known).get_context(QUESTION, history, budget=BUDGET)
    await lines_kept(result.messages, STORES[0], "get_context for the question")
    print(f"  {result.report.tokens_before:,} > {result.report.tokens_after:,} of {BUDGET:,} tokens")
    told = answer("\n".join(str(message.content) for message in result.messages))
    claims.check(f"what it gives answers the question ({told})", told == expected(STORES[0]))


async def main() -> int:
    await team(claims := Claims())
    await without_a_team(claims)
    claims.end()
    return claims.code


if __name__ == "__main__":
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)  # the error of the team that dies is printed here
    sys.exit(asyncio.run(main()))
