"""From chosen forms to the list an LLM call gets, counted exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from autogen_core.models import LLMMessage, UserMessage

from ..display import clip
from ..forms.compressor import DIGEST_SOURCE, ContextCompressor, DigestEntry, label_of, quoted
from ..forms.form import FitStep, Form
from ..messages.archive import ContextArchive
from ..messages.groups import Unit
from ..selection.knapsack import Choice, kept_lines
from ..selection.prioritizer import ScoredUnit
from ..selection.scope import NOTE, Scope
from ..tokens.counting import TokenCounter

_LABEL_CHARS = 90

BEYOND = "neither recent nor of what is asked"
"""Why a group is evicted that was not even looked at."""


class _Changed(NamedTuple):
    """A group that is not in the view as it was, its form there, and its tokens."""

    scored: ScoredUnit
    form: Form
    tokens: int


class _Block(NamedTuple):
    """The shared block: how many messages it stands for, their handle, and its tokens without and with lines."""

    message: UserMessage
    stands_for: int
    handle: str
    head_tokens: int
    tokens: int


@dataclass(frozen=True, slots=True)
class View:
    """A list of messages for one call."""

    messages: list[LLMMessage]
    tokens: int  # of the messages, exactly; tools and reply priming are not in it
    changed: tuple[_Changed, ...]
    block: _Block | None  # stands for the groups that left their place

    def is_lossless(self, repeats: Set[int]) -> bool:
        """Whether nothing but notation went, and groups that later ones repeat word for word."""
        return all(
            changed.form in (Form.REPAIRED, Form.COMPACT) or changed.scored.unit.index in repeats
            for changed in self.changed
        )


class ViewBuilder:
    """Writes views of one history; what is shortened or left out goes to the archive."""

    def __init__(
        self, counter: TokenCounter, compressor: ContextCompressor, archive: ContextArchive, scope: Scope
    ) -> None:
        self._counter = counter
        self._compressor = compressor
        self._archive = archive
        self._scope = scope
        self._without_noise: dict[int, tuple[tuple[LLMMessage, ...], int]] = {}
        self._extracts: dict[tuple[int, frozenset[int]], tuple[tuple[LLMMessage, ...], int]] = {}

    def placeholder_tokens(self, scored: ScoredUnit) -> int:
        """Return the exact tokens of the shortest form of a group that keeps its place."""
        return self._extract(scored, frozenset())[1]

    def without_noise(self, scored: ScoredUnit) -> tuple[tuple[LLMMessage, ...], int]:
        """Return the compact form of a group, with what brings its noise back, and its exact tokens."""
        unit = scored.unit
        known = self._without_noise.get(unit.index)
        if known is None:
            compact = self._compressor.compact(unit, scored.profile.passages, self._handle(unit)) or unit.messages
            known = self._without_noise[unit.index] = compact, self._cost(compact)
        return known

    def _cost(self, messages: Sequence[LLMMessage]) -> int:
        """Return the exact tokens of some messages."""
        return sum(map(self._counter.count_message, messages))

    def build(self, choices: Iterable[Choice], reasons: dict[int, str], *, block: bool = True) -> View:
        """Return the view of these forms, in its order; groups that left for a reason of their own need no block."""
        head: list[LLMMessage] = []
        tail: list[LLMMessage] = []
        changed: list[_Changed] = []
        away: list[Choice] = []
        tokens = 0
        shared: _Block | None = None
        in_head = True
        for place, choice in enumerate(choices):
            unit = choice.scored.unit
            in_head = in_head and unit.index == place and (bool(choice.scored.pinned) or not unit.messages)
            messages, form, cost = self._written(choice)
            tokens += cost
            (head if in_head else tail).extend(messages)
            if form is Form.DIGEST or (form is Form.GONE and unit.messages and unit.index not in reasons):
                away.append(choice)
            if form is not Form.FULL and unit.index != NOTE:
                changed.append(_Changed(choice.scored, form, choice.cost if form is Form.DIGEST else cost))
        if (away or self._scope.beyond) and block:
            shared = self._block(away)
            tokens += shared.tokens
            head.append(shared.message)
        return View([*head, *tail], tokens, tuple(changed), shared)

    def steps(self, view: View, reasons: dict[int, str]) -> tuple[FitStep, ...]:
        """Return what was done to each group that changed, and why; the same ``reasons`` as for `build`."""
        steps = [self._step(changed, reasons) for changed in view.changed]
        if view.block is not None:
            steps = _sharing(steps, view.block)
        return tuple(sorted([*steps, *self._unseen], key=lambda step: step.unit))

    def _written(self, choice: Choice) -> tuple[tuple[LLMMessage, ...], Form, int]:
        """Return the messages of a form, the form it came out as, and its exact tokens."""
        scored, form = choice.scored, choice.form
        unit, profile = scored.unit, scored.profile
        if not unit.messages:
            return (), Form.REPAIRED, 0
        if form is Form.EXTRACT:
            shortened, cost = self._extract(scored, frozenset(choice.kept))
            if cost < profile.compact_tokens:
                return shortened, Form.EXTRACT if choice.kept else Form.STUB, cost
            form = Form.COMPACT  # shortening must never make a message longer
        if form is Form.COMPACT and profile.compact is not None:
            if not profile.noise:
                return profile.compact, Form.COMPACT, profile.compact_tokens
            marked, cost = self.without_noise(scored)
            return marked, Form.EXTRACT, cost
        if form in (Form.FULL, Form.COMPACT):
            return unit.messages, Form.REPAIRED if unit.repaired else Form.FULL, profile.tokens
        return (), form, 0

    def _extract(self, scored: ScoredUnit, kept: frozenset[int]) -> tuple[tuple[LLMMessage, ...], int]:
        """Return a group with some of its segments in place, and its exact tokens."""
        known = self._extracts.get((scored.unit.index, kept))
        if known is None:  # several views are tried, and most of their forms are the same
            lines = kept_lines(scored.profile.segments, kept)
            unit = scored.unit
            messages = self._compressor.extract(unit, scored.profile.passages, lines, self._handle(unit))
            known = self._extracts[unit.index, kept] = messages, self._cost(messages)
        return known

    def _step(self, changed: _Changed, reasons: dict[int, str]) -> FitStep:
        scored, form = changed.scored, changed.form
        unit = scored.unit
        why = reasons.get(unit.index) or (unit.repaired if form is Form.REPAIRED else scored.why())
        before = scored.profile.tokens if unit.messages else self._cost(unit.originals)
        after = min(before, changed.tokens) if form is Form.DIGEST else changed.tokens
        return FitStep(unit.index, label_of(unit), form, before, after, why, self._handle(unit))

    def _block(self, away: Sequence[Choice]) -> _Block:
        entries: list[DigestEntry] = []
        for choice in away:
            profile = choice.scored.profile
            labels = {profile.segments[s].passage for s in choice.kept if profile.segments[s].line < 0}
            lines = kept_lines(profile.segments, choice.kept)
            for number in sorted(labels | lines.keys()):
                passage = profile.passages[number]
                entries.append(
                    DigestEntry(clip(passage.label, _LABEL_CHARS), quoted(passage.lines, lines.get(number, ())))
                )
        units = [choice.scored.unit for choice in away]
        handles = {unit.index: self._handle(unit) for unit in units} | {step.unit: step.handle for step in self._unseen}
        handle = self._archive.put_group([handles[number] for number in sorted(handles)])
        beyond = (unit for unit, _ in self._scope.beyond)
        left_out = sum(len(unit.originals) for unit in (*units, *beyond))
        message = self._compressor.digest(entries, left_out, handle)
        head = self._cost([self._compressor.digest((), left_out, handle)])
        return _Block(message, left_out, handle, head, self._cost([message]))

    @cached_property
    def _unseen(self) -> list[FitStep]:
        """Return the report on the groups that were not looked at; each is made once for ever."""
        gone = self._scope.known.gone
        for unit, size in self._scope.beyond:
            handle = self._handle(unit)
            if unit not in gone:
                gone[unit] = FitStep(unit.index, label_of(unit), Form.GONE, size, 0, BEYOND, handle)
        return [gone[unit] for unit, _ in self._scope.beyond]

    def _handle(self, unit: Unit) -> str:
        """Return the handle of a group; what it was once archived under is not worked out again."""
        handles = self._scope.known.handles
        handle = handles.get(unit)
        if handle is None or handle not in self._archive:
            handle = handles[unit] = self._archive.put(unit.originals)
        return handle


def _sharing(steps: Sequence[FitStep], block: _Block) -> list[FitStep]:
    """Return the steps with one for the block: its lines have their share of its tokens, it has the rest."""
    about = sum(step.tokens_after for step in steps if step.form is Form.DIGEST)
    lines = block.tokens - block.head_tokens
    shared: list[FitStep] = []
    left = block.tokens
    for step in steps:
        if step.form is Form.DIGEST:
            step = replace(step, tokens_after=step.tokens_after * min(lines, about) // max(1, about))
            left -= step.tokens_after
        shared.append(step)
    why = f"stands for {block.stands_for} messages"
    return [FitStep(-1, DIGEST_SOURCE, Form.BLOCK, 0, left, why, block.handle), *shared]
