"""What belongs together in a text, and the lines that makes of it.

Records are told by their layout, whatever the notation: a row that stands deeper than one above it says little without
that one, and a row of a paragraph of fields says little without the field that names the record.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from .lines import Line

WHOLE_CHARS = 320
"""A text up to this long, on one line, is one piece: it is kept or left out whole."""

_PIECE_CHARS = 480
"""A sentence longer than this is cut: mostly it is a list."""

_CUT_CHARS = 160
"""Into pieces of at most so many characters, so that the beginning and the end of a long list fit a small budget."""

_ENTRY_ENDS = " ,;|\t，、；"
"""What stands between the entries of a list: an entry cut in two would look like another one."""

_SENTENCE = re.compile(r"(?<=[.!?;。！？])\s+")

_NUMBER = re.compile(r"[ ]*(\d{1,9})(?:\t|→|: ?| ?[|│] ?|$)")
"""The number of a row, as ``cat -n``, editors and agents' tools write it."""

_LOOK_AT = 12
"""Rows that tell whether rows are numbered."""

_DEEPEST = 12
"""Deeper rows go with the row of this depth, so that what comes along with a line stays bounded."""

_TAG = re.compile(r"<([\w:.-]{1,80})(?:\s[^<>]{0,400})?>")
_END_TAG = re.compile(r"</([\w:.-]{1,80})>")
_CLOSERS = "})];,"
_BLOCK_ENDS = ")]}"
_GOES_ON = ")"
"""Tag of a row that ends one block and opens the next, such as ``) -> int:`` and ``} else {``."""

_LABELS = ("public:", "private:", "protected:")
"""Rows of a class in C++ that stand no deeper than its first one."""

_INSIDE = "{[(,;:"
"""A row that ends with one of these does not open a block with a brace in the next row."""

_BARE = re.compile(r"<[\w:.-]{1,80}>|[-*+]|(?:[-*+] )?[{\[(]")
"""A row that opens a record and says nothing of it."""

_ITEM = re.compile(r"[-*+] \S")
"""A row that opens a record with its first field."""

_FIELD = re.compile(r"\W{0,4}([^\W\d_][\w ./-]{0,40}?)[\"']?\s?[:=>](?!//)")

_NAMING = frozenset({"id", "uuid", "key", "name", "title", "number", "no", "code", "ref", "reference", "sku"})
"""Last words of fields that name a record, in files of any subject; others are known by ids in them."""

_KEY_WORD = re.compile(r"[A-Z]?[^\W\dA-Z_]+|[A-Z]+")

_ID = re.compile(r"[^\W\d_][\w-]{0,40}\d|\d[\w-]{0,40}[^\W\d_]")
"""Letters and digits in one word, as in most ids."""

_RULE_ROW = re.compile(r"[-=*_~#]{3,}")

_LEAST_FIELDS = 3
"""A record has so many fields where no blank row separates it from the next: speakers who take turns make fewer."""


@dataclass(slots=True)
class Outline:
    """What belongs together in a text, by numbers of its rows.

    Args:
        joined: Rows that make one piece with the row before them.
        belongs: Rows that say little without another one, with that one's number.
    """

    joined: set[int] = field(default_factory=set[int])
    belongs: dict[int, int] = field(default_factory=dict[int, int])

    def rows(self) -> set[int]:
        """All rows that it says something about."""
        return self.joined.union(self.belongs, self.belongs.values())

    def add(self, other: Outline) -> None:
        """Takes over what another outline says about rows that this one says nothing about."""
        self.joined |= other.joined
        self.belongs = {**other.belongs, **self.belongs}


