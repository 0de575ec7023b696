"""The second sample, as a user runs it."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "samples" / "watched_team.py"


def test_what_was_watched_is_printed_logged_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(SAMPLE), str(tmp_path / "run")])
    monkeypatch.setattr(sys, "path", [str(SAMPLE.parent), *sys.path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SAMPLE), run_name="__main__")
    done = capsys.readouterr()
    assert ended.value.code == 0, done.out + done.err
    assert done.err == ""
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +([\d,]+) +(\d\.\d+) +(\d\.\d+)$", done.out, re.MULTILINE)
    assert {name for name, *_ in rows} == {"researcher", "analyst", "writer"}
    assert sum(int(calls) for _, calls, *_ in rows) == 13
    lines = (tmp_path / "run" / "fits.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line).get("hook") for line in lines[1:]} == {"context", "client"}
    assert "FINAL ANSWER" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
