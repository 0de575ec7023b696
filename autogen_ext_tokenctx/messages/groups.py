"""Groups: the smallest pieces of a history that are kept or left out, and the repair of broken ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import is_
from typing import TypeAlias

from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from .calls import changed, end_of_exchange, is_call, results_in
from .quoting import one_line, quote

MessageKey: TypeAlias = tuple[Hashable, ...]

# What stands for a missing tool result.
NO_RESULT = "[No result recorded: the call was probably interrupted]"

# Source of the user message that a result without its call becomes.
STRAY_SOURCE = "tool_result"


@dataclass(frozen=True, slots=True, eq=False)
class MessageGroup:
    """One message, or one tool exchange.

    Args:
        index: Number of the group in its history, from 0.
        messages: The group as a provider accepts it. The very objects of the history where nothing was broken;
            empty when nothing of the group can be sent.
        originals: The group as it stands in the history.
        repaired: What was broken; empty when ``messages`` are the originals.
        key: Equal for groups of equal content; what caches go by.
    """

    index: int
    messages: tuple[LLMMessage, ...]
    originals: tuple[LLMMessage, ...]
    repaired: str
    key: tuple[MessageKey, ...]

    @property
    def head(self) -> LLMMessage:
        """The first message as it stands in the history."""
        return self.originals[0]

    @property
    def is_exchange(self) -> bool:
        """Whether the group is a tool-calling message with its results."""
        return bool(self.messages) and is_call(self.messages[0])

    @property
    def is_user(self) -> bool:
        """Whether a user or another agent speaks; a result that lost its call is neither."""
        return bool(self.messages) and isinstance(self.head, UserMessage)


def split(messages: Sequence[LLMMessage], first: int = 0) -> list[MessageGroup]:
    """Return the groups of a history, numbered from `first`, each one repaired where it was broken."""
    # Splitting and repairing are one step, because what is broken about a history is exactly what does not form a
    # group: a call without its result (a cancelled run), a result without its call, an assistant message that calls
    # nothing.
    groups: list[MessageGroup] = []
    start = 0
    while start < len(messages):
        end = start + 1
        if is_call(messages[start]):
            end = end_of_exchange(messages, start)
        originals = tuple(messages[start:end])
        sendable, why = _repair(originals)
        key = tuple(message_key(message) for message in originals)
        groups.append(MessageGroup(first + len(groups), sendable, originals, why, key))
        start = end
    return groups


def repair(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return a history that a provider accepts: every call answered, every result called for."""
    # The same objects where nothing is broken. An open call gets a result that says there was none; a stray result
    # becomes a user message; assistant messages that call nothing, and user messages without any content, go; ids of
    # calls that are empty or used twice in a message are renamed.
    return [message for group in split(messages) for message in group.messages]


def message_key(message: LLMMessage) -> MessageKey:
    """Return what is equal for messages of equal content and the same images, cheap to make and to hash."""
    # Strings keep their hash, so a key of a long message costs no more than one of a short message. An image goes by
    # its identity: whoever remembers something about an image's content by this key has to hold the image.
    return _key(message, lambda image: (image.image.size, id(image)))


def common_prefix(messages: Sequence[LLMMessage], others: Sequence[LLMMessage]) -> int:
    """Return with how many of the same messages two histories begin."""
    pairs = zip(messages, others, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1] or pair[0] == pair[1], pairs))


def begins_with(history: Sequence[LLMMessage], known: Sequence[LLMMessage]) -> bool:
    """Return whether a history goes on from these messages."""
    return common_prefix(history, known) == len(known)


def same_objects(messages: Sequence[LLMMessage], others: Sequence[LLMMessage]) -> bool:
    """Return whether two lists hold the very same messages."""
    return len(messages) == len(others) and all(map(is_, messages, others))


def texts(message: LLMMessage) -> Iterator[str]:
    """Yield all that a message says: its content, calls with their arguments, results, the thought beside calls."""
    if isinstance(message.content, str):
        yield message.content
        return
    for part in message.content:
        if isinstance(part, str):
            yield part
        elif isinstance(part, FunctionCall):
            yield f"{part.name} {part.arguments}"
        elif isinstance(part, FunctionExecutionResult):
            yield part.content
    if isinstance(message, AssistantMessage) and message.thought:
        yield message.thought


def pictures_of(messages: Iterable[LLMMessage]) -> list[Image]:
    """Return all pictures in some messages, in order."""
    contents = (message.content for message in messages if isinstance(message, UserMessage))
    return [
        part
        for content in contents
        if not isinstance(content, str)  # whose characters are no parts
        for part in content
        if isinstance(part, Image)
    ]


def text_of(group: MessageGroup) -> str:
    """Return everything that a group says as it can be sent."""
    return "\n".join(text for message in group.messages for text in texts(message))


