"""Transforms that limit a history, by messages or by tokens, as AutoGen 0.2 had them.

System messages stay where they are and count nothing, as in 0.2, and tool calls stay with their results.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from autogen_core import Component
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from ..errors import StrictConfig
from ..messages.groups import MessageGroup, pictures_of, split
from ..models.counters import counter_for_model
from .edits import REMEMBERED_TEXTS, Configured, MessageFilter, Said, all_texts, edited, head_of


def _is_system(group: MessageGroup) -> bool:
    return isinstance(group.head, SystemMessage)


def _source(group: MessageGroup) -> str | None:
    return group.head.source if isinstance(group.head, (UserMessage, AssistantMessage)) else None


class MessageHistoryLimiterConfig(StrictConfig):
    """The declarative configuration of `MessageHistoryLimiter`."""

    max_messages: int | None = None
    keep_first_message: bool = False
    exclude_names: list[str] | None = None


class MessageHistoryLimiter(Configured[MessageHistoryLimiterConfig], Component[MessageHistoryLimiterConfig]):
    """Keeps the last messages of a history.

    A tool call and its results stay or go together: where only a part of them has room, all of them go. The newest
    message, or exchange, always stays, also where it is more than ``max_messages``. System messages stay and do not
    count.

    Args:
        max_messages: Messages to keep, 1 or more. None: all.
        keep_first_message: Whether the first message is one of them; a call at the start stays with its results.
        exclude_names: Sources whose messages are left out before, their tool calls with the results.

    Raises:
        ValueError: ``max_messages`` is below 1.

    Example:
        >>> dialogue = [UserMessage(content=f"Step {number}.", source="ann") for number in range(5)]
        >>> [m.content for m in MessageHistoryLimiter(3, keep_first_message=True).apply_transform(dialogue)]
        ['Step 0.', 'Step 3.', 'Step 4.']
    """

    component_config_schema = MessageHistoryLimiterConfig
    component_provider_override = "autogen_ext_tokenctx.MessageHistoryLimiter"

    def __init__(
        self,
        max_messages: int | None = None,
        keep_first_message: bool = False,
        exclude_names: Sequence[str] | None = None,
    ) -> None:
        if max_messages is not None and max_messages < 1:
            raise ValueError(f"max_messages must be 1 or more, or None for all messages; got {max_messages}")
        if isinstance(exclude_names, str):
            raise ValueError(f"exclude_names is a list of names: give [{exclude_names!r}]")
        self._config = MessageHistoryLimiterConfig(
            max_messages=max_messages,
            keep_first_message=keep_first_message,
            exclude_names=None if exclude_names is None else list(exclude_names),
        )

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        """Return the messages that stay.

        Args:
            messages: A history; it is not changed.
        """
        groups = split(messages)
        spoken = [group for group in groups if not _is_system(group)]
        # something has to be sent: when all names are excluded, the newest stays
        kept = [group for group in spoken if _source(group) not in (self._config.exclude_names or ())] or spoken[-1:]
        if self._config.max_messages is not None:
            kept = self._last(kept, self._config.max_messages)
        numbers = {group.index for group in kept}
        staying = (group for group in groups if _is_system(group) or group.index in numbers)
        return [message for group in staying for message in group.originals]

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        """Return how many messages went."""
        before, after = len(pre_transform_messages), len(post_transform_messages)
        return (f"kept {after} of {before} messages", True) if after < before else ("kept all messages", False)

    def _last(self, groups: list[MessageGroup], room: int) -> list[MessageGroup]:
        first = groups[:1] if self._config.keep_first_message else []
        room -= sum(len(group.originals) for group in first)
        newest: list[MessageGroup] = []
        for group in reversed(groups[len(first) :]):
            if newest and len(group.originals) > room:
                break
            newest.append(group)
            room -= len(group.originals)
        return [*first, *reversed(newest)]


class MessageTokenLimiterConfig(StrictConfig):
    """The declarative configuration of `MessageTokenLimiter`."""

    max_tokens_per_message: int | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    model: str = "gpt-4o"
    filter_dict: dict[str, list[str]] | None = None
    exclude_filter: bool = True


class MessageTokenLimiter(Configured[MessageTokenLimiterConfig], Component[MessageTokenLimiterConfig]):
    """Cuts each message to its first tokens, and keeps the newest of them that have room together.

    From the newest message back, each one is cut to ``max_tokens_per_message``. The first one that is too much for
    what is left of ``max_tokens`` is cut to that, and all before it go. Messages that the filter leaves out are not
    cut, but count, and go with those before them.

    The tokens of texts count, as in 0.2: tool calls, images and names do not, the budget of a hook sees to those. The
    results of a call are messages of their own, but stay with the call or go with it. A message cut to nothing
    goes; the newest one keeps at least its first character. System messages stay and do not count.

    Args:
        max_tokens_per_message: Tokens a message may have, 0 or more. None: any number.
        max_tokens: Tokens all messages may have together, 0 or more. None: any number.
        min_tokens: Tokens all messages must have together for anything to be done. None: 0.
        model: The model whose tokenizer counts.
        filter_dict: Messages to leave out, or with ``exclude_filter=False`` the only ones to cut: by ``role``
            ("user", "assistant", "tool", "system"), ``name`` (the source; the tool of a result) or ``content``, one
            value or several.
        exclude_filter: Whether ``filter_dict`` says what to leave out.

    Raises:
        ValueError: A number is below 0, ``min_tokens`` is above ``max_tokens``, or the filter has unknown keys.

    Example:
        >>> dialogue = [UserMessage(content=text, source="ann") for text in ("one two", "three four five", "six")]
        >>> [m.content for m in MessageTokenLimiter(max_tokens_per_message=2, max_tokens=4).apply_transform(dialogue)]
        ['one', 'three four', 'six']
    """

    component_config_schema = MessageTokenLimiterConfig
    component_provider_override = "autogen_ext_tokenctx.MessageTokenLimiter"

    def __init__(
        self,
        max_tokens_per_message: int | None = None,
        max_tokens: int | None = None,
        min_tokens: int | None = None,
        model: str = "gpt-4o",
        filter_dict: Mapping[str, str | Iterable[str]] | None = None,
        exclude_filter: bool = True,
    ) -> None:
        limits = {"max_tokens_per_message": max_tokens_per_message, "max_tokens": max_tokens, "min_tokens": min_tokens}
        for name, limit in limits.items():
            if limit is not None and limit < 0:
                raise ValueError(f"{name} must be 0 or more, or None for no limit; got {limit}")
        if max_tokens is not None and min_tokens is not None and min_tokens > max_tokens:
            raise ValueError(
                f"min_tokens ({min_tokens}) is above max_tokens ({max_tokens}): histories between them would be left "
                "over the limit. Give a min_tokens of max_tokens or less."
            )
        self._filter = MessageFilter(filter_dict, exclude_filter)
        self._config = MessageTokenLimiterConfig(**limits, model=model, **self._filter.config)
        count = counter_for_model(model).count_text
        # of this object, not of the class: a cache on a method would keep every limiter alive
        self._count = lru_cache(REMEMBERED_TEXTS)(count)
        self._head = lru_cache(REMEMBERED_TEXTS)(partial(head_of, count=count))

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        """Return the messages that stay, cut where they are too long.

        Args:
            messages: A history; it is not changed.
        """
        if self._tokens(messages) < (self._config.min_tokens or 0):
            return list(messages)
        room = _Room(math.inf if self._config.max_tokens is None else self._config.max_tokens)
        kept: list[list[LLMMessage]] = []
        is_newest = True
        for group in reversed(split(messages)):
            if _is_system(group):
                kept.append(self._cut(group, _Room(math.inf)))
            elif not room.is_full:  # after one that was too much, only system messages stay of those before it
                speaks = _source(group) is not None and not group.is_exchange
                room.least = 1 if is_newest and speaks else 0
                shortened = self._cut(group, room)
                if is_newest or not _is_emptied(group, shortened, room):
                    kept.append(shortened)
                is_newest = False
        return [message for shortened in reversed(kept) for message in shortened]

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        """Return how many tokens went."""
        before, after = self._tokens(pre_transform_messages), self._tokens(post_transform_messages)
        return (f"kept {after} of {before} tokens", True) if after < before else ("kept all tokens", False)

    def _tokens(self, messages: Iterable[LLMMessage]) -> int:
        return sum(map(self._count, all_texts(messages)))

    def _cut(self, group: MessageGroup, room: _Room) -> list[LLMMessage]:
        return [edited(message, lambda said: self._texts(said, room)) for message in reversed(group.originals)][::-1]

    def _texts(self, said: Said, room: _Room) -> tuple[str, ...]:
        """Return the heads of the texts that fit."""
        tokens = sum(map(self._count, said.texts))
        if not self._filter.selects(said):
            room.left -= tokens
            return said.texts
        limit = self._config.max_tokens_per_message
        share = tokens if limit is None else min(tokens, limit)
        if share > room.left:
            room.is_full = True
            share = max(0, int(room.left))
        texts: list[str] = []
        for text in said.texts:
            # the parts of one message share what it may have, the first ones first
            head = self._head(text, share) or text[: room.least]
            if head:
                room.least = 0
            texts.append(head)
            share -= min(share, self._count(head))
            room.left -= self._count(head)
        return tuple(texts)


@dataclass(slots=True)
class _Room:
    """What is left while a history is read from its newest message back."""

    left: float  # tokens
    is_full: bool = False  # whether a message was too much, so that those before it go
    least: int = 0  # characters to keep of the next text that has any, though they do not fit: what is newest stays


def _is_emptied(group: MessageGroup, shortened: list[LLMMessage], room: _Room) -> bool:
    """Return whether cutting left nothing worth a message; a call is, unless nothing of its results had room."""
    if not any(all_texts(group.originals)) or any(all_texts(shortened)):
        return False
    return room.is_full if group.is_exchange else not pictures_of(group.originals)
