"""Makes what is generated in README.md and docs/: the picture, the sample's output, the page of all settings.

python docs/scripts/generate.py            writes them
python docs/scripts/generate.py --check    exits with 1 when one of them is not up to date

The numbers of the sample depend on the asyncio sources of the Python that runs it, so the picture and the output are
only made, or checked, with the version that the README names.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import io
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "samples"), str(Path(__file__).parent)]  # the clone, whatever is installed

from configuration import page  # noqa: E402
from tokens_picture import THEMES, calls_of, draw, title  # noqa: E402

from autogen_ext_tokenctx import FitLog  # noqa: E402

PYTHON = "3.11.7"
"""The Python that made the sample's numbers."""
OUTPUT = re.compile(r"(?<=```text\n)round-robin team\n.*?(?=```)", re.DOTALL)
"""Where README.md shows what the sample prints."""
ALT = re.compile(r'(?<=<img alt=")[^"]*')
"""What README.md says in place of the picture."""


def pages() -> Iterator[tuple[Path, str]]:
    """Each generated file with the text it should have."""
    yield ROOT / "docs" / "configuration.md", page()
    if platform.python_version() == PYTHON:
        yield from _of_the_sample()


def _of_the_sample() -> Iterator[tuple[Path, str]]:
    sample: Any = importlib.import_module("research_team")
    window: int = sample.WINDOW
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "fits.jsonl")
        with FitLog(log), contextlib.redirect_stdout(printed):
            asyncio.run(sample.run_with("round-robin", sample.ScriptedModel(window), "gpt-4o"))
        calls = calls_of(log)
    readme = ROOT / "README.md"
    output = printed.getvalue().lstrip("\n")
    shown = OUTPUT.sub(lambda _: output, readme.read_text(encoding="utf-8"))
    yield readme, ALT.sub(title(calls), shown)
    for name, theme in THEMES.items():
        yield ROOT / "docs" / "images" / f"tokens-{name}.svg", draw(calls, window, theme)


def update(check: bool) -> int:
    """Write what is out of date, or only name it; 1 when something is.

    Args:
        check: Whether to write nothing.
    """
    stale = [(path, text) for path, text in pages() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        print(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
    if platform.python_version() != PYTHON:
        print(f"the picture and the sample's output are made with Python {PYTHON} only")
    return 1 if check and stale else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Make what is generated in README.md and docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is out of date")
    return update(parser.parse_args().check)


if __name__ == "__main__":
    sys.exit(main())
