"""The way through a fit: what managers share and what they do not, what is recalled, and where work is done."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx import BudgetTooSmallError, Form, Summary
from autogen_ext_tokenctx.context.engine import ContextEngine
from autogen_ext_tokenctx.context.request import FitRequest
from autogen_ext_tokenctx.forms.form import Level
from autogen_ext_tokenctx.selection.prioritizer import PinReason
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter, RequestTokenCounter

from ..support.histories import conversation, prose

RULES = SystemMessage(content="Be brief.")
HISTORY = conversation(12)


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def asked(messages: Sequence[LLMMessage], budget: int, summary: Summary | None = None) -> FitRequest:
    return FitRequest(messages=messages, budget=TokenBudget.of(budget, target=1.0), summary=summary)


def engine() -> ContextEngine:
    return ContextEngine(counter=EstimatedTokenCounter())


async def test_agents_of_a_manager_share_all_but_what_left_their_views() -> None:
    root = engine()
    first, second = root.for_agent(), root.for_agent()
    assert first.counter is second.counter is root.counter
    assert first.prioritizer is root.prioritizer
    result = await first.fit_request(asked(HISTORY, 900))
    handle = next(step.handle for step in result.report.steps if step.handle)
    assert handle in first.archive
    assert handle not in second.archive
    assert handle not in root.archive


async def test_a_counter_that_is_guarded_is_not_guarded_again() -> None:
    root = engine()
    assert ContextEngine(counter=root.counter).counter is root.counter


@pytest.mark.parametrize("budget", [600, 900, 2_000])
async def test_reading_ahead_changes_nothing_but_the_time(budget: int) -> None:
    ahead = engine()
    for number, message in enumerate(HISTORY):
        await ahead.learn(message, number)
    read, cold = [await one.fit_request(asked(HISTORY, budget)) for one in (ahead, engine())]
    assert read.messages == cold.messages
    assert read.report.steps == cold.report.steps


async def test_a_message_that_is_not_the_next_one_is_read_later() -> None:
    one = engine()
    for number in (0, 5, 2):
        await one.learn(HISTORY[number], number)
    result = await one.fit_request(asked(HISTORY, 900))
    assert result.messages == (await engine().fit_request(asked(HISTORY, 900))).messages


EARLIER: list[LLMMessage] = [
    user("Look after the boilers."),
    AssistantMessage(content="Ann's parcel to Lyon has the number LY-4711.", source="coder"),
    *(user(prose(number, 40)) for number in range(6)),
]
QUESTION = [user("Which number has Ann's parcel to Lyon?")]


async def test_what_is_asked_for_is_recalled_within_its_tokens() -> None:
    one = engine()
    block = await one.recall(EARLIER, QUESTION, QUESTION, 200)
    assert block is not None
    assert "LY-4711" in str(block.message.content)
    assert one.counter.count_message(block.message) == block.step.tokens_after <= 200
    assert block.step.form is Form.RECALLED


@pytest.mark.parametrize(
    ("earlier", "question", "view", "tokens"),
    [
        ([], QUESTION, QUESTION, 200),
        (EARLIER, [user("Who won the election?")], QUESTION, 200),
        (EARLIER, QUESTION, [*EARLIER, *QUESTION], 200),
        (EARLIER, QUESTION, QUESTION, 5),
    ],
    ids=["nothing before", "nothing of it", "all there", "no tokens"],
)
async def test_nothing_is_recalled_where_nothing_is_missing(
    earlier: list[LLMMessage], question: list[LLMMessage], view: list[LLMMessage], tokens: int
) -> None:
    assert await engine().recall(earlier, question, view, tokens) is None


async def test_of_a_long_history_what_the_index_finds_is_recalled() -> None:
    many = [*EARLIER, *(user(prose(number, 12)) for number in range(100, 400))]
    block = await engine().recall(many, QUESTION, QUESTION, 200)
    assert block is not None
    assert "LY-4711" in str(block.message.content)


async def test_what_a_person_asked_is_not_recalled_for_others() -> None:
    before = [*EARLIER, QUESTION[0]]
    block = await engine().recall(before, [user("Lyon?")], QUESTION, 400, question=QUESTION)
    assert block is None or str(QUESTION[0].content) not in str(block.message.content)


@pytest.mark.parametrize("expandable", [True, False])
async def test_a_recalled_block_names_a_call_only_where_it_can_be_made(expandable: bool) -> None:
    parcels = "\n".join(f"{prose(number, 15)} Crate {number}." for number in range(20))
    earlier = [EARLIER[0], user(f"{parcels}\nThe parcel LY-4711 went to Lyon.\n{parcels}"), *EARLIER[2:]]
    block = await engine().recall(earlier, QUESTION, QUESTION, 120, expandable=expandable)
    assert block is not None
    assert ("expand_context" in str(block.message.content)) is expandable


async def test_a_summary_stands_in_a_view_that_had_to_be_shorter() -> None:
    summary = Summary(text="Boiler nine leaks.", covers=8, key="k", tokens_before=600)
    result = await engine().fit_request(asked(HISTORY, 900, summary))
    assert summary.message() in result.messages
    assert result.report.level is Level.SUMMARY
    whole = await engine().fit_request(asked(HISTORY[:3], 900, summary))
    assert whole.messages == HISTORY[:3]


async def test_a_summary_that_leaves_what_must_be_there_no_tokens_is_left_out() -> None:
    summary = Summary(text=prose(7, 600), covers=8, key="k", tokens_before=600)
    result = await engine().fit_request(asked(HISTORY, 400, summary))
    assert summary.message() not in result.messages
    assert result.report.tokens_after <= 400


async def test_what_cannot_fit_is_refused_with_what_it_needs() -> None:
    with pytest.raises(BudgetTooSmallError) as raised:
        await engine().fit_request(asked([RULES, user("word " * 40)], 10))
    assert raised.value.budget == 10
    assert raised.value.needed > 10


async def test_scores_say_what_must_stay_and_choose_nothing() -> None:
    one = engine()
    context = await one.scored([RULES, *HISTORY], pinned=[HISTORY[6]])
    pins = [scored.pinned for scored in context.groups.values()]
    assert pins[0] is PinReason.SYSTEM
    assert PinReason.USER in pins
    assert PinReason.FIRST_TASK in pins
    assert not one.archive


async def test_tokens_are_free_beside_what_must_stay() -> None:
    one = engine()
    assert await one.free_tokens(TokenBudget.of(1_000), []) == 1_000 - one.counter.count_request(())
    rules = await one.free_tokens(TokenBudget.of(1_000), [RULES])
    assert rules == 1_000 - one.counter.count_request([RULES])
    reserved = TokenBudget(limit=1_000, reserve=300)
    assert await one.free_tokens(reserved, [RULES]) == rules - 300
    assert await one.free_tokens(TokenBudget.of(10), [RULES, user("word " * 40)]) == 0


class Own(RequestTokenCounter):
    """A counter of a user's, which notes the threads that it is called in."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def count_text(self, text: str) -> int:
        self.threads.add(threading.get_ident())
        return len(text.split())


class Estimating(EstimatedTokenCounter):
    """One of the package's, which does the same."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def count_text(self, text: str) -> int:
        self.threads.add(threading.get_ident())
        return super().count_text(text)


@pytest.mark.parametrize("counter", [Own(), Estimating()], ids=lambda counter: type(counter).__name__)
async def test_long_texts_are_counted_in_a_thread_unless_by_what_the_user_brought(counter: Own | Estimating) -> None:
    history = [*conversation(30), user("word " * 8_000), user("Which?")]
    await ContextEngine(counter=counter).fit_request(asked(history, 2_000))
    here = threading.get_ident()
    assert counter.threads == {here} if isinstance(counter, Own) else counter.threads - {here}


async def test_short_histories_are_fitted_at_once() -> None:
    counter = Estimating()
    await ContextEngine(counter=counter).fit_request(asked(HISTORY, 900))
    assert counter.threads == {threading.get_ident()}
