"""The sample, as a user runs it: offline, in a process of its own."""

from __future__ import annotations

import logging
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "samples" / "research_team.py"
BUDGETS = {"researcher": 8_000, "analyst": 6_000, "writer": 4_000, "selector": 2_000}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SAMPLE), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def test_answers_are_right_and_every_request_within_its_budget() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    before, round_robin, selector = re.split(r"^(?=[a-z-]+ team$)", done.stdout, flags=re.MULTILINE)
    assert not before.strip()
    check(round_robin, set(BUDGETS) - {"selector"})
    check(selector, set(BUDGETS))


def check(told: str, agents: set[str]) -> None:
    """What the sample tells of one team."""
    assert "answer correct: yes" in told
    assert "every request within its budget: yes" in told
    assert "unknown" not in told
    rows = re.findall(r"^ +\d+  (\w+) +([\d,]+) +([\d,]+) +([\d,]+)  (\w+)", told, re.MULTILINE)
    assert {agent for agent, *_ in rows} == agents
    figures = [(agent, *(int(figure.replace(",", "")) for figure in row)) for agent, *row, _ in rows]
    assert all(budget == BUDGETS[agent] and sent <= budget for agent, budget, _, sent in figures)
    assert {"researcher", "analyst", "writer"} <= {agent for agent, budget, without, _ in figures if without > budget}
    assert max(map(len, told.splitlines())) <= 120


def test_one_team_alone(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.CRITICAL, "autogen_core")  # as the sample does; undone after the test
    monkeypatch.setattr(sys, "argv", [str(SAMPLE), "--team", "selector", "--without"])
    monkeypatch.setattr(sys, "path", [str(SAMPLE.parent), *sys.path])
    with pytest.raises(SystemExit, match="1"):
        runpy.run_path(str(SAMPLE), run_name="__main__")
    assert [line.partition(" ")[0] for line in capsys.readouterr().out.splitlines() if line] == ["selector"]


def test_without_the_plugin_it_dies_of_its_context_length() -> None:
    done = run("--without")
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line]
    assert len(lines) == 2
    for team, line in zip(("round-robin", "selector"), lines, strict=True):
        assert line.startswith(f"{team} team without the plugin died: ContextLengthError: maximum context length is")


def test_a_real_model_needs_the_openai_client(tmp_path: Path) -> None:
    (tmp_path / "autogen_ext").mkdir()  # an empty package in front of an installed one
    (tmp_path / "autogen_ext" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-c", _RUN_WITHOUT_AUTOGEN_EXT, str(tmp_path), str(SAMPLE)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 1
    assert 'pip install "autogen-ext[openai]"' in done.stderr
    assert "Traceback" not in done.stderr


_RUN_WITHOUT_AUTOGEN_EXT = """
import runpy, sys
folder, sample = sys.argv[1:]
sys.path[:0] = [folder, sample.rpartition("research_team.py")[0]]
sys.argv = [sample, "--model", "gpt-4o"]
runpy.run_path(sample, run_name="__main__")
"""
