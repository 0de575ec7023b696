"""What one fit did: totals, shares, and what comes to a view later."""

from __future__ import annotations

import pytest
from autogen_core.models import UserMessage
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.report import MAX_ROWS, UNWEIGHED, FitReport, FitResult
from autogen_ext_tokenctx.forms.form import FitStep, Form, Level
from autogen_ext_tokenctx.messages.instructions import InstructionKind
from autogen_ext_tokenctx.selection.instructions import StandingInstruction

STEP = FitStep(3, "user message", Form.DIGEST, 90, 20, "relevance 0.10", "c0ffee00")
REPORT = FitReport(
    budget=1_000,
    tokens_before=2_000,
    tokens_after=800,
    level=Level.STRONG,
    steps=(STEP,),
    relevance=0.7,
    quality=0.6,
    seconds=0.5,
    groups=9,
    cached_tokens=200,
    reserve=100,
    categories={"general_context": (2_000, 800)},
    compacted=True,
)
TOKENS = st.integers(-500, 5_000)
ADDED = st.lists(st.tuples(TOKENS, st.integers(-1, 3)), max_size=6)


def shown(report: FitReport) -> str:
    """What a notebook shows."""
    return report._repr_html_()  # pyright: ignore[reportPrivateUsage]


@given(ADDED)
def test_what_comes_to_a_view_adds_up_and_is_in_it_as_it_is(added: list[tuple[int, int]]) -> None:
    report = REPORT
    for tokens, groups in added:
        report = report.with_unweighed(tokens, groups)
    more = sum(tokens for tokens, _ in added)
    assert report.tokens_before == REPORT.tokens_before + more
    assert report.tokens_after == REPORT.tokens_after + more
    assert report.tokens_saved == REPORT.tokens_saved
    assert report.groups == REPORT.groups + sum(groups for _, groups in added)
    assert report.categories.get(UNWEIGHED, (0, 0)) == (more, more)
    assert report.categories["general_context"] == REPORT.categories["general_context"]
    assert (report.steps, report.level, report.budget) == (REPORT.steps, REPORT.level, REPORT.budget)


@given(TOKENS.filter(bool))
def test_categories_add_up_to_the_totals(tokens: int) -> None:
    report = REPORT.with_unweighed(tokens)
    before, after = (sum(totals) for totals in zip(*report.categories.values(), strict=True))
    assert (before, after) == (report.tokens_before, report.tokens_after)
    assert UNWEIGHED not in REPORT.categories


def test_what_is_taken_away_again_leaves_the_same_totals() -> None:
    report = REPORT.with_unweighed(70, 1).with_unweighed(-70, -1)
    assert (report.tokens_before, report.tokens_after, report.groups) == (2_000, 800, 9)
    assert report.categories[UNWEIGHED] == (0, 0)


def test_a_call_that_goes_on_fits_nothing_and_keeps_what_was_done() -> None:
    report = REPORT.going_on()
    assert (report.compacted, report.seconds) == (False, 0.0)
    assert (report.level, report.steps, report.tokens_after) == (Level.STRONG, (STEP,), 800)
    assert REPORT.compacted


def test_shares_are_of_what_they_say() -> None:
    assert REPORT.compression_ratio == 0.4
    assert REPORT.utilization == 0.8
    assert REPORT.prefix_reuse == 0.25
    assert REPORT.tokens_saved == 1_200


def test_an_empty_request_has_shares_too() -> None:
    empty = FitReport(budget=100, tokens_before=0, tokens_after=0)
    assert (empty.compression_ratio, empty.utilization, empty.prefix_reuse) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("more", [0, 1, 25])
def test_a_table_of_many_steps_says_how_many_it_leaves_out(more: int) -> None:
    report = FitReport(budget=100, tokens_before=90, tokens_after=90, steps=(STEP,) * (MAX_ROWS + more))
    assert shown(report).count("c0ffee00") == MAX_ROWS
    assert (f"{more} more" in shown(report)) == (more > 0)


def test_what_is_shown_has_the_totals_the_categories_and_the_instructions() -> None:
    plain = FitReport(budget=100, tokens_before=90, tokens_after=90)
    assert "general_context" in shown(REPORT)
    assert "general_context" not in shown(plain)
    rule = StandingInstruction(3, "ann", "Never deploy on Fridays.", InstructionKind.OTHER, 0.9, 6)
    held = FitReport(budget=100, tokens_before=90, tokens_after=90, instructions=(rule,), cache_break="a new head")
    assert "Never deploy on Fridays." in shown(held)
    assert "a new head" in shown(held)


def test_a_result_keeps_the_messages_it_was_given() -> None:
    message = UserMessage(content="Hello", source="ann")
    assert FitResult([message], REPORT).messages[0] is message
