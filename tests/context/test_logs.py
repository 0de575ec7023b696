"""Output of programs: what is said again is said once, and nothing is lost by it."""

from __future__ import annotations

import json
import re

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.lines import join
from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.context.notation import compact_json
from autogen_ext_tokenctx.context.text import text_lines
from tests.support.outlines import extract


def written(text: str) -> list[str]:
    return [line.text for line in text_lines(text)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("a\nb\nb\nb\nc", ["a", "b  [×3]", "c"], id="equal"),
        pytest.param("b\n\nb", ["b", "b"], id="apart"),
        pytest.param("\x1b[1;31mERROR\x1b[0m disk \x1b[Kfull", ["ERROR disk full"], id="colours"),
        pytest.param("\x1b]0;title\x07$ make", ["$ make"], id="title"),
        pytest.param("\x1b]8;;http://a/b\x1b\\docs", ["\x1b]8;;http://a/b\x1b\\docs"], id="address of a link"),
        pytest.param("one\r\ntwo\r\n", ["one", "two"], id="windows"),
        pytest.param("\r".join(f"Ann {n}%" for n in range(99)), ["Ann 0%", "Ann 1%", "Ann 2%"], id="old mac"),
        pytest.param("Get\r 1%|#  |\r 50%|#  |\r100%|###|\nok\n", ["Get", "100%|###|", "ok"], id="progress"),
        pytest.param("  5%\rERROR: no space left\n", ["  5%", "ERROR: no space left"], id="broken progress"),
        pytest.param("Ann 5%\rBen 6%\n", ["Ann 5%", "Ben 6%"], id="other things"),
        pytest.param(
            "\n".join(f"[12:00:{n}] GET /health 200 in {n}ms" for n in range(10, 58)),
            ["[12:00:10] GET /health 200 in 10ms", "[×48, last 12:00:57 57ms]"],
            id="polls",
        ),
        pytest.param(
            "\n".join(f"2024-05-17T12:00:{n}.123Z [41{n}] retry {n}/60 at 0x7f{n:02x}a0" for n in range(10, 58)),
            ["2024-05-17T12:00:10.123Z [4110] retry 10/60 at 0x7f0aa0", "[×48, last 12:00:57.123 4157 57/60 0x7f39a0]"],
            id="addresses",
        ),
    ],
)
def test_what_is_said_again_is_said_once(text: str, lines: list[str]) -> None:
    assert written(text)[: len(lines)] == lines


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\n".join(f"12:00:{n} job {n} done" for n in range(10, 30)), id="numbers are values"),
        pytest.param("\n".join(f"row {n}: {n * n}" for n in range(30)), id="no time"),
        pytest.param("12:00:01 started\n12:00:02 started", id="two"),
        pytest.param("\n".join(f"12:00:0{n} v1.{n}.2" for n in range(9)), id="versions"),
        pytest.param("12:00:01 a\0b\n12:00:02 a12:00:00b\n12:00:03 a\0b", id="the sign of a hole"),
    ],
)
def test_what_differs_stays_apart(text: str) -> None:
    assert written(text) == text.split("\n")


def test_the_times_between_need_the_line_they_are_of() -> None:
    text = "\n".join(f"12:{n}:00 waiting for the database" for n in range(10, 60))
    assert extract(text, "last").splitlines() == [
        "12:10:00 waiting for the database",
        "[×50, last 12:59:00]",
        "…",
    ]
    asked = extract(text, "12:33:00")
    assert asked.startswith("12:10:00 waiting for the database\n…\n")
    assert "12:33:00" in asked


ROWS = st.sampled_from(
    [
        "12:00:{n} poll",
        "12:00:{n} job {n}",
        "error {n}",
        "2024-05-{n} 08:00:{n} [{n}] tick #{n}",
        "same",
        "",
        "  x {n}%",
    ]
)

WORD = re.compile(r"[\w#:.%-]+")


@given(st.lists(st.tuples(ROWS, st.integers(1, 6)), max_size=12))
def test_nothing_is_lost_and_every_line_is_counted(runs: list[tuple[str, int]]) -> None:
    rows = [row.format(n=10 + n) for row, times in runs for n in range(times)]
    lines = text_lines("\n".join(rows))
    words = set(WORD.findall(join(lines)))
    assert all(word in words for row in rows for word in WORD.findall(row))
    said = sum(int(count) for line in lines for count in re.findall(r"\[×(\d+)", line.text))
    whole = [line for line in lines if line.text and not line.continues]
    alone = [line for line in whole if not re.search(r"\[×|^\[between", line.text)]
    starts = sum(line.text.startswith("[×") for line in lines)  # of those the first one stands alone before
    assert said + len(alone) - starts == len([row for row in rows if row])


def test_text_in_json_is_read_like_any_other() -> None:
    output = "\x1b[32mok\x1b[0m\n" + "\n".join(f"12:00:{n} poll" for n in range(10, 60)) + "\ndone"
    lines = compact_json(json.dumps({"exit_code": 0, "stdout": output}))
    assert lines is not None
    assert [line.text for line in lines[:5]] == [
        "exit_code: 0", "stdout:", "ok", "12:00:10 poll", "[×50, last 12:00:59]",
    ]  # fmt: skip
    assert [line.header for line in lines[:5]] == [-1, -1, 1, 1, 3]


async def test_the_error_among_a_thousand_polls() -> None:
    polls = [f"2024-05-17 12:{n // 60:02d}:{n % 60:02d} INFO poller: queue is empty" for n in range(1_800)]
    polls[1_211] = "2024-05-17 12:20:11 ERROR poller: lease of shard 7 lost to node-b"
    call = FunctionCall(id="1", name="read_log", arguments="{}")
    log = FunctionExecutionResult(call_id="1", name="read_log", content="\n".join(polls), is_error=False)
    history: list[LLMMessage] = [
        UserMessage(content="Why did the poller stop?", source="user"),
        AssistantMessage(content=[call], source="coder"),
        FunctionExecutionResultMessage(content=[log]),
    ]
    shown = (await ContextManager().fit(history, 600)).messages[-1]
    assert "ERROR poller: lease of shard 7 lost to node-b" in str(shown.content)
    assert "12:00:00 INFO poller: queue is empty" in str(shown.content)
    assert "[×1211, last 12:20:10]" in str(shown.content)
