"""Refreshed tables: what is in them, how they are written, and where they stand among the other sources."""

import asyncio
import json
import logging
import sys
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from autogen_ext_tokenctx.models import known
from autogen_ext_tokenctx.models.discovery import Endpoint, list_limits
from autogen_ext_tokenctx.models.known import TABLE_DATE, RefreshedTable, refreshed, today, write_refreshed
from autogen_ext_tokenctx.models.limits import ModelLimits
from autogen_ext_tokenctx.models.sources import (
    FileSource,
    _tell_age,  # pyright: ignore[reportPrivateUsage]
    refreshed_paths,
)
from autogen_ext_tokenctx.models.token_manager import TokenConfig, TokenManager

from ..support.model_server import json_reply, model_server, reply
from ..support.quiet import no_warnings

LISTED = [
    ("groq", "new-7b", 131_072),
    ("other", "new-7b", 60_000),
    ("other", "new-8b", 60_000),
    ("openai", "gpt-7-turbo-plus", 400_000),
    ("openai", "gpt-5", 999_999),
    ("groq", "llama-3.1-8b", 8_000),
]
"""Hosts, models and windows, as a package might list them."""


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home directory with nothing in it, and a known package."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(known, "_listed", lambda: iter(LISTED))
    monkeypatch.setattr(known, "version", lambda name: "1.2.3")  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(known, "_installed", lambda: date(2026, 11, 20))
    monkeypatch.setattr("autogen_ext_tokenctx.models.sources.listed_windows", dict)
    return tmp_path


def same(tokens: int) -> ModelLimits:
    return ModelLimits(tokens, tokens)


def put(models: dict[str, ModelLimits], day: date = TABLE_DATE, place: int = 0) -> Path:
    path = refreshed_paths()[place]
    path.parent.mkdir(exist_ok=True)
    write_refreshed(RefreshedTable(day, ("test",), models), path)
    return path


def limit(model: str) -> int:
    return asyncio.run(TokenManager().get_limit(model))


def test_a_package_adds_what_is_unknown_here_with_the_least_of_its_hosts() -> None:
    table = refreshed({})
    assert table.models == {
        "new-7b": same(60_000),
        "groq/new-7b": same(131_072),
        "new-8b": same(60_000),
        "gpt-7-turbo-plus": ModelLimits(400_000, 272_000, 128_000),
        "groq/llama-3.1-8b": same(8_000),
    }
    assert (table.day, table.origins) == (date(2026, 11, 20), ("genai-prices 1.2.3",))


def test_what_apis_state_wins_and_makes_the_table_one_of_today() -> None:
    table = refreshed({"one.com": {"New_7B": same(30_000), "gpt-5": same(1)}, "two.com": {"gpt-5": same(2)}})
    assert (table.models["New_7B"], table.models["gpt-5"], "new-7b" in table.models) == (same(30_000), same(1), False)
    assert table.models["new-8b"] == same(60_000)
    assert (table.day, table.origins) == (today(), ("one.com", "two.com", "genai-prices 1.2.3"))


def test_apis_are_enough_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_listed", lambda: iter(()))
    assert refreshed({"one.com": {"m": same(5)}}) == (today(), ("one.com",), {"m": same(5)})
    with pytest.raises(LookupError, match=r"pip install .*autogen-ext-tokenctx\[prices\]"):
        refreshed({})


def test_the_real_package_or_its_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if find_spec("genai_prices") is None:
        pytest.skip("the extra [prices] is not installed")
    table = refreshed({})
    assert len(table.models) > 100
    assert date(2020, 1, 1) < table.day <= today()
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    with pytest.raises(LookupError, match="pip install"):
        refreshed({})


def test_what_is_known_here_is_the_same_with_a_table_of_the_real_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    if find_spec("genai_prices") is None:
        pytest.skip("the extra [prices] is not installed")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("autogen_ext_tokenctx.models.sources.listed_windows", dict)

    async def all_limits() -> list[ModelLimits]:
        return [await TokenManager(TokenConfig()).get_limits(name) for name in known.KNOWN_MODELS]

    before = asyncio.run(all_limits())
    put(dict(refreshed({}).models), today() + timedelta(days=1))
    with no_warnings():
        assert asyncio.run(all_limits()) == before


def test_a_table_is_a_file_of_limits_with_its_day(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    write_refreshed(RefreshedTable(date(2026, 12, 1), ("one.com",), {"m": ModelLimits(9, 8, 7), "n": same(5)}), path)
    content = json.loads(path.read_text())
    assert content == {
        "_table": {"date": "2026-12-01", "from": ["one.com"]},
        "m": {"context_window": 9, "max_input_tokens": 8, "max_output_tokens": 7},
        "n": {"context_window": 5, "max_input_tokens": 5},
    }
    with no_warnings():
        manager = TokenManager(sources=[FileSource(path)])
        assert asyncio.run(manager.get_limits("m")) == ModelLimits(9, 8, 7, "config_file")


def test_a_table_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    path, link = tmp_path / "limits.json", tmp_path / "link.json"
    link.symlink_to(path)
    for tokens in (5, 6):
        write_refreshed(RefreshedTable(today(), (), {"m": same(tokens)}), link if tokens == 6 else path)
    assert json.loads(path.read_text())["m"]["context_window"] == 6
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["limits.json", "link.json"]


@pytest.mark.parametrize("content", ['{"mine": 5000}', "[1]", "", "{", "[" * 100_000])
def test_a_file_of_the_users_own_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model_limits.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"model_limits\.json is no refreshed table"):
        write_refreshed(refreshed({}), path)
    assert path.read_text() == content


