"""Discovery against a real server on 127.0.0.1: every format, and everything a server can do wrong."""

import asyncio
import gzip
import json
import logging
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from autogen_ext_tokenctx.models.discovery import MAX_BODY_BYTES, ApiSource, Endpoint, Provider
from autogen_ext_tokenctx.models.limits import LimitAnswer, ModelLimits
from autogen_ext_tokenctx.models.names import ModelName
from autogen_ext_tokenctx.models.token_manager import TokenConfig, TokenManager

from ..support.model_server import ModelServer, Reply, json_reply, listed, model_server, reply
from ..support.quiet import no_warnings

pytest.importorskip("httpx")
KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


async def ask(
    server: ModelServer, model: str = "m", path: str = "/v1", provider: Provider | None = None, timeout: float = 5.0
) -> LimitAnswer:
    endpoint = Endpoint.parse(server.url + path, KEY, provider)
    return await ApiSource(endpoint, timeout)(ModelName.parse(model))


ANSWERED = threading.Event()
"""Set when a server that hangs may go home."""


def hang(_: object) -> None:
    ANSWERED.wait(30)


BAD_REPLIES: dict[str, tuple[Reply, bool]] = {
    "500": (json_reply({"error": "boom"}, 500), True),
    "503 while loading": (json_reply({"error": {"code": 503}}, 503), True),
    "429": (json_reply({}, 429), True),
    "401": (json_reply({}, 401), False),
    "HTML": (reply(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}), False),
    "empty": (reply(b""), False),
    "null": (reply(b"null"), False),
    "a number": (reply(b"7"), False),
    "deep": (reply(b"[" * 200_000), False),
    "not text": (reply(b"\xff\xfe\x00\x01"), False),
    "cut off": (reply(b'{"data": [', headers={"Content-Length": "500"}), True),
    "a huge body": (reply(b" " * 1_000_000, times=MAX_BODY_BYTES // 1_000_000 + 50), False),
    "compressed": (reply(gzip.compress(b"[]"), headers={"Content-Encoding": "gzip"}), False),
    "a list of nothing": (reply(b'{"data": [null, 5, "m", [], {}]}'), False),
    "data of another type": (json_reply({"data": {"m": 5}}), False),
    "hanging": (hang, True),
}


@pytest.mark.parametrize("name", BAD_REPLIES)
async def test_a_server_that_fails_is_no_answer(server: ModelServer, name: str) -> None:
    server.routes["GET /v1/models"], fault = BAD_REPLIES[name]
    ANSWERED.clear()
    answer = await asyncio.wait_for(ask(server, provider="list", timeout=0.5), 30)
    ANSWERED.set()
    assert answer.limits is None
    assert answer.fault == fault
    assert answer.note


async def test_a_server_that_drips_is_given_up_in_time(server: ModelServer) -> None:
    def drip(handler: object) -> None:
        send = reply(b" ")
        send(handler)  # pyright: ignore[reportArgumentType]
        while not ANSWERED.wait(0.05):
            handler.wfile.write(b" ")  # pyright: ignore

    ANSWERED.clear()
    server.routes["GET /v1/models"] = drip
    answer = await asyncio.wait_for(ask(server, provider="list", timeout=0.3), 30)
    ANSWERED.set()
    assert answer.fault
    assert "within 0.3 s" in answer.note


async def test_nobody_listening_is_a_fault_to_be_tried_again() -> None:
    with model_server() as stopped:
        pass
    answer = await ask(stopped)
    assert answer.fault
    assert "ConnectError" in answer.note


async def test_a_redirect_on_the_same_origin_is_followed(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = reply(b"", 307, {"Location": "/v2/models"})
    server.routes["GET /v2/models"] = json_reply(listed(max_model_len=4_096))
    assert (await ask(server)).limits == ModelLimits(4_096, 4_096)
    assert server.requests[-1][1]["Authorization"] == f"Bearer {KEY}"


async def test_a_redirect_to_another_host_is_not_followed(server: ModelServer) -> None:
    with model_server() as thief:
        thief.routes["GET /v1/models"] = json_reply(listed(max_model_len=4_096))
        server.routes["GET /v1/models"] = reply(b"", 302, {"Location": f"{thief.url}/v1/models"})
        answer = await ask(server, provider="list")
        assert answer.limits is None
        assert "redirect" in answer.note
        assert thief.requests == []


async def test_redirects_in_a_circle_end(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = reply(b"", 302, {"Location": "/v1/models"})
    assert (await ask(server, provider="list")).limits is None
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("provider", "header", "value"),
    [
        ("anthropic", "x-api-key", KEY),
        ("gemini", "x-goog-api-key", KEY),
        ("cohere", "Authorization", f"Bearer {KEY}"),
        ("list", "Authorization", f"Bearer {KEY}"),
        ("server", "Authorization", f"Bearer {KEY}"),
    ],
)
async def test_the_key_goes_in_the_providers_header_alone(
    server: ModelServer, provider: Provider, header: str, value: str
) -> None:
    await ask(server, provider=provider)
    for line, headers, body in server.requests:
        assert {name.lower(): text for name, text in headers.items()}[header.lower()] == value
        assert KEY not in line
        assert KEY.encode() not in body


@pytest.mark.parametrize(
    ("base", "provider", "model", "asked"),
    [
        ("", None, "m", "GET /v1/models"),
        ("/v1", None, "m", "GET /v1/models"),
        ("/api/v1/", "list", "m", "GET /api/v1/models"),
        ("/openai/v1", "list", "m", "GET /openai/v1/models"),
        ("/v1beta/openai/", "gemini", "models/m", "GET /v1beta/models/m"),
        ("/compatibility/v1", "cohere", "m", "GET /v1/models/m"),
        ("/v1", "anthropic", "../admin?x=1", "GET /v1/models/..%2Fadmin%3Fx%3D1"),
        ("", "anthropic", "m", "GET /v1/models/m"),
    ],
)
async def test_the_address_is_built_from_the_clients(
    server: ModelServer, base: str, provider: Provider | None, model: str, asked: str
) -> None:
    await ask(server, model, base, provider)
    assert server.asked[0] == asked


async def test_a_router_is_told_not_to_load_the_model(server: ModelServer) -> None:
    await ask(server, "org/m")
    assert "GET /props?model=org%2Fm&autoload=false" in server.asked


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.anthropic.com", "anthropic"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini"),
        ("https://api.cohere.com/v2", "cohere"),
        ("https://openrouter.ai/api/v1", "list"),
        ("https://api.groq.com/openai/v1", "list"),
        ("https://api.together.xyz/v1", "list"),
        ("https://api.mistral.ai/v1", "list"),
        ("http://localhost:11434", "server"),
        ("http://[::1]:8080/v1", "server"),
    ],
)
def test_the_host_shows_the_provider(url: str, provider: str) -> None:
    assert Endpoint.parse(url).provider == provider


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://acme.openai.azure.com/openai/deployments/x"])
async def test_hosts_that_state_nothing_are_not_asked(url: str) -> None:
    answer = await ApiSource(Endpoint.parse(url, KEY), 0.001)(ModelName.parse("gpt-4o"))
    assert answer.note.endswith("states no limits")


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://host/x", "http://", "http://host:port", "http://[", "m", "h://u:secret@h"]
)
def test_an_address_that_is_none_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(ValueError, match="base_url must be") as caught:
        Endpoint.parse(url)
    assert "secret" not in str(caught.value)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ValueError, match="provider must be one of"):
        Endpoint.parse("http://h", provider="openai")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "options",
    [{"api_key": KEY}, {"provider": "list"}, {"client": object(), "base_url": "http://h"}, {"base_url": "h"}],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        TokenManager(**options)  # pyright: ignore[reportArgumentType]
    assert KEY not in str(caught.value)


