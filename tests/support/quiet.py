"""Checking that a warning is not given again."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def no_warnings() -> Generator[None, None, None]:
    """Fail when anything warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
