"""JSON in less notation: the same values, without the quotes, the braces and the repeated keys.

A record becomes ``key: value, key: value``; records of one shape become a table, a header line with the keys and a
row of values each; records kept under their own id are listed without it. Long structures are spread over lines so
that each line can be kept or left out on its own. What Python prints of the same structures is read as well: AutoGen's
function tools give it to the model where they return a plain dict or list.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeGuard, cast

from .lines import Line
from .text import text_lines

LINE_CHARS = 120
"""Entries of an object share a line up to this length; a longer object is spread over several lines."""

_RECORD_CHARS = 400
"""One record of a list may take this much of a line: its values belong together."""

_TEXT_CHARS = 2_000
"""A string of more characters, or of several lines, is read like any other text, and not a value among others."""

_MIN_JSON_CHARS = 60
"""Shorter JSON has no notation worth saving."""

_MIN_ROWS = 3
"""Fewer records than this do not pay for a header line."""

_OPENING = re.compile(r"""[\[{]\s*(?:["'\[{\]}]|-?\d[\d.eE+-]*\s*[,:\]]|[tfnTFN](?:rue|alse|ull|one)\b)""")
"""How JSON begins; a date or a name in brackets is told apart without trying to read it."""

_DECODER = json.JSONDecoder()

_PYTHON_CHARS = 100_000
"""What Python printed is read up to this length: its parser takes many times its text in memory."""


def compact_json(text: str) -> list[Line] | None:
    """The lines of a text that is JSON, or that has JSON after a line of introduction; None for any other text.

    JSON also means what Python prints of such a structure: ``{'open': True, 'seats': None}``.

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
    if start < 0 or not _OPENING.match(text, start):
        return None
    try:
        value, end = _read(text, start)
        if not isinstance(value, (dict, list)):
            return None
        lines: list[Line] = []
        _add_text(text[:start], lines)
        _write(cast("dict[str, Any] | list[Any]", value), "", lines)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    _add_text(text[end:], lines)
    return lines


def _read(text: str, start: int) -> tuple[Any, int]:
    """The structure that begins at a place, and where it ends."""
    try:
        return _DECODER.raw_decode(text, start)
    except ValueError:
        if len(text) - start > _PYTHON_CHARS or text.rstrip()[-1] not in "}]":
            raise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that mean nothing
        return _plain(ast.literal_eval(text[start:].strip())), len(text)


def _plain(value: Any) -> Any:
    """A Python literal as JSON has it.

    Raises:
        ValueError: JSON has no such value, or two keys would be the same.
    """
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        plain = {key if isinstance(key, str) else _inline(_plain(key)): _plain(item) for key, item in entries.items()}
        if len(plain) < len(entries):
            raise ValueError
        return plain
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError


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


def _go_with(header: int, lines: list[Line]) -> None:
    """The lines after a line, those that stand alone, say little without it from now on."""
    lines[header + 1 :] = [line if line.header >= 0 else replace(line, header=header) for line in lines[header + 1 :]]


def _write(value: dict[str, Any] | list[Any], path: str, lines: list[Line], width: int = LINE_CHARS) -> None:
    whole = _inline(value)
    if len(whole) <= width:
        lines.append(Line(f"{path}: {whole}" if path else whole))
        return
    key = _own_key(value) if isinstance(value, dict) else None
    if key is not None:
        value, path = list(cast("dict[str, Any]", value).values()), f"{path} by {key}".lstrip()
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

    for key, item in _entries(value):
        entry = f"{key}: {_inline(item, nested=True)}"
        if len(entry) > LINE_CHARS and _is_container(item):
            flush()
            _write(item, f"{path}.{key}" if path else key, lines)
        elif _is_text(item):
            flush()
            header = len(lines)
            lines.append(Line(f"{prefix}{key}:"))
            _add_text(item, lines)
            _go_with(header, lines)
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
            first = len(lines)
            _write(item, "", lines, _RECORD_CHARS)
            _go_with(first, lines)
        else:
            pending.append(text)
    if pending:
        lines.append(Line(", ".join(pending)))


def _write_table(records: list[dict[str, str]], path: str, lines: list[Line]) -> None:
    header = len(lines)
    lines.append(Line(f"{path} ({', '.join(records[0])}):".lstrip()))
    lines.extend(Line(", ".join(record.values()), header) for record in records)


def _records(value: dict[str, Any] | list[Any]) -> list[dict[str, str]] | None:
    """The rows of a list of records of one shape, or of such records by key (then the key is the first column).

    What is nested in all records alike is spread over columns, what is nested in each in its own way has one.
    """
    named: list[tuple[str | None, Any]] = (
        [*value.items()] if isinstance(value, dict) else [(None, item) for item in value]
    )
    if len(named) < _MIN_ROWS or not all(_is_dict(item) and item for _, item in named):
        return None
    for columns in (_flat, _shallow):
        rows = [({} if name is None else {"": name}) | dict(columns(item)) for name, item in named]
        if all(row.keys() == rows[0].keys() for row in rows):
            return rows if all(sum(map(len, row.values())) <= _RECORD_CHARS for row in rows) else None
    return None


def _flat(record: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, item in _entries(record):
        name = f"{path}.{key}" if path else key
        if _is_dict(item) and item:
            yield from _flat(item, name)
        else:
            yield name, _inline(item, nested=True)


def _shallow(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    return ((key, _inline(item, nested=True)) for key, item in _entries(record))


def _inline(value: Any, nested: bool = False) -> str:
    if _is_dict(value):
        text = ", ".join(f"{key}: {_inline(item, nested=True)}" for key, item in _entries(value))
        return f"({text})" if nested or not text else text
    if _is_list(value):
        return f"[{', '.join(_inline(item, nested=True) for item in value)}]"
    if isinstance(value, str):
        return value if value and value == value.strip() else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _entries(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries of an object; records that are kept under their own id as a list of them."""
    for name, item in record.items():
        key = _own_key(item) if _is_dict(item) else None
        yield (name, item) if key is None else (f"{name} by {key}", list(item.values()))


def _own_key(records: dict[str, Any]) -> str | None:
    """The field in which each of some records by key says its key again; None where there is none."""
    first = next(iter(records.values()), None)
    if not _is_dict(first):
        return None
    for field in first:
        if all(_is_dict(record) and record.get(field) == name for name, record in records.items()):
            return field
    return None


def _is_dict(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and ("\n" in value or len(value) > _TEXT_CHARS)


def _is_container(value: Any) -> TypeGuard[dict[str, Any] | list[Any]]:
    return isinstance(value, (dict, list)) and bool(cast("dict[str, Any] | list[Any]", value))
