"""The small sources: environment and files, with everything that can be wrong in them."""

import asyncio
import json
import logging
import os
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from autogen_ext_tokenctx.models.limits import LimitAnswer, LimitSource, ModelLimits
from autogen_ext_tokenctx.models.names import ModelName
from autogen_ext_tokenctx.models.sources import (
    EnvironmentSource,
    FileSource,
    TableSource,
    _tell_age,  # pyright: ignore[reportPrivateUsage]
)

from ..support.quiet import no_warnings


def ask(source: LimitSource, model: str) -> LimitAnswer:
    return asyncio.run(source(ModelName.parse(model)))


def tokens(source: LimitSource, model: str) -> int | None:
    limits = ask(source, model).limits
    return limits and limits.max_input_tokens


@pytest.mark.parametrize(
    ("variable", "model", "matches"),
    [
        ("MODEL_LIMIT_GPT4", "gpt-4", True),
        ("MODEL_LIMIT_GPT4", "gpt-4o", False),
        ("MODEL_LIMIT_GPT4", "gpt-4.1", False),
        ("MODEL_LIMIT_GEMINI_2_0_FLASH", "gemini-2.0-flash", True),
        ("MODEL_LIMIT_GEMINI_2_0_FLASH", "models/gemini-2.0-flash", True),
        ("MODEL_LIMIT_gpt_4o", "openai/gpt-4o-2024-08-06", True),
        ("MODEL_LIMIT_OPENAI_GPT_4O", "openai/gpt-4o", True),
        ("MODEL_LIMIT_OPENAI_GPT_4O", "gpt-4o", False),
        ("MODEL_LIMIT_GPT_4O", "ft:gpt-4o:acme::id7", True),
        ("MODEL_LIMIT_LLAMA3", "llama3:8b", True),
        ("MODEL_LIMIT_LLAMA3_8B", "llama3:8b", True),
        ("MODEL_LIMIT_LLAMA3_70B", "llama3:8b", False),
        ("MODEL_LIMIT_", "--", False),
        ("MODEL_LIMITS_GPT4", "gpt-4", False),
    ],
)
def test_names_in_the_environment_compare_by_letters_and_digits(variable: str, model: str, matches: bool) -> None:
    assert tokens(EnvironmentSource({variable: "777"}), model) == (777 if matches else None)


def test_the_more_specific_variable_counts() -> None:
    source = EnvironmentSource({"MODEL_LIMIT_GPT_4O": "1", "MODEL_LIMIT_GPT_4O_2024_08_06": "2"})
    assert [tokens(source, "gpt-4o-2024-08-06"), tokens(source, "gpt-4o-2024-11-20")] == [2, 1]


@pytest.mark.parametrize("value", ["", "many", "-5", "0", "1e5", "8k", "9" * 5_000])
def test_a_bad_value_in_the_environment_is_named_once_and_passed_over(value: str) -> None:
    variable = f"MODEL_LIMIT_BAD{abs(hash(value))}"
    source = EnvironmentSource({variable: value})
    model = variable.removeprefix("MODEL_LIMIT_").lower()
    with pytest.warns(UserWarning, match=variable):
        assert tokens(source, model) is None
    with no_warnings():
        assert tokens(source, model) is None


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("entry", "window"),
    [
        (5_000, ModelLimits(5_000, 5_000)),
        ({"context_window": 5_000}, ModelLimits(5_000, 5_000)),
        ({"max_input_tokens": 4_000}, ModelLimits(4_000, 4_000)),
        (
            {"context_window": 5_000, "max_input_tokens": 4_000, "max_output_tokens": 900},
            ModelLimits(5_000, 4_000, 900),
        ),
    ],
)
def test_entries_of_a_file(tmp_path: Path, entry: object, window: ModelLimits) -> None:
    with no_warnings():
        source = FileSource(write(tmp_path / "limits.json", {"My-Model": entry}))
        assert ask(source, "my_model").limits == ask(source, "host/My-Model:free").limits == window