def write(rows: Sequence[str], outline: Outline) -> list[Line]:
    """The rows as lines, without the blank ones.

    Args:
        rows: The rows of a text.
        outline: What belongs together in them.

    Example:
        >>> for line in write(["class A:", "", "    @property", "    def f():"], Outline({3}, {2: 0})):
        ...     print(repr(line.text), line.header)
        'class A:' -1
        '    @property\\n    def f():' 0
    """
    if not outline.joined and not outline.belongs:
        lines: list[Line] = []
        for row in rows:
            if len(row) > WHOLE_CHARS:
                lines += pieces(row)
            elif row:
                lines.append(Line(row))
        return lines
    belongs = dict(outline.belongs)
    groups: list[tuple[int, str]] = []
    home: dict[int, int] = {}
    for number, row in enumerate(rows):
        if not row:
            continue
        if number in outline.joined and groups:
            first, text = groups[-1]
            if len(text) + len(row) < WHOLE_CHARS:
                groups[-1] = (first, f"{text}\n{row}")
                home[number] = first
                continue
            belongs.setdefault(number, first)
        groups.append((number, row))
        home[number] = number
    place: dict[int, int] = {}
    lines = []
    for first, text in groups:
        place[first] = len(lines)
        lines += pieces(text)
    ends = [*place.values(), len(lines)]
    for (first, _), start, end in zip(groups, ends, ends[1:], strict=False):
        target = belongs.get(first)
        header = -1 if target is None else place.get(home.get(target, first), start)
        if header not in (-1, start):
            lines[start:end] = [Line(line.text, header, line.continues) for line in lines[start:end]]
    return lines


