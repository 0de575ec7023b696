"""Weights of categories decide what of equals stays: sections of a project, and kinds of messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import permutations

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx import ContextManager, ContextPrioritizer, FitResult
from autogen_ext_tokenctx.messages.sections import SectionText
from autogen_ext_tokenctx.selection.prioritizer import DEFAULT_WEIGHTS, Category
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import conversation, prose

TASK = UserMessage(content="Build what the notes describe.", source="user")
TYPES = ("requirements", "design", "memory_patterns")
OF_TYPE = (Category.CURRENT_TASK_REQUIREMENTS, Category.PROJECT_STRUCTURE, Category.MEMORY_PATTERNS)


def section(kind: str, seed: int, words: int = 3_600) -> SystemMessage:
    text = "\n".join(prose(100 * seed + line, 12) for line in range(words // 12))
    return SectionText(kind, kind, text).message()


def fitted(history: list[LLMMessage], budget: int, weights: Mapping[Category, float] | None = None) -> FitResult:
    manager = ContextManager(counter=EstimatedTokenCounter(), prioritizer=ContextPrioritizer(weights=weights))
    return asyncio.run(manager.fit(history, budget))


def kept(result: FitResult, category: Category) -> int:
    return result.report.categories.get(category.value, (0, 0))[1]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_of_sections_that_do_not_all_fit_the_heavier_keeps_more(order: tuple[int, ...]) -> None:
    sections = [section(kind, seed) for seed, kind in enumerate(TYPES)]
    result = fitted([TASK, *(sections[i] for i in order)], 4_000)
    requirements, design, memory = (kept(result, category) for category in OF_TYPE)
    assert requirements > design > memory > 0
    assert result.report.tokens_after <= 4_000


def test_sections_answer_the_task_like_anything_else() -> None:
    sections = [section(kind, seed) for seed, kind in enumerate(TYPES)]
    sections[2].content += "\nThe heron pump of hall nine is primed with glycol before it starts."
    asks = UserMessage(content="With what is the heron pump of hall nine primed?", source="user")
    said = "\n".join(str(message.content) for message in fitted([TASK, *sections, asks], 3_000).messages)
    assert "primed with glycol" in said


def test_sections_that_take_little_stand_whole() -> None:
    sections = [section(kind, seed, 48) for seed, kind in enumerate(TYPES)]
    result = fitted([TASK, *sections, *conversation(40)], 1_500)
    assert all(message in result.messages for message in sections)


def test_sections_do_not_crowd_out_what_was_said() -> None:
    sections = [section(kind, seed, 1_200) for seed, kind in enumerate(TYPES)]
    result = fitted([TASK, *sections, *conversation(40)], 6_000)
    of_sections = sum(kept(result, category) for category in OF_TYPE)
    assert kept(result, Category.RELATED_TASK_HISTORY) > 0.25 * of_sections


@given(
    seed=st.integers(0, 10_000),
    which=st.sampled_from(range(3)),
    more=st.floats(1.1, 4.0),
    budget=st.integers(800, 6_000),
)
def test_a_higher_weight_never_lowers_what_is_kept(seed: int, which: int, more: float, budget: int) -> None:
    sections = [section(kind, seed + number, 1_200) for number, kind in enumerate(TYPES)]
    history = [TASK, *sections, *conversation(10)]
    category = OF_TYPE[which]
    before = fitted(history, budget)
    after = fitted(history, budget, {category: DEFAULT_WEIGHTS[category] * more})
    one_line = max(len(line) for line in str(sections[which].content).split("\n")) // 3
    assert kept(after, category) >= kept(before, category) - one_line


def run(number: int, name: str, text: str, is_error: bool) -> list[LLMMessage]:
    result = FunctionExecutionResult(content=text, name=name, call_id=f"call_{number}", is_error=is_error)
    call = FunctionCall(id=f"call_{number}", name=name, arguments=f'{{"number": {number}}}')
    return [AssistantMessage(content=[call], source="coder"), FunctionExecutionResultMessage(content=[result])]


@pytest.mark.parametrize("is_flagged", [True, False])
def test_an_open_failure_keeps_more_than_one_that_was_mended(is_flagged: bool) -> None:
    """Two failures alike: of the first's tool a later call worked, of the second's none did."""

    def failure(seed: int) -> str:
        return "Error: " + "\n".join(prose(100 * seed + line, 12) for line in range(30))

    history = [TASK, *run(1, "build", failure(1), is_flagged), *run(2, "deploy", failure(2), is_flagged)]
    history += [*run(3, "build", "built", False), *conversation(10)]
    steps = {step.group: step for step in fitted(history, 1_200).report.steps}
    assert steps[2].tokens_after > steps[1].tokens_after
    assert "failed, done later" in steps[1].why
    assert steps[2].why.endswith("failed")
