"""The tools with which an agent gets back what left its view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, Tool, ToolSchema
from pydantic import BaseModel, Field

from ..context.manager import ContextManager
from ..errors import UnknownHandleError
from ..messages.pages import EXPAND_TOOL, GOES_ON, SEARCH_TOOL, expand_call, page, page_lines
from ..tokens.budget import TokenBudget

_PAGES = 3
"""So many pages may fill what a compaction goes down to."""


class ExpandContextArgs(BaseModel):
    """Arguments of ``expand_context``."""

    handle: str = Field(description='The id in expand_context("…") of a shortened message.')
    start: int = Field(default=1, description='First line to give, as in "lines 50-99 of 200"; 1 is the first of all.')
    end: int | None = Field(default=None, description="Last line to give; without it as many as fit a page.")


class SearchContextArgs(BaseModel):
    """Arguments of ``search_context``."""

    query: str = Field(description="Words, names or ids to look for in messages that were left out.")


class ToolText(BaseModel):
    """What a `TextTool` gives."""

    text: str


ArgsT = TypeVar("ArgsT", bound=BaseModel, contravariant=True)


class TextTool(BaseTool[ArgsT, ToolText]):
    """A tool of which the model gets a text as it is, not as JSON."""

    def __init__(self, args: type[ArgsT], name: str, description: str) -> None:
        super().__init__(args, ToolText, name, description)

    def return_value_as_string(self, value: Any) -> str:
        """Return the text."""
        return value.text if isinstance(value, ToolText) else str(value)


class _ArchiveTool(TextTool[ArgsT]):
    """A tool over one agent's archive."""

    def __init__(self, manager: Callable[[], ContextManager], args: type[ArgsT], name: str, description: str) -> None:
        super().__init__(args, name, description)
        self._manager = manager


class ExpandContextTool(_ArchiveTool[ExpandContextArgs]):
    """Gives an agent what was shortened or left out of its view, a page of lines at a time."""

    def __init__(self, manager: Callable[[], ContextManager], budget: Callable[[], TokenBudget]) -> None:
        super().__init__(
            manager,
            ExpandContextArgs,
            EXPAND_TOOL,
            "Get back the text of a message that was shortened or left out, a page of lines at a time, by the id in "
            f'{EXPAND_TOOL}("id"). The two numbers of {EXPAND_TOOL}("id", 50, 99) are start and end. Each page says '
            f"how to go on. What begins with {GOES_ON.strip()} goes on in the line before it.",
        )
        self._budget = budget

    async def run(self, args: ExpandContextArgs, cancellation_token: CancellationToken) -> ToolText:
        """Return one page of the originals as text, or a sentence that says why there is none."""
        handle = args.handle.strip().strip("\"'")
        manager = self._manager()
        try:
            # it may be all that ever left a view, and in a store
            lines = await asyncio.to_thread(lambda: page_lines(manager.expand(handle)))
        except UnknownHandleError as error:
            return ToolText(text=str(error))
        # a page stands in the view whole, beside system messages, the task and tools, and often the page before it does
        tokens = self._budget().target_tokens // _PAGES
        count = manager.counter.count_text
        return ToolText(text=page(handle, lines, args.start, args.end, tokens=tokens, count=count))


class SearchContextTool(_ArchiveTool[SearchContextArgs]):
    """Lets an agent look for words in what left its view."""

    def __init__(self, manager: Callable[[], ContextManager]) -> None:
        super().__init__(
            manager,
            SearchContextArgs,
            SEARCH_TOOL,
            "Search the messages that were left out of this conversation; gives their best lines, each with the call "
            f"of {EXPAND_TOOL} that shows it among its neighbours.",
        )

    async def run(self, args: SearchContextArgs, cancellation_token: CancellationToken) -> ToolText:
        """Return the best lines with handle and range, best first, a line each."""
        hits = await asyncio.to_thread(self._manager().search, args.query)  # all that left the view is read for it
        found = "\n".join(
            f"{expand_call(hit.handle, hit.first, hit.last)} of {hit.total} lines: {hit.excerpt}" for hit in hits
        )
        return ToolText(text=found or "nothing found")


def context_tools(manager: Callable[[], ContextManager], budget: Callable[[], TokenBudget]) -> list[BaseTool[Any, Any]]:
    """Return the tools over one agent's archive, whose pages fit its budget."""
    return [ExpandContextTool(manager, budget), SearchContextTool(manager)]


def can_expand(tools: Iterable[Tool | ToolSchema]) -> bool:
    """Return whether ``expand_context`` is among some tools."""
    return any((tool.name if isinstance(tool, Tool) else tool["name"]) == EXPAND_TOOL for tool in tools)
