"""The commands that look at recorded runs: replay and report."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("typer")

from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage

from autogen_ext_tokenctx import ContextManager, TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.cli.saved_states import read_state
from autogen_ext_tokenctx.cli.whatif import Recording, play, summed
from autogen_ext_tokenctx.telemetry.fit_log import FitLog

from ..support.histories import conversation, prose
from ..support.strict_client import StrictClient
from ..support.team_states import HOOKED, KINDS, Hooked, Kind, team_state
from .command import run, saved


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize("hooked", HOOKED)
@pytest.mark.parametrize("kind", KINDS)
def test_replay_teams(kind: Kind, hooked: Hooked, tmp_path: Path) -> None:
    file = saved(tmp_path, team_state(kind, hooked))
    told = json.loads(run("replay", file, "--budgets", "500,1000,100000", "--json").stdout)
    small, middle, large = told["budgets"]
    calls = [
        isinstance(message, AssistantMessage)
        for history in read_state(json.loads(team_state(kind, hooked))).histories
        for message in history.messages
    ]
    assert small["calls"] == middle["calls"] == large["calls"] == sum(calls)
    assert small["tokens_without"] == middle["tokens_without"] == large["tokens_without"] == large["tokens_sent"]
    assert small["tokens_sent"] < middle["tokens_sent"] < large["tokens_sent"]
    assert small["lowest_quality"] <= small["mean_quality"] <= large["mean_quality"] == 1.0
    assert small["compactions"] > large["compactions"] == 0
    assert small["over_budget_without"] >= middle["over_budget_without"] > large["over_budget_without"] == 0
    assert small["cannot_fit"] == 0
    assert any("message threads" in note for note in told["notes"])


async def test_a_replay_is_what_the_hook_does() -> None:
    history = conversation(12)
    manager, budget = ContextManager(), 700
    recording = Recording.of("coder", history)
    played = await play(recording, budget, beside=0, model="gpt-4o", manager=manager, on_call=lambda steps: None)
    context: ChatCompletionContext = TokenBudgetChatCompletionContext("gpt-4o", budget, reserve=0)
    counter, sent = manager.counter, list[int]()
    for number, message in enumerate(history):
        if number in recording.calls:
            sent.append(counter.count_request(await context.get_messages()))
        await context.add_message(message)
    assert [call.sent for call in played] == sent
    whole = [counter.count_request(history[:number]) for number in recording.calls]
    assert [call.without for call in played] == whole
    assert max(sent) <= budget < max(whole)
    total = summed(budget, played, lambda tokens, cached: tokens - cached / 2)
    assert total["dollars_sent"] == total["tokens_sent"] == sum(sent)
    assert total["dollars_without_cached"] is not None
    assert total["dollars_without_cached"] < total["tokens_without"]


def test_calls_that_cannot_fit_are_exit_code_1(tmp_path: Path) -> None:
    history: list[LLMMessage] = [SystemMessage(content=prose(1, 300)), *conversation(3)]
    file = saved(tmp_path, json.dumps([message.model_dump() for message in history]))
    told = json.loads(run("replay", file, "--budgets", "200,9000", "--json", code=1).stdout)
    assert [row["cannot_fit"] for row in told["budgets"]] == [6, 0]
    assert told["budgets"][0]["mean_quality"] is None
    assert "cannot fit" in run("replay", file, "--budgets", "200,9000", code=1).stdout


def test_what_is_beside_the_history_counts(tmp_path: Path) -> None:
    file = saved(tmp_path, team_state("selector", "plain"))

    def row(*more: str) -> dict[str, Any]:
        return json.loads(run("replay", file, "--budgets", "1000", "--json", *more).stdout)["budgets"][0]

    alone, beside = row(), row("--beside", "400")
    assert beside["tokens_without"] == alone["tokens_without"] + 400 * alone["calls"]
    assert beside["mean_quality"] < alone["mean_quality"]


def test_prices(tmp_path: Path) -> None:
    pytest.importorskip("genai_prices")
    file = saved(tmp_path, team_state("round_robin", "plain"))
    told = json.loads(run("replay", file, "--budgets", "1500,9000", "--model", "gpt-4o", "--json").stdout)
    small, large = told["budgets"]
    assert small["dollars_sent"] == pytest.approx(small["tokens_sent"] * 2.5e-6)
    assert small["dollars_sent_cached"] <= small["dollars_sent"] < small["dollars_without"]
    assert large["dollars_without_cached"] == large["dollars_sent_cached"] < large["dollars_sent"]
    assert "$ sent, cached prefix" in run("replay", file, "--budgets", "1500", "--model", "gpt-4o").stdout


@pytest.mark.parametrize("model", [None, "no-such-model", "gpt-4o"])
def test_without_prices(model: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if model == "gpt-4o":
        monkeypatch.setitem(sys.modules, "genai_prices", None)
    file = saved(tmp_path, team_state("round_robin", "plain"))
    result = run("replay", file, "--budgets", "1500", *(["--model", model] if model else []))
    assert "$" not in result.stdout
    assert "price" in result.stderr


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_stay_in_the_terminal(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    file = saved(tmp_path, team_state("round_robin", "hooked"))
    budgets = ",".join(str(budget) for budget in range(1_000, 9_000, 1_000))
    for arguments in (["replay", file, "--budgets", budgets], ["inspect", file, "--budget", 600], ["count", file]):
        rows = run(*arguments).stdout.replace(str(file), "").splitlines()
        assert max(map(len, rows)) <= width
        assert "\x1b" not in "".join(rows)


@pytest.fixture(scope="module", params=[False], ids=["no texts"])
def log(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A log of twenty calls that went through both hooks."""
    file = tmp_path_factory.mktemp("log") / "fits.jsonl"

    async def make() -> None:
        client = TokenBudgetChatCompletionClient(StrictClient(), 600, model="gpt-4o")
        context = TokenBudgetChatCompletionContext("gpt-4o", 500)
        for message in conversation(10):
            if isinstance(message, AssistantMessage):
                await client.create([SystemMessage(content="Be brief."), *await context.get_messages()])
            await context.add_message(message)

    with FitLog(file, texts=request.param):
        asyncio.run(make())
    return file


