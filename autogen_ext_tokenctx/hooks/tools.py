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
        """The text."""
        return value.text if isinstance(value, ToolText) else str(value)


class _ArchiveTool(TextTool[ArgsT]):
    """A tool over one agent's archive."""

    def __init__(self, manager: Callable[[], ContextManager], args: type[ArgsT], name: str, description: str) -> None:
        super().__init__(args, name, description)
        self._manager = manager


class ExpandContextTool(_ArchiveTool[ExpandContextArgs]):
    """Gives an agent what was shortened or left out of its view, a page of lines at a time.

    Every page says which lines it shows of how many, and how to go on. A page is small enough to stand in the view
    whole, so that everything can be read, however small the budget is beside it.

    Args:
        manager: Gives the manager of the agent's context, and with it the agent's own archive.
        page_tokens: Gives the tokens that one page may have; see `page_tokens`.

    Example:
        >>> from autogen_ext_tokenctx.hooks.tools import ExpandContextTool
        >>> ExpandContextTool(ContextManager, lambda: 600).name
        'expand_context'
    """

    def __init__(self, manager: Callable[[], ContextManager], page_tokens: Callable[[], int]) -> None:
        super().__init__(
            manager,
            ExpandContextArgs,
            EXPAND_TOOL,
            "Get back the text of a message that was shortened or left out, a page of lines at a time, by the id in "
            f'{EXPAND_TOOL}("id"). The two numbers of {EXPAND_TOOL}("id", 50, 99) are start and end. Each page says '
            f"how to go on. What begins with {GOES_ON.strip()} goes on in the line before it.",
        )
        self._page_tokens = page_tokens

    async def run(self, args: ExpandContextArgs, cancellation_token: CancellationToken) -> ToolText:
        """One page of the originals as text, or a sentence that says why there is none."""
        handle = args.handle.strip().strip("\"'")
        manager = self._manager()
        try:
            # it may be all that ever left a view, and in a store
            lines = await asyncio.to_thread(lambda: page_lines(manager.expand(handle)))
        except UnknownHandleError as error:
            return ToolText(text=str(error))
        count = manager.counter.count_text
        return ToolText(text=page(handle, lines, args.start, args.end, tokens=self._page_tokens(), count=count))


class SearchContextTool(_ArchiveTool[SearchContextArgs]):
    """Lets an agent look for words in what left its view.

    Args:
        manager: Gives the manager of the agent's context, and with it the agent's own archive.

    Example:
        >>> from autogen_ext_tokenctx.hooks.tools import SearchContextTool
        >>> SearchContextTool(ContextManager).name
        'search_context'
    """

    def __init__(self, manager: Callable[[], ContextManager]) -> None:
        super().__init__(
            manager,
            SearchContextArgs,
            SEARCH_TOOL,
            "Search the messages that were left out of this conversation; gives their best lines, each with the call "
            f"of {EXPAND_TOOL} that shows it among its neighbours.",
        )

    async def run(self, args: SearchContextArgs, cancellation_token: CancellationToken) -> ToolText:
        """The best lines with handle and range, best first, a line each."""
        hits = await asyncio.to_thread(self._manager().search, args.query)  # all that left the view is read for it
        found = "\n".join(
            f"{expand_call(hit.handle, hit.first, hit.last)} of {hit.total} lines: {hit.excerpt}" for hit in hits
        )
        return ToolText(text=found or "nothing found")


def can_expand(tools: Iterable[Tool | ToolSchema]) -> bool:
    """Return whether ``expand_context`` is among some tools.

    Example:
        >>> can_expand([ExpandContextTool(ContextManager, lambda: 600)]), can_expand([])
        (True, False)
    """
    return any((tool.name if isinstance(tool, Tool) else tool["name"]) == EXPAND_TOOL for tool in tools)


def page_tokens(budget: TokenBudget) -> int:
    """Tokens that a page may have under a budget: a third of what a compaction goes down to.

    So it fits whole beside system messages, the task and the tools' schemas, and the page before it often does too.

    Example:
        >>> page_tokens(TokenBudget(limit=3_000))
        600
    """
    return budget.target_tokens // 3
