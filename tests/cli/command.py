"""Running the command in tests."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from autogen_ext_tokenctx.cli.app import app


def run(*arguments: object, code: int = 0, stdin: str | bytes | None = None) -> Result:
    """What the command prints; it has to end with that exit code."""
    result = CliRunner().invoke(app, list(map(str, arguments)), input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def saved(tmp_path: Path, text: str) -> Path:
    """A file with a state."""
    file = tmp_path / "state.json"
    file.write_text(text, encoding="utf-8")
    return file
