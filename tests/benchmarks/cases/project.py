"""A folder in which a small program is written and really run."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from pathlib import Path

from tests.benchmarks.cases.case import Case

# fmt: off
NOUNS = (
    "order basket invoice parcel voucher refund pallet customer carrier tariff ledger receipt quota depot manifest "
    "booking payment address contract shipment"
).split()
_VERBS = "load check merge price split close weigh route settle archive count audit".split()
# fmt: on

_SECONDS = re.compile(r"\b\d+\.\d+(?= ?s(?:econds)?\b)")
_NODE_TIMES = re.compile(r"(?<=duration_ms )\d[\d.]*|(?<=\()\d[\d.]*(?=ms\))")
_ADDRESS = re.compile(r"0x[0-9a-f]{8,}")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""An escape code of a colour."""

_SHOWN = "/project"
"""Stands for the folder that the program ran in."""


class Project:
    """A folder with files, in which something runs.

    Args:
        folder: The folder.
        rng: Decides what is written.
    """

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder = folder
        self.rng = rng

    def names(self, count: int) -> list[str]:
        """Return so many different names of functions."""
        return self.rng.sample([f"{verb}_{noun}" for verb in _VERBS for noun in NOUNS], count)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *command: str) -> str:
        """Return what a command writes, without what differs from one run to the next."""
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(
            command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
        text = done.stdout.decode("utf-8", "replace").replace(str(self.folder), _SHOWN)
        text = _NODE_TIMES.sub("3.14", _SECONDS.sub("0.12", text))
        return _ADDRESS.sub("0x7f3a91c0d2e0", text)

    def case(self, name: str, kind: str, command: str, text: str, question: str, *patterns: str) -> Case:
        """Return the case whose answer is the first row of each pattern, and the rows that a pattern's group has.

        Raises:
            ValueError: A pattern is not in the text, so the run was not what it should be.
        """
        bare = COLOUR.sub("", text)
        lines: list[str] = []
        for pattern in patterns:
            found = re.search(pattern, bare, re.MULTILINE)
            if found is None:
                raise ValueError(f"{name}: nothing matches {pattern!r} in {bare[-2_000:]}")
            lines += [row.strip() for row in found[0].split("\n")]
        return Case(name, kind, ("run", json.dumps({"command": command})), text, question, tuple(lines))
