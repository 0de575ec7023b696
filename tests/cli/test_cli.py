"""The command line: its output and its imports, and the limits of models as a table and as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.model_server import json_reply, model_server

pytest.importorskip("typer")

from typer.testing import CliRunner

from autogen_ext_tokenctx.cli.app import app


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without limits of its own and a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_limits_as_tables() -> None:
    shown = run("limits", "gpt-5", "my-gpt41")
    for part in ("gpt-5: 272,000 input tokens", "window 400,000, output 128,000, from known_table", "my-gpt41"):
        assert part in shown
    assert shown.index("environment") < shown.index("config_file") < shown.index("api") < shown.index("name_pattern")


def test_limits_as_json() -> None:
    first, second = json.loads(run("limits", "gpt-5", "no-such-model", "--json"))
    assert {key: first[key] for key in first if key != "tried"} == {
        "model": "gpt-5",
        "context_window": 400_000,
        "max_input_tokens": 272_000,
        "max_output_tokens": 128_000,
        "source": "known_table",
    }
    assert second["max_output_tokens"] is None
    assert [step["source"] for step in second["tried"]] == [
        "environment",
        "config_file",
        "api",
        "known_table",
        "name_pattern",
        "default",
    ]
    assert [step["answered"] for step in second["tried"]] == [False] * 5 + [True]
    assert all(step["note"] for step in second["tried"])


def test_names_are_shown_as_they_are() -> None:
    assert "[red]m[/] [/x]: 8,192" in run("limits", "[red]m[/] [/x]")


def test_a_file_of_limits(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"m": 5000}')
    (found,) = json.loads(run("limits", "m", "--json", "--config", str(path)))
    assert (found["max_input_tokens"], found["source"]) == (5_000, "config_file")


def test_an_endpoint_is_asked_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("httpx")
    monkeypatch.setenv("TOKENCTX_API_KEY", "sk-secret")
    with model_server() as server:
        server.routes["GET /v1/models"] = json_reply({"data": [{"id": "m", "max_model_len": 4_096}]})
        shown = run("limits", "m", "--json", "--base-url", server.url)
        assert server.requests[0][1]["Authorization"] == "Bearer sk-secret"
    assert json.loads(shown)[0]["source"] == "api"
    assert "sk-secret" not in shown


@pytest.mark.parametrize("arguments", [["limits"], ["limits", ""], ["limits", "m", "--base-url", "nowhere"], ["limit"]])
def test_mistakes_are_explained_without_a_traceback(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_the_package_imports_neither_typer_nor_rich_nor_httpx_nor_tables() -> None:
    script = (
        "import sys, autogen_ext_tokenctx, autogen_ext_tokenctx.models.token_manager; "
        "print([n for n in ('typer', 'rich', 'httpx', 'genai_prices') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_typer_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['typer'] = None; from autogen_ext_tokenctx.cli.app import main"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "autogen-ext-tokenctx[cli]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pipe_that_knows_few_characters() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    script = "import sys; sys.argv = ['tokenctx', 'count', '-']; from autogen_ext_tokenctx.cli.app import main; main()"
    text = "Größe \u202e".encode()
    done = subprocess.run([sys.executable, "-c", script], input=text, capture_output=True, env=environment, check=True)
    assert b"text" in done.stdout
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
    assert not done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk at hand")
def test_a_full_disk_is_one_line() -> None:
    script = "import sys; sys.argv = ['tokenctx', 'limits', 'm']; from autogen_ext_tokenctx.cli.app import main; main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"tokenctx: the output cannot be written")
    assert b"Traceback" not in done.stderr
