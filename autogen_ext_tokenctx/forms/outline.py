"""Texts that are no JSON, as lines that know what they stand under, whatever the language or notation.

One rule holds for all: a row that stands deeper than one above it says little without that one, in source code, YAML,
traces and lists, and in XML within its element. Below a heading of Markdown a row goes with the heading, and a field of
a record with the field that names the record.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from itertools import pairwise
from typing import NamedTuple

from .line import WHOLE_CHARS, Line, Outline, pieces, to_lines
from .logs import shown, traces

# No measurement is on record for the numbers below, unless they name one.

_NUMBER = re.compile(r"[ ]*(\d{1,9})(?:\t|→|: ?| ?[|│] ?|$)")
"""The number of a row, as ``cat -n``, editors and agents' tools write it."""

_LOOK_AT = 12
"""Rows that tell whether rows are numbered."""

_DEEPEST = 12
"""Deeper rows go with the row of this depth, so that what comes along with a line stays bounded."""

_HEADING = re.compile(r"#{1,6} +\S.{0,200}")
_TITLE = re.compile(r"_{3,} .{1,200} _{3,}|@@ -\d.*")
"""The name of a failed test in pytest's output, and the head of a part of a diff."""

_CODE = re.compile(r"\s*(?:async def|def|class) \w.*:$|.*\{$")
"""A row of source code: what begins with # near it is a comment."""

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


def text_lines(text: str) -> list[Line]:
    """Return the lines of a text, without the blank ones; put together they hold all that it says."""
    text = shown(text)
    if len(text) <= WHOLE_CHARS and "\n" not in text:
        return [Line(text)]
    rows = [row.rstrip() for row in text.splitlines()]
    if len(rows) == 1:
        return list(pieces(rows[0]))
    # Worth in tests.benchmarks.code_and_logs at 10, 20 and 30 %: traces .09 .12 .09 of what is asked of failing runs,
    # deeper rows .11 .10 .03 of what is asked of source files; headings and fields nothing. Those are here so that no
    # view gives a record the field of another one.
    outline = traces(rows)
    taken = outline.rows()
    free = ["" if number in taken else row for number, row in enumerate(rows)]
    outline.add(nested(free))
    outline.add(headings(rows))
    outline.add(fields(free, outline.rows()))
    return to_lines(rows, outline) or [Line(text)]


def headings(rows: Sequence[str]) -> Outline:
    """Return each row with its heading, and each heading with that of its chapter."""
    outline = Outline()
    if not any(row[:1] in ("#", "_", "@") for row in rows):
        return outline
    above: list[tuple[int, int]] = []  # level and row of each heading around a row
    in_code = any(map(_CODE.match, rows)) and not any(row.startswith("```") for row in rows)
    fenced = False
    after_blank = True
    close = False  # whether text follows the headings of this file without a blank row, and so do headings the text
    for number, row in enumerate(rows):
        if not row:
            after_blank = True
            continue
        if row.startswith(("```", "~~~")):
            fenced = not fenced
        level = 0 if fenced else _level(row, in_code)
        if level == 1 and row[0] == "#" and not (after_blank or close):
            level = 0  # a comment: there is seldom a blank row before those of a configuration
        if level:
            while above and above[-1][0] >= level:
                above.pop()
        elif above and number == above[-1][1] + 1:
            close = close or above[-1][0] == 1
        if above:
            outline.belongs[number] = above[-1][1]
        if level:
            above.append((level, number))
        after_blank = level > 0
    return outline


def _level(row: str, in_code: bool) -> int:
    """Return the level of a heading, the topmost is 1; 0 for any other row."""
    if row[0] == "#":
        return len(row) - len(row.lstrip("#")) if not in_code and _HEADING.fullmatch(row) else 0
    return int(row[0] in "_@" and _TITLE.fullmatch(row) is not None)