@pytest.mark.parametrize("log", [True], indirect=True)
def test_a_log_with_texts_is_replayed(log: Path) -> None:
    told = json.loads(run("replay", log, "--budgets", "400,5000", "--json").stdout)
    small, large = told["budgets"]
    assert (small["budget"], large["budget"]) == (400, 5_000)
    assert small["calls"] == large["calls"] == 20
    assert small["tokens_sent"] < large["tokens_sent"] == large["tokens_without"]
    assert small["cannot_fit"] == 0
    assert told["model"] == "gpt-4o"


def test_a_log_without_texts_tells_what_was(log: Path) -> None:
    told = json.loads(run("replay", log, "--budgets", "400,5000", "--json").stdout)
    (row,) = told["budgets"]
    assert (row["budget"], row["calls"], row["cannot_fit"]) == (600, 20, None)
    assert row["tokens_sent"] < row["tokens_without"]
    assert row["compactions"] > 0
    assert any("no texts" in note for note in told["notes"])


def test_the_agents_of_a_log(log: Path) -> None:
    assert "these are: coder, default" in run("replay", log, "--budgets", "9", "--agent", "zoe", code=2).stderr


def test_report(log: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    told = json.loads(run("report", log, "-o", tmp_path / "page.html", "--json").stdout)
    assert told["calls"] == 20
    assert Path(told["output"]).stat().st_size == told["size"] > 0
    assert "model calls" in run("report", log, "-o", tmp_path / "page.html").stdout


def test_pages_that_cannot_be_written(log: Path, tmp_path: Path) -> None:
    for output in (tmp_path, tmp_path / "no" / "page.html", log):
        result = run("report", log, "-o", output, code=2)
        assert result.stderr.count("\n") == 1


def test_without_plotly_the_extra_is_named(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    assert "autogen-ext-tokenctx[report]" in run("report", log, "-o", tmp_path / "page.html", code=2).stderr
