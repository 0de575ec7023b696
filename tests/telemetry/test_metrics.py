"""What `TokenMetrics` adds up."""

from __future__ import annotations

import json
import sys
import threading
import warnings
from dataclasses import FrozenInstanceError, replace
from io import StringIO
from typing import Any, Literal

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.logging import LLMCallEvent, LLMStreamEndEvent
from autogen_core.models import UserMessage
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autogen_ext_tokenctx.context.events import FitEvent
from autogen_ext_tokenctx.forms.form import Form
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.telemetry import metrics as telemetry_metrics
from autogen_ext_tokenctx.telemetry.metrics import TokenMetrics
from autogen_ext_tokenctx.telemetry.prices import ListPrices
from autogen_ext_tokenctx.telemetry.totals import TokenTotals

from ..support.events import EVENTS, fit, step
from ..support.histories import prose
from ..support.hooked import MODES, Mode, client_for, context_for
from ..support.strict_client import StrictClient

TEAM = "0b8f1c1e-5a52-4a4e-9a56-0d2b6c9f7e11"
STEPS = (step(1), step(2))


def totals(*events: Any, **kwargs: Any) -> TokenTotals:
    metrics = TokenMetrics(**kwargs)
    for event in events:
        metrics.hear(event)
    return metrics.snapshot().total


def numbers(found: TokenTotals) -> tuple[int, int, int]:
    return found.calls, found.tokens_before, found.tokens_after


def test_by_agent_by_team_and_in_all() -> None:
    metrics = TokenMetrics()
    for event in (fit(agent="ann", team=TEAM), fit(agent="bob", team=TEAM), fit(agent="ann", cached_tokens=128)):
        metrics.hear(event)
    found = metrics.snapshot()
    assert numbers(found.total) == (3, 2_700, 1_500)
    assert found.total.tokens_saved == 1_200
    assert {name: entry.calls for name, entry in found.agents.items()} == {"ann": 2, "bob": 1}
    assert {name: entry.calls for name, entry in found.teams.items()} == {"": 1, TEAM: 2}
    assert found.agents["ann"].cached_tokens == found.total.cached_tokens == 128


@pytest.mark.parametrize(
    ("event", "over"),
    [(fit(1_000, 500), 0), (fit(1_001, 500), 1), (fit(901, 500, reserve=100), 1), (fit(900, 500, reserve=100), 0)],
)
def test_calls_over_the_budget_would_have_failed(event: FitEvent, over: int) -> None:
    assert totals(event).would_have_failed == over


def test_a_compaction_counts_once_however_long_its_view_serves() -> None:
    first = fit(steps=STEPS, quality=0.5, compacted=True)
    found = totals(
        first,
        fit(1_000, 600, steps=STEPS, quality=0.5, seconds=0.0),
        fit(1_200, 500, steps=(*STEPS, step(3)), quality=0.3, seconds=0.02, compacted=True),
    )
    assert (found.calls, found.compactions) == (3, 2)
    assert found.quality == pytest.approx(0.4)
    assert found.fit_seconds == pytest.approx(0.022)


def test_repairs_count_once_and_are_no_compactions() -> None:
    repair = step(0, Form.REPAIRED)
    found = totals(fit(steps=(repair,)), fit(steps=(repair,), seconds=0.0))
    assert (found.repaired, found.compactions) == (1, 0)


def both(
    agent: str, *, client_agent: str = "", team: str = "", call_id: str = "one", **report: Any
) -> tuple[FitEvent, FitEvent]:
    """The two events of one call: the context saves 300 tokens, the client 50 more."""
    return (
        fit(800, 500, hook="context", agent=agent, team=team, model="", call_id=call_id, **report),
        fit(600, 550, agent=client_agent or agent, team=team, call_id=call_id, **report),
    )


def test_two_events_of_one_call_are_one_call() -> None:
    context, client = both("ann", team=TEAM)
    found = totals(context, client)
    assert numbers(found) == (1, 900, 550)
    assert (found.compression, found.utilization) == (550 / 900, 0.55)
    assert numbers(totals(context, client, client)) == (2, 1_500, 1_100), "without the context it saves less"


