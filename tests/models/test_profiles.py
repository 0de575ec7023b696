"""What is known about models: looked up by any name, and true to the sources."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.models.counters import TiktokenCounter
from autogen_ext_tokenctx.models.profile_table import TABLE, UNKNOWN, profile_of
from autogen_ext_tokenctx.models.profiles import ModelProfile, PromptCache
from autogen_ext_tokenctx.tokens.encodings import RANK_FILES
from autogen_ext_tokenctx.tokens.images import CroppedImages, FlatImages, ImageCost, PatchedImages, TiledImages

MODELS: Mapping[str, str] = {
    "gpt-4o": "gpt",
    "gpt-4o-2024-08-06": "gpt",
    "openai/gpt-4.1-nano": "gpt",
    "ft:gpt-4o-mini-2024-07-18:claude-fans::id": "gpt",
    "gpt-35-turbo": "gpt",
    "our-gpt4o-deployment": "gpt",
    "chatgpt-4o-latest": "gpt",
    "gpt-oss:20b": "gpt",
    "gpt-5.2-codex": "gpt",
    "gpt-6": "gpt",
    "o1": "o-series",
    "o3-mini-2025-01-31": "o-series",
    "azure/o4-mini": "o-series",
    "codex-mini-latest": "o-series",
    "claude-3-5-sonnet-20241022": "claude",
    "us.anthropic.claude-sonnet-4-20250514-v1:0": "claude",
    "anthropic/claude-opus-4.6": "claude",
    "gemini-2.0-flash": "gemini",
    "models/gemini-2.5-pro": "gemini",
    "google/gemma-3-27b-it:free": "gemma",
    "meta-llama/Llama-3.3-70B-Instruct": "llama",
    "llama3.1:8b": "llama",
    "mistral-large-latest": "mistral",
    "mistralai/Devstral-Small-2-24B": "mistral",
    "codestral-2501": "mistral",
    "deepseek-chat": "deepseek",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": "deepseek",
    "r1": "deepseek",
    "qwen3-32b": "qwen",
    "Qwen/QwQ-32B": "qwen",
    "phi-4": "unknown",
    "command-r-plus": "unknown",
    "my-own-model": "unknown",
    "": "unknown",
}


@pytest.mark.parametrize(("model", "family"), MODELS.items())
def test_family(model: str, family: str) -> None:
    assert profile_of(model).family == family


def test_no_name_is_the_safe_profile() -> None:
    assert profile_of(None) is UNKNOWN


@given(st.text(max_size=60))
def test_any_name_has_a_profile(model: str) -> None:
    assert profile_of(model).family in {UNKNOWN.family, *(profile.family for _, profile in TABLE)}


@pytest.mark.parametrize("profile", [profile_of(model) for model in MODELS], ids=list(MODELS))
def test_profiles_are_consistent(profile: ModelProfile) -> None:
    assert profile.system != "anywhere" or profile.turns == "free", "a system message between turns is no turn"
    assert profile.encoding is None or profile.encoding in RANK_FILES
    assert re.compile(profile.call_id).fullmatch("0123abcde"), "what other ids are renamed to"
    assert 0 <= profile.cache.discount < 1
    assert profile.cache.granularity >= 1


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "gpt-3.5-turbo", "gpt-4.1-mini", "o3", "gpt-5", "gpt-4-turbo"])
def test_encoding_is_the_counters(model: str) -> None:
    assert profile_of(model).encoding == TiktokenCounter(model).encoding


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        # OpenAI's vision guide and its examples
        ("gpt-4o", (1024, 1024), 765),
        ("gpt-4.1", (2048, 4096), 1105),
        ("gpt-4o-mini", (1024, 1024), 2833 + 4 * 5667),
        ("o1", (512, 512), 225),
        ("gpt-5", (512, 512), 210),
        ("gpt-4.1-mini", (1024, 1024), 1659),
        ("gpt-4.1-nano", (32, 32), 3),
        ("o4-mini", (4000, 4000), 2642),
        ("gpt-5-mini", (1024, 1024), 1659),
        ("computer-use-preview", (512, 512), 194),
        # community.openai.com/t/1262691, measured: 128 x 64 pixels and about 12 tokens of text
        ("o3", (128, 64), 236 - 11),
        ("gpt-4.1-2025-04-14", (128, 64), 267 - 12),
        ("gpt-4.1-mini-2025-04-14", (128, 64), 26 - 13),
        ("gpt-4o-mini-2024-07-18", (128, 64), 8512 - 12),
        # huggingface.co/datasets/JOHNISKING/image-token-cost, measured, text taken off
        ("gpt-5.5", (1024, 1024), 1229),
        ("gpt-6", (1920, 1080), 2448),
        ("gpt-6", (3840, 2160), 9792),
        ("claude-haiku-4-5", (256, 256), 165 - 65),
        ("claude-haiku-4-5", (1024, 1024), 1434 - 65),
        ("claude-opus-5-5", (1024, 1024), 1446 - 77),
        ("claude-opus-5-5", (1920, 1080), 2768 - 77),
        ("gemini-2.5-pro", (384, 384), 258),
        ("gemini-2.5-pro", (960, 540), 6 * 258),
        ("gemini-3-pro-preview", (4032, 3024), 1120),
        ("llama-3.2-90b-vision", (100, 100), 6404),
    ],
)
def test_image(model: str, size: tuple[int, int], tokens: int) -> None:
    assert profile_of(model).images.tokens(*size) == tokens


@given(
    rule=st.sampled_from(
        [
            TiledImages(85, 170),
            PatchedImages(28, 1_568, longest=1_568),
            PatchedImages(32, 1_536, 1.62),
            CroppedImages(258),
            FlatImages(1_120),
        ]
    ),
    width=st.integers(0, 20_000),
    height=st.integers(0, 20_000),
)
def test_every_image_costs_something_whichever_way_it_lies(rule: ImageCost, width: int, height: int) -> None:
    assert rule.tokens(width, height) == rule.tokens(height, width) > 0


@pytest.mark.parametrize(
    ("model", "prefix", "cached"),
    [
        ("gpt-4o", 1_023, 0),
        ("gpt-4o", 1_024, 1_024),
        ("gpt-5", 2_006, 1_920),
        ("gpt-4", 5_000, 0),
        ("deepseek-chat", 200, 192),
        ("gemini-2.5-flash", 2_047, 0),
        ("gemini-2.5-flash", 2_500, 2_500),
        ("gemini-3-pro", 2_500, 0),
        ("gemini-2.0-flash", 9_000, 0),
        ("claude-sonnet-4", 9_000, 0),
        ("mistral-large", 9_000, 0),
        ("my-own-model", 9_000, 9_000),
    ],
)
def test_cached_tokens(model: str, prefix: int, cached: int) -> None:
    assert profile_of(model).cache.cached_tokens(prefix) == cached


@pytest.mark.parametrize(
    ("model", "discount", "minimum"),
    [
        ("gpt-4o", 0.5, 1_024),
        ("o1", 0.5, 1_024),
        ("gpt-4.1-mini", 0.75, 1_024),
        ("o3", 0.75, 1_024),
        ("o4-mini", 0.75, 1_024),
        ("gpt-5-nano", 0.9, 1_024),
        ("gpt-5.2", 0.9, 1_024),
        ("gemini-2.5-pro", 0.9, 2_048),
        ("qwen-plus", 0.8, 1_024),
    ],
)
def test_cache(model: str, discount: float, minimum: int) -> None:
    cache = profile_of(model).cache
    assert (cache.discount, cache.minimum) == (discount, minimum)


@given(st.integers(0, 10**6), st.integers(1, 1_000), st.integers(0, 5_000))
def test_cached_tokens_are_whole_steps_of_the_prefix(prefix: int, step: int, minimum: int) -> None:
    cached = PromptCache(automatic=True, minimum=minimum, granularity=step, discount=0.5).cached_tokens(prefix)
    assert 0 <= cached <= prefix
    assert cached % step == 0
    assert prefix < minimum or prefix - cached < step


@pytest.mark.parametrize(
    ("model", "quirks"),
    [
        ("gpt-4o", {"system": "anywhere", "turns": "free", "refuses_empty": False, "ends_with_user": False}),
        ("claude-sonnet-4", {"system": "head", "turns": "user_first", "refuses_empty": True, "ends_with_user": True}),
        ("mistral-large", {"system": "head", "turns": "alternate", "call_id": "[a-zA-Z0-9]{9}"}),
        ("gemini-2.5-flash", {"system": "head", "turns": "calls_answer"}),
        ("deepseek-chat", {"turns": "free", "sends_thought": True}),
        ("deepseek-reasoner", {"turns": "alternate", "sends_thought": False}),
        ("qwen3-32b", {"system": "head", "sends_thought": True}),
        ("qwen3-235b-a22b-thinking", {"sends_thought": False}),
        ("llama-3.3-70b", {"system": "head", "turns": "free"}),
        ("llama-2-7b-chat", {"turns": "alternate"}),
        ("gemma2:9b", {"system": "user"}),
        ("google/gemma-7b-it", {"system": "user"}),
        ("gemma3:27b", {"system": "user"}),
        ("gemma-4-31b-it", {"system": "head"}),
        ("mistralai/Mistral-7B-Instruct-v0.2", {"system": "user"}),
        ("mistralai/Mistral-7B-Instruct-v0.3", {"system": "head"}),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", {"system": "user"}),
        ("gpt-oss-120b", {"encoding": "o200k_harmony", "system": "head"}),
        ("something-else", {"system": "head", "turns": "alternate", "refuses_empty": True, "ends_with_user": True}),
    ],
)
def test_quirks(model: str, quirks: dict[str, object]) -> None:
    profile = profile_of(model)
    assert {name: getattr(profile, name) for name in quirks} == quirks
