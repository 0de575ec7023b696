"""Texts that are built to take long, a megabyte each: how long a view with one takes, and how long others wait.

`python -m tests.benchmarks.hostile` gives one of each shape of ``tests/test_hostile_texts.py`` to an agent's context as
the result of a tool, reads the view, and prints the CPU time and the longest time for which neither the event loop nor
another thread got on.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from collections.abc import Callable

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    UserMessage,
)

from autogen_ext_tokenctx import EstimatedTokenCounter, TokenBudgetChatCompletionContext

from ..test_hostile_texts import CASES, as_result

BUDGET = 8_000


class Waiting:
    """How long a thread waits at most for its turn."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._ends = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()

    def _run(self) -> None:
        while not self._ends:
            before = time.perf_counter()
            time.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - before)


async def _loop_waits(work: asyncio.Task[None]) -> float:
    longest = 0.0
    while not work.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before)
    await work
    return longest


async def read(text: str) -> tuple[float, float, float]:
    """Return the CPU seconds of a turn with a text, and how long the loop and another thread waited at most."""
    context = TokenBudgetChatCompletionContext(budget=BUDGET, counter=EstimatedTokenCounter())

    async def turn() -> None:
        await context.add_message(UserMessage(content="Look at it: which row failed?", source="user"))
        call = FunctionCall(id="1", name="look", arguments="{}")
        await context.add_message(AssistantMessage(content=[call], source="coder"))
        result = FunctionExecutionResult(content=text, name="look", call_id="1", is_error=False)
        await context.add_message(FunctionExecutionResultMessage(content=[result]))
        await context.get_messages()
        await context.add_message(AssistantMessage(content="Row 3.", source="coder"))
        await context.add_message(UserMessage(content="And which after that?", source="user"))
        await context.get_messages()

    started = time.process_time()
    with Waiting() as other:
        loop = await _loop_waits(asyncio.create_task(turn()))
    return time.process_time() - started, loop, other.longest


def main() -> int:
    """Print a line for each shape, the slowest first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chars", type=int, default=1_000_000, help="length of each text")
    chars: int = parser.parse_args().chars
    shapes: list[Callable[[int], str]] = [shape for reader, shape in CASES if reader is as_result]
    rows = [(*asyncio.run(read(shape(chars))), number) for number, shape in enumerate(shapes)]
    print("shape  CPU s  loop waits ms  thread waits ms")
    for seconds, loop, other, number in sorted(rows, reverse=True):
        print(f"{number:5}  {seconds:5.2f}  {1_000 * loop:13.0f}  {1_000 * other:15.0f}")
    print(f"most: {max(row[0] for row in rows):.2f} s, {1_000 * max(max(row[1:3]) for row in rows):.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
