"""Both hooks as AutoGen components, alone and inside an agent."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import ComponentModel
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import ChatCompletionClient, SystemMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.models.counters import counter_for_model
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from autogen_ext_tokenctx.tokens.task import TaskDefinition

from ..support.histories import conversation
from ..support.strict_client import StrictClient

PACKAGE = "autogen_ext_tokenctx"


def through_json(model: ComponentModel) -> dict[str, Any]:
    return json.loads(model.model_dump_json())


@pytest.mark.parametrize(
    "arguments",
    [
        {"budget": 6_000},
        {"budget": 6_000, "model": "gpt-4o", "reserve": 200, "task": "Find it."},
        {"budget": TokenBudget(limit=6_000, reserve=10, trigger=0.9, target=0.5)},
        {"budget": 6_000, "task": TaskDefinition(description="Find it.", requirements=("fast",))},
        {"budget": 6_000, "initial_messages": [SystemMessage(content="Be brief.")]},
    ],
)
async def test_context(arguments: dict[str, Any]) -> None:
    context = TokenBudgetChatCompletionContext(**arguments)
    dumped = context.dump_component()
    assert dumped.provider == f"{PACKAGE}.TokenBudgetChatCompletionContext"
    loaded = ChatCompletionContext.load_component(through_json(dumped))
    assert type(loaded) is TokenBudgetChatCompletionContext
    assert loaded.dump_component() == dumped
    assert (loaded.budget, loaded.reserve, loaded.task) == (context.budget, context.reserve, context.task)
    assert await loaded.get_messages() == await context.get_messages()


@pytest.mark.parametrize(
    "arguments",
    [
        {"budget": 6_000},
        {"budget": TokenBudget(limit=6_000, target=0.5), "model": "gpt-4o", "default_agent": "me"},
        {"budget": 6_000, "agent_budgets": {"ann": 500, "bob": TokenBudget(limit=700, target=0.9)}},
    ],
)
async def test_client(arguments: dict[str, Any]) -> None:
    dumped = TokenBudgetChatCompletionClient(StrictClient(["yes"]), **arguments).dump_component()
    assert dumped.provider == f"{PACKAGE}.TokenBudgetChatCompletionClient"
    assert dumped.component_type == "model"
    loaded = ChatCompletionClient.load_component(through_json(dumped))
    assert type(loaded) is TokenBudgetChatCompletionClient
    assert loaded.dump_component() == dumped
    assert (await loaded.create(conversation(1))).content == "yes"


async def test_inside_an_agent() -> None:
    agent = AssistantAgent(
        "coder",
        TokenBudgetChatCompletionClient(StrictClient(["yes"]), 3_000, {"coder": 2_000}),
        model_context=TokenBudgetChatCompletionContext(budget=2_000),
    )
    loaded = AssistantAgent.load_component(through_json(agent.dump_component()))
    assert type(loaded.model_context) is TokenBudgetChatCompletionContext
    assert loaded.dump_component() == agent.dump_component()
    assert (await loaded.run(task="Is it fine?")).messages[-1].to_text() == "yes"


@pytest.mark.parametrize("what", ["counter", "manager"])
@pytest.mark.parametrize(
    "build",
    [
        partial(TokenBudgetChatCompletionContext, budget=2_000),
        partial(TokenBudgetChatCompletionClient, StrictClient(), 2_000),
    ],
)
def test_what_cannot_be_dumped_says_so(what: str, build: Callable[..., Any]) -> None:
    hook = build(**{what: counter_for_model(None) if what == "counter" else ContextManager()})
    with pytest.raises(TypeError, match=f"{what}=.*model="):
        hook.dump_component()
