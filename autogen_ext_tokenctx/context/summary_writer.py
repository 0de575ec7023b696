"""Having a model write a summary: requests that fit its window, answers that are waited for and checked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from ..tokens.counting import TokenCounter
from ..tokens.overflow import Overflow, overflow_of
from .answers import result_of
from .summary_cache import SummaryCache, key_of
from .summary_check import read
from .summary_text import PROBLEM_TOKENS, PROMPT_VERSION, rendered, request_of, take

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


class Bill:
    """What one summary has used so far."""

    def __init__(self) -> None:
        self.usage = SummaryUsage()

    def add(self, **used: int) -> None:
        """Add to it."""
        self.usage = self.usage.plus(SummaryUsage(**used))


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be added to a summary by one request.

    Args:
        standing: The summary so far; "" for none.
        chunk: The messages, as text.
        rest: Messages that come after them, for the next requests.
        limit: Tokens the summary may have.
        key: What the answer is kept by.
    """

    standing: str
    chunk: str
    rest: tuple[str, ...]
    limit: int
    key: str


class SummaryWriter:
    """Adds messages to a summary, in as many parts as the window of its model needs.

    Args:
        client: Calls the model.
        model: Its name; "" where that is not known.
        counter: Counts tokens; must not raise.
        cache: Where each summary is kept.
        max_tokens: Tokens a summary may have.
        max_input_tokens: Input tokens of one call; None: what is known of the model.
        timeout: Seconds to wait for one answer.
        attempts: Answers to ask for.
    """

    def __init__(
        self,
        client: ChatCompletionClient,
        model: str,
        counter: TokenCounter,
        cache: SummaryCache,
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
        self._cache = cache
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

    def kept(self, key: str, bill: Bill) -> str | None:
        """A summary that was paid for before."""
        text = self._cache.get(key)
        if text is not None:
            bill.add(cached=1)
        return text

    async def write(self, whole: Part, bill: Bill) -> str:
        """The summary of a standing one and of messages; each part is added to the summary of those before it.

        Args:
            whole: All there is to summarise; its messages are in ``rest``.
            bill: What is used is put on it.

        Raises:
            NoSummaryError: The model gave none that can be used, or its window is too small.
        """
        text, rest, key = whole.standing, whole.rest, ""
        if self._counter.count_text(text) > self._max_tokens:  # written under another limit: there is no room for it
            text, rest = "", (text, *rest)
        while rest:
            window = await self._known_window()
            part = await asyncio.to_thread(self._next_part, text, rest, whole.limit, window)
            added = self.kept(part.key, bill)
            if added is None:
                try:
                    added = await self._summary_of(part, bill)
                except _TooLongError as refused:
                    self._window = min(self._window or window, refused.window)
                    continue
                self._cache.put(part.key, added)
            text, rest, key = added, part.rest, part.key
        if key != whole.key:
            self._cache.put(whole.key, text)
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

    async def _summary_of(self, part: Part, bill: Bill) -> str:
        said = ""
        problems: tuple[str, ...] = ()
        for _ in range(self._attempts):
            request = request_of(part.standing, part.chunk, part.limit, problems)
            try:
                result = await self._ask(request, bill)
            except Exception as error:
                overflow = overflow_of(error)
                if overflow is not None:
                    raise _TooLongError(await asyncio.to_thread(self._window_after, request, overflow)) from error
                said = repr(error)
                continue
            text, problems = await asyncio.to_thread(self._read, result, part)
            if not problems:
                return text
            said = " ".join(problems)
        raise NoSummaryError(f"{self._name} gave none that can be used: {said}")

    async def _ask(self, request: Sequence[LLMMessage], bill: Bill) -> CreateResult:
        bill.add(calls=1)
        result = await result_of(self._client, request, None, self._timeout)
        if not result.cached:
            bill.add(prompt_tokens=result.usage.prompt_tokens, completion_tokens=result.usage.completion_tokens)
        return result

    def _read(self, result: CreateResult, part: Part) -> tuple[str, tuple[str, ...]]:
        if not isinstance(result.content, str):
            return "", ("It called tools instead of answering.",)
        if result.finish_reason == "length":
            return "", ("It was cut off in the middle: write a shorter one.",)
        reading = read(result.content, f"{part.standing}\n{part.chunk}", part.limit, self._counter.count_text)
        return reading.text, reading.problems

    def _key(self, standing: str, text: str, limit: int) -> str:
        return key_of(PROMPT_VERSION, self._name, limit, standing, text)

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
