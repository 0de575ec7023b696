"""What commands read: files and standard input, with an error of one line for whatever is wrong with them."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from .saved_messages import BadFileError, is_message
from .saved_states import SavedState, read_state

STDIN = "-"  # the name that stands for standard input

# Bytes of a file, which is read as a whole. Chosen, not measured: far more than a state has.
MOST_BYTES = 100_000_000

# how the text of Python's objects begins: with a string in single quotes, or the name of a class and a bracket
_PRINTED = re.compile(r"\s*[\[{(]?\s{0,20}[\[{(]?\s{0,20}(?:'|[A-Za-z_]{1,60}\()")


def name_of(path: Path) -> str:
    """Return how a file is called in messages."""
    return "standard input" if str(path) == STDIN else str(path)


def unreadable(path: Path, error: OSError) -> BadFileError:
    """Return what to say of a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return BadFileError(f"there is no file {path}; give the path of one that is there")
    if isinstance(error, IsADirectoryError) or os.path.isdir(path):  # Windows calls that a missing permission
        return BadFileError(f"{path} is a directory; give a file in it")
    return BadFileError(f"{path} cannot be read: {error.strerror or error}")


def load_state(path: Path) -> SavedState:
    """Return the histories of a file; raise a BadFileError if it is none of a state or messages, or broken."""
    name = name_of(path)
    return read_state(parse(read_text(path), name), name)


def read_text(path: Path) -> str:
    """Return the text of a file, or of standard input for "-"; raise a BadFileError where there is none to read."""
    name = name_of(path)
    try:
        if str(path) == STDIN:
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > MOST_BYTES:
        raise BadFileError(f"{name} is larger than {MOST_BYTES:,} bytes; give a part of it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFileError(f"{name} is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def parse(text: str, name: str) -> object:
    """Return the JSON value of a text, or the messages on its lines; raise a BadFileError where it is neither."""
    if not text.strip():
        raise BadFileError(f"{name} is empty; a JSON document was expected")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        # a value for each line, then; not by splitlines, for texts in JSON may hold other ends of lines as they are
        if error.msg == "Extra data" and (lines := _message_lines(text)):
            return lines
        if _PRINTED.match(text):
            raise BadFileError(f"{name} is what Python prints, not JSON; save it with json.dump(value, file)") from None
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            raise BadFileError(f"{name} ends in the middle of its JSON; save it once more") from None
        raise BadFileError(f"{name} is not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except RecursionError:
        raise BadFileError(f"{name} is nested too deep to be read") from None
    except ValueError as error:  # a number of thousands of digits
        raise BadFileError(f"{name} is not JSON that can be read: {str(error).split(';')[0]}") from None


def _message_lines(text: str) -> list[object]:
    """Return the messages of a text that has one on each line; none where it is no such text."""
    try:
        found: list[object] = [json.loads(row) for row in text.split("\n") if row.strip()]
    except (ValueError, RecursionError):
        return []
    return found if all(map(is_message, found)) else []
