"""What AutoGen's clients leave open is collected here, and not in a test that counts warnings."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """AutoGen 0.7.5's Ollama client has nothing to close its connections with."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
