"""The view of a request that a model's endpoint accepts and uses best."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from ..tokens.profile_table import profile_of
from ..tokens.profiles import ModelProfile
from .units import is_call, repair

GO_ON = "Continue."
"""What the user says where an endpoint wants the user's word and there is none."""

SEEN = "I have read the results."
"""What the assistant says where an endpoint wants its word after tool results and there is none."""

NOTHING = "(no output)"
"""What an empty tool result says where an endpoint refuses empty contents."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class ModelOptimizer:
    """Shapes requests to what a model's endpoint accepts and uses best.

    Example:
        >>> messages = [
        ...     SystemMessage(content="You help."),
        ...     UserMessage(content="Hello", source="user"),
        ...     SystemMessage(content="The user likes tea."),
        ... ]
        >>> optimizer = ModelOptimizer()
        >>> [message.type for message in optimizer.optimize_for_model(messages, "claude-sonnet-4")]
        ['SystemMessage', 'UserMessage']
        >>> optimizer.optimize_for_model(messages, "gpt-4o") == messages
        True
    """

    def profile(self, model: str | None) -> ModelProfile:
        """What the model accepts and uses best; the safe profile for unknown ones.

        Args:
            model: Name of the model.

        Example:
            >>> ModelOptimizer().profile("gpt-4.1-mini").cache.discount
            0.75
        """
        return profile_of(model)

    def optimize_for_model(self, messages: Sequence[LLMMessage], model: str | None) -> list[LLMMessage]:
        """The request as the model's endpoint accepts it.

        Broken pairs of tool calls and results are repaired and lone surrogates replaced for every model; the rest is
        as the model's profile says. A few words may come in (who said what, "Continue."), so whoever has a budget
        counts what comes out.

        Args:
            messages: A request. Neither the list nor a message is changed.
            model: Name of the model.

        Returns:
            The messages, the very same objects where nothing had to change. Doing it again changes nothing.
        """
        profile = profile_of(model)
        view = [_encodable(message) for message in repair(messages)]
        if not profile.sends_thought:
            view = [_without_thought(message) for message in view]
        if profile.refuses_empty:
            view = [filled for message in view if (filled := _filled(message)) is not None]
        view = _renamed_calls(view, re.compile(profile.call_id))
        if profile.system == "head":
            view = _one_head(view)
        if profile.turns == "alternate":
            view = _spoken_after_results([_merged(turn) for turn in _turns(view)])
        if profile.turns != "free":
            view = _answering(view, calls_too=profile.turns != "user_first")
        if messages and profile.ends_with_user and _wants_user(view):
            view.append(_go_on())
        return view


def _go_on() -> UserMessage:
    return UserMessage(content=GO_ON, source="user")


def _wants_user(view: Sequence[LLMMessage]) -> bool:
    """Whether nobody speaks to the assistant: nothing but system messages, or its own word is the last."""
    talk = [message for message in view if not isinstance(message, SystemMessage)]
    return not talk or (isinstance(talk[-1], AssistantMessage) and not is_call(talk[-1]))


def _clean(text: str) -> str:
    """``text`` with halves of a pair joined and lone ones replaced: neither can be sent as UTF-8."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _clean_arguments(arguments: str) -> str:
    """A tool call's ``arguments``, in which JSON's escapes may hide surrogates until a client decodes them."""
    if _ESCAPED_SURROGATE.search(arguments):
        try:
            decoded = json.dumps(json.loads(arguments), ensure_ascii=False)
        except ValueError:  # no JSON: nobody decodes it
            return _clean(arguments)
        if _SURROGATE.search(decoded):
            return _clean(decoded)
    return _clean(arguments)


def _encodable(message: LLMMessage) -> LLMMessage:
    """``message`` with texts that can be sent; itself where they can be already."""
    update: dict[str, object] = {}
    if isinstance(message, AssistantMessage) and message.thought:
        update["thought"] = _clean(message.thought)
    if isinstance(message.content, str):
        update["content"] = _clean(message.content)
    elif isinstance(message, UserMessage):
        update["content"] = [_clean(part) if isinstance(part, str) else part for part in message.content]
    elif isinstance(message, AssistantMessage):
        assert not isinstance(message.content, str)
        update["content"] = [
            FunctionCall(id=call.id, name=call.name, arguments=_clean_arguments(call.arguments))
            for call in message.content
        ]
    elif isinstance(message, FunctionExecutionResultMessage):
        update["content"] = [_result(result, content=_clean(result.content)) for result in message.content]
    changed = {name: value for name, value in update.items() if getattr(message, name) != value}
    return message.model_copy(update=changed) if changed else message


def _result(result: FunctionExecutionResult, **update: str) -> FunctionExecutionResult:
    same = all(getattr(result, name) == value for name, value in update.items())
    return result if same else result.model_copy(update=update)


def _without_thought(message: LLMMessage) -> LLMMessage:
    if isinstance(message, AssistantMessage) and is_call(message) and message.thought:
        return message.model_copy(update={"thought": None})
    return message


