"""Each invariant: what it accepts, and what it finds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from autogen_ext_tokenctx.context.fit import Fit
from autogen_ext_tokenctx.context.invariants import (
    Invariant,
    NothingLost,
    Pairs,
    PinnedStay,
    Untouched,
    Useful,
    WithinBudget,
)
from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.quotations import OrderAndTruth
from autogen_ext_tokenctx.context.report import FitReport, FitResult
from autogen_ext_tokenctx.context.request import FitRequest
from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.forms.form import FitStep, Form, Level
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..support.histories import conversation

MANAGER = ContextManager()
RULES = SystemMessage(content="Be short.")
TASK = UserMessage(content="Find the bug in parser.py.", source="user")
CALL = AssistantMessage(content=[FunctionCall(id="1", name="read", arguments='{"path": "parser.py"}')], source="coder")
RESULT = FunctionExecutionResultMessage(
    content=[FunctionExecutionResult(content="def parse(): ...", name="read", call_id="1", is_error=False)]
)
HISTORY: list[LLMMessage] = [RULES, TASK, CALL, RESULT]
WHOLE = MANAGER.counter.count_request(HISTORY)


def result_of(view: Sequence[LLMMessage], *steps: FitStep, tokens: int | None = None) -> FitResult:
    counted = MANAGER.counter.count_request(view) if tokens is None else tokens
    report = FitReport(budget=WHOLE, tokens_before=WHOLE, tokens_after=counted, level=Level.NONE, steps=steps)
    return FitResult(list(view), report)


def step(group: int, form: Form, before: int, after: int, handle: str = "") -> FitStep:
    return FitStep(group, "coder", form, before, after, "why", handle)


LINES = UserMessage(content="one\ntwo\nthree", source="user")
INVENTED = UserMessage(content='one\nfour\n[1 of 3 lines omitted: expand_context("00")]', source="user")

BROKEN: list[tuple[Invariant, list[LLMMessage], FitResult, str]] = [
    (WithinBudget(MANAGER.counter), HISTORY, result_of([*HISTORY, TASK]), "tokens for"),
    (WithinBudget(MANAGER.counter), HISTORY, result_of(HISTORY, tokens=3), "the report says 3"),
    (Pairs(), HISTORY, result_of([TASK, CALL]), "calls without results: 1"),
    (Pairs(), HISTORY, result_of([TASK, RESULT]), "a result without its call: 1"),
    (Pairs(), HISTORY, result_of([TASK, CALL, TASK, RESULT]), "calls without results: 1"),
    (Pairs(), HISTORY, result_of([AssistantMessage(content=[], source="coder")]), "without calls"),
    (PinnedStay(), HISTORY, result_of(HISTORY[1:]), "a system message is gone"),
    (PinnedStay(), HISTORY, result_of([RULES, CALL, RESULT]), "the first task is gone"),
    (PinnedStay(), HISTORY, result_of([RULES, TASK]), "the newest message is gone"),
    (OrderAndTruth(lambda handle: []), HISTORY, result_of([TASK, RULES, CALL, RESULT]), "is not where it was"),
    (OrderAndTruth(lambda handle: []), [LINES], result_of([INVENTED], step(0, Form.EXTRACT, 9, 8)), "brings back"),
    (OrderAndTruth(lambda handle: [LINES]), [LINES], result_of([INVENTED], step(0, Form.EXTRACT, 9, 8)), "'four'"),
    (
        OrderAndTruth(lambda handle: [LINES]),
        [LINES],
        result_of([INVENTED.model_copy(update={"source": "ann"})], step(0, Form.EXTRACT, 9, 8)),
        "said by somebody else",
    ),
    (OrderAndTruth(lambda handle: []), [TASK], result_of([TASK, TASK]), "1 messages that no group has"),
    (Untouched(), HISTORY, result_of([message.model_copy() for message in HISTORY]), "changed without need"),
    (Untouched(), HISTORY, result_of(HISTORY, step(1, Form.COMPACT, 9, 8)), "there are steps"),
    (
        NothingLost(lambda handle: [RULES]),
        HISTORY,
        result_of([TASK], step(1, Form.EVICTED, 9, 0)),
        "does not come back",
    ),
    (Useful(MANAGER.counter), HISTORY, result_of([]), "the view is empty"),
    (Useful(MANAGER.counter), HISTORY, result_of(HISTORY, step(1, Form.EXTRACT, 9, 9)), "did not get shorter"),
    (Useful(MANAGER.counter), HISTORY, result_of(HISTORY, step(1, Form.DIGEST, 9, 10)), "got longer"),
    (Useful(MANAGER.counter), HISTORY, result_of([*HISTORY, *HISTORY, *HISTORY]), "tokens instead of"),
]


def request_of(history: Sequence[LLMMessage], budget: int = WHOLE) -> FitRequest:
    return FitRequest(messages=history, budget=TokenBudget.of(budget, target=1.0))


@pytest.mark.parametrize(("invariant", "history", "result", "found"), BROKEN)
def test_finds_what_is_broken(invariant: Invariant, history: list[LLMMessage], result: FitResult, found: str) -> None:
    assert found in "\n".join(invariant.violations(request_of(history), result))


@pytest.mark.parametrize(
    "invariant", {broken[0].name: broken[0] for broken in BROKEN}.values(), ids=lambda one: one.name
)
def test_accepts_a_history_that_was_left_as_it_is(invariant: Invariant) -> None:
    assert invariant.violations(request_of(HISTORY), result_of(HISTORY)) == []


async def test_a_view_that_a_provider_would_refuse_gives_way_to_the_newest_messages() -> None:
    history = [RULES, *conversation(24), *HISTORY[1:]]
    manager = ContextManager()
    compacted = Fit.compacted

    def broken(self: Fit, *given: object) -> FitResult:
        result = compacted(self, *given)  # pyright: ignore[reportArgumentType]
        return replace(result, messages=[*result.messages, CALL])

    with patch.object(Fit, "compacted", broken), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = await manager.fit(history, 1_500)
        await manager.fit(history, 1_400)
    ours = [str(warning.message)[:32] for warning in caught if warning.category is RuntimeWarning]
    assert ours == ["a view broke what a provider ins"]
    assert first.messages[0] is RULES
    assert first.messages[-1] is RESULT
    for invariant in (
        WithinBudget(manager.counter),
        Pairs(),
        OrderAndTruth(manager.expand),
        NothingLost(manager.expand),
    ):
        assert invariant.violations(request_of(history, 1_500), first) == []
    with patch.object(Fit, "compacted", broken), pytest.raises(BudgetTooSmallError, match="the newest messages"):
        await manager.fit([*history, UserMessage(content="word " * 600, source="user")], 500)
