"""What an agent says beside its calls is text: weighed, quoted, recalled, searched, and missed when it goes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.form import Form, Level
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from tests.support.histories import prose

SHARED = ContextManager()

DECISIONS = {
    "We bill the invoices in Swiss francs, rounded up.": "In which currency do we bill the invoices?",
    "I skip the Hamburg warehouse: its thermometer is broken.": "Which warehouse was skipped, and why?",
    "The root cause is a missing index on table orders_2291.": "What was the root cause in table orders_2291?",
    "The rollout starts from branch release/4.2, not from main.": "From which branch does the rollout start?",
}


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def exchange(number: int, result: str, thought: str | None, item: int | None = None) -> list[LLMMessage]:
    arguments = json.dumps({"item": number if item is None else item})
    call = FunctionCall(id=f"call_{number}", name="look", arguments=arguments)
    answer = FunctionExecutionResult(content=result, name="look", call_id=call.id, is_error=False)
    return [
        AssistantMessage(content=[call], source="coder", thought=thought),
        FunctionExecutionResultMessage(content=[answer]),
    ]


def as_records(number: int) -> str:
    return json.dumps([{"id": number * 100 + n, "state": "open", "pump": f"p-{n * 7}"} for n in range(12)], indent=2)


def as_log(number: int) -> str:
    return "\n".join(f"12:00:{n:02d} worker-{number} read valve {n * number % 31}" for n in range(20))


RESULTS: dict[str, Callable[[int], str]] = {
    "short": lambda number: prose(number, 12),
    "prose": lambda number: prose(number, 90),
    "records": as_records,
    "log": as_log,
}


def history(kind: str, *, thoughts: bool = True) -> list[LLMMessage]:
    """A long run of calls, with four decisions beside them, or else in messages of their own."""
    messages: list[LLMMessage] = [user("Find out which boiler leaks.")]
    decisions = list(DECISIONS)
    for number in range(12):
        decision = decisions[number // 3] if number % 3 == 1 else None
        if decision is not None and not thoughts:
            messages.append(AssistantMessage(content=decision, source="coder"))
        messages += exchange(number, RESULTS[kind](number), decision if thoughts else None)
    return messages


def in_view(messages: list[LLMMessage]) -> set[str]:
    text = str(messages)
    return {decision for decision in DECISIONS if decision in text}


@pytest.mark.parametrize("kind", RESULTS)
async def test_lossless_means_that_every_word_beside_a_call_is_there(kind: str) -> None:
    messages = [*history(kind), user("Go on.")]
    whole = SHARED.counter.count_request(messages)
    levels: set[Level] = set()
    for tokens in (1, 8, 20, 40, whole // 10, whole // 2, whole * 4 // 5):
        result = await SHARED.for_agent().fit(messages, whole - tokens)
        levels.add(result.report.level)
        if result.report.level is Level.LOSSLESS:
            assert in_view(result.messages) == set(DECISIONS)
        if in_view(result.messages) != set(DECISIONS):
            assert result.report.quality < 1.0
    assert max(levels) > Level.LOSSLESS


@pytest.mark.parametrize("kind", RESULTS)
async def test_what_is_said_beside_a_call_stays_as_often_as_what_is_said_alone(kind: str) -> None:
    found = dict.fromkeys((True, False), 0)
    for thoughts in found:
        for decision, question in DECISIONS.items():
            messages = [*history(kind, thoughts=thoughts), user(question)]
            result = await SHARED.for_agent().fit(messages, SHARED.counter.count_request(messages) // 3)
            found[thoughts] += decision in in_view(result.messages)
    assert found == {True: len(DECISIONS), False: len(DECISIONS)}


@pytest.mark.parametrize("kind", ["prose", "records", "log"])
@pytest.mark.parametrize(("decision", "question"), DECISIONS.items())
async def test_a_result_that_comes_again_does_not_take_along_what_was_said_beside_it(
    kind: str, decision: str, question: str
) -> None:
    result = RESULTS[kind](7)
    messages = [
        user("Find out which boiler leaks."),
        *exchange(1, result, decision, item=7),
        *exchange(2, prose(2, 40), None),
        *exchange(3, result, "Once more, to be sure.", item=7),
        user(question),
    ]
    fitted = await SHARED.for_agent().fit(messages, SHARED.counter.count_request(messages) - 10)
    assert decision in str(fitted.messages)
    assert fitted.report.level > Level.LOSSLESS
    repeated = [*exchange(1, result, decision, item=7), *exchange(3, result, decision, item=7)]
    messages = [messages[0], *repeated, messages[-1]]
    fitted = await SHARED.for_agent().fit(messages, SHARED.counter.count_request(messages) - 10)
    assert decision in str(fitted.messages)
    assert fitted.report.level is Level.LOSSLESS


@pytest.mark.parametrize(("decision", "question"), DECISIONS.items())
async def test_what_was_said_beside_a_call_is_recalled_and_searched(decision: str, question: str) -> None:
    context = TokenBudgetChatCompletionContext(budget=700, reserve=0)
    for message in history("prose"):
        await context.add_message(message)
        await context.get_messages()
    for number in range(20, 80):
        await context.add_message(AssistantMessage(content=prose(number, 40), source="coder"))
        await context.get_messages()
    assert decision not in str(context.last_view)
    await context.add_message(user(question))
    assert decision in str(await context.get_messages())
    assert decision in context.manager.search(question)[0].excerpt


@pytest.mark.parametrize("kind", RESULTS)
async def test_a_long_text_beside_a_call_that_is_shortened_says_so(kind: str) -> None:
    thought = "\n".join(f"Step {n}: {prose(n, 9)}" for n in range(60))
    messages = [user("Find out which boiler leaks."), *exchange(1, RESULTS[kind](1), thought)]
    manager = SHARED.for_agent()
    result = await manager.fit(messages, 700)
    head = result.messages[-2]
    assert isinstance(head, AssistantMessage)
    (step,) = [step for step in result.report.steps if step.form is Form.EXTRACT]
    assert head.thought is not None
    assert f'expand_context("{step.handle}")' in head.thought
    assert "Step 0:" in head.thought
    assert manager.expand(step.handle) == messages[1:]
