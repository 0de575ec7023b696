"""What of a request decides its tokens, whatever the tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import Tool, ToolSchema

from .counting import TokenCounter, sent_parts

Vector = tuple[float, ...]

# What tokenizers and chat templates charge differently, in the order of a vector.
FEATURES = ("request", "messages", "tokens", "digits", "foreign bytes", "image tokens", "tool tokens")


@dataclass(frozen=True, slots=True)
class RequestSize:
    """Tokens of a request by the counter, and the features of each message by content, the tools, and the request."""

    counted: int
    parts: Mapping[object, Vector]


def measure(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema], counter: TokenCounter) -> RequestSize:
    """Return the size of a request, for `Calibration`."""
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
    return [part for part in sent_parts(message) if isinstance(part, str)]


def _features(message: LLMMessage, tokens: int, counter: TokenCounter) -> Vector:
    """Return what a message adds to each of `FEATURES`."""
    texts = _texts(message)
    in_images = 0
    if len(texts) < len(sent_parts(message)):  # the price of an image is the counter's own, so it counts without them
        in_images = tokens - counter.count_message(message.model_copy(update={"content": texts}))
    sent_as = len(message.content) if isinstance(message, FunctionExecutionResultMessage) else 1
    digits = sum(text.count(digit) for text in texts for digit in "0123456789")
    foreign = sum(map(_foreign_bytes, texts))
    return (0.0, float(sent_as), float(tokens - in_images), float(digits), float(foreign), float(in_images), 0.0)


def _foreign_bytes(text: str) -> int:
    """Return how many bytes of a text are not ASCII."""
    if text.isascii():
        return 0
    return len(text.encode("utf-8", "replace")) - len(text.encode("ascii", "ignore"))
