"""The commands that look at saved states: inspect, count, expand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("typer")


from autogen_ext_tokenctx import ContextManager
from autogen_ext_tokenctx.cli.fits import fitted
from autogen_ext_tokenctx.cli.saved_states import SavedHistory, read_state
from autogen_ext_tokenctx.forms.form import Form

from ..support.random_histories import histories
from ..support.team_states import HOOKED, KINDS, Hooked, Kind, agent_state, society_state, team_state
from .command import run, saved

ESCAPE = re.compile(r"\x1b")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


@pytest.mark.parametrize("hooked", HOOKED)
@pytest.mark.parametrize("kind", KINDS)
def test_inspect_teams(kind: Kind, hooked: Hooked, tmp_path: Path) -> None:
    file = saved(tmp_path, team_state(kind, hooked))
    told = json.loads(run("inspect", file, "--budget", 600, "--json").stdout)
    assert told["fits"] is True
    state = read_state(json.loads(team_state(kind, hooked)))
    assert [agent["agent"] for agent in told["agents"]] == [history.agent for history in state.histories]
    forms = {group["form"] for agent in told["agents"] for group in agent["groups"]}
    assert "evicted" in forms
    assert len(forms) > 1
    for agent in told["agents"]:
        assert agent["tokens_after"] <= 600
        assert [group["group"] for group in agent["groups"]] == list(range(len(agent["groups"])))
        assert all(group["handle"] and group["why"] for group in agent["groups"] if group["form"] != "full")
        assert sum(group["tokens_before"] for group in agent["groups"]) == pytest.approx(agent["tokens_before"], abs=5)

    shown = run("inspect", file, "--budget", 600).stdout
    assert not ESCAPE.search(shown)
    for agent in told["agents"]:
        assert f"{agent['tokens_before']:,} > {agent['tokens_after']:,} of 600 tokens" in shown
        assert f"level {agent['level']}, ratio {agent['compression_ratio']:.2f}" in shown
    assert "(message thread)" in shown


@pytest.mark.parametrize("text", [agent_state("plain"), society_state("hooked")], ids=["agent", "society"])
def test_inspect_other_states(text: str, tmp_path: Path) -> None:
    told = json.loads(run("inspect", saved(tmp_path, text), "--budget", 700, "--json").stdout)
    assert all(agent["tokens_after"] <= 700 for agent in told["agents"])


def test_one_agent_and_a_task(tmp_path: Path) -> None:
    file = saved(tmp_path, team_state("selector", "plain"))
    told = json.loads(run("inspect", file, "--budget", 600, "--agent", "bob", "--json").stdout)
    assert [agent["agent"] for agent in told["agents"]] == ["bob"]
    asked = run("inspect", file, "--budget", 600, "--agent", "bob", "--json", "--task", "Which relay read 18?").stdout
    assert json.loads(asked) != told


def test_long_runs_are_one_row(tmp_path: Path) -> None:
    file = saved(tmp_path, team_state("swarm", "plain"))
    short, long = (run("inspect", file, "--budget", 150, *more).stdout for more in ([], ["--all"]))
    assert "--all lists them" in short
    assert "--all lists them" not in long
    assert len(long.splitlines()) > len(short.splitlines())


@pytest.mark.parametrize(("setting", "is_coloured"), [("FORCE_COLOR", True), ("NO_COLOR", False), ("TERM", False)])
def test_colours_are_for_terminals(
    setting: str, is_coloured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(setting, "xterm-256color" if setting == "TERM" else "1")
    result = run("inspect", saved(tmp_path, agent_state("plain")), "--budget", 600)
    assert ("\x1b[32mfull" in result.stdout) == is_coloured
    assert ESCAPE.search(result.stdout) is None or is_coloured
    assert ("fitting" in result.stderr) == is_coloured  # the bar


def test_what_does_not_fit_is_exit_code_1(tmp_path: Path) -> None:
    file = saved(tmp_path, team_state("round_robin", "plain"))
    assert "does not fit 5 tokens" in run("inspect", file, "--budget", 5, code=1).stdout
    told = json.loads(run("inspect", file, "--budget", 5, "--json", code=1).stdout)
    assert told["fits"] is False
    assert all("Raise the budget to" in agent["error"] for agent in told["agents"])
    run("inspect", file, "--budget", 5, "--agent", "ann", "--diff", 0, code=1)


def test_a_state_without_messages(tmp_path: Path) -> None:
    file = saved(tmp_path, '{"type": "TeamState", "agent_states": {"user": {"type": "BaseState"}}}')
    assert "No agent of it has messages yet." in run("inspect", file, "--budget", 500).stdout
    assert json.loads(run("inspect", file, "--budget", 500, "--json").stdout)["agents"] == []
    run("inspect", file, "--budget", 500, "--diff", 0, code=2)


@pytest.mark.parametrize("form", ["evicted", "digest", "full", "extract"])
def test_diffs(form: str, tmp_path: Path) -> None:
    lines = "\n".join(f"{n:03d} INFO worker {n % 7} did {n * 37 % 101}" for n in range(120))
    logs = [f"Log {n}:\n{lines}\nERROR {n}: worker {n} failed" for n in range(6)]
    task = UserMessage(content="Which worker failed?", source="user")
    said: list[LLMMessage] = [task, *(AssistantMessage(content=log, source="ann") for log in logs)]
    file = saved(tmp_path, json.dumps([message.model_dump() for message in said]))
    groups: list[dict[str, Any]] = []
    for budget in (150, 400, 900, 2_500):
        told = json.loads(run("inspect", file, "--budget", budget, "--json").stdout)
        groups = [group for group in told["agents"][0]["groups"] if group["form"] == form]
        if groups:
            break
    else:
        pytest.fail(f"no unit has the form {form}")
    number: int = groups[0]["group"]
    diff = json.loads(run("inspect", file, "--budget", budget, "--diff", number, "--json").stdout)
    assert diff["before"] == [said[number].model_dump()]
    assert bool(diff["after"]) == (form != "evicted")
    assert bool(diff["diff"]) == (form != "full")
    shown = run("inspect", file, "--budget", budget, "--diff", number).stdout
    assert not ESCAPE.search(shown)
    assert ("Nothing changed." in shown) == (form == "full")
    if form == "extract":
        assert re.search(r"\n- ?\d+ INFO worker", shown)
        assert re.search(r"\n\+ ?\[\d+ of \d+ lines omitted", shown)


def test_a_diff_is_of_one_agent(tmp_path: Path) -> None:
    result = run("inspect", saved(tmp_path, team_state("swarm", "plain")), "--budget", 600, "--diff", 1, code=2)
    assert "--agent, one of: ann, bob" in result.stderr


@given(histories(), st.integers(60, 3_000))
async def test_every_group_has_its_messages_in_the_view(history: list[LLMMessage], budget: int) -> None:
    manager = ContextManager()
    fit = await fitted(SavedHistory("", history), budget, None, manager)
    if fit.error:
        return
    assert [message for group in fit.groups for message in group.before] == history
    for group in fit.groups:
        tokens = sum(map(manager.counter.count_message, group.after))
        if group.step.form is not Form.DIGEST:
            assert tokens == group.step.tokens_after, group


def test_count_a_text_in_a_pipe() -> None:
    told = json.loads(run("count", "-", "--model", "gpt-4o", "--json", stdin="hello world").stdout)
    assert told == {
        "file": "standard input",
        "model": "gpt-4o",
        "encoding": "o200k_base",
        "exact": True,
        "kind": "text",
        "characters": 11,
        "tokens": 2,
    }


def test_count_a_team(tmp_path: Path) -> None:
    file = saved(tmp_path, team_state("round_robin", "hooked"))
    told = json.loads(run("count", file, "--json").stdout)
    assert told["tokens"] == sum(agent["tokens"] for agent in told["agents"])
    for agent, history in zip(told["agents"], read_state(json.loads(file.read_text())).histories, strict=True):
        assert agent["tokens"] == ContextManager().counter.count_request(history.messages)
    shown = run("count", file)
    assert f"{told['tokens']:,}" in shown.stdout
    assert "message thread" in shown.stderr


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('[{"role": "user", "content": "hi"}]', "messages"),
        ('{"messages": [{"type": "UserMessage", "content": "hi", "source": "user"}]}', "context"),
        ("{not json", "text"),
        ('{"name": "x"}', "text"),
        ("plain words", "text"),
        ("\ufeffwords after a mark", "text"),
    ],
)
def test_what_a_pipe_holds_is_found_out(text: str, kind: str) -> None:
    assert json.loads(run("count", "-", "--json", stdin=text.encode()).stdout)["kind"] == kind


def test_any_file_is_counted_as_text_if_asked(tmp_path: Path) -> None:
    file = saved(tmp_path, "{not json")
    assert json.loads(run("count", file, "--text", "--json").stdout)["kind"] == "text"


def test_an_unknown_model_is_said(tmp_path: Path) -> None:
    result = run("count", saved(tmp_path, "[]"), "--model", "no-such-model", "--json")
    assert "no-such-model" in result.stderr
    assert json.loads(result.stdout)["encoding"] == "o200k_base"


@pytest.mark.parametrize("kind", KINDS)
def test_expand_gives_back_what_inspect_shows(kind: Kind, tmp_path: Path) -> None:
    file = saved(tmp_path, team_state(kind, "hooked"))
    told = json.loads(run("inspect", file, "--budget", 600, "--agent", "bob", "--json").stdout)
    group = next(group for group in told["agents"][0]["groups"] if group["handle"])
    original = read_state(json.loads(file.read_text())).of_agent("bob")[0].archive().get(group["handle"])
    found = json.loads(run("expand", group["handle"], file, "--agent", "bob", "--json").stdout)
    assert found["messages"] == [message.model_dump(mode="json") for message in original]
    assert found["agent"] == "bob"
    assert run("expand", group["handle"], file).stdout.strip()


def test_expand_the_handle_of_a_block(tmp_path: Path) -> None:
    state = json.loads(agent_state("hooked"))
    extra = state["llm_context"]["autogen_ext_tokenctx"]
    handle, runs = next(iter(extra["archive"]["groups"].items()))
    found = json.loads(run("expand", handle, saved(tmp_path, json.dumps(state)), "--json").stdout)
    assert len(found["messages"]) >= sum(last - first + 1 for first, last in runs) > 1


def test_an_unknown_handle_names_the_nearest(tmp_path: Path) -> None:
    file = saved(tmp_path, agent_state("hooked"))
    known = read_state(json.loads(file.read_text())).histories[0].archive().handles()[0]
    result = run("expand", f"{known[:-1]}x", file, code=1)
    assert known in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("archive", [{"originals": 3}, {"originals": {}, "groups": {"a": ["a"]}, "hashes": {}}])
def test_a_broken_archive_still_leaves_the_messages(archive: object, tmp_path: Path) -> None:
    state = json.loads(agent_state("hooked"))
    handle = read_state(state).histories[0].archive().handles()[0]
    state["llm_context"]["autogen_ext_tokenctx"]["archive"] = archive
    file = saved(tmp_path, json.dumps(state))
    assert run("expand", handle, file).stdout
    run("expand", "a", file, code=1)


def test_texts_cannot_control_the_terminal(tmp_path: Path) -> None:
    message = UserMessage(content="\x1b[31mred\x1b]0;title\x07 \u202e \ud800", source="\x1b[1m[bold]ann")
    file = saved(tmp_path, json.dumps([message.model_dump()] * 2))
    handle = read_state(json.loads(file.read_text())).histories[0].archive().handles()[0]
    for arguments in (
        ["inspect", file, "--budget", 500],
        ["inspect", file, "--budget", 500, "--diff", 0],
        ["expand", handle, file],
        ["expand", handle, file, "--json"],
        ["count", file],
    ):
        shown = run(*arguments).output
        assert not re.search(r"[\x1b\x07\u202e]", shown)
    assert "[bold]ann" in run("inspect", file, "--budget", 500).stdout