def content_hash(messages: Iterable[LLMMessage]) -> str:
    """Return the SHA-256 of everything the messages say, images included, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for message in messages:
        fields = repr(_key(message, lambda image: ("image", image.image.size)))
        digest.update(f"{len(fields)}:{fields}".encode("utf-8", "surrogatepass"))
        if isinstance(message, UserMessage) and not isinstance(message.content, str):
            for part in message.content:
                if not isinstance(part, str):
                    digest.update(part.image.tobytes())
    return digest.hexdigest()


def _key(message: LLMMessage, of_image: Callable[[Image], MessageKey]) -> MessageKey:
    if isinstance(message, SystemMessage):
        return ("system", message.content)
    if isinstance(message, UserMessage):
        if isinstance(message.content, str):
            return ("user", message.source, message.content)
        parts = tuple(part if isinstance(part, str) else of_image(part) for part in message.content)
        return ("user", message.source, parts)
    if isinstance(message, AssistantMessage):
        if isinstance(message.content, str):
            return ("assistant", message.source, message.thought, message.content)
        calls = tuple((call.id, call.name, call.arguments) for call in message.content)
        return ("assistant", message.source, message.thought, calls)
    return ("results", tuple((r.call_id, r.name, r.is_error, r.content) for r in message.content))


def _repair(originals: tuple[LLMMessage, ...]) -> tuple[tuple[LLMMessage, ...], str]:
    first = originals[0]
    if isinstance(first, FunctionExecutionResultMessage):
        return tuple(_stray(result) for result in first.content), "result without its call"
    if isinstance(first, UserMessage) and not isinstance(first.content, str) and not first.content:
        return (), "message without content"
    if not isinstance(first, AssistantMessage) or isinstance(first.content, str):
        return originals, ""
    results = results_in(originals[1:])
    if not first.content:
        strays = tuple(_stray(result) for result in results)
        if first.thought:  # what the model said beside its (missing) calls is still worth having
            return (AssistantMessage(content=first.thought, source=first.source), *strays), "call of no tool"
        return strays, "call of no tool"
    others = [message for message in originals[1:] if not isinstance(message, FunctionExecutionResultMessage)]
    if others:  # came between a call and its result: no provider takes them there
        came = (message for message in originals[1:] if isinstance(message, FunctionExecutionResultMessage))
        paired, why = _repair((first, *came))
        return (*paired, *repair(others)), why or "message between a call and its result"
    if _is_clean(first.content, originals[1:], results):
        return originals, ""
    return _paired(first, first.content, results)


def _is_clean(
    calls: list[FunctionCall], messages: tuple[LLMMessage, ...], results: list[FunctionExecutionResult]
) -> bool:
    """Return whether ids are there, are different, and are answered once each, with no empty result message."""
    ids = {call.id for call in calls}
    return (
        "" not in ids
        and len(ids) == len(calls) == len(results)
        and ids == {result.call_id for result in results}
        and all(message.content for message in messages)
    )


def _paired(
    message: AssistantMessage, calls: list[FunctionCall], results: list[FunctionExecutionResult]
) -> tuple[tuple[LLMMessage, ...], str]:
    """Return the exchange with ids that differ and one result for each call, then what answers no call."""
    taken: set[str] = {call.id for call in calls}
    renamed: list[FunctionCall] = []
    seen: set[str] = set()
    for number, call in enumerate(calls):
        new_id = call.id
        while not new_id or new_id in seen:
            new_id = f"{call.id or 'call'}_{number}"
            while new_id in taken:
                new_id += "_"
            taken.add(new_id)
        seen.add(new_id)
        renamed.append(call if new_id == call.id else FunctionCall(id=new_id, name=call.name, arguments=call.arguments))

    answers: dict[int, FunctionExecutionResult] = {}
    strays: list[FunctionExecutionResult] = []
    for result in results:
        open_calls = [number for number in range(len(calls)) if number not in answers]
        same_id = [number for number in open_calls if calls[number].id == result.call_id]
        if not result.call_id:  # some servers give no ids: then the name decides, then the order
            same_id = [n for n in open_calls if calls[n].name == result.name] or same_id or open_calls
        if same_id:
            answers[same_id[0]] = result
        else:
            strays.append(result)

    arrival = [*answers, *(number for number in range(len(calls)) if number not in answers)]
    complete = [_answer(renamed[number], answers.get(number)) for number in arrival]
    why = "call without its result" if len(answers) < len(calls) else "ids empty, used twice, or of no call"
    message = changed(message, content=renamed)
    return (message, FunctionExecutionResultMessage(content=complete), *map(_stray, strays)), why


def _answer(call: FunctionCall, result: FunctionExecutionResult | None) -> FunctionExecutionResult:
    if result is None:
        return FunctionExecutionResult(content=NO_RESULT, name=call.name, call_id=call.id, is_error=True)
    return changed(result, call_id=call.id)


def _stray(result: FunctionExecutionResult) -> UserMessage:
    return UserMessage(
        content=f"[Result of {one_line(result.name)}; its call is missing]\n{quote(result.content)}",
        source=STRAY_SOURCE,
    )
