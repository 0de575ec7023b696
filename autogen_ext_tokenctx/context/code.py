"""Source code: every line of a function or class goes with its first line.

No parser, for any language: a row that opens a block and reads like a signature, and the deeper rows under it. Rows
may have their numbers before them. What is not written like that stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .outline import Outline, unnumbered, width

_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|unsafe|sealed|override|virtual"
    r"|inline|extern|const|declare|data|open|partial|readonly|pub(?:\([a-z]+\))?)\s+)*"
)
_PYTHON = re.compile(r"(?:async\s+def|def|class)\s+\w")
_NAMED = re.compile(
    _MODIFIERS
    + r"(?:class|interface|enum|struct|union|trait|impl|namespace|module|record|def|func|fun|fn|function|type)\b"
)
_ASSIGNED = re.compile(_MODIFIERS + r"(?:(?:let|var)\s+)?[\w.]+\s*(?::[^=]{1,200})?=\s*(?:async\b|function\b|\()")
_CALLABLE = re.compile(r"[\w<>\[\],.*&:~?$ ]*[\w>]\s*\(")
_CONTROL = re.compile(
    r"\W*(?:if|else|for|foreach|while|do|switch|case|catch|try|finally|with|return|using|lock|synchronized|match|loop"
    r"|unless|select|defer|go|new|throw|await|yield|assert)\b"
)
_COMMENT = re.compile(r"(?<!\s)\s+(?:#|//|/\*).*")  # looked for where white space begins, once
_ASIDE = re.compile(r"(?:public|private|protected)\s*:|#\s*(?:if|ifdef|ifndef|else|elif|endif|define|pragma|region)\b")
"""Rows in a class of C++ or C# that stand further left than what they are in."""

_CLOSERS = "})];,"

_SIGNATURE_CHARS = 400
_NESTED = 2
"""Brackets open at once in the signatures that are looked for."""

_SIGNATURE_ROWS = 12
"""Rows that a signature may take."""


def has_code(text: str) -> bool:
    """Whether a text may have source code in it; a quick look, so that others are not read."""
    return "{\n" in text or (":\n" in text and ("def " in text or "class " in text))


def code(rows: Sequence[str]) -> Outline:
    """What belongs together in the source code of a text.

    Example:
        >>> code(["@cached", "def f(x):", "    y = x", "    return y", "print(f(1))"])
        Outline(joined={1}, belongs={2: 1, 3: 1})
    """
    rows = unnumbered(rows)
    outline = Outline()
    blocks: list[tuple[int, int]] = []  # indentation and first row of each block around a row
    braces_apart = "{" in set(map(str.strip, rows))
    decorated = False
    after = 0
    for number, row in enumerate(rows):
        text = row.lstrip()
        if number < after or not text:
            continue
        indent = width(row)
        if blocks and text[0] in _CLOSERS and not text.strip(_CLOSERS):
            outline.joined.add(number)
            while blocks and blocks[-1][0] > indent:
                blocks.pop()
            continue
        if blocks and blocks[-1][0] >= indent:
            depth = indent + bool(_ASIDE.match(text))
            while blocks and blocks[-1][0] >= depth:
                blocks.pop()
        if blocks:
            outline.belongs[number] = blocks[-1][1]
        if text[0] == "@":
            if decorated:
                outline.joined.add(number)
            decorated = True
            continue
        may_open = text[-1] in "{:(,[" or braces_apart or "#" in text or "/" in text
        end = _signature_end(rows, number, text, indent) if may_open else -1
        if end >= 0:
            outline.joined.update(range(number if decorated else number + 1, end + 1))
            blocks.append((indent, number))
            after = end + 1
        decorated = False
    return outline


def _signature_end(rows: Sequence[str], number: int, text: str, indent: int) -> int:
    """The last row of the signature that begins here; -1 where none does."""
    bare = _uncommented(text)
    unclosed = bare.count("(") > bare.count(")")
    if bare[-1:] not in ("{", ":") and not unclosed and _next(rows, number)[1].strip() != "{":
        return -1
    if len(bare) > _SIGNATURE_CHARS or _CONTROL.match(bare):
        return -1
    if not (_NAMED.match(bare) or _ASSIGNED.match(bare) or _CALLABLE.match(bare)):
        return -1
    end = number
    for _ in range(_SIGNATURE_ROWS):
        if bare[-1:] in ("{", ":", ";") or not 0 < bare.count("(") - bare.count(")") <= _NESTED:
            break
        end, row = _next(rows, end)
        bare = f"{bare} {_uncommented(row.strip())}"
    if bare[-1:] not in ("{", ":"):
        end, row = _next(rows, end)
        bare += row.strip()
    if not (bare.endswith("{") or (bare.endswith(":") and _PYTHON.match(bare))):
        return -1
    body = _next(rows, end)[1]
    return end if width(body) > indent or _ASIDE.match(body.strip()) else -1


def _next(rows: Sequence[str], number: int) -> tuple[int, str]:
    """The next row that is not blank."""
    for later in range(number + 1, min(len(rows), number + 4)):
        if rows[later]:
            return later, rows[later]
    return number, ""


def _uncommented(text: str) -> str:
    return _COMMENT.sub("", text) if "#" in text or "/" in text else text
