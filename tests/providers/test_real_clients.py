"""AutoGen's real clients at a server that refuses what the providers refuse: with this package nothing is refused."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import Image
from autogen_core.memory import ListMemory, Memory, MemoryContent, MemoryMimeType
from autogen_core.models import ChatCompletionClient, UserMessage
from autogen_core.tools import FunctionTool
from PIL import Image as PILImage

from autogen_ext_tokenctx import (
    ModelOptimizer,
    ProjectContext,
    ProjectContextMemory,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
)

from ..support.histories import prose
from ..support.provider_server import ProviderServer, provider_server
from .endpoints import (
    CLAUDE,
    CLAUDE_OPUS,
    ENDPOINTS,
    GEMMA_2,
    GEMMA_3,
    GPT,
    LLAMA,
    MISTRAL,
    MISTRAL_7B,
    Endpoint,
    Model,
)

pytestmark = pytest.mark.filterwarnings("ignore:No text content or tool calls are available")

BUDGET = 1_000
TURNS = 20


@pytest.fixture
def server() -> Generator[ProviderServer, None, None]:
    with provider_server() as served:
        yield served


async def look(item: int) -> str:
    """Look at an item of the list."""
    return prose(item, 60)


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


@pytest.mark.parametrize(
    ("endpoint", "memory"),
    [
        *((endpoint, "list") for endpoint in (GPT, CLAUDE, GEMMA_2, GEMMA_3, MISTRAL, MISTRAL_7B, LLAMA)),
        *((endpoint, "project") for endpoint in (GPT, CLAUDE, GEMMA_3, MISTRAL, LLAMA)),
    ],
    ids=str,
)
async def test_nothing_is_refused(server: ProviderServer, endpoint: Endpoint, memory: str) -> None:
    client = await talk(server, endpoint, memory, fitted)
    assert isinstance(client, TokenBudgetChatCompletionClient)
    assert server.refusals == []
    assert any(call.report.compacted for call in client.recent)


@pytest.mark.parametrize("endpoint", [CLAUDE, GEMMA_2], ids=str)
async def test_nothing_is_refused_with_both_hooks(server: ProviderServer, endpoint: Endpoint) -> None:
    await talk(server, endpoint, "list", fitted, both=True)
    assert server.refusals == []


@pytest.mark.parametrize("endpoint", [CLAUDE_OPUS, MISTRAL], ids=str)
async def test_nothing_is_refused_with_the_context_alone(server: ProviderServer, endpoint: Endpoint) -> None:
    await talk(server, endpoint, "project", whole, both=True)
    assert server.refusals == []


async def test_nothing_is_refused_when_replies_are_streamed(server: ProviderServer) -> None:
    await talk(server, GPT, "project", fitted, stream=True)
    assert server.refusals == []
    assert all(request["stream"] for request in server.requests)


NOT_CONTINUOUS = "Multiple and Not continuous system messages"
REFUSED: list[tuple[Endpoint, str, str]] = [
    (CLAUDE, "none", "messages must have non-empty content"),
    (CLAUDE, "list", NOT_CONTINUOUS),
    (CLAUDE, "project", NOT_CONTINUOUS),
    (GEMMA_2, "none", "System role not supported"),
    (GEMMA_3, "list", NOT_CONTINUOUS),
    (MISTRAL, "none", "must have either content or tool_calls"),
    (MISTRAL, "list", NOT_CONTINUOUS),
    (MISTRAL_7B, "none", "roles must alternate"),
]


@pytest.mark.parametrize(("endpoint", "memory", "why"), REFUSED, ids=[f"{e}-{memory}" for e, memory, _ in REFUSED])
async def test_without_this_package_it_is_refused(
    server: ProviderServer, endpoint: Endpoint, memory: str, why: str
) -> None:
    with pytest.raises(Exception, match=why):
        await talk(server, endpoint, memory, whole)


@pytest.mark.parametrize(
    ("endpoint", "memory", "why"),
    [(CLAUDE, "list", NOT_CONTINUOUS), (GEMMA_3, "none", "roles must alternate"), (MISTRAL, "none", "must alternate")],
    ids=str,
)
async def test_without_the_shape_it_is_refused(
    server: ProviderServer, endpoint: Endpoint, memory: str, why: str
) -> None:
    with pytest.raises(Exception, match=why):
        await talk(server, endpoint, memory, unshaped)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
async def test_a_picture_costs_what_the_model_makes_of_it(server: ProviderServer, endpoint: Endpoint) -> None:
    client = TokenBudgetChatCompletionClient(endpoint.client(server), BUDGET)
    picture = Image.from_pil(PILImage.new("RGB", (1_024, 1_024)))
    cost = client.count_tokens([UserMessage(content=[picture], source="user")])
    assert 0 <= cost - ModelOptimizer().profile(endpoint.model).images.tokens(1_024, 1_024) <= 20, "and an envelope"
    await client.close()
