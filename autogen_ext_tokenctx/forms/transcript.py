"""A tool exchange told as text, where a call cannot be shown as it was written.

An agent repeats the calls of its history, and what it repeats is executed: a note or a cut inside the arguments would
be written into a file. Left-out arguments are no better, for a tool may have defaults for them. So a call in a view is
either the call that the model wrote, arguments byte for byte, or it is no call: then the exchange is told in user
messages, one for each message of it, in which the arguments are quoted as lines like any other text. What is no call
cannot be executed, whatever the tool's schema is.
"""

from __future__ import annotations

from collections.abc import Mapping

from autogen_core import FunctionCall
from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, LLMMessage, UserMessage

from ..messages.groups import STRAY_SOURCE, MessageGroup
from ..messages.quoting import quote, quote_after, speaker
from ..messages.turns import CALL_SOURCE
from .passages import Slot


def transcript(group: MessageGroup, texts: Mapping[Slot, str]) -> tuple[LLMMessage, ...]:
    """Return a tool exchange as user messages that say what was called and what came back."""
    return tuple(_told(number, message, texts) for number, message in enumerate(group.messages))


def _told(number: int, message: LLMMessage, texts: Mapping[Slot, str]) -> LLMMessage:
    if isinstance(message, FunctionExecutionResultMessage):
        answers = [
            f"[{speaker(result.name)} {'failed' if result.is_error else 'answered'}:]\n"
            f"{quote(texts.get(Slot(number, item, 'result'), result.content))}"
            for item, result in enumerate(message.content)
        ]
        return UserMessage(content="\n".join(answers), source=STRAY_SOURCE)
    if not isinstance(message, AssistantMessage):  # a result of no call, which is text already
        slot = Slot(number, 0, "content")
        return message.model_copy(update={"content": texts[slot]}) if slot in texts else message
    thought = texts.get(Slot(number, 0, "thought"), message.thought)
    calls = [
        f"[{speaker(message.source)} called {speaker(call.name)} with:]\n"
        f"{quote(texts.get(Slot(number, item, 'arguments'), call.arguments))}"
        for item, call in enumerate(message.content)
        if isinstance(call, FunctionCall)
    ]
    thoughts = [quote_after(speaker(message.source), thought)] if thought else []
    return UserMessage(content="\n".join([*thoughts, *calls]), source=CALL_SOURCE)
