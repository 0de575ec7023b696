"""The project context as a memory: alone, in AutoGen's contexts and ours, and inside an agent over several turns."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import MemoryQueryEvent
from autogen_core import Image
from autogen_core.memory import Memory, MemoryContent, MemoryMimeType
from autogen_core.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    HeadAndTailChatCompletionContext,
    UnboundedChatCompletionContext,
)
from autogen_core.models import LLMMessage, SystemMessage, UserMessage
from PIL import Image as PILImage

from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.hooks.memory import ProjectContextMemory
from autogen_ext_tokenctx.messages.sections import ProjectContext, Section, section_of

from ..support.histories import prose
from ..support.strict_client import StrictClient

CONTEXTS: dict[str, Callable[[], ChatCompletionContext]] = {
    "unbounded": UnboundedChatCompletionContext,
    "ours": lambda: TokenBudgetChatCompletionContext(budget=4_000),
    "ours, tight": lambda: TokenBudgetChatCompletionContext(budget=600, reserve=60),
}


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def sections(messages: list[LLMMessage]) -> list[str]:
    """The section messages, as they stand."""
    return [str(message.content) for message in messages if section_of(message)]


@pytest.mark.parametrize("name", CONTEXTS)
async def test_each_section_enters_an_agent_once(name: str) -> None:
    client = StrictClient(["fine"])
    project = ProjectContext(requirements="Keep the public API.", memory_patterns="Tests first worked well.")
    context = CONTEXTS[name]()
    agent = AssistantAgent("coder", client, model_context=context, memory=[ProjectContextMemory(project)])
    events = 0
    for turn in range(6):
        result = await agent.run(task=f"Step {turn}: {prose(turn)}")
        events += sum(isinstance(message, MemoryQueryEvent) for message in result.messages)
    assert events == 1, "only what enters is reported"
    state = await context.save_state()
    stored = [message for message in state["messages"] if "[project context" in str(message["content"])]
    assert len(stored) == 2
    assert sections(client.requests[0].messages) == [
        "[project context: requirements]\nKeep the public API.",
        "[project context: memory_patterns]\nTests first worked well.",
    ]


@pytest.mark.parametrize("name", CONTEXTS)
async def test_a_changed_section_is_replaced_and_an_empty_one_removed(name: str) -> None:
    project = ProjectContext(requirements="Support Python 3.9.", design="Three rooms.")
    memory = ProjectContextMemory(project)
    context = CONTEXTS[name]()
    await context.add_message(user("Begin."))

    async def entered() -> list[str]:
        return [str(item.content) for item in (await memory.update_context(context)).memories.results]

    assert await entered() == ["Support Python 3.9.", "Three rooms."]
    project.set("requirements", "Support Python 3.10.")
    assert await entered() == ["Support Python 3.10."]
    assert sections(await context.get_messages())[-1] == (
        "[project context: requirements] This replaces what stood under this heading before.\nSupport Python 3.10."
    )
    project.set("design", "")
    assert await entered() == []
    assert sections(await context.get_messages())[-1] == (
        "[project context: design] Removed: what stood under this heading no longer holds."
    )
    assert await entered() == []
    project.set("design", "Four rooms.")
    assert await entered() == ["Four rooms."]
    await memory.clear()
    assert await entered() == []
    held = [section_of(message) for message in await context.get_messages()]
    assert held[-2:] == [("requirements", "requirements"), ("design", "design")]
    assert await entered() == []


async def test_callables_are_asked_at_each_turn() -> None:
    files = ["a.py"]
    client = StrictClient(["ok"])
    memory = ProjectContextMemory(ProjectContext(project_structure=lambda: "\n".join(files)))
    agent = AssistantAgent("coder", client, memory=[memory])
    await agent.run(task="one")
    files.append("b.py")
    await agent.run(task="two")
    await agent.run(task="three")
    assert [text.splitlines()[1:] for text in sections(client.requests[-1].messages)] == [["a.py"], ["a.py", "b.py"]]


async def test_agents_that_share_a_memory_each_get_the_sections() -> None:
    memory = ProjectContextMemory(ProjectContext(requirements="Be kind."))
    clients = [StrictClient(["ok"]), StrictClient(["ok"])]
    for client, context in zip(clients, (UnboundedChatCompletionContext(), CONTEXTS["ours"]()), strict=True):
        agent = AssistantAgent("coder", client, model_context=context, memory=[memory])
        await agent.run(task="Hello.")
        await agent.run(task="Hello again.")
        assert len(sections(client.requests[-1].messages)) == 1


@pytest.mark.parametrize("name", CONTEXTS)
async def test_sections_enter_again_after_a_reset(name: str) -> None:
    memory = ProjectContextMemory(ProjectContext(requirements="Be kind."))
    context = CONTEXTS[name]()
    await memory.update_context(context)
    await context.clear()
    await context.add_message(user("Begin."))
    await memory.update_context(context)
    assert len(sections(await context.get_messages())) == 1


@pytest.mark.parametrize("name", CONTEXTS)
async def test_sections_are_known_again_after_loading(name: str) -> None:
    project = ProjectContext(requirements="Be kind.")
    before = CONTEXTS[name]()
    await before.add_message(user("Begin."))
    await ProjectContextMemory(project).update_context(before)
    after, memory = CONTEXTS[name](), ProjectContextMemory(project)
    await after.load_state(json.loads(json.dumps(await before.save_state())))
    assert (await memory.update_context(after)).memories.results == []
    assert len(sections(await after.get_messages())) == 1


@pytest.mark.parametrize(
    "context", [BufferedChatCompletionContext(buffer_size=6), HeadAndTailChatCompletionContext(2, 4)], ids=type
)
async def test_a_section_that_fell_out_of_the_window_enters_again(context: ChatCompletionContext) -> None:
    memory = ProjectContextMemory(ProjectContext(requirements="Be kind."))
    for turn in range(20):
        await context.add_message(user(f"turn {turn}"))
        await memory.update_context(context)
        assert len(sections(await context.get_messages())) == 1


async def test_our_view_is_never_written_back() -> None:
    context = TokenBudgetChatCompletionContext(budget=500, reserve=50)
    project = ProjectContext(requirements="Be kind.")
    memory = ProjectContextMemory(project)
    said = [user(f"{turn}: {prose(turn)}") for turn in range(30)]
    for message in said:
        await context.add_message(message)
        project.set("requirements", f"Be kind. {len(str(message.content))}")
        await memory.update_context(context)
        await context.get_messages()
    stored = (await context.save_state())["messages"]
    assert [m["content"] for m in stored if m["type"] == "UserMessage"] == [message.content for message in said]


async def test_sections_of_another_memory_are_left_alone() -> None:
    context = UnboundedChatCompletionContext()
    first = ProjectContextMemory(ProjectContext(requirements="Be kind."))
    second = ProjectContextMemory(ProjectContext(design="Three rooms."))
    for _ in range(3):
        await first.update_context(context)
        await second.update_context(context)
    assert len(sections(await context.get_messages())) == 2


async def test_without_sections_nothing_enters() -> None:
    context = UnboundedChatCompletionContext()
    assert (await ProjectContextMemory().update_context(context)).memories.results == []
    assert await context.get_messages() == []


async def test_add_and_query() -> None:
    memory = ProjectContextMemory(ProjectContext(design="The parser has three stages."))
    await memory.add(MemoryContent(content="Retries must be idempotent.", mime_type=MemoryMimeType.TEXT))
    await memory.add(MemoryContent(content="Caches hide bugs.", mime_type=MemoryMimeType.TEXT))
    await memory.add(
        MemoryContent(
            content={"timeout": 5},
            mime_type=MemoryMimeType.JSON,
            metadata={"section": "limits", "type": "requirements"},
        )
    )

    async def found(query: str) -> list[str]:
        return [str(item.content) for item in (await memory.query(query)).results]

    assert len(await found("")) == 3
    assert await found("which stages has the parser?") == ["The parser has three stages."]
    assert await found("idempotent retries") == ["Retries must be idempotent.\n\nCaches hide bugs."]
    assert await found("timeout") == ['{"timeout": 5}']
    assert await found("zebra") == []
    question = MemoryContent(content="caches", mime_type=MemoryMimeType.TEXT)
    assert (await memory.query(question)).results[0].metadata == {
        "section": "memory_patterns",
        "type": "memory_patterns",
    }


@pytest.mark.parametrize("content", [b"\x00", Image.from_pil(PILImage.new("RGB", (2, 2)))], ids=type)
async def test_only_texts_can_be_added(content: bytes | Image) -> None:
    with pytest.raises(TypeError, match="texts and JSON"):
        await ProjectContextMemory().add(MemoryContent(content=content, mime_type=MemoryMimeType.BINARY))


async def test_nothing_can_be_added_to_a_callable() -> None:
    memory = ProjectContextMemory(ProjectContext(memory_patterns=lambda: "…"))
    with pytest.raises(TypeError, match="given by a callable"):
        await memory.add(MemoryContent(content="x", mime_type=MemoryMimeType.TEXT))


async def test_component() -> None:
    project = ProjectContext([Section("api rules", "requirements", "Never break v1.")], design="Three rooms.")
    dumped = ProjectContextMemory(project, name="project").dump_component()
    assert dumped.provider == "autogen_ext_tokenctx.ProjectContextMemory"
    loaded = Memory.load_component(json.loads(dumped.model_dump_json()))
    assert isinstance(loaded, ProjectContextMemory)
    assert loaded.name == "project"
    assert loaded.project.sections == project.sections
    assert loaded.dump_component() == dumped
    agent = AssistantAgent("coder", StrictClient(["ok"]), memory=[loaded])
    again = AssistantAgent.load_component(json.loads(agent.dump_component().model_dump_json()))
    assert again.dump_component() == agent.dump_component()
    await loaded.close()


def test_a_callable_cannot_be_dumped() -> None:
    memory = ProjectContextMemory(ProjectContext(design=lambda: "…"))
    with pytest.raises(TypeError, match="'design' cannot be dumped"):
        memory.dump_component()


def test_sections_are_system_messages_with_their_category_in_the_first_line() -> None:
    message = SystemMessage(content="[project context: api rules (requirements)]\nNever break v1.")
    assert section_of(message) == ("api rules", "requirements")
