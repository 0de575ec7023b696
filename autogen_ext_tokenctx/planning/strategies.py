"""Ways on after a failure, and those that the failure itself suggests."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ..context.failure import Failure
from ..display import clip

# Characters of an error that are quoted: the first lines tell what is wrong, a traceback behind them does not. Chosen.
ERROR_CHARS = 300

RecoveryKind: TypeAlias = Literal["retry", "retry_with_changes", "other_tool", "ask", "skip", "re_plan"]


class RecoveryStrategy(BaseModel):
    """One way on after a failure.

    Raises:
        ValidationError: What the kind needs is not there.

    Example:
        >>> RecoveryStrategy(kind="retry_with_changes", reason="T-6 is in repair", changes={"truck": "T-7"}).text()
        'retry_with_changes truck="T-7": T-6 is in repair'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    kind: RecoveryKind
    """``retry`` the call as it was, ``retry_with_changes``, call an ``other_tool``, ``ask`` the user, ``skip`` the
    step, or ``re_plan`` what is left."""
    reason: str = Field(min_length=1)
    """Why this may help."""
    changes: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Arguments and their new values; None for a value that has to be found first, or left out. Those of a
    ``retry_with_changes``, or the arguments for an ``other_tool``."""
    tool: str = ""
    """The tool that an ``other_tool`` calls instead."""
    question: str = ""
    """What an ``ask`` asks the user."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.kind == "retry_with_changes" and not self.changes:
            raise ValueError("a retry_with_changes names the arguments to change in 'changes'")
        if self.kind == "other_tool" and not self.tool:
            raise ValueError("an other_tool names the tool in 'tool'")
        if self.kind == "ask" and not self.question:
            raise ValueError("an ask has a question in 'question'")
        return self

    def text(self) -> str:
        """Return the strategy on one line."""
        changes = ", ".join(f"{name}={json.dumps(value, default=str)}" for name, value in self.changes.items())
        said = [self.kind, self.tool, changes, json.dumps(self.question, ensure_ascii=False) if self.question else ""]
        return f"{' '.join(part for part in said if part)}: {self.reason}"

    def does_the_same(self, other: RecoveryStrategy) -> bool:
        """Return whether two strategies come to the same; the reasons matter only to a new plan, which has only them.

        Example:
            >>> skip = RecoveryStrategy(kind="skip", reason="not needed")
            >>> skip.does_the_same(RecoveryStrategy(kind="skip", reason="too slow"))
            True
        """
        if self.kind == "re_plan":
            return self == other
        return self == other.model_copy(update={"reason": self.reason})


_UNKNOWN_TOOL = re.compile(
    r"\b(?:tool|function)\b.{0,80}\b(?:not (?:found|available|registered|exist)|does not exist)"
    r"|\b(?:unknown|no such) (?:tool|function)\b",
    re.IGNORECASE,
)
_INVALID_ARGUMENTS = re.compile(
    r"\bvalidation errors?\b|\binvalid (?:arguments?|parameters?)\b|\bmissing (?:\d+ )?required\b|\bfield required\b"
    r"|\bunexpected keyword argument\b|\binput should be\b|\bis a required property\b|\bJSONDecodeError\b"
    r"|\b(?:Expecting (?:value|property name|'.' delimiter)|Unterminated string|Extra data)\b",
    re.IGNORECASE,
)
_TRANSIENT = re.compile(
    r"\btime(?:d[ -]|[ -])?out|TimeoutError|\brate[ -]?limit|RateLimit|\btoo many requests\b|\btry again later\b"
    r"|Connection\w{0,40}Error|\bECONN\w+"
    r"|\bconnection (?:\w+ )?(?:error|refused|reset|aborted|closed|lost|failed|dropped)"
    r"|\b(?:cannot|could not|failed to) connect\b|\btemporar(?:y|ily)\b|\boverloaded\b|\bservice unavailable\b"
    r"|\bbad gateway\b|\binternal server error\b"
    # a bare number may be a weight or a price: only where an error has its code
    r"|\A\W*(?:429|5\d\d)\b|\b(?:http(?:/[\d.]+)?|status|code|error)\b\W{0,4}(?:code\W{0,3})?(?:429|5\d\d)\b",
    re.IGNORECASE,
)
# Where an error names an argument: a line of its own of pydantic's, or in quotes.
_NAMED = re.compile(
    r"^([A-Za-z_]\w*)(?:\.[\w.]+)?\n {2}\S|\b(?:arguments?|field|parameter|property)\b:? ['\"`](\w+)['\"`]"
    r"|['\"`](\w+)['\"`] is a required property",
    re.MULTILINE,
)


def derived(failed: Failure, has_plan: bool) -> list[RecoveryStrategy]:
    """Return the strategies that the failure itself suggests, the most promising first."""
    what = f"{failed.tool} failed" if failed.tool else "This failed"
    question = f"{what}: {clip(failed.error, ERROR_CHARS)} What should be done?"
    return [
        *_suggested(failed, has_plan),
        RecoveryStrategy(kind="ask", reason="The user may know what the history does not say.", question=question),
        RecoveryStrategy(kind="skip", reason="The rest may be done without this step."),
    ]


def _suggested(failed: Failure, has_plan: bool) -> list[RecoveryStrategy]:
    # validation errors first: they may name an argument called timeout
    if _UNKNOWN_TOOL.search(failed.error):
        near = _similar(failed)
        if near:
            reason = "There is no tool of that name, and this one, of a similar name, has worked."
            return [RecoveryStrategy(kind="other_tool", reason=reason, tool=near)]
    elif _INVALID_ARGUMENTS.search(failed.error):
        changes = dict.fromkeys(_to_change(failed))
        if changes:
            reason = f"The arguments were refused: {clip(failed.error, ERROR_CHARS)}"
            return [RecoveryStrategy(kind="retry_with_changes", reason=reason, changes=changes)]
    elif _TRANSIENT.search(failed.error):
        return [RecoveryStrategy(kind="retry", reason="The error looks like one that passes by itself.")]
    if has_plan or not failed.tool:
        return [RecoveryStrategy(kind="re_plan", reason=f"This way is closed: {clip(failed.error, ERROR_CHARS)}")]
    return []


def _similar(failed: Failure) -> str | None:
    """Return the tool that worked and is named most like the unknown one, which a text alone has in quotes."""
    names = [failed.tool] if failed.tool else re.findall(r"['\"`]([\w-]+)['\"`]", failed.error)
    others = [name for name in failed.working if name not in names]
    return next((near for name in names for near in difflib.get_close_matches(name, others, 1)), None)


def _to_change(failed: Failure) -> list[str]:
    """Return the arguments an error speaks of; all of the call where it names none."""
    # the argument of a pattern's match is in whichever of its groups took part
    named = [next(filter(None, match.groups())) for match in _NAMED.finditer(failed.error)]
    words = set(re.findall(r"\w+", failed.error))
    return named or [name for name in failed.arguments if name in words] or list(failed.arguments)
