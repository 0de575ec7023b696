"""What the APIs say, in every format, read from a real server on 127.0.0.1."""

from collections.abc import Iterator

import pytest

from autogen_ext_tokenctx.models.discovery import ApiSource, Endpoint, Provider
from autogen_ext_tokenctx.models.limits import LimitAnswer, ModelLimits
from autogen_ext_tokenctx.models.names import ModelName

from ..support.model_server import ModelServer, json_reply, listed, model_server

pytest.importorskip("httpx")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


async def ask(server: ModelServer, model: str = "m", provider: Provider | None = None) -> LimitAnswer:
    return await ApiSource(Endpoint.parse(f"{server.url}/v1", None, provider), 5.0)(ModelName.parse(model))


OLLAMA_SHOW = {"model_info": {"general.architecture": "llama", "llama.context_length": 131_072}, "parameters": ""}
LM_STUDIO = {"id": "m", "state": "loaded", "max_context_length": 131_072, "loaded_context_length": 4_096}

FORMATS: dict[str, tuple[Provider | None, dict[str, object], ModelLimits]] = {
    "llama.cpp list": (
        None,
        {"GET /v1/models": {"data": [{"id": "/models/x.gguf", "meta": {"n_ctx": 1_024, "n_ctx_train": 8_192}}]}},
        ModelLimits(1_024, 1_024),
    ),
    "llama.cpp props": (
        None,
        {
            "GET /v1/models": {"data": [{"id": "/models/x.gguf", "meta": {"n_ctx_train": 8_192}}]},
            "GET /props": {"default_generation_settings": {"n_ctx": 2_048}, "total_slots": 1},
        },
        ModelLimits(2_048, 2_048),
    ),
    "vLLM": (None, {"GET /v1/models": listed(max_model_len=32_768)}, ModelLimits(32_768, 32_768)),
    "OpenRouter": (
        "list",
        {
            "GET /v1/models": listed(
                context_length=200_000, top_provider={"context_length": 128_000, "max_completion_tokens": 16_384}
            )
        },
        ModelLimits(128_000, 128_000, 16_384),
    ),
    "OpenRouter without the top provider's": (
        "list",
        {
            "GET /v1/models": listed(
                context_length=200_000, top_provider={"context_length": None, "max_completion_tokens": None}
            )
        },
        ModelLimits(200_000, 200_000),
    ),
    "Anthropic": (
        "anthropic",
        {"GET /v1/models/m": {"type": "model", "id": "m", "max_input_tokens": 1_000_000, "max_tokens": 128_000}},
        ModelLimits(1_000_000, 1_000_000, 128_000),
    ),
    "Gemini": (
        "gemini",
        {"GET /v1beta/models/m": {"name": "models/m", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}},
        ModelLimits(1_048_576, 1_048_576, 65_536),
    ),
    "Mistral": ("list", {"GET /v1/models": listed(max_context_length=131_072)}, ModelLimits(131_072, 131_072)),
    "Groq": (
        "list",
        {"GET /v1/models": listed(context_window=131_072, max_completion_tokens=32_768, active=True)},
        ModelLimits(131_072, 131_072, 32_768),
    ),
    "Together, a bare list and a number in a string": (
        "list",
        {"GET /v1/models": [{"id": "m", "context_length": "131072"}, {"id": "n", "context_length": 1}]},
        ModelLimits(131_072, 131_072),
    ),
    "Cohere, a float": (
        "cohere",
        {"GET /v1/models/m": {"name": "m", "context_length": 128_000.0}},
        ModelLimits(128_000, 128_000),
    ),
    "Ollama, running": (
        None,
        {
            "GET /v1/models": listed(owned_by="library"),
            "GET /api/ps": {"models": [{"name": "m:latest", "model": "m:latest", "context_length": 4_096}]},
            "POST /api/show": OLLAMA_SHOW,
        },
        ModelLimits(4_096, 4_096),
    ),
    "Ollama, not running": (
        None,
        {"GET /v1/models": listed(), "GET /api/ps": {"models": []}, "POST /api/show": OLLAMA_SHOW},
        ModelLimits(131_072, 131_072),
    ),
    "Ollama, num_ctx in the model file": (
        None,
        {"POST /api/show": {**OLLAMA_SHOW, "parameters": 'stop "<|eot|>"\nnum_ctx                        16384'}},
        ModelLimits(16_384, 16_384),
    ),
    "LM Studio, loaded": (
        None,
        {"GET /v1/models": listed(), "GET /api/v0/models": {"data": [LM_STUDIO]}},
        ModelLimits(4_096, 4_096),
    ),
    "LM Studio, not loaded": (
        None,
        {"GET /api/v0/models": {"data": [{"id": "m", "state": "not-loaded", "max_context_length": 131_072}]}},
        ModelLimits(131_072, 131_072),
    ),
    "LM Studio 0.4": (
        None,
        {
            "GET /api/v1/models": {
                "models": [
                    {
                        "key": "m",
                        "loaded_instances": [{"id": "m", "config": {"context_length": 8_192}}],
                        "max_context_length": 131_072,
                    }
                ]
            }
        },
        ModelLimits(8_192, 8_192),
    ),
    "TGI": (
        None,
        {"GET /info": {"model_id": "org/m", "max_total_tokens": 8_192, "max_input_tokens": 7_000}},
        ModelLimits(8_192, 7_000),
    ),
    "TGI, old": (
        None,
        {"GET /info": {"model_id": "org/m", "max_total_tokens": 2_048, "max_input_length": 1_024}},
        ModelLimits(2_048, 1_024),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
async def test_every_format(server: ModelServer, name: str) -> None:
    provider, routes, window = FORMATS[name]
    server.routes = {route: json_reply(body) for route, body in routes.items()}
    answer = await ask(server, provider=provider)
    assert answer.limits == window
    assert not answer.fault


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("org/m", 4), ("m", 2), ("M", 2), ("other/m-2", 3), ("m-2@latest", 3), ("m-3", None)],
)
async def test_the_entry_closest_to_the_name_counts(server: ModelServer, model: str, tokens: int | None) -> None:
    entries = [("m-2", 3), ("m", 2), ("org/m", 4)]
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": i, "max_model_len": n} for i, n in entries]})
    limits = (await ask(server, model, provider="list")).limits
    assert (limits and limits.context_window) == tokens


WRONG: tuple[object, ...] = (
    True,
    -5,
    0,
    0.5,
    1e400,
    float("nan"),
    10**12,
    "many",
    "",
    None,
    [8_192],
    {"n": 1},
    "9" * 400,
)


@pytest.mark.parametrize("value", WRONG, ids=repr)
async def test_a_limit_of_the_wrong_type_is_no_answer(server: ModelServer, value: object) -> None:
    server.routes["GET /v1/models"] = json_reply(listed(max_model_len=value, meta=value, top_provider=value))
    assert (await ask(server, provider="list")).limits is None


async def test_a_wrong_limit_beside_a_right_one_is_passed_over(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = json_reply(listed(context_window=4_096, max_completion_tokens="?"))
    assert (await ask(server)).limits == ModelLimits(4_096, 4_096)
