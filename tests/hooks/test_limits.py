"""What a model takes reaches the call: as its budget where none is given, and as the most that a given one may be."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from autogen_ext.models.openai import OpenAIChatCompletionClient
from pydantic import BaseModel

from autogen_ext_tokenctx import (
    BudgetTooSmallError,
    LimitAnswer,
    ModelLimits,
    ModelName,
    TokenBudget,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
    TokenConfig,
    TokenManager,
)
from autogen_ext_tokenctx.models.names import model_of

from ..support.histories import prose
from ..support.strict_client import StrictClient


def long_history(messages: int = 60) -> list[LLMMessage]:
    """Some 40,000 tokens."""
    talk: list[LLMMessage] = [UserMessage(content="Which boiler leaks?", source="user")]
    for number in range(messages):
        talk.append(AssistantMessage(content=prose(number, 300), source="coder"))
        talk.append(UserMessage(content=f"Go on with {number}.", source="user"))
    return talk


class Named(StrictClient):
    """A strict client with settings, as AutoGen's own keep them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._create_args = settings


def sent(inner: StrictClient) -> int:
    return inner.requests[-1].tokens


async def test_the_environment_reaches_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_LIMIT_GPT4", "1000")
    inner = Named(model="gpt-4")
    client = TokenBudgetChatCompletionClient(inner, budget=16_000)
    with pytest.warns(RuntimeWarning, match="budget of 16000 tokens is more than 'gpt-4' takes: 1000"):
        await client.create(long_history())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        await client.create(long_history())
    assert 500 < sent(inner) <= 1_000
    assert client.last_report is not None
    assert (client.last_report.budget, client.last_report.budget_source) == (1_000, "environment")


@pytest.mark.parametrize(
    ("settings", "extra", "budget", "source"),
    [
        ({"model": "gpt-4"}, {}, 8_192 - 2_048, "known_table"),
        ({"model": "gpt-4", "max_tokens": 1_000}, {}, 7_192, "known_table"),
        ({"model": "gpt-4", "max_tokens": 1_000}, {"max_tokens": 500}, 7_692, "known_table"),
        ({"model": "gpt-4", "max_completion_tokens": 700}, {}, 7_492, "known_table"),
        ({"model": "gpt-5"}, {}, 272_000, "known_table"),
        ({"model": "my-own-model"}, {}, 8_192 - 2_048, "default"),
        ({}, {}, 8_192 - 2_048, "default"),
        ({"model": "qwen3:8b", "options": {"num_predict": 100}}, {}, None, None),
    ],
)
async def test_without_a_budget_it_is_what_the_model_takes(
    settings: Mapping[str, Any], extra: Mapping[str, Any], budget: int | None, source: str | None
) -> None:
    inner = Named(**settings)
    client = TokenBudgetChatCompletionClient(inner)
    await client.create(long_history(), extra_create_args=extra)
    assert client.last_report is not None
    if budget is not None:
        assert (client.last_report.budget, client.last_report.budget_source) == (budget, source)
    assert sent(inner) <= client.last_report.budget


async def test_the_context_takes_the_limit_of_its_model() -> None:
    context = TokenBudgetChatCompletionContext(model="gpt-4", initial_messages=long_history())
    agent = AssistantAgent("coder", inner := StrictClient(), model_context=context)
    await agent.run(task="Which one?")
    assert context.last_report is not None
    assert (context.budget, context.last_report.budget_source) == (6_144, "known_table")
    assert sent(inner) <= 6_144
    again = TokenBudgetChatCompletionContext.load_component(context.dump_component())
    assert again.dump_component().config.get("budget") is None


async def test_the_context_keeps_within_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_LIMIT_GPT4", "900")
    context = TokenBudgetChatCompletionContext(model="gpt-4", budget=16_000, initial_messages=long_history())
    with pytest.warns(RuntimeWarning, match="more than 'gpt-4' takes"):
        await context.get_messages()
    assert context.last_report is not None
    assert context.last_report.tokens_after <= 900


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", ["my-own-model", "llama-99-chat", ""])
async def test_a_guess_cuts_no_budget(model: str) -> None:
    client = TokenBudgetChatCompletionClient(Named(model=model), budget=30_000)
    await client.create(long_history())
    assert client.last_report is not None
    assert (client.last_report.budget, client.last_report.budget_source) == (30_000, "given")


