"""One compaction: what must be there, the tokens that leaves, and the forms that fill them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from ..display import clip
from ..errors import BudgetTooSmallError
from ..forms.compressor import label_of
from ..messages.groups import pictures_of
from ..messages.pages import is_paging
from ..selection.corrections import corrections
from ..selection.duplicates import superseded
from ..selection.instructions import SHARE, Held, standing_instructions
from ..selection.knapsack import Allocation
from ..selection.prioritizer import PinReason, PrioritizedContext, ScoredGroup
from ..tokens.budget import TokenBudget
from ..tokens.budget_manager import CONTEXT_TYPE_OF_CATEGORY
from .dialogue import ANSWERED_TOKENS, answers_to_pinned, judged_together
from .view import Draft, View, ViewBuilder

_SPARE_TOKENS = 3
"""So much more than reckoned the head of the digest block may cost: handles differ. With a fixed 30 tokens for the head
arguments of tool calls lose .02 at 10 and .03 at 20 %."""

_GREEDY_SHARE = 0.5
"""A newest tool exchange of more than this share of the target competes with older lines."""

_RUN_SHARE = 0.9
"""What people and agents said since the request comes before anything older up to this share of the tokens."""

_MEMORY_SHARE = 0.5
"""Memories stand whole up to this share of the tokens that other messages leave. Where they take more, the share is
divided among them by weight and relevance, and the rest goes to the best lines, whosever they are: with no share the
heaviest section takes all, of four alike 95 %."""
_MEMORY_BASE = 0.2
"""What speaks for a memory that does not answer the task, against 1 for what answers it best."""

_SLACK_TOKENS = 12
"""So few tokens left over are not worth another round."""

_ROUNDS = 6
"""Drafts at most: costs of lines are estimates, those of drafts exact."""


class Compaction:
    """One compaction: what must be there, the tokens that leaves, and the forms that fill them."""

    def __init__(self, context: PrioritizedContext, builder: ViewBuilder, allowed: TokenBudget, overhead: int) -> None:
        self._context = context
        self._builder = builder
        self._allowed = allowed
        self._limit = allowed.available - overhead
        self._goal = allowed.target_tokens - overhead
        self._overhead = overhead
        self._marks = 0
        self._block = builder.head_tokens() + _SPARE_TOKENS
        self.instructions = Held((), ())
        self._corrected_by = corrections(context)
        self._corrected_groups = {(old.group, new.group) for old, new in self._corrected_by.items()}
        self.reasons, self.repeats = superseded(list(context.groups.values()))

    def solve(self) -> tuple[View, Allocation]:
        """Return the fullest view within the target, counted exactly."""
        whole, in_place = self._pinned()
        groups = self._context.groups
        least = {i: self._tokens(groups[i]) for i in whole} | {i: self._least(groups[i]) for i in in_place}
        floor = sum(least.values())
        if floor > self._limit:
            raise self._too_small(least)
        held = standing_instructions(
            self._context, min(int(SHARE * self._limit), self._limit - floor - self._block), set(whole)
        )
        self.instructions = held
        floor += sum(instruction.tokens for instruction in held.held)
        needed, affordable = answers_to_pinned(self._context), (self._limit - floor) // ANSWERED_TOKENS
        floor += min(needed, affordable) * ANSWERED_TOKENS
        # questions with pictures may stay, too: where there are tokens, what is chosen makes room for their marks
        self._marks = len(groups) if affordable > needed else affordable
        goal = max(self._goal, min(self._limit, floor + self._block))
        if in_place and floor + sum(groups[i].profile.tokens - least[i] for i in in_place) > self._goal:
            goal = self._limit  # room that is left free while what must be there is cut helps nobody
        max_tokens = goal - floor - self._block
        allocation = self._allocation(whole, in_place, max(max_tokens, 0))
        draft = self._fill(allocation, goal, max_tokens)
        if draft is None:  # forms cost more than they were taken for: only what must be there is sure to fit
            allocation = self._allocation(whole, in_place, 0)
            draft = self._drafted(allocation)
            if draft.tokens > self._limit:  # nor does the block; what its mark would take may hold a short message
                max_tokens = self._limit - floor
                self.instructions = Held((), (*held.held, *held.fallen))
                allocation = self._allocation(whole, in_place, max_tokens, quotes=False)
                bare = self._drafted(allocation, block=False, marks=False)
                draft = self._fill(allocation, self._limit, max_tokens, block=False) or bare
        return self._builder.build(draft), allocation

    def _allocation(
        self, whole: Iterable[int], in_place: Iterable[int], max_tokens: int, *, quotes: bool = True
    ) -> Allocation:
        return Allocation(self._context, whole, in_place, self.reasons, self._corrected_by, max_tokens, quotes=quotes)

    def _fill(self, allocation: Allocation, goal: int, max_tokens: int, *, block: bool = True) -> Draft | None:
        """Return the fullest draft within the goal; None when not even the emptiest is."""
        best: Draft | None = None
        max_tokens -= self._grow_run(allocation, int(_RUN_SHARE * max_tokens))
        if self._allowed.shares:
            max_tokens -= self._grow_shares(allocation, goal, max_tokens)
        else:
            max_tokens -= self._grow_memories(allocation, int(_MEMORY_SHARE * max_tokens))
        allocation.grow(max_tokens)
        for _ in range(_ROUNDS):
            draft = self._drafted(allocation, block=block)
            slack = goal - draft.tokens
            if slack >= 0 and (best is None or draft.tokens > best.tokens):
                best = draft
            if slack < 0:
                if not allocation.shrink(-slack):
                    break
            elif slack <= _SLACK_TOKENS or not allocation.grow(slack):
                break
        return best

    def _drafted(self, allocation: Allocation, *, block: bool = True, marks: bool = True) -> Draft:
        """Return the draft of the forms chosen so far."""
        choices = judged_together(
            self._context, allocation.choices, self._corrected_groups, marks=self._marks if marks else 0
        )
        return self._builder.draft(
            choices.values(), self.reasons.keys(), self.instructions.held, outcome=self._context.outcome, block=block
        )

    def _grow_run(self, allocation: Allocation, max_tokens: int) -> int:
        """Fill what was said since the request, where there is anything older; return the tokens that took."""
        turns, numbers = self._context.turns, list(self._context.groups)
        if turns.question is None or turns.question == turns.first:
            return 0
        groups = self._context.groups
        run = {i for i in numbers[turns.question + 1 :] if not groups[i].pinned and not groups[i].group.is_exchange}
        return _grown(allocation, run, max_tokens)

    def _grow_memories(self, allocation: Allocation, max_tokens: int) -> int:
        """Divide tokens among memories that do not all fit; return those that took."""
        scores = {
            i: choice.scored.weight * (_MEMORY_BASE + choice.scored.relevance)
            for i, choice in allocation.choices.items()
            if choice.scored.pinned is PinReason.MEMORY and not choice.fixed
        }
        total = sum(scores.values())
        return sum(_grown(allocation, {i}, int(max_tokens * score / total)) for i, score in scores.items() if score)

    def _grow_shares(self, allocation: Allocation, goal: int, max_tokens: int) -> int:
        """Fill the guaranteed share of each kind of context with its best lines; return the tokens that took."""
        used = 0
        for kind, share in self._allowed.given_shares.items():
            own = {
                i
                for i, scored in self._context.groups.items()
                if CONTEXT_TYPE_OF_CATEGORY[scored.category.value] == kind
            }
            before = sum(allocation.choices[i].cost for i in own)
            used += _grown(allocation, own, min(int(share * goal) - before, max_tokens - used))
        return used

    def _pinned(self) -> tuple[list[int], list[int]]:
        """Return the groups that stand in full, and those that must be shortened in their place to fit."""
        groups = self._context.groups
        pinned = [i for i, scored in groups.items() if scored.pinned and i not in self.reasons]
        memories = [i for i in pinned if groups[i].pinned is PinReason.MEMORY]
        cost = sum(self._tokens(groups[i]) for i in pinned)
        of_memories = sum(self._tokens(groups[i]) for i in memories)
        if of_memories > _MEMORY_SHARE * (self._goal - cost + of_memories):  # they compete with what else was said
            pinned = [i for i in pinned if i not in memories]
            cost -= of_memories
        # a tool result that would take most of the tokens competes with the rest; it may still come out whole
        in_place = [i for i in pinned if groups[i].pinned is PinReason.NEWEST and self._is_greedy(groups[i])]
        cost -= sum(map(self._saved, in_place))
        for i in self._shortened_first(pinned):
            if cost <= self._limit:
                break
            if i not in in_place and self._saved(i) > 0:
                in_place.append(i)
                cost -= self._saved(i)
        whole = [i for i in pinned if i not in in_place]
        for i in reversed(list(groups)):
            if i not in pinned and i not in self.reasons and self._context.is_asked_noise(groups[i]):
                cost += self._tokens(groups[i])
                if cost > self._goal - self._block:
                    break
                whole.append(i)
        return whole, in_place

    def _shortened_first(self, pinned: Sequence[int]) -> Iterator[int]:
        """Yield the pinned groups that may be shortened, those first whose whole text is needed least."""
        groups = self._context.groups
        for why in (PinReason.FIRST_TASK, PinReason.NEWEST, PinReason.REQUEST, PinReason.USER):
            for i in pinned:
                # what a user pinned stays word for word, unless a picture leaves its text no tokens
                may_change = why is not PinReason.USER or pictures_of(groups[i].group.messages)
                if groups[i].pinned is why and may_change:
                    yield i

    def _saved(self, i: int) -> int:
        """Return the tokens that a group in its shortest form leaves to others."""
        scored = self._context.groups[i]
        return self._tokens(scored) - self._least(scored)

    def _tokens(self, scored: ScoredGroup) -> int:
        """Return the exact tokens of a group that stands whole."""
        if self._context.leaves_noise_out(scored):
            return self._builder.without_noise(scored)[1]
        return scored.profile.tokens

    def _is_greedy(self, scored: ScoredGroup) -> bool:
        if self._tokens(scored) <= _GREEDY_SHARE * self._goal:
            return False
        # pages are as large as they may be, and asked for because less did not do
        return scored.group.is_exchange and not is_paging(scored.group.messages)

    def _least(self, scored: ScoredGroup) -> int:
        """Return the exact tokens of the shortest form of a group in its place."""
        return min(scored.profile.compact_tokens, self._builder.placeholder_tokens(scored))

    def _too_small(self, least: Mapping[int, int]) -> BudgetTooSmallError:
        groups = self._context.groups
        parts = sorted(least.items(), key=lambda item: (-item[1], item[0]))
        what = [f"{_name(groups[i])} ({tokens} tokens)" for i, tokens in parts]
        what.append(f"tools and reply priming ({self._overhead} tokens)")
        if self._allowed.reserve:
            what.append(f"the reserve ({self._allowed.reserve} tokens)")
        needed = sum(least.values()) + self._overhead + self._allowed.reserve
        return BudgetTooSmallError(self._allowed.limit, needed, what)


def _grown(allocation: Allocation, own: Set[int], max_tokens: int) -> int:
    """Make the best moves of some groups; return the tokens that took."""
    before = sum(allocation.choices[i].cost for i in own)
    allocation.grow(max_tokens, own)
    return sum(allocation.choices[i].cost for i in own) - before


def _name(scored: ScoredGroup) -> str:
    text = next((passage.text() for passage in scored.profile.passages), "")
    assert scored.pinned is not None
    return f"{scored.pinned.value} of {label_of(scored.group)} {clip(text, 30)!r}"
