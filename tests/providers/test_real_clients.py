"""AutoGen's real clients at a server that refuses what the providers refuse: with this package nothing is refused."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_core.memory import ListMemory, Memory, MemoryContent, MemoryMimeType
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import FunctionTool

from autogen_ext_tokenctx import (
    ProjectContext,
    ProjectContextMemory,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
)

from ..support.histories import look
from ..support.provider_server import ProviderServer, provider_server
from .endpoints import ENDPOINTS, Endpoint, Model

BUDGET = 1_500
TURNS = 20


@pytest.fixture
def server() -> Generator[ProviderServer, None, None]:
    with provider_server() as served:
        yield served


async def list_memory() -> Memory:
    memory = ListMemory()
    await memory.add(MemoryContent(content="Hall 4 is closed.", mime_type=MemoryMimeType.TEXT))
    return memory


async def project_memory() -> Memory:
    return ProjectContextMemory(ProjectContext(requirements="Keep the public API.", design="Three rooms."))


MEMORIES = {"none": None, "list": list_memory, "project": project_memory}


def whole(client: ChatCompletionClient) -> ChatCompletionClient:
    return client


def fitted(client: ChatCompletionClient) -> TokenBudgetChatCompletionClient:
    return TokenBudgetChatCompletionClient(client, BUDGET)


def unshaped(client: ChatCompletionClient) -> TokenBudgetChatCompletionClient:
    return TokenBudgetChatCompletionClient(client, BUDGET, optimizer=None)


async def talk(
    server: ProviderServer,
    endpoint: Endpoint,
    memory: str,
    hook: Callable[[ChatCompletionClient], ChatCompletionClient],
    *,
    both: bool = False,
    stream: bool = False,
) -> ChatCompletionClient:
    """Twenty turns of an agent with a tool, each of which the model answers."""
    server.script = model = Model(endpoint.call_id)
    client = hook(endpoint.client(server))
    make = MEMORIES[memory]
    remembered = [await make()] if make is not None else None
    agent = AssistantAgent(
        "coder",
        client,
        tools=[FunctionTool(look, "Look at an item.")],
        memory=remembered,
        model_context=TokenBudgetChatCompletionContext(model=endpoint.model, budget=BUDGET) if both else None,
        max_tool_iterations=3,
        model_client_stream=stream,
    )
    try:
        for turn in range(TURNS):
            if remembered and isinstance(remembered[0], ProjectContextMemory) and turn % 5 == 4:
                remembered[0].project.set("design", f"{turn} rooms.", type="design")
            last = (await agent.run(task=f"Go on with item {turn}.")).messages[-1]
            assert isinstance(last, TextMessage)
            assert last.content == model.answers[-1]
    finally:
        await client.close()
    return client


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
async def test_nothing_is_refused(server: ProviderServer, endpoint: Endpoint, memory: str) -> None:
    client = await talk(server, endpoint, memory, fitted)
    assert isinstance(client, TokenBudgetChatCompletionClient)
    assert server.refusals == []
    assert any(call.report.compacted for call in client.recent)
