"""The chain of user transforms that both hooks run over a history before it is fitted."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from autogen_core import ComponentLoader, ComponentModel, Image, is_component_instance
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from ..messages.calls import split_open_call
from ..messages.groups import repair, same_objects
from ..warn import WarnOnce

logger = logging.getLogger("autogen_ext_tokenctx")


@runtime_checkable
class MessageTransform(Protocol):
    """One step of a chain that changes the messages before they are fitted into the budget.

    This is the protocol that AutoGen 0.2 had under the same name. A transform may return new messages, leave
    messages out, or put some in; it gets copies, so nothing it does reaches the stored history. Tool calls and
    results that it separates are repaired after it.

    Example:
        >>> class Shout:
        ...     def apply_transform(self, messages):
        ...         return [message.model_copy(update={"content": message.content.upper()}) for message in messages]
        ...     def get_logs(self, pre_transform_messages, post_transform_messages):
        ...         return f"{len(post_transform_messages)} messages shouted", True
        >>> isinstance(Shout(), MessageTransform)
        True
    """

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        """Return the messages as they should go on.

        Args:
            messages: Copies of the messages as they came from the transform before.
        """
        ...

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        """Return what the transform did, in words, and whether it did anything.

        Args:
            pre_transform_messages: The messages it was given.
            post_transform_messages: The messages it returned.
        """
        ...


Transform: TypeAlias = MessageTransform | Callable[[list[LLMMessage]], list[LLMMessage]]
"""What ``transforms=`` of both hooks takes: a function from messages to messages, or a `MessageTransform`.

The log says of a function only how many messages went in and came out, and it cannot be dumped with its hook.

Example:
    >>> from autogen_core.models import UserMessage
    >>> def newest(messages: list[LLMMessage]) -> list[LLMMessage]:
    ...     return messages[-1:]
    >>> chain = TransformChain([newest])
    >>> [message.content for message in chain.apply([UserMessage(content=text, source="ann") for text in "ab"])]
    ['b']
"""


class _FunctionTransform:
    """A function as a transform."""

    def __init__(self, function: Callable[[list[LLMMessage]], list[LLMMessage]]) -> None:
        self.function = function

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        return self.function(messages)

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        text = f"{len(pre_transform_messages)} messages in, {len(post_transform_messages)} out"
        return text, pre_transform_messages != post_transform_messages


class TransformChain:
    """Runs transforms one after the other and keeps each one's faults to itself."""

    def __init__(self, transforms: Sequence[Transform] = ()) -> None:
        if callable(transforms) or isinstance(transforms, MessageTransform):
            raise TypeError(f"transforms are given in a list, transforms=[…]; got {transforms!r}")
        self._transforms = tuple(map(_as_transform, transforms))
        self._warn = WarnOnce()

    @property
    def is_active(self) -> bool:
        """Return whether there is any transform."""
        return bool(self._transforms)

    def apply(self, messages: Sequence[LLMMessage]) -> list[LLMMessage]:
        """Return what the transforms make of some messages; the very objects where a transform changed nothing."""
        # A transform that raises, or returns something else than messages, is left out with one warning. A call at
        # the end that still waits for its results is given on as it is.
        if not self._transforms or not messages:
            return list(messages)
        current = _repaired(messages)
        for number, transform in enumerate(self._transforms):
            name = _name(transform)
            try:
                changed = _run(transform, current)
            except Exception as error:
                self._warn(f"raised {number}", f"transform {name} failed ({error!r}); its input is used")
                continue
            paired = _repaired(changed)
            if not same_objects(paired, changed):
                self._warn(f"broke {number}", f"transform {name} separated tool calls and results; they are repaired")
            current = paired
        return current

    def dump(self) -> list[ComponentModel]:
        """Return the transforms as AutoGen components; raise TypeError where one cannot be dumped."""
        models: list[ComponentModel] = []
        for transform in self._transforms:
            if not is_component_instance(transform):
                if isinstance(transform, _FunctionTransform):
                    it_is, remedy = "a function", "Make it a class with apply_transform and get_logs, derived"
                else:
                    it_is, remedy = "no AutoGen component", "Derive it"
                raise TypeError(
                    f"transform {_name(transform)} cannot be dumped: it is {it_is}. {remedy} from "
                    "autogen_core.Component (with a config schema), or build the hook in code."
                )
            models.append(transform.dump_component())
        return models

    @staticmethod
    def load(models: Sequence[ComponentModel]) -> list[MessageTransform]:
        """Return the transforms that `dump` made component models of."""
        return [ComponentLoader.load_component(model, MessageTransform) for model in models]


def detached(message: LLMMessage) -> LLMMessage:
    """Return a copy of a message that can be changed, its parts too, without a trace in the original."""
    if isinstance(message.content, str):
        return message.model_copy()
    # Images stay as they are: they are large, and only equal to themselves.
    parts = [part if isinstance(part, (str, Image)) else copy.copy(part) for part in message.content]
    return message.model_copy(update={"content": parts})


def _as_transform(given: Transform) -> MessageTransform:
    """Return what a user gave as a transform; raise TypeError where it is none."""
    # a class has the methods too, but what it makes is meant
    unmade = isinstance(given, type) and hasattr(given, "apply_transform")
    if isinstance(given, MessageTransform) and not unmade:
        return given
    function = cast("Callable[[list[LLMMessage]], list[LLMMessage]]", given)
    if callable(given) and not unmade and not inspect.iscoroutinefunction(given):
        return _FunctionTransform(function)
    raise TypeError(
        "a transform is a function (not async) from messages to messages, or an object with apply_transform(messages) "
        f"and get_logs(before, after), see MessageTransform; got {given!r}"
    )


def _name(transform: MessageTransform) -> str:
    """Return what logs and warnings call a transform."""
    if isinstance(transform, _FunctionTransform):
        return getattr(transform.function, "__name__", type(transform.function).__name__)
    return type(transform).__name__


def _run(transform: MessageTransform, messages: list[LLMMessage]) -> list[LLMMessage]:
    copies = [detached(message) for message in messages]
    originals = {id(given): message for given, message in zip(copies, messages, strict=True)}
    result = transform.apply_transform(list(copies))
    _check(result)
    # Back to the very objects where the transform changed nothing: what goes by identity (pins, folding) still does.
    changed = [
        original if (original := originals.get(id(message))) is not None and original == message else message
        for message in result
    ]
    text, effective = transform.get_logs(list(messages), list(changed))
    if effective:
        logger.info("transform %s: %s", _name(transform), text)
    return changed


def _check(result: Any) -> None:
    types = (SystemMessage, UserMessage, AssistantMessage, FunctionExecutionResultMessage)
    if not isinstance(result, list) or not all(isinstance(message, types) for message in cast(list[Any], result)):
        raise TypeError("a transform must return a list of LLM messages")
    if not result:
        raise ValueError("the transform returned no messages")


def _repaired(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    closed, still_open = split_open_call(messages)
    return [*repair(closed), *still_open]
