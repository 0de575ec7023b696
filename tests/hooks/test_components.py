"""Both hooks as AutoGen components, alone and inside an agent."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import ComponentModel, InMemoryStore
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import ChatCompletionClient, SystemMessage, UserMessage

from autogen_ext_tokenctx import (
    Category,
    ContextArchive,
    ContextCompressor,
    ContextPrioritizer,
    EstimatedTokenCounter,
    ProjectContext,
    ProjectContextMemory,
    TiktokenCounter,
)
from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
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


HOOKS = [
    partial(TokenBudgetChatCompletionContext, budget=2_000),
    partial(TokenBudgetChatCompletionClient, StrictClient(), 2_000),
]


class OwnCounter(EstimatedTokenCounter):
    """A counter that only this process has."""


@pytest.mark.parametrize("build", HOOKS)
@pytest.mark.parametrize(
    ("brought", "what"),
    [
        ({"counter": OwnCounter()}, "a OwnCounter cannot be dumped"),
        ({"manager": ContextManager(counter=OwnCounter())}, "a OwnCounter cannot be dumped"),
        ({"manager": ContextManager(prioritizer=ContextPrioritizer(pin=lambda message: True))}, "prioritizer="),
        ({"manager": ContextManager(compressor=ContextCompressor(readers=[]))}, "compressor="),
        ({"manager": ContextManager(archive=ContextArchive(store=InMemoryStore[str]()))}, "archive="),
        ({"manager": ContextManager(project=ProjectContext(design=lambda: "late"))}, "section 'design'"),
    ],
    ids=["counter", "manager's counter", "prioritizer", "compressor", "archive", "project"],
)
def test_what_cannot_be_dumped_says_so(brought: dict[str, Any], what: str, build: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=what):
        build(**brought).dump_component()


@pytest.mark.parametrize("build", HOOKS)
@pytest.mark.parametrize(
    "brought",
    [
        {"counter": EstimatedTokenCounter()},
        {"counter": TiktokenCounter(encoding="cl100k_base")},
        {
            "manager": ContextManager(
                counter=TiktokenCounter("claude-sonnet-4"),
                prioritizer=ContextPrioritizer(weights={Category.MEMORY_PATTERNS: 0.9}, people=["ann"]),
                project=ProjectContext(design="Three rooms."),
            )
        },
    ],
    ids=["estimated", "encoding", "manager"],
)
async def test_managers_and_counters_of_plain_data_are_dumped(
    brought: dict[str, Any], build: Callable[..., Any]
) -> None:
    hook: Any = build(**brought)
    dumped = hook.dump_component()
    kind: Any = hook.__class__
    loaded: Any = kind.load_component(through_json(dumped))
    assert loaded.dump_component() == dumped
    own: ContextManager = brought.get("manager") or ContextManager(counter=brought["counter"])
    again = ContextManager.load_component(own.dump_component())
    assert again.prioritizer.weights == own.prioritizer.weights
    assert again.prioritizer.people == own.prioritizer.people
    assert await again.project.read() == await own.project.read()
    history = [UserMessage(content="Look.", source="user"), *conversation(30)]
    assert (await again.fit(history, 1_500)).messages == (await own.fit(history, 1_500)).messages


@pytest.mark.parametrize(
    ("make", "wrong", "right"),
    [
        (lambda: TokenBudgetChatCompletionContext(budget=2_000), "budgt", "budget"),
        (lambda: TokenBudgetChatCompletionClient(StrictClient(), 2_000), "agent_budget", "agent_budgets"),
        (ContextManager, "wieghts", "weights"),
        (ProjectContextMemory, "section", "sections"),
    ],
    ids=["context", "client", "manager", "memory"],
)
def test_a_configuration_refuses_keys_that_nobody_reads(make: Callable[[], Any], wrong: str, right: str) -> None:
    component = make()
    dumped = through_json(component.dump_component())
    dumped["config"][wrong] = None
    with pytest.raises(ValueError, match=f"has no '{wrong}', did you mean '{right}'"):
        component.__class__.load_component(dumped)
    with pytest.raises(ValueError, match="has no 'tigger', did you mean 'trigger'"):
        TokenBudget.model_validate({"limit": 100, "tigger": 0.5})
