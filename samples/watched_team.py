"""The research team again, watched: what each agent saved, a log of every fitted call, and the log as one HTML page.

python samples/watched_team.py [FOLDER]    offline, with a scripted model; needs the extras prices and report

The folder, `watched` by default, gets fits.jsonl and report.html. `tokenctx report fits.jsonl -o report.html` (extra
cli) makes the same page.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from research_team import run_with
from scripted_model import WINDOW, ScriptedModel

from autogen_ext_tokenctx import FitLog, ListPrices, TokenMetrics, write_report


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "fits.jsonl"
    log.unlink(missing_ok=True)
    with TokenMetrics(prices=ListPrices()) as metrics, FitLog(log, texts=True):
        right = asyncio.run(run_with("round-robin", ScriptedModel(WINDOW), "gpt-4o"))
    print("\nagent       calls  compactions     saved  saved $  mean quality")
    for name, totals in metrics.snapshot().agents.items():
        quality = "-" if totals.quality is None else f"{totals.quality:.2f}"
        print(
            f"{name:<10} {totals.calls:>6} {totals.compactions:>12} {totals.tokens_saved:>9,} "
            f"{totals.saved_usd or 0:>8.3f} {quality:>13}"
        )
    made = write_report(log, folder / "report.html")
    print(f"{made.output}: {made.calls} calls, {made.size:,} bytes")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "watched")))
