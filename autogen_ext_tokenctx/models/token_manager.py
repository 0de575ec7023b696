"""How much room a model has: its limits from the environment, files, its API, tables, its name, or a default."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field, SecretStr

from ..errors import StrictConfig, UnknownModelError
from ..warn import warn_once
from .discovery import ApiSource, Endpoint, Provider
from .limits import LimitAnswer, LimitSource, ModelLimits
from .names import ModelName
from .sources import DefaultSource, EnvironmentSource, FileSource, PatternSource, TableSource

if TYPE_CHECKING:
    from autogen_core.models import ChatCompletionClient

logger = logging.getLogger(__name__)


class TokenConfig(StrictConfig):
    """The options of `TokenManager`; it holds no secrets.

    Example:
        >>> TokenConfig(default_token_limit=4_096).default_token_limit
        4096
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    model_limits_config_path: Path | None = None
    """The one JSON file of limits to read; None reads those at the three usual places."""
    enable_api_discovery: bool = False
    """Whether the model's API may be asked."""
    api_discovery_timeout: float = Field(default=5.0, gt=0)
    """Seconds to wait for the API's answers about one model."""
    default_token_limit: int = Field(default=8_192, gt=0)
    """Tokens of a model that nothing is known about."""
    model_limit_cache_ttl: float = Field(default=3_600.0, ge=0)
    """Seconds an answer is kept; one that came about by a failure is kept a minute at most."""


def default_sources(
    config: TokenConfig | None = None,
    *,
    client: ChatCompletionClient | None = None,
    base_url: str | None = None,
    api_key: str | SecretStr | None = None,
    provider: Provider | None = None,
) -> tuple[LimitSource, ...]:
    """Return the sources that `TokenManager` asks by default, to put others before, between or after them.

    Args:
        config: The options.
        client: The model client whose endpoint and key API discovery uses.
        base_url: The endpoint, instead of a client.
        api_key: The key for ``base_url``.
        provider: How the endpoint is asked, see `TokenManager`.

    Raises:
        ValueError: Both a client and a base_url, a key or provider without a base_url, or a base_url that is none.

    Example:
        >>> [type(source).__name__ for source in default_sources()][:2]
        ['EnvironmentSource', 'FileSource']
    """
    if client is not None and base_url is not None:
        raise ValueError("give a client or a base_url, not both")
    if base_url is None and (api_key is not None or provider is not None):
        raise ValueError("api_key and provider belong to a base_url; a client brings its own")
    config = config or TokenConfig()
    endpoint = Endpoint.of_client(client) if base_url is None else Endpoint.parse(base_url, api_key, provider)
    # What the user says counts more than what a server says, that more than what is published, and a table entry for
    # the very name more than a pattern it fits.
    return (
        EnvironmentSource(),
        FileSource(config.model_limits_config_path),
        ApiSource(endpoint if config.enable_api_discovery else None, config.api_discovery_timeout),
        TableSource(),
        PatternSource(),
        DefaultSource(config.default_token_limit),
    )


