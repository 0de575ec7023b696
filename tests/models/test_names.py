"""What a name means, and where the name of a client's model is from."""

from __future__ import annotations

from typing import Any

import pytest
from autogen_ext.models.replay import ReplayChatCompletionClient

from autogen_ext_tokenctx.models.known import family_of, open_model
from autogen_ext_tokenctx.models.names import ModelName, model_of, name_of_model, settings_of, squash


def test_names_compare_by_letters_and_digits() -> None:
    assert squash("gemini-2.0-flash") == squash("GEMINI_2_0_FLASH")


def test_a_model_is_named_by_itself_or_by_its_client() -> None:
    assert (name_of_model("gpt-4o"), name_of_model(None)) == ("gpt-4o", None)
    assert name_of_model(ReplayChatCompletionClient(["ok"])) is None
    wrong: Any = 6_000
    with pytest.raises(TypeError, match="budget=6_000"):
        name_of_model(wrong)


def test_a_client_of_another_kind_shows_no_settings() -> None:
    client = ReplayChatCompletionClient(["ok"])
    assert settings_of(client) == {}
    assert model_of(client) == ""


def test_open_models_and_families_are_found_by_their_names() -> None:
    opened = open_model(ModelName.parse("meta-llama/Llama-3.1-8B-Instruct"))
    family = family_of(ModelName.parse("my-gpt-41-mini-deployment"))
    assert opened is not None
    assert opened.context_window == 131_072
    assert family is not None
    assert family[1].context_window == 1_047_576
    assert open_model(ModelName.parse("own-7b")) is family_of(ModelName.parse("own-7b")) is None
