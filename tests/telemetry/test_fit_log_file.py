"""The file of a log: what it goes on from, and who may read it."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from autogen_ext_tokenctx import FitLog
from autogen_ext_tokenctx.html_report.log import FitLogReader

from ..support.events import fit


def hear(log: FitLog) -> None:
    log.handle(logging.makeLogRecord({"msg": fit()}))


@pytest.mark.parametrize("torn", ['{"type": "ContextFit", "at": 1', "", "x"])
def test_a_log_after_a_torn_last_line_begins_a_new_one(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "fits.jsonl"
    log = FitLog(path)
    hear(log)
    log.close()
    with path.open("a") as file:  # as a process does that dies while it writes
        file.write(torn)
    log = FitLog(path)
    hear(log)
    log.close()
    reader = FitLogReader(path)
    assert len(list(reader)) == 2
    assert reader.skipped == bool(torn)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_log_is_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "fits.jsonl"
    before = os.umask(0)
    try:
        log = FitLog(path)
        log.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
