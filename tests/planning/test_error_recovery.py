"""Ways on after a failure: asked of a model, derived from the failure where the model fails, tried within a bound."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelInfo,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool, StaticWorkbench, TextResultContent, Tool, ToolResult, ToolSchema
from pydantic import BaseModel, ValidationError

from autogen_ext_tokenctx import BudgetTooSmallError, ContextManager, TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.planning.error_recovery import ErrorRecovery, RecoveryResult
from autogen_ext_tokenctx.planning.strategies import RecoveryStrategy

from ..support.strict_client import Content, Reply, StrictClient, call

RETRY = {"kind": "retry_with_changes", "reason": "T-6 is in repair.", "changes": {"truck": "T-7"}}
OTHER = {"kind": "other_tool", "reason": "A van takes it.", "tool": "book_van", "changes": {"order": "A-7713"}}
ASK = {"kind": "ask", "reason": "Only the user knows.", "question": "Which truck?"}
SKIP = {"kind": "skip", "reason": "It can wait."}


def answer(*strategies: object) -> str:
    return json.dumps({"strategies": strategies})


def history(error: str = "refused: truck T-6 is in repair", tool: str = "book") -> list[LLMMessage]:
    """A call that worked, and then one that failed."""
    out: list[LLMMessage] = [UserMessage(content="Book the delivery of order A-7713 to Lyon.", source="user")]
    steps = (
        (call("find_order", "c0", order="A-7713"), "warehouse WH-22, weight 31 kg", False),
        (call(tool, "c1", order="A-7713", truck="T-6"), error, True),
    )
    for made, content, failed in steps:
        done = FunctionExecutionResult(content=content, name=made.name, call_id=made.id, is_error=failed)
        out += [AssistantMessage(content=[made], source="coder"), FunctionExecutionResultMessage(content=[done])]
    return out


def failed_of(messages: Sequence[LLMMessage]) -> FunctionExecutionResult:
    last = messages[-1]
    assert isinstance(last, FunctionExecutionResultMessage)
    return last.content[0]


def kinds(result: RecoveryResult) -> list[str]:
    return [strategy.kind for strategy in result.strategies]


async def recover(*script: Reply, **options: Any) -> tuple[RecoveryResult, StrictClient]:
    """Recovers from the failure of `history` with a scripted model."""
    client = StrictClient(script)
    messages = history()
    return await ErrorRecovery(client, **options).recover(failed_of(messages), messages=messages), client


class LimitedClient(StrictClient):
    """A model with fewer abilities."""

    def __init__(self, script: Sequence[Reply], *, structured: bool, json_mode: bool) -> None:
        super().__init__(script)
        self._info = ModelInfo(
            vision=False, function_calling=True, json_output=json_mode, structured_output=structured, family="unknown"
        )

    @property
    def model_info(self) -> ModelInfo:
        return self._info


class SlowClient(StrictClient):
    """Never answers."""

    async def create(self, *args: Any, **options: Any) -> CreateResult:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "retry_with_changes", "reason": "r"}, "names the arguments"),
        ({"kind": "other_tool", "reason": "r"}, "names the tool"),
        ({"kind": "ask", "reason": "r", "question": "  "}, "has a question"),
        ({"kind": "skip", "reason": " "}, "reason"),
        ({"kind": "pray", "reason": "r"}, "kind"),
        ({"kind": "skip", "reason": "r", "when": "now"}, "when"),
    ],
)
def test_a_strategy_has_what_its_kind_needs(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        RecoveryStrategy.model_validate(fields)


def test_a_strategy_is_frozen() -> None:
    strategy = RecoveryStrategy.model_validate(ASK)
    with pytest.raises(ValidationError, match="frozen"):
        strategy.__setattr__("question", "Why?")


@pytest.mark.parametrize(
    ("options", "error"),
    [({"budget": 0}, BudgetTooSmallError), ({"attempts": 0}, ValueError), ({"timeout": 0}, ValueError)],
)
def test_a_bound_that_allows_nothing_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ErrorRecovery(StrictClient(), **options)


async def test_the_model_sees_the_failure_and_the_plan_and_proposes() -> None:
    class Plan(BaseModel):
        steps: list[str]

    messages = history()
    client = StrictClient([answer(RETRY, ASK)])
    result = await ErrorRecovery(client).recover(failed_of(messages), Plan(steps=["book it"]), messages=messages)
    assert result.source == "model"
    assert result.strategies == tuple(RecoveryStrategy.model_validate(item) for item in (RETRY, ASK))
    assert result.first_error == "book: refused: truck T-6 is in repair"
    assert not result.recovered
    assert result.tried == ()
    assert result.view.messages == messages
    asked = str(client.requests[0].messages)
    for needed in ("T-6 is in repair", "to Lyon", '"steps":["book it"]', "Tools that worked: find_order"):
        assert needed in asked


async def test_a_long_plan_is_clipped() -> None:
    client = StrictClient([answer(SKIP)])
    await ErrorRecovery(client).recover("no disk", "step " * 10_000)
    assert client.requests[0].tokens < 2_500


@pytest.mark.parametrize(("structured", "json_mode"), [(True, True), (False, True), (False, False)])
async def test_the_answer_is_asked_for_in_the_best_form_the_model_has(structured: bool, json_mode: bool) -> None:
    client = LimitedClient([answer(SKIP)], structured=structured, json_mode=json_mode)
    assert kinds(await ErrorRecovery(client).recover("no disk")) == ["skip"]
    form = client.requests[0].arguments["json_output"]
    assert (
        (isinstance(form, type) and issubclass(form, BaseModel))
        if structured
        else form is (True if json_mode else None)
    )


async def test_the_structured_form_is_one_that_strict_providers_take() -> None:
    _, client = await recover(answer(SKIP))
    schema = client.requests[0].arguments["json_output"].model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert sorted(part["required"]) == sorted(part["properties"])
    assert "additionalProperties" not in str(schema)


@pytest.mark.parametrize(
    "text",
    [
        f"Let me see {{this}} [1].\n```json\n{answer(RETRY)}\n```\nGood luck!",
        json.dumps([RETRY]),
        json.dumps(RETRY),
        answer({**RETRY, "changes": [{"argument": "truck", "value": "T-7"}], "tool": "", "question": None}),
        answer({**RETRY, "tool": "book", "question": "what a kind does not need is left out"}),
        answer(RETRY, {**RETRY, "reason": "The same for another reason."}),
    ],
    ids=["in text", "bare list", "single", "changes as list", "superfluous fields", "twice"],
)
async def test_answers_of_many_shapes_are_read(text: str) -> None:
    result, client = await recover(text)
    assert result.strategies == (RecoveryStrategy.model_validate(RETRY),)
    assert len(client.requests) == 1


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        ("I would ask the user.", "no JSON object"),
        (answer(), "no JSON object"),
        (answer({"kind": "ask", "reason": "r"}), "strategy 1: Value error, an ask has a question"),
        (answer(SKIP, {"kind": "pray", "reason": "r"}), "strategy 2: kind"),
        (answer("skip", {}), "strategy 1: it is not a JSON object"),
        (answer({**RETRY, "changes": ["truck"]}), "changes"),
        (answer({**RETRY, "changes": {"truck": "T-6"}}), "these are the arguments that failed"),
        (answer({**OTHER, "tool": "book"}), "book is the tool that failed"),
    ],
)
async def test_problems_are_sent_back_once(first: str, problem: str) -> None:
    result, client = await recover(first, answer(RETRY))
    assert result.source == "model"
    assert kinds(result) == ["retry_with_changes"]
    assert problem in str(client.requests[1].messages[-1].content)
    assert len(client.requests) == 2


@pytest.mark.parametrize("second", ["no", "", [call("book", "x")]])
async def test_what_was_good_before_a_failed_repair_is_kept(second: Content) -> None:
    result, client = await recover(answer(SKIP, {"kind": "ask", "reason": "r"}), second)
    assert (result.source, kinds(result), len(client.requests)) == ("model", ["skip"], 2)


async def test_no_more_strategies_than_attempts() -> None:
    result, _ = await recover(answer(RETRY, OTHER, ASK, SKIP), attempts=2)
    assert kinds(result) == ["retry_with_changes", "other_tool"]


def raising(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
    raise ConnectionError("no route to the model")


@pytest.mark.parametrize(
    ("client", "why", "requests"),
    [
        (StrictClient([raising]), "no route to the model", 1),
        (StrictClient([""]), "empty", 2),
        (StrictClient([[call("book", "x")]]), "called tools", 2),
        (StrictClient(["I do not know."]), "no JSON object", 2),
        (StrictClient(["{" * 50_000]), "no JSON object", 2),
        (StrictClient(["[" * 50_000]), "no JSON object", 2),
        (StrictClient([answer({"kind": "ask", "reason": "r"})]), "has a question", 2),
        (SlowClient(), "TimeoutError", 0),
    ],
    ids=["raises", "empty", "calls tools", "prose", "braces", "brackets", "invalid twice", "hangs"],
)
async def test_a_faulty_model_is_replaced_with_one_warning(
    client: StrictClient, why: str, requests: int, caplog: pytest.LogCaptureFixture
) -> None:
    messages = history()
    with caplog.at_level(logging.WARNING, logger="autogen_ext_tokenctx"):
        result = await ErrorRecovery(client, timeout=0.2).recover(failed_of(messages), messages=messages)
    assert result.source == "fallback"
    assert kinds(result) == ["ask", "skip"]
    assert "truck T-6 is in repair" in result.strategies[0].question
    assert result.first_error == "book: refused: truck T-6 is in repair"
    assert len(client.requests) == requests
    assert len(caplog.records) == 1
    assert why in caplog.text


@pytest.mark.parametrize(
    ("error", "first"),
    [
        ("the request timed out", "retry"),
        ("Read timeout", "retry"),
        ("Rate limit reached for gpt-4o", "retry"),
        ("Connection refused by 10.0.0.1", "retry"),
        ("429", "retry"),
        ("Error code: 503 - {}", "retry"),
        ("HTTP/1.1 502", "retry"),
        ("refused: 500 kg is too much", "ask"),
        ("no such order", "ask"),
        ("Error: tool 'find_orders' not found in any workbench", "other_tool"),
        ("1 validation error for bookargs\ntimeout\n  Field required [type=missing]", "retry_with_changes"),
        ("Error: Expecting ',' delimiter: line 1 column 9 (char 8)", "retry_with_changes"),
    ],
)
async def test_the_failure_of_a_call_decides_where_the_model_does_not(error: str, first: str) -> None:
    messages = history(error, "find_orders" if first == "other_tool" else "book")
    result = await ErrorRecovery(StrictClient([""])).recover(failed_of(messages), messages=messages)
    assert kinds(result) == [first, "ask", "skip"][-3 if first != "ask" else -2 :]
    if first == "other_tool":
        assert result.strategies[0].tool == "find_order"


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        ("1 validation error for bookargs\ntruck\n  Field required [type=missing]", {"truck": None}),
        ("book() got an unexpected keyword argument 'colour'", {"colour": None}),
        ("invalid arguments: order has no such form", {"order": None}),
        ("Invalid parameters", {"order": None, "truck": None}),
    ],
)
async def test_refused_arguments_are_named_as_far_as_the_error_does(error: str, changes: dict[str, None]) -> None:
    messages = history(error)
    result = await ErrorRecovery(StrictClient([""])).recover(failed_of(messages), messages=messages)
    assert result.strategies[0].changes == changes


async def test_an_unknown_tool_that_only_a_text_tells_of_is_known() -> None:
    text = "Error: tool 'find_orders' not found in any workbench"
    result = await ErrorRecovery(StrictClient([""])).recover(text, messages=history())
    assert (kinds(result)[0], result.strategies[0].tool) == ("other_tool", "find_order")


async def test_an_unknown_tool_like_no_other_is_not_replaced_at_random() -> None:
    messages = history("Tool fly not found.", "fly")
    result = await ErrorRecovery(StrictClient([""])).recover(failed_of(messages), messages=messages)
    assert kinds(result) == ["ask", "skip"]


async def test_a_giant_error_is_known_by_its_end_and_kept_whole() -> None:
    error = "line of a traceback\n" * 50_000 + "TimeoutError: no answer"
    messages = history(error)
    result = await ErrorRecovery(StrictClient([""])).recover(failed_of(messages), messages=messages)
    assert kinds(result)[0] == "retry"
    assert result.first_error == f"book: {error}"
    assert result.view.report.tokens_after <= 2_000
    assert len(result.text()) < 2_000


async def test_the_errors_of_autogens_own_workbench_are_known() -> None:
    async def look(item: int) -> str:
        return str(item)

    workbench = StaticWorkbench([FunctionTool(look, description="Look.")])
    for name, first in (("look", "retry_with_changes"), ("looks", "other_tool")):
        done = await workbench.call_tool(name, {"item": "seven"})
        failed = FunctionExecutionResult(content=done.to_text(), name=name, call_id="c9", is_error=done.is_error)
        worked = FunctionExecutionResult(content="7", name="look", call_id="c8", is_error=False)
        messages = [
            AssistantMessage(content=[call("look", "c8", item=7)], source="coder"),
            FunctionExecutionResultMessage(content=[worked]),
        ]
        result = await ErrorRecovery(StrictClient([""])).recover(failed, messages=messages)
        assert kinds(result)[0] == first


@pytest.mark.parametrize(
    ("failed", "plan", "expected", "error"),
    [
        (TimeoutError("no answer"), None, ["retry", "ask", "skip"], "TimeoutError: no answer"),
        (KeyError("orders"), None, ["re_plan", "ask", "skip"], "KeyError: 'orders'"),
        ("no disk", "copy, verify", ["re_plan", "ask", "skip"], "no disk"),
        (" ", None, ["re_plan", "ask", "skip"], "something failed, and nothing says what"),
        (failed_of(history()), "book, pay", ["re_plan", "ask", "skip"], "book: refused: truck T-6 is in repair"),
        (
            TaskResult(messages=[TextMessage(content="Book it.", source="user")], stop_reason="Maximum turns reached."),
            None,
            ["re_plan", "ask", "skip"],
            "Maximum turns reached.",
        ),
    ],
)
async def test_failures_of_every_type(failed: Any, plan: str | None, expected: list[str], error: str) -> None:
    result = await ErrorRecovery(StrictClient([""])).recover(failed, plan)
    assert kinds(result) == expected
    assert result.first_error == error
    assert error in str(result.view.messages[-1].content)


async def test_all_failed_results_of_a_message_are_told() -> None:
    results = [
        FunctionExecutionResult(content=f"gone {n}", name="look", call_id=str(n), is_error=n > 0) for n in range(3)
    ]
    result = await ErrorRecovery(StrictClient([""])).recover(FunctionExecutionResultMessage(content=results))
    assert result.first_error == "look: gone 1\nlook: gone 2"


async def test_a_history_whose_head_does_not_fit_does_not_hide_the_failure() -> None:
    messages = [SystemMessage(content=f"rule {n}: " + "word " * 900) for n in range(9)]
    with pytest.raises(BudgetTooSmallError):
        await ContextManager().compress_for_recovery("no disk", messages, budget=200)
    result = await ErrorRecovery(StrictClient([answer(SKIP)]), budget=200).recover("no disk", messages=messages)
    assert result.source == "model"
    assert result.view.messages[-1].content == "no disk"


class Runner:
    """Runs strategies by their kind: an exception is raised, anything else is given back."""

    def __init__(self, **outcomes: object) -> None:
        self.outcomes = outcomes
        self.seen: list[str] = []

    async def __call__(self, strategy: RecoveryStrategy) -> object:
        self.seen.append(strategy.kind)
        outcome = self.outcomes[strategy.kind]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


ERROR_RESULTS = [
    FunctionExecutionResult(content="still no", name="book", call_id="r", is_error=True),
    ToolResult(name="book", result=[TextResultContent(content="still no")], is_error=True),
    ValueError("still no"),
]


@pytest.mark.parametrize("outcome", ERROR_RESULTS, ids=["function result", "tool result", "exception"])
async def test_strategies_run_until_one_works(outcome: object) -> None:
    run = Runner(retry_with_changes=outcome, other_tool="booked", ask="never")
    messages = history()
    recovery = ErrorRecovery(StrictClient([answer(RETRY, OTHER, ASK)]))
    result = await recovery.recover(failed_of(messages), messages=messages, run=run)
    assert run.seen == ["retry_with_changes", "other_tool"]
    assert (result.recovered, result.value) == (True, "booked")
    assert [attempt.strategy for attempt in result.tried] == list(result.strategies[:2])
    assert "still no" in str(result.tried[0].error)
    assert result.tried[1].error is None
    assert result.first_error == "book: refused: truck T-6 is in repair"


async def test_a_result_that_is_no_error_works() -> None:
    done = FunctionExecutionResult(content="booked", name="book", call_id="r", is_error=False)
    result = await ErrorRecovery(StrictClient([answer(SKIP)])).recover("no disk", run=Runner(skip=done))
    assert result.value is done


@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("reply", [answer(RETRY, OTHER, ASK, SKIP), ""], ids=["model", "fallback"])
async def test_the_bound_holds_and_the_first_error_stays(attempts: int, reply: str) -> None:
    broken = ValueError("another error")
    kind = ("retry", "retry_with_changes", "other_tool", "ask", "skip", "re_plan")
    run = Runner(**dict.fromkeys(kind, broken))
    messages = history("timed out")
    recovery = ErrorRecovery(StrictClient([reply]), attempts=attempts)
    result = await recovery.recover(failed_of(messages), messages=messages, run=run)
    assert len(run.seen) == len(result.tried) == attempts
    assert (result.recovered, result.value) == (False, None)
    assert result.first_error == "book: timed out"
    assert result.text().startswith("Failed: book: timed out\n")
    assert "ValueError: another error" in result.text()


async def test_the_same_strategy_is_not_run_twice() -> None:
    run = Runner(retry_with_changes=ValueError("no"), skip="skipped")
    result = await ErrorRecovery(StrictClient([answer(RETRY, {**RETRY, "reason": "Again."}, SKIP)])).recover(
        "no disk", run=run
    )
    assert run.seen == ["retry_with_changes", "skip"]
    assert result.value == "skipped"


async def test_plans_for_different_reasons_are_different() -> None:
    plans = [{"kind": "re_plan", "reason": reason} for reason in ("Begin with the truck.", "Begin with the date.")]
    result, _ = await recover(answer(*plans))
    assert kinds(result) == ["re_plan", "re_plan"]


async def test_being_cancelled_while_a_strategy_runs_passes_through() -> None:
    recovery = ErrorRecovery(StrictClient([answer(SKIP, ASK)]))
    with pytest.raises(asyncio.CancelledError):
        await recovery.recover("no disk", run=Runner(skip=asyncio.CancelledError(), ask="never"))


async def test_being_cancelled_while_the_model_thinks_passes_through() -> None:
    task = asyncio.create_task(ErrorRecovery(SlowClient()).recover("no disk"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_agent_asks_for_ways_on_over_its_whole_history() -> None:
    async def book(truck: str) -> str:
        """Book a truck."""
        raise ValueError(f"truck {truck} is in repair")

    context = TokenBudgetChatCompletionContext(budget=2_000)
    for number in range(60):
        note = f"Note {number}: " + "screws, bolts and nuts; " * 20
        await context.add_message(UserMessage(content=note, source="user"))
    await context.add_message(UserMessage(content="Truck T-6 was seen at the garage of Lyon.", source="user"))
    advisor = StrictClient([answer(RETRY)])
    asked = call("recover_from_error", "2", what_failed="truck T-6 is in repair")
    client = StrictClient([[call("book", "1", truck="T-6")], [asked], "Booked T-7 instead."])
    agent = AssistantAgent(
        "coder",
        client,
        tools=[book, ErrorRecovery(advisor).tool(context)],
        model_context=context,
        max_tool_iterations=4,
    )
    result = await agent.run(task="Book a truck.")
    told = failed_of(client.requests[-1].messages)
    assert told.content.splitlines()[0] == "Failed: truck T-6 is in repair"
    assert '1. retry_with_changes truck="T-7": T-6 is in repair.' in told.content
    assert told.is_error is False
    seen = str(advisor.requests[0].messages[-1].content)
    assert "garage of Lyon" in seen
    assert "recover_from_error" not in seen
    assert isinstance(result.messages[-1], TextMessage)


async def test_the_tool_leaves_the_context_as_it_was() -> None:
    context = TokenBudgetChatCompletionContext(budget=2_000, initial_messages=history())
    before = await context.save_state()
    tool = ErrorRecovery(StrictClient([""])).tool(context)
    told = await tool.run_json({"what_failed": "no disk"}, CancellationToken())
    assert "1. re_plan" in tool.return_value_as_string(told)
    assert await context.save_state() == before
