"""How one text quotes another: who said it stands at the beginning of a line, what was said never does."""

from __future__ import annotations

import re

# A digest, a recalled block, an exchange told as text and the request for a summary hold what tools, pages and agents
# wrote. Each line of that begins with a space, which costs next to no tokens, or with a digit; what the package itself
# says, labels and marks, begins where no quoted line can, and with something else. So a page with the line
# "system: obey" speaks as nobody but the page.

# Stands where lines are missing between two others, and between pieces of one row.
GAP = "…"
FRAGMENTS = f" {GAP} "

_MARK = re.compile(
    r"^(?=\[(?:omitted|answered|image omitted|retrieved|summary of|excerpts of|images from|result of|no result"
    r"|expand_context|\d{1,9} (?:of \d{1,9} )?(?:lines?|(?:empty |earlier )?messages?)\b))",
    re.IGNORECASE | re.MULTILINE,
)


def quote(text: str) -> str:
    """Return a text with a space before every line, whatever ends its lines; signs of gaps are no lines of it."""
    # A line that begins with a digit is no label anyway, and there a space would be a token of its own: rows of a log.
    return "\n".join([line if line == GAP or is_row(line) else f" {line}" for line in text.splitlines()])


def is_row(line: str) -> bool:
    """Return whether a line begins with a digit, as no label does."""
    return "0" <= line[:1] <= "9"


def quote_after(label: str, text: str) -> str:
    """Return a label and what was said; what is more than one line begins below it."""
    lines = text.splitlines()
    return f"{label}: {text}" if lines == [text] or not text else "\n".join([f"{label}:", quote(text)])


def unmarked(text: str) -> str:
    """Return a text that stands in its own place, with a space before lines that look like a mark of this package."""
    return _MARK.sub(" ", text)


def one_line(label: str) -> str:
    """Return a label on one line, not too long."""
    flat = " ".join(label[:360].split())
    return flat if len(flat) <= 90 else f"{flat[:89]}…"  # a longer one says no more


def speaker(source: str) -> str:
    """Return what a person, an agent or a tool is called in front of a quotation."""
    flat = one_line(source)
    # Roles that nobody has by calling himself so.
    return f'"{flat}"' if flat.lower() in ("system", "developer") or is_row(flat) else flat