async def test_a_budget_keeps_its_shape_where_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_LIMIT_GPT4", "3000")
    budget = TokenBudget(limit=16_000, reserve=400, target=0.5)
    client = TokenBudgetChatCompletionClient(Named(model="gpt-4"), budget)
    with pytest.warns(RuntimeWarning, match="more than"):
        await client.create(long_history())
    assert client.last_report is not None
    assert (client.last_report.budget, client.last_report.reserve) == (3_000, 400)


async def test_each_model_of_a_call_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_LIMIT_GPT4", "1500")
    client = TokenBudgetChatCompletionClient(Named(model="gpt-5"))
    await client.create(long_history(), extra_create_args={"model": "gpt-4"})
    await client.create(long_history())
    assert [call.report.budget_source for call in client.recent] == ["environment", "known_table"]
    assert client.recent[0].report.budget == 1_500 - 375


async def test_a_token_manager_of_ones_own_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    file.write_text(json.dumps({"own": 5_000}))
    manager = TokenManager(TokenConfig(model_limits_config_path=file))
    client = TokenBudgetChatCompletionClient(Named(model="own"), token_manager=manager)
    await client.create(long_history())
    assert client.last_report is not None
    assert (client.last_report.budget, client.last_report.budget_source) == (3_750, "config_file")
    with pytest.raises(TypeError, match="token_manager"):
        client.dump_component()


async def test_a_source_that_fails_kills_no_agent() -> None:
    async def broken(name: ModelName) -> LimitAnswer:
        raise RuntimeError("no answer")

    manager = TokenManager(sources=[broken])
    client = TokenBudgetChatCompletionClient(Named(model="own"), token_manager=manager)
    with pytest.warns(match="are not known|failed"):
        await client.create(long_history())
    assert client.last_report is not None
    assert client.last_report.budget == 6_144


async def test_limits_are_asked_for_once_in_their_time() -> None:
    asked: list[str] = []

    async def counted(name: ModelName) -> LimitAnswer:
        asked.append(name.given)
        return LimitAnswer("counted", ModelLimits(9_000, 9_000))

    client = TokenBudgetChatCompletionClient(Named(model="own"), token_manager=TokenManager(sources=[counted]))
    for _ in range(5):
        await client.create(long_history(3))
    assert asked == ["own"]


def test_a_context_of_nothing_names_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"budget=6_000.*model='gpt-4o'"):
        TokenBudgetChatCompletionContext()


async def test_a_limit_that_holds_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_LIMIT_GPT4", "5")
    client = TokenBudgetChatCompletionClient(Named(model="gpt-4"))
    with pytest.raises(BudgetTooSmallError):
        await client.create(long_history())


def test_remaining_tokens_are_those_of_the_limit() -> None:
    client = TokenBudgetChatCompletionClient(Named(model="gpt-4"))
    asyncio.run(client.create(long_history(1)))
    assert client.remaining_tokens([]) > 6_000


class Answer(BaseModel):
    city: str


@pytest.mark.filterwarnings("error")
def test_the_models_name_is_learned_without_side_effects() -> None:
    client = OpenAIChatCompletionClient(model="gpt-4o-mini", api_key="none", response_format=Answer)  # type: ignore[arg-type]
    assert model_of(client) == "gpt-4o-mini"


def test_a_component_that_warns_when_it_is_dumped_has_a_name_all_the_same() -> None:
    class Warns(StrictClient):
        def dump_component(self) -> Any:
            warnings.warn("Internal module name used in provider string", stacklevel=2)
            model = super().dump_component()
            model.config["model"] = "own"
            return model

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model_of(Warns()) == "own"
