"""Questions and answers in one view: both in their place, or neither, or a mark."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from autogen_ext_tokenctx.context.dialogue import answers_to_pinned, judged_together
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.selection.knapsack import Choice
from autogen_ext_tokenctx.selection.prioritizer import GroupPrioritizer

SAID = (
    "Look after the pumps.",
    "I do.",
    "Is gauge 7 fine?",
    "It is fine.",
    "And gauge 8?",
    "It leaks.",
    "Thanks. Now?",
)


def judged(
    forms: Mapping[int, Form], marks: int = 5, corrected: tuple[tuple[int, int], ...] = (), pin: str = "-"
) -> dict[int, Form]:
    """The forms of a chat after they were judged; what is not named stands in full."""
    messages: list[LLMMessage] = [
        AssistantMessage(content=text, source="coder") if n % 2 else UserMessage(content=text, source="user")
        for n, text in enumerate(SAID)
    ]
    prioritizer = GroupPrioritizer(pin=lambda message: pin in str(message.content))
    context = prioritizer.prioritize(split(messages))
    choices = {i: Choice(scored, forms.get(i, Form.FULL)) for i, scored in context.groups.items()}
    assert answers_to_pinned(context) == (1 if pin == "-" else 2)  # the one to the first task
    found = judged_together(context, choices, corrected, marks=marks)
    return {i: choice.form for i, choice in found.items() if choice.form is not Form.FULL}


@pytest.mark.parametrize(
    ("forms", "after"),
    [
        ({}, {}),
        ({3: Form.EVICTED}, {2: Form.DIGEST, 3: Form.EVICTED}),  # a question alone goes to the block
        ({2: Form.EVICTED}, {2: Form.EVICTED, 3: Form.DIGEST}),  # so does an answer
        ({2: Form.EVICTED, 3: Form.EVICTED}, {2: Form.EVICTED, 3: Form.EVICTED}),
        ({1: Form.EVICTED}, {1: Form.PLACEHOLDER}),  # the first task must stay: a mark for its answer
        (
            {2: Form.DIGEST, 3: Form.DIGEST, 5: Form.EVICTED},
            {2: Form.DIGEST, 3: Form.DIGEST, 4: Form.DIGEST, 5: Form.EVICTED},
        ),
    ],
)
def test_judged(forms: dict[int, Form], after: dict[int, Form]) -> None:
    assert judged(forms) == after


def test_without_tokens_for_marks_there_are_none() -> None:
    assert judged({1: Form.EVICTED}, marks=0) == {1: Form.EVICTED}


def test_of_few_marks_the_newest_questions_have_them() -> None:
    forms = {1: Form.EVICTED, 3: Form.EVICTED}
    assert judged(forms, marks=1, pin="gauge 7") == {1: Form.EVICTED, 3: Form.PLACEHOLDER}
    assert judged(forms, marks=2, pin="gauge 7") == {1: Form.PLACEHOLDER, 3: Form.PLACEHOLDER}


def test_what_is_corrected_in_the_block_goes_there_too() -> None:
    assert judged({4: Form.DIGEST, 5: Form.DIGEST}, corrected=((2, 4),)) == dict.fromkeys((2, 3, 4, 5), Form.DIGEST)
    assert judged({2: Form.DIGEST, 3: Form.DIGEST}, corrected=((2, 4),)) == {2: Form.DIGEST, 3: Form.DIGEST}
