"""What a newcomer passes by mistake: each gets one sentence that says what to give instead."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from autogen_core.models import AssistantMessage, UserMessage

from autogen_ext_tokenctx import (
    BudgetTooSmallError,
    ContextManager,
    ContextPrioritizer,
    ContextSummarizer,
    TaskComplexity,
    TokenBudget,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
    TokenBudgetManager,
    counter_for_model,
)

from ..support.strict_client import StrictClient

HISTORY = [UserMessage(content="Find the slow query.", source="user")]


def build_context(budget: Any) -> object:
    return TokenBudgetChatCompletionContext("gpt-4o", budget)


def change_budget(budget: Any) -> object:
    context = TokenBudgetChatCompletionContext("gpt-4o", 6_000)
    context.budget = budget
    return context


def build_client(budget: Any) -> object:
    return TokenBudgetChatCompletionClient(StrictClient(), budget)


def build_agent_budget(budget: Any) -> object:
    return TokenBudgetChatCompletionClient(StrictClient(), 6_000, {"coder": budget})


def one_sentence(text: str) -> bool:
    return "\n" not in text and ". " not in text and len(text) < 200


@pytest.mark.parametrize("build", [build_context, change_budget, build_client, build_agent_budget])
@pytest.mark.parametrize("budget", [6000.0, "6000", True, [6000], float("nan")])
def test_a_budget_of_another_type_is_told_so_in_one_sentence(build: Any, budget: object) -> None:
    with pytest.raises(TypeError, match="whole number of tokens, such as 6_000, or a TokenBudget") as caught:
        build(budget)
    assert repr(budget) in str(caught.value)
    assert one_sentence(str(caught.value))


@pytest.mark.parametrize("build", [build_context, change_budget, build_client, build_agent_budget])
@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_that_holds_nothing_is_refused_at_once(build: Any, budget: int) -> None:
    with pytest.raises(BudgetTooSmallError, match="give a positive number of tokens") as caught:
        build(budget)
    assert one_sentence(str(caught.value))


async def test_a_number_of_messages_as_budget_is_told_to_be_tokens() -> None:
    context = TokenBudgetChatCompletionContext("gpt-4o", budget=10, reserve=0)
    await context.add_message(UserMessage(content="Find the slow query in yesterday's log, please.", source="user"))
    with pytest.raises(BudgetTooSmallError, match="A budget counts tokens, not messages") as caught:
        await context.get_messages()
    context.budget = caught.value.needed
    assert await context.get_messages()


@pytest.mark.parametrize("limit", [6000.0, "6000", True, None])
def test_a_limit_is_a_whole_number(limit: Any) -> None:
    with pytest.raises(TypeError, match="whole number of tokens"):
        TokenBudget(limit=limit)


async def test_a_manager_refuses_such_budgets_too() -> None:
    budget: Any = "600"
    with pytest.raises(TypeError, match="whole number of tokens"):
        await ContextManager().fit(HISTORY, budget)


async def test_a_model_client_names_the_model_also_through_the_client_hook() -> None:
    openai = pytest.importorskip("autogen_ext.models.openai")
    inner = openai.OpenAIChatCompletionClient(model="gpt-4", api_key="none")
    for client in (inner, TokenBudgetChatCompletionClient(inner, 6_000)):
        context = TokenBudgetChatCompletionContext(client, 6_000)
        assert context.dump_component().config["model"] == "gpt-4"
    assert TokenBudgetChatCompletionContext(StrictClient(), 6_000).dump_component().config.get("model") is None


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ({"model": 6_000, "budget": 6_000}, "budget=6_000"),
        ({"budget": 6_000, "summarizer": StrictClient()}, "ContextSummarizer"),
        ({"budget": 6_000, "transforms": ["upper"]}, "apply_transform"),
        ({"budget": 6_000, "reserve": "800"}, "such as 800"),
    ],
)
def test_other_arguments_of_another_kind_name_the_remedy(arguments: dict[str, Any], remedy: str) -> None:
    with pytest.raises(TypeError, match=remedy):
        TokenBudgetChatCompletionContext(**arguments)


def test_a_model_name_is_no_client() -> None:
    name: Any = "gpt-4o"
    with pytest.raises(TypeError, match="model client to wrap"):
        TokenBudgetChatCompletionClient(name, 6_000)
    client: Any = StrictClient()
    with pytest.raises(TypeError, match="ContextSummarizer"):
        TokenBudgetChatCompletionClient(StrictClient(), 6_000, summarizer=client)
    assert TokenBudgetChatCompletionClient(StrictClient(), 6_000, summarizer=ContextSummarizer(StrictClient()))


def test_a_text_cannot_be_pinned() -> None:
    text: Any = "Never touch production."
    with pytest.raises(TypeError, match="not its text"):
        TokenBudgetChatCompletionContext(budget=6_000).pin(text)


def test_an_unknown_model_warns_at_the_users_line_and_names_what_the_hook_takes() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TokenBudgetChatCompletionContext("no-model-of-first-use", 6_000)
    assert [Path(warning.filename) for warning in caught] == [Path(__file__)]
    assert "TiktokenCounter(encoding=" in str(caught[0].message)
    assert " encoding=" not in str(caught[0].message)  # the hook has no such parameter
    assert counter_for_model("no-model-of-first-use").count_text("hello world") == 2


async def test_a_warning_from_within_a_run_points_out_of_the_packages() -> None:
    class Broken:
        def count_text(self, text: str) -> int:
            raise OSError

        count_message = count_request = count_text

    context = TokenBudgetChatCompletionContext(budget=6_000, counter=Broken())  # type: ignore[arg-type]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await context.add_message(HISTORY[0])
        await context.get_messages()
    assert {Path(warning.filename) for warning in caught} == {Path(__file__)}


def test_a_warning_of_a_worker_thread_names_the_package() -> None:
    code = (
        "import threading\nfrom autogen_ext_tokenctx.warn import WarnOnce\n"
        "thread = threading.Thread(target=WarnOnce(), args=('kind', 'careful'))\nthread.start(); thread.join()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "autogen_ext_tokenctx:1: RuntimeWarning: careful\n"


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: TokenBudget(limit=1_000, shares={"memory": 0.5}), "did you mean 'memory_patterns'"),
        (lambda: TokenBudget(limit=1_000, shares={"requirement": 0.5}), "did you mean 'requirements'"),
        (lambda: ContextPrioritizer(weights={"memories": 2.0}), "did you mean 'memory_patterns'"),  # type: ignore[dict-item]
        (lambda: ContextPrioritizer(weights={"xyz": 2.0}), "weights has no 'xyz'; It takes"),  # type: ignore[dict-item]
    ],
)
def test_a_key_that_nobody_reads_names_the_nearest(build: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        build()


@pytest.mark.parametrize("complexity", list(TaskComplexity))
def test_what_a_budget_is_allocated_to_is_taken_as_it_is(complexity: TaskComplexity) -> None:
    allocated = TokenBudgetManager().allocate_budget(8_000, complexity)
    shares = TokenBudget(limit=8_000, shares=allocated).shares
    assert shares == {kind: tokens / 8_000 for kind, tokens in allocated.items()}


async def test_a_budget_of_a_name_that_nobody_has_is_told_once() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), 3_000, {"codr": 900, "coder": 800})
    for _ in range(49):
        await client.create([UserMessage(content="Hi", source="user"), AssistantMessage(content="Yes", source="coder")])
    with pytest.warns(RuntimeWarning, match="no call came from 'codr'.*calls came from 'coder'"):
        await client.close()
    await client.close()
