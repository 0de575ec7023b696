"""The counter for a model: its encoding, its remedy for names that nobody knows, its life without a tokenizer."""

import warnings

import pytest

from autogen_ext_tokenctx.errors import UnknownModelError
from autogen_ext_tokenctx.models.counters import (
    TiktokenCounter,
    counter_for_model,
    counter_named,
    is_exact,
    name_of_counter,
)
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter
from autogen_ext_tokenctx.tokens.images import FlatImages

TIKTOKEN = TiktokenCounter()
ESTIMATED = EstimatedTokenCounter()


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("openai/gpt-4o-mini", "o200k_base"),
        ("openrouter/openai/gpt-4.1-nano", "o200k_base"),
        ("GPT-4o-2024-08-06", "o200k_base"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "o200k_base"),
        ("o3", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-5.1-codex", "o200k_base"),
        ("gpt-6", "o200k_base"),
        ("gpt-oss-120b", "o200k_harmony"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("azure/gpt-35-turbo", "cl100k_base"),
        ("claude-sonnet-4-5", "o200k_base"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "o200k_base"),
        ("models/gemini-2.5-pro", "o200k_base"),
        ("meta-llama/Llama-3.3-70B-Instruct", "o200k_base"),
        ("deepseek-chat", "o200k_base"),
        ("qwen2.5-coder:7b", "o200k_base"),
    ],
)
def test_models_find_their_encoding(model: str, encoding: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert TiktokenCounter(model).encoding == encoding


@pytest.mark.parametrize("model", ["totally-unknown", "", "text-davinci-003"])
def test_an_unknown_model_raises_and_names_the_remedy(model: str) -> None:
    with pytest.raises(UnknownModelError, match=r"encoding=.*o200k_base"):
        TiktokenCounter(model)


def test_wrong_arguments_raise() -> None:
    with pytest.raises(UnknownModelError, match="cl100k_base, o200k_base, o200k_harmony"):
        TiktokenCounter(encoding="o300k_base")
    with pytest.raises(ValueError, match="not both"):
        TiktokenCounter("gpt-4o", encoding="o200k_base")


def test_counter_for_model_never_raises_and_warns_once() -> None:
    with pytest.warns(UserWarning, match="no-such-model") as caught:
        counters = [counter_for_model("no-such-model") for _ in range(3)]
    assert len(caught) == 1
    assert {counter.count_text("hello world") for counter in counters} == {2}
    assert counter_for_model(None).count_text("hello world") == 2


def test_without_a_tokenizer_the_counter_estimates_for_life(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr("autogen_ext_tokenctx.models.counters.load_encoding", nothing)
        counter = TiktokenCounter()
    text = "antidisestablishmentarianism, 12345!"
    assert not counter.exact
    assert counter.count_text(text) == ESTIMATED.count_text(text)
    assert TIKTOKEN.exact


@pytest.mark.parametrize(
    ("model", "exact"),
    [
        ("gpt-4o", True),
        ("openai/gpt-4.1-mini", True),
        ("gpt-4", True),
        ("o3-mini", True),
        ("ft:gpt-4o:org::id", True),
        ("gpt-oss-20b", False),
        ("claude-sonnet-4", False),
        ("llama-3.1-8b", False),
        ("omni", False),
        ("", False),
    ],
)
def test_which_models_are_counted_exactly(model: str, exact: bool) -> None:
    assert is_exact(model) == exact


@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base", "estimated", "gpt-4o"])
def test_a_counter_has_a_name_that_gives_an_equal_one(name: str) -> None:
    assert name_of_counter(counter_named(name)) == name


def test_a_counter_of_the_users_has_no_name() -> None:
    with pytest.raises(TypeError, match="cannot be dumped"):
        name_of_counter(TiktokenCounter(images=FlatImages(1)))
