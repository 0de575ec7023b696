"""The tools with which an agent gets back what left its view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from autogen_core import CancellationToken
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
)
from autogen_core.tools import BaseTool
from pydantic import BaseModel, Field

from ..context.manager import ContextManager
from ..errors import UnknownHandleError


class ExpandContextArgs(BaseModel):
    """Arguments of ``expand_context``."""

    handle: str = Field(description='The id in expand_context("…") of a shortened message.')


class SearchContextArgs(BaseModel):
    """Arguments of ``search_context``."""

    query: str = Field(description="Words, names or ids to look for in messages that were left out.")


class ToolText(BaseModel):
    """What a tool of this module gives."""

    text: str


ArgsT = TypeVar("ArgsT", bound=BaseModel, contravariant=True)


class _ArchiveTool(BaseTool[ArgsT, ToolText]):
    """A tool over one agent's archive; the model gets its text as it is, not as JSON."""

    def __init__(self, manager: Callable[[], ContextManager], args: type[ArgsT], name: str, description: str) -> None:
        super().__init__(args, ToolText, name, description)
        self._manager = manager

    def return_value_as_string(self, value: Any) -> str:
        return value.text if isinstance(value, ToolText) else str(value)


class ExpandContextTool(_ArchiveTool[ExpandContextArgs]):
    """Gives an agent the whole of a message that was shortened or left out of its view.

    Args:
        manager: Gives the manager of the agent's context, and with it the agent's own archive.

    Example:
        >>> from autogen_ext_tokenctx.hooks.tools import ExpandContextTool
        >>> ExpandContextTool(ContextManager).name
        'expand_context'
    """

    def __init__(self, manager: Callable[[], ContextManager]) -> None:
        super().__init__(
            manager,
            ExpandContextArgs,
            "expand_context",
            'Get back the full text of a message that was shortened or left out, by the id in expand_context("id").',
        )

    async def run(self, args: ExpandContextArgs, cancellation_token: CancellationToken) -> ToolText:
        """The originals as text, or a sentence that says there are none."""
        try:
            return ToolText(text=written(self._manager().expand(args.handle.strip().strip("\"'"))))
        except UnknownHandleError as error:
            return ToolText(text=str(error))


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
            "search_context",
            "Search the messages that were left out of this conversation; gives their ids and best lines.",
        )

    async def run(self, args: SearchContextArgs, cancellation_token: CancellationToken) -> ToolText:
        """Handles and their best lines, best first, a line each."""
        hits = self._manager().search(args.query)
        found = "\n".join(f'expand_context("{hit.handle}"): {hit.excerpt}' for hit in hits)
        return ToolText(text=found or "nothing found")


def written(messages: Sequence[LLMMessage]) -> str:
    """Messages as text, each with who said it; images are named, not shown."""
    return "\n".join(_written(message) for message in messages)


def _written(message: LLMMessage) -> str:
    if isinstance(message, FunctionExecutionResultMessage):
        return "\n".join(f"{result.name} gave:\n{result.content}" for result in message.content)
    source = "system" if isinstance(message, SystemMessage) else message.source
    if isinstance(message.content, str):
        return f"{source}: {message.content}"
    if isinstance(message, AssistantMessage):
        said = [f"{source}: {message.thought}"] if message.thought else []
        return "\n".join([*said, *(f"{source} called {call.name}({call.arguments})" for call in message.content)])
    return "\n".join(f"{source}: {part if isinstance(part, str) else '[image]'}" for part in message.content)
