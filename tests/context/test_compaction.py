"""What must be there, and what gets shorter where all of it does not fit."""

from __future__ import annotations

import random

import pytest
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from autogen_ext_tokenctx import BudgetTooSmallError, Category, ContextManager, ContextPrioritizer, Form, TokenBudget

from ..support.histories import conversation, exchange, prose

ASKS = "Translate this text into French, and keep the numbers as they are:"


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def story(sentences: int) -> str:
    draw = random.Random(3)
    words = "the of river house walked under green light people morning spoke about it when they came back".split()
    return " ".join(" ".join(draw.choices(words, k=14)).capitalize() + "." for _ in range(sentences))


def report_rows(rows: int) -> str:
    return "\n".join(prose(number, 60) for number in range(rows))


def placed(body: str, where: str) -> str:
    half = len(body) // 2
    return {"begin": f"{ASKS} {body}", "middle": f"{body[:half]}\n{ASKS}\n{body[half:]}", "end": f"{body}\n{ASKS}"}[
        where
    ]


@pytest.mark.parametrize("budget", [300, 600, 1_500])
@pytest.mark.parametrize("where", ["begin", "middle", "end"])
@pytest.mark.parametrize("body", [story(300), report_rows(30), "word " * 4_000], ids=["story", "rows", "one line"])
async def test_a_message_that_is_too_large_keeps_what_it_asks_for(body: str, where: str, budget: int) -> None:
    for history in ([], conversation(6)):
        result = await ContextManager().fit([*history, user(placed(body, where))], budget)
        newest = str(result.messages[-1].content)
        assert ASKS in newest
        assert result.report.tokens_after >= 0.85 * budget


async def test_what_is_asked_is_shortened_after_the_first_task_and_a_tool_result() -> None:
    first, request = user(f"Look after the pumps. {story(12)}"), user(f"Now read gauge 7. {story(6)}")
    history: list[LLMMessage] = [first, AssistantMessage(content="I do.", source="coder"), request, *exchange(7, 400)]
    manager = ContextManager()
    forms: list[dict[int, Form]] = []
    for budget in range(1_400, 250, -50):
        try:
            report = (await manager.for_agent().fit(history, budget)).report
        except BudgetTooSmallError:
            break
        forms.append({step.group: step.form for step in report.steps})
    assert len(forms) > 10
    for form in forms:
        if 2 in form:  # the request: then the others are shorter, too
            assert {0, 3} <= form.keys()
    assert any(0 in form and 2 not in form for form in forms)


async def test_the_head_is_never_shortened_and_an_error_names_it() -> None:
    head = SystemMessage(content=story(40))
    with pytest.raises(BudgetTooSmallError, match="system message") as raised:
        await ContextManager().fit([head, user("Hello"), AssistantMessage(content="Hi", source="a"), user("And?")], 200)
    result = await ContextManager().fit([head, *conversation(10), user("And?")], raised.value.needed + 100)
    assert result.messages[0] is head


@pytest.mark.parametrize("kind", ["design", "execution_history"])
async def test_a_share_of_a_kind_of_context_is_filled_with_it(kind: str) -> None:
    paths = FunctionExecutionResult(
        content="\n".join(f"src/package_{n % 9}/module_{n}.py" for n in range(400)), name="look", call_id="call_900"
    )
    listing = [exchange(900)[0], FunctionExecutionResultMessage(content=[paths])]
    history = [user("Look after the pumps."), *listing, *conversation(12), user("What does boiler 7 read?")]
    category = {"design": "project_structure", "execution_history": "related_task_history"}[kind]
    plain = TokenBudget(limit=1_500, target=1.0)
    tokens: list[int] = []
    for budget in (plain, plain.model_copy(update={"shares": {kind: 0.6}})):
        tokens.append((await ContextManager().fit(history, budget)).report.categories[category][1])
    assert tokens[1] >= tokens[0]
    assert tokens[1] > 0.5 * 1_500


async def test_of_equals_the_heavier_category_stays() -> None:
    one, other = user(f"Blue box: {prose(3, 90)}"), user(f"Red box: {prose(4, 90)}")
    history = [user("Hello"), one, *conversation(6), other, *conversation(6), user("What is in the boxes?")]

    def categorize(chosen: LLMMessage, weight: Category) -> ContextPrioritizer:
        return ContextPrioritizer(categorize=lambda group: weight if group.originals[0] is chosen else None)

    for chosen in (one, other):
        high = ContextManager(prioritizer=categorize(chosen, Category.CURRENT_TASK_REQUIREMENTS))
        low = ContextManager(prioritizer=categorize(chosen, Category.GENERAL_CONTEXT))
        kept = [
            next(
                (step.tokens_after for step in result.report.steps if step.group == history.index(chosen)),
                high.counter.count_message(chosen),
            )
            for result in [await manager.fit(history, 700) for manager in (high, low)]
        ]
        assert kept[0] >= kept[1]


async def test_a_question_has_a_mark_though_a_later_message_repeats_its_answer() -> None:
    task, answer = user("Look after the pumps."), AssistantMessage(content=prose(5, 120), source="coder")
    repeated = answer.model_copy(update={"content": prose(5, 120)})
    history = [task, answer, *conversation(12), user("What did you say first?"), repeated, user("Thanks. And now?")]
    result = await ContextManager().fit(history, 900)
    assert [str(message.content) for message in result.messages[:2]] == [task.content, "[answered]"]
