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

from .line import Line
from .outline import text_lines

# No measurement is on record for the numbers below, unless they name one.

LINE_CHARS = 120
"""Entries of an object share a line up to this length; a longer object is spread over several lines."""

_RECORD_CHARS = 400
"""One record of a list may take this much of a line: its values belong together."""

_TOO_LONG = _RECORD_CHARS + 3
"""What takes so much in brackets is too long for any line."""

_FLAT_LEVELS = 8
"""What is nested deeper in a record is not spread over columns: each level would look at all those below it."""

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
    """Return the lines of a text that is JSON, or has it after an introduction; None for any other text."""
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
        _Writer(lines).write(cast("dict[str, Any] | list[Any]", value))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    _add_text(text[end:], lines)
    return lines


def _read(text: str, start: int) -> tuple[Any, int]:
    """Return the structure that begins at a place, and where it ends."""
    try:
        return _DECODER.raw_decode(text, start)
    except ValueError:
        if len(text) - start > _PYTHON_CHARS or text.rstrip()[-1] not in "}]":
            raise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that mean nothing
        return _plain(ast.literal_eval(text[start:].strip())), len(text)


def _plain(value: Any) -> Any:
    """Return a Python literal as JSON has it; ValueError if JSON has no such value, or two equal keys."""
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        plain = {key if isinstance(key, str) else _key(_plain(key)): _plain(item) for key, item in entries.items()}
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
    """Return the lines of a text, below those that are there."""
    before = len(lines)
    for line in text_lines(text) if text.strip() else ():
        lines.append(line if line.header < 0 else replace(line, header=line.header + before))


