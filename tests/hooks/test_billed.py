"""Everything that is billed is counted: the schema of the answer and tools, whatever way they are given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import StructuredMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import LLMMessage, RequestUsage, SystemMessage
from autogen_core.tools import FunctionTool, Tool, ToolSchema
from pydantic import BaseModel, Field, create_model

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.hooks.usage import BilledTools

from ..support.histories import conversation, look, prose
from ..support.strict_client import StrictClient, call

BUDGET = 4_000
TURNS = 24
FIELDS: Mapping[str, Any] = {
    f"reading_{n}": (float | None, Field(None, description=f"What {prose(n, 30)}")) for n in range(12)
}
Report: type[BaseModel] = create_model(
    "Report", __doc__="All of it.", reading=(create_model("Reading", **FIELDS), None), note=(str, "")
)
SCHEMA = Report.model_json_schema()
FUNCTION = {"name": "report", "description": "Report.", "parameters": SCHEMA}
TOOL = FunctionTool(look, "Look at an item.")


class Biller(StrictClient):
    """Bills what providers do: a schema by its JSON text, or as a tool where it is made one, and tools of any way."""

    def __init__(self, script: Sequence[Any] = ("ok",), *, as_tool: bool = False) -> None:
        super().__init__(script)
        self.as_tool = as_tool
        self.bills: list[int] = []

    def _answer(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        arguments: dict[str, Any],
        *,
        stream: bool,
    ) -> Any:
        extra: Mapping[str, Any] = arguments["extra_create_args"] or {}
        body: Mapping[str, Any] = {**extra, **extra.get("extra_body", {})}
        functions = [tool["function"] for tool in body.get("tools", ())] + list(body.get("functions", ()))
        sent = [*tools, *(ToolSchema(**function) for function in functions)]
        model: Any = arguments["json_output"] or body.get("response_format")
        schema: Any = None
        if isinstance(model, type):
            schema = Report.model_json_schema()
        elif model is not None:
            schema = model["json_schema"]["schema"]
        text = 0
        if schema is not None and self.as_tool:
            sent.append(ToolSchema(name="Report", description=schema.get("description", ""), parameters=schema))
        elif schema is not None:
            text = self.counter.count_text(json.dumps(schema))
        self.bills.append(self.counter.count_request(messages, sent) + text)
        result = super()._answer(messages, tools, arguments, stream=stream)
        return result.model_copy(update={"usage": RequestUsage(self.bills[-1], 1)})


def answer(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
    return json.dumps({"note": prose(len(messages) + 7, 90)})


WAYS: dict[str, dict[str, Any]] = {
    "json_output": {"json_output": Report},
    "response_format class": {"extra_create_args": {"response_format": Report}},
    "response_format": {
        "extra_create_args": {
            "response_format": {"type": "json_schema", "json_schema": {"name": "Report", "schema": SCHEMA}}
        }
    },
    "tools": {"extra_create_args": {"tools": [{"type": "function", "function": FUNCTION}]}},
    "functions": {"extra_create_args": {"functions": [FUNCTION]}},
    "extra_body": {"extra_create_args": {"extra_body": {"tools": [{"type": "function", "function": FUNCTION}]}}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("model", "as_tool"), [("gpt-4o", False), ("claude-sonnet-4", True)])
async def test_no_request_is_over_its_budget_whatever_it_carries_beside_its_messages(
    way: str, model: str, as_tool: bool
) -> None:
    inner = Biller(as_tool=as_tool)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model=model)
    for turns in (5, 14, 32):
        await client.create([SystemMessage(content="Be brief."), *conversation(turns)], tools=[TOOL], **WAYS[way])
        report = client.last_report
        assert report is not None
        assert inner.bills[-1] <= report.tokens_after + client.recent[-1].margin <= BUDGET
    assert max(inner.bills) > 0.5 * BUDGET  # and the budget is used


@pytest.mark.parametrize(("model", "as_tool"), [("gpt-4o", False), ("claude-sonnet-4", True)])
@pytest.mark.parametrize("hooks", ["client", "both"])
async def test_an_agent_with_an_output_type_stays_within_its_budget(model: str, as_tool: bool, hooks: str) -> None:
    inner = Biller([answer], as_tool=as_tool)
    context = TokenBudgetChatCompletionContext(model=model, budget=BUDGET) if hooks == "both" else None
    agent = AssistantAgent(
        "reporter",
        TokenBudgetChatCompletionClient(inner, BUDGET, model=model),
        model_context=context,
        output_content_type=Report,
    )
    for turn in range(TURNS):
        await agent.run(task=f"Report on item {turn}: {prose(turn, 60)}")
    assert len(inner.bills) == TURNS
    assert max(inner.bills) <= BUDGET
    if context is not None:
        assert context.reserve > inner.counter.count_text(json.dumps(SCHEMA)) * (0.3 if as_tool else 0.9)


async def test_a_team_whose_members_answer_in_a_schema_stays_within_the_budget() -> None:
    inner = Biller([answer])
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model="gpt-4o")
    members = [
        AssistantAgent("planner", client, output_content_type=Report),
        AssistantAgent("coder", client, tools=[TOOL], reflect_on_tool_use=False),
    ]
    kind: Any = StructuredMessage.__class_getitem__(Report)
    team = RoundRobinGroupChat(
        list(members),
        termination_condition=MaxMessageTermination(26),
        custom_message_types=[kind],
    )
    await team.run(task="Find out which boiler leaks.")
    assert len(inner.bills) > 20
    assert max(inner.bills) <= BUDGET


@pytest.mark.parametrize("beside", ["json_output", "response_format", "functions"])
async def test_other_schemas_leave_a_cache_nothing_to_serve(beside: str) -> None:
    client = TokenBudgetChatCompletionClient(Biller(), 20_000, model="gpt-4o")
    for given in ({}, WAYS[beside], WAYS[beside], {}):
        await client.create(conversation(20), **given)
    assert [record.report.cached_tokens > 1_000 for record in client.recent] == [False, False, True, False]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"json_output": True},
        {"json_output": False, "extra_create_args": WAYS["response_format"]["extra_create_args"]},
        {"extra_create_args": {"response_format": {"type": "json_object"}}},
        {"extra_create_args": {"tools": None, "functions": "none", "extra_body": None}},
    ],
)
async def test_what_is_not_sent_is_not_counted(given: dict[str, Any]) -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model="gpt-4o")
    await client.create(conversation(3), **given)
    assert client.recent[-1].report.tokens_after == inner.requests[-1].tokens


def stand_in(module: str, **settings: Any) -> StrictClient:
    """A client of a class of AutoGen's that cannot be imported here, with the settings it was made with."""
    return type("Client", (StrictClient,), {"__module__": f"autogen_ext.models.{module}", "_create_args": settings})()


