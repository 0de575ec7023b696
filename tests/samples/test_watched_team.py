"""The second sample, as a user runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

SAMPLE = Path(__file__).parents[2] / "samples" / "watched_team.py"


def test_what_was_watched_is_printed_logged_and_shown(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SAMPLE), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +([\d,]+) +(\d\.\d+) +(\d\.\d+)$", done.stdout, re.MULTILINE)
    assert {name for name, *_ in rows} == {"researcher", "analyst", "writer"}
    assert sum(int(calls) for _, calls, *_ in rows) == 13
    lines = (tmp_path / "run" / "fits.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line).get("hook") for line in lines[1:]} == {"context", "client"}
    assert "FINAL ANSWER" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
