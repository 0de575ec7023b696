"""Having a model write a summary: requests that fit its window, answers that are waited for and checked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autogen_core import CacheStore
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from ..models.overflow import Overflow, overflow_of
from ..tokens.counting import TokenCounter
from .answers import UnusableAnswerError, checked_answer, result_of
from .text import HEADINGS, PROBLEM_TOKENS, PROMPT_VERSION, rendered, request_of, take
from .validation import read

logger = logging.getLogger(__name__)

_PREFIX = "tokenctx-summary-"
_BEGINNING = f"## {HEADINGS[0]}\n"  # how each summary begins; what is in a store and begins otherwise is none


@dataclass(frozen=True, slots=True)
class SummaryUsage:
    """What summaries have used.

    Args:
        calls: Calls of the model, those that failed too.
        prompt_tokens: Tokens the model read, as its client tells.
        completion_tokens: Tokens the model wrote.
        cached: Summaries, and parts of them, that came out of the cache instead.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0


class NoSummaryError(Exception):
    """No summary can be had, and why."""


class _TooLongError(Exception):
    """A request was refused as too long."""


@dataclass(kw_only=True)
class SummaryWriter:
    """Adds messages to a summary, in as many parts as the window of its model needs; settings of the summariser."""

    client: ChatCompletionClient
    model: str  # its name; "" where that is not known
    counter: TokenCounter
    store: CacheStore[str]
    max_tokens: int
    max_input_tokens: int | None
    timeout: float
    attempts: int
    _window: int | None = None  # tokens of a request and its answer; None until it is known
    _warned: bool = False

    @property
    def _name(self) -> str:
        return self.model or type(self.client).__name__

    @property
    def _held_back(self) -> int:
        """The tokens a first request leaves free: for the answer, and to say what was wrong with it."""
        return self.max_tokens + PROBLEM_TOKENS

    def prepared(self, standing: str, messages: Sequence[LLMMessage], limit: int) -> tuple[tuple[str, ...], str]:
        """Return the messages as texts, and what their summary is cached by."""
        texts = tuple(map(rendered, messages))
        return texts, self._key(standing, "\n\n".join(texts), limit)

    def cached(self, key: str, used: Counter[str]) -> str | None:
        """Return a summary that was paid for before."""
        try:
            text: object = self.store.get(_PREFIX + key)
        except Exception as error:  # a store may be a database, and without it a summary is only paid for again
            self._warn(error)
            return None
        if not isinstance(text, str) or not text.startswith(_BEGINNING):
            return None
        used["cached"] += 1
        return text

    def cache(self, key: str, text: str) -> None:
        """Keep a summary for who asks for the same once more."""
        try:
            self.store.set(_PREFIX + key, text)
        except Exception as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("summaries cannot be cached in %s: %r", type(self.store).__name__, error)

    async def write(self, standing: str, texts: tuple[str, ...], limit: int, used: Counter[str]) -> str:
        """Return the standing summary with the texts added, part by part; raise a NoSummaryError where none is had."""
        if self.counter.count_text(standing) > self.max_tokens:  # written under another limit: there is no room for it
            standing, texts = "", (standing, *texts)
        while texts:
            window = await self._known_window()
            chunk, rest, key = await asyncio.to_thread(self._next_part, standing, texts, limit, window)
            added = self.cached(key, used)
            if added is None:
                try:
                    added = await self._summary_of(standing, chunk, limit, used)
                except _TooLongError:
                    continue  # once more, with the smaller window that it taught
                self.cache(key, added)
            standing, texts = added, rest
        return standing

    def _next_part(
        self, standing: str, texts: tuple[str, ...], limit: int, window: int
    ) -> tuple[str, tuple[str, ...], str]:
        """Return as many texts as one request holds, those that are left, and what that summary is cached by."""
        most = window - self._held_back
        max_tokens = most - self.counter.count_request(request_of(standing, "", limit))
        while max_tokens >= 200:  # with less room for messages there would be no end of parts
            chunk, rest = take(texts, max_tokens, self.counter.count_text)
            over = self.counter.count_request(request_of(standing, chunk, limit)) - most
            if over <= 0:
                return chunk, rest, self._key(standing, chunk, limit)
            max_tokens -= over  # tokens of a whole need not be those of its pieces
        self._window = None  # what taught it may have been wrong
        raise NoSummaryError(
            f"a window of {window} tokens has no room for summaries of {self.max_tokens} tokens and their messages; "
            "give a smaller max_tokens, or a model with a larger window"
        )

    async def _summary_of(self, standing: str, chunk: str, limit: int, used: Counter[str]) -> str:
        async def ask(rejected: UnusableAnswerError | None) -> CreateResult:
            problems = rejected.problems if rejected else ()
            return await self._ask(request_of(standing, chunk, limit, problems), used)

        source = f"{standing}\n{chunk}"
        try:
            return await checked_answer(
                ask, lambda answer: read(answer, source, limit, self.counter.count_text), self.attempts
            )
        except UnusableAnswerError as error:
            why = str(error) or repr(error.__cause__)
            raise NoSummaryError(f"{self._name} gave none that can be used: {why}") from error

    async def _ask(self, request: Sequence[LLMMessage], used: Counter[str]) -> CreateResult:
        used["calls"] += 1
        try:
            result = await result_of(self.client, request, None, self.timeout)
            if not result.cached:
                used["prompt_tokens"] += result.usage.prompt_tokens
                used["completion_tokens"] += result.usage.completion_tokens
        except Exception as error:
            if (overflow := overflow_of(error)) is None:
                raise UnusableAnswerError from error  # asked again: nobody waits for a summary
            window = await asyncio.to_thread(self._window_after, request, overflow)
            self._window = min(self._window or window, window)
            raise _TooLongError from error
        if result.finish_reason == "length":
            raise UnusableAnswerError("It was cut off in the middle: write a shorter one.")
        return result

    def _key(self, standing: str, text: str, limit: int) -> str:
        made_of = json.dumps((PROMPT_VERSION, self._name, limit, standing, text))
        return hashlib.sha256(made_of.encode()).hexdigest()

    async def _known_window(self) -> int:
        if self._window is None:
            window = self.max_input_tokens or 8_192  # of a model that is not known: what small ones take
            if self.max_input_tokens is None and self.model:
                from ..models.token_manager import TokenManager

                # chosen, not measured: longer requests are answered late and less well
                window = min(128_000, await TokenManager().get_limit(self.model))
            self._window = window
        return self._window

    def _window_after(self, request: Sequence[LLMMessage], overflow: Overflow) -> int:
        """Return the window that a refused request teaches, in the tokens of the counter: always less than was sent."""
        sent = self.counter.count_request(request)
        if overflow.limit is None:  # half of it, though the room for the answer stays
            return sent // 2 + self._held_back
        stated = overflow.limit * sent // overflow.requested if overflow.requested else overflow.limit
        return min(stated, sent * 3 // 4 + self._held_back)
