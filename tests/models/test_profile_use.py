"""Nothing of a profile is idle: each row of the table and each field changes a request, or what one is counted as."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, replace

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

from autogen_ext_tokenctx.models.counters import counter_for_model
from autogen_ext_tokenctx.models.names import ModelName
from autogen_ext_tokenctx.models.profile_table import TABLE, UNKNOWN, profile_of
from autogen_ext_tokenctx.models.profiles import ModelProfile, PromptCache
from autogen_ext_tokenctx.models.shaping import ModelOptimizer
from autogen_ext_tokenctx.tokens.images import FlatImages


def exchange(call_id: str, arguments: str = "{}") -> list[LLMMessage]:
    call = FunctionCall(id=call_id, name="look", arguments=arguments)
    result = FunctionExecutionResult(content="42", name="look", call_id=call_id, is_error=False)
    return [
        AssistantMessage(content=[call], source="coder", thought="I had better look."),
        FunctionExecutionResultMessage(content=[result]),
    ]


REQUEST: list[LLMMessage] = [
    SystemMessage(content="Be brief."),
    AssistantMessage(content="Hello.", source="coder"),
    UserMessage(content="Look.", source="ann"),
    UserMessage(content=" ", source="ben"),
    UserMessage(content="Now.", source="ben"),
    *exchange("functions.look:0"),
    *exchange("call_0", "[1]"),
    *exchange("call_0"),
    *exchange("x" * 50),
    SystemMessage(content="Hall 4 is closed."),
    UserMessage(content="And?", source="ann"),
    AssistantMessage(content="It is 42.", source="coder"),
]
"""A bit of all that some endpoint refuses."""
TEXT = "Größe, 大きさ, размер: 17 × 4 = 68"
SIZES = ((64, 64), (512, 512), (1024, 1024), (1920, 1080), (4000, 3000))


def measured(profile: ModelProfile) -> Hashable:
    """What a profile changes: the request, the tokens of texts and images, what is cached, when compaction pays."""
    shape = ModelOptimizer(profiles={"^m$": profile}).shape_for("m")
    sent = REQUEST if shape is None else shape(REQUEST)
    counter = counter_for_model("m", profile)
    cache = profile.cache
    return (
        tuple(message.model_dump_json() for message in sent),
        counter.count_text(TEXT),
        tuple(profile.images.tokens(*size) for size in SIZES),
        tuple(cache.cached_tokens(prefix) for prefix in (0, 60, 100, 300, 1_500, 2_100, 5_001)),
        tuple(cache.pays(before, 4_000, growth=300) for before in range(4_000, 12_000, 200)),
    )


@pytest.mark.parametrize("profile", [profile for _, profile in TABLE], ids=[pattern for pattern, _ in TABLE])
def test_each_profile_changes_something(profile: ModelProfile) -> None:
    assert measured(profile) != measured(UNKNOWN)


ONE_OF_EACH = (
    *("deepseek-reasoner", "deepseek-chat", "claude-opus-4-8", "claude-sonnet-4", "gemini-2.0-flash", "gemini-3-pro"),
    *("gemini-2.5-pro", "gemma-4-31b", "gemma-2-9b-it", "qwq-32b", "qwen3-32b", "mistral-7b-instruct-v0.2"),
    *("mistral-large", "llama-2-7b-chat", "llama3.2", "gpt-oss-20b", "gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-nano"),
    *("gpt-4.1", "gpt-4o", "gpt-4", "gpt-5-mini", "gpt-5-nano", "gpt-5.2", "gpt-5.5", "gpt-5", "o4-mini", "o1", "o3"),
    *("computer-use-preview", "our-gpt-deployment"),
)


def test_each_row_has_its_example() -> None:
    assert [profile_of(model) for model in ONE_OF_EACH] == [profile for _, profile in TABLE]


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_without_its_row_a_model_would_be_measured_otherwise(model: str) -> None:
    rows = ModelOptimizer(profiles=TABLE)
    profile = rows.own_profile(model)
    others = ModelOptimizer(profiles=[row for row in TABLE if row[1] is not profile]).own_profile(model) or UNKNOWN
    assert profile is not None
    assert measured(profile) != measured(others)
    assert ModelName.parse(model).base == model


BASE = replace(profile_of("gpt-4o"), call_id=r"[\s\S]{1,60}")
OTHERWISE: dict[str, object] = {
    "family": "unknown",
    "system": "user",
    "turns": "alternate",
    "ends_with_user": True,
    "refuses_empty": True,
    "sends_thought": False,
    "call_id": r"[\s\S]{1,40}",
    "unique_ids": True,
    "object_arguments": True,
    "images": FlatImages(1),
    "encoding": "cl100k_base",
    "cache": profile_of("gpt-4").cache,
}


@pytest.mark.parametrize("name", [field.name for field in fields(ModelProfile)])
def test_each_field_of_a_profile_changes_something(name: str) -> None:
    base = BASE if name != "family" else profile_of("gpt-4o")
    assert measured(replace(base, **{name: OTHERWISE[name]})) != measured(base)


@pytest.mark.parametrize("system", ["head", "user"])
@pytest.mark.parametrize("turns", ["user_first", "calls_answer", "alternate"])
def test_each_value_of_a_field_changes_something(system: str, turns: str) -> None:
    assert len({measured(replace(BASE, **changes)) for changes in ({}, {"system": system}, {"turns": turns})}) == 3


CACHE = PromptCache(automatic=True, minimum=1_024, granularity=128, discount=0.5)


@pytest.mark.parametrize(("name", "value"), [("automatic", False), ("minimum", 0), ("granularity", 1), ("discount", 0)])
def test_each_field_of_a_prompt_cache_changes_something(name: str, value: object) -> None:
    base = replace(BASE, cache=CACHE)
    assert measured(replace(base, cache=replace(CACHE, **{name: value}))) != measured(base)
    assert {field.name for field in fields(PromptCache)} == {"automatic", "minimum", "granularity", "discount"}
