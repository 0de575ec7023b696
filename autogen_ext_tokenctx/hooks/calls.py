"""The calls of a client: what was asked, what was sent, and what is known of it afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autogen_core import AgentId
from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..context.report import FitReport
from ..tokens.calibrated import PlannedRequest

_REMEMBERED_CALLS = 1_000


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What was done to one model call.

    Args:
        agent: Name of the agent that called.
        report: What the fit did. Its totals are estimates of what the provider counts.
        margin: How many tokens above its estimate the request was planned with.
        billed: What the provider counted; None until it has answered, and when it did not say.
        refused: How often the provider refused it as too long. After the first time it was sent once more, smaller,
            if it could be made so; the report is of what was sent last.
    """

    agent: str
    report: FitReport
    margin: int = 0
    billed: int | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCall:
    """One call of a client, before it is fitted.

    Args:
        agent: The agent that calls; None outside a runtime.
        name: Its name.
        history: The messages, after the transforms.
        tools: The tools, with all that counts like tools, see `BilledTools`.
        model: The model of this call; None for the usual one.
        has_schema: Whether the answer has a schema.
        call_id: Which model call it is.
        given: What goes to the inner client as it is.
    """

    agent: AgentId | None
    name: str
    history: Sequence[LLMMessage]
    tools: Sequence[Tool | ToolSchema]
    model: str | None
    has_schema: bool
    call_id: str
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call as it is sent.

    Args:
        call: What was asked.
        view: The messages that are sent.
        planned: What they are expected to cost; None when the call could not be fitted.
        record: What users see of it; None then.
    """

    call: ClientCall
    view: list[LLMMessage]
    planned: PlannedRequest | None
    record: CallRecord | None


class RecentCalls(deque[CallRecord]):
    """What was done to the last 1,000 calls, oldest first."""

    def __init__(self) -> None:
        super().__init__(maxlen=_REMEMBERED_CALLS)

    def amend(self, record: CallRecord, **changes: Any) -> CallRecord:
        """Return the record with changes; it stands in the place of the other, if that is still there."""
        amended = replace(record, **changes)
        for position in range(len(self) - 1, -1, -1):
            if self[position] is record:
                self[position] = amended
                break
        return amended