def test_both_hooks_compact_one_call_once() -> None:
    context, client = both("ann", compacted=True, quality=0.5)
    found = totals(context, replace(client, report=replace(client.report, quality=0.25)))
    assert (found.compactions, found.quality) == (1, 0.25)


def test_calls_side_by_side_find_their_own_readings() -> None:
    (a1, a2), (c1, c2) = both("default", call_id="a"), both("default", call_id="c")
    b1, b2 = both("default", client_agent="mine", call_id="b")
    b1 = replace(b1, report=replace(b1.report, tokens_before=10_500))
    metrics = TokenMetrics()
    for event in (a1, b1, c1, b2, a2, c2):
        metrics.hear(event)
    found = metrics.snapshot()
    assert numbers(found.total) == (3, 900 + 10_600 + 900, 1_650)
    assert {name: entry.calls for name, entry in found.agents.items()} == {"default": 2, "mine": 1}


@given(st.lists(st.sampled_from(["context", "client", "both"]), max_size=30))
def test_nothing_is_counted_twice_or_lost(calls: list[Literal["context", "client", "both"]]) -> None:
    metrics = TokenMetrics()
    before = after = 0
    for number, kind in enumerate(calls):
        context, client = both(f"{kind}", team=TEAM, call_id=str(number))
        for event in {"context": (context,), "client": (client,), "both": (context, client)}[kind]:
            metrics.hear(event)
        before += {"context": 800, "client": 600, "both": 900}[kind]
        after += 500 if kind == "context" else 550
    found = metrics.snapshot()
    assert numbers(found.total) == (len(calls), before, after)
    for group in (found.agents, found.teams):
        assert sum(entry.tokens_before for entry in group.values()) == before


def test_bills_are_added_up_as_clients_log_them() -> None:
    metrics = TokenMetrics()
    metrics.hear(LLMCallEvent(messages=[], response={}, prompt_tokens=100, completion_tokens=20))
    stream = LLMStreamEndEvent(response={}, prompt_tokens=50, completion_tokens=5)
    stream.kwargs["agent_id"] = f"ann_{TEAM}/{TEAM}"
    metrics.hear(stream)
    found = metrics.snapshot()
    assert (found.total.billed_calls, found.total.prompt_tokens, found.total.completion_tokens) == (2, 150, 25)
    assert found.agents["ann"].prompt_tokens == found.teams[TEAM].prompt_tokens == 50
    assert found.agents["default"].prompt_tokens == 100


@pytest.mark.parametrize("mode", MODES)
async def test_a_team_counts_one_call_a_request(mode: Mode) -> None:
    inner = StrictClient([lambda messages, tools: prose(len(messages), 150)])
    agents = [
        AssistantAgent(name, client_for(mode, inner, 2_000), model_context=context_for(mode, 2_000))
        for name in ("ann", "bob")
    ]
    with TokenMetrics() as metrics:
        await RoundRobinGroupChat(list(agents), max_turns=14).run(task="Discuss the boilers.")
    found = metrics.snapshot()
    assert found.total.calls == len(inner.requests) == 14
    assert {name: entry.calls for name, entry in found.agents.items()} == {"ann": 7, "bob": 7}
    assert len(found.teams) == 1
    assert found.total.compactions > 0
    assert found.total.tokens_saved > 0
    if mode != "context":
        assert found.total.tokens_after == sum(request.tokens for request in inner.requests)


async def test_outside_a_runtime_the_agent_is_default() -> None:
    context = TokenBudgetChatCompletionContext(budget=1_000)
    await context.add_message(UserMessage(content="Hello.", source="user"))
    client = TokenBudgetChatCompletionClient(StrictClient(), 1_000, default_agent="mine")
    with TokenMetrics() as metrics:
        await client.create(await context.get_messages())
    assert metrics.snapshot().total.calls == 1
    await client.create(await context.get_messages())
    assert metrics.snapshot().total.calls == 1, "it is detached"


def flat(model: str, tokens: int, cached: int) -> float | None:
    return None if model == "unknown" else (tokens - cached * 0.5) / 1_000


