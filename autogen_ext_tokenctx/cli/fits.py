"""What a fit makes of a saved history, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogen_core.models import LLMMessage, UserMessage

from ..context.compression import DIGEST_SOURCE, label_of
from ..context.manager import ContextManager
from ..context.report import FitReport, FitStep, Form
from ..context.units import split
from ..errors import BudgetTooSmallError
from .saved_states import SavedHistory


@dataclass(frozen=True, slots=True)
class FittedUnit:
    """One unit of a history and what it is in the view.

    Args:
        step: What was done to it; its form is full where that is nothing.
        before: Its messages in the history.
        after: Its messages in the view; of a digest the shared block.
    """

    step: FitStep
    before: Sequence[LLMMessage]
    after: Sequence[LLMMessage]


@dataclass(frozen=True, slots=True)
class FittedHistory:
    """A history and what a fit made of it.

    Args:
        history: The history.
        units: Its units; empty where it does not fit.
        others: What else the request holds: the shared block, and the priming of the reply.
        report: The report; None where it does not fit.
        error: Why it does not fit, "" where it does.
    """

    history: SavedHistory
    units: Sequence[FittedUnit]
    report: FitReport | None
    error: str = ""
    others: Sequence[FitStep] = ()


async def fitted(history: SavedHistory, budget: int, task: str | None, manager: ContextManager) -> FittedHistory:
    """What a fit makes of a history.

    Args:
        history: The history.
        budget: Input tokens of the call.
        task: What the agent works on; None where the newest messages tell.
        manager: Fits.
    """
    try:
        result = await manager.fit(history.messages, budget, task=task, tools=history.tools)
    except BudgetTooSmallError as error:
        return FittedHistory(history, (), None, str(error))
    steps = {step.unit: step for step in result.report.steps}
    known = {id(message) for message in history.messages}
    block = [message for message in result.messages if _is_block(message) and id(message) not in known]
    view = [message for message in result.messages if not any(message is part for part in block)]
    units: list[FittedUnit] = []
    count = manager.counter.count_message
    place = 0
    for unit in split(history.messages):
        step = steps.get(unit.index)
        tokens = sum(map(count, unit.originals))
        if step is None:
            step = FitStep(unit.index, label_of(unit), Form.FULL, tokens, tokens, "")
        step = replace(step, tokens_before=tokens)  # of what was broken, as it was
        after: Sequence[LLMMessage] = block if step.form is Form.DIGEST else ()
        if step.form not in (Form.GONE, Form.DIGEST):  # every other form has the messages of the unit, one for one
            after = view[place : place + len(unit.messages)]
            place += len(unit.messages)
        units.append(FittedUnit(step, unit.originals, after))
    priming = manager.counter.count_request(())
    others = [step for step in result.report.steps if step.unit < 0]
    others.append(FitStep(-1, "reply priming", Form.FULL, priming, priming, ""))
    return FittedHistory(history, units, result.report, others=others)


def _is_block(message: LLMMessage) -> bool:
    return isinstance(message, UserMessage) and message.source == DIGEST_SOURCE