@pytest.mark.parametrize(
    ("entry", "window", "says"),
    [
        (-5, None, "not a positive whole number"),
        (0, None, "not a positive whole number"),
        (True, None, "not a positive whole number"),
        ("8192", None, "not a positive whole number"),
        (8192.5, None, "not a positive whole number"),
        (None, None, "not a positive whole number"),
        ([8192], None, "not a positive whole number"),
        ({}, None, "neither context_window nor max_input_tokens"),
        ({"max_output_tokens": 5}, None, "neither context_window nor max_input_tokens"),
        (
            {"context_window": 5_000, "max_input_tokens": -1},
            ModelLimits(5_000, 5_000),
            "max_input_tokens is not a positive",
        ),
        ({"context_window": 5_000, "max_tokens": 1}, ModelLimits(5_000, 5_000), "max_tokens is not one of"),
        ({"context_window": 5_000, "max_input_tokens": 6_000}, ModelLimits(5_000, 5_000), "more than context_window"),
    ],
)
def test_a_bad_entry_is_named_with_its_file_and_key_and_the_rest_counts(
    tmp_path: Path, entry: object, window: ModelLimits | None, says: str
) -> None:
    path = write(tmp_path / "limits.json", {"bad-one": entry, "good": 7_000})
    source = FileSource(path)
    with pytest.warns(UserWarning, match=says) as caught:
        assert tokens(source, "good") == 7_000
    assert len(caught) == 1
    assert all(part in str(caught[0].message) for part in (str(path), "bad-one"))
    with no_warnings():
        assert ask(source, "bad-one").limits == window


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "[" * 100_000, '{"a": 1', "\x00"])
def test_a_broken_file_is_named_once_and_ignored(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "limits.json", content)
    with pytest.warns(UserWarning, match="limits.json") as caught:
        assert tokens(FileSource(path), "a") is None
    assert len(caught) == 1
    with no_warnings():
        assert tokens(FileSource(path), "a") is None


def test_a_file_that_is_given_but_missing_is_named(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"absent\.json"):
        assert tokens(FileSource(tmp_path / "absent.json"), "a") is None


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="cannot be read"):
        assert tokens(FileSource(tmp_path), "a") is None


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    """The working directory's file and the home directory's."""
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    return here / "model_limits.json", home / ".autogen" / "model_limits.json"


def test_the_nearest_file_that_knows_a_model_counts(places: tuple[Path, Path]) -> None:
    near, far = places
    write(near, {"a": 1_000})
    write(far, {"a": 2_000, "b": 3_000})
    source = FileSource()
    assert [tokens(source, model) for model in "abc"] == [1_000, 3_000, None]


def test_a_bad_entry_lets_the_next_file_answer(places: tuple[Path, Path]) -> None:
    near, far = places
    write(near, {"a": "many"})
    write(far, {"a": 2_000})
    with pytest.warns(UserWarning, match="key 'a'"):
        assert tokens(FileSource(), "a") == 2_000


def test_a_given_file_is_the_only_one(places: tuple[Path, Path], tmp_path: Path) -> None:
    write(places[0], {"a": 1_000})
    assert tokens(FileSource(write(tmp_path / "own.json", {"b": 2_000})), "a") is None


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "limits.json", {"a": 1_000})
    source = FileSource(path)
    assert tokens(source, "a") == 1_000
    write(path, {"a": 20_000})
    assert tokens(source, "a") == 20_000


def test_the_name_as_written_counts_before_its_letters_and_digits(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "limits.json", {"gpt-41": 1, "gpt-4.1": 2}))
    assert [tokens(source, "gpt-41"), tokens(source, "gpt-4.1")] == [1, 2]


@pytest.mark.skipif(os.name == "nt", reason="a working directory cannot be removed there")
def test_a_working_directory_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    evicted = tmp_path / "gone"
    evicted.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(evicted)
    evicted.rmdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tokens(FileSource(), "a") is None


@pytest.mark.parametrize(("days", "told"), [(0, 0), (90, 0), (91, 1), (400, 1)])
async def test_an_old_table_is_told_once(
    days: int, told: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _tell_age.cache_clear()
    today = datetime.now(tz=timezone.utc).date()
    monkeypatch.setattr("autogen_ext_tokenctx.models.sources.TABLE_DATE", today - timedelta(days=days))
    with caplog.at_level(logging.INFO, logger="autogen_ext_tokenctx"):
        for name in ("gpt-4o", "gpt-5"):
            await TableSource()(ModelName.parse(name))
    _tell_age.cache_clear()
    assert sum("days old" in record.message for record in caplog.records) == told
