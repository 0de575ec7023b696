"""Warnings that point at the line of the user's program which led to them."""

from __future__ import annotations

import sys
import threading
import warnings

# Packages whose frames lie between the user's line and the warning: no warning is of use there.
_IN_BETWEEN = (
    *("autogen_ext_tokenctx", "autogen_core", "autogen_agentchat", "autogen_ext"),
    *("asyncio", "concurrent", "contextlib", "contextvars", "threading", "runpy"),
)
_warned: set[str] = set()
_lock = threading.Lock()


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the innermost line on the stack that is neither this package's nor AutoGen's nor the event loop's."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_globals.get("__name__", "").partition(".")[0] in _IN_BETWEEN:
        if frame.f_back is None:  # in a worker thread there is no such line: the package is named instead
            warnings.warn_explicit(text, category, "autogen_ext_tokenctx", 1)
            return
        frame = frame.f_back
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    module = frame.f_globals.get("__name__")
    warnings.warn_explicit(text, category, frame.f_code.co_filename, frame.f_lineno, module, registry)


def warn_once(key: str, text: str) -> None:
    """Warn with a UserWarning the first time a key is seen in this process."""
    with _lock:
        if key in _warned:
            return
        _warned.add(key)
    warn(text, UserWarning)


class WarnOnce:
    """Gives each kind of warning of one object once, so that a long conversation does not repeat it at every call."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, kind: str, text: str) -> None:
        if kind not in self._given:
            self._given.add(kind)
            warn(text, RuntimeWarning)