class TokenManager:
    """Finds out how many tokens a model takes, with no set-up and for any name.

    The sources, in order: ``MODEL_LIMIT_<NAME>`` in the environment; a JSON file; the model's API, if allowed; the
    known tables; the family the name shows; the default. An unknown model is no error: its source is "default".

    One manager serves any number of tasks, threads and event loops. Answers are cached, and tasks of one event loop
    that ask for the same model at once share one look-up.

    Args:
        config: The options.
        client: The model client whose endpoint and key API discovery uses: one of autogen-ext's, or one around it.
        base_url: The endpoint, instead of a client.
        api_key: The key for ``base_url``.
        provider: How the endpoint is asked: "anthropic", "cohere", "gemini", "list" for a hosted list of models,
            "server" for a server of one's own of any kind. Found out from the host by default.
        sources: What is asked, in this order, until one knows the model; `default_sources` by default. Each is an
            async function of a name; one that raises is passed over with one warning.
        clock: Gives the seconds that the cache goes by.

    Raises:
        ValueError: Both a client and a base_url, a key or provider without a base_url, a base_url that is none, or
            any of them beside ``sources``.

    Example:
        >>> manager = TokenManager()
        >>> asyncio.run(manager.get_limits("openai/gpt-5"))
        ModelLimits(context_window=400000, max_input_tokens=272000, max_output_tokens=128000, source='known_table')
        >>> async def in_house(name: ModelName) -> LimitAnswer:
        ...     return LimitAnswer("in_house", ModelLimits(32_768, 30_000) if name.base == "own-7b" else None)
        >>> asyncio.run(TokenManager(sources=[in_house, *default_sources()]).get_limit("own-7b"))
        30000
    """

    def __init__(
        self,
        config: TokenConfig | None = None,
        *,
        client: ChatCompletionClient | None = None,
        base_url: str | None = None,
        api_key: str | SecretStr | None = None,
        provider: Provider | None = None,
        sources: Iterable[LimitSource] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if sources is None:
            sources = default_sources(config, client=client, base_url=base_url, api_key=api_key, provider=provider)
        elif any(option is not None for option in (client, base_url, api_key, provider)):
            raise ValueError(
                "client, base_url, api_key and provider do nothing beside sources=: give them to default_sources()"
            )
        self._sources = tuple(sources)
        self._ttl = (config or TokenConfig()).model_limit_cache_ttl
        self._clock = clock
        self._cache: dict[str, tuple[float, tuple[LimitAnswer, ...]]] = {}
        # By loop, since a task can only be awaited on its own; each entry lives as long as its look-up.
        self._flights: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[tuple[LimitAnswer, ...]]] = {}

    async def get_limits(self, model: str) -> ModelLimits:
        """Return the limits of a model.

        Args:
            model: The name as given to the model client; host prefixes, tags, dates and fine-tunes are understood.

        Raises:
            TypeError: The name is not a string.
            ValueError: The name is empty.
            UnknownModelError: No source knows the model; among the default ones the last knows every name.

        Example:
            >>> asyncio.run(TokenManager().get_limits("ft:gpt-4o:acme::id7")).max_output_tokens
            16384
        """
        answers = await self.explain(model)
        if not answers or answers[-1].limits is None:
            raise UnknownModelError(model, "Add a source that knows it to sources=, or *default_sources().")
        return answers[-1].limits

    async def get_limit(self, model: str) -> int:
        """Return the input tokens one call to a model may have: ``max_input_tokens`` of `get_limits`.

        It is the provider's limit, not yet a budget: where input and output share the window, the reply comes out of
        it too.

        Args:
            model: The name as given to the model client.

        Example:
            >>> asyncio.run(TokenManager().get_limit("gpt-4o"))
            128000
        """
        return (await self.get_limits(model)).max_input_tokens

    async def explain(self, model: str) -> tuple[LimitAnswer, ...]:
        """Return what each source said that was asked for a model's limits, in their order; the last one knew them.

        Args:
            model: The name as given to the model client.

        Raises:
            TypeError: The name is not a string.
            ValueError: The name is empty.

        Example:
            >>> answers = asyncio.run(TokenManager().explain("my-gpt4o-deployment"))
            >>> [answer.source for answer in answers]
            ['environment', 'config_file', 'api', 'known_table', 'name_pattern']
        """
        if not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"model must be a name, not {type(model).__name__}")
        cached = self._cache.get(model)
        if cached is not None and self._clock() < cached[0]:
            return cached[1]
        if not model.strip():
            raise ValueError("model must be a name, not an empty string")
        loop = asyncio.get_running_loop()
        flight = self._flights.get((loop, model))
        if flight is None:
            flight = self._flights[loop, model] = loop.create_task(self._look_up(model))
            flight.add_done_callback(lambda _: self._flights.pop((loop, model), None))
        # Shielded: that one caller gives up must not take the answer from the others.
        return await asyncio.shield(flight)

    async def _look_up(self, model: str) -> tuple[LimitAnswer, ...]:
        name = ModelName.parse(model)
        answers: tuple[LimitAnswer, ...] = ()
        for source in self._sources:
            answer = await _asked(source, name)
            answers = (*answers, answer)
            logger.debug("limits of %r: %s: %s: %s", model, answer.source, answer.limits, answer.note)
            if answer.limits is not None:
                break
        # Where a source could not be asked, or only the default answered, all are asked again after a minute: long
        # enough not to ask a dead server at every call, short enough to notice one that was just started. Chosen.
        ttl = min(self._ttl, 60.0) if any(answer.fault for answer in answers) else self._ttl
        self._cache.pop(model, None)  # so that the oldest is always first
        while len(self._cache) >= 1_024:  # names may come from outside, so their number is bounded
            self._cache.pop(next(iter(self._cache)), None)
        self._cache[model] = (self._clock() + ttl, answers)
        return answers


async def _asked(source: LimitSource, name: ModelName) -> LimitAnswer:
    """Return a source's answer; one that fails is named in a warning and counts as one that does not know."""
    called = getattr(source, "__name__", type(source).__name__)
    try:
        answer = await source(name)
        if not isinstance(answer, LimitAnswer):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"it returned {answer!r}")
    except Exception as error:
        warn_once(
            f"source:{called}",
            f"the limit source {called} failed ({type(error).__name__}: {error}), so the next one is asked. A source "
            "is an async function of a ModelName that returns a LimitAnswer, also for models it does not know.",
        )
        return LimitAnswer(called, None, f"failed: {type(error).__name__}", fault=True)
    return answer if answer.limits is None else replace(answer, limits=replace(answer.limits, source=answer.source))