def test_saved_money_is_an_estimate_by_call() -> None:
    found = totals(fit(900, 500, cached_tokens=200), fit(model="unknown"), fit(model=""), prices=flat)
    assert found.saved_usd == pytest.approx(0.9 - 0.4)
    assert found.priced_calls == 1
    assert totals(fit()).saved_usd is None
    assert totals(*both("ann"), prices=flat).saved_usd == pytest.approx(0.9 - 0.55)


def test_prices_that_fail_cost_the_money_and_no_count() -> None:
    def broken(model: str, tokens: int, cached: int) -> float | None:
        raise OSError("no list")

    with pytest.warns(RuntimeWarning, match="no list") as caught:
        found = totals(fit(), fit(), prices=broken)
    assert (found.calls, found.saved_usd, len(caught)) == (2, None, 1)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o"])
def test_list_prices(model: str) -> None:
    pytest.importorskip("genai_prices")
    prices = ListPrices()
    whole, half_cached = prices(model, 10_000, 0), prices(model, 10_000, 5_000)
    assert whole is not None
    assert half_cached is not None
    assert whole / 2 < half_cached < whole


@pytest.mark.parametrize("model", ["no-such-model", "", "\ud800", "a/b/c"])
def test_unknown_models_have_no_price(model: str) -> None:
    assert ListPrices()(model, 10_000, 0) is None


def test_missing_prices_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setattr("autogen_ext_tokenctx.warn._warned", set[str]())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [ListPrices()("gpt-4o", 1_000, 0) for _ in range(3)] == [None] * 3
    assert len(caught) == 1
    assert totals(fit(), prices=ListPrices()).saved_usd is None


def test_a_long_process_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_metrics, "MAX_GROUPS", 10)
    metrics = TokenMetrics()
    for n in range(500):
        metrics.hear(fit(agent=f"a{n}", team=f"t{n}", hook="context", call_id=str(n)))
    found = metrics.snapshot()
    assert list(found.agents) == [f"a{n}" for n in range(490, 500)]
    assert list(found.teams) == [f"t{n}" for n in range(490, 500)]
    assert found.total.calls == 500


def test_threads_lose_nothing() -> None:
    with TokenMetrics() as metrics:

        def work(number: int) -> None:
            for _ in range(200):
                EVENTS.info(fit(agent=f"a{number}"))
                metrics.snapshot()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert numbers(metrics.snapshot().total) == (800, 720_000, 400_000)


def test_snapshots_are_frozen_and_reset_begins_anew() -> None:
    metrics = TokenMetrics()
    metrics.hear(fit(compacted=True))
    found = metrics.snapshot()
    with pytest.raises(FrozenInstanceError):
        found.total.calls = 2  # pyright: ignore[reportAttributeAccessIssue]
    metrics.reset()
    assert metrics.snapshot() == TokenMetrics().snapshot()
    assert found.total.calls == 1
    metrics.hear(fit(compacted=True))
    assert metrics.snapshot().total.compactions == 1


def test_as_dict_is_json() -> None:
    metrics = TokenMetrics(prices=flat)
    metrics.hear(fit(compacted=True, quality=0.5))
    found = json.loads(json.dumps(metrics.as_dict()))
    assert found["total"]["tokens_saved"] == 400
    assert found["agents"]["coder"]["utilization"] == found["agents"]["coder"]["quality"] == 0.5


def test_views_escape_what_agents_are_called() -> None:
    metrics = TokenMetrics(prices=flat)
    metrics.hear(fit(agent="<b>[red]&", model="<i>[blue]", team="<u>", steps=STEPS))
    page = metrics._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "&lt;b&gt;[red]&amp;" in page
    assert not any(tag in page for tag in ("<b>[", "<i>", "<u>"))
    out = StringIO()
    Console(file=out, width=200).print(metrics)
    assert "<b>[red]&" in out.getvalue()
    assert "$0.4000" in out.getvalue()


def test_views_of_nothing() -> None:
    out = StringIO()
    Console(file=out, width=200).print(TokenMetrics())
    assert "0 calls" in out.getvalue()
