"""Reading the JSONL log of fits: one event a line, as the hooks gave it, with its steps and sometimes its texts.

A log may have been cut off, mixed with other events or edited: a line that is no fit is skipped, counted and named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated, Literal, NamedTuple, cast

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from ..telemetry.fit_log import LOG_VERSION

# Bytes of a line. A longer one is skipped, so that a file that is no log is not read into memory whole. Chosen, not
# measured: far more than a fit has, even with its texts.
LONGEST_LINE = 64 * 2**20

PROGRESS = (
    2**20
)  # bytes from one report of progress to the next: few enough for a bar that moves (chosen, not measured)

Tokens = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Logged(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class LoggedStep(_Logged):
    """One change of one message group; the fields are those of `FitStep`. Earlier versions wrote unit for group."""

    group: int = Field(default=-1, validation_alias=AliasChoices("group", "unit"))
    what: str = ""
    form: str = ""
    tokens_before: int = 0
    tokens_after: int = 0
    why: str = ""
    handle: str = ""


class LoggedText(_Logged):
    """One message as text."""

    who: str = ""
    text: str = ""
    tokens: int | None = None  # where they were logged


class LoggedTexts(_Logged):
    """What came in, as history, and what went out, as view; of both some messages may be left out."""

    history: tuple[LoggedText, ...] = ()
    view: tuple[LoggedText, ...] = ()
    left_out: int = 0


class LoggedFit(_Logged):
    """One line of the log: what one hook made of one call. The fields are those of `FitEvent.as_dict()`."""

    type: Literal["ContextFit"]
    hook: Literal["context", "client"]
    budget: Tokens
    tokens_before: Tokens
    tokens_after: Tokens
    agent: str = "default"
    team: str = ""
    model: str = ""
    at: float = 0.0
    reserve: Tokens = 0
    cached_tokens: Tokens = 0
    cache_break: str = ""
    budget_source: str = ""
    level: Literal["none", "lossless", "light", "strong", "summary"] = "none"
    relevance: Share = 1.0
    quality: Share = 1.0
    seconds: Annotated[float, Field(ge=0)] = 0.0
    groups: int = Field(default=0, validation_alias=AliasChoices("groups", "units"))
    compacted: bool | None = None  # None only in a line of an earlier version, see `_told_by_lines_before`
    call_id: str = ""
    categories: dict[str, tuple[int, int]] = {}
    forms: dict[str, dict[str, int]] = {}
    steps: tuple[LoggedStep, ...] = ()
    texts: LoggedTexts | None = None
    line: int = 0  # its number in the log, from 1

    @property
    def room(self) -> int:
        """The budget less what is held back for what is not counted here, in tokens."""
        return max(0, self.budget - self.reserve)

    @property
    def tokens_saved(self) -> int:
        """The tokens that the provider does not see; negative when more was recalled than left out."""
        return self.tokens_before - self.tokens_after


class SkippedLine(NamedTuple):
    """A line of the log that is no fit: its number from 1, and the reason in a few words."""

    number: int
    why: str


class FitLogReader:
    """The fits of a log, one at a time, and what had to be skipped; tells how many bytes were read so far."""

    def __init__(self, path: Path, on_progress: Callable[[int], None] | None = None) -> None:
        self._path = path
        self._on_progress: Callable[[int], None] = on_progress or (lambda done: None)
        self.lines = 0  # without the header and empty ones
        self.skipped = 0
        self.named: list[SkippedLine] = []  # the first of those skipped
        # what lines of versions up to 0.1 need: reads of contexts that wait for a client, and what each hook said last
        self._reads: dict[tuple[str, str], str] = {}
        self._last: dict[tuple[str, str, str], tuple[object, float]] = {}

    def __iter__(self) -> Iterator[LoggedFit]:
        """Read the log from its start; raise an OSError, or a ValueError for a log of a newer version."""
        told = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(_lines(file), 1):
                if file.tell() - told >= PROGRESS:
                    told = file.tell()
                    self._on_progress(told)
                if line is None or line.strip():
                    fit = self._fit(number, line)
                    if fit is not None:
                        yield fit
            self._on_progress(file.tell())

    def _fit(self, number: int, line: bytes | None) -> LoggedFit | None:
        why = f"longer than {LONGEST_LINE:,} bytes"
        if line is not None:
            try:
                return self._counted(number, LoggedFit.model_validate_json(line))
            except ValidationError as error:  # the header, a line to mend, or no fit: all of them are rare
                mended = _mended(line)
                if isinstance(mended, LoggedFit):
                    return self._counted(number, mended)
                if mended is not None and mended.get("type") == "TokenctxLog":
                    version = mended.get("version")
                    if isinstance(version, int) and version > LOG_VERSION:
                        raise ValueError(
                            f"{self._path.name} is a log of version {version}, and this package reads up to version "
                            f'{LOG_VERSION}: upgrade it with pip install -U "autogen-ext-tokenctx[report]"'
                        ) from None
                    return None
                why = _reason(mended, error)
        self.lines += 1
        self.skipped += 1
        if len(self.named) < 20:  # as many as a note can list and still be read
            self.named.append(SkippedLine(number, why))
        return None

    def _counted(self, number: int, fit: LoggedFit) -> LoggedFit:
        self.lines += 1
        told = self._told_by_lines_before(number, fit) if fit.compacted is None else {}
        for name, value in {"line": number, **told}.items():
            object.__setattr__(fit, name, value)  # nobody has the fit yet, and a copy costs as much as reading it
        return fit

    def _told_by_lines_before(self, number: int, fit: LoggedFit) -> dict[str, object]:
        """Return what a line of a version up to 0.1 does not say, as the lines before it of the same agent show."""
        who = (fit.team, fit.agent)
        call_id = f"line {number}"
        if fit.hook == "context":
            self._reads[who] = call_id
        else:
            call_id = self._reads.pop(who, call_id)
        # a view that only went on has the forms and the seconds of the line before it
        forms = {name: form for name, form in fit.forms.items() if name not in ("recalled", "repaired")}
        last_forms, last_seconds = self._last.get((*who, fit.hook), ({}, -1.0))
        self._last[(*who, fit.hook)] = forms, fit.seconds
        return {
            "call_id": call_id,
            "compacted": fit.level != "none" and forms != last_forms,
            "seconds": fit.seconds if fit.seconds != last_seconds else 0.0,
        }


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Yield the lines of a file; None for one that is too long."""
    while line := file.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass
        yield None


def _mended(line: bytes) -> LoggedFit | dict[str, object] | None:
    """Return the fit of a line whose texts hold halves of characters; else its object, None when it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    try:
        return LoggedFit.model_validate_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except ValidationError:
        return cast("dict[str, object]", value)


def _reason(value: dict[str, object] | None, error: ValidationError) -> str:
    if value is None:
        return "no JSON object"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["loc"] == ("type",):
        return "no fit, of another type" if "type" in value else "no fit, without a type"
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
