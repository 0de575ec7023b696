"""A fitted view that grows with its history, so that most reads need no fit and keep the view's prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogen_core.models import LLMMessage

from ..context.report import FitReport
from ..context.units import repair
from ..tokens.counting import TokenCounter
from .history import split_open_call


@dataclass(frozen=True, slots=True)
class Fold:
    """A view, and the first messages of the history that it stands for.

    Args:
        covered: The first messages of the history. They end with a whole unit, never with an open tool call.
        view: What stands for them in a request.
        report: What the fit that made the view did, its token counts kept up to date.
        settings: The budget and task the fit worked with; a view made with others does not serve.
    """

    covered: tuple[LLMMessage, ...]
    view: tuple[LLMMessage, ...]
    report: FitReport
    settings: str

    @property
    def is_compacted(self) -> bool:
        """Whether the view differs from what it stands for."""
        return len(self.view) != len(self.covered) or any(
            shown is not message for shown, message in zip(self.view, self.covered, strict=True)
        )

    def read(self, history: Sequence[LLMMessage], counter: TokenCounter) -> tuple[Fold, Fold] | None:
        """The fold with what ``history`` holds beyond it, counting only that.

        Returns:
            The fold to remember, and the fold to give out; they differ by an open tool call at the end, which is
            given out with a placeholder result and not remembered. None when ``history`` no longer begins with
            what the view stands for.
        """
        if len(history) < len(self.covered) or any(
            message is not covered and message != covered
            for message, covered in zip(history, self.covered, strict=False)
        ):
            return None
        closed, still_open = split_open_call(history[len(self.covered) :])
        grown = self._plus(closed, counter)
        return grown, grown._plus(still_open, counter)

    def _plus(self, messages: Sequence[LLMMessage], counter: TokenCounter) -> Fold:
        if not messages:
            return self
        repaired = repair(messages)
        tokens = sum(counter.count_message(message) for message in repaired)
        report = replace(
            self.report,
            tokens_before=self.report.tokens_before + tokens,
            tokens_after=self.report.tokens_after + tokens,
        )
        return replace(self, covered=(*self.covered, *messages), view=(*self.view, *repaired), report=report)