async def test_nothing_secret_is_logged_or_shown(server: ModelServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.url.replace("://", "://user:pass-word@") + "/v1?token=in-query"
    config = TokenConfig(enable_api_discovery=True)
    manager = TokenManager(config, base_url=url, api_key=SecretStr(KEY))
    answers = await manager.explain("m")
    broken = await TokenManager(config, base_url=url, api_key=f"{KEY}\n").explain("m")
    shown = caplog.text + repr(answers) + repr(broken) + repr(Endpoint.parse(url, KEY)) + repr(config)
    for secret in (KEY, "pass-word", "in-query"):
        assert secret not in shown
    assert len(server.requests) > 1
    assert server.requests[0][1]["Authorization"].startswith("Basic")


async def test_discovery_is_off_unless_allowed(server: ModelServer) -> None:
    limits = await TokenManager(base_url=server.url).get_limits("gpt-4o")
    assert limits.source == "known_table"
    assert server.requests == []


async def test_a_failed_discovery_is_asked_again_after_a_minute(server: ModelServer) -> None:
    now = [0.0]
    config = TokenConfig(enable_api_discovery=True)
    manager = TokenManager(config, base_url=server.url, clock=lambda: now[0])
    server.routes["GET /v1/models"] = json_reply({}, 500)
    assert (await manager.get_limits("gpt-4o")).source == "known_table"
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": "gpt-4o", "max_model_len": 4_096}]})
    now[0] = 59.0
    assert (await manager.get_limits("gpt-4o")).source == "known_table"
    now[0] = 61.0
    assert (await manager.get_limits("gpt-4o")).source == "api"
    now[0] = 3_000.0
    before = len(server.requests)
    assert (await manager.get_limits("gpt-4o")).source == "api"
    assert len(server.requests) == before


async def test_without_httpx_there_is_one_warning_and_the_next_source_answers(
    monkeypatch: pytest.MonkeyPatch, server: ModelServer
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    config = TokenConfig(enable_api_discovery=True)
    with pytest.warns(UserWarning, match=r"autogen-ext-tokenctx\[discovery\]"):
        first = await TokenManager(config, base_url=server.url).get_limits("gpt-4o")
    with no_warnings():
        again = await TokenManager(config, base_url=server.url).get_limits("gpt-4o")
    assert first.source == again.source == "known_table"


def test_the_endpoint_of_an_openai_client_and_of_wrappers_around_it(server: ModelServer) -> None:
    openai = pytest.importorskip("autogen_ext.models.openai")
    from autogen_ext_tokenctx import TokenBudgetChatCompletionClient

    info = {"vision": False, "function_calling": True, "json_output": False, "family": "unknown"}
    inner = openai.OpenAIChatCompletionClient(
        model="m", base_url=f"{server.url}/v1", api_key=KEY, model_info={**info, "structured_output": False}
    )
    client = TokenBudgetChatCompletionClient(inner, budget=1_000)
    server.routes["GET /v1/models"] = json_reply(listed(max_model_len=4_096))
    config = TokenConfig(enable_api_discovery=True)
    for one in (inner, client):
        assert asyncio.run(TokenManager(config, client=one).get_limit("m")) == 4_096
    assert {headers["Authorization"] for _, headers, _ in server.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("client", "url"),
    [
        (SimpleNamespace(_client=SimpleNamespace(_client=SimpleNamespace(base_url="http://h:1"))), "http://h:1"),
        (SimpleNamespace(client=SimpleNamespace(_client=SimpleNamespace(base_url="http://h/v1/"))), "http://h/v1"),
        (SimpleNamespace(base_url="nonsense"), None),
        (SimpleNamespace(), None),
        (None, None),
    ],
    ids=["ollama", "cache", "nonsense", "none", "nothing"],
)
def test_the_endpoint_of_other_clients(client: object, url: str | None) -> None:
    endpoint = Endpoint.of_client(client)
    assert (endpoint and endpoint.base_url) == url


def test_ollama_is_told_the_model_in_the_body(server: ModelServer) -> None:
    asyncio.run(ask(server, "llama3:8b"))
    bodies = [body for line, _, body in server.requests if line == "POST /api/show"]
    assert [json.loads(body) for body in bodies] == [{"model": "llama3:8b"}]
