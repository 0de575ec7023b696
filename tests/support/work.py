"""How much work something is, said without a clock on the wall: calls counted, or CPU time of two sizes compared."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import thread_time
from types import FrameType


def calls(work: Callable[[], object]) -> int:
    """The Python and C functions that `work` calls, in this thread and those it starts."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    threading.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    return count


def cpu_seconds(work: Callable[[], object], runs: int = 3) -> float:
    """The CPU time that `work` takes in this thread, the least of several runs: what runs beside it is not in it."""

    def once() -> float:
        started = thread_time()
        work()
        return thread_time() - started

    return min(once() for _ in range(runs))


def growth(work: Callable[[int], object], size: int, times: int = 4) -> float:
    """How many times the CPU time for `size` that for `times * size` is.

    Linear work gives about `times`, quadratic work its square; a bound of `2 * times` tells the two apart. Two
    milliseconds are added to both, so that what takes next to no time gives about 1. On a busy machine caches are
    shared, so that linear work can look worse than it is once; what grows faster does so each time.
    """
    start = 0.002
    least = float(times * times)
    for _ in range(3):
        larger, smaller = (cpu_seconds(lambda size=size: work(size)) for size in (times * size, size))
        least = min(least, (start + larger) / (start + smaller))
        if least < 2 * times:
            break
    return least
