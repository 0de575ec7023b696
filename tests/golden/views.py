"""Golden views: what a fit makes of each generated history, message by message, to see what a change changes.

`python -m tests.golden.views` says which views are other ones now; with `--record` it writes them down anew, which a
commit does only when it says why. They hold for one version of Python's `random`, which has not changed since 3.2.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from autogen_core.models import LLMMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.errors import BudgetTooSmallError

from .shapes import histories

FILE = Path(__file__).with_name("views.jsonl")
SHARES = (0.1, 0.2, 0.4)
"""Parts of a history's tokens."""


def views(wanted: Callable[[str], bool] = lambda name: True) -> Iterator[dict[str, object]]:
    """Each wanted history at each budget: tokens, level, and a line for each message of the view."""
    manager = ContextManager()
    loop = asyncio.new_event_loop()
    try:
        for name, history in histories():
            if not wanted(name):
                continue
            whole = manager.counter.count_request(history)
            for share in SHARES:
                yield {
                    "history": name,
                    "share": share,
                    **loop.run_until_complete(_view(manager, history, int(share * whole))),
                }
    finally:
        loop.close()


async def _view(manager: ContextManager, history: list[LLMMessage], budget: int) -> dict[str, object]:
    try:
        result = await manager.for_agent().fit(history, budget)
    except BudgetTooSmallError as error:
        return {"budget": budget, "needed": error.needed}
    lines = [_line(message) for message in result.messages]
    return {"budget": budget, "tokens": result.report.tokens_after, "level": result.report.level.name, "view": lines}


def _line(message: LLMMessage) -> str:
    """Who says what: the beginning, and a hash of all."""
    content = message.content if isinstance(message.content, str) else "|".join(map(_part, message.content))
    mark = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{getattr(message, 'source', message.type[:6])}: {' '.join(content[:80].split())} ({len(content)}, {mark})"


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    return str(getattr(part, "content", None) or getattr(part, "arguments", None) or "[image]")


def recorded() -> list[dict[str, object]]:
    """The views as they were written down."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    now = list(views())
    if "--record" in sys.argv:
        FILE.write_text("".join(json.dumps(view, ensure_ascii=False) + "\n" for view in now), encoding="utf-8")
    changed = [view for view, before in zip(now, recorded(), strict=True) if view != before]
    for view in changed:
        print(view["history"], view["share"])
    print(f"{len(now)} views, {len(changed)} changed")
    sys.exit(1 if changed else 0)


if __name__ == "__main__":
    main()
