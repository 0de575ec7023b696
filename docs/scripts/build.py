"""Makes what is generated in README.md and docs/: the picture, the sample's output, the page of all settings.

python docs/scripts/build.py            writes them
python docs/scripts/build.py --check    exits with 1 when one of them is not up to date

The numbers of the sample depend on the asyncio sources of the Python that runs it, so the picture and the output are
only made, or checked, with the version that the README names.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "samples"), str(Path(__file__).parent)]

from configuration import page  # noqa: E402
from research_team import run_with  # noqa: E402
from scripted_model import WINDOW, ScriptedModel  # noqa: E402
from tokens_picture import THEMES, calls_of, draw  # noqa: E402

from autogen_ext_tokenctx import FitLog  # noqa: E402

PYTHON = "3.11.7"
"""The Python that made the sample's numbers."""
OUTPUT = re.compile(r"(?<=```text\n)round-robin team\n.*?(?=```)", re.DOTALL)
"""Where README.md shows what the sample prints."""


def pages() -> Iterator[tuple[Path, str]]:
    """Each generated file with the text it should have."""
    yield ROOT / "docs" / "configuration.md", page()
    if platform.python_version() == PYTHON:
        yield from _of_the_sample()


def _of_the_sample() -> Iterator[tuple[Path, str]]:
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "fits.jsonl")
        with FitLog(log), contextlib.redirect_stdout(printed):
            asyncio.run(run_with("round-robin", ScriptedModel(WINDOW), "gpt-4o"))
        calls = calls_of(log)
    readme = ROOT / "README.md"
    output = printed.getvalue().lstrip("\n")
    yield readme, OUTPUT.sub(lambda _: output, readme.read_text(encoding="utf-8"))
    for name, theme in THEMES.items():
        yield ROOT / "docs" / "images" / f"tokens-{name}.svg", draw(calls, WINDOW, theme)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is out of date")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in pages() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        print(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
    if platform.python_version() != PYTHON:
        print(f"the picture and the sample's output are made with Python {PYTHON} only")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
