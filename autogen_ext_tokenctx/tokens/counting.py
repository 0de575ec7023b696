"""How many input tokens a text, a message and a whole request cost."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, cast, runtime_checkable

from autogen_core import FunctionCall, Image
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema

from ..warn import warn
from .estimate import estimate_tokens
from .images import ImageCost, TiledImages
from .tool_schemas import render_tool

# Tokens of a message. From the OpenAI cookbook, "How to count tokens with tiktoken", checked there against the API.
_PER_MESSAGE = 3

_GPT_4O_IMAGES = TiledImages(85, 170)  # from OpenAI's vision guide, for gpt-4o, gpt-4.1 and their like

_Count = TypeVar("_Count")

_Key = tuple["str | tuple[int, int]", ...]


@runtime_checkable
class TokenCounter(Protocol):
    """Counts tokens; the budget holds in the tokens of whoever implements this.

    ``count_request`` has to equal the ``count_message`` of its messages, plus the tools, plus a constant. The package
    relies on that to choose what fits without recounting the whole request.

    Example:
        >>> isinstance(EstimatedTokenCounter(), TokenCounter)
        True
    """

    def count_text(self, text: str) -> int:
        """Return the tokens of a bare text."""
        ...

    def count_message(self, message: LLMMessage) -> int:
        """Return the tokens one message adds to a request, its envelope included."""
        ...

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return the input tokens of a whole request."""
        ...


class RequestTokenCounter(ABC):
    """Counts messages, tools and requests by OpenAI's formula, over any way of counting a text.

    Where the figures come from:

    - 3 tokens a message, its role, 1 more if it has a name, 3 for the reply: the OpenAI cookbook, equal to the bill.
      AutoGen sends a name with user messages alone, and ``thought`` with tool calls alone.
    - Tool schemas: the tokens of the TypeScript-like text OpenAI turns them into (see ``render_tool``). Not documented;
      on the eight bills that are published, 1 token a request too many, 5 or 6 if there is a system message.
    - Tool calls and results: not documented; the dearest of the three formats that are known, about 10 tokens a call
      above the cheapest. Their ids are not counted: none of these formats shows them to the model, and for the
      few models outside OpenAI that do see them (Mistral), that surplus covers an id of their own making.
    - Images: by the rule given (see ``image_cost``), detail "auto" taken as "high". The default is OpenAI's for GPT-4o
      and GPT-4.1: 85 tokens and 170 for each 512-pixel tile.

    Counts are cached by content, so a message is counted once however often its request is sent. Subclasses define
    :meth:`count_text` alone. Methods may be called from several threads.

    Args:
        images: What an image costs; by default the rule of gpt-4o.

    Example:
        >>> class Bytes(RequestTokenCounter):
        ...     def count_text(self, text: str) -> int:
        ...         return len(text.encode())
        >>> Bytes().count_message(UserMessage(content="hello", source="user"))
        17
    """

    def __init__(self, images: ImageCost = _GPT_4O_IMAGES) -> None:
        self._images = images
        self._messages = _CountCache()
        self._tools = _CountCache()

    @abstractmethod
    def count_text(self, text: str) -> int:
        """Return the tokens of a bare text."""

    def count_message(self, message: LLMMessage) -> int:
        """Return the tokens one message adds to a request: its content and its envelope.

        A message with several tool results counts as the several messages it is sent as.

        Args:
            message: Any AutoGen message; it is neither kept nor changed.

        Example:
            >>> EstimatedTokenCounter().count_message(UserMessage(content="hello", source="user"))
            7
        """
        # Everything that costs tokens. Strings keep their hash, so a second look-up is quick.
        source = message.source if isinstance(message, UserMessage) else ""
        return self._messages.get((message.type, source, *sent_parts(message)), lambda: self._count_message(message))

    def count_tools(self, tools: Sequence[Tool | ToolSchema]) -> int:
        """Return the tokens that tools add to a request, 0 if there are none.

        Args:
            tools: Tools or their schemas.

        Example:
            >>> EstimatedTokenCounter().count_tools([])
            0
        """
        if not tools:
            return 0
        # The frame comes as a system message of its own, or within the first one, which is cheaper.
        frame = "# Tools\n\n## functions\n\nnamespace functions {\n\n} // namespace functions"
        return _PER_MESSAGE + sum(map(self.count_text, ("system", frame))) + sum(map(self._count_tool, tools))

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return the input tokens of a whole request.

        Always ``sum(count_message(m)) + count_tools(tools) + 3``.

        Args:
            messages: What is sent, system messages included.
            tools: Tools or their schemas.

        Example:
            >>> EstimatedTokenCounter().count_request([])
            3
        """
        return sum(map(self.count_message, messages)) + self.count_tools(tools) + 3  # what primes the reply, as above

    def _count_message(self, message: LLMMessage) -> int:
        parts = sent_parts(message)
        tokens = sum(self.count_text(part) if isinstance(part, str) else self._images.tokens(*part) for part in parts)
        if isinstance(message, SystemMessage):
            return tokens + _PER_MESSAGE + self.count_text("system")
        if isinstance(message, UserMessage):  # a name is a token more
            return tokens + _PER_MESSAGE + self.count_text("user") + 1 + self.count_text(message.source)
        if isinstance(message, AssistantMessage):
            # From OpenAI's published harmony format, in which a call is a message of its own that names its channel,
            # recipient and content type; parallel calls of the older models take 5 + 7 a call, a single one 3, so 13
            # are never too few.
            calls = 0 if isinstance(message.content, str) else len(message.content)
            return tokens + _PER_MESSAGE + self.count_text("assistant") + 13 * calls
        # In the same format 6: the recipient, the channel and the "functions." before the tool's name.
        return tokens + len(message.content) * (_PER_MESSAGE + self.count_text("tool") + 6)

    def _count_tool(self, tool: Tool | ToolSchema) -> int:
        schema = cast("Mapping[str, object]", tool if isinstance(tool, dict) else tool.schema)
        name, description = str(schema["name"]), str(schema.get("description", ""))
        parameters = cast("Mapping[str, object]", schema.get("parameters", {}))
        # repr, unlike json.dumps, also takes the loops that AutoGen makes of recursive models.
        key = (name, description, repr(parameters))
        return self._tools.get(key, lambda: self.count_text(render_tool(name, description, parameters)))


class EstimatedTokenCounter(RequestTokenCounter):
    """Counts without any file, on the high side.

    Of pieces of 60 to 2,000 characters it counts on average 1.06 (Arabic) to 1.28 (Cyrillic) of the larger of OpenAI's
    two counts, English 1.24 and code 1.26; single pieces came out at .94 to 2.07. Random lower-case letters, DNA and
    Markdown's table rules are undercounted by up to 45 %, Finnish and Mongolian by 13 and 18 %.

    Args:
        images: What an image costs; by default the rule of gpt-4o.

    Example:
        >>> EstimatedTokenCounter().count_text("hello world")
        2
    """

    def count_text(self, text: str) -> int:
        """Return the estimated tokens of a bare text, on the high side."""
        return estimate_tokens(text)


class GuardedTokenCounter:
    """Passes calls on to a counter until one raises; from then on it estimates, and has said so once."""

    def __init__(self, inner: TokenCounter) -> None:
        self.inner = inner
        self.estimates = False  # whether it has failed, and what was counted before no longer counts

    def count_text(self, text: str) -> int:
        """Return the tokens of a text."""
        return self._guarded(lambda counter: counter.count_text(text))

    def count_message(self, message: LLMMessage) -> int:
        """Return the tokens of a message with its overhead."""
        return self._guarded(lambda counter: counter.count_message(message))

    def count_messages(self, messages: Sequence[LLMMessage]) -> list[int]:
        """Return the tokens of each of some messages with its overhead."""
        return self._guarded(lambda counter: [counter.count_message(message) for message in messages])

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return the tokens of a whole request."""
        return self._guarded(lambda counter: counter.count_request(messages, tools))

    def _guarded(self, count: Callable[[TokenCounter], _Count]) -> _Count:
        if not self.estimates:
            try:
                return count(self.inner)
            except Exception as error:
                broken = type(self.inner).__name__
                self.inner, self.estimates = EstimatedTokenCounter(), True
                warn(
                    f"the token counter {broken} failed ({error!r}); tokens are estimated from now on, on the high "
                    "side. Fix the counter or leave counter= out.",
                    RuntimeWarning,
                )
        return count(self.inner)


