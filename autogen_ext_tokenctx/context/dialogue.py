"""Questions and answers, judged together: a view shows both, or neither, or a mark where the answer was."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from ..forms.form import Form
from ..messages.turns import Turns
from ..selection.knapsack import Choice
from ..selection.prioritizer import PrioritizedContext

ANSWERED_TOKENS = 7
"""What the mark of an answer that is left out costs, about."""

_IN_PLACE = (Form.FULL, Form.REPAIRED, Form.COMPACT, Form.EXTRACT, Form.PLACEHOLDER)


def answers_to_pinned(context: PrioritizedContext) -> int:
    """Return how many answers may need a mark: those to questions that must stay."""
    scored = list(context.groups.values())
    return sum(1 for question, answer in _pairs(context.turns) if scored[question].pinned and not scored[answer].pinned)


def judged_together(
    context: PrioritizedContext,
    choices: Mapping[int, Choice],
    corrected: Collection[tuple[int, int]] = (),
    *,
    marks: int,
) -> Mapping[int, Choice]:
    """Return the forms with no question that stands without its answer, nor an answer without its question."""
    # Whichever stands alone goes to the shared block with the lines it has, where its speaker is named. The answer to a
    # question that must stay keeps its place: with the lines it has, or as a mark, while there are tokens for marks.
    numbers = list(context.groups)
    judged = dict(choices)
    pairs = [(numbers[question], numbers[answer]) for question, answer in _pairs(context.turns)]
    while True:  # each round moves groups into the block, and none out of it
        moved = [*_alone(pairs, judged), *_before_what_they_correct(corrected, judged)]
        if not moved:
            break
        judged.update((number, _in_block(judged[number])) for number in moved)
    for question, answer in reversed(pairs):
        answered = judged[answer]
        if marks > 0 and _stands(judged[question]) and not _stands(answered):  # a later message may say it again
            marks -= 1
            has_lines = answered.kept and not answered.scored.merged  # whose pieces are no lines of it
            judged[answer] = replace(answered, form=Form.EXTRACT if has_lines else Form.PLACEHOLDER)
    return judged


def _alone(pairs: Iterable[tuple[int, int]], choices: Mapping[int, Choice]) -> Iterator[int]:
    """Yield the questions and answers that stand without the other and may move."""
    for pair in pairs:
        stand = [number for number in pair if _stands(choices[number])]
        if len(stand) == 1 and _may_move(choices[stand[0]]):
            yield stand[0]


def _before_what_they_correct(corrected: Iterable[tuple[int, int]], choices: Mapping[int, Choice]) -> Iterator[int]:
    """Yield what stands behind the block that has a correction of it: old and new would change their order."""
    for old, new in corrected:
        if choices[new].form is Form.DIGEST and _stands(choices[old]) and _may_move(choices[old]):
            yield old


def _may_move(choice: Choice) -> bool:
    return not choice.scored.pinned and not choice.fixed and not _shows_picture(choice)


def _pairs(turns: Turns) -> list[tuple[int, int]]:
    """Return the places of the questions that were answered, with those of their answers."""
    return [(exchange.question, exchange.answer) for exchange in turns.exchanges if exchange.answer is not None]


def _stands(choice: Choice) -> bool:
    return choice.form in _IN_PLACE and bool(choice.scored.group.messages)


def _shows_picture(choice: Choice) -> bool:
    """Return whether a group shows a picture, which the shared block cannot."""
    segments = choice.scored.profile.segments
    shown = choice.kept if choice.form is Form.EXTRACT else range(len(segments))
    return any(segments[number].kind == "image" for number in shown)


def _in_block(choice: Choice) -> Choice:
    """Return the same lines away from their place; pictures have none there."""
    segments = choice.scored.profile.segments
    kept = choice.kept if choice.form is Form.EXTRACT else set(range(len(segments)))
    lines = {number for number in kept if segments[number].kind != "image"}
    labels = {segments[number].requires for number in lines if segments[number].requires >= 0}
    form = Form.DIGEST if lines else Form.EVICTED
    return replace(choice, form=form, kept=lines | labels, cost=sum(segments[s].tokens for s in lines | labels))
