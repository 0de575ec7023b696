"""When nothing is asked, what is said nowhere else is worth most: how many planted facts a view still tells.

    python -m tests.benchmarks.planted ../shared/eval [--draws 6]

Four facts, one of each type (a decision of the assistant, a wish of the user, a name in the arguments of a call, a
single line in the middle of a large result; `tests.benchmarks.planting` has the definitions) are planted at random
places in the first three quarters of a conversation: the longest dev conversations of the harness, without the
questions that its cases ask at the end, and generated sessions. No message asks for them; the newest is the
conversation's own. The history is fitted once into what must stay (system messages, the first and the last user
message, the last message with its call) and 10, 20 and 30 % of the rest. What is printed is the share of the facts
that are readable in the view, with 95 % intervals by a bootstrap over conversations. Aim: 90 %.

Without the harness only generated sessions are measured, and a line says so.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence

from autogen_ext_tokenctx import BudgetTooSmallError, ContextManager, TiktokenCounter

from .harness import SHARES, arguments, room
from .planting import History, Seen, histories, look, plants, put, table
from .retention import from_rows

TYPES = ("decision", "wish", "argument", "line")

_PLANTED = 0.75
"""The part of a conversation that facts are planted in."""
_LEAST = 16_000
"""Characters of the shortest conversation: four facts are to be far less than a tenth of it."""


async def measured(talks: Sequence[History], draws: int, shares: Sequence[float] = SHARES) -> tuple[list[Seen], int]:
    """Return what is seen of each planted fact at each budget, and how many fits were refused as too small.

    Args:
        talks: The conversations.
        draws: How often facts are planted in each.
        shares: The budgets.
    """
    manager = ContextManager(counter=TiktokenCounter("gpt-4o"))
    seen: list[Seen] = []
    refused = 0
    for group, talk in enumerate(talks):
        first = next(n for n, row in enumerate(talk.rows) if row["role"] == "user")
        for number in range(draws):
            draw = random.Random(f"{group} {number}")
            facts = plants(TYPES, draw, talk.rows)
            zone = range(first + 1, max(first + 2, int(_PLANTED * len(talk.rows))))
            history = from_rows(put(talk.rows, facts, draw, zone))
            floor, rest = room(history, manager.counter)
            agent = manager.for_agent()
            for share in shares:
                try:
                    view = (await agent.fit(history, floor + int(share * rest))).messages
                except BudgetTooSmallError:
                    view, refused = [], refused + 1
                seen += [Seen(fact.type, talk.kind, group, share, *look(fact, view)) for fact in facts]
    return seen, refused


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=6, help="how often facts are planted in each conversation")
    options = parser.parse_args()
    talks = histories(options.harness, _LEAST)
    seen, refused = asyncio.run(measured(talks, options.draws))
    print(f"{len(talks)} conversations, {refused} fits refused as too small a budget\n\n{table(seen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
