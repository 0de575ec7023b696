"""From chosen forms to the list an LLM call gets, counted exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from autogen_core.models import LLMMessage, UserMessage

from ..forms.compressor import DIGEST_SOURCE, DigestEntry, GroupCompressor, label_of, quoted
from ..forms.form import FitStep, Form
from ..messages.archive import ContextArchive
from ..messages.groups import MessageGroup
from ..messages.quoting import one_line, speaker
from ..messages.turns import SPACER, alternates
from ..selection.instructions import StandingInstruction
from ..selection.knapsack import Choice, kept_lines
from ..selection.prioritizer import ScoredGroup
from ..selection.scope import NOTE, Scope
from ..tokens.counting import TokenCounter

BEYOND = "neither recent nor of what is asked"
"""Why a group is evicted that was not even looked at."""


_A_HANDLE = "5e0d27c9"
"""Costs what handles cost."""


class _Changed(NamedTuple):
    """A group that is not in the view as it was, its form there, and its tokens."""

    scored: ScoredGroup
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
            changed.form in (Form.REPAIRED, Form.COMPACT) or changed.scored.group.index in repeats
            for changed in self.changed
        )


class ViewBuilder:
    """Writes views of one history; what is shortened or left out goes to the archive."""

    def __init__(
        self,
        counter: TokenCounter,
        compressor: GroupCompressor,
        archive: ContextArchive,
        scope: Scope,
        *,
        expandable: bool,
    ) -> None:
        self._expandable = expandable
        self._counter = counter
        self._compressor = compressor
        self._archive = archive
        self._scope = scope
        self._without_noise: dict[int, tuple[tuple[LLMMessage, ...], int]] = {}
        self._extracts: dict[tuple[int, frozenset[int]], tuple[tuple[LLMMessage, ...], int]] = {}

    def placeholder_tokens(self, scored: ScoredGroup) -> int:
        """Return the exact tokens of the shortest form of a group that keeps its place."""
        return self._extract(scored, frozenset())[1]

    def head_tokens(self) -> int:
        """Return the tokens of the head of the block, about: it says how many messages left, and a handle."""
        left_out = sum(len(group.originals) for group in self._scope.groups) + len(self._scope.not_considered)
        return self._cost([self._compressor.digest((), left_out, _A_HANDLE if self._expandable else "")])

    def without_noise(self, scored: ScoredGroup) -> tuple[tuple[LLMMessage, ...], int]:
        """Return the compact form of a group, with what brings its noise back, and its exact tokens."""
        group = scored.group
        known = self._without_noise.get(group.index)
        if known is None:
            compact = self._compressor.compact(group, scored.profile.passages, self._named(group)) or group.messages
            known = self._without_noise[group.index] = compact, self._cost(compact)
        return known

    def _cost(self, messages: Sequence[LLMMessage]) -> int:
        """Return the exact tokens of some messages."""
        return sum(map(self._counter.count_message, messages))

    def build(
        self,
        choices: Iterable[Choice],
        reasons: dict[int, str],
        held: Iterable[StandingInstruction] = (),
        *,
        outcome: int | None = None,
        block: bool = True,
    ) -> View:
        """Return the view of these forms, in its order.

        Args:
            choices: The forms.
            reasons: Why groups left for a reason of their own; they need no block.
            held: Standing instructions; those that do not stand in their place do in the block.
            outcome: Number of the group that tells what came of the first task. It stands beside it, before the block.
            block: Whether a block stands for the groups that left.
        """
        head: list[LLMMessage] = []
        tail: list[LLMMessage] = []
        changed: list[_Changed] = []
        away: list[Choice] = []
        tokens = 0
        shared: _Block | None = None
        in_head = True
        for place, choice in enumerate(choices):
            group = choice.scored.group
            messages, form, cost = self._written(choice)
            tokens += cost
            if group.index == outcome:
                (head if in_head else tail).extend(messages)
            elif messages and (tail or away or not choice.scored.pinned or group.index != place):
                in_head = False
                tail.extend(messages)
            else:
                head.extend(messages)
            is_away = choice.form in (Form.DIGEST, Form.PLACEHOLDER) or form is Form.EVICTED
            if is_away and group.messages and (choice.form is not Form.EVICTED or group.index not in reasons):
                away.append(choice)
            if form is not Form.FULL and group.index != NOTE:
                changed.append(_Changed(choice.scored, form, choice.cost if form is Form.DIGEST else cost))
        if (away or self._scope.not_considered) and block:
            shared = self._block(away, held)
            tokens += shared.tokens
            head.append(shared.message)
            if tail and isinstance(tail[0], UserMessage) and self._alternates:
                tail.insert(0, SPACER)
                tokens += self._counter.count_message(SPACER)
        return View([*head, *tail], tokens, tuple(changed), shared)

    def steps(self, view: View, reasons: dict[int, str]) -> tuple[FitStep, ...]:
        """Return what was done to each group that changed, and why; the same ``reasons`` as for `build`."""
        steps = [self._step(changed, reasons) for changed in view.changed]
        if view.block is not None:
            steps = _sharing(steps, view.block)
        return tuple(sorted([*steps, *self._unseen], key=lambda step: step.group))

    def _written(self, choice: Choice) -> tuple[tuple[LLMMessage, ...], Form, int]:
        """Return the messages of a form, the form it came out as, and its exact tokens."""
        scored, form = choice.scored, choice.form
        group, profile = scored.group, scored.profile
        if not group.messages:
            return (), Form.REPAIRED, 0
        if form is Form.PLACEHOLDER:
            mark = self._compressor.answered(group)
            cost = self._cost([mark])
            if cost < profile.tokens:
                return (mark,), Form.PLACEHOLDER, cost
            form = Form.FULL
        if form is Form.EXTRACT:
            shortened, cost = self._extract(scored, frozenset(choice.kept))
            if cost < profile.compact_tokens:
                return shortened, Form.EXTRACT if choice.kept else Form.PLACEHOLDER, cost
            form = Form.COMPACT  # shortening must never make a message longer
        if form is Form.COMPACT and profile.compact is not None:
            if not profile.noise:
                return profile.compact, Form.COMPACT, profile.compact_tokens
            marked, cost = self.without_noise(scored)
            return marked, Form.EXTRACT, cost
        if form in (Form.FULL, Form.COMPACT):
            return group.messages, Form.REPAIRED if group.repaired else Form.FULL, profile.tokens
        return (), form, 0

    def _extract(self, scored: ScoredGroup, kept: frozenset[int]) -> tuple[tuple[LLMMessage, ...], int]:
        """Return a group with some of its segments in place, and its exact tokens."""
        known = self._extracts.get((scored.group.index, kept))
        if known is None:  # several views are tried, and most of their forms are the same
            lines = kept_lines(scored.profile.segments, kept)
            group = scored.group
            messages = self._compressor.extract(group, scored.profile.passages, lines, self._named(group))
            known = self._extracts[group.index, kept] = messages, self._cost(messages)
        return known

    def _step(self, changed: _Changed, reasons: dict[int, str]) -> FitStep:
        scored, form = changed.scored, changed.form
        group = scored.group
        why = reasons.get(group.index) or (group.repaired if form is Form.REPAIRED else scored.why())
        before = scored.profile.tokens if group.messages else self._cost(group.originals)
        after = min(before, changed.tokens) if form is Form.DIGEST else changed.tokens
        return FitStep(group.index, label_of(group), form, before, after, why, self._handle(group))

    def _block(self, away: Sequence[Choice], held: Iterable[StandingInstruction]) -> _Block:
        entries: list[DigestEntry] = []
        rules: dict[int, list[StandingInstruction]] = {}
        for instruction in held:
            rules.setdefault(instruction.group, []).append(instruction)
        for choice in away:
            profile = choice.scored.profile
            entries += _rules(choice, rules.get(choice.scored.group.index, ()))
            labels = {profile.segments[s].passage for s in choice.kept if profile.segments[s].line < 0}
            lines = kept_lines(profile.segments, choice.kept)
            for number in sorted(labels | lines.keys()):
                passage = profile.passages[number]
                entries.append(DigestEntry(one_line(passage.label), quoted(passage.lines, lines.get(number, ()))))
        groups = [choice.scored.group for choice in away]
        handles = {group.index: self._handle(group) for group in groups} | {
            step.group: step.handle for step in self._unseen
        }
        handle = self._archive.put_group([handles[number] for number in sorted(handles)])
        not_considered = (group for group, _ in self._scope.not_considered)
        left_out = sum(len(group.originals) for group in (*groups, *not_considered))
        named = handle if self._expandable else ""
        message = self._compressor.digest(entries, left_out, named)
        head = self._cost([self._compressor.digest((), left_out, named)])
        return _Block(message, left_out, handle, head, self._cost([message]))

    @cached_property
    def _alternates(self) -> bool:
        """Return whether the history has users and agents in turns; of a long one, whether what is looked at does."""
        return alternates(message for group in self._scope.groups for message in group.messages if group.index != NOTE)

    @cached_property
    def _unseen(self) -> list[FitStep]:
        """Return the report on the groups that were not looked at; each is made once for ever."""
        evicted = self._scope.known.evicted
        for group, size in self._scope.not_considered:
            handle = self._handle(group)
            if group not in evicted:
                evicted[group] = FitStep(group.index, label_of(group), Form.EVICTED, size, 0, BEYOND, handle)
        return [evicted[group] for group, _ in self._scope.not_considered]

    def _named(self, group: MessageGroup) -> str:
        """Return the handle as marks name it: "" where nobody could use it."""
        handle = self._handle(group)
        return handle if self._expandable else ""

    def _handle(self, group: MessageGroup) -> str:
        """Return the handle of a group; what it was once archived under is not worked out again."""
        handles = self._scope.known.handles
        handle = handles.get(group)
        if handle is None or handle not in self._archive:
            handle = handles[group] = self._archive.put(group.originals)
        return handle


def _rules(choice: Choice, held: Iterable[StandingInstruction]) -> Iterator[DigestEntry]:
    """Yield the standing instructions of a group that none of its lines in the block has."""
    passages = choice.scored.profile.passages
    shown = "\n".join(
        passages[number].lines[line].text
        for number, lines in kept_lines(choice.scored.profile.segments, choice.kept).items()
        for line in lines
    )
    for instruction in held:
        if instruction.text not in shown:
            yield DigestEntry(speaker(instruction.speaker), (instruction.text,))


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
