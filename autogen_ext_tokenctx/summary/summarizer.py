"""One rolling summary of a history, written by a model and checked before it is used."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from autogen_core import CacheStore, Component, ComponentBase, ComponentModel, InMemoryStore
from autogen_core.models import ChatCompletionClient, LLMMessage, UserMessage
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Self

from ..errors import StrictConfig
from ..models.counters import counter_for_model
from ..models.names import model_of
from ..tokens.counting import GuardedTokenCounter, TokenCounter
from .writer import NoSummaryError, SummaryUsage, SummaryWriter

logger = logging.getLogger(__name__)

SUMMARY_SOURCE = "context_summary"  # source of the user message that stands for the messages of a summary

START_AT = (
    0.7  # share of the budget at which the next summary is begun: chosen, so that one call of a model fits before
)

_LEAST_TOKENS = 100  # a summary is not asked to be shorter: its headings alone take 40

# Tokens of a request beside the two summaries, the old and the new: the prompt, a problem, the least room.
_FRAME_TOKENS = 900

# After so many failures in a row a model is not called for so many seconds. A guess: it spares a model that is down or
# too weak, and one that is back is found within the same run.
_FAILURES, _PAUSE = 3, 300.0


class Summary(BaseModel):
    """A summary of the first messages of a history.

    Example:
        >>> summary = Summary(text="All went well.", covers=2, key="k", tokens_before=900)
        >>> print(summary.message().content)
        [Summary of 2 earlier messages]
        All went well.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    """The five sections."""
    covers: int = Field(ge=1)
    """How many messages of the history it stands for, from the first one on."""
    key: str = ""
    """Hash of the standing summary, the messages and the settings it was made of; empty where it is not cached."""
    tokens_before: int = Field(default=0, ge=0)
    """Tokens of the messages it stands for."""
    calls: int = Field(default=0, ge=0)
    """Calls of the model that this summary took, refused answers too; 0 when it came out of the cache."""
    prompt_tokens: int = Field(default=0, ge=0)
    """Tokens the model read for it."""
    completion_tokens: int = Field(default=0, ge=0)
    """Tokens the model wrote for it."""

    def message(self) -> UserMessage:
        """Return the message that stands for those it covers; a user's, since selectors drop system messages."""
        head = f"[Summary of {'1 earlier message' if self.covers == 1 else f'{self.covers} earlier messages'}]"
        return UserMessage(content=f"{head}\n{self.text}", source=SUMMARY_SOURCE)


@runtime_checkable
class Summarizer(Protocol):
    """Writes the rolling summary of a history: `ContextSummarizer`, or anything of your own with this method.

    A hook calls it in the background, when a view reaches 0.7 of its budget. What raises, or gives a summary of another
    number of messages, counts as no summary, with one warning. Who is no `ContextSummarizer` is not dumped.

    Example:
        >>> class Headlines:
        ...     async def merge(self, standing, messages):
        ...         covers = (standing.covers if standing else 0) + len(messages)
        ...         return Summary(text=f"{covers} messages on valves.", covers=covers)
        >>> isinstance(Headlines(), Summarizer)
        True
    """

    async def merge(self, standing: Summary | None, messages: Sequence[LLMMessage], /) -> Summary | None:
        """Return one summary of a standing summary and the messages that came after it; None for none."""
        ...


class ContextSummarizerConfig(StrictConfig):
    """The declarative configuration of `ContextSummarizer`."""

    model_client: ComponentModel
    max_tokens: int = 800
    max_input_tokens: int | None = None
    timeout: float = 60.0
    attempts: int = 2
    store: ComponentModel | None = None
    start_at: float = 0.7
    wait: bool = False


