"""What a context saves beside its messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autogen_ext_tokenctx import TokenBudgetChatCompletionContext

from ..support.histories import conversation

BUDGET = 1_000


async def compacted() -> TokenBudgetChatCompletionContext:
    context = TokenBudgetChatCompletionContext(budget=BUDGET, initial_messages=conversation(12))
    await context.get_messages()
    return context


def as_before_0_2(state: Any) -> Any:
    """The state with the names that earlier versions saved."""
    extra = state["autogen_ext_tokenctx"]
    del extra["version"]
    report = extra["fold"]["report"]
    report["units"] = report.pop("groups")
    for step in report["steps"]:
        step["unit"] = step.pop("group")
        step["form"] = {"placeholder": "stub", "evicted": "gone"}.get(step["form"], step["form"])
    return state


@pytest.mark.parametrize("is_old", [False, True])
async def test_a_context_goes_on_with_the_view_that_was_saved(is_old: bool) -> None:
    context = await compacted()
    state = json.loads(json.dumps(await context.save_state()))
    restored = TokenBudgetChatCompletionContext(budget=BUDGET)
    await restored.load_state(as_before_0_2(state) if is_old else state)
    assert await restored.get_messages() == await context.get_messages()
    report, saved = restored.last_report, context.last_report
    assert report is not None
    assert saved is not None
    assert report.steps == saved.steps
    assert not report.compacted


async def test_a_state_of_a_later_version_gives_the_messages_alone() -> None:
    context = await compacted()
    state = json.loads(json.dumps(await context.save_state()))
    state["autogen_ext_tokenctx"]["version"] = 99
    restored = TokenBudgetChatCompletionContext(budget=BUDGET)
    with pytest.warns(RuntimeWarning, match="only the messages"):
        await restored.load_state(state)
    await restored.get_messages()
    assert restored.last_report is not None
    assert restored.last_report.compacted
