"""What a context saves beside its messages, so that it goes on with the same view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from autogen_core.models import LLMMessage, SystemMessage, UserMessage
from pydantic import BaseModel, Field, NonNegativeInt, field_validator
from typing_extensions import Self

from ..context.invariants import Invariant, Pairs, PinnedStay
from ..context.quotations import Expand, OrderAndTruth, Source, misquoted, quotable_texts
from ..context.report import FitReport, FitResult
from ..context.request import FitRequest
from ..display import clip
from ..messages.groups import repair, split
from ..summary.summarizer import SUMMARY_SOURCE, Summary
from ..summary.text import rendered
from ..summary.validation import unfounded
from ..tokens.budget import TokenBudget
from .incremental_view import IncrementalView, TurnRecall
from .session import Session

STATE_KEY = "autogen_ext_tokenctx"
"""Where it stands in the state of a context; AutoGen's own contexts read past it."""

_VERSION = 1
"""Of the format that is saved; states of later ones are refused."""

_FAULT_CHARS = 200
"""So much is told of what is wrong with a state: it may quote a message."""


class _SavedView(BaseModel):
    covers: int = Field(gt=0)
    view: list[LLMMessage] | None = Field(min_length=1)
    """None where it is the messages as they are."""
    report: FitReport
    settings: str
    recalled: TurnRecall | None = None

    @field_validator("report", mode="before")
    @classmethod
    def _of_earlier_versions(cls, report: Any) -> Any:
        """Read a message group where versions before 0.2 saved a unit."""
        if not isinstance(report, dict):
            return cast("object", report)
        saved = cast("dict[str, Any]", report)
        if "units" not in saved:
            return saved
        steps = [{**step, "group": step["unit"]} for step in saved["steps"]]
        return {**saved, "groups": saved["units"], "steps": steps}


class SavedContext(BaseModel):
    """What is saved of a session, as JSON values."""

    version: int = Field(default=_VERSION, ge=1, le=_VERSION)
    fold: _SavedView | None
    archive: dict[str, Any]
    pinned: list[NonNegativeInt | LLMMessage]
    """Numbers of messages of the history; whole messages where they are not in it."""
    overheads: list[NonNegativeInt]
    summary: Summary | None = None

    @classmethod
    def of(
        cls, session: Session, messages: Sequence[LLMMessage], pinned: Iterable[LLMMessage], learned: Sequence[int]
    ) -> Self:
        """Return what is to be saved of a session, with what is pinned of its history and the reserves it learned."""
        view, saved = session.view, None
        if view is not None:
            saved = _SavedView(
                covers=len(view.covered),
                view=list(view.view) if view.is_compacted else None,
                report=view.report,
                settings=view.settings,
                recalled=view.recalled,
            )
        number_of = {id(message): number for number, message in enumerate(messages)}
        return cls(
            fold=saved,
            archive=session.manager.archive.dump(messages),
            pinned=[number_of.get(id(message), message) for message in pinned],
            overheads=list(learned),
            summary=session.summaries.current if session.summaries else None,
        )

    def restore(self, session: Session, messages: Sequence[LLMMessage], history: Sequence[LLMMessage]) -> None:
        """Have a new session go on from here; a ValueError says that it is not of this history."""
        # ``messages`` are the history as it was saved, ``history`` the same after the transforms
        session.manager.archive.load(self.archive, messages)
        if self.summary is not None and session.summaries is not None:
            session.summaries.restore(self.summary, history)
        saved = self.fold
        if saved is None:
            return
        if saved.covers > len(history):
            raise ValueError(f"the saved view stands for {saved.covers} messages, there are {len(history)}")
        counter = session.manager.counter
        covered = history[: saved.covers]
        view = list(covered) if saved.view is None else repair(saved.view)
        recalled = saved.recalled and saved.recalled.restored(view, counter)
        _check(view, covered, saved.report, recalled, self._was_given)
        session.view = IncrementalView(
            tuple(covered),
            tuple(view),
            replace(saved.report, tokens_after=counter.count_request(view)),
            saved.settings,
            recalled,
            beside=counter.count_request(()),
        )

    def _was_given(self, handle: str) -> Sequence[LLMMessage]:
        """Return something for each handle of the archive; a store that has the originals may be away."""
        return [SystemMessage(content=handle)] if handle in self.archive["hashes"] else []

    def pinned_of(self, messages: Sequence[LLMMessage]) -> list[LLMMessage]:
        """Return what the user pinned of the history as it was saved."""
        return [messages[pin] if isinstance(pin, int) else pin for pin in self.pinned]


def _check(
    view: Sequence[LLMMessage],
    covered: Sequence[LLMMessage],
    report: FitReport,
    recalled: TurnRecall | None,
    expand: Expand,
) -> None:
    """Raise ValueError where a view is none of its history."""
    # Whoever writes the file must not decide what an agent reads.
    own = [message for message in view if not _is_of(message, SUMMARY_SOURCE)]
    budget = TokenBudget(limit=max(1, report.budget))
    request = FitRequest(messages=covered, budget=budget, expandable=False)  # whether it was is not known
    rules: tuple[Invariant, ...] = (Pairs(), PinnedStay(), OrderAndTruth(expand))
    faults = [fault for rule in rules for fault in rule.violations(request, FitResult(own, report))]
    source = "\n\n".join(map(rendered, covered))
    for message in view:
        if _is_of(message, SUMMARY_SOURCE):
            faults += [f"the summary states {fact!r}" for fact in unfounded(str(message.content), source)]
    if recalled is not None and recalled.found is not None:
        sources = [Source(group.messages) for group in split(covered)]
        faults += misquoted(quotable_texts(recalled.found.message)[0], sources)
    if faults:
        raise ValueError(f"the saved view is not of this history: {clip(faults[0], _FAULT_CHARS)}")


def _is_of(message: LLMMessage, source: str) -> bool:
    return isinstance(message, UserMessage) and message.source == source
