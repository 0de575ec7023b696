"""Warnings that are given once, and the refusal of keys that nobody reads."""

from __future__ import annotations

import warnings

import pytest
from pydantic import ValidationError

from autogen_ext_tokenctx.errors import StrictConfig, check_keys
from autogen_ext_tokenctx.warn import warn_once


class Limits(StrictConfig):
    budget: int = 0


def test_a_thing_is_warned_of_once_in_a_process_at_the_line_of_the_user() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            warn_once("test_warnings", "careful")
    assert [(str(one.message), one.filename) for one in caught] == [("careful", __file__)]


def test_a_key_that_nobody_reads_is_refused_with_the_nearest_one() -> None:
    check_keys(["memory_patterns"], ["design", "memory_patterns"], "shares")
    with pytest.raises(ValueError, match="shares has no 'memory', did you mean 'memory_patterns'"):
        check_keys(["memory"], ["design", "memory_patterns"], "shares")
    with pytest.raises(ValidationError, match="Limits has no 'budgt', did you mean 'budget'"):
        Limits.model_validate({"budgt": 6})
