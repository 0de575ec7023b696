"""Having a model write a summary: requests that fit its window, answers that are waited for and checked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from autogen_core import CacheStore
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from ..tokens.counting import TokenCounter
from ..tokens.overflow import Overflow, overflow_of
from .answers import UnusableAnswerError, checked_answer, result_of
from .summary_check import read
from .summary_text import HEADINGS, PROBLEM_TOKENS, PROMPT_VERSION, rendered, request_of, take

logger = logging.getLogger(__name__)

_PREFIX = "tokenctx-summary-"
_BEGINNING = f"## {HEADINGS[0]}\n"
"""How each summary begins; what is in a store and begins otherwise is none."""

_LEAST_ROOM = 200
"""Tokens of messages that a request has room for at least."""

_DEFAULT_WINDOW = 8_192
_LARGEST_WINDOW = 128_000
"""So much is given to a model at once, unless more is asked for: longer requests are answered late and less well."""


@dataclass(frozen=True, slots=True)
class SummaryUsage:
    """What summaries have used.

    Args:
        calls: Calls of the model, those that failed too.
        prompt_tokens: Tokens the model read, as its client tells.
        completion_tokens: Tokens the model wrote.
        cached: Summaries, and parts of them, that came out of the cache instead.

    Example:
        >>> SummaryUsage(calls=1).plus(SummaryUsage(calls=2, prompt_tokens=500))
        SummaryUsage(calls=3, prompt_tokens=500, completion_tokens=0, cached=0)
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0

    def plus(self, other: SummaryUsage) -> SummaryUsage:
        """Both together."""
        return SummaryUsage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached + other.cached,
        )


class NoSummaryError(Exception):
    """No summary can be had, and why."""