def pieces(row: str) -> Iterator[Line]:
    """A long row by sentences, and a long sentence cut: put together they are the row."""
    if len(row) <= WHOLE_CHARS:
        yield Line(row)
        return
    start = 0
    ends = [match.end() for match in _SENTENCE.finditer(row)]
    first = True
    for end in [*ends, len(row)]:
        while end - start > _PIECE_CHARS:
            last = max(row.rfind(sign, start + _CUT_CHARS // 2, start + _CUT_CHARS) for sign in _ENTRY_ENDS)
            cut = last + 1 or start + _CUT_CHARS
            yield Line(row[start:cut], continues=not first)
            start, first = cut, False
        if end > start:
            yield Line(row[start:end], continues=not first)
            start, first = end, False


def unnumbered(rows: Sequence[str]) -> Sequence[str]:
    """The rows without their numbers, where most of the first ones have rising numbers.

    Example:
        >>> unnumbered(["   1\\ta:", "   2\\t  b: 3"])
        ['a:', '  b: 3']
    """
    first = [row for row in rows[: 2 * _LOOK_AT] if row][:_LOOK_AT]
    found = [int(match[1]) for row in first if (match := _NUMBER.match(row))]
    if 4 * len(found) < 3 * len(first) or any(one >= other for one, other in pairwise(found)):
        return rows
    return [row[match.end() :] if (match := _NUMBER.match(row)) else row for row in rows]


def width(row: str) -> int:
    """Columns before the first sign of a row; a tab at its start is up to four.

    Example:
        >>> width("  a"), width("\\tb")
        (2, 4)
    """
    row = row.expandtabs(4) if row.startswith("\t") else row
    return len(row) - len(row.lstrip())


def nested(rows: Sequence[str]) -> Outline:
    """Each row with the nearest row above it that stands less deep, or with the field that names that record.

    In XML, indented or not, with the element that it is in.

    Example:
        >>> nested(["ports:", "- id: P-1", "  city: Oslo", "- city: Rome", "  id: P-2", "  berth: 4"]).belongs
        {2: 1, 4: 3, 5: 4}
    """
    outline = Outline()
    rows = unnumbered(rows)
    if not any(row[:1] in (" ", "\t", "<") for row in rows if row):
        return outline
    texts = [row.strip() for row in rows]
    for above, below in _children(rows, texts).items():
        leaves = [row for row in below.rows if row not in below.parents]
        name = above if _is_named(texts[above]) else next((row for row in leaves if _names(texts[row])), above)
        if (
            name == above
            and _BARE.fullmatch(texts[above])
            and leaves[:1] == below.rows[:1]
            and _FIELD.match(texts[leaves[0]])
        ):
            name = leaves[0]
        if name == below.rows[0] and _BARE.fullmatch(texts[above]):
            outline.joined.add(name)
        elif name != above:
            outline.belongs[name] = above
        for row in below.rows:
            if row != name:
                outline.belongs[row] = name
    return outline


class _Below(NamedTuple):
    """The rows directly below a row, and which of them have rows below them."""

    rows: list[int]
    parents: set[int]


class _Open(NamedTuple):
    """A row that others may stand below."""

    row: int
    width: int
    tag: str


def _children(rows: Sequence[str], texts: Sequence[str]) -> dict[int, _Below]:
    below: dict[int, _Below] = {}
    parents: dict[int, int] = {}
    stack: list[_Open] = []
    before = -1
    for number, text in enumerate(texts):
        if not text:
            continue
        deep = width(rows[number])
        end = _END_TAG.fullmatch(text) if text[0] == "<" else None
        if end is not None and any(one.tag == end[1] for one in stack):
            while stack[-1].tag != end[1]:
                stack.pop()
            above, opens = stack.pop().row, False
        else:
            tag = _TAG.fullmatch(text) if text[0] == "<" and text[-2] != "/" else None
            goes_on = text[0] in _BLOCK_ENDS or text in _LABELS
            name = tag[1] if tag else _GOES_ON if goes_on else ""
            opens = bool(text.strip(_CLOSERS))
            if text == "{" and stack and stack[-1] == (before, deep, "") and texts[before][-1] not in _INSIDE:
                opens, goes_on = False, True  # the brace of the row above
            while stack and not _is_above(stack[-1], deep, name, goes_on):
                stack.pop()
            above = stack[-1].row if stack else -1
            if opens and len(stack) < _DEEPEST:
                stack.append(_Open(number, deep, name))
        if above >= 0:
            below.setdefault(above, _Below([], set())).rows.append(number)
            parents[number] = above
            if above in parents:
                below[parents[above]].parents.add(above)
        before = number
    return below


def _is_above(one: _Open, deep: int, name: str, goes_on: bool) -> bool:
    """Whether a row stands below another one: deeper, in its element, or as the next part of what it opened."""
    if one.width != deep:
        return one.width < deep
    return one.tag != _GOES_ON if goes_on else one.tag not in ("", _GOES_ON, name)


def fields(rows: Sequence[str], taken: Set[int]) -> Outline:
    """Each row of a paragraph of ``Key: value`` rows with the one that names the record, where there are several such.

    Args:
        rows: The rows of a text.
        taken: Numbers of rows that go with others already.

    Example:
        >>> rows = ["Port: Oslo", "Id: P-1", "", "Port: Rome", "Id: P-2"]
        >>> fields(rows, set()).belongs
        {0: 1, 3: 4}
    """
    outline = Outline()
    blocks = list(_blocks(rows, taken))
    counts = Counter(block.kind for block in blocks)
    for block in blocks:
        if not block.kind or counts[block.kind] < 2:
            continue
        first, *others = block.rows
        name = first
        if not _ID.search(rows[first]):
            name = next((row for row in others if _names(rows[row])), first)
        outline.belongs.update((row, name) for row in block.rows if row != name)
    return outline


class _Record(NamedTuple):
    """Rows that may be the fields of one record, and the first field, which others of its kind begin with too."""

    rows: list[int]
    kind: str


def _blocks(rows: Sequence[str], taken: Set[int]) -> Iterator[_Record]:
    block: list[int] = []
    for number, row in enumerate([*rows, ""]):
        if row and not _RULE_ROW.fullmatch(row):
            if number not in taken:
                block.append(number)
            continue
        keys = [_key(rows[number]) for number in block]
        starts = [place for place, key in enumerate(keys) if key == keys[0]]
        ends = [*starts[1:], len(block)]
        if not keys or not keys[0] or any(end - start < _LEAST_FIELDS for start, end in zip(starts, ends, strict=True)):
            starts, ends = [0], [len(block)]
        for start, end in zip(starts, ends, strict=True):
            found = [key for key in keys[start:end] if key]
            if end - start > 1 and 2 * len(found) >= end - start:
                yield _Record(block[start:end], found[0])
        block = []


def _key(row: str) -> str:
    found = _FIELD.match(row)
    return found[1] if found and row[found.end() : found.end() + 1] in ("", " ", "\t") else ""


def _is_named(text: str) -> bool:
    """Whether a row that opens a record says which one."""
    if _BARE.fullmatch(text):
        return False
    return _ITEM.match(text) is None or _names(text) or _ID.search(text) is not None


def _names(text: str) -> bool:
    """Whether a row is a field that names its record, such as ``order_id: 7``."""
    found = _FIELD.match(text)
    words = _KEY_WORD.findall(found[1]) if found else ()
    return bool(words) and words[-1].lower() in _NAMING
