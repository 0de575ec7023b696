"""What the report of one fit says."""

from __future__ import annotations

import pytest
from autogen_core.models import AssistantMessage, UserMessage

from autogen_ext_tokenctx import ContextManager, Form, Level

from ..support.histories import conversation, exchange

HISTORY = [*conversation(20), UserMessage(content="And now?", source="user")]


@pytest.mark.parametrize(
    ("share", "level"), [(1.1, Level.NONE), (0.8, Level.LIGHT), (0.6, Level.LIGHT), (0.3, Level.STRONG)]
)
async def test_half_of_the_tokens_divides_light_from_strong(share: float, level: Level) -> None:
    manager = ContextManager()
    report = (await manager.fit(HISTORY, int(share * manager.counter.count_request(HISTORY)))).report
    assert report.level is level
    assert report.compacted == (level is not Level.NONE)
    if level is not Level.NONE:
        assert (2 * report.tokens_after > report.tokens_before) == (level is Level.LIGHT)


async def test_a_repair_alone_is_no_compaction_and_beside_one_it_does_not_hide_it() -> None:
    broken = [*HISTORY[:-1], exchange(900)[0], AssistantMessage(content="Hm.", source="coder"), HISTORY[-1]]
    repaired = (await ContextManager().fit(broken, 10**6)).report
    assert [step.form for step in repaired.steps] == [Form.REPAIRED]
    assert not repaired.compacted
    both = (await ContextManager().fit(broken, 1_500)).report
    assert both.compacted


async def test_what_must_be_there_is_whole_while_there_are_tokens_for_it() -> None:
    for budget in (700, 1_000, 2_000):
        result = await ContextManager().fit(HISTORY, budget)
        assert result.messages[0] is HISTORY[0]
        assert result.messages[-1] is HISTORY[-1]
