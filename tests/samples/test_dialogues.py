"""The samples of dialogues, as a user runs them: offline, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "samples"
LAST = {
    "support_desk.py": "rules kept before: 0, after: 3 of 3",
    "swarm_rule.py": "rule kept before: no, after: yes",
    "long_chat.py": "right days before: 0, after: 3 of 3",
}


@pytest.mark.parametrize("sample", LAST)
def test_it_ends_as_its_table_says(sample: str) -> None:
    command = [sys.executable, "-W", "error::RuntimeWarning", str(SAMPLES / sample)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == LAST[sample]
    assert LAST[sample] in (SAMPLES / "README.md").read_text(encoding="utf-8")


def test_the_table_has_every_sample() -> None:
    table = (SAMPLES / "README.md").read_text(encoding="utf-8")
    mains = [path.name for path in SAMPLES.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")]
    assert all(f"({name})" in table for name in mains)
