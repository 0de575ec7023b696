"""Compact notation keeps every value, in fewer characters."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.notation import compact_json

NAMES = st.text(st.characters(codec="ascii", categories=["L", "Nd"]), min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | NAMES,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=40,
)


def leaves(value: Any) -> list[str]:
    """The values of a structure, keys of objects included."""
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return [*entries, *(leaf for item in entries.values() for leaf in leaves(item))]
    if isinstance(value, list):
        return [leaf for item in cast("list[Any]", value) for leaf in leaves(item)]
    return [value if isinstance(value, str) else json.dumps(value)]


@given(st.lists(VALUES, min_size=3, max_size=12))
def test_every_value_and_key_is_still_there(value: list[Any]) -> None:
    lines = compact_json(json.dumps(value))
    if lines is not None:
        text = "\n".join(line.text for line in lines)
        assert all(leaf.split(".")[-1] in text for leaf in leaves(value))
        assert all(line.header < number for number, line in enumerate(lines))


def test_records_of_one_shape_become_a_table() -> None:
    flights = [{"number": f"HAT{n}", "seats": {"economy": n, "business": 2}, "open": True} for n in range(5)]
    lines = compact_json(json.dumps({"flights": flights, "note": "x" * 90}))
    assert lines is not None
    assert [line.text for line in lines[:3]] == [
        "flights (number, seats.economy, seats.business, open):",
        "HAT0, 0, 2, true",
        "HAT1, 1, 2, true",
    ]
    assert [line.header for line in lines[:3]] == [-1, 0, 0]


def test_text_around_json_stays() -> None:
    record = json.dumps({"a": list(range(40)), "b": "value"})
    lines = compact_json(f"Updated ledger:\n{record}\nend of ledger")
    assert lines is not None
    assert lines[0].text == "Updated ledger:"
    assert lines[-1].text == "end of ledger"


@pytest.mark.parametrize("text", ["", "plain text " * 20, "[not json " * 20, "{" * 5000, '"just a string"' + " " * 80])
def test_other_texts_are_left_alone(text: str) -> None:
    assert compact_json(text) is None
