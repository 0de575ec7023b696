"""The same history gives the same view in every process: a restart must not change a prompt that a provider caches."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, hashlib
from autogen_core.models import UserMessage
from autogen_ext_tokenctx import ContextManager
words = "plan order flight parser budget user_2291 main.py 2024-05-17 19.90 never always limit deploy".split()
history = [
    UserMessage(content=" ".join(words[(n * k) % len(words)] for k in range(1, 30 + n % 7)), source=f"agent_{n % 3}")
    for n in range(120)
]
result = asyncio.run(ContextManager().fit(history, 1_000))
print(hashlib.sha256(repr((result.messages, result.report.quality, result.report.relevance)).encode()).hexdigest())
"""


def test_views_do_not_depend_on_the_hash_seed() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(PROGRAM, {})  # the seed of this process is another one
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == printed.getvalue()
    assert done.stdout.strip()