def test_a_write_that_fails_leaves_the_table_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = put({"m": same(5)})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        put({"m": same(6)})
    assert limit("m") == 5
    assert list(path.parent.iterdir()) == [path]


def test_a_users_files_and_servers_come_before_a_refreshed_table(tmp_path: Path) -> None:
    pytest.importorskip("httpx")
    put({"m": same(5), "n": same(6), "o": same(7)})
    (tmp_path / "model_limits.json").write_text('{"m": 50}')
    with model_server() as server:
        server.routes["GET /v1/models"] = json_reply({"data": [{"id": "n", "max_model_len": 60}]})
        manager = TokenManager(TokenConfig(enable_api_discovery=True), base_url=server.url)

        async def found() -> list[int]:
            return [await manager.get_limit(name) for name in "mno"]

        assert asyncio.run(found()) == [50, 60, 7]


@pytest.mark.parametrize(("days", "tokens"), [(-1, 272_000), (0, 5), (1, 5)])
def test_the_newer_of_two_tables_is_asked_first(days: int, tokens: int) -> None:
    put({"gpt-5": same(5), "new": same(6)}, TABLE_DATE + timedelta(days=days))
    assert [limit("openai/gpt-5-2025-08-07"), limit("new")] == [tokens, 6]


def test_a_host_in_the_name_counts() -> None:
    put({"new-7b": same(5), "groq/new-7b": same(9)})
    assert [limit(name) for name in ("new-7b", "groq/New-7B", "groq/acme/new-7b:free", "x/new-7b")] == [5, 9, 9, 5]


def test_the_newest_of_several_refreshed_tables_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = (tmp_path / "a", tmp_path / "b")
    monkeypatch.setattr("autogen_ext_tokenctx.models.sources._places", lambda: places)
    put({"m": same(5)}, TABLE_DATE)
    put({"m": same(6)}, TABLE_DATE + timedelta(days=1), 1)
    assert limit("m") == 6


@pytest.mark.parametrize("about", [5, {}, {"date": 5}, {"date": "yesterday"}])
def test_a_table_without_a_day_is_older_than_ours(about: object) -> None:
    put({}).write_text(json.dumps({"_table": about, "gpt-5": 5, "new": 6}))
    with no_warnings():
        assert [limit("gpt-5"), limit("new")] == [272_000, 6]


@pytest.mark.parametrize(("days", "told"), [(90, 0), (91, 1)])
def test_the_age_is_that_of_the_newer_table(
    days: int, told: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("autogen_ext_tokenctx.models.sources.TABLE_DATE", today() - timedelta(days=400))
    put({"m": same(5)}, today() - timedelta(days=days))
    _tell_age.cache_clear()
    with caplog.at_level(logging.INFO, logger="autogen_ext_tokenctx"):
        assert [limit("gpt-5"), limit("m")] == [272_000, 5]
    _tell_age.cache_clear()
    assert sum(f"{days} days old" in record.message for record in caplog.records) == told


LISTS = {
    "anthropic": ("/v1/models", {"data": [{"id": "m", "max_input_tokens": 9, "max_tokens": 7}, {"id": "n"}]}),
    "gemini": ("/v1beta/models", {"models": [{"name": "models/m", "inputTokenLimit": 9, "outputTokenLimit": 7}]}),
    "cohere": ("/v1/models", {"models": [{"name": "m", "context_length": 9.0, "max_output_tokens": 7}]}),
    "list": ("/v1/models", [{"id": "m", "context_length": 9, "max_completion_tokens": 7}, 5, {"context_length": 3}]),
    "server": ("/api/v0/models", {"data": [{"id": "m", "loaded_context_length": 9, "max_output_tokens": 7}]}),
}


@pytest.mark.parametrize("provider", LISTS)
async def test_lists_of_apis(provider: str) -> None:
    pytest.importorskip("httpx")
    path, body = LISTS[provider]
    with model_server() as server:
        server.routes[f"GET {path}"] = json_reply(body)
        endpoint = Endpoint.parse(server.url, "sk-secret", provider)  # pyright: ignore[reportArgumentType]
        assert await list_limits(endpoint, 5.0) == {"m": ModelLimits(9, 9, 7)}


async def test_an_api_that_does_not_say_is_named_without_its_key() -> None:
    pytest.importorskip("httpx")
    with model_server() as server:
        endpoint = Endpoint.parse(server.url, "sk-secret", "list")
        for route, says in ((json_reply({}, 401), "status 401"), (json_reply([]), "no limits"), (reply(b"<"), "JSON")):
            server.routes["GET /v1/models"] = route
            with pytest.raises(LookupError, match=says) as caught:
                await list_limits(endpoint, 5.0)
            assert "sk-secret" not in str(caught.value)
    with pytest.raises(LookupError, match="ConnectError"):
        await list_limits(endpoint, 5.0)
    with pytest.raises(LookupError, match=r"api\.openai\.com states no limits"):
        await list_limits(Endpoint.parse("https://api.openai.com/v1", "sk-secret"), 5.0)


async def test_without_httpx_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(LookupError, match=r"autogen-ext-tokenctx\[discovery\]"):
        await list_limits(Endpoint.parse("http://localhost"), 5.0)
