"""What the benchmarks on real conversations share: where the harness and its data are."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser that takes the folder of the harness."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("harness", type=Path, help="folder with ctxbench/ and data/")
    return parser


def is_there(folder: Path, *parts: str) -> bool:
    """Whether the parts of the harness are there; it can be imported then. Where they are not, a line says so.

    Args:
        folder: The folder of the harness.
        parts: Folders in it.
    """
    if not all((folder / part).is_dir() for part in parts):
        print(f"no harness with {' and '.join(parts)} in {folder}: skipped")
        return False
    sys.path.insert(0, str(folder))
    return True
