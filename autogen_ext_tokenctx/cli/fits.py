"""What a fit makes of a saved history, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from autogen_core.models import LLMMessage, UserMessage

from ..context.manager import ContextManager
from ..context.report import FitReport
from ..errors import BudgetTooSmallError
from ..forms.compressor import DIGEST_SOURCE, label_of
from ..forms.form import FitStep, Form
from ..messages.groups import split
from .saved_states import SavedHistory


@dataclass(frozen=True, slots=True)
class FittedGroup:
    """A group of a history, its messages there and in the view; of a digest these are the shared block."""

    step: FitStep
    before: Sequence[LLMMessage]
    after: Sequence[LLMMessage]


@dataclass(frozen=True, slots=True)
class FittedHistory:
    """A history and what a fit made of it; where it does not fit, the error alone."""

    history: SavedHistory
    groups: Sequence[FittedGroup] = ()
    report: FitReport | None = None
    error: str = ""
    others: Sequence[FitStep] = ()  # what else the request holds: the shared block, and the priming of the reply


async def fitted(history: SavedHistory, budget: int, task: str | None, manager: ContextManager) -> FittedHistory:
    """Return what a fit into a budget of input tokens makes of a history."""
    try:
        result = await manager.fit(history.messages, budget, task=task, tools=history.tools)
    except BudgetTooSmallError as error:
        return FittedHistory(history, error=str(error))
    steps = {step.group: step for step in result.report.steps}
    # the view has the messages of the groups in their order, between them the block that stands for all digests
    known = set(map(id, history.messages))
    block = [
        message
        for message in result.messages
        if isinstance(message, UserMessage) and message.source == DIGEST_SOURCE and id(message) not in known
    ]
    made = set(map(id, block))
    view = (message for message in result.messages if id(message) not in made)
    groups: list[FittedGroup] = []
    for group in split(history.messages):
        tokens = sum(map(manager.counter.count_message, group.originals))
        step = steps.get(group.index) or FitStep(group.index, label_of(group), Form.FULL, tokens, tokens, "")
        after: Sequence[LLMMessage] = block if step.form is Form.DIGEST else ()
        if step.form not in (Form.EVICTED, Form.DIGEST):  # every other form has the messages of the group, one for one
            after = list(islice(view, len(group.messages)))
        whole = replace(step, tokens_before=tokens)  # of what was broken, too
        groups.append(FittedGroup(whole, group.originals, after))
    priming = manager.counter.count_request(())
    others = [step for step in result.report.steps if step.group < 0]
    others.append(FitStep(-1, "reply priming", Form.FULL, priming, priming, ""))
    return FittedHistory(history, groups, result.report, others=others)
