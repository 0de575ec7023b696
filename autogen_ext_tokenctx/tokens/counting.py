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

# The request formula. From the OpenAI cookbook, "How to count tokens with tiktoken", checked there against the API:
_PER_MESSAGE = 3
_PER_NAME = 1
_REPLY_PRIMING = 3
# From OpenAI's published harmony format, in which a call is a message of its own that names its channel, recipient
# and content type; parallel calls of the older models take 5 + 7 a call, a single one 3, so this is never too few.
_PER_CALL = 13
_PER_RESULT = 6  # the recipient, the channel and the "functions." before the tool's name, in the same format
_TOOLS_FRAME = "# Tools\n\n## functions\n\nnamespace functions {\n\n} // namespace functions"
# From OpenAI's vision guide, for gpt-4o, gpt-4.1 and their like.
_GPT_4O_IMAGES = TiledImages(85, 170)

_Count = TypeVar("_Count")

_MessageKey = tuple["str | tuple[int, int]", ...]


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
        """Return the tokens of a bare text.

        Args:
            text: Any text.
        """

    def count_message(self, message: LLMMessage) -> int:
        """Return the tokens one message adds to a request: its content and its envelope.

        A message with several tool results counts as the several messages it is sent as.

        Args:
            message: Any AutoGen message; it is neither kept nor changed.

        Example:
            >>> EstimatedTokenCounter().count_message(UserMessage(content="hello", source="user"))
            7
        """
        return self._messages.get(_message_key(message), lambda: self._count_message(message))

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
        frame = _PER_MESSAGE + self.count_text("system") + self.count_text(_TOOLS_FRAME)
        return frame + sum(self._count_tool(tool) for tool in tools)

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
        return sum(map(self.count_message, messages)) + self.count_tools(tools) + _REPLY_PRIMING

    def _count_message(self, message: LLMMessage) -> int:
        if isinstance(message, SystemMessage):
            return self._count_envelope("system") + self.count_text(message.content)
        if isinstance(message, UserMessage):
            return self._count_envelope("user") + self._count_user(message)
        if isinstance(message, AssistantMessage):
            return self._count_envelope("assistant") + self._count_assistant(message)
        return sum(
            self._count_envelope("tool") + _PER_RESULT + self.count_text(result.name) + self.count_text(result.content)
            for result in message.content
        )

    def _count_envelope(self, role: str) -> int:
        return _PER_MESSAGE + self.count_text(role)

    def _count_user(self, message: UserMessage) -> int:
        parts = [message.content] if isinstance(message.content, str) else message.content
        contents = (
            self.count_text(part) if isinstance(part, str) else self._images.tokens(*_size(part)) for part in parts
        )
        return _PER_NAME + self.count_text(message.source) + sum(contents)

    def _count_assistant(self, message: AssistantMessage) -> int:
        if isinstance(message.content, str):
            return self.count_text(message.content)
        return self.count_text(message.thought or "") + sum(map(self._count_call, message.content))

    def _count_call(self, call: FunctionCall) -> int:
        return _PER_CALL + self.count_text(call.name) + self.count_text(call.arguments)

    def _count_tool(self, tool: Tool | ToolSchema) -> int:
        schema = cast("Mapping[str, object]", tool if isinstance(tool, dict) else tool.schema)
        name, description = str(schema["name"]), str(schema.get("description", ""))
        parameters = cast("Mapping[str, object]", schema.get("parameters", {}))
        # repr, unlike json.dumps, also takes the loops that AutoGen makes of recursive models.
        key = (name, description, repr(parameters))
        return self._tools.get(key, lambda: self.count_text(render_tool(name, description, parameters)))


class EstimatedTokenCounter(RequestTokenCounter):
    """Counts without any file, on the high side.

    How far the estimate is from the real count, kind of text by kind of text, is measured in
    :func:`~autogen_ext_tokenctx.tokens.estimate.estimate_tokens`.

    Args:
        images: What an image costs; by default the rule of gpt-4o.

    Example:
        >>> EstimatedTokenCounter().count_text("hello world")
        2
    """

    def count_text(self, text: str) -> int:
        """Return the estimated tokens of a bare text, on the high side.

        Args:
            text: Any text.

        Example:
            >>> EstimatedTokenCounter().count_text("")
            0
        """
        return estimate_tokens(text)


class GuardedTokenCounter:
    """Passes calls on to a counter until one raises; from then on it estimates, and has said so once.

    Args:
        inner: The counter to use while it works.

    Example:
        >>> GuardedTokenCounter(EstimatedTokenCounter()).count_text("hello") > 0
        True
    """

    def __init__(self, inner: TokenCounter) -> None:
        self._counter = inner
        self._failed = False

    @property
    def inner(self) -> TokenCounter:
        """The counter in use."""
        return self._counter

    @property
    def estimates(self) -> bool:
        """Whether the counter has failed, and what was counted before no longer counts."""
        return self._failed

    def count_text(self, text: str) -> int:
        """Tokens of a text."""
        return self._guarded(lambda counter: counter.count_text(text))

    def count_message(self, message: LLMMessage) -> int:
        """Tokens of a message with its overhead."""
        return self._guarded(lambda counter: counter.count_message(message))

    def count_messages(self, messages: Sequence[LLMMessage]) -> list[int]:
        """Return the tokens of each of some messages with its overhead."""
        return self._guarded(lambda counter: [counter.count_message(message) for message in messages])

    def count_request(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Tokens of a whole request."""
        return self._guarded(lambda counter: counter.count_request(messages, tools))

    def _guarded(self, count: Callable[[TokenCounter], _Count]) -> _Count:
        if not self._failed:
            try:
                return count(self._counter)
            except Exception as error:
                self._failed = True
                warn(
                    f"the token counter {type(self._counter).__name__} failed ({error!r}); tokens are estimated from "
                    "now on, on the high side. Fix the counter or leave counter= out.",
                    RuntimeWarning,
                )
                self._counter = EstimatedTokenCounter()
        return count(self._counter)


def _size(image: Image) -> tuple[int, int]:
    width, height = image.image.size
    return max(1, width), max(1, height)


def _message_key(message: LLMMessage) -> _MessageKey:
    """Everything of a message that costs tokens. Strings keep their hash, so a second look-up is quick."""
    if isinstance(message, SystemMessage):
        return ("system", message.content)
    if isinstance(message, UserMessage):
        parts = [message.content] if isinstance(message.content, str) else message.content
        return ("user", message.source, *(part if isinstance(part, str) else _size(part) for part in parts))
    if isinstance(message, AssistantMessage):
        if isinstance(message.content, str):
            return ("assistant", message.content)
        calls = (text for call in message.content for text in (call.name, call.arguments))
        return ("calls", message.thought or "", *calls)
    return ("results", *(text for result in message.content for text in (result.name, result.content)))


class _CountCache:
    """Counts by content, the least recently used forgotten first; bounded in entries and in characters."""

    _ENTRIES = 10_000
    _CHARACTERS = 20_000_000

    def __init__(self) -> None:
        self._counts: OrderedDict[_MessageKey, int] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def get(self, key: _MessageKey, count: Callable[[], int]) -> int:
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
                return self._counts[key]
        tokens = count()  # outside the lock: long texts must not hold up other threads
        with self._lock:
            if key not in self._counts:
                self._counts[key] = tokens
                self._characters += _characters(key)
            while len(self._counts) > self._ENTRIES or self._characters > self._CHARACTERS:
                oldest, _ = self._counts.popitem(last=False)
                self._characters -= _characters(oldest)
        return tokens


def _characters(key: _MessageKey) -> int:
    return sum(map(len, key))
