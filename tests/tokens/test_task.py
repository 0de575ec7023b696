"""A task in words, and what makes it ask for much."""

from __future__ import annotations

import pytest

from autogen_ext_tokenctx.tokens.task import (
    TaskComplexity,
    TaskDefinition,
    complexity_of,
    estimate_complexity,
    task_text,
)

ORDER = list(TaskComplexity)
PLAIN = "The report has a chapter on pumps."


def level(description: str, *requirements: str) -> int:
    """How much a task asks for, from 0."""
    return ORDER.index(estimate_complexity(TaskDefinition(description=description, requirements=requirements)))


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (PLAIN, "The report has chapters:\n- pumps\n- valves\n- motors"),
        (PLAIN, "The report has chapters:\n1. pumps\n2) valves\n[ ] motors"),
        ("Test it.", "Design it, migrate it, test it and document it."),
        ("The report has a chapter on pumps.", "The distributed system has a report on pumps in production."),
        ("See a.py and b.py.", "See a.py, b.py, c.py, d.py, e.py, f.py, g_h and `i`."),
        (PLAIN, " ".join([PLAIN] * 40)),
    ],
    ids=["list", "numbered list", "kinds of work", "reach", "things", "length"],
)
def test_each_sign_makes_a_task_ask_for_more(less: str, more: str) -> None:
    assert level(less) < level(more)


@pytest.mark.parametrize(
    ("once", "again"),
    [
        ("Test it.", "Test it, and test it, test it, testing all of it once more."),
        ("See a.py.", "See a.py; a.py says it, a.py and a.py, a.py too, a.py, a.py, a.py."),
        ("The system is old.", "The system is old, a system of that age is no system, SYSTEM or system."),
    ],
    ids=["kind of work", "thing", "reach"],
)
def test_the_same_sign_again_changes_nothing(once: str, again: str) -> None:
    assert level(once) == level(again)


def test_one_kind_of_work_is_what_every_task_names() -> None:
    assert level("Test it.", "One a") == level("Meet it.", "One a") == 0
    assert level("Test it and document it.", "One a") > 0


@pytest.mark.parametrize("kind", ["kinds of work", "reach", "things", "length"])
def test_no_sign_alone_makes_a_task_ask_for_the_most(kind: str) -> None:
    many = {
        "kinds of work": "Add, audit, build, compare, debug, deploy, design, test, train, write, review and port it.",
        "reach": "A distributed, concurrent, scalable platform, framework and pipeline across the whole world.",
        "things": " ".join(f"file_{n}.py" for n in range(50)),
        "length": " ".join([PLAIN] * 500),
    }
    assert level(many[kind]) == 1


def test_many_demands_alone_do() -> None:
    assert level("Meet them.", *(f"Demand {word}" for word in ("a", "b", "c", "d", "e", "f"))) == 2


def test_demands_count_up_to_a_limit() -> None:
    """What makes a task small still counts beside a long list."""
    many = [f"Demand {word}" for word in "abcdefghijklmnop"]
    assert level("Just meet them.", *many) < level("Meet them.", *many)


@pytest.mark.parametrize("word", ["Just", "Simply", "Quickly"])
def test_a_word_for_something_small_counts_in_the_description_alone(word: str) -> None:
    demands = ["One a", "Two b"]
    assert level("Meet them.", *demands) == 1
    assert level(f"{word} meet them.", *demands) == 0
    assert level("Meet them.", *demands, f"{word} say so") == 1


@pytest.mark.parametrize("complexity", TaskComplexity)
def test_a_task_that_says_how_much_it_asks_for_is_believed(complexity: TaskComplexity) -> None:
    for description in ("Fix the typo.", "Design, migrate, test and document every distributed system end-to-end."):
        assert estimate_complexity(TaskDefinition(description=description, complexity=complexity)) is complexity


@pytest.mark.parametrize("name", ["low", "medium", "high"])
def test_a_complexity_goes_by_its_name(name: str) -> None:
    found = complexity_of(TaskComplexity(name))
    assert isinstance(found, TaskComplexity)
    assert found.value == name


def test_a_complexity_of_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'auto'.*got 'huge'"):
        complexity_of("huge")  # pyright: ignore[reportArgumentType]


def test_a_task_in_words_has_all_its_requirements() -> None:
    task = TaskDefinition(description="Find the bug", requirements=("Keep the API", "Be quick"))
    assert task_text(task) == task.text() == "Find the bug\nKeep the API\nBe quick"
    assert task_text("Find it") == "Find it"
    assert task_text(None) == ""
