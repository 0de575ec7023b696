"""The calls of one agent: what the next one goes on from, and what is remembered of those that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from autogen_core.models import AssistantMessage, CreateResult, LLMMessage, UserMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.report import FitResult
from autogen_ext_tokenctx.context.request import FitRequest
from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.hooks.session import CallRequest, Session, share_of_recall
from autogen_ext_tokenctx.models.profiles import PromptCache
from autogen_ext_tokenctx.summary.background import Summaries
from autogen_ext_tokenctx.summary.summarizer import ContextSummarizer
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from autogen_ext_tokenctx.tokens.calibrated import CalibratedCounter
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import conversation, exchange
from ..support.strict_client import StrictClient

COUNTER = EstimatedTokenCounter()
CACHE = PromptCache(automatic=True, minimum=0, granularity=1, discount=0.5)
HISTORY = conversation(12)
ASKS = UserMessage(content="Which boiler leaks?", source="user")
HANG = 60
"""Seconds after which something that should end has not."""


class Watched(ContextManager):
    """Notes the requests that it fits."""

    def __init__(self) -> None:
        super().__init__(counter=COUNTER)
        self.asked: list[FitRequest] = []

    async def fit_request(self, request: FitRequest) -> FitResult:
        self.asked.append(request)
        return await super().fit_request(request)


def session(manager: ContextManager | None = None, *, open_ended: bool = False, client: Any = None) -> Session:
    manager = manager or Watched()
    summaries = Summaries(ContextSummarizer(client), COUNTER) if client else None
    return Session(manager, open_ended=open_ended, summaries=summaries)


def asked(messages: Sequence[LLMMessage], budget: int | TokenBudget = 1_200, **changes: Any) -> CallRequest:
    given = TokenBudget.of(budget)
    made = CallRequest(
        fit=FitRequest(messages=messages, budget=given),
        given=given,
        must_fill=not isinstance(budget, TokenBudget),
        counter=CalibratedCounter(COUNTER),
        cache=CACHE,
        recall=0.0,
        settings="",
        call_id="c1",
        budget_source="given",
    )
    return replace(made, **changes)


class Hanging(StrictClient):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.called, self.ended = asyncio.Event(), False

    async def create(self, messages: Sequence[LLMMessage], **arguments: Any) -> CreateResult:
        self.called.set()
        try:
            return await asyncio.Event().wait() and await super().create(messages, **arguments)
        finally:
            await asyncio.sleep(0)  # it takes its time to end
            self.ended = True


async def test_closing_cancels_a_running_summary_and_sees_it_end() -> None:
    client = Hanging()
    one = session(client=client)
    await one.fit(asked(HISTORY))
    await asyncio.wait_for(client.called.wait(), HANG)
    assert not client.ended
    await asyncio.wait_for(one.close(), HANG)
    assert client.ended
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_does_not_wait() -> None:
    client = Hanging()
    one = session(client=client)
    await one.fit(asked(HISTORY))
    await asyncio.wait_for(client.called.wait(), HANG)
    one.cancel()
    assert not client.ended
    await one.close()


@pytest.mark.parametrize("has_summaries", [False, True])
async def test_a_session_without_a_running_summary_can_be_closed_and_goes_on(has_summaries: bool) -> None:
    one = session(client=StrictClient() if has_summaries else None)
    await one.close()
    first = await one.fit(asked(HISTORY[:3]))
    await one.close()
    assert first is not None
    assert first.view == HISTORY[:3]


async def test_a_call_goes_on_from_the_view_before_without_a_fit() -> None:
    manager = Watched()
    one = session(manager)
    first = await one.fit(asked(HISTORY, TokenBudget(limit=1_200)))
    second = await one.fit(asked([*HISTORY, ASKS], TokenBudget(limit=1_200)))
    assert first is not None
    assert second is not None
    assert len(manager.asked) == 1
    assert second.view == [*first.view, ASKS]
    assert first.report.compacted
    assert not second.report.compacted
    assert second.report.cached_tokens == first.report.tokens_after


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": "others"},
        {"fit": FitRequest(messages=[*HISTORY[1:], ASKS], budget=TokenBudget(limit=1_200))},
        {"fit": FitRequest(messages=[*HISTORY, ASKS], budget=TokenBudget(limit=600))},
    ],
    ids=["settings", "another history", "too little"],
)
async def test_a_view_that_does_not_serve_is_made_anew(changes: dict[str, Any]) -> None:
    manager = Watched()
    one = session(manager)
    await one.fit(asked(HISTORY, TokenBudget(limit=1_200)))
    second = await one.fit(asked([*HISTORY, ASKS], TokenBudget(limit=1_200), **changes))
    assert len(manager.asked) == 2
    assert second is not None
    assert second.report.compacted


@pytest.mark.parametrize(("is_number", "target"), [(True, 1.0), (False, 0.6)])
async def test_a_number_is_filled_and_a_budget_keeps_its_target(is_number: bool, target: float) -> None:
    manager = Watched()
    await session(manager).fit(asked(HISTORY, 1_200 if is_number else TokenBudget(limit=1_200, target=target)))
    assert [request.budget.target for request in manager.asked] == [target]


async def test_the_newest_message_of_a_call_of_its_own_is_not_remembered() -> None:
    one = session(open_ended=True)
    await one.fit(asked([*HISTORY[:3], ASKS]))
    assert one.view is not None
    assert one.view.covered == tuple(HISTORY[:3])


async def test_an_open_call_is_answered_for_its_call_alone() -> None:
    one = session()
    open_call = exchange(99)[0]
    fitted = await one.fit(asked([*HISTORY, open_call]))
    assert fitted is not None
    assert fitted.view[-2] is open_call
    assert one.view is None
    closed = await one.fit(asked([*HISTORY, *exchange(99)]))
    assert closed is not None
    assert closed.view[-1] == exchange(99)[-1]


async def test_nothing_of_a_call_that_fails_is_remembered() -> None:
    one = session()
    await one.fit(asked(HISTORY[:5]))
    before = one.view
    with pytest.raises(BudgetTooSmallError):
        await one.fit(asked([*HISTORY, UserMessage(content="word " * 50, source="user")], 20))
    assert one.view is before


async def test_what_cannot_be_fitted_gives_nothing_with_one_warning(recwarn: pytest.WarningsRecorder) -> None:
    one = session()
    with patch.object(Watched, "fit_request", side_effect=RuntimeError("out of order")):
        assert [await one.fit(asked(HISTORY)) for _ in range(2)] == [None, None]
    assert one.view is None
    (warning,) = recwarn
    assert "out of order" in str(warning.message)


def greeted(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    return [UserMessage(content="Hello.", source="user"), *messages]


def untouched(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    return list(messages)


@pytest.mark.parametrize(("shape", "is_changed"), [(greeted, True), (untouched, False), (None, False)])
async def test_what_the_endpoint_takes_is_counted_and_told(
    shape: Callable[[Sequence[LLMMessage]], list[LLMMessage]] | None, is_changed: bool
) -> None:
    fitted = await session().fit(asked(HISTORY[:3], shape=shape))
    assert fitted is not None
    assert fitted.report.tokens_after == COUNTER.count_request(fitted.view)
    assert [step.form for step in fitted.report.steps] == [Form.SHAPED] * is_changed


async def test_a_shape_that_takes_more_than_there_is_leaves_the_history_less() -> None:
    long = AssistantMessage(content="word " * 100, source="coder")

    def answered(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
        return [*messages[:1], long, *messages[1:]]

    fitted = await session().fit(asked(HISTORY, shape=answered))
    assert fitted is not None
    assert long in fitted.view
    assert COUNTER.count_request(fitted.view) <= 1_200


async def test_the_report_is_in_the_tokens_of_the_model_that_answers() -> None:
    call = asked(HISTORY, call_id="c7", budget_source="environment")
    fitted = await session().fit(call)
    assert fitted is not None
    report = fitted.report
    assert (report.budget, report.call_id, report.budget_source) == (1_200, "c7", "environment")
    assert report.tokens_before == COUNTER.count_request(HISTORY)
    assert report.tokens_after == fitted.planned.expected.tokens == COUNTER.count_request(fitted.view)


@pytest.mark.parametrize("share", [0.0, 0.15, 0.99])
def test_a_share_below_one_may_be_recalled(share: float) -> None:
    assert share_of_recall(share) == share


@pytest.mark.parametrize("share", [-0.1, 1.0, 15, "0.15"])
def test_what_is_no_share_cannot_be_recalled(share: Any) -> None:
    with pytest.raises(ValueError, match="recall is a share"):
        share_of_recall(share)