class _Writer:
    """Writes one structure below the lines that are there."""

    # What each structure in it says on one line is worked out once, the inner ones first, and no further than lines
    # go: written anew at each level, a deep structure would take its depth times its size.

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._owners: list[int] = []  # lines that what is written now says little without, the innermost last
        self._inlines: dict[int, str] = {}
        self._known_entries: dict[int, list[tuple[str, Any]]] = {}  # holds the lists made here: ids stay their own

    def _add(self, text: str) -> None:
        self._lines.append(Line(text, self._owner(len(self._lines))))

    def _owner(self, place: int) -> int:
        """Return the innermost line above a place that what stands there says little without."""
        return next((owner for owner in reversed(self._owners) if owner < place), -1)

    def _add_text(self, text: str) -> None:
        first, lines = len(self._lines), self._lines
        _add_text(text, lines)
        for place in range(first, len(lines)):
            if lines[place].header < 0:
                lines[place] = replace(lines[place], header=self._owner(place))

    def write(self, value: dict[str, Any] | list[Any], path: str = "", width: int = LINE_CHARS) -> None:
        """Write a structure; ``path`` is where it stands in the whole, ``width`` what may stand on one line."""
        whole = self._inline(value)
        if isinstance(value, dict) and value:
            whole = whole[1:-1]
        if len(whole) <= width:
            self._add(f"{path}: {whole}" if path else whole)
            return
        key = _own_key(value) if isinstance(value, dict) else None
        if key is not None:
            value, path = list(cast("dict[str, Any]", value).values()), f"{path} by {key}".lstrip()
        records = self._records(value)
        if records is not None:
            header = len(self._lines)
            self._add(f"{path} ({', '.join(records[0])}):".lstrip())
            self._lines.extend(Line(", ".join(record.values()), header) for record in records)
        elif isinstance(value, dict):
            self._write_dict(value, path)
        else:
            self._write_list(value, path)

    def _write_dict(self, value: dict[str, Any], path: str) -> None:
        """Write an object: short entries share lines, long ones are below, under their path."""
        pending: list[str] = []
        prefix = f"{path}: " if path else ""

        def flush() -> None:
            if pending:
                self._add(prefix + ", ".join(pending))
                pending.clear()

        for key, item in self._entries(value):
            entry = f"{key}: {self._inline(item)}"
            if len(entry) > LINE_CHARS and _is_container(item):
                flush()
                below = f"{path}.{key}" if path else key
                if len(below) <= LINE_CHARS:
                    self.write(item, below)
                    continue
                self._owners.append(len(self._lines))
                self._add(f"{below}:")  # said once: else each line below would say it again
                self.write(item)
                self._owners.pop()
            elif _is_text(item):
                flush()
                self._owners.append(len(self._lines))
                self._add(f"{prefix}{key}:")
                self._add_text(item)
                self._owners.pop()
            else:
                if sum(map(len, pending)) + len(entry) > LINE_CHARS:
                    flush()
                pending.append(entry)
        flush()

    def _write_list(self, value: list[Any], path: str) -> None:
        if path:
            self._add(f"{path}:")
        pending: list[str] = []
        for item in value:
            apart = _is_container(item) or _is_text(item)
            text = "" if apart else self._inline(item)
            if pending and (apart or sum(map(len, pending)) + len(text) > LINE_CHARS):
                self._add(", ".join(pending))
                pending.clear()
            if _is_text(item):
                self._add_text(item)
            elif _is_container(item):
                self._owners.append(len(self._lines))  # its first line
                self.write(item, "", _RECORD_CHARS)
                self._owners.pop()
            else:
                pending.append(text)
        if pending:
            self._add(", ".join(pending))

    def _records(self, value: dict[str, Any] | list[Any]) -> list[dict[str, str]] | None:
        """Return the rows of records of one shape, in a list or by key, which is the first column then."""
        named: list[tuple[str | None, Any]] = (
            [*value.items()] if isinstance(value, dict) else [(None, item) for item in value]
        )
        if len(named) < _MIN_ROWS or not all(_is_dict(item) and item for _, item in named):
            return None
        for levels in (_FLAT_LEVELS, 0):
            rows: list[dict[str, str]] = []
            for name, item in named:
                row = {} if name is None else {"": name}
                chars = len(name or "")
                for column, text in self._flat(item, levels):
                    chars += len(text)
                    if chars > _RECORD_CHARS:
                        return None
                    row[column] = text
                rows.append(row)
            if all(row.keys() == rows[0].keys() for row in rows):
                return rows
        return None

    def _flat(self, record: dict[str, Any], levels: int, path: str = "") -> Iterator[tuple[str, str]]:
        """Yield the entries of a record as columns; what is nested in it down to so many levels has its own."""
        for key, item in self._entries(record):
            name = f"{path}.{key}" if path else key
            if levels and _is_dict(item) and item:
                yield from self._flat(item, levels - 1, name)
            else:
                yield name, self._inline(item)

    def _inline(self, value: Any) -> str:
        """Return a value on one line; of a structure that is too long for one, some text that is too long, too."""
        if not _is_dict(value) and not _is_list(value):
            return _scalar(value)
        known = self._inlines.get(id(value))
        if known is not None:
            return known
        parts: list[str] = []
        chars = 2
        items = self._entries(value) if _is_dict(value) else (("", item) for item in value)
        for name, item in items:
            parts.append(f"{name}: {self._inline(item)}" if _is_dict(value) else self._inline(item))
            chars += len(parts[-1]) + 2
            if chars > _TOO_LONG + 2:
                break
        text = ", ".join(parts)
        text = (f"({text})" if _is_dict(value) else f"[{text}]")[:_TOO_LONG]
        self._inlines[id(value)] = text
        return text

    def _entries(self, record: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return the entries of an object; records that are kept under their own id as a list of them."""
        known = self._known_entries.get(id(record))
        if known is None:
            known = self._known_entries[id(record)] = []
            for name, item in record.items():
                key = _own_key(item) if _is_dict(item) else None
                known.append((name, item) if key is None else (f"{name} by {key}", list(item.values())))
        return known


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if value and value == value.strip() else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _key(value: Any) -> str:
    """Return the key of an entry that Python allows and JSON does not."""
    return f"[{', '.join(map(_key, value))}]" if _is_list(value) else _scalar(value)


def _own_key(records: dict[str, Any]) -> str | None:
    """Return the field in which each of some records by key says its key again; None where there is none."""
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
