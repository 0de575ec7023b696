"""One structured event per fitted call, on the logger where AutoGen's own events are.

Whatever wants to see what the hooks do listens there, as with AutoGen's events: a `logging.Handler` on
``logging.getLogger(autogen_core.EVENT_LOGGER_NAME)``, whose level has to be INFO or lower.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any, Literal

from autogen_core import EVENT_LOGGER_NAME
from autogen_core.models import LLMMessage

from .report import FitReport

_logger = logging.getLogger(EVENT_LOGGER_NAME)

DEFAULT_AGENT = "default"
"""The name of what is read or called outside an agent runtime."""


@dataclass(frozen=True, slots=True)
class FitEvent:
    """What one hook made of one call, or a manager of a bare fit. Its text form is JSON without a word of any message.

    Args:
        hook: Which hook; ``"context"`` of a manager, too.
        agent: Name of the agent.
        team: Id of its team, "" outside of teams.
        model: Name of the model, "" where it is not known.
        report: What was done.
        history: The messages that came in. They are not part of the text form.
        view: The messages that go out. They are not either.
        at: When, in seconds since 1970.

    Example:
        >>> report = FitReport(budget=100, tokens_before=90, tokens_after=90)
        >>> json.loads(str(FitEvent("client", "coder", "", "gpt-4o", report)))["tokens_after"]
        90
    """

    hook: Literal["context", "client"]
    agent: str
    team: str
    model: str
    report: FitReport
    history: Sequence[LLMMessage] = ()
    view: Sequence[LLMMessage] = ()
    at: float = field(default_factory=time)

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON values, without texts and without the steps one by one."""
        report = self.report
        forms: dict[str, dict[str, int]] = {}
        for step in report.steps:
            form = forms.setdefault(step.form.value, {"groups": 0, "tokens_before": 0, "tokens_after": 0})
            form["groups"] += 1
            form["tokens_before"] += step.tokens_before
            form["tokens_after"] += step.tokens_after
        return {
            "type": "ContextFit",
            "at": self.at,
            "hook": self.hook,
            "agent": self.agent,
            "team": self.team,
            "model": self.model,
            "budget": report.budget,
            "budget_source": report.budget_source,
            "reserve": report.reserve,
            "tokens_before": report.tokens_before,
            "tokens_after": report.tokens_after,
            "cached_tokens": report.cached_tokens,
            "cache_break": report.cache_break,
            "level": report.level.name.lower(),
            "relevance": report.relevance,
            "quality": report.quality,
            "seconds": report.seconds,
            "groups": report.groups,
            "compacted": report.compacted,
            "call_id": report.call_id,
            "categories": {name: list(tokens) for name, tokens in report.categories.items()},
            "forms": forms,
        }

    def __str__(self) -> str:
        return json.dumps(self.as_dict())


def emit(
    hook: Literal["context", "client"],
    agent: str,
    team: str,
    model: str,
    report: FitReport,
    history: Sequence[LLMMessage],
    view: Sequence[LLMMessage],
) -> None:
    """Log what a hook did, if anyone listens; agent, team and model are "" where they are not known."""
    if _logger.isEnabledFor(logging.INFO):
        event = FitEvent(hook, agent, team, model, report, tuple(history), tuple(view))
        _logger.info(event)
