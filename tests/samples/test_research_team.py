"""The sample, as a user runs it: offline, in a process of its own."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("team", ["round-robin", "selector"])
def test_answer_is_right_and_every_request_within_its_budget(team: str) -> None:
    done = run("--team", team)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "answer correct: yes" in done.stdout
    assert "every request within its budget: yes" in done.stdout
    assert "unknown" not in done.stdout
    rows = re.findall(r"^ +\d+  (\w+) +([\d,]+) +([\d,]+) +([\d,]+)  (\w+)", done.stdout, re.MULTILINE)
    assert {agent for agent, *_ in rows} == set(BUDGETS) - ({"selector"} if team == "round-robin" else set())
    figures = [(agent, *(int(figure.replace(",", "")) for figure in row)) for agent, *row, _ in rows]
    assert all(budget == BUDGETS[agent] and sent <= budget for agent, budget, _, sent in figures)
    assert {"researcher", "analyst", "writer"} <= {agent for agent, budget, without, _ in figures if without > budget}
    assert max(map(len, done.stdout.splitlines())) <= 120


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
