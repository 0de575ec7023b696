"""From chosen forms to the list an LLM call gets, counted exactly."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
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


class _Counted(NamedTuple):
    """Messages and their exact tokens."""

    messages: tuple[LLMMessage, ...]
    tokens: int


class _Part(NamedTuple):
    """What stands for one group in its place, the form it has there, and its exact tokens."""

    scored: ScoredGroup
    messages: tuple[LLMMessage, ...]
    form: Form
    tokens: int
    in_block: int  # tokens of its lines in the shared block, about


class _Block(NamedTuple):
    """The shared block: how many messages it stands for, their handle, and its exact tokens."""

    message: UserMessage
    stands_for: int
    handle: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A view before it is built: what stands for each group, counted exactly."""

    parts: Sequence[_Part]
    head: int  # parts that stand before the block
    block: _Block | None  # stands for the groups that left their place
    is_spaced: bool  # whether a spacer stands after the block
    tokens: int  # of the messages, exactly; tools and reply priming are not in it


@dataclass(frozen=True, slots=True)
class View:
    """A list of messages for one call."""

    messages: list[LLMMessage]
    tokens: int
    changed: Sequence[_Part]  # of the groups of the history that are not as they were
    block: _Block | None

    def is_lossless(self, repeats: Set[int]) -> bool:
        """Return whether nothing but notation went, and groups that later ones repeat word for word."""
        return all(
            part.form in (Form.REPAIRED, Form.COMPACT) or part.scored.group.index in repeats for part in self.changed
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
        self._written: dict[Hashable, _Counted] = {}
        self._quotes: dict[tuple[int, frozenset[int]], list[DigestEntry]] = {}

    def placeholder_tokens(self, scored: ScoredGroup) -> int:
        """Return the exact tokens of the shortest form of a group that keeps its place."""
        return self._extract(scored, frozenset()).tokens

    def head_tokens(self) -> int:
        """Return the tokens of the head of the block, about: it says how many messages left, and a handle."""
        left_out = sum(len(group.originals) for group in self._scope.groups) + len(self._scope.not_considered)
        return self._empty_tokens(left_out, _A_HANDLE)

    def without_noise(self, scored: ScoredGroup) -> _Counted:
        """Return the compact form of a group, with what brings its noise back."""
        group, passages = scored.group, scored.profile.passages
        return self._once(
            (group.index, Form.COMPACT),
            lambda: self._compressor.compact(group, passages, self._named(group)) or group.messages,
        )

    def _cost(self, messages: Sequence[LLMMessage]) -> int:
        """Return the exact tokens of some messages."""
        return sum(map(self._counter.count_message, messages))

    def draft(
        self,
        choices: Iterable[Choice],
        reasons: Set[int],
        held: Iterable[StandingInstruction] = (),
        *,
        outcome: int | None = None,
        block: bool = True,
    ) -> Draft:
        """Return what stands for each group; only what no other draft has is written and counted anew."""
        parts: list[_Part] = []
        away: list[Choice] = []
        head: int | None = None
        for place, choice in enumerate(choices):
            group = choice.scored.group
            part = self._part(choice)
            is_first = not away and choice.scored.pinned and group.index == place
            if head is None and part.messages and group.index != outcome and not is_first:
                head = place
            is_away = choice.form in (Form.DIGEST, Form.PLACEHOLDER) or part.form is Form.EVICTED
            if is_away and group.messages and (choice.form is not Form.EVICTED or group.index not in reasons):
                away.append(choice)
            parts.append(part)
        tail = next(iter(parts[head].messages), None) if head is not None else None
        shared = self._block(away, held) if (away or self._scope.not_considered) and block else None
        is_spaced = shared is not None and isinstance(tail, UserMessage) and self._alternates
        tokens = sum(part.tokens for part in parts)
        tokens += shared.tokens if shared else 0
        tokens += self._spacer_tokens if is_spaced else 0
        return Draft(parts, len(parts) if head is None else head, shared, is_spaced, tokens)

    def build(self, draft: Draft) -> View:
        """Return the view of a draft."""
        head, tail = (
            [message for part in parts for message in part.messages]
            for parts in (draft.parts[: draft.head], draft.parts[draft.head :])
        )
        block = [draft.block.message] if draft.block else []
        spacer = [SPACER] if draft.is_spaced else []
        changed = [part for part in draft.parts if part.form is not Form.FULL and part.scored.group.index != NOTE]
        return View([*head, *block, *spacer, *tail], draft.tokens, changed, draft.block)

    def steps(self, view: View, reasons: dict[int, str]) -> tuple[FitStep, ...]:
        """Return what was done to each group that changed, and why."""
        steps = [self._step(part, reasons) for part in view.changed]
        if view.block is not None:
            steps = _sharing(steps, view.block, self._empty_tokens(view.block.stands_for, view.block.handle))
        return tuple(sorted([*steps, *self._unseen], key=lambda step: step.group))

    def _part(self, choice: Choice) -> _Part:
        """Return what stands for a group in its place; without messages where nothing does."""
        scored, form = choice.scored, choice.form
        group, profile = scored.group, scored.profile
        messages: tuple[LLMMessage, ...] = ()
        tokens = 0
        if not group.messages:
            form = Form.REPAIRED
        elif form is Form.PLACEHOLDER:
            messages, tokens = self._mark(scored)
            if tokens >= profile.tokens:
                form = Form.FULL
        elif form is Form.EXTRACT:
            messages, tokens = self._extract(scored, frozenset(choice.kept))
            if tokens >= profile.compact_tokens:
                form = Form.COMPACT  # shortening must never make a message longer
            elif not choice.kept:
                form = Form.PLACEHOLDER
        if form is Form.COMPACT and profile.compact is not None:
            if profile.noise:
                form = Form.EXTRACT
                messages, tokens = self.without_noise(scored)
            else:
                messages, tokens = profile.compact, profile.compact_tokens
        elif form in (Form.FULL, Form.COMPACT):
            form = Form.REPAIRED if group.repaired else Form.FULL
            messages, tokens = group.messages, profile.tokens
        return _Part(scored, messages, form, tokens, choice.cost)

    def _mark(self, scored: ScoredGroup) -> _Counted:
        """Return the mark of an answer that is left out."""
        group = scored.group
        return self._once((group.index, Form.PLACEHOLDER), lambda: (self._compressor.answered(group),))

    def _extract(self, scored: ScoredGroup, kept: frozenset[int]) -> _Counted:
        """Return a group with some of its segments in place."""
        group, profile = scored.group, scored.profile

        def extract() -> tuple[LLMMessage, ...]:
            lines = kept_lines(profile.segments, kept)
            return self._compressor.extract(group, profile.passages, lines, self._named(group))

        return self._once((group.index, Form.EXTRACT, kept), extract)

    def _once(self, key: Hashable, write: Callable[[], tuple[LLMMessage, ...]]) -> _Counted:
        """Return what is written, with its exact tokens: drafts of one view have most of their forms in common."""
        if key not in self._written:
            messages = write()
            self._written[key] = _Counted(messages, self._cost(messages))
        return self._written[key]

    def _step(self, part: _Part, reasons: dict[int, str]) -> FitStep:
        scored, form = part.scored, part.form
        group = scored.group
        why = reasons.get(group.index) or (group.repaired if form is Form.REPAIRED else scored.why())
        before = scored.profile.tokens if group.messages else self._cost(group.originals)
        after = min(before, part.in_block) if form is Form.DIGEST else part.tokens
        return FitStep(group.index, label_of(group), form, before, after, why, self._handle(group))

    def _block(self, away: Sequence[Choice], held: Iterable[StandingInstruction]) -> _Block:
        entries: list[DigestEntry] = []
        rules: dict[int, list[StandingInstruction]] = {}
        for instruction in held:
            rules.setdefault(instruction.group, []).append(instruction)
        for choice in away:
            entries += _rules(choice, rules.get(choice.scored.group.index, ()))
            entries += self._quoted(choice.scored, frozenset(choice.kept))
        groups = [choice.scored.group for choice in away]
        handles = {group.index: self._handle(group) for group in groups} | {
            step.group: step.handle for step in self._unseen
        }
        handle = self._archive.put_group([handles[number] for number in sorted(handles)])
        not_considered = (group for group, _ in self._scope.not_considered)
        left_out = sum(len(group.originals) for group in (*groups, *not_considered))
        message = self._compressor.digest(entries, left_out, handle if self._expandable else "")
        return _Block(message, left_out, handle, self._cost([message]))

    def _quoted(self, scored: ScoredGroup, kept: frozenset[int]) -> list[DigestEntry]:
        """Return some segments of a group as the block has them, written once."""
        group, profile = scored.group, scored.profile
        if (group.index, kept) not in self._quotes:
            labels = {profile.segments[s].passage for s in kept if profile.segments[s].line < 0}
            lines = kept_lines(profile.segments, kept)
            passages = [(profile.passages[number], lines.get(number, ())) for number in sorted(labels | lines.keys())]
            self._quotes[group.index, kept] = [
                DigestEntry(one_line(passage.label), quoted(passage.lines, own)) for passage, own in passages
            ]
        return self._quotes[group.index, kept]

    def _empty_tokens(self, stands_for: int, handle: str) -> int:
        """Return the tokens of a block without lines."""
        return self._cost([self._compressor.digest((), stands_for, handle if self._expandable else "")])

    @cached_property
    def _spacer_tokens(self) -> int:
        return self._counter.count_message(SPACER)

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


def _sharing(steps: Sequence[FitStep], block: _Block, head_tokens: int) -> list[FitStep]:
    """Return the steps with one for the block: its lines have their share of its tokens, it has the rest."""
    about = sum(step.tokens_after for step in steps if step.form is Form.DIGEST)
    lines = block.tokens - head_tokens
    shared: list[FitStep] = []
    left = block.tokens
    for step in steps:
        if step.form is Form.DIGEST:
            step = replace(step, tokens_after=step.tokens_after * min(lines, about) // max(1, about))
            left -= step.tokens_after
        shared.append(step)
    why = f"stands for {block.stands_for} messages"
    return [FitStep(-1, DIGEST_SOURCE, Form.BLOCK, 0, left, why, block.handle), *shared]