def _filled(message: LLMMessage) -> LLMMessage | None:
    """``message`` without its empty parts; None when nothing is left."""
    if isinstance(message, FunctionExecutionResultMessage):
        filled = [
            _result(result, content=result.content if result.content.strip() else NOTHING) for result in message.content
        ]
        return message if filled == message.content else message.model_copy(update={"content": filled})
    if isinstance(message.content, str):
        return message if message.content.strip() else None
    if isinstance(message, AssistantMessage):
        blank = message.thought is not None and not message.thought.strip()
        return message.model_copy(update={"thought": None}) if blank else message
    assert isinstance(message, UserMessage)
    parts = [part for part in message.content if not isinstance(part, str) or part.strip()]
    if len(parts) == len(message.content):
        return message
    return message.model_copy(update={"content": parts}) if parts else None


def _renamed_calls(view: Sequence[LLMMessage], valid: re.Pattern[str]) -> list[LLMMessage]:
    """The view with ids of tool calls that match; a call and its result keep the same id."""

    def name(call_id: str) -> str:
        # From the id alone, so that it is the same in every request; 9 characters suit the strictest, Mistral.
        return call_id if valid.fullmatch(call_id) else hashlib.sha256(_clean(call_id).encode()).hexdigest()[:9]

    renamed: list[LLMMessage] = []
    for message in view:
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            calls = [FunctionCall(id=name(c.id), name=c.name, arguments=c.arguments) for c in message.content]
            renamed.append(message if calls == message.content else message.model_copy(update={"content": calls}))
        elif isinstance(message, FunctionExecutionResultMessage):
            results = [_result(result, call_id=name(result.call_id)) for result in message.content]
            renamed.append(message if results == message.content else message.model_copy(update={"content": results}))
        else:
            renamed.append(message)
    return renamed


def _one_head(view: Sequence[LLMMessage]) -> list[LLMMessage]:
    """The view with its system messages as one at the head; what several say word for word is said once."""
    system = [message for message in view if isinstance(message, SystemMessage)]
    rest = [message for message in view if not isinstance(message, SystemMessage)]
    if len(system) > 1:
        texts = dict.fromkeys(message.content for message in system)
        head = system[0]
        if len(texts) > 1:
            head = SystemMessage(content="\n\n".join(text for text in texts if text.strip()))
        system = [head]
    return [*system, *rest]


def _turns(view: Sequence[LLMMessage]) -> list[list[LLMMessage]]:
    """What user and assistant say, in runs of one of them; a tool exchange is a run for each of its messages."""
    turns: list[list[LLMMessage]] = []
    for message in view:
        if turns and _joins(turns[-1][-1], message):
            turns[-1].append(message)
        else:
            turns.append([message])
    return turns


def _joins(before: LLMMessage, message: LLMMessage) -> bool:
    if isinstance(before, UserMessage):
        return isinstance(message, UserMessage)
    texts = isinstance(before, AssistantMessage) and isinstance(message, AssistantMessage)
    return texts and not is_call(before) and not is_call(message)


def _spoken_after_results(view: Sequence[LLMMessage]) -> list[LLMMessage]:
    """The view with a word of the assistant's wherever the user speaks right after tool results."""
    out: list[LLMMessage] = []
    caller = ""
    for message in view:
        if isinstance(message, AssistantMessage):
            caller = message.source
        if isinstance(message, UserMessage) and out and isinstance(out[-1], FunctionExecutionResultMessage):
            out.append(AssistantMessage(content=SEEN, source=caller))
        out.append(message)
    return out


def _answering(view: Sequence[LLMMessage], *, calls_too: bool) -> list[LLMMessage]:
    """The view with a word of the user's before an assistant that speaks first, or calls tools after its own word."""
    out: list[LLMMessage] = []
    for message in view:
        if isinstance(message, AssistantMessage):
            last = out[-1] if out else None
            first = last is None or isinstance(last, SystemMessage)
            if first or (calls_too and is_call(message) and isinstance(last, AssistantMessage)):
                out.append(_go_on())
        out.append(message)
    return out


def _merged(turn: Sequence[LLMMessage]) -> LLMMessage:
    """One message of several of one role; where the speaker changes, it says who speaks, as AutoGen's prefixes do."""
    first = turn[0]
    if len(turn) == 1:
        return first
    assert isinstance(first, (UserMessage, AssistantMessage))
    pieces: list[object] = []
    speaker = first.source
    for message in turn:
        assert isinstance(message, (UserMessage, AssistantMessage))
        label = "" if message.source == speaker else f"{message.source} said:\n"
        speaker = message.source
        parts = [message.content] if isinstance(message.content, str) else list(message.content)
        if label and isinstance(parts[0], str):
            parts[0] = label + parts[0]
        elif label:
            parts = [label, *parts]
        pieces += parts
    texts = [piece for piece in pieces if isinstance(piece, str)]
    content: object = "\n\n".join(texts) if len(texts) == len(pieces) else pieces
    return first.model_copy(update={"content": content})
