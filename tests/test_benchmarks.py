"""The benchmark of whole sessions, on a tiny one."""

from __future__ import annotations

import pytest
from autogen_core.models import FunctionExecutionResultMessage

from autogen_ext_tokenctx import TiktokenCounter
from tests.benchmarks.cases.case import conversation
from tests.benchmarks.cases.failing_runs import failing_runs
from tests.benchmarks.cases.sources import source_cases
from tests.benchmarks.code_and_logs import score
from tests.benchmarks.contexts import CONTEXTS, MODEL, NEWEST, OURS
from tests.benchmarks.replay import is_paired, measures, replay
from tests.benchmarks.sessions import replay_all, table
from tests.benchmarks.talk import make_session

_BUDGET = 1_500


def test_a_session_is_the_same_each_time_and_as_asked_for():
    session = make_session(30, calls=13, seed=5)
    assert session == make_session(30, calls=13, seed=5)
    assert len(session.messages) == 30
    assert len(session.calls) == 13
    assert is_paired(session.messages)


def test_what_is_asked_for_was_said_before_and_is_not_in_the_question():
    session = make_session(140)
    assert session.asked
    for number, asked in session.asked.items():
        assert asked not in str(session.messages[number - 1].content)
        assert any(asked in str(message.content) for message in session.messages[: number - 1])


def test_a_session_needs_two_messages_a_call():
    with pytest.raises(ValueError, match="do not go with"):
        make_session(10, calls=6)


def test_a_result_without_its_call_is_no_pair():
    messages = make_session(30).messages
    results = [message for message in messages if isinstance(message, FunctionExecutionResultMessage)]
    assert not is_paired(results[:1])


async def test_ours_keeps_what_it_guarantees_and_unbounded_keeps_everything():
    names = (OURS, "AutoGen Unbounded")
    rows = await replay_all({name: CONTEXTS[name] for name in names}, [make_session(30)], _BUDGET)
    ours, unbounded = rows
    assert ours["over_budget"] == ours["broken_pairs"] == 0
    assert ours["task_kept"] == 1.0
    assert unbounded["over_budget"] > 0
    assert unbounded["facts_kept"] == 1.0
    assert unbounded["dollars"] > ours["dollars"] >= ours["dollars_cached"]
    for row in rows:
        assert 0.0 <= row["prefix_cached"] <= row["prefix_shared"] <= 1.0
        assert 0.0 <= row["facts_kept"] <= 1.0
    assert table(rows, {"context": "context", "facts_kept": "facts"}).count("\n") == 3


async def test_the_floor_keeps_the_budget():
    calls, adding = await replay(make_session(30), CONTEXTS[NEWEST](_BUDGET), TiktokenCounter(MODEL), _BUDGET)
    found = measures(calls, adding)
    assert found.over_budget == found.broken_pairs == 0
    assert found.mean_tokens <= _BUDGET


def test_what_is_asked_of_files_and_runs_is_in_them():
    cases = [*source_cases(8), *failing_runs(["traceback", "unittest"])]
    assert {case.kind for case in cases} == {"signature", "docstring", "constant", "use", "traceback", "unittest"}
    for number, case in enumerate(cases):
        assert score(case, conversation(case, number)[:-1]) == 1.0
