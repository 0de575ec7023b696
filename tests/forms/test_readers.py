"""Readers of one's own: a function from a text to lines teaches a format, with public names only."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx import (
    READERS,
    ContextCompressor,
    ContextManager,
    Line,
    TextReader,
    TokenBudgetChatCompletionContext,
)

from ..support.histories import unquoted

PIERS = "\n".join(
    f"== Harbour {'ABCDEFGHIJ'[n % 10]}-{n // 10}\n"
    + "\n".join(f"pier {p}; {p * 13 % 89} tons of salt" for p in range(12 * n, 12 * n + 12))
    for n in range(20)
)


def read_sections(text: str) -> list[Line] | None:
    """Rows below a head that begins with ==, each of which needs the head."""
    if not text.startswith("== "):
        return None
    lines: list[Line] = []
    head = -1
    for row in text.split("\n"):
        if row.startswith("== "):
            head = len(lines)
        lines.append(Line(row, header=-1 if row.startswith("== ") else head))
    return lines


def history() -> list[LLMMessage]:
    """A file that was read, long before a row of it is asked for."""
    call = FunctionCall(id="1", name="read_file", arguments="{}")
    result = FunctionExecutionResult(content=PIERS, name="read_file", call_id="1", is_error=False)
    talk: list[LLMMessage] = [
        message
        for n in range(8)
        for message in (
            UserMessage(content=f"The crane can wait until week {n}.", source="user"),
            AssistantMessage(content=f"Noted as {n}.", source="clerk"),
        )
    ]
    return [
        UserMessage(content="Look after the ports.", source="user"),
        AssistantMessage(content=[call], source="clerk"),
        FunctionExecutionResultMessage(content=[result]),
        *talk,
        UserMessage(content="Where is pier 118, in which place?", source="user"),
    ]


def misplaced(text: str) -> list[str]:
    """The piers that a view shows below the head of another harbour, or of none."""
    found: list[str] = []
    head = ""
    for row in unquoted(text.replace("\\n", "\n")).split("\n"):
        if row.startswith("[recalled"):
            head = ""
        elif "== Harbour" in row:
            head = row[row.index("== ") :]
        elif row.startswith("pier "):
            number = int(row.split(";")[0][5:])
            if head != PIERS.split("\n")[13 * (number // 12)]:
                found.append(row)
    return found


async def view(readers: Sequence[TextReader]) -> str:
    """What a view of 600 tokens says of the file."""
    manager = ContextManager(compressor=ContextCompressor(readers=readers))
    context = TokenBudgetChatCompletionContext(budget=600, manager=manager, initial_messages=history())
    return "\n".join(str(message.content) for message in await context.get_messages())


async def test_a_function_teaches_a_format() -> None:
    with_it, without_it = await view([read_sections, *READERS]), await view(READERS)
    assert "pier 118; 21 tons of salt" in with_it
    assert misplaced(with_it) == []
    assert misplaced(without_it)


async def test_what_no_reader_knows_is_read_as_text() -> None:
    assert await view([lambda text: None]) == await view(READERS[1:]) == await view([])


def raises(text: str) -> list[Line] | None:
    raise RuntimeError("no tables today")


FAULTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "an error": (raises, r"text reader raises raised RuntimeError.*mend it or leave it out"),
    "a text": (lambda text: "a row", "something that is no Line"),
    "texts": (lambda text: text.split("\n"), "something that is no Line"),
    "nothing": (lambda text: [], "no line for a text that is not blank"),
    "no header": (lambda text: [Line(text, header=4)], "line 0 with a header that is not there: 4"),
    "a negative header": (lambda text: [Line(text, header=-2)], "header that is not there: -2"),
    "its own header": (lambda text: [Line(text, header=0)], "headers go in a circle"),
    "a circle": (lambda text: [Line("a"), Line(text, header=2), Line("b", header=1)], "in a circle.* number 1"),
}


@pytest.mark.parametrize(("reader", "fault"), FAULTS.values(), ids=list(FAULTS))
async def test_a_reader_that_fails_is_passed_over_with_one_warning(reader: TextReader, fault: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        shown = await view([reader, *READERS])
    assert shown == await view(READERS)
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match=fault):
        await view([reader, *READERS])


async def test_a_header_may_stand_below_its_lines() -> None:
    def foot(text: str) -> list[Line] | None:
        rows = text.split("\n")
        return [*(Line(row, header=len(rows)) for row in rows), Line("tons by pier")] if ";" in text else None

    assert "tons by pier" in await view([foot, *READERS])
