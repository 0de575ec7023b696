"""When to stop asking a model that only fails."""

from __future__ import annotations

from collections.abc import Callable

_FAILURES = 3
_PAUSE = 300.0
_LONGEST_PAUSE = 3_600.0


class Breaker:
    """Opens after three failures in a row, for five minutes; one more failure after that doubles the pause.

    The longest pause is an hour. One success closes it and forgets all failures.

    Args:
        clock: Gives seconds.

    Example:
        >>> now = 0.0
        >>> breaker = Breaker(lambda: now)
        >>> for _ in range(3):
        ...     breaker.failed()
        >>> breaker.is_open
        True
        >>> now = 301.0
        >>> breaker.is_open
        False
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._closed_from = clock()

    @property
    def is_open(self) -> bool:
        """Whether there is a pause now."""
        return self._clock() < self._closed_from

    def failed(self) -> None:
        """Take note of a failure; one of something that began before the pause changes nothing."""
        if self.is_open:
            return
        self._failures += 1
        doubled = self._failures - _FAILURES
        if doubled >= 0:
            self._closed_from = self._clock() + min(_LONGEST_PAUSE, _PAUSE * 2 ** min(doubled, 10))

    def succeeded(self) -> None:
        """Take note of a success."""
        self._failures = 0
        self._closed_from = self._clock()
