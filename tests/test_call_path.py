"""The way of a call through the package, traced: how deep a fit is, how many there are, what is counted, which modules.

`python -m tests.test_call_path` prints the table. What is aimed at and does not hold yet is expected to fail, strictly:
who gets there moves it to the bounds.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest
from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext

from .support.histories import conversation
from .support.strict_client import StrictClient

BUDGET = 4_000
PACKAGE = "autogen_ext_tokenctx"


@dataclass
class Path:
    """What a call goes through.

    Args:
        frames: Frames of the package on the way to the first fit, coroutines that wait included.
        calls: Calls of each function of the package.
        messages: Messages of the history.
    """

    frames: int = 0
    calls: Counter[str] = field(default_factory=Counter[str])
    messages: int = 1

    @property
    def fits(self) -> int:
        return self.calls[f"{PACKAGE}.context.engine.fit_request"]

    @property
    def views(self) -> int:
        return self.calls[f"{PACKAGE}.context.view.build"]

    @property
    def drafts(self) -> int:
        """Views that were written and counted, of which one is built."""
        return self.calls[f"{PACKAGE}.context.view.draft"]

    @property
    def counts(self) -> float:
        """Calls of `count_message` for each message."""
        return sum(count for name, count in self.calls.items() if name.endswith(".count_message")) / self.messages

    @property
    def modules(self) -> int:
        return len({name.rpartition(".")[0] for name in self.calls})


def traced(work: Coroutine[Any, Any, object], messages: int) -> Path:
    """Run some work in this thread and note the functions of the package it calls; not what the provider calls."""
    path = Path(messages=messages)
    depth = 0
    at_provider = 0  # which counts a request by the package's own counter

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal depth, at_provider
        module = frame.f_globals.get("__name__", "")
        if module == StrictClient.__module__:
            at_provider += {"call": 1, "return": -1}.get(event, 0)
        if at_provider or not module.startswith(PACKAGE):
            return
        if event == "call":
            depth += 1
            name = f"{module}.{frame.f_code.co_name}"
            if name == f"{PACKAGE}.context.engine.fit_request" and not path.fits:
                path.frames = depth - 1
            path.calls[name] += 1
        elif event == "return":
            depth -= 1

    async def main() -> None:
        sys.setprofile(note)
        try:
            await work
        finally:
            sys.setprofile(None)

    manager = "autogen_ext_tokenctx.context.engine"
    with patch(f"{manager}._MANY_GROUPS", 10**6), patch(f"{manager}._LONG_CHARS", 10**9):  # all of it in this thread
        asyncio.run(main())
    return path


def history() -> list[LLMMessage]:
    return [*conversation(24), UserMessage(content="Which boiler leaks?", source="user")]


@cache
def path_of(call: str) -> Path:
    """The path of one call that compacts, or of one that does not, cold."""
    messages = history()
    if call in ("get_messages", "no compaction"):
        budget = BUDGET if call == "get_messages" else 10**6
        context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=budget, initial_messages=messages)
        return traced(context.get_messages(), len(messages))
    client = TokenBudgetChatCompletionClient(StrictClient(), BUDGET, model=call)
    return traced(client.create(messages), len(messages))


CALLS = ("get_messages", "no compaction", "gpt-4o", "claude-sonnet-4")

BOUNDS: dict[str, dict[str, float]] = {
    "get_messages": {"frames": 4, "fits": 1, "views": 1, "drafts": 2, "counts": 1.2, "modules": 68},
    "no compaction": {"frames": 4, "fits": 1, "views": 0, "drafts": 0, "counts": 1.0, "modules": 32},
    "gpt-4o": {"frames": 4, "fits": 1, "views": 1, "drafts": 5, "counts": 1.5, "modules": 75},
    "claude-sonnet-4": {"frames": 4, "fits": 2, "views": 2, "drafts": 5, "counts": 3.8, "modules": 75},
}
"""Where it stands; it may only get better."""

AIMS: dict[str, float] = {"frames": 4, "fits": 1, "views": 1, "drafts": 1, "counts": 1.2, "modules": 32}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("what", AIMS)
def test_the_way_of_a_call_does_not_get_longer(call: str, what: str) -> None:
    assert getattr(path_of(call), what) <= BOUNDS[call][what]


@pytest.mark.xfail(strict=True, reason="messages are counted for the history and for the bill")
@pytest.mark.parametrize("call", ["gpt-4o", "claude-sonnet-4"])
def test_a_call_that_compacts_is_short(call: str) -> None:
    path = path_of(call)
    assert {what: getattr(path, what) for what in AIMS if getattr(path, what) > AIMS[what]} == {}


def main(show: Callable[[str], None] = print) -> None:
    for call in CALLS:
        path = path_of(call)
        figures = ", ".join(f"{what} {round(getattr(path, what), 1)}" for what in AIMS)
        show(f"{call}: {figures}, functions {len(path.calls)}, calls {path.calls.total()}")


if __name__ == "__main__":
    main()
