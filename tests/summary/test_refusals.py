"""Answers in the right headings that are no summary: refusals, and forms that nobody filled in."""

from __future__ import annotations

import pytest

from autogen_ext_tokenctx.summary.answers import UnusableAnswerError
from autogen_ext_tokenctx.summary.text import HEADINGS
from autogen_ext_tokenctx.summary.validation import read

SOURCE = (
    "user: Order W2378156 is paid. I can't share the door code with the courier. Tick [to be confirmed] in the form.\n"
    "agent: I'm sorry, I am late; I cannot open /srv/data/orders.csv, the disk is full."
)
FACT = "- Order W2378156 is paid."


def under_each(line: str) -> str:
    return "\n".join(f"## {heading}\n{line}" for heading in HEADINGS)


def problems(answer: str) -> list[str]:
    try:
        assert read(answer, SOURCE, 300, lambda text: len(text) // 4)
    except UnusableAnswerError as error:
        return error.problems
    return []


REFUSALS = [
    under_each("- I'm sorry, but I can't help with that."),
    under_each("- I cannot summarize this conversation."),
    f"## Goal and standing rules\n- As an AI language model, I am not able to look at it.\n## Facts\n{FACT}",
    "## Facts\n- Unfortunately, I cannot do this.",
    "## Facts\n* I am unable to provide a summary of private data.",
    "## State and next step\n- Unable to comply.",
    "## Facts\n- Es tut mir leid, dabei kann ich nicht helfen.",
    "## Facts\n- Lo siento, no es posible.",
    "## Facts\n- 抱歉，我无法总结这段对话。",
    under_each("- Nothing that may be told"),
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_in_the_right_headings_is_not_accepted(answer: str) -> None:
    assert problems(answer)


FORMS = [
    "## Facts\n- [facts]",
    under_each("- [...]"),
    f"## Goal and standing rules\n- [the goal]\n## Facts\n{FACT}",
    "## Facts\n- <facts>",
    "## Decisions and why\n- {decision}\n- {reason}",
    "## Open questions\n- ...",
    "## Open questions\n…",
    f"## Facts\n{FACT}\n## State and next step\n1. next\n- [next step].",
]


@pytest.mark.parametrize("answer", FORMS)
def test_a_form_that_was_not_filled_in_is_not_accepted(answer: str) -> None:
    assert problems(answer)


@pytest.mark.parametrize(
    "line",
    [
        FACT,
        "- The user can't share the door code.",
        "- I cannot open /srv/data/orders.csv, the disk is full",
        "- [to be confirmed]",
        "- [x] the order is paid",
        "- I'm sorry, I am late",
        "- I will not deploy on Fridays.",
    ],
)
def test_what_was_said_is_a_summary_whatever_it_sounds_like(line: str) -> None:
    assert not problems(f"## Facts\n{line}")


def test_the_model_is_told_what_is_wrong() -> None:
    assert "[facts]" in problems("## Facts\n- [facts]")[0]
    assert "refuses" in problems(REFUSALS[1])[0]
