"""The samples that check their own claims, as a user runs them: offline, each in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "samples"


def told_by(sample: str) -> str:
    """What a sample prints, after all that it claims came true and its row in the table says so."""
    command = [sys.executable, "-W", "error::RuntimeWarning", str(SAMPLES / sample)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert not re.search("^NO: ", done.stdout, re.MULTILINE)
    last = done.stdout.splitlines()[-1]
    row = re.search(rf"^.*\({sample}\).*$", (SAMPLES / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    assert last in row[0]
    count = len(re.findall("^yes: ", done.stdout, re.MULTILINE))
    assert last == f"claims that came true: {count} of {count}"
    return done.stdout


def test_limits_and_budgets() -> None:
    told = told_by("limits_and_budgets.py")
    sources = re.findall(r"^([\w.-]+) +([\d,]+)  (\w+)$", told, re.MULTILINE)
    assert sources == [
        ("gpt-4o", "2,250", "environment"),
        ("gpt-4.1", "12,000", "config_file"),
        ("gpt-4", "6,144", "known_table"),
    ]
    assert "budget=1_000_000 for gpt-4 became 8,192. 1 warning:" in told
    assert "ContextLengthError: maximum context length is 3,000 tokens" in told
    assert re.search(r"^with the package.*: The code is K-4711\.$", told, re.MULTILINE)
    views = re.findall(r"^(hard|easy)(?: as |, )(\w+) +([\d,]+) +([\d,]+) +([\d,]+)$", told, re.MULTILINE)
    designs = {(task, complexity): int(design.replace(",", "")) for task, complexity, design, *_ in views}
    assert designs["hard", "auto"] == designs["hard", "high"] > designs["hard", "low"]
    assert designs["easy", "auto"] == designs["easy", "low"]


def test_project_context() -> None:
    told = told_by("project_context.py")
    assert "ContextLengthError: maximum context length is 6,000 tokens" in told
    answers = re.findall(r"^  Answer: orders in (\w+), checkout within 350 ms\.$", told, re.MULTILINE)
    assert answers == ["Redis", "PostgreSQL"]
    kept = re.findall(r"^  (\w+) +(\d+) of (\d+)$", told, re.MULTILINE)
    assert [name for name, *_ in kept] == ["requirements", "design", "memory_patterns"] * 2
    assert all(0 < int(lines) <= int(whole) for _, lines, whole in kept)
    assert all(int(lines) < int(whole) for _, lines, whole in kept[:3])
    ranked = re.findall(r"^ (\d\.\d\d) +\d\.\d +\d\.\d\d  section (\w+)$", told, re.MULTILINE)
    assert [name for _, name in ranked] == ["requirements", "design", "memory_patterns"]


def test_plan_and_build() -> None:
    told = told_by("plan_and_build.py")
    assert told.count("the model gave no plan, it is made of the task's requirements: ") == 1
    before, with_plan, fallback = re.findall(r"^contexts of .*\n.*\n((?:step_.*\n)+)", told, re.MULTILINE)
    row = r"^(step_\w+) +([\d,]+) +([\d,]+) +(\d+) +(\d+) of (\d+)  (.+) / (.+)$"
    for table in (before, with_plan, fallback):
        rows = re.findall(row, table, re.MULTILINE)
        assert len(rows) == 3
        assert sum(int(budget.replace(",", "")) for _, budget, *_ in rows) == 6_000
        for _, budget, largest, calls, known, of, _, said in rows:
            assert (int(largest.replace(",", "")) > int(budget.replace(",", ""))) is (table is before)
            assert calls == known == of
            assert said.endswith(" is done.")
    assert re.search(r"^step_test .* read, write / ", with_plan, re.MULTILINE)
    assert "\nbuilder: I begin with read (" in told


def test_recover() -> None:
    told = told_by("recover.py")
    before, after = re.split(r"^this package: ", told, flags=re.MULTILINE)
    assert "the rename is not in it" in before
    assert "recovered: no, value: None" in before
    assert before.count("Tried ") == 3
    assert "the rename is in it" in after
    assert "Tried retry: failed: ValueError: no such table: orders\nTried retry_with_changes: worked\n" in after
    assert "recovered: yes, value: 1,204 orders are loaded." in after
    whole, view = re.findall(r"^([\d,]+) tokens of history became (\d+) of 600$", after, re.MULTILINE)[0]
    assert int(view) <= 600 < int(whole.replace(",", ""))
    helped = after.partition("the agent with the tool recover_from_error\n")[2]
    called = re.findall(r"^(\w+): ", helped, re.MULTILINE)
    assert called[:-1] == ["load", "recover_from_error", "load"]
    assert "\nload: 1,204 orders are loaded.\nyes: the agent helps itself\n" in helped
