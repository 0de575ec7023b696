"""The benchmarks on generated histories, on tiny ones, and what their measures mean."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import ModuleType

import pytest
from autogen_core.models import FunctionExecutionResultMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx import TiktokenCounter
from tests.benchmarks import canaries, planted, planting, shapes, shaping
from tests.benchmarks.cases.case import conversation
from tests.benchmarks.cases.failing_runs import failing_runs
from tests.benchmarks.cases.sources import source_cases
from tests.benchmarks.code_and_logs import score
from tests.benchmarks.contexts import CONTEXTS, MODEL, NEWEST, OURS
from tests.benchmarks.harness import interval, room
from tests.benchmarks.replay import is_paired, measures, replay
from tests.benchmarks.retention import from_rows, to_rows
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


_TINY = planting.generated(1, messages=40)
_TYPES = (*planted.TYPES, *canaries.TYPES)


@pytest.mark.parametrize("seed", range(5))
def test_planted_facts_are_new_and_all_readable_in_the_whole_history_and_none_in_no_view(seed: int):
    (talk,) = _TINY
    draw = random.Random(seed)
    facts = planting.plants(_TYPES, draw, talk.rows)
    assert [fact.type for fact in facts] == list(_TYPES)
    before, after = from_rows(talk.rows), from_rows(planting.put(talk.rows, facts, draw, range(1, 25)))
    assert is_paired(after)
    assert after[-1] == before[-1]
    for fact in facts:
        assert planting.look(fact, before) == planting.look(fact, []) == (False, False)
        assert planting.look(fact, after) == (True, True)


def test_a_value_is_readable_beside_what_it_is_of_only():
    fact = planting.Plant("number", "1,450 litres", "mill wheel")

    def look(*texts: str) -> tuple[bool, bool]:
        return planting.look(fact, [UserMessage(content=text, source="user") for text in texts])

    assert look("The mill wheel takes 1,450 litres.") == (True, True)
    assert look("1,450 litres" + planting.NEAR * " " + "mill wheel") == (True, True)
    assert look("The mill wheel turns." + 2 * planting.NEAR * " " + "1,450 litres") == (False, True)
    assert look("The mill wheel turns.", "1,450 litres") == (False, True)
    assert look("The mill wheel takes 21,450 litres.") == (False, False)


def test_what_must_stay_is_what_the_harness_says():
    counter = TiktokenCounter(MODEL)
    said = [UserMessage(content=f"Remark {number}.", source="user") for number in range(3)]
    session = make_session(30).messages
    place = next(n for n, message in enumerate(session) if isinstance(message, FunctionExecutionResultMessage))
    call, result = session[place - 1 : place + 1]
    history = [SystemMessage(content="Be short."), *said, call, result]
    floor, rest = room(history, counter)
    assert rest == counter.count_message(said[1])
    assert floor + rest == counter.count_request(history)


def test_an_interval_draws_whole_conversations():
    assert interval([[1.0, 0.0], [1.0, 0.0]]) == (0.5, 0.5, 0.5)
    mean, low, high = interval([[1.0] * 50, [0.0] * 50])
    assert (mean, low, high) == (0.5, 0.0, 1.0)


async def test_planted_facts_are_all_there_at_a_budget_for_everything():
    seen, refused = await planted.measured(_TINY, 1, (0.1, 1.0))
    assert refused == 0
    assert [one.type for one in seen if one.share == 1.0] == list(planted.TYPES)
    assert all(one.readable for one in seen if one.share == 1.0)
    assert planting.table(seen).splitlines()[2].startswith("| decision | 1 | ")


async def test_canaries_go_through_five_compactions_each_of_which_reads_more():
    (talk,) = _TINY
    history, counter = from_rows(talk.rows), TiktokenCounter(MODEL)
    floor, rest = room(history, counter)
    ends = canaries.reads(history, floor + rest // 5, counter)
    assert len(set(ends)) == canaries.COMPACTIONS
    assert ends[-1] == len(history)
    assert all(is_paired(history[:end]) for end in ends)
    seen, runs = await canaries.measured(_TINY, 1, (0.2,))
    assert runs == [canaries.COMPACTIONS]
    assert [one.type for one in seen] == list(canaries.TYPES)


def _chat(name: str, count: int = 40) -> list[shaping.Row]:
    said: list[shaping.Row] = [
        {"role": ("user", "assistant")[n % 2], "name": f"{name}{n % 3}", "content": f"{name} says {n}."}
        for n in range(count)
    ]
    return [{"role": "system", "content": "Listen."}, *said, {"role": "user", "content": f"What did {name} say?"}]


_SHAPES = [(kind, name, shape) for kind, shapes in shapes.SHAPES.items() for name, shape in shapes.items()]


@pytest.mark.parametrize(("kind", "name", "shape"), _SHAPES)
def test_a_shape_keeps_what_is_needed_word_for_word_and_its_question_last(kind: str, name: str, shape: shaping.Shape):
    count = 400 if kind == "chat" else 40
    others: list[list[shaping.Row]] = [to_rows(make_session(60, seed=seed).messages) for seed in range(1, 40)]
    if kind == "chat":
        others = [_chat(f"Person {number} ", 400) for number in range(8)]
    rows = _chat("Ada", count)
    if name.startswith("long agents"):
        rows[3:5] = [{**row, "role": "assistant"} for row in rows[3:5]]
    needed = list(range(5, 9))
    found = shape(shaping.Source(rows, needed, others, random.Random(name)))
    assert found is not None
    assert found[0] == rows[0]
    assert found[-1] == rows[-1]
    assert is_paired(from_rows(found))
    text = "\n".join(map(planting.text_of, found))
    assert all(rows[number]["content"] in text for number in needed)
    if name.endswith(" messages") and name[0].isdigit():
        wanted = int(name.split()[0].replace(",", ""))
        assert 0.9 * wanted <= len(found) <= wanted


def test_generated_shapes_are_measured_and_the_worst_of_a_kind_is_marked():
    rows = list(shapes.generated(1, (20, 30)))
    assert [row.size for row in rows] == [2] * len(rows)
    assert not any(row.broken for row in rows)
    good, bad = shapes.Measured("chat", "one"), shapes.Measured("chat", "other")
    for share in (0.1, 0.2, 0.3):
        good.found[share]["a"], bad.found[share]["a"] = [1.0], [share]
    lines = shapes.table([good, bad]).splitlines()
    assert lines[2].endswith("| 1.00 [1.00–1.00] |  |")
    assert lines[3].endswith("| **0.30 [0.30–0.30]** | worst |")


@pytest.mark.parametrize("module", [planted, canaries, shapes])
def test_without_the_data_a_line_says_so(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(planting, "generated", lambda: _TINY)
    only = ["--only", "chat"] if module is shapes else ["--draws", "1"]
    monkeypatch.setattr(sys, "argv", ["benchmark", str(tmp_path), *only])
    assert module.main() == 0
    assert f"no harness with ctxbench and data in {tmp_path}: skipped" in capsys.readouterr().out
