"""The figures that decide about a change, in one go: the way of a call, what survives a budget, and a session.

`python -m tests.benchmarks.figures ../shared/eval` prints them, with a quick sample of the retention cases: run it
before and after a change, and compare. It takes half a minute on two cores.
"""

from __future__ import annotations

import subprocess
import sys

from .harness import arguments


def main() -> int:
    """Run the parts one after the other; returns the first error code."""
    options = arguments(__doc__).parse_args()
    parts = (
        ("The way of a call", ["tests.test_call_path"]),
        ("What survives a budget", ["tests.benchmarks.retention", str(options.harness), "--fast"]),
        ("A session", ["tests.benchmarks.sessions", "--only", "replay"]),
    )
    failed = 0
    for title, command in parts:
        print(f"\n## {title}\n", flush=True)
        failed = subprocess.run([sys.executable, "-m", *command], check=False).returncode or failed
    return failed


if __name__ == "__main__":
    sys.exit(main())
