"""What is learned of the models behind a client, and what requests are billed for beside their messages."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from autogen_core.models import (
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    UserMessage,
)
from autogen_core.tools import ToolSchema
from pydantic import BaseModel

from autogen_ext_tokenctx.hooks.usage import BilledTools, ModelUsage
from autogen_ext_tokenctx.models.overflow import Overflow
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from autogen_ext_tokenctx.tokens.calibrated import PlannedRequest
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import prose
from ..support.strict_client import StrictClient

COUNTER = EstimatedTokenCounter()
HISTORY: list[LLMMessage] = [UserMessage(content=prose(number, 40), source="user") for number in range(30)]
USED = 2 * COUNTER.count_request(HISTORY)
BUDGET = TokenBudget(limit=100_000, reserve=500)
ROUGH, OTHER = "rough-7b", "other-7b"


def usage(model: str = ROUGH, *, trusted: bool = False) -> ModelUsage:
    return ModelUsage(COUNTER, model, trusted=trusted)


def answer(tokens: Any, *, cached: bool = False) -> CreateResult:
    result = CreateResult(finish_reason="stop", content="ok", usage=RequestUsage(1, 1), cached=cached)
    result.usage.prompt_tokens = tokens
    return result


def planned(known: ModelUsage, messages: Sequence[LLMMessage] = HISTORY, model: str | None = None) -> PlannedRequest:
    return known.counter_for(model).plan(messages, ())


def expected(known: ModelUsage, model: str | None = None) -> int:
    return planned(known, model=model).expected.tokens


@pytest.mark.parametrize(
    ("result", "stated"),
    [
        (answer(USED), USED),
        (answer(USED, cached=True), None),
        (answer(0), None),
        (answer(-1), None),
        (answer(None), None),
        (answer("many"), None),
    ],
    ids=["stated", "cached", "zero", "negative", "missing", "text"],
)
def test_only_a_usage_that_is_stated_for_this_very_call_is_learned(result: CreateResult, stated: int | None) -> None:
    known = usage()
    before = expected(known)
    assert known.learn(planned(known), None, result, has_schema=False) == stated
    assert (expected(known) != before) == (stated is not None)


@pytest.mark.parametrize("has_schema", [False, True])
def test_a_trusted_counter_is_not_doubted_for_a_schema(has_schema: bool) -> None:
    """What a schema is billed for is not documented; messages are known exactly."""
    known = usage("gpt-4o", trusted=True)
    for _ in range(3):
        known.learn(planned(known), None, answer(int(1.5 * expected(known))), has_schema=has_schema)
    assert (planned(known).expected.margin == 0 and expected(known) == COUNTER.count_request(HISTORY)) == has_schema


@pytest.mark.parametrize(
    ("usual", "trusted", "model", "is_trusted"),
    [
        ("gpt-4o", True, None, True),
        ("gpt-4o", False, None, False),
        (ROUGH, True, None, True),  # the counter is its own
        (ROUGH, True, ROUGH, True),
        (ROUGH, True, OTHER, False),
        ("gpt-4o", True, OTHER, False),
        (ROUGH, True, "gpt-4o", True),
    ],
)
def test_a_counter_is_trusted_for_the_model_it_was_made_for_and_for_those_it_counts_exactly(
    usual: str, trusted: bool, model: str | None, is_trusted: bool
) -> None:
    assert usage(usual, trusted=trusted).counter_for(model).is_exact is is_trusted


def test_each_model_is_learned_by_itself() -> None:
    known = usage()
    before = expected(known, OTHER)
    known.learn(planned(known), None, answer(USED), has_schema=False)
    assert expected(known) > before == expected(known, OTHER)
    assert known.counter_for(ROUGH) is known.counter_for(None)
    known.learn_refusal(planned(known), None, Overflow(1_000), has_schema=False)
    assert known.within_limit(BUDGET, None).available <= 1_000
    assert known.within_limit(BUDGET, OTHER) is BUDGET


@pytest.mark.parametrize(
    ("overflow", "allowed"),
    [
        (Overflow(), 0.7),
        (Overflow(limit=None, requested=9_999), 0.7),
        (Overflow(limit=10**6), 0.7),  # above the estimate of what was refused: no help
    ],
    ids=["nothing stated", "no limit", "a limit above it"],
)
def test_without_a_limit_that_helps_a_share_of_it_is_tried(overflow: Overflow, allowed: float) -> None:
    known = usage(trusted=True)
    sent = planned(known).expected.upper
    found = known.learn_refusal(planned(known), None, overflow, has_schema=True)
    assert found == pytest.approx(allowed * sent, abs=1)
    assert known.within_limit(BUDGET, None).available == found


def test_a_stated_limit_is_allowed_in_the_proportion_that_the_refusal_states() -> None:
    known = usage(trusted=True)
    sent = planned(known).expected.upper
    stated = Overflow(limit=sent // 2, requested=2 * sent)
    assert stated.input_limit is not None
    allowed = known.learn_refusal(planned(known), None, stated, has_schema=True)
    assert allowed == pytest.approx(stated.input_limit / 2, abs=2)
    assert known.within_limit(BUDGET, None).available == stated.input_limit


def test_what_was_refused_again_gets_less_than_the_limit_that_did_not_do() -> None:
    known = usage(trusted=True)
    sent = planned(known).expected.upper
    stated = Overflow(limit=sent - 10)
    first = known.learn_refusal(planned(known), None, stated, has_schema=True)
    again = known.learn_refusal(planned(known), None, stated, has_schema=True, again=True)
    assert again <= 0.7 * sent <= first < sent


@pytest.mark.parametrize("has_schema", [False, True])
def test_the_count_of_a_refusal_is_a_usage_unless_a_schema_is_in_it(has_schema: bool) -> None:
    known = usage()
    before = expected(known)
    stated = Overflow(limit=1_000, requested=USED)
    known.learn_refusal(planned(known), None, stated, has_schema=has_schema)
    assert (expected(known) > 1.3 * before) == (not has_schema)
    assert (expected(known) == before) == has_schema


def test_of_several_limits_the_lowest_holds_and_there_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    known = usage(trusted=True)
    with caplog.at_level(logging.WARNING, "autogen_ext_tokenctx"):
        for limit in (1_500, 900, 1_200):
            known.learn_refusal(planned(known), None, Overflow(limit=limit), has_schema=True)
    assert known.within_limit(BUDGET, None).available == Overflow(limit=900).input_limit
    assert known.within_limit(BUDGET, None).reserve == BUDGET.reserve
    assert len(caplog.messages) == 1


def test_what_was_learned_is_saved_and_goes_on_and_what_is_broken_of_it_is_left_out() -> None:
    known = usage()
    known.learn(planned(known), None, answer(USED), has_schema=False)
    known.learn_refusal(planned(known, model=OTHER), OTHER, Overflow(limit=700), has_schema=False)
    loaded = usage()
    saved = {**known.dump(), "broken": {"calls": "many"}, "odd": {**known.dump()[ROUGH], "limit": -4}}
    with pytest.warns(RuntimeWarning, match="'broken'"):
        loaded.load(saved)
    assert expected(loaded) == pytest.approx(expected(known), rel=0.05)
    assert loaded.within_limit(BUDGET, OTHER) == known.within_limit(BUDGET, OTHER)
    assert loaded.within_limit(BUDGET, ROUGH) is BUDGET
    assert loaded.within_limit(BUDGET, "odd") is BUDGET


class Anthropic(StrictClient):
    """A client that is taken for AutoGen's of Anthropic."""


