"""Limits and budgets: where a budget comes from, and what it is spent on.

python samples/limits_and_budgets.py    offline, with a scripted model that refuses what its window does not hold

A history of 9,000 tokens is sent to a model with a window of 6,000: alone it dies, with this package it answers. Then
the budget comes from a variable, is cut to what the model takes, and is divided by how much a task asks for.
"""

from __future__ import annotations

import asyncio
import os
import warnings

from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from quoting_model import QuotingModel
from scripted_model import ContextLengthError

from autogen_ext_tokenctx import (
    ProjectContext,
    Section,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
    TokenManager,
)

FACT = "The reserve pump of hall nine is primed with glycol."
QUESTION = "With what is the reserve pump of hall nine primed?"
WINDOW = 6_000


def note(number: int) -> str:
    return f"Note {number}: valve {number} read {number * 37 % 101}, relay {number * 7} is closed. " * 5


def history() -> list[LLMMessage]:
    """A long talk with one fact in it, and a question about that fact at its end."""
    said: list[LLMMessage] = [UserMessage(content=f"Keep notes of the halls. {FACT}", source="user")]
    for number in range(75):
        said.append(AssistantMessage(content=note(number), source="assistant"))
        said.append(UserMessage(content=f"Go on with hall {number + 1}.", source="user"))
    return [*said, UserMessage(content=QUESTION, source="user")]


def answer(view: str) -> str:
    return "glycol" if FACT in view else "unknown"


def small_model() -> QuotingModel:
    model = QuotingModel(answer)
    model._window = WINDOW  # pyright: ignore[reportPrivateUsage]
    return model


async def window() -> bool:
    """The same history without and with the package."""
    try:
        await small_model().create(history())
        return False
    except ContextLengthError as error:
        print(f"without: {error}")
    client = TokenBudgetChatCompletionClient(small_model(), budget=WINDOW, model="gpt-4o")
    reply = await client.create(history())
    report = client.last_report
    assert report is not None
    print(f"with:    {report.tokens_before:,} tokens became {report.tokens_after:,}; the answer is {reply.content}")
    return reply.content == "glycol" and report.tokens_after <= WINDOW


async def source_of(budget: int | None) -> tuple[str, int]:
    """Where the budget of a call comes from, and what it is."""
    client = TokenBudgetChatCompletionClient(QuotingModel(answer), budget, model="gpt-4")
    await client.create([UserMessage(content=QUESTION, source="user")])
    report = client.last_report
    assert report is not None
    return report.budget_source, report.budget


async def sources() -> bool:
    """The known table, a variable, and a budget that is more than the model takes."""
    print(f"\nno budget given:       {await source_of(None)}")
    os.environ["MODEL_LIMIT_GPT4"] = "5000"
    by_variable = await source_of(None)
    print(f"MODEL_LIMIT_GPT4=5000: {by_variable}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        capped = await source_of(16_000)
    print(f"budget=16_000:         {capped}, with {len(said)} warning")
    explained = await TokenManager().explain("gpt-4")
    del os.environ["MODEL_LIMIT_GPT4"]
    print(f"TokenManager().explain: {str(explained).splitlines()[0]}")
    return by_variable[0] == capped[0] == "environment" and capped[1] <= 5_000 and len(said) == 1


async def complexity() -> bool:
    """One history, three complexities: what the tokens go to."""
    names = ("requirements", "design", "memory_patterns")
    lines = {name: [f"{name} {n}: halls of kind {n} have {n * 3} pumps each." for n in range(150)] for name in names}
    texts = ProjectContext(Section(name, name, "\n".join(own)) for name, own in lines.items()).texts()
    project: list[LLMMessage] = [text.message() for text in texts]
    shares: list[int] = []
    print()
    for asked in ("low", "medium", "high"):
        context = TokenBudgetChatCompletionContext(
            "gpt-4o", 3_000, complexity=asked, initial_messages=[SystemMessage(content="You help."), *history()[:1]]
        )
        for message in [*project, *history()[1:]]:
            await context.add_message(message)
        await context.get_messages()
        report = context.last_report
        assert report is not None
        kept = {name: tokens for name, (_, tokens) in report.categories.items()}
        shares.append(kept["project_structure"])
        print(f"complexity={asked!r:9} design {shares[-1]:>5}, history {kept['related_task_history']:>5} tokens")
    return shares == sorted(set(shares))


async def main() -> None:
    results = [await window(), await sources(), await complexity()]
    print(f"\nas promised: {sum(results)} of {len(results)}")


if __name__ == "__main__":
    asyncio.run(main())
