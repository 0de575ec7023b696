"""A model that takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from autogen_core.models import CreateResult, LLMMessage

from .strict_client import Reply, StrictClient


async def until(condition: Callable[[], object]) -> None:
    for _ in range(30_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came")


class SlowClient(StrictClient):
    """Answers after some seconds, or (None) when it is told to; a stubborn one is not cancelled at once."""

    def __init__(self, script: Sequence[Reply], seconds: float | None = None, *, stubborn: bool = False) -> None:
        super().__init__(script)
        self.seconds = seconds
        self.stubborn = stubborn
        self.cancelled = 0
        self.running = 0
        self.answer = asyncio.Event()

    async def create(self, messages: Sequence[LLMMessage], **arguments: Any) -> CreateResult:
        self.running += 1
        try:
            await self._think()
        except asyncio.CancelledError:
            self.cancelled += 1
            if not self.stubborn:
                raise
            await self._think()
        finally:
            self.running -= 1
        return await super().create(messages, **arguments)

    async def _think(self) -> None:
        await (self.answer.wait() if self.seconds is None else asyncio.sleep(self.seconds))
