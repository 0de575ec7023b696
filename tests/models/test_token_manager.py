"""Limits of many names, and the manager around the sources: cache, one flight, event loops, refusals."""

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import ValidationError

from autogen_ext_tokenctx.errors import UnknownModelError
from autogen_ext_tokenctx.models import known as known_models
from autogen_ext_tokenctx.models.known import KNOWN_MODELS
from autogen_ext_tokenctx.models.limits import LimitAnswer, LimitSource, ModelLimits
from autogen_ext_tokenctx.models.names import ModelName, squash
from autogen_ext_tokenctx.models.sources import listed_windows
from autogen_ext_tokenctx.models.token_manager import TokenConfig, TokenManager, default_sources

from ..support.model_server import ModelServer, json_reply, model_server
from ..support.quiet import no_warnings
from ..support.work import calls

TABLE, PATTERN = "known_table", "name_pattern"

# name, window, input, source: the same with and without any extra.
NAMES = """
gpt-4o                                          128000  128000 known_table
gpt-4o-mini                                     128000  128000 known_table
gpt-4o-2024-05-13                               128000  128000 known_table
gpt-4o-2024-11-20                               128000  128000 known_table
GPT-4o                                          128000  128000 known_table
openai/gpt-4o                                   128000  128000 known_table
azure/gpt-4o                                    128000  128000 known_table
gpt-4o:extended                                 128000  128000 known_table
chatgpt-4o-latest                               128000  128000 known_table
ft:gpt-4o:acme::id7                             128000  128000 known_table
ft:gpt-4o-mini-2024-07-18:acme:bot:id7          128000  128000 known_table
openai/ft:gpt-4.1-2025-04-14:acme/eu::id7      1047576 1047576 known_table
gpt-4o-mini-2024-07-18.ft-0123abcd              128000  128000 known_table
my-gpt4o-prod                                   128000  128000 name_pattern
gpt-4                                             8192    8192 known_table
gpt-4-0613                                        8192    8192 known_table
gpt4                                              8192    8192 known_table
prod-gpt-4-eu                                     8192    8192 name_pattern
gpt-4-32k                                        32768   32768 known_table
gpt-4-turbo                                     128000  128000 known_table
gpt-4-turbo-2024-04-09                          128000  128000 known_table
gpt-4-1106-preview                              128000  128000 known_table
our-gpt-4-turbo                                 128000  128000 name_pattern
gpt-4.1                                        1047576 1047576 known_table
gpt-4.1-mini-2025-04-14                        1047576 1047576 known_table
gpt-41-nano                                    1047576 1047576 known_table
team-gpt-4-1-mini                              1047576 1047576 name_pattern
gpt-4.5-preview                                 128000  128000 known_table
gpt-35-turbo                                     16385   16385 known_table
gpt-35-turbo-16k                                 16385   16385 known_table
gpt-3.5-turbo-0613                                4096    4096 known_table
my-gpt35-deployment                              16385   16385 name_pattern
o1                                              200000  200000 known_table
o1-mini-2024-09-12                              128000  128000 known_table
o4-mini                                         200000  200000 known_table
my-o3-deployment                                200000  200000 name_pattern
gpt-5                                           400000  272000 known_table
gpt-5-2025-08-07                                400000  272000 known_table
openai/gpt-5.2                                  400000  272000 known_table
gpt-5-chat-latest                               128000  128000 known_table
gpt-5-pro                                       400000  128000 known_table
gpt-5.4                                        1050000  922000 known_table
gpt-5.4-mini-2026-03-17                         400000  272000 known_table
gpt-6.1-terra                                  1050000  922000 known_table
prod-gpt-6-sol                                 1050000  922000 name_pattern
gpt-9-mini                                      400000  272000 name_pattern
gpt-oss:20b                                     131072  131072 known_table
openai/gpt-oss-120b:free                        131072  131072 known_table
claude-2.1                                      200000  200000 known_table
claude-instant-1.2                              100000  100000 known_table
claude-3-haiku-20240307                         200000  200000 known_table
claude-3-5-sonnet-latest                        200000  200000 known_table
anthropic/claude-3.5-sonnet                     200000  200000 known_table
us.anthropic.claude-3-5-sonnet-20241022-v2:0    200000  200000 known_table
claude-sonnet-4@20250514                        200000  200000 known_table
claude-4-opus                                   200000  200000 known_table
claude-sonnet-4-5-20250929                      200000  200000 known_table
anthropic/claude-opus-4.6                      1000000 1000000 known_table
claude-haiku-4-5                                200000  200000 known_table
claude-haiku-5-5                               1000000 1000000 known_table
my-claude-opus-4-8-eu                          1000000 1000000 name_pattern
my-claude                                       200000  200000 name_pattern
gemini-pro                                       32760   30720 known_table
gemini-1.5-pro                                 2097152 2097152 known_table
models/gemini-2.0-flash                        1048576 1048576 known_table
google/gemini-2.5-pro                          1048576 1048576 known_table
gemini-2.5-pro-preview-03-25                   1048576 1048576 known_table
gemini-4-argon                                 1048576 1048576 known_table
gemini-9-flash                                 1048576 1048576 name_pattern
mistral-large-latest                            262144  262144 known_table
mistral-large-2402                               32000   32000 known_table
our-mistral-7b                                   32000   32000 name_pattern
codestral-latest                                128000  128000 known_table
deepseek-chat                                   131072  131072 known_table
deepseek-v4-pro                                1000000 1000000 known_table
my-deepseek-r1-distill-llama                    128000  128000 name_pattern
grok-4                                          256000  256000 known_table
x-ai/grok-4.5                                   500000  500000 known_table
command-a-03-2025                               256000  256000 known_table
qwen2.5:7b                                       32768   32768 known_table
kimi-k2.6                                       262144  262144 known_table
glm-4.6                                         200000  200000 known_table
amazon.nova-pro-v1:0                            300000  300000 known_table
codellama-finetune-by-acme                       16384   16384 known_table
llama-3-8b.Q4_K_M.gguf                            8192    8192 known_table
my-llama3.1-8b                                  128000  128000 name_pattern
my-llama-3-8b                                     8192    8192 name_pattern
acme-128k                                       128000  128000 name_pattern
no-such-model                                     8192    8192 default
"""
CASES = [
    (name, ModelLimits(int(window), int(most), None, source))
    for name, window, most, source in (line.split() for line in NAMES.strip().splitlines())
]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without limits of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(params=["bare", "prices"])
def extras(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Without and with the package of the extra [prices]."""
    if request.param == "bare":
        monkeypatch.setitem(sys.modules, "genai_prices", None)
        monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    elif find_spec("genai_prices") is None:
        pytest.skip("the extra [prices] is not installed")
    listed_windows.cache_clear()
    yield request.param
    listed_windows.cache_clear()


def test_limits_of_many_names(extras: str) -> None:
    manager = TokenManager()

    async def all_limits() -> list[ModelLimits]:
        return [await manager.get_limits(name) for name, _ in CASES]

    for (name, expected), found in zip(CASES, asyncio.run(all_limits()), strict=True):
        assert (found.context_window, found.max_input_tokens, found.source) == (
            expected.context_window,
            expected.max_input_tokens,
            expected.source,
        ), name


def test_there_are_enough_names() -> None:
    assert len(CASES) >= 60
    assert {limits.source for _, limits in CASES} == {TABLE, PATTERN, "default"}


@pytest.mark.parametrize(
    ("name", "bare", "listed"),
    [
        ("deepinfra/nousresearch/hermes-4-70b", (8_192, "default"), (131_072, TABLE)),
        ("qwen3-coder-480b-a35b-instruct", (262_144, TABLE), (262_144, TABLE)),
    ],
)
async def test_the_extra_adds_the_long_tail(
    extras: str, name: str, bare: tuple[int, str], listed: tuple[int, str]
) -> None:
    limits = await TokenManager().get_limits(name)
    assert (limits.max_input_tokens, limits.source) == (bare if extras == "bare" else listed)


@pytest.mark.parametrize(
    ("hosts", "name", "tokens"),
    [
        ({"groq": 131_072, "other": 60_000}, "groq/some-model", 131_072),
        ({"groq": 131_072, "other": 60_000}, "some-model", 60_000),
        ({"groq": 400_000}, "gpt-7-turbo-plus", 272_000),
        ({"groq": 100_000}, "gpt-7-turbo-plus", 100_000),
    ],
    ids=["the named host", "the least of all hosts", "the family takes less", "the family takes more"],
)
async def test_a_listed_window_is_taken_with_care(
    monkeypatch: pytest.MonkeyPatch, hosts: dict[str, int], name: str, tokens: int
) -> None:
    table = {squash(name.rpartition("/")[2]): hosts}
    monkeypatch.setattr("autogen_ext_tokenctx.models.sources.listed_windows", lambda: table)
    limits = await TokenManager().get_limits(name)
    assert (limits.max_input_tokens, limits.source) == (tokens, TABLE)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("qwen3:8b", 40_960),
        ("qwen2.5vl:7b", 128_000),
        ("dolphin-llama3:8b-256k", 256_000),
        ("orca-mini", 2_048),
    ],
)
async def test_what_autogen_knows_of_ollamas_models_is_known_here(extras: str, name: str, tokens: int) -> None:
    assert await TokenManager().get_limit(name) == tokens


OPEN_MODELS = """
meta-llama/Llama-2-7b-chat-hf               4096  mistralai/Mistral-7B-Instruct-v0.3            32768
meta-llama/Meta-Llama-3-8B-Instruct         8192  mistralai/Mixtral-8x22B-Instruct-v0.1         65536
meta-llama/Llama-3.1-8B-Instruct          131072  mistralai/Mistral-Nemo-Instruct-2407         131072
llama3.1:8b                               131072  mistralai/Mistral-Small-24B-Instruct-2501     32768
meta-llama/Llama-3.2-3B-Instruct          131072  mistralai/Mistral-Small-3.2-24B-Instruct-2506 131072
meta-llama/Llama-3.3-70B-Instruct         131072  mistralai/Codestral-22B-v0.1                  32768
meta-llama/Llama-4-Maverick-17B-128E     1048576  mistralai/Devstral-Small-2507                131072
codellama/CodeLlama-7b-Instruct-hf         16384  google/gemma-2-9b-it                           8192
Qwen/Qwen2.5-7B-Instruct                   32768  google/gemma-3-27b-it                        131072
Qwen/Qwen2.5-VL-7B-Instruct               128000  google/gemma-3-1b-it                          32768
Qwen/Qwen3-8B                              40960  google/gemma-3n-E4B-it                        32768
qwen3:8b                                   40960  microsoft/Phi-3-mini-4k-instruct               4096
Qwen/Qwen3-235B-A22B-Instruct-2507        262144  microsoft/Phi-3.5-mini-instruct              131072
Qwen/Qwen3-Coder-480B-A35B-Instruct       262144  microsoft/phi-4                               16384
deepseek-ai/DeepSeek-V3                   131072  microsoft/Phi-4-mini-instruct                131072
deepseek-ai/DeepSeek-R1                   131072  ibm-granite/granite-3.3-8b-instruct          131072
deepseek-ai/DeepSeek-R1-Distill-Llama-70B 131072  ibm-granite/granite-3.0-8b-instruct            4096
openai/gpt-oss-20b                        131072  zai-org/GLM-4.6                              200000
moonshotai/Kimi-K2-Instruct               131072  tiiuae/falcon-7b-instruct                      2048
moonshotai/Kimi-K2-Instruct-0905          262144  01-ai/Yi-34B-Chat                              4096
CohereForAI/c4ai-command-r-plus           131072  allenai/OLMo-2-1124-7B-Instruct                4096
HuggingFaceTB/SmolLM3-3B                   65536  bigcode/starcoder2-15b                        16384
databricks/dbrx-instruct                   32768  internlm/internlm2_5-7b-chat                  32768
LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct       32768  ai21labs/AI21-Jamba-1.5-Mini                 262144
""".split()


@pytest.mark.parametrize(("name", "window"), zip(OPEN_MODELS[::2], map(int, OPEN_MODELS[1::2]), strict=True))
async def test_open_models_have_their_makers_window(extras: str, name: str, window: int) -> None:
    limits = await TokenManager().get_limits(name)
    assert (limits.context_window, limits.source) == (window, TABLE)


async def test_a_host_that_is_named_may_serve_less() -> None:
    pytest.importorskip("genai_prices")
    limits = {host: await TokenManager().get_limit(f"{host}/llama-3.3-70b-versatile") for host in ("groq", "nowhere")}
    assert limits["nowhere"] == 131_072
    assert 0 < limits["groq"] <= 131_072


def test_names_in_our_table_are_plausible() -> None:
    assert len(KNOWN_MODELS) > 150
    for name, limits in KNOWN_MODELS.items():
        assert 0 < limits.max_input_tokens <= limits.context_window <= 2_097_152, name
        assert limits.max_output_tokens is None or 0 < limits.max_output_tokens <= limits.context_window, name


def test_no_model_is_listed_twice() -> None:
    listed = json.loads(Path(known_models.__file__).with_suffix(".json").read_text(encoding="utf-8"))
    names = [squash(name) for maker in listed for _, names in maker["models"] for name in names.split()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["", " ", "/", ":", "ft:", "ft::", "a/b/", "模型", "x" * 100_000, "[red]", "\ud800"])
def test_any_text_can_be_taken_apart(name: str) -> None:
    parsed = ModelName.parse(name)
    assert parsed.given == name


@pytest.mark.parametrize("name", ["/", ":", "ft:", "模型", "a" * 100_000, "\ud800", "..", "%2e%2e/x"])
async def test_odd_names_get_the_default(name: str) -> None:
    limits = await TokenManager(TokenConfig(default_token_limit=5_000)).get_limits(name)
    assert limits == ModelLimits(5_000, 5_000, None, "default")


async def test_the_input_limit_is_what_get_limit_gives() -> None:
    assert await TokenManager().get_limit("gpt-5") == 272_000


@pytest.mark.parametrize("model", [None, 5, b"gpt-4o", ["gpt-4o"]])
async def test_a_name_must_be_a_string(model: object) -> None:
    with pytest.raises(TypeError, match="model must be a name"):
        await TokenManager().get_limits(model)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("model", ["", "  "])
async def test_a_name_must_not_be_empty(model: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        await TokenManager().get_limits(model)


@pytest.mark.parametrize(
    "options",
    [
        {"default_token_limit": 0},
        {"default_token_limit": -5},
        {"api_discovery_timeout": 0},
        {"api_discovery_timeout": float("inf")},
        {"model_limit_cache_ttl": -1},
        {"model_limit_cache_tll": 5},
    ],
)
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        TokenConfig.model_validate(options)


def test_the_default_options() -> None:
    assert TokenConfig().model_dump() == {
        "model_limits_config_path": None,
        "enable_api_discovery": False,
        "api_discovery_timeout": 5.0,
        "default_token_limit": 8_192,
        "model_limit_cache_ttl": 3_600.0,
    }


async def test_sources_are_asked_in_order_until_one_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain = ["environment", "config_file", "api", "known_table", "name_pattern", "default"]
    caplog.set_level(logging.DEBUG, "autogen_ext_tokenctx.models.token_manager")
    found = [await TokenManager().explain(name) for name in ("unknowable", "my-gpt-4o", "gpt-4o")]
    (tmp_path / "model_limits.json").write_text('{"gpt-4o": 5000}')
    found.append(await TokenManager().explain("gpt-4o"))
    monkeypatch.setenv("MODEL_LIMIT_GPT_4O", "4000")
    found.append(await TokenManager().explain("gpt-4o"))
    assert [[answer.source for answer in answers] for answers in found] == [
        chain,
        chain[:5],
        chain[:4],
        chain[:2],
        chain[:1],
    ]
    for answers in found:
        assert [answer.limits is not None for answer in answers] == [False] * (len(answers) - 1) + [True]
        assert all(answer.note for answer in answers)
    assert len(caplog.records) == sum(map(len, found))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("model", "kept"), [("gpt-4o", 3_600), ("unknowable", 60)])
async def test_answers_are_kept_for_their_time(monkeypatch: pytest.MonkeyPatch, model: str, kept: float) -> None:
    clock = Clock()
    manager = TokenManager(clock=clock)
    first = await manager.explain(model)
    monkeypatch.setenv(f"MODEL_LIMIT_{squash(model).upper()}", "777")
    clock.now = kept - 0.1
    assert await manager.explain(model) is first
    clock.now = kept + 0.1
    assert await manager.get_limit(model) == 777


async def test_without_a_ttl_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = TokenManager(TokenConfig(model_limit_cache_ttl=0))
    await manager.get_limits("gpt-4o")
    monkeypatch.setenv("MODEL_LIMIT_GPT_4O", "777")
    assert await manager.get_limit("gpt-4o") == 777


async def test_the_cache_is_bounded() -> None:
    manager = TokenManager()
    first = await manager.explain("gpt-4o")
    for number in range(1_100):
        await manager.get_limits(f"gpt-4o:{number}")
    assert await manager.explain("gpt-4o") is not first


def discovering(server: ModelServer) -> TokenManager:
    config = TokenConfig(enable_api_discovery=True, api_discovery_timeout=60)  # a busy machine is not a mute server
    return TokenManager(config, base_url=f"{server.url}/v1")


async def test_a_thousand_concurrent_look_ups_make_one_request(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": "m", "max_model_len": 4_096}]}, delay=0.1)
    manager = discovering(server)
    found = await asyncio.gather(*(manager.get_limits("m") for _ in range(1_000)))
    assert set(found) == {ModelLimits(4_096, 4_096, None, "api")}
    assert len(server.requests) == 1


async def test_a_caller_that_gives_up_does_not_take_the_others_answer(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": "m", "max_model_len": 4_096}]}, delay=0.2)
    manager = discovering(server)
    impatient = asyncio.create_task(manager.get_limit("m"))
    patient = asyncio.create_task(manager.get_limit("m"))
    await asyncio.sleep(0.05)
    impatient.cancel()
    assert await patient == 4_096
    assert len(server.requests) == 1


def test_one_manager_serves_event_loops_one_after_another_and_at_once(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": f"m{i}", "max_model_len": 4_096} for i in range(3)]})
    manager = discovering(server)
    assert asyncio.run(manager.get_limit("m0")) == asyncio.run(manager.get_limit("m1")) == 4_096
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(asyncio.run(manager.get_limit("m2")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [4_096] * 8


def test_a_loop_that_dies_in_the_middle_does_not_block_the_next(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": "m", "max_model_len": 4_096}]}, delay=0.2)
    manager = discovering(server)

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(manager.get_limit("m"), 0.02)

    asyncio.run(give_up())
    assert asyncio.run(manager.get_limit("m")) == 4_096


def test_a_cached_look_up_is_a_few_calls() -> None:
    manager = TokenManager()
    asyncio.run(manager.get_limits("gpt-4o"))

    def look_up() -> None:
        with pytest.raises(StopIteration):  # it is known, so there is nothing to wait for
            manager.get_limits("gpt-4o").send(None)

    def nothing() -> None:
        with pytest.raises(StopIteration):
            raise StopIteration

    assert calls(look_up) - calls(nothing) < 12


class Consul:
    """A registry of one's own: knows one model, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, name: ModelName) -> LimitAnswer:
        self.asked.append(name.given)
        return LimitAnswer("consul", ModelLimits(32_768, 30_000) if name.base == "own-7b" else None, "looked up")


async def bare_function(name: ModelName) -> LimitAnswer:
    return LimitAnswer("function", ModelLimits.stated(context=1_000) if name.base == "own-8b" else None)


async def failing(name: ModelName) -> LimitAnswer:
    raise OSError(f"no route for {name.given}")


async def wrong(name: ModelName) -> int:
    return len(name.given)


def blocking(name: ModelName) -> LimitAnswer:
    return LimitAnswer("blocking", None, name.given)


async def test_sources_of_ones_own_come_where_they_are_put() -> None:
    consul = Consul()
    manager = TokenManager(sources=[consul, bare_function, *default_sources()])
    assert await manager.get_limits("own-7b") == ModelLimits(32_768, 30_000, None, "consul")
    assert await manager.get_limits("own-8b") == ModelLimits(1_000, 1_000, None, "function")
    assert await manager.get_limits("gpt-4o") == await TokenManager().get_limits("gpt-4o")
    assert [answer.source for answer in await manager.explain("gpt-4o")][:3] == ["consul", "function", "environment"]
    await manager.get_limits("own-7b")
    assert consul.asked == ["own-7b", "own-8b", "gpt-4o"]


@pytest.mark.parametrize("source", [failing, wrong, blocking], ids=lambda source: source.__name__)
async def test_a_source_that_fails_is_named_once_and_the_next_is_asked_soon_again(source: LimitSource) -> None:
    clock = Clock()
    manager = TokenManager(sources=[source, *default_sources()], clock=clock)
    with pytest.warns(UserWarning, match="failed.*async function") as caught:
        first = await manager.explain("gpt-4o")
    assert source.__name__ in str(caught[0].message)  # pyright: ignore
    clock.now = 61
    with no_warnings():
        second = await manager.explain("gpt-4o")
    assert first is not second
    assert second[0].fault
    assert second[-1].source == TABLE


@pytest.mark.parametrize("sources", [[], [bare_function]], ids=["none", "one that does not know"])
async def test_without_a_source_that_knows_the_model_the_error_names_the_remedy(sources: list[LimitSource]) -> None:
    with pytest.raises(UnknownModelError, match=r"'gpt-4o'.*default_sources\(\)"):
        await TokenManager(sources=sources).get_limits("gpt-4o")


@pytest.mark.parametrize("option", [{"base_url": "http://h"}, {"client": object()}, {"api_key": "k"}])
def test_an_endpoint_beside_sources_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"default_sources\(\)"):
        TokenManager(sources=[bare_function], **option)  # pyright: ignore[reportArgumentType]


async def test_the_default_sources_take_the_options(server: ModelServer) -> None:
    server.routes["GET /v1/models"] = json_reply({"data": [{"id": "m", "max_model_len": 4_096}]})
    config = TokenConfig(enable_api_discovery=True, api_discovery_timeout=60, default_token_limit=777)
    manager = TokenManager(sources=[bare_function, *default_sources(config, base_url=f"{server.url}/v1")])
    assert await manager.get_limit("m") == 4_096
    assert await manager.get_limit("unknowable") == 777
