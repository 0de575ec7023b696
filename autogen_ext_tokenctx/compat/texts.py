"""Transforms that rewrite the texts of messages, as AutoGen 0.2 had them: compressed, or with the speaker's name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

from autogen_core import CacheStore, Component, ComponentLoader, ComponentModel, is_component_instance
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from pydantic import Field
from typing_extensions import Self

from ..errors import StrictConfig
from ..messages.calls import is_call
from ..models.counters import counter_for_model
from .compressors import LLMLingua, TextCompressor
from .edits import REMEMBERED_TEXTS, Configured, MessageFilter, Said, all_texts, edited


class TextMessageCompressorConfig(StrictConfig):
    """The declarative configuration of `TextMessageCompressor`."""

    text_compressor: ComponentModel | None = None
    min_tokens: int | None = None
    compression_params: dict[str, Any] = Field(default_factory=dict[str, Any])
    cache: ComponentModel | None = None
    filter_dict: dict[str, list[str]] | None = None
    exclude_filter: bool = True


class TextMessageCompressor(Configured[TextMessageCompressorConfig], Component[TextMessageCompressorConfig]):
    """Has the texts of messages said in fewer tokens by a compressor.

    Texts of tool results and the thought beside calls are compressed too; calls, images and system messages stay as
    they are. A text stays as it is when the compressor leaves nothing of it, or no fewer tokens. Each text is
    compressed once, however often its history is read.

    Args:
        text_compressor: A `TextCompressor`, or any callable that gives a text for a text. None: `LLMLingua`.
        min_tokens: Tokens all messages must have together for anything to be done, 1 or more. None: any number.
        compression_params: Keyword arguments for the compressor.
        cache: Keeps compressed texts from one process to the next: any AutoGen ``CacheStore``, such as the disk one.
            Compressors that share it are told apart by the names of their classes or functions, and by
            ``compression_params``. None: they are kept in memory.
        filter_dict: Messages to leave out, or with ``exclude_filter=False`` the only ones to compress: by ``role``
            ("user", "assistant", "tool", "system"), ``name`` (the source; the tool of a result) or ``content``, one
            value or several.
        exclude_filter: Whether ``filter_dict`` says what to leave out.

    Raises:
        TypeError: ``text_compressor`` cannot compress.
        ValueError: ``min_tokens`` is below 1, or the filter has unknown keys.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> transform = TextMessageCompressor(lambda text: text.split(".")[0])
        >>> transform.apply_transform([UserMessage(content="It rains. Since noon it does.", source="ann")])[0].content
        'It rains'
    """

    component_config_schema = TextMessageCompressorConfig
    component_provider_override = "autogen_ext_tokenctx.TextMessageCompressor"

    def __init__(
        self,
        text_compressor: TextCompressor | Callable[..., str] | None = None,
        min_tokens: int | None = None,
        compression_params: Mapping[str, Any] | None = None,
        cache: CacheStore[str] | None = None,
        filter_dict: Mapping[str, str | Iterable[str]] | None = None,
        exclude_filter: bool = True,
    ) -> None:
        if min_tokens is not None and min_tokens < 1:
            raise ValueError(f"min_tokens must be 1 or more, or None for any number; got {min_tokens}")
        self._brought = text_compressor
        compressor = LLMLingua() if text_compressor is None else text_compressor
        if not isinstance(compressor, TextCompressor) and not callable(compressor):
            raise TypeError(
                f"text_compressor must have compress_text(text) or be callable; {type(compressor).__name__} is neither"
            )
        self._compressor = compressor
        self._min_tokens = min_tokens
        self._params = dict(compression_params or {})
        self._cache = cache
        self._filter = MessageFilter(filter_dict, exclude_filter)
        self._count = lru_cache(REMEMBERED_TEXTS)(counter_for_model(None).count_text)
        self._shorter = lru_cache(REMEMBERED_TEXTS)(self._stored_or_compressed)

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        """Return the messages with compressed texts.

        Args:
            messages: A history; it is not changed.

        Raises:
            Exception: What the compressor or the cache raises.
        """
        if self._tokens(messages) < (self._min_tokens or 0):
            return list(messages)
        return [edited(message, self._texts) for message in messages]

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        """Return how many tokens were saved."""
        before, after = self._tokens(pre_transform_messages), self._tokens(post_transform_messages)
        return (f"compressed {before} tokens to {after}", True) if after < before else ("compressed nothing", False)

    def _tokens(self, messages: list[LLMMessage]) -> int:
        return sum(map(self._count, all_texts(messages)))

    def _texts(self, said: Said) -> tuple[str, ...]:
        if not self._filter.selects(said):
            return said.texts
        return tuple(self._shorter(text) if text.strip() else text for text in said.texts)

    def _stored_or_compressed(self, text: str) -> str:
        if self._cache is None:
            return self._compressed(text)
        # what is kept outlives the process, so its key has no address of an object in it
        whose = getattr(self._compressor, "__qualname__", type(self._compressor).__qualname__)
        what = json.dumps([whose, self._params, text], sort_keys=True, default=repr)
        key = hashlib.sha256(what.encode()).hexdigest()
        stored = self._cache.get(key)
        if isinstance(stored, str):
            return stored
        compressed = self._compressed(text)
        self._cache.set(key, compressed)
        return compressed

    def _compressed(self, text: str) -> str:
        if isinstance(self._compressor, TextCompressor):
            compressed: Any = self._compressor.compress_text(text, **self._params)["compressed_prompt"]
        else:
            compressed = self._compressor(text, **self._params)
        if not isinstance(compressed, str):
            raise TypeError(f"a text compressor must give a text, not {type(compressed).__name__}")
        return compressed if compressed.strip() and self._count(compressed) < self._count(text) else text

    def _to_config(self) -> TextMessageCompressorConfig:
        return TextMessageCompressorConfig(
            text_compressor=None if self._brought is None else _dumped(self._brought),
            min_tokens=self._min_tokens,
            compression_params=self._params,
            cache=None if self._cache is None else self._cache.dump_component(),
            **self._filter.config,
        )

    @classmethod
    def _from_config(cls, config: TextMessageCompressorConfig) -> Self:
        arguments = dict(config)
        if config.text_compressor:
            arguments["text_compressor"] = ComponentLoader.load_component(config.text_compressor, object)
        if config.cache:
            arguments["cache"] = CacheStore.load_component(config.cache)
        return cls(**arguments)


def _dumped(text_compressor: object) -> ComponentModel:
    if not is_component_instance(text_compressor):
        raise TypeError(
            f"a TextMessageCompressor with {type(text_compressor).__name__} as its text_compressor cannot be dumped: "
            "that is no AutoGen component. Derive it from autogen_core.Component (with a config schema), or build the "
            "hook in code."
        )
    return text_compressor.dump_component()


class TextMessageContentNameConfig(StrictConfig):
    """The declarative configuration of `TextMessageContentName`."""

    position: Literal["start", "end"] = "start"
    format_string: str = "{name}:\n"
    deduplicate: bool = True
    filter_dict: dict[str, list[str]] | None = None
    exclude_filter: bool = True


class TextMessageContentName(Configured[TextMessageContentNameConfig], Component[TextMessageContentNameConfig]):
    """Puts the name of who speaks into the text, for models and endpoints that are not shown it otherwise.

    Messages that have no text or no speaker stay as they are: system messages, images alone, tool calls and results.

    Args:
        position: Whether the name comes at the "start" or the "end" of the text.
        format_string: How it is written, with ``{name}`` where the source of the message goes.
        deduplicate: Whether a text that has it there already stays as it is: models take up writing it themselves.
        filter_dict: Messages to leave out, or with ``exclude_filter=False`` the only ones to change: by ``role``
            ("user" or "assistant"), ``name`` (the source) or ``content``, one value or several.
        exclude_filter: Whether ``filter_dict`` says what to leave out.

    Raises:
        ValueError: The position or the format is none, or the filter has unknown keys.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> TextMessageContentName().apply_transform([UserMessage(content="Hi.", source="ann")])[0].content
        'ann:\\nHi.'
    """

    component_config_schema = TextMessageContentNameConfig
    component_provider_override = "autogen_ext_tokenctx.TextMessageContentName"

    def __init__(
        self,
        position: Literal["start", "end"] = "start",
        format_string: str = "{name}:\n",
        deduplicate: bool = True,
        filter_dict: Mapping[str, str | Iterable[str]] | None = None,
        exclude_filter: bool = True,
    ) -> None:
        if position not in ("start", "end"):
            raise ValueError(f"position must be 'start' or 'end', not {position!r}")
        self._filter = MessageFilter(filter_dict, exclude_filter)
        self._config = TextMessageContentNameConfig(
            position=position,
            format_string=_checked_format(format_string),
            deduplicate=deduplicate,
            **self._filter.config,
        )

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        """Return the messages with the names in them.

        Args:
            messages: A history; it is not changed.
        """
        return [
            message
            if isinstance(message, FunctionExecutionResultMessage) or is_call(message)
            else edited(message, self._named)
            for message in messages
        ]

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        """Return how many messages got a name."""
        pairs = zip(pre_transform_messages, post_transform_messages, strict=True)
        changed = sum(before != after for before, after in pairs)
        return f"put the name into {changed} messages", changed > 0

    def _named(self, said: Said) -> tuple[str, ...]:
        if not said.name or not any(said.texts) or not self._filter.selects(said):
            return said.texts
        name = self._config.format_string.format(name=said.name)
        first, last = said.texts[0], said.texts[-1]
        if self._config.position == "start":
            is_named = self._config.deduplicate and first.startswith(name)
            return said.texts if is_named else (name + first, *said.texts[1:])
        is_named = self._config.deduplicate and last.endswith(name)
        return said.texts if is_named else (*said.texts[:-1], last + name)


def _checked_format(format_string: str) -> str:
    remedy = "it needs {name} where the name goes, and no other fields, such as '{name}:\\n'"
    try:
        written = format_string.format(name="\0")
    except (LookupError, ValueError, AttributeError) as error:
        raise ValueError(f"format_string {format_string!r} cannot be filled in ({error!r}): {remedy}") from error
    if "\0" not in written:
        raise ValueError(f"format_string {format_string!r} has no place for the name: {remedy}")
    return format_string
