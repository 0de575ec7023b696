"""Summaries that were paid for, kept by what they were made of."""

from __future__ import annotations

import hashlib
import json
import logging

from autogen_core import CacheStore
from pydantic import BaseModel, ConfigDict, Field, ValidationError

logger = logging.getLogger(__name__)

_PREFIX = "tokenctx-summary-"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(min_length=1)


class SummaryCache:
    """Keeps summaries in a store of AutoGen, as JSON.

    A store that raises is asked again the next time, and spoken of once. What is no summary in it is passed over.

    Args:
        store: Where the summaries are kept. It is called by the thread of the event loop, as AutoGen does it.

    Example:
        >>> from autogen_core import InMemoryStore
        >>> cache = SummaryCache(InMemoryStore())
        >>> cache.put("some key", "all went well")
        >>> cache.get("some key"), cache.get("another key")
        ('all went well', None)
    """

    def __init__(self, store: CacheStore[str]) -> None:
        self._store = store
        self._warned = False

    def get(self, key: str) -> str | None:
        """The summary that was kept under a key; None when there is none."""
        try:
            value: object = self._store.get(_PREFIX + key)
        except Exception as error:
            self._warn(error)
            return None
        if not isinstance(value, (str, bytes)):
            return None
        try:
            return _Kept.model_validate_json(value).text
        except ValidationError:
            return None

    def put(self, key: str, text: str) -> None:
        """Keep a summary under a key."""
        try:
            self._store.set(_PREFIX + key, _Kept(text=text).model_dump_json())
        except Exception as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("summaries cannot be cached in %s: %r", type(self._store).__name__, error)


def key_of(*made_of: str | int) -> str:
    """The hash of everything a summary is made of.

    Example:
        >>> key_of("ab", "c") == key_of("a", "bc")
        False
    """
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