class Usage:
    """What one summary has used so far."""

    def __init__(self) -> None:
        self.sum = SummaryUsage()

    def add(self, **used: int) -> None:
        """Add to it."""
        self.sum = self.sum.plus(SummaryUsage(**used))


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be added to a summary by one request."""

    standing: str
    """The summary so far; "" for none."""
    chunk: str
    """The messages, as text."""
    rest: tuple[str, ...]
    """Messages that come after them, for the next requests."""
    limit: int
    """Tokens the summary may have."""
    key: str
    """What the summary is cached by."""


class SummaryWriter:
    """Adds messages to a summary, in as many parts as the window of its model needs; settings of the summariser."""

    def __init__(
        self,
        client: ChatCompletionClient,
        model: str,
        counter: TokenCounter,
        store: CacheStore[str],
        *,
        max_tokens: int,
        max_input_tokens: int | None,
        timeout: float,
        attempts: int,
    ) -> None:
        self._client = client
        self._model = model
        self._name = model or type(client).__name__
        self._counter = counter
        self._store = store
        self._warned = False
        self._max_tokens = max_tokens
        self._max_input_tokens = max_input_tokens
        self._timeout = timeout
        self._attempts = attempts
        self._window: int | None = None
        self._held_back = max_tokens + PROBLEM_TOKENS
        """Tokens a first request leaves free: for the answer, and to say what was wrong with it."""

    def whole(self, standing: str, messages: Sequence[LLMMessage], limit: int) -> Part:
        """All there is to summarise, as one part that no request was made of yet."""
        texts = tuple(map(rendered, messages))
        return Part(standing, "", texts, limit, self._key(standing, "\n\n".join(texts), limit))

    def cached(self, key: str, used: Usage) -> str | None:
        """Return a summary that was paid for before."""
        try:
            text: object = self._store.get(_PREFIX + key)
        except Exception as error:
            self._warn(error)
            return None
        if not isinstance(text, str) or not text.startswith(_BEGINNING):
            return None
        used.add(cached=1)
        return text

    def _cache(self, key: str, text: str) -> None:
        try:
            self._store.set(_PREFIX + key, text)
        except Exception as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("summaries cannot be cached in %s: %r", type(self._store).__name__, error)

    async def write(self, whole: Part, used: Usage) -> str:
        """Return the summary of `whole`, whose messages are in ``rest``; each part is added to that of those before it.

        Raises:
            NoSummaryError: The model gave none that can be used, or its window is too small.
        """
        text, rest, key = whole.standing, whole.rest, ""
        if self._counter.count_text(text) > self._max_tokens:  # written under another limit: there is no room for it
            text, rest = "", (text, *rest)
        while rest:
            window = await self._known_window()
            part = await asyncio.to_thread(self._next_part, text, rest, whole.limit, window)
            added = self.cached(part.key, used)
            if added is None:
                try:
                    added = await self._summary_of(part, used)
                except _TooLongError as refused:
                    self._window = min(self._window or window, refused.window)
                    continue
                self._cache(part.key, added)
            text, rest, key = added, part.rest, part.key
        if key != whole.key:
            self._cache(whole.key, text)
        return text

    def _next_part(self, standing: str, texts: tuple[str, ...], limit: int, window: int) -> Part:
        most = window - self._held_back
        room = most - self._counter.count_request(request_of(standing, "", limit))
        while room >= _LEAST_ROOM:
            chunk, rest = take(texts, room, self._counter.count_text)
            over = self._counter.count_request(request_of(standing, chunk, limit)) - most
            if over <= 0:
                return Part(standing, chunk, rest, limit, self._key(standing, chunk, limit))
            room -= over  # tokens of a whole need not be those of its pieces
        self._window = None  # what taught it may have been wrong
        raise NoSummaryError(
            f"a window of {window} tokens has no room for summaries of {self._max_tokens} tokens and their messages; "
            "give a smaller max_tokens, or a model with a larger window"
        )

    async def _summary_of(self, part: Part, used: Usage) -> str:
        async def ask(rejected: UnusableAnswerError | None) -> CreateResult:
            problems = rejected.problems if rejected else ()
            return await self._ask(request_of(part.standing, part.chunk, part.limit, problems), used)

        source = f"{part.standing}\n{part.chunk}"
        try:
            return await checked_answer(
                ask, lambda answer: read(answer, source, part.limit, self._counter.count_text), self._attempts
            )
        except UnusableAnswerError as error:
            why = str(error) or repr(error.__cause__)
            raise NoSummaryError(f"{self._name} gave none that can be used: {why}") from error

    async def _ask(self, request: Sequence[LLMMessage], used: Usage) -> CreateResult:
        used.add(calls=1)
        try:
            result = await result_of(self._client, request, None, self._timeout)
            if not result.cached:
                used.add(prompt_tokens=result.usage.prompt_tokens, completion_tokens=result.usage.completion_tokens)
        except Exception as error:
            overflow = overflow_of(error)
            if overflow is not None:
                raise _TooLongError(await asyncio.to_thread(self._window_after, request, overflow)) from error
            raise UnusableAnswerError from error  # asked again: nobody waits for a summary
        if result.finish_reason == "length":
            raise UnusableAnswerError("It was cut off in the middle: write a shorter one.")
        return result

    def _key(self, standing: str, text: str, limit: int) -> str:
        made_of = json.dumps((PROMPT_VERSION, self._name, limit, standing, text))
        return hashlib.sha256(made_of.encode()).hexdigest()

    async def _known_window(self) -> int:
        if self._window is None:
            window = self._max_input_tokens or _DEFAULT_WINDOW
            if self._max_input_tokens is None and self._model:
                from ..tokens.limits import TokenManager  # with all its sources: not for those who never summarise

                window = min(_LARGEST_WINDOW, await TokenManager().get_limit(self._model))
            self._window = window
        return self._window

    def _window_after(self, request: Sequence[LLMMessage], overflow: Overflow) -> int:
        """The window that a refused request teaches, in the tokens of the counter: always less than was sent."""
        sent = self._counter.count_request(request)
        if overflow.limit is None:
            return sent // 2 + self._held_back
        stated = overflow.limit * sent // overflow.requested if overflow.requested else overflow.limit
        return min(stated, sent * 3 // 4 + self._held_back)


class _TooLongError(Exception):
    """A request was refused as too long; with the window that this teaches."""

    def __init__(self, window: int) -> None:
        super().__init__(f"the window has {window} tokens")
        self.window = window
