"""What hosted providers state of their models, asked for real: `pytest -m provider`, with a key in the environment.

Nothing here runs by default, and without its key a test is skipped before it looks at the network. Lists of models are
free: no tokens are billed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from autogen_ext_tokenctx.models.api_formats import read_all
from autogen_ext_tokenctx.models.discovery import KEY_VARIABLES, Endpoint, list_limits
from autogen_ext_tokenctx.models.names import ModelName
from autogen_ext_tokenctx.models.sources import TableSource
from autogen_ext_tokenctx.models.token_manager import TokenConfig, TokenManager

pytestmark = pytest.mark.provider
SECONDS = 30.0


class Hosted(NamedTuple):
    """An API, the variable with its key, and a model of its that the tables know."""

    variable: str
    base_url: str
    model: str


PROVIDERS = (
    Hosted("ANTHROPIC_API_KEY", "https://api.anthropic.com", "claude-haiku-4-5"),
    Hosted("COHERE_API_KEY", "https://api.cohere.com", "command-a-03-2025"),
    Hosted("GEMINI_API_KEY", "https://generativelanguage.googleapis.com", "gemini-2.5-flash"),
    Hosted("GROQ_API_KEY", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
    Hosted("MISTRAL_API_KEY", "https://api.mistral.ai/v1", "mistral-large-latest"),
    Hosted("OPENROUTER_API_KEY", "https://openrouter.ai/api/v1", "openai/gpt-4o"),
    Hosted("TOGETHER_API_KEY", "https://api.together.xyz/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
)


def key_in(variable: str) -> str:
    """The key; without it the test is skipped."""
    key = os.environ.get(variable, "").strip()
    if not key:
        pytest.skip(f"no key: set {variable}")
    pytest.importorskip("httpx")
    return key


@pytest.fixture(autouse=True)
def no_limits_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without files and variables that would answer first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in [name for name in os.environ if name.startswith("MODEL_LIMIT_")]:
        monkeypatch.delenv(variable)


@pytest.mark.parametrize("hosted", PROVIDERS, ids=lambda hosted: hosted.variable)
async def test_an_api_states_what_the_tables_say(hosted: Hosted) -> None:
    key = key_in(hosted.variable)
    options = TokenConfig(enable_api_discovery=True, api_discovery_timeout=SECONDS)
    manager = TokenManager(options, base_url=hosted.base_url, api_key=key)
    notes = [answer.note for answer in await manager.explain(hosted.model)]
    stated = await manager.get_limits(hosted.model)
    assert stated.source == "api", notes
    known = await TokenManager(sources=[TableSource()]).get_limits(hosted.model)
    assert (stated.max_input_tokens, stated.source) == (known.max_input_tokens, "api"), known


@pytest.mark.parametrize("hosted", PROVIDERS, ids=lambda hosted: hosted.variable)
async def test_a_list_of_models_states_limits_for_a_refresh(hosted: Hosted) -> None:
    endpoint = Endpoint.parse(hosted.base_url, key_in(hosted.variable))
    stated = await list_limits(endpoint, SECONDS)
    assert len(stated) > 3
    assert any(ModelName.parse(hosted.model).base in name.lower() for name in stated), sorted(stated)


async def test_openai_states_no_limits_so_that_the_table_answers() -> None:
    key = key_in("OPENAI_API_KEY")
    import httpx

    async with httpx.AsyncClient(timeout=SECONDS) as client:
        answer = await client.get("https://api.openai.com/v1/models", headers={"Authorization": f"Bearer {key}"})
    body = answer.raise_for_status().json()
    assert any(model["id"] == "gpt-4o" for model in body["data"])
    assert read_all(body) == {}, "OpenAI states limits now: it should be asked"
    manager = TokenManager(TokenConfig(enable_api_discovery=True), base_url="https://api.openai.com/v1", api_key=key)
    assert (await manager.get_limits("gpt-4o")).source == "known_table"


@pytest.mark.parametrize("hosted", PROVIDERS, ids=lambda hosted: hosted.variable)
def test_the_variables_are_those_that_the_command_reads(hosted: Hosted) -> None:
    assert KEY_VARIABLES[Endpoint.parse(hosted.base_url).host] == hosted.variable
