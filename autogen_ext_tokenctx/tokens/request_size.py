"""What of a request decides its tokens, whatever the tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogen_core import Image
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema

from .counting import TokenCounter

Vector = tuple[float, ...]

FEATURES = ("request", "messages", "tokens", "digits", "foreign bytes", "image tokens", "tool tokens")
"""What tokenizers and chat templates charge differently, in the order of a vector."""


@dataclass(frozen=True, slots=True)
class RequestSize:
    """What of a request decides its tokens, whatever the tokenizer.

    Args:
        counted: Tokens by the counter.
        parts: Features of each message, by content, of the tools, and of the request as such.
    """

    counted: int
    parts: Mapping[object, Vector]


def measure(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], counter: TokenCounter) -> RequestSize:
    """Measure a request for `Calibration`.

    Example:
        >>> from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter
        >>> measure([UserMessage(content="hello", source="user")], [], EstimatedTokenCounter()).counted
        10
    """
    priming = counter.count_request(())
    in_tools = counter.count_request((), tools) - priming
    parts: dict[object, Vector] = {"request": (1.0, 0.0, float(priming), 0.0, 0.0, 0.0, 0.0)}
    if in_tools:
        parts["tools", in_tools] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, float(in_tools))
    counted = priming + in_tools
    for message in messages:
        tokens = counter.count_message(message)
        counted += tokens
        key = hash((type(message), tokens, *_texts(message)))
        copies = 0
        while (key, copies) in parts:
            copies += 1
        parts[key, copies] = _features(message, tokens, counter)
    return RequestSize(counted, parts)


def _texts(message: LLMMessage) -> list[str]:
    """Return the texts of a message that are sent."""
    if isinstance(message, (SystemMessage, UserMessage)):
        parts = [message.content] if isinstance(message.content, str) else message.content
        return [part for part in parts if isinstance(part, str)]
    if isinstance(message, AssistantMessage):
        if isinstance(message.content, str):
            return [message.content]
        calls = [text for call in message.content for text in (call.name, call.arguments)]
        return [message.thought or "", *calls]
    return [text for result in message.content for text in (result.name, result.content)]


def _features(message: LLMMessage, tokens: int, counter: TokenCounter) -> Vector:
    """Return what a message adds to each of `FEATURES`."""
    texts = _texts(message)
    in_images = 0
    content = message.content if isinstance(message, UserMessage) else ""
    if not isinstance(content, str) and any(isinstance(part, Image) for part in content):
        in_images = tokens - counter.count_message(message.model_copy(update={"content": list(texts)}))
    sent_as = 1 if isinstance(message, (SystemMessage, UserMessage, AssistantMessage)) else len(message.content)
    digits = sum(text.count(digit) for text in texts for digit in "0123456789")
    foreign = sum(map(_foreign_bytes, texts))
    return (0.0, float(sent_as), float(tokens - in_images), float(digits), float(foreign), float(in_images), 0.0)


def _foreign_bytes(text: str) -> int:
    """Return how many bytes of a text are not ASCII."""
    if text.isascii():
        return 0
    return len(text.encode("utf-8", "replace")) - len(text.encode("ascii", "ignore"))