def nested(rows: Sequence[str]) -> Outline:
    """Return each row with the nearest less deep one above, its element, or the field that names its record."""
    outline = Outline()
    rows = _unnumbered(rows)
    if not any(row[:1] in (" ", "\t", "<") for row in rows if row):
        return outline
    texts = [row.strip() for row in rows]
    children = _children(rows, texts)
    for above, below in children.items():
        leaves = [row for row in below if row not in children]
        name = above if _is_named(texts[above]) else next((row for row in leaves if _names(texts[row])), above)
        if (
            name == above
            and _BARE.fullmatch(texts[above])
            and leaves[:1] == below[:1]
            and _FIELD.match(texts[leaves[0]])
        ):
            name = leaves[0]
        if name == below[0] and _BARE.fullmatch(texts[above]):
            outline.joined.add(name)
        elif name != above:
            outline.belongs[name] = above
        outline.belongs.update((row, name) for row in below if row != name)
    return outline


def _unnumbered(rows: Sequence[str]) -> Sequence[str]:
    """Return the rows without their numbers, where most of the first ones have rising numbers."""
    first = [row for row in rows[: 2 * _LOOK_AT] if row][:_LOOK_AT]
    found = [int(match[1]) for row in first if (match := _NUMBER.match(row))]
    if 4 * len(found) < 3 * len(first) or any(one >= other for one, other in pairwise(found)):
        return rows
    return [row[match.end() :] if (match := _NUMBER.match(row)) else row for row in rows]


class _Open(NamedTuple):
    """A row that others may stand below."""

    row: int
    width: int
    tag: str

    def is_above(self, width: int, tag: str, goes_on: bool) -> bool:
        """Return whether a row stands below this one: deeper, in its element, or as the next part of what it opened."""
        if self.width != width:
            return self.width < width
        return self.tag != _GOES_ON if goes_on else self.tag not in ("", _GOES_ON, tag)


def _children(rows: Sequence[str], texts: Sequence[str]) -> dict[int, list[int]]:
    """Return by row what stands directly below it."""
    below: dict[int, list[int]] = {}
    stack: list[_Open] = []
    before = -1
    for number, text in enumerate(texts):
        if not text:
            continue
        row = rows[number].expandtabs(4) if rows[number].startswith("\t") else rows[number]
        width = len(row) - len(row.lstrip())
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
            if text == "{" and stack and stack[-1] == (before, width, "") and texts[before][-1] not in _INSIDE:
                opens, goes_on = False, True  # the brace of the row above
            while stack and not stack[-1].is_above(width, name, goes_on):
                stack.pop()
            above = stack[-1].row if stack else -1
            if opens and len(stack) < _DEEPEST:
                stack.append(_Open(number, width, name))
        if above >= 0:
            below.setdefault(above, []).append(number)
        before = number
    return below


def fields(rows: Sequence[str], taken: Set[int]) -> Outline:
    """Return each row of a paragraph of fields with the one that names the record, if several are alike."""
    outline = Outline()
    blocks = list(_blocks(rows, taken))
    counts = Counter(key for _, key in blocks)
    for block, key in blocks:
        if counts[key] < 2:
            continue
        first, *others = block
        name = first
        if not _ID.search(rows[first]):
            name = next((row for row in others if _names(rows[row])), first)
        outline.belongs.update((row, name) for row in block if row != name)
    return outline


def _blocks(rows: Sequence[str], taken: Set[int]) -> Iterator[tuple[list[int], str]]:
    """Yield what may be records, in paragraphs of rows that are free, with the key that others of a kind begin with."""
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
                yield block[start:end], found[0]
        block = []


def _key(row: str) -> str:
    """Return the key of a row that is a field, else nothing."""
    found = _FIELD.match(row)
    return found[1] if found and row[found.end() : found.end() + 1] in ("", " ", "\t") else ""


def _is_named(text: str) -> bool:
    """Return whether a row that opens a record says which one."""
    if _BARE.fullmatch(text):
        return False
    return _ITEM.match(text) is None or _names(text) or _ID.search(text) is not None


def _names(text: str) -> bool:
    """Return whether a row is a field that names its record, such as ``order_id: 7``."""
    found = _FIELD.match(text)
    words = _KEY_WORD.findall(found[1]) if found else ()
    return bool(words) and words[-1].lower() in _NAMING