class Ollama(StrictClient):
    """The same for Ollama's."""


Anthropic.__module__ = "autogen_ext.models.anthropic._anthropic_client"
Ollama.__module__ = "autogen_ext.models.ollama._ollama_client"

LOOK, READ = (ToolSchema(name=name, description="Does it.") for name in ("look", "read"))
RESULT = FunctionExecutionResultMessage(
    content=[FunctionExecutionResult(content="ok", name="look", call_id="c1", is_error=False)]
)


class City(BaseModel):
    name: str


def names(
    billed: BilledTools,
    tools: Sequence[ToolSchema] = (),
    messages: Sequence[LLMMessage] = (),
    choice: Any = "auto",
    output: Any = None,
    extra: Mapping[str, Any] | None = None,
) -> list[str]:
    found = billed.of(messages, tools, choice, output, extra or {}, "gpt-4o").tools
    return [tool["name"] if isinstance(tool, dict) else tool.name for tool in found]


def test_tools_are_billed_as_they_are_given() -> None:
    billed = BilledTools(StrictClient())
    assert names(billed, [LOOK, READ]) == ["look", "read"]
    assert names(billed, [LOOK], choice="none") == ["look"]
    assert names(billed) == []
    assert names(billed, messages=[RESULT]) == []


def test_anthropic_sends_the_tools_of_the_call_before_with_results() -> None:
    billed = BilledTools(Anthropic())
    assert names(billed, messages=[RESULT]) == []
    assert names(billed, [LOOK]) == ["look"]
    assert names(billed) == []
    assert names(billed, messages=[RESULT]) == ["look"]
    assert names(billed, [READ], [RESULT]) == ["read"]
    assert names(billed, messages=[RESULT]) == ["read"]


@pytest.mark.parametrize(("choice", "sent"), [("auto", ["look", "read"]), ("required", ["look", "read"]), ("none", [])])
def test_ollama_sends_what_is_chosen(choice: str, sent: list[str]) -> None:
    assert names(BilledTools(Ollama()), [LOOK, READ], choice=choice) == sent


def test_the_schema_of_an_answer_is_billed_where_the_model_is_shown_it() -> None:
    assert names(BilledTools(StrictClient()), [LOOK], output=City) == ["look", "City"]
    assert names(BilledTools(Ollama()), [LOOK], output=City) == ["look"]
    for output in (None, True, False):
        assert names(BilledTools(StrictClient()), [LOOK], output=output) == ["look"]


def test_what_a_call_says_goes_before_what_its_client_does() -> None:
    def given(name: str) -> dict[str, Any]:
        function: dict[str, Any] = {
            "name": name,
            "description": "Does it.",
            "parameters": {"type": "object", "properties": {}},
        }
        return {"tools": [{"type": "function", "function": function}]}

    class Client(StrictClient):
        """Has tools of its own in every request."""

        _create_args = given("own")

    assert names(BilledTools(Client())) == ["own"]
    assert names(BilledTools(Client()), extra=given("extra")) == ["extra"]
    assert names(BilledTools(StrictClient()), extra=given("extra")) == ["extra"]