class ContextSummarizer(ComponentBase[ContextSummarizerConfig], Component[ContextSummarizerConfig]):
    """Has a model write one summary of a history, which grows by what came since and never starts from the beginning.

    A summary is taken only if it has sections, keeps its limit, is smaller than what it replaces, and states no id,
    number, date, path or address that its messages do not. Otherwise the model is told what is wrong and asked again.
    Whatever fails, the result is None: an agent does not depend on its summary.

    One object may serve a whole team. It sends the messages to its model as they are: give it a client that may see
    them, and a bare one, not one that compresses what it is to read.

    Args:
        model_client: Calls the model.
        max_tokens: Tokens a summary may have.
        max_input_tokens: Input tokens of one call, with room for the answer; more messages are summarised in parts, one
            after the other. None: what the model takes by `TokenManager`, 128,000 at most, or 8,192 where its name is
            not known. A request that is refused as too long teaches less.
        timeout: Seconds to wait for one answer.
        attempts: Answers to ask for, one after the other, before a summary is given up.
        store: Keeps summaries by what they were made of, so that they are paid for once. None: this object's memory.
        start_at: Share of an agent's budget at which the next summary is begun, in the background. The compaction after
            it is done takes it; until then the view is made without.
        wait: Make the summary when a compaction needs it, and let the agent wait for it.
        counter: Counts tokens instead of the model's tokenizer.
        clock: Gives the seconds that pauses go by: after three summaries in a row that failed the model is not called
            for five minutes, and again after each further failure, until one succeeds.

    Raises:
        ValueError: A number is out of range, or ``max_input_tokens`` has no room for the old and the new summary.

    Example:
        >>> from autogen_ext.models.replay import ReplayChatCompletionClient
        >>> summarizer = ContextSummarizer(ReplayChatCompletionClient(["## Facts\\n- The valve 4711 leaks."]))
        >>> dialogue = [UserMessage(content="The valve 4711 leaks. " * 50, source="ann")]
        >>> summary = asyncio.run(summarizer.merge(None, dialogue))
        >>> "- The valve 4711 leaks." in summary.text, summary.covers, summarizer.usage.calls
        (True, 1, 1)
    """

    component_type = "context_summarizer"
    component_config_schema = ContextSummarizerConfig
    component_provider_override = "autogen_ext_tokenctx.ContextSummarizer"

    def __init__(
        self,
        model_client: ChatCompletionClient,
        *,
        max_tokens: int = 800,
        max_input_tokens: int | None = None,
        timeout: float = 60.0,
        attempts: int = 2,
        store: CacheStore[str] | None = None,
        start_at: float = START_AT,
        wait: bool = False,
        counter: TokenCounter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_tokens < _LEAST_TOKENS:
            raise ValueError(f"max_tokens must be {_LEAST_TOKENS} or more, not {max_tokens}")
        if max_input_tokens is not None and max_input_tokens < 2 * max_tokens + _FRAME_TOKENS:
            raise ValueError(
                f"max_input_tokens must be {2 * max_tokens + _FRAME_TOKENS} or more for summaries of {max_tokens} "
                f"tokens, not {max_input_tokens}; or give a smaller max_tokens"
            )
        if not timeout > 0 or attempts < 1:
            raise ValueError(f"timeout ({timeout}) and attempts ({attempts}) must be positive")
        if not 0.0 < start_at <= 1.0:
            raise ValueError(f"start_at is a share of the budget, above 0 to 1, such as 0.7; got {start_at}")
        self.start_at, self.wait = start_at, wait
        self._client = model_client
        self._store = store
        self._brought_counter = counter is not None
        model = model_of(model_client)
        self._counter = GuardedTokenCounter(counter or counter_for_model(model or None))
        self._writer = SummaryWriter(
            client=model_client,
            model=model,
            counter=self._counter,
            store=store or InMemoryStore[str](),
            max_tokens=max_tokens,
            max_input_tokens=max_input_tokens,
            timeout=timeout,
            attempts=attempts,
        )
        self._clock = clock
        self._failures = 0
        self._paused_until = 0.0
        self._used = Counter[str]()

    @property
    def usage(self) -> SummaryUsage:
        """What all summaries so far have used."""
        return SummaryUsage(**self._used)

    async def merge(self, standing: Summary | None, messages: Sequence[LLMMessage]) -> Summary | None:
        """Return one summary of a standing summary and the messages that came after it.

        Args:
            standing: The summary of the messages before; None for none.
            messages: The messages to add to it, not changed. With none the standing summary is returned.

        Returns:
            The new summary, or None: it failed, for which there is one logged warning until the next success; the
            model is in a pause; or the messages are so short that a summary saves nothing.
        """
        if not messages:
            return standing
        used = Counter[str]()
        try:
            return await self._merge(standing, tuple(messages), used)
        except Exception as error:  # whatever a model and its client do
            if not self._failures:
                why = str(error) if isinstance(error, NoSummaryError) else repr(error)
                logger.warning("there is no summary, the history goes on without: %s", why)
            self._failures += 1
            if self._failures >= _FAILURES:
                self._paused_until = self._clock() + _PAUSE
            return None
        finally:  # also when it is cancelled: the calls were made
            self._used.update(used)

    def _to_config(self) -> ContextSummarizerConfig:
        if self._brought_counter:
            raise TypeError(
                "a ContextSummarizer with counter= cannot be dumped: the counter is an object of this process. "
                "Leave it out, or give it again in code after loading."
            )
        return ContextSummarizerConfig(
            model_client=self._client.dump_component(),
            max_tokens=self._writer.max_tokens,
            max_input_tokens=self._writer.max_input_tokens,
            timeout=self._writer.timeout,
            attempts=self._writer.attempts,
            store=self._store.dump_component() if self._store is not None else None,
            start_at=self.start_at,
            wait=self.wait,
        )

    @classmethod
    def _from_config(cls, config: ContextSummarizerConfig) -> Self:
        return cls(
            ChatCompletionClient.load_component(config.model_client),
            store=CacheStore[str].load_component(config.store) if config.store is not None else None,
            **config.model_dump(exclude={"model_client", "store"}),
        )

    async def _merge(
        self, standing: Summary | None, messages: tuple[LLMMessage, ...], used: Counter[str]
    ) -> Summary | None:
        # in a thread: the event loop is the agent's, and counting and joining a long history takes a while
        tokens, limit = await asyncio.to_thread(self._sizes, standing, messages)
        if limit < _LEAST_TOKENS:
            return None
        earlier = standing.text if standing else ""
        texts, key = await asyncio.to_thread(self._writer.prepared, earlier, messages, limit)
        text = self._writer.cached(key, used)
        if text is None:
            # only now: what was paid for before can be had in a pause, too
            if self._failures >= _FAILURES and self._clock() < self._paused_until:
                return None
            text = await self._writer.write(earlier, texts, limit, used)
            self._failures = 0
            self._writer.cache(key, text)  # also one of several parts, which are kept under keys of their own
        return Summary(
            text=text,
            covers=(standing.covers if standing else 0) + len(messages),
            key=key,
            tokens_before=(standing.tokens_before if standing else 0) + tokens,
            calls=used["calls"],
            prompt_tokens=used["prompt_tokens"],
            completion_tokens=used["completion_tokens"],
        )

    def _sizes(self, standing: Summary | None, messages: tuple[LLMMessage, ...]) -> tuple[int, int]:
        """Return the tokens of the messages, and how many a summary may have to be smaller than what it replaces."""
        tokens = sum(map(self._counter.count_message, messages))
        reserved = self._counter.count_message(standing.message()) if standing else 0
        # the longest head that one has: none covers so many messages
        frame = Summary(text="", covers=1_000_000, key="", tokens_before=0).message()
        return tokens, min(self._writer.max_tokens, tokens + reserved - self._counter.count_message(frame) - 1)
