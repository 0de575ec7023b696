"""JSON in less notation: the same values, without the quotes, the braces and the repeated keys.

A record becomes ``key: value, key: value``; records of one shape become a table, a header line with the keys and a
row of values each. Long structures are spread over lines so that each line can be kept or left out on its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeGuard, cast

from .lines import Line
from .text import text_lines

LINE_CHARS = 100
"""Entries of an object share a line up to this length; a longer object is spread over several lines."""

_RECORD_CHARS = 400
"""One record of a list may take this much of a line: its values belong together."""

_TEXT_CHARS = 2_000
"""A string of more characters, or of several lines, is read like any other text, and not a value among others."""

_MIN_JSON_CHARS = 60
"""Shorter JSON has no notation worth saving."""

_MIN_ROWS = 3
"""Fewer records than this do not pay for a header line."""


def compact_json(text: str) -> list[Line] | None:
    """The lines of a text that is JSON, or that has JSON after a line of introduction; None for any other text.

    Args:
        text: Such as a tool result.

    Returns:
        Lines that together hold every value of the JSON, and all text around it.

    Example:
        >>> rows = [{"id": number, "city": "Berlin", "price": "19.90", "available": True} for number in range(4)]
        >>> [line.text for line in compact_json(json.dumps(rows))][:2]
        ['(id, city, price, available):', '0, Berlin, 19.90, true']
    """
    if len(text) < _MIN_JSON_CHARS:
        return None
    start = _json_start(text)
    if start < 0:
        return None
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
        if not isinstance(value, (dict, list)):
            return None
        lines: list[Line] = []
        _add_text(text[:start], lines)
        _write(cast("dict[str, Any] | list[Any]", value), "", lines)
    except (ValueError, RecursionError):
        return None
    _add_text(text[end:], lines)
    return lines


def _json_start(text: str) -> int:
    head = text[: len(text) - len(text.lstrip())]
    if text[len(head) : len(head) + 1] in ("{", "["):
        return len(head)
    places = [place for place in (text.find("\n{"), text.find("\n[")) if place >= 0]
    return min(places) + 1 if places else -1


def _add_text(text: str, lines: list[Line]) -> None:
    """The lines of a text, below those that are there."""
    before = len(lines)
    for line in text_lines(text) if text.strip() else ():
        lines.append(line if line.header < 0 else replace(line, header=line.header + before))


def _write(value: dict[str, Any] | list[Any], path: str, lines: list[Line], width: int = LINE_CHARS) -> None:
    whole = _inline(value)
    if len(whole) <= width:
        lines.append(Line(f"{path}: {whole}" if path else whole))
        return
    records = _records(value)
    if records is not None:
        _write_table(records, path, lines)
    elif isinstance(value, dict):
        _write_dict(value, path, lines)
    else:
        _write_list(value, path, lines)


def _write_dict(value: dict[str, Any], path: str, lines: list[Line]) -> None:
    """Short entries share lines; long ones are written below, under their path."""
    pending: list[str] = []
    prefix = f"{path}: " if path else ""

    def flush() -> None:
        if pending:
            lines.append(Line(prefix + ", ".join(pending)))
            pending.clear()

    for key, item in value.items():
        entry = f"{key}: {_inline(item, nested=True)}"
        if len(entry) > LINE_CHARS and _is_container(item):
            flush()
            _write(item, f"{path}.{key}" if path else key, lines)
        elif _is_text(item):
            flush()
            lines.append(Line(f"{prefix}{key}:"))
            _add_text(item, lines)
        else:
            if sum(map(len, pending)) + len(entry) > LINE_CHARS:
                flush()
            pending.append(entry)
    flush()


def _write_list(value: list[Any], path: str, lines: list[Line]) -> None:
    if path:
        lines.append(Line(f"{path}:"))
    pending: list[str] = []
    for item in value:
        apart = _is_container(item) or _is_text(item)
        text = "" if apart else _inline(item, nested=True)
        if pending and (apart or sum(map(len, pending)) + len(text) > LINE_CHARS):
            lines.append(Line(", ".join(pending)))
            pending.clear()
        if _is_text(item):
            _add_text(item, lines)
        elif _is_container(item):
            _write(item, "", lines, _RECORD_CHARS)
        else:
            pending.append(text)
    if pending:
        lines.append(Line(", ".join(pending)))


def _write_table(records: list[dict[str, str]], path: str, lines: list[Line]) -> None:
    header = len(lines)
    lines.append(Line(f"{path} ({', '.join(records[0])}):".lstrip()))
    lines.extend(Line(", ".join(record.values()), header) for record in records)


def _records(value: dict[str, Any] | list[Any]) -> list[dict[str, str]] | None:
    """The rows of a list of records of one shape, or of such records by key (then the key is the first column)."""
    rows: list[dict[str, str]] = []
    named: Iterator[tuple[str | None, Any]] = (
        iter(value.items()) if isinstance(value, dict) else ((None, item) for item in value)
    )
    for name, item in named:
        if not _is_dict(item) or not item:
            return None
        row = dict(_flat(item, ""))
        if name is not None:
            row = {"": name, **row}
        if rows and row.keys() != rows[0].keys():
            return None
        rows.append(row)
    if len(rows) < _MIN_ROWS or any(sum(map(len, row.values())) > _RECORD_CHARS for row in rows):
        return None
    return rows


def _flat(record: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for key, item in record.items():
        name = f"{path}.{key}" if path else key
        if _is_dict(item) and item:
            yield from _flat(item, name)
        else:
            yield name, _inline(item, nested=True)


def _inline(value: Any, nested: bool = False) -> str:
    if _is_dict(value):
        text = ", ".join(f"{key}: {_inline(item, nested=True)}" for key, item in value.items())
        return f"({text})" if nested or not text else text
    if _is_list(value):
        return f"[{', '.join(_inline(item, nested=True) for item in value)}]"
    if isinstance(value, str):
        return value if value and value == value.strip() else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _is_dict(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and ("\n" in value or len(value) > _TEXT_CHARS)


def _is_container(value: Any) -> TypeGuard[dict[str, Any] | list[Any]]:
    return isinstance(value, (dict, list)) and bool(cast("dict[str, Any] | list[Any]", value))