def _size(image: Image) -> tuple[int, int]:
    width, height = image.image.size
    return max(1, width), max(1, height)


def sent_parts(message: LLMMessage) -> list[str | tuple[int, int]]:
    """Return what is sent of a message's content: its texts, and the sizes of its images in pixels."""
    if isinstance(message.content, str):
        return [message.content]
    if isinstance(message, UserMessage):
        return [part if isinstance(part, str) else _size(part) for part in message.content]
    parts: list[str | tuple[int, int]] = [message.thought or ""] if isinstance(message, AssistantMessage) else []
    for part in message.content:
        parts += [part.name, part.arguments if isinstance(part, FunctionCall) else part.content]
    return parts


class _CountCache:
    """Counts by content, the least recently used forgotten first; bounded in entries and in characters."""

    def __init__(self) -> None:
        self._counts: OrderedDict[_Key, int] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def get(self, key: _Key, count: Callable[[], int]) -> int:
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
                return self._counts[key]
        tokens = count()  # outside the lock: long texts must not hold up other threads
        with self._lock:
            if key not in self._counts:
                self._counts[key] = tokens
                self._characters += sum(map(len, key))
            # Enough for the histories of a large team, at most 80 MB: chosen, not measured.
            while len(self._counts) > 10_000 or self._characters > 20_000_000:
                oldest, _ = self._counts.popitem(last=False)
                self._characters -= sum(map(len, oldest))
        return tokens
