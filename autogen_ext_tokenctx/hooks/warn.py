"""Warnings that are said once."""

from __future__ import annotations

from ..warn import warn


class WarnOnce:
    """Gives each kind of warning of one object once, so that a long conversation does not repeat it at every call."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, kind: str, text: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            warn(text, RuntimeWarning)
