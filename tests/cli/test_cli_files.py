"""Whatever file a command is given: one line that says what is wrong, exit code 2, and never a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("typer")

from typer.testing import CliRunner, Result

from autogen_ext_tokenctx.cli import input as cli_input
from autogen_ext_tokenctx.cli.app import app

from ..support.team_states import agent_state

COMMANDS: dict[str, list[str]] = {
    "count": ["count", "FILE"],
    "inspect": ["inspect", "FILE", "--budget", "500"],
    "replay": ["replay", "FILE", "--budgets", "300,500"],
    "expand": ["expand", "cafe0123", "FILE"],
    "report": ["report", "FILE", "-o", "OUTPUT"],
}
every_command = pytest.mark.parametrize("command", COMMANDS)


def run(command: str, file: Path | str, *more: str, stdin: bytes | None = None) -> Result:
    output = Path(file).with_suffix(".html") if str(file) != "-" else Path("out.html")
    places = {"FILE": str(file), "OUTPUT": str(output)}
    arguments = [places.get(argument, argument) for argument in COMMANDS[command]]
    return CliRunner().invoke(app, [*arguments, *more], input=stdin)


def check_refused(result: Result) -> None:
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stdout == ""
    assert result.stderr.startswith("tokenctx: ")
    assert result.stderr.count("\n") == 1
    assert isinstance(result.exception, SystemExit)


STATE = agent_state("hooked").encode()
BAD: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\n ",
    "not JSON": b"{not json",
    "truncated": STATE[: len(STATE) // 2],
    "truncated in a word": STATE[:-30],
    "of another kind": b'{"name": "x", "version": 1}',
    "a number": b"7",
    "a list of numbers": b"[1, 2, 3]",
    "a broken message": b'[{"type": "UserMessage", "content": 4}]',
    "not UTF-8": b"\xff\xfe\x00\x01" + STATE,
    "UTF-16": agent_state("hooked").encode("utf-16"),
    "nested without end": b"[" * 200_000,
    "objects without end": b'{"agent_state":' * 20_000 + b"{}" + b"}" * 20_000,
    "a number of many digits": b'{"messages": ' + b"9" * 10_000 + b"}",
    "zeros": bytes(1_000),
    "agents of a wrong type": b'{"agent_states": {"ann": 4}}',
}


@every_command
@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_files(command: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(content)
    check_refused(run(command, file))


@every_command
def test_no_file_and_no_file_to_read(command: str, tmp_path: Path) -> None:
    check_refused(run(command, tmp_path / "nothing.json"))
    check_refused(run(command, tmp_path))
    check_refused(run(command, tmp_path / ("x" * 400)))


@every_command
@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root reads everything")
def test_files_that_may_not_be_read(command: str, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(STATE)
    file.chmod(0)
    check_refused(run(command, file))


def test_huge_files(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with file.open("wb") as made:
        made.truncate(cli_input.MOST_BYTES + 1)  # a hole: it takes no room on the disk
    result = run("inspect", file)
    check_refused(result)
    assert "larger than 100,000,000 bytes" in result.stderr


def test_a_truncated_state_is_called_so(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(STATE[:-30])
    assert "ends in the middle" in run("inspect", file).stderr
    assert "--text" in run("count", file).stderr


def test_agents_that_are_not_there(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(STATE)
    for command in ("inspect", "replay", "expand"):
        result = run(command, file, "--agent", "zoe")
        check_refused(result)
        assert "ann" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "FILE"],
        ["inspect", "FILE", "--budget", "0"],
        ["inspect", "FILE", "--budget", "many"],
        ["inspect", "FILE", "--budget", "500", "--diff", "99"],
        ["replay", "FILE"],
        ["replay", "FILE", "--budgets", "some"],
        ["replay", "FILE", "--budgets", ""],
        ["replay", "FILE", "--budgets", "100,-5"],
        ["replay", "FILE", "--budgets", "100", "--beside", "100"],
        ["expand", "cafe0123"],
        ["count"],
        ["report"],
    ],
    ids=" ".join,
)
def test_bad_usage(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(STATE)
    result = CliRunner().invoke(app, [str(file) if argument == "FILE" else argument for argument in arguments])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)


def changed(data: bytes, places: list[tuple[int, int]]) -> bytes:
    """The data with some bytes overwritten."""
    made = bytearray(data)
    for place, byte in places:
        made[place % len(made)] = byte
    return bytes(made)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Bytes of all kinds: random ones, and a state that something went wrong with."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=60))
    small = json.dumps(json.loads(STATE)["llm_context"]["messages"][:4]).encode()
    data = changed(small, draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6)))
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@every_command
@given(content=files())
def test_any_bytes(command: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(content)
    result = run(command, file)
    assert result.exit_code in (0, 1, 2), (result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if result.exit_code == 2:
        check_refused(result)


def test_states_come_in_a_pipe() -> None:
    for command in ("count", "inspect", "replay"):
        result = run(command, "-", "--json", stdin=STATE)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["file"] == "standard input"
    check_refused(run("inspect", "-", stdin=STATE[:50]))
    check_refused(run("inspect", "-", stdin=b""))
