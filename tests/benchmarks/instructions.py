"""How many standing instructions survive: each is put before a person's turn in the middle of a real conversation.

`python -m tests.benchmarks.instructions ../shared/eval` prints the share that stands word for word in the view at a
budget, by language and kind of conversation, and what a later instruction that takes it back does. Rules and
conversations are data of the harness; without them it says so and ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.errors import BudgetTooSmallError

from .harness import arguments, conversations, is_there
from .retention import from_rows


def with_rule(rows: Sequence[dict[str, Any]], rule: str, draw: random.Random) -> list[LLMMessage]:
    """Return a conversation with a message of a person in its middle half, before one of a person."""
    places = [n for n, row in enumerate(rows) if row["role"] == "user" and len(rows) // 4 <= n <= 3 * len(rows) // 4]
    place = draw.choice(places or [max(1, len(rows) // 2)])
    messages = from_rows(rows)
    assert len(messages) == len(rows)
    return [*messages[:place], UserMessage(content=rule, source="user"), *messages[place:]]


def bare(text: str) -> str:
    """Return a text without case and punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def survives(view: Sequence[LLMMessage], sentence: str) -> bool:
    """Return whether a sentence stands in a view."""
    return bare(sentence) in bare("\n".join(str(message.content) for message in view).replace("\\n", "\n"))


async def measured(rules: Sequence[dict[str, Any]], share: float) -> Iterator[tuple[str, str, bool]]:
    """Return language, kind of conversation, and whether the rule survived, for each rule and kind."""
    draw = random.Random(11)
    manager = ContextManager()
    found: list[tuple[str, str, bool]] = []
    for kind, talks in sorted(conversations().items()):
        for rule in rules:
            history = with_rule(draw.choice(talks), rule["message"], draw)
            budget = int(share * manager.counter.count_request(history))
            fitted = manager.for_agent()
            try:
                view = (await fitted.fit(history, budget)).messages
            except BudgetTooSmallError as error:  # what must be there is more than that
                view = (await fitted.fit(history, int(1.15 * error.needed))).messages
            found.append((rule["lang"], kind, survives(view, rule["sentence"])))
    return iter(found)


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="of the history")
    options = parser.parse_args()
    if not is_there(options.harness, "ctxbench") or not is_there(options.harness, "instructions"):
        return 0
    lines = (options.harness / "instructions" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    rules = [row for row in map(json.loads, lines) if row["binding"] and row["kind"] != "revocation"]
    kept: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for language, kind, is_kept in asyncio.run(measured(rules, options.share)):
        of_language = [language] if language == "en" else [language, "others"]
        for key in ((name, part) for name in of_language for part in (kind, "all")):
            kept[key].append(is_kept)
    for (language, kind), values in sorted(kept.items()):
        print(f"{language:7} {kind:6} {sum(values) / len(values):.2f} of {len(values)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
