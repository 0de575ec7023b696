"""Standing instructions in views: held word for word, with their speaker, until they are taken back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from autogen_ext_tokenctx import (
    ContextManager,
    ContextPrioritizer,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
)
from autogen_ext_tokenctx.context.report import FitResult

from ..support.histories import conversation, exchange
from ..support.strict_client import StrictClient

RULE = "Never send anything to the warehouse in Ulm without asking me first."


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def talk(*said: LLMMessage) -> list[LLMMessage]:
    """Some messages in the middle of a long conversation."""
    return [user("Look after the boilers."), agent("I do."), *conversation(12), *said, *conversation(24)[24:]]


def text_of(view: Sequence[LLMMessage]) -> str:
    return "\n".join(str(message.content) for message in view)


async def fit(history: Sequence[LLMMessage], budget: int = 700, manager: ContextManager | None = None) -> FitResult:
    return await (manager or ContextManager()).fit([*history, user("What does boiler 7 read?")], budget)


RULES = (
    RULE,
    "From now on answer in at most three sentences.",
    "You may restart the pump in hall 4 whenever you like, no need to ask me.",
    "Before each report, check the gauge first and only then write it.",
    "All temperatures in Celsius, please.",
    "以后给我的回答都用中文写，不要超过三句。",
)


@pytest.mark.parametrize("rule", RULES)
async def test_a_rule_stands_word_for_word_in_a_tight_view(rule: str) -> None:
    result = await fit(talk(user(f"The gauge is new. {rule}"), agent("Understood.")))
    assert rule in text_of(result.messages)
    assert rule in [held.text for held in result.report.instructions]
    assert rule[:40] in repr(result.report)


async def test_it_has_its_speaker_and_stands_before_later_ones() -> None:
    later = "Always write the numbers of boilers in full."
    result = await fit(talk(user(RULE), agent("Yes."), *exchange(90), user(later), agent("I will.")))
    text = text_of(result.messages)
    assert text.index(RULE) < text.index(later)
    assert {held.text: held.speaker for held in result.report.instructions}.items() >= {
        RULE: "user",
        later: "user",
    }.items()
    assert f"user: {RULE}" in text


@pytest.mark.parametrize("other", [agent(RULE), user(RULE, source="web_surfer")])
async def test_nobody_but_a_person_gives_rules(other: LLMMessage) -> None:
    result = await fit(talk(other))
    assert RULE not in [held.text for held in result.report.instructions]


async def test_whoever_is_named_as_a_person_gives_rules() -> None:
    manager = ContextManager(prioritizer=ContextPrioritizer(people=["Dana"]))
    result = await fit(talk(user(RULE, source="Dana"), agent("Yes.")), manager=manager)
    assert {held.text: held.speaker for held in result.report.instructions}[RULE] == "Dana"


TAKEN_BACK = {
    "Forget what I said about the warehouse in Ulm, send things there as you like.": "Ulm",
    "The ban on the warehouse in Ulm is lifted again.": "Ulm",
}


@pytest.mark.parametrize("later", TAKEN_BACK)
async def test_what_takes_a_rule_back_takes_its_place(later: str) -> None:
    result = await fit(talk(user(RULE), agent("Yes."), *exchange(91), user(later), agent("Good.")))
    held = [one.text for one in result.report.instructions]
    assert RULE not in held
    assert later in held
    assert later in text_of(result.messages)


async def test_a_callable_names_further_ones() -> None:
    odd = "Boiler seven sulks in March."

    def find(message: LLMMessage) -> list[str]:
        return [odd, "not there"] if odd in str(message.content) else []

    manager = ContextManager(prioritizer=ContextPrioritizer(instructions=find))
    result = await fit(talk(user(f"{odd} It rained."), agent("I see.")), manager=manager)
    assert odd in text_of(result.messages)
    assert {one.text: one.score for one in result.report.instructions}[odd] == 1.0


async def test_a_callable_that_raises_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def find(message: LLMMessage) -> list[str]:
        raise RuntimeError("no")

    manager = ContextManager(prioritizer=ContextPrioritizer(instructions=find))
    result = await fit(talk(user(RULE), agent("Yes.")), manager=manager)
    await fit(talk(user(RULE), agent("Yes.")), manager=manager)
    assert RULE in text_of(result.messages)
    assert sum("instructions=" in record.message for record in caplog.records) == 1


async def test_they_take_a_fifth_at_most_and_one_warning_names_what_falls() -> None:
    rules = [f"Never touch the valve number {n} in hall {n % 7} without asking me before you do it." for n in range(60)]
    history = talk(*(message for rule in rules for message in (user(rule), agent("Yes."))))
    manager = ContextManager()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = await fit(history, 1_500, manager)
        await fit(history, 1_400, manager)
    assert [str(warning.message).partition(" take")[0] for warning in caught] == ["standing instructions"]
    assert 0.1 * 1_500 < sum(held.tokens for held in result.report.instructions) <= 0.2 * 1_500


@pytest.mark.parametrize("hook", ["context", "client"])
async def test_it_survives_twenty_compactions(hook: str) -> None:
    context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=900)
    client = TokenBudgetChatCompletionClient(inner := StrictClient(), 900, model="gpt-4o")
    history: list[LLMMessage] = [user("Look after the boilers."), agent("I do."), user(RULE), agent("Yes.")]
    compactions = 0
    for turn in range(60):
        history += [user(f"What does gauge {turn} read?"), *exchange(turn, 150), agent(f"Gauge {turn} is fine.")]
        asked = [*history, user("And the next one?")]
        if hook == "context":
            await context.clear()
            for message in asked:
                await context.add_message(message)
            view, report = await context.get_messages(), context.last_report
        else:
            await client.create(asked)
            view, report = list(inner.requests[-1].messages), client.last_report
        assert RULE in text_of(view)
        compactions += report is not None and report.compacted
    assert compactions >= 20


async def test_it_survives_saving_and_a_change_of_model() -> None:
    context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=900, initial_messages=talk(user(RULE)))
    await context.get_messages()
    other = TokenBudgetChatCompletionContext(model="claude-sonnet-4", budget=1_200)
    await other.load_state(await context.save_state())
    await other.add_message(user("And the next one?"))
    assert RULE in text_of(await other.get_messages())


async def test_what_is_said_twice_is_held_once_where_it_was_said_last() -> None:
    once = await fit(talk(user(RULE), agent("Yes.")))
    twice = await fit(talk(user(RULE), agent("Yes."), *exchange(92), user(RULE), agent("Yes, yes.")))
    first, last = ([one.group for one in result.report.instructions if one.text == RULE] for result in (once, twice))
    assert len(first) == len(last) == 1
    assert last > first
