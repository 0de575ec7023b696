"""What makes a group matter, as the report tells it."""

from __future__ import annotations

import logging

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx import ContextManager, ContextPrioritizer
from autogen_ext_tokenctx.messages.groups import MessageGroup, split
from autogen_ext_tokenctx.selection.utility import Utility


def said(text: str, source: str = "user") -> LLMMessage:
    return UserMessage(content=text, source=source)


def exchange(key: str, name: str, arguments: str, result: str) -> list[LLMMessage]:
    return [
        AssistantMessage(content=[FunctionCall(id=key, name=name, arguments=arguments)], source="coder"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content=result, name=name, call_id=key, is_error=False)]
        ),
    ]


def test_a_scorer_of_the_users_adds_to_the_relevance_and_is_explained() -> None:
    groups = split([said("Task."), *(said(f"Note {n} on birds and trees.", "ann") for n in range(9)), said("Go on.")])
    plain = ContextPrioritizer().prioritize(groups).groups[4]
    lifted = ContextPrioritizer(scorers={"fourth": lambda group: 0.5 * (group.index == 4)}).prioritize(groups)
    assert lifted.groups[4].relevance == pytest.approx(min(1.0, plain.relevance + 0.5))
    assert "fourth +0.50" in lifted.groups[4].why()
    assert "fourth" not in lifted.groups[5].why()


def test_a_scorer_that_raises_is_left_out_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    def broken(group: MessageGroup) -> float:
        raise ZeroDivisionError

    prioritizer = ContextPrioritizer(scorers={"mine": broken})
    groups = split([said("Task."), said("More.", "ann"), said("Go on.")])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert len(prioritizer.prioritize(groups).groups) == 3
    assert [record.getMessage() for record in caplog.records if "mine" in record.getMessage()] == [
        "scorer 'mine' raised ZeroDivisionError() and is left out from here on"
    ]


async def test_of_a_value_that_changed_the_later_one_is_there() -> None:
    rows = [f"setting_{n} = {n * 37}" for n in range(60)]
    before = "\n".join([*rows, "region = eu-west-1"])
    after = "\n".join([*rows, "region = us-east-9"])
    filler = [said(f"Thoughts {n} on the weather in town and on the way home by bus. " * 6, "ann") for n in range(40)]
    history = [
        said("Keep the region of the deployment in mind."),
        *exchange("a", "read_settings", "{}", before),
        *filler[:20],
        *exchange("b", "read_settings", "{}", after),
        *filler[20:],
        said("Which region is it?"),
    ]
    had: list[tuple[bool, bool]] = []
    manager = ContextManager()
    for budget in range(79, 400, 9):
        view = str((await manager.for_agent().fit(history, budget)).messages)
        had.append(("us-east-9" in view, "eu-west-1" in view))
    assert (False, True) not in had


@pytest.mark.parametrize(
    "rule",
    [
        "Never deploy on Fridays.",
        "From now on answer in French.",
        "Always ask Ann before you delete anything.",
        "The budget is 4,000 euros; stay below it.",
        "Please do not touch the folder legacy.",
    ],
)
async def test_a_standing_instruction_stays_though_nobody_asks_for_it(rule: str) -> None:
    filler = [said(f"Report {n}: {' '.join(f'part{n * 7 + k} works' for k in range(40))}.", "coder") for n in range(60)]
    history = [said("Build the shop."), *filler[:10], said(rule), *filler[10:], said("What about part99?")]
    result = await ContextManager().fit(history, 2_500)
    assert rule in str(result.messages)


async def test_a_task_may_have_words_that_a_short_history_lacks() -> None:
    history = [said("many words about trucks " * 900)]
    result = await ContextManager().fit(history, 700, task="A step nobody spoke of")
    assert result.report.tokens_after <= 700


async def test_a_name_in_code_that_a_person_asks_for_leads_to_its_lines() -> None:
    """Two results of a search over sources: the class line alone does not answer."""
    names = ("Lock", "Event", "Condition", "Barrier", "Queue", "Runner", "Timeout", "Server")
    classes = [f"{name.lower()}s.py:{n}: class {name}{n}(Base):" for n in range(30) for name in names]
    raises = [f"events.py:{n}: raise NotImplementedError" for n in range(300)]
    raises[120] = "locks.py:464: raise ValueError('BoundedSemaphore released too many times')"
    classes[77] = "locks.py:451: class BoundedSemaphore(Semaphore):"
    history = [
        said("Find in the sources:\n- the limit of streams\n- BoundedSemaphore release error\n- the delay of retries"),
        *exchange("c1", "search_files", '{"pattern": "class "}', "\n".join(classes)),
        *exchange("c2", "search_files", '{"pattern": "raise "}', "\n".join(raises)),
    ]
    for budget in (600, 900, 1_500):
        result = await ContextManager().fit(history, budget)
        assert "BoundedSemaphore released too many times" in str(result.messages[-1].content)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("BoundedSemaphore release error", {"boundedsemaphor"}),
        ("what does getValue of HTTPServer return?", {"getvalu", "httpserver"}),
        ("Which APIs did Ann name at the Lake District?", set[str]()),
        ("run_coroutine_threadsafe parameters", set[str]()),
    ],
)
def test_names_in_code_that_are_asked_for(asked: str, named: set[str]) -> None:
    groups = split([said("Read the sources."), said("Ready.", "ann"), said(asked)])
    assert ContextPrioritizer().prioritize(groups).code_names == named


def test_a_line_with_a_name_in_code_that_is_asked_for_is_worth_more() -> None:
    def gain(asked: str) -> float:
        found = exchange("c1", "search", "{}", "raise ValueError('BoundedSemaphore released too many times')\nraise")
        context = ContextPrioritizer().prioritize(split([said("Hello."), *found, said(asked)]))
        utility = Utility(context)
        return max(utility.gain(line) for line in utility.lines(context.groups[1]))

    assert gain("Which error is it of BoundedSemaphore?") > 1.2 * gain("Which error is it of boundedsemaphore?")
