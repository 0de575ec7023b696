"""How much work something is, said without a clock on the wall: calls counted, or CPU time of two sizes compared."""

from __future__ import annotations

import gc
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
    """The CPU time that `work` takes in this thread, the least of several runs: what runs beside it is not in it.

    Nor is the collector of cycles, as in `timeit`: it walks over all that other tests have left, once work is so large
    that it makes a quarter as many objects, and linear work looked like 14 times for 4 by that.
    """

    def once() -> float:
        started = thread_time()
        work()
        return thread_time() - started

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return min(once() for _ in range(runs))
    finally:
        if was_enabled:
            gc.enable()


def growth(work: Callable[[int], object], size: int, times: int = 4) -> float:
    """How many times the CPU time for `size` that for `times * size` is.

    Linear work gives about `times`, quadratic work its square; a bound of `2 * times` tells the two apart. Two
    milliseconds are added to both, so that what takes next to no time gives about 1.
    """
    start = 0.002
    return (start + cpu_seconds(lambda: work(times * size))) / (start + cpu_seconds(lambda: work(size)))
