"""What came of the calls of a history: failures that a later call of the tool mended, and those that are still open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum

from autogen_core.models import FunctionExecutionResult

from ..messages.calls import results_in
from ..messages.groups import MessageGroup


class Outcome(Enum):
    """What came of a tool exchange."""

    DONE = "done"
    FAILED = "failed"
    """No later call of the tool worked."""
    OVERTAKEN = "failed, done later"


OUTCOME_WEIGHTS: Mapping[Outcome, float] = {Outcome.DONE: 1.0, Outcome.FAILED: 1.5, Outcome.OVERTAKEN: 0.5}
"""What the weight of a group is multiplied by. A judgement: 1 to 1.5 and .3 to 1 all give what equal weights give, to
.01 (row "outcomes of calls" of the ablation), because few runs of the evaluation fail and go on."""

_ERROR = re.compile(
    r"\s{0,20}(?:\W{0,3}(?:error|exception|failed|failure|fatal|traceback|invalid|denied|cannot|could not)\b"
    r"|[\w.]{0,80}(?:Error|Exception)\b|\{?\s?[\"']error[\"'])",
    re.IGNORECASE,
)
"""How results begin that are errors, where no flag says so: many tools return their errors as text."""


def outcomes(groups: Sequence[MessageGroup]) -> dict[int, Outcome]:
    """Return what came of each tool exchange, by its place."""
    found: dict[int, Outcome] = {}
    working: set[str] = set()
    for place in reversed(range(len(groups))):
        group = groups[place]
        if not group.is_exchange:
            continue
        results = results_in(group.messages)
        failed = {result.name for result in results if is_failure(result)}
        working.update(result.name for result in results if not is_failure(result))
        found[place] = Outcome.DONE if not failed else Outcome.OVERTAKEN if failed <= working else Outcome.FAILED
    return dict(reversed(found.items()))


def is_failure(result: FunctionExecutionResult) -> bool:
    """Return whether a result is an error, by its flag or, without one, by how it begins."""
    return bool(result.is_error) or _ERROR.match(result.content) is not None
