"""How many canaries outlive five compactions in a row of an agent's context, by their type.

    python -m tests.benchmarks.canaries ../shared/eval [--draws 3]

Five facts, one of each type (a rule, a fact, a name and a number that the person says, a decision of the assistant;
`tests.benchmarks.planting` has the definitions), are planted at random places in the first quarter of a conversation's
text. No message asks for them. The conversation is then given to a `TokenBudgetChatCompletionContext` message by
message, and the view is read five times, with as much of it new each time: first when a fifth of what is above the
budget has come on top of the budget, at last at the end. Each read has to compact; those that do not are counted. The
budget is what must stay of the whole conversation (system messages, the first and the last user message, the last
message with its call) and 10, 20 and 30 % of the rest; nothing of it is reserved, and a compaction fills it
(``target=1.0``), so that a share means what it means elsewhere. What is printed is the share of the canaries that are
readable in the fifth view, with 95 % intervals by a bootstrap over conversations. Aims: 20, 60 and 85 %.

Without the harness only generated sessions are measured, and a line says so.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate

from autogen_core.models import AssistantMessage, LLMMessage

from autogen_ext_tokenctx import (
    BudgetTooSmallError,
    TiktokenCounter,
    TokenBudget,
    TokenBudgetChatCompletionContext,
    TokenCounter,
)

from .harness import SHARES, arguments, room
from .planting import History, Seen, histories, look, plants, put, table, text_of
from .retention import from_rows

TYPES = ("rule", "fact", "name", "number", "decision")

COMPACTIONS = 5

_PLANTED = 0.25
"""The part of a conversation's text that canaries are planted in."""
_LEAST = 16_000
"""Characters of the shortest conversation."""
_LEAST_ROWS = 20


def zone(talk: History) -> range:
    """Return the rows that canaries are planted among: after the first user message, in the first part of the text."""
    first = next(n for n, row in enumerate(talk.rows) if row["role"] == "user") + 1
    sizes = list(accumulate(0 if row["role"] == "system" else len(text_of(row)) for row in talk.rows))
    end = next(n for n, size in enumerate(sizes) if size >= _PLANTED * sizes[-1])
    return range(first, max(first + 1, end))


def reads(history: Sequence[LLMMessage], budget: int, counter: TokenCounter) -> list[int]:
    """Return after how many messages the view is read; never between a call and its results."""
    sizes = list(accumulate(map(counter.count_message, history)))
    closed = [n for n in range(1, len(history)) if not _calls(history[n - 1])]
    found = [0]
    for number in range(1, COMPACTIONS):
        size = budget + (sizes[-1] - budget) * number / COMPACTIONS
        found.append(next((n for n in closed if n > found[-1] and sizes[n - 1] >= size), len(history) - 1))
    return [*found[1:], len(history)]


def _calls(message: LLMMessage) -> bool:
    return isinstance(message, AssistantMessage) and not isinstance(message.content, str)


async def last_view(
    history: Sequence[LLMMessage], budget: int, counter: TokenCounter
) -> tuple[Sequence[LLMMessage], int]:
    """Return the fifth view of a conversation, and how many of the reads compacted.

    Raises:
        BudgetTooSmallError: What has to be in a view does not fit.
    """
    whole = TokenBudget(limit=budget, target=1.0)
    context = TokenBudgetChatCompletionContext(budget=whole, reserve=0, counter=counter)
    compacted, start = 0, 0
    for end in reads(history, budget, counter):
        for message in history[start:end]:
            await context.add_message(message)
        await context.get_messages()
        compacted += bool(context.last_report and context.last_report.compacted and context.last_report.steps)
        start = end
    return context.last_view, compacted


async def measured(
    talks: Sequence[History], draws: int, shares: Sequence[float] = SHARES
) -> tuple[list[Seen], list[int | None]]:
    """Return what is seen of each canary at each budget, and of each run its compactions, None for a refused one.

    Args:
        talks: The conversations.
        draws: How often canaries are planted in each.
        shares: The budgets.
    """
    counter = TiktokenCounter("gpt-4o")
    seen: list[Seen] = []
    runs: list[int | None] = []
    for group, talk in enumerate(talks):
        for draw in _draws(group, draws):
            canaries = plants(TYPES, draw, talk.rows)
            history = from_rows(put(talk.rows, canaries, draw, zone(talk)))
            floor, rest = room(history, counter)
            for share in shares:
                try:
                    view, compacted = await last_view(history, floor + int(share * rest), counter)
                except BudgetTooSmallError:
                    view, compacted = (), None
                runs.append(compacted)
                seen += [Seen(fact.type, talk.kind, group, share, *look(fact, view)) for fact in canaries]
    return seen, runs


def _draws(group: int, draws: int) -> Iterator[random.Random]:
    return (random.Random(f"canaries {group} {number}") for number in range(draws))


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=3, help="how often canaries are planted in each conversation")
    options = parser.parse_args()
    talks = [talk for talk in histories(options.harness, _LEAST) if len(talk.rows) >= _LEAST_ROWS]
    seen, runs = asyncio.run(measured(talks, options.draws))
    fewer = sum(run is not None and run < COMPACTIONS for run in runs)
    print(f"{len(talks)} conversations, {len(runs)} runs, {fewer} of fewer than {COMPACTIONS} compactions,")
    print(f"{runs.count(None)} refused as too small a budget\n\n{table(seen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
