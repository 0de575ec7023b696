"""Output of programs: what a terminal would show of it, and the one error among what is written again and again."""

from __future__ import annotations

import json

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.json import compact_json
from autogen_ext_tokenctx.forms.outline import text_lines


def written(text: str) -> list[str]:
    return [line.text for line in text_lines(text)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("\x1b[1;31mERROR\x1b[0m disk \x1b[Kfull", ["ERROR disk full"], id="colours"),
        pytest.param("\x1b]0;title\x07$ make", ["$ make"], id="title"),
        pytest.param("\x1b]8;;http://a/b\x1b\\docs", ["\x1b]8;;http://a/b\x1b\\docs"], id="address of a link"),
        pytest.param("one\r\ntwo\r\n", ["one", "two"], id="windows"),
        pytest.param("\r".join(f"Ann {n}%" for n in range(99)), ["Ann 0%", "Ann 1%", "Ann 2%"], id="old mac"),
        pytest.param("Get\r 1%|#  |\r 50%|#  |\r100%|###|\nok\n", ["Get", "100%|###|", "ok"], id="progress"),
        pytest.param("  5%\rERROR: no space left\n", ["  5%", "ERROR: no space left"], id="broken progress"),
        pytest.param("Ann 5%\rBen 6%\n", ["Ann 5%", "Ben 6%"], id="other things"),
    ],
)
def test_a_line_is_what_a_terminal_shows(text: str, lines: list[str]) -> None:
    assert written(text)[: len(lines)] == lines


def test_text_in_json_is_read_like_any_other() -> None:
    output = "\x1b[32mok\x1b[0m\n" + "\n".join(f"12:00:{n} poll" for n in range(10, 60)) + "\ndone"
    lines = compact_json(json.dumps({"exit_code": 0, "stdout": output}))
    assert lines is not None
    assert [line.text for line in lines[:5]] == [
        "exit_code: 0", "stdout:", "ok", "12:00:10 poll", "12:00:11 poll",
    ]  # fmt: skip
    assert [line.header for line in lines[:5]] == [-1, -1, 1, 1, 1]


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
