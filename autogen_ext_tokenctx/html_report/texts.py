"""The texts of a call before and after, side by side: what is gone and what is new is marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from .log import LoggedText, LoggedTexts

MESSAGES = 300
"""Messages of a side that are compared; more are counted only."""

CHARACTERS = 6_000
"""Characters of a message that are shown: its start and its end."""

PIECE = re.compile(r"[^\n.;,!?]*(?:\n|[.;,!?]+[ \t]*|$)")
"""What is marked as one: a line, or a part of a sentence."""

Runs = list[list[str]]


def trimmed(texts: LoggedTexts) -> LoggedTexts:
    """Texts short enough to be shown.

    Example:
        >>> short = trimmed(LoggedTexts(history=(LoggedText(who="user", text="a" * 7_000),)))
        >>> len(short.history[0].text) < 6_100, short.left_out
        (True, 0)
    """
    history, left_out_before = _ends(texts.history)
    view, left_out_after = _ends(texts.view)
    return LoggedTexts(history=history, view=view, left_out=texts.left_out + left_out_before + left_out_after)


def _ends(messages: Sequence[LoggedText]) -> tuple[tuple[LoggedText, ...], int]:
    """The first and last messages, and how many there are between them."""
    left_out = max(0, len(messages) - MESSAGES)
    if left_out:
        messages = (*messages[: MESSAGES // 2], *messages[-MESSAGES // 2 :])
    return tuple(map(_trimmed, messages)), left_out


def _trimmed(message: LoggedText) -> LoggedText:
    left_out = len(message.text) - CHARACTERS
    if left_out <= 0:
        return message
    start, end = message.text[: CHARACTERS * 2 // 3], message.text[-CHARACTERS // 3 :]
    text = f"{start}\n[{left_out:,} characters are not in this report]\n{end}"
    return message.model_copy(update={"text": text})


def compared(texts: LoggedTexts) -> list[dict[str, Any]]:
    """The rows of the comparison, as JSON values.

    Each row has ``mark`` ("same", "gone", "new" or "changed") and what stands on the left and on the right: who says
    it, its tokens, and runs of text, each with "=" (in both), "-" (gone) or "+" (new). The right of "same" is left out.

    Example:
        >>> def said(text: str) -> LoggedText:
        ...     return LoggedText(who="user", text=text)
        >>> (row,) = compared(LoggedTexts(history=(said("One. Two."),), view=(said("Two."),)))
        >>> row["mark"], row["left"]["runs"], row["right"]["runs"]
        ('changed', [['-', 'One. '], ['=', 'Two.']], [['=', 'Two.']])
    """
    history, view = texts.history, texts.view
    rows: list[dict[str, Any]] = []
    keys = [[(message.who, message.text) for message in side] for side in (history, view)]
    for mark, i, i_end, j, j_end in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if mark == "equal":
            rows += [_row("same", message, None) for message in history[i:i_end]]
        else:
            rows += _replaced(history[i:i_end], view[j:j_end])
    return rows


def _replaced(gone: Sequence[LoggedText], new: Sequence[LoggedText]) -> list[dict[str, Any]]:
    """Rows of messages between two that stayed. A message was shortened to the next one that shares its pieces."""
    rows: list[dict[str, Any]] = []
    pieces = [set(_pieces(message.text)) for message in gone]
    start = 0
    for message in new:
        mine = set(_pieces(message.text))
        shared = [
            len(mine & pieces[place]) if gone[place].who == message.who else 0 for place in range(start, len(gone))
        ]
        best = max(range(len(shared)), key=shared.__getitem__, default=0)
        if shared and shared[best]:
            rows += [_row("gone", left, None) for left in gone[start : start + best]]
            rows.append(_row("changed", gone[start + best], message))
            start += best + 1
        else:
            rows.append(_row("new", None, message))
    return rows + [_row("gone", left, None) for left in gone[start:]]


def _row(mark: str, left: LoggedText | None, right: LoggedText | None) -> dict[str, Any]:
    if left is not None and right is not None:
        before, after = _runs(_pieces(left.text), _pieces(right.text))
    else:
        before = [["-" if mark == "gone" else "=", left.text]] if left else []
        after = [["+", right.text]] if right else []
    row: dict[str, Any] = {"mark": mark}
    for name, message, runs in (("left", left, before), ("right", right, after)):
        if message is not None:
            row[name] = {"who": message.who, "tokens": message.tokens, "runs": runs}
    return row


def _pieces(text: str) -> list[str]:
    return [piece for piece in PIECE.findall(text) if piece]


def _runs(before: Sequence[str], after: Sequence[str]) -> tuple[Runs, Runs]:
    left: Runs = []
    right: Runs = []
    for mark, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for side, sign, run in ((left, "-", before[i:i_end]), (right, "+", after[j:j_end])):
            if run:
                side.append(["=" if mark == "equal" else sign, "".join(run)])
    return left, right
