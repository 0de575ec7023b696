"""Compact notation keeps every value, in fewer characters."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.forms.json import compact_json

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


def test_records_kept_under_their_own_id_are_listed_without_it() -> None:
    variants = {f"99{n}00": {"item_id": f"99{n}00", "options": {"size": n}, "price": 19.5 + n} for n in range(4)}
    lines = compact_json(json.dumps({"name": "Pet Bed", "variants": variants, "note": "x" * 120}))
    assert lines is not None
    text = [line.text for line in lines]
    assert "variants by item_id (item_id, options.size, price):" in text
    assert "99000, 0, 19.5" in text


def test_records_that_differ_only_in_what_is_nested_are_a_table() -> None:
    options = [{"capacity": "750ml"}, {"switch type": "linear", "backlight": "none"}, {"color": "green"}]
    items = [{"name": f"thing {n}", "item_id": f"45793340{n}", "options": option} for n, option in enumerate(options)]
    lines = compact_json(json.dumps({"items": items, "note": "x" * 120}))
    assert lines is not None
    assert [line.text for line in lines[:2]] == [
        "items (name, item_id, options):",
        "thing 0, 457933400, (capacity: 750ml)",
    ]


@given(st.lists(VALUES, min_size=3, max_size=12))
def test_what_python_prints_is_read_like_json(value: list[Any]) -> None:
    printed, written = compact_json(str(value)), compact_json(json.dumps(value))
    if printed is not None and written is not None:
        assert printed == written


def test_python_values_that_json_has_no_word_for() -> None:
    rows = [{"at": (n, n), "open": True, "seats": None, 7: "seven"} for n in range(5)]
    lines = compact_json(str(rows))
    assert lines is not None
    assert [line.text for line in lines[:2]] == ["(at, open, seats, 7):", "[0, 0], true, null, seven"]


@pytest.mark.parametrize(
    "text",
    [
        "[8 May 2023] Caroline: I went to a support group yesterday and it was so powerful. [laughs]",
        "{'a': b'bytes are not JSON', 'b': 'and neither is what follows from them', 'c': 1}",
        "{1: 'one', '1': 'the same key once more', 'c': 'and enough characters to be read'}",
        "[" * 300 + "'deep'" + "]" * 300,
        "{'a': " * 3000 + "1" + "}" * 3000,
        "[__import__('os').getcwd(), 'calls are no values', 'and nothing of this is run at all']",
    ],
)
def test_what_only_looks_like_a_structure_is_left_alone(text: str) -> None:
    assert compact_json(text) is None
