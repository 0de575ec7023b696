"""``tokenctx limits --refresh``: a table of limits of today, in a file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.model_server import ModelServer, json_reply, model_server, reply

pytest.importorskip("typer")
pytest.importorskip("httpx")

from autogen_ext_tokenctx.cli import limits as command
from autogen_ext_tokenctx.models import known
from autogen_ext_tokenctx.models.discovery import KEY_VARIABLES

from .command import run

DEFAULT = ".autogen/model_limits.refreshed.json"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without limits or keys of its own, with a package that lists one model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for variable in ("TOKENCTX_API_KEY", *KEY_VARIABLES.values()):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(known, "_listed", lambda: iter([("groq", "new-7b", 60_000)]))
    monkeypatch.setattr(known, "version", lambda name: "1.2.3")  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(known, "_installed", known.today)
    return tmp_path


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        running.routes["GET /v1/models"] = json_reply({"data": [{"id": "new-7b", "max_model_len": 4_096}]})
        yield running


def told(*models: str) -> list[tuple[int, str]]:
    return [(each["max_input_tokens"], each["source"]) for each in json.loads(run("limits", *models, "--json").stdout)]


def test_the_table_is_read_by_the_usual_chain(home: Path) -> None:
    shown = run("limits", "--refresh").stdout
    assert all(part in shown for part in (DEFAULT, known.today().isoformat(), "genai-prices 1.2.3"))
    assert told("new-7b", "gpt-5") == [(60_000, "known_table"), (272_000, "known_table")]
    assert DEFAULT in run("limits", "new-7b").stdout


def test_what_an_api_lists_wins(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENCTX_API_KEY", "sk-secret")
    shown = json.loads(run("limits", "--refresh", "--base-url", server.url, "--json").stdout)
    assert (shown["from"], shown["models"]) == (["127.0.0.1", "genai-prices 1.2.3"], 1)
    assert server.requests[0][1]["Authorization"] == "Bearer sk-secret"
    assert told("new-7b") == [(4_096, "known_table")]
    assert "sk-secret" not in Path(DEFAULT).read_text()


def test_a_file_that_is_named_is_written_there_and_can_be_read_as_any(home: Path) -> None:
    run("limits", "--refresh", "own.json")
    assert [path.name for path in home.iterdir()] == ["own.json"]
    (found,) = json.loads(run("limits", "new-7b", "--config", "own.json", "--json").stdout)
    assert (found["max_input_tokens"], found["source"]) == (60_000, "config_file")


def test_where_an_api_does_not_answer_nothing_is_written(server: ModelServer, home: Path) -> None:
    server.routes["GET /v1/models"] = reply(b"", 401)
    result = run("limits", "--refresh", "--base-url", server.url, code=1)
    assert result.stderr.startswith("tokenctx: nothing is written: 127.0.0.1 did not say (/v1/models: status 401")
    assert list(home.iterdir()) == []


def test_without_any_source_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(known, "_listed", lambda: iter(()))
    result = run("limits", "--refresh", code=1)
    assert 'pip install -U "autogen-ext-tokenctx[prices]"' in result.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gpt-5"], "at most one file"),
        (["a.json", "b.json"], "at most one file"),
        (["--config", "a.json"], "--config is a file to read"),
        (["--base-url", "nowhere"], "base_url must be an address"),
        (["absent/a.json"], "cannot be written: No such file"),
        (["mine.json"], "is no refreshed table"),
    ],
)
def test_mistakes_are_explained_and_nothing_is_changed(arguments: list[str], says: str, home: Path) -> None:
    (home / "mine.json").write_text('{"m": 5000}')
    assert says in " ".join(run("limits", "--refresh", *arguments, code=2).stderr.replace("│", " ").split())
    assert [path.name for path in home.iterdir()] == ["mine.json"]
    assert (home / "mine.json").read_text() == '{"m": 5000}'


def test_only_a_refresh_asks_several_apis() -> None:
    result = run("limits", "m", "--base-url", "http://a.test", "--base-url", "http://b.test", code=2)
    assert "--refresh" in result.stderr


@pytest.mark.parametrize(
    ("addresses", "keys"),
    [
        (["https://api.anthropic.com"], ["given"]),
        (["https://api.anthropic.com", "https://api.groq.com/openai/v1"], ["of anthropic", None]),
        (["http://api.anthropic.com", "https://anthropic.test"], [None, None]),
    ],
    ids=["one", "several", "no host that has a key"],
)
def test_a_key_goes_to_its_own_host_only(
    addresses: list[str], keys: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of anthropic")
    endpoints = command._endpoints(addresses, "given")  # pyright: ignore[reportPrivateUsage]
    assert [each.api_key and each.api_key.get_secret_value() for each in endpoints] == keys