async def test_servers_that_hold_to_a_grammar_do_not_bill_it() -> None:
    for module in ("ollama._ollama_client", "llama_cpp._llama_cpp_completion_client"):
        billed = BilledTools(stand_in(module)).of((), (), "auto", Report, {}, "llama3.1")
        assert (list(billed.tools), billed.has_schema) == ([], False)


async def test_ollama_sends_the_chosen_tool_alone() -> None:
    billed = BilledTools(stand_in("ollama._ollama_client"))
    other = FunctionTool(look, "Look again.")
    for choice, sent in (("auto", [TOOL, other]), ("none", []), (TOOL, [TOOL])):
        assert list(billed.of((), [TOOL, other], choice, None, {}, "llama3.1").tools) == sent  # type: ignore[arg-type]


async def test_anthropic_sends_the_last_tools_along_with_results() -> None:
    billed = BilledTools(stand_in("anthropic._anthropic_client"))
    with_results = conversation(1)
    assert list(billed.of(with_results, [TOOL], "auto", None, {}, "claude-sonnet-4").tools) == [TOOL]
    assert list(billed.of(with_results, (), "auto", None, {}, "claude-sonnet-4").tools) == [TOOL]
    assert list(billed.of(with_results[:1], (), "auto", None, {}, "claude-sonnet-4").tools) == []


async def test_the_settings_of_the_client_itself_count() -> None:
    billed = BilledTools(stand_in("openai._openai_client", model="gpt-4o", response_format=Report))
    assert billed.of((), (), "auto", None, {}, "gpt-4o").has_schema
    assert not billed.of((), (), "auto", None, {"response_format": {"type": "text"}}, "gpt-4o").has_schema


async def test_a_class_without_a_schema_does_not_end_the_call() -> None:
    class Odd(BaseModel):
        model_config = {"arbitrary_types_allowed": True}
        thing: StrictClient

    inner = StrictClient()
    with pytest.warns(RuntimeWarning, match="could not be counted"):
        await TokenBudgetChatCompletionClient(inner, BUDGET).create(conversation(2), json_output=Odd)
    assert len(inner.requests) == 1


async def test_a_call_beside_a_schema_still_loops() -> None:
    """The tool loop of an agent with an output type: calls, then a reflection that lists no tools."""
    inner = Biller([[call("look", "1", item=1)], answer])
    agent = AssistantAgent(
        "coder",
        TokenBudgetChatCompletionClient(inner, BUDGET, model="gpt-4o"),
        tools=[TOOL],
        output_content_type=Report,
    )
    await agent.run(task="Look at item 1.")
    assert len(inner.bills) == 2
    assert max(inner.bills) <= BUDGET
