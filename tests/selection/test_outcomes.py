"""What came of the calls of a history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.selection.outcomes import OUTCOME_WEIGHTS, Outcome, is_failure, outcomes

DONE, FAILED, OVERTAKEN = Outcome.DONE, Outcome.FAILED, Outcome.OVERTAKEN


class Run(NamedTuple):
    """A call of a tool, and whether it failed."""

    tool: str
    failed: bool


OK, NOT_OK = Run("build", False), Run("build", True)
OTHER_OK, OTHER_NOT_OK = Run("deploy", False), Run("deploy", True)


def exchange(*runs: Run) -> list[LLMMessage]:
    calls = [FunctionCall(f"c{number}", "{}", run.tool) for number, run in enumerate(runs)]
    results = [
        FunctionExecutionResult(content="It ran.", name=run.tool, call_id=call.id, is_error=run.failed)
        for run, call in zip(runs, calls, strict=True)
    ]
    return [
        AssistantMessage(content=calls, source="coder"),
        FunctionExecutionResultMessage(content=results),
    ]


def came_of(history: Sequence[LLMMessage]) -> list[Outcome]:
    return list(outcomes(split(history)).values())


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([[OK]], [DONE]),
        ([[NOT_OK]], [FAILED]),
        ([[NOT_OK], [OK]], [OVERTAKEN, DONE]),
        ([[OK], [NOT_OK]], [DONE, FAILED]),
        ([[NOT_OK], [NOT_OK], [OK]], [OVERTAKEN, OVERTAKEN, DONE]),
        ([[NOT_OK], [OK], [NOT_OK]], [OVERTAKEN, DONE, FAILED]),
        ([[NOT_OK], [OTHER_OK]], [FAILED, DONE]),
        ([[NOT_OK, OTHER_NOT_OK], [OK]], [FAILED, DONE]),
        ([[NOT_OK, OTHER_NOT_OK], [OK], [OTHER_OK]], [OVERTAKEN, DONE, DONE]),
        ([[NOT_OK, OTHER_OK], [OK]], [OVERTAKEN, DONE]),
        ([[NOT_OK], [OTHER_NOT_OK, OK]], [OVERTAKEN, FAILED]),
        ([[NOT_OK, OK]], [OVERTAKEN]),  # called twice at once, it worked the second time
    ],
    ids=str,
)
def test_a_failure_stands_until_each_tool_that_failed_works(
    runs: Sequence[Sequence[Run]], expected: Sequence[Outcome]
) -> None:
    assert came_of([message for run in runs for message in exchange(*run)]) == expected


def test_talk_between_calls_has_no_outcome_and_changes_none() -> None:
    said = UserMessage(content="Error: try again.", source="user")
    history = [said, *exchange(NOT_OK), said, *exchange(OTHER_OK), said, *exchange(OK), said]
    assert outcomes(split(history)) == {1: OVERTAKEN, 3: DONE, 5: DONE}
    assert list(outcomes(split(history))) == [1, 3, 5]
    assert outcomes(split([said])) == {}


@pytest.mark.parametrize(
    ("text", "flag", "expected"),
    [
        ("It ran.", True, True),
        ("It ran.", False, False),
        ("It ran.", None, False),
        ("Error: no table", False, True),
        ("  error: no table", None, True),
        ("[ERROR] no table", False, True),
        ("Traceback (most recent call last):", False, True),
        ("ValueError: no table", False, True),
        ('{"error": "no table"}', False, True),
        ("{'error': 'no table'}", False, True),
        ("Could not read it", False, True),
        ("Permission was not denied", False, False),
        ("errors: 0", False, False),
        ("The log has no error.", False, False),
        ("3 rows\nError: none", False, False),
        ("", False, False),
    ],
)
def test_a_failure_is_flagged_or_begins_as_one(text: str, flag: bool | None, expected: bool) -> None:
    assert is_failure(FunctionExecutionResult(content=text, name="look", call_id="c1", is_error=flag)) is expected


def test_an_open_failure_weighs_most_and_one_that_was_mended_least() -> None:
    assert OUTCOME_WEIGHTS[FAILED] > OUTCOME_WEIGHTS[DONE] > OUTCOME_WEIGHTS[OVERTAKEN] > 0.0


@pytest.mark.parametrize(
    "text",
    [
        "java.lang.NullPointerException: no table",
        "sqlite3.OperationalError: no such table: orders",
        "openai.BadRequestError: Error code: 400",
        "requests.exceptions.HTTPError: 404 Client Error",
    ],
)
def test_the_exception_of_a_package_is_a_failure_too(text: str) -> None:
    assert is_failure(FunctionExecutionResult(content=text, name="look", call_id="c1", is_error=False))
