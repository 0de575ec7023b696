"""The project context as an AutoGen memory: each section is in an agent's context once, in its newest version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from autogen_core import CancellationToken, Component
from autogen_core.memory import Memory, MemoryContent, MemoryMimeType, MemoryQueryResult, UpdateContextResult
from autogen_core.model_context import ChatCompletionContext
from pydantic import Field
from typing_extensions import Self

from ..context.manager import ContextManager
from ..errors import StrictConfig
from ..messages.sections import ProjectContext, SectionData, SectionText, read_section
from ..retrieval.bm25 import bm25, idf_of
from ..retrieval.terms import terms
from .chat_context import TokenBudgetChatCompletionContext

_ADDED = "memory_patterns"
"""The section, and the type, of what is added without a name: what agents remember are patterns of earlier work."""


class ProjectContextMemoryConfig(StrictConfig):
    """The declarative configuration of `ProjectContextMemory`."""

    name: str = "project_context"
    sections: list[SectionData] = Field(default_factory=list[SectionData])


class ProjectContextMemory(Memory, Component[ProjectContextMemoryConfig]):
    """An AutoGen memory over a `ProjectContext`.

    At each turn, sections that are new or have changed enter the agent's context, as a system message each; sections
    that are there already do not enter again. A model context cannot be told to forget a message, and what it gives
    out may be a view that must not be written back; so a new version is appended, and says that it replaces the
    earlier one, as does a note when a section was removed or says nothing any more.

    With a context that keeps a view of its own (`TokenBudgetChatCompletionContext`), sections enter once and it is the
    context's business what of them is shown. With any other, a section enters again when it has dropped out of what
    the context gives out. Two memories of one agent should not have sections of the same name.

    Args:
        project: The sections. None: an empty one, for `add`.
        name: Name of the memory.

    Example:
        >>> import asyncio
        >>> from autogen_core.model_context import UnboundedChatCompletionContext
        >>> async def main() -> int:
        ...     memory = ProjectContextMemory(ProjectContext(requirements="Keep the public API."))
        ...     context = UnboundedChatCompletionContext()
        ...     for _ in range(5):
        ...         await memory.update_context(context)
        ...     return len(await context.get_messages())
        >>> asyncio.run(main())
        1
    """

    component_type = "memory"
    component_config_schema = ProjectContextMemoryConfig
    component_provider_override = "autogen_ext_tokenctx.ProjectContextMemory"

    def __init__(self, project: ProjectContext | None = None, *, name: str = "project_context") -> None:
        self._project = project if project is not None else ProjectContext()
        self._name = name
        # By the manager and not the context: clearing or loading a context gives it a new manager, and then nothing
        # is known any more about what it holds.
        self._entered: WeakKeyDictionary[ContextManager, dict[str, SectionText]] = WeakKeyDictionary()
        self._names: set[str] = set()

    @property
    def name(self) -> str:
        """Name of the memory."""
        return self._name

    @property
    def project(self) -> ProjectContext:
        """The sections."""
        return self._project

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Let sections that are new or have changed enter a context.

        Args:
            model_context: The context of an agent.

        Returns:
            What entered.
        """
        wanted = await self._project.read()
        reserved = await self._held(model_context)
        self._names.update(section.name for section in wanted)
        evicted = [
            SectionText(before.name, before.type, "")
            for name, before in reserved.items()
            # Sections of somebody else's memory are not ours to remove.
            if name in self._names and before.text and all(section.name != name for section in wanted)
        ]
        entering = [*evicted, *(section for section in wanted if reserved.get(section.name) != section)]
        for section in entering:
            before = reserved.get(section.name)
            await model_context.add_message(section.message(replaces=before is not None and bool(before.text)))
            reserved[section.name] = section
        return UpdateContextResult(memories=_result([section for section in entering if section.text]))

    async def query(
        self,
        query: str | MemoryContent = "",
        cancellation_token: CancellationToken | None = None,
        **kwargs: Any,
    ) -> MemoryQueryResult:
        """The sections that have words of the query, the best first; all sections for an empty query.

        Args:
            query: What to look for.
            cancellation_token: Not used.
            **kwargs: Not used.
        """
        sections = await self._project.read()
        words = terms(query if isinstance(query, str) else _text_of(query))
        if not words:
            return _result(sections)
        documents = [_counts(terms(f"{section.name}\n{section.text}")) for section in sections]
        scores = bm25(documents, dict.fromkeys(words, 1.0), idf_of(documents))
        best = sorted(range(len(sections)), key=lambda number: -scores[number])
        return _result([sections[number] for number in best if scores[number] > 0])

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """Add a text to a section, as a paragraph of its own.

        Args:
            content: A text, Markdown or JSON. Its metadata may say the ``section`` and the ``type`` it belongs to;
                without, it goes to "memory_patterns".
            cancellation_token: Not used.

        Raises:
            TypeError: The content is binary or an image, or the section is given by a callable.
            ValueError: Such a name or type cannot be.
        """
        metadata = content.metadata or {}
        name = str(metadata.get("section", _ADDED))
        known = {section.name: section for section in self._project.sections}.get(name)
        before = known.content if known is not None else ""
        if not isinstance(before, str):
            raise TypeError(f"section {name!r} is given by a callable, so nothing can be added to it")
        kind = metadata.get("type", known.type if known is not None else _ADDED)
        self._project.set(name, f"{before}\n\n{_text_of(content)}".strip(), type=str(kind))

    async def clear(self) -> None:
        """Take all sections away; at the next turn the agents are told that they no longer hold."""
        self._project.clear()

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _to_config(self) -> ProjectContextMemoryConfig:
        sections = [section.data() for section in self._project.sections]
        return ProjectContextMemoryConfig(name=self._name, sections=sections)

    @classmethod
    def _from_config(cls, config: ProjectContextMemoryConfig) -> Self:
        return cls(ProjectContext(section.section() for section in config.sections), name=config.name)

    async def _held(self, model_context: ChatCompletionContext) -> dict[str, SectionText]:
        """Return the newest version of each section that a context holds; the caller keeps it up to date."""
        manager = model_context.manager if isinstance(model_context, TokenBudgetChatCompletionContext) else None
        if manager is not None and manager in self._entered:
            return self._entered[manager]
        versions = [read_section(message) for message in await model_context.get_messages()]
        reserved = {version.name: version for version in versions if version is not None}
        if manager is not None:
            self._entered[manager] = reserved
        return reserved


def _text_of(content: MemoryContent) -> str:
    if isinstance(content.content, str):
        return content.content
    if isinstance(content.content, dict):
        return json.dumps(content.content, ensure_ascii=False)
    raise TypeError(f"a project context holds texts and JSON, not {type(content.content).__name__}")


def _counts(words: Sequence[str]) -> dict[str, int]:
    return {word: words.count(word) for word in set(words)}


def _result(sections: Sequence[SectionText]) -> MemoryQueryResult:
    return MemoryQueryResult(
        results=[
            MemoryContent(
                content=section.text,
                mime_type=MemoryMimeType.TEXT,
                metadata={"section": section.name, "type": section.type},
            )
            for section in sections
        ]
    )
