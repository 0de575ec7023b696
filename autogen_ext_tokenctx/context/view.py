"""From chosen forms to the list an LLM call gets, counted exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from autogen_core.models import LLMMessage, UserMessage

from ..tokens.counting import TokenCounter
from .allocation import Choice, kept_lines
from .archive import ContextArchive
from .compression import DIGEST_SOURCE, ContextCompressor, DigestEntry, label_of, quoted
from .passages import clip
from .priority import ScoredUnit
from .report import FitStep, Form
from .scope import NOTE, Scope
from .units import Unit

_LABEL_CHARS = 90

BEYOND = "neither recent nor of what is asked"
"""Why a unit is gone that was not even looked at."""


class _Changed(NamedTuple):
    """A unit that is not in the view as it was, its form there, and the tokens that takes."""

    scored: ScoredUnit
    form: Form
    tokens: int


class _Block(NamedTuple):
    """The shared block: how many messages it stands for, under which handle, and its tokens without and with lines."""

    message: UserMessage
    stands_for: int
    handle: str
    head_tokens: int
    tokens: int


@dataclass(frozen=True, slots=True)
class View:
    """A list of messages for one call.

    Args:
        messages: The list.
        tokens: What its messages cost, exactly; tools and reply priming are not in it.
        changed: The units that changed.
        block: What stands for the units that left their place; None where nothing does.
    """

    messages: list[LLMMessage]
    tokens: int
    changed: tuple[_Changed, ...]
    block: _Block | None

    def is_lossless(self, repeats: Set[int]) -> bool:
        """Whether nothing but notation and repeats went.

        Args:
            repeats: Numbers of the units that later ones say word for word.
        """
        return all(
            changed.form in (Form.REPAIRED, Form.COMPACT) or changed.scored.unit.index in repeats
            for changed in self.changed
        )


class ViewBuilder:
    """Writes views of one history.

    Args:
        counter: Counts tokens.
        compressor: Writes shorter forms.
        archive: Takes the originals of what is shortened or left out.
        scope: What of the history the choices are about.
    """

    def __init__(
        self, counter: TokenCounter, compressor: ContextCompressor, archive: ContextArchive, scope: Scope
    ) -> None:
        self._counter = counter
        self._compressor = compressor
        self._archive = archive
        self._scope = scope

    def stub(self, scored: ScoredUnit) -> tuple[LLMMessage, ...]:
        """The shortest form of a unit that keeps its place."""
        return self._compressor.extract(scored.unit, scored.profile.passages, {}, self._handle(scored.unit))

    def without_noise(self, scored: ScoredUnit) -> tuple[LLMMessage, ...]:
        """The compact form of a unit, with what brings its noise back."""
        unit = scored.unit
        return self._compressor.compact(unit, scored.profile.passages, self._handle(unit)) or unit.messages

    def cost(self, messages: Sequence[LLMMessage]) -> int:
        """Exact tokens of some messages."""
        return sum(map(self._counter.count_message, messages))

    def build(self, choices: Iterable[Choice], reasons: dict[int, str], *, block: bool = True) -> View:
        """The view for these forms.

        Args:
            choices: One form a unit, in the order of the view.
            reasons: Why, for units about which there is more to say than their scores.
            block: Whether what left its place is stood for by the shared block.
        """
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
        """What was done to each unit that changed, and why; the same ``reasons`` as for `build`."""
        steps = [self._step(changed, reasons) for changed in view.changed]
        if view.block is not None:
            steps = _sharing(steps, view.block)
        return tuple(sorted([*steps, *self._unseen], key=lambda step: step.unit))

    def _written(self, choice: Choice) -> tuple[tuple[LLMMessage, ...], Form, int]:
        """The messages of a form, the form it came out as, and its exact tokens."""
        scored, form = choice.scored, choice.form
        unit, profile = scored.unit, scored.profile
        if not unit.messages:
            return (), Form.REPAIRED, 0
        if form is Form.EXTRACT:
            kept = kept_lines(profile.segments, choice.kept)
            shortened = self._compressor.extract(unit, profile.passages, kept, self._handle(unit))
            cost = self.cost(shortened)
            if cost < profile.compact_tokens:
                return shortened, Form.EXTRACT if choice.kept else Form.STUB, cost
            form = Form.COMPACT  # shortening must never make a message longer
        if form is Form.COMPACT and profile.compact is not None:
            if not profile.noise:
                return profile.compact, Form.COMPACT, profile.compact_tokens
            marked = self.without_noise(scored)
            return marked, Form.EXTRACT, self.cost(marked)
        if form in (Form.FULL, Form.COMPACT):
            return unit.messages, Form.REPAIRED if unit.repaired else Form.FULL, profile.tokens
        return (), form, 0

    def _step(self, changed: _Changed, reasons: dict[int, str]) -> FitStep:
        scored, form = changed.scored, changed.form
        unit = scored.unit
        why = reasons.get(unit.index) or (unit.repaired if form is Form.REPAIRED else scored.why())
        before = scored.profile.tokens if unit.messages else self.cost(unit.originals)
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
        head = self.cost([self._compressor.digest((), left_out, handle)])
        return _Block(message, left_out, handle, head, self.cost([message]))

    @cached_property
    def _unseen(self) -> list[FitStep]:
        """The report on the units that were not looked at, each made once for ever."""
        gone = self._scope.known.gone
        for unit, size in self._scope.beyond:
            handle = self._handle(unit)
            if unit not in gone:
                gone[unit] = FitStep(unit.index, label_of(unit), Form.GONE, size, 0, BEYOND, handle)
        return [gone[unit] for unit, _ in self._scope.beyond]

    def _handle(self, unit: Unit) -> str:
        """The handle of a unit of the history; what it was once archived under is not worked out again."""
        handles = self._scope.known.handles
        handle = handles.get(unit)
        if handle is None or handle not in self._archive:
            handle = handles[unit] = self._archive.put(unit.originals)
        return handle


def _sharing(steps: Sequence[FitStep], block: _Block) -> list[FitStep]:
    """The steps with one for the block: its lines have their share of its tokens, the block what is left of them."""
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
