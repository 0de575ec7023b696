"""Stack traces: the message alone, each frame with its code and the message."""

from __future__ import annotations

import traceback

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
from autogen_ext_tokenctx.forms.line import join
from autogen_ext_tokenctx.forms.outline import text_lines
from tests.support.outlines import chain, extract

PYTHON = """\
INFO start
Traceback (most recent call last):
  File "/app/main.py", line 10, in <module>
    main()
  File "/app/orders.py", line 31, in total
    return sum(prices)
           ~~~^^^^^^^^
  File "/venv/lib/python3.11/site-packages/money/core.py", line 5, in __add__
    raise TypeError(other)
TypeError: cannot add 'EUR 17.20'
INFO stop"""

GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/a.py", line 2, in run
  |     await both()
  | ExceptionGroup: two failed (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/b.py", line 9, in left
    |     open(path)
    | FileNotFoundError: left.csv
    +------------------------------------"""

JAVA = """\
12:00:01 ERROR request failed
Exception in thread "main" java.lang.IllegalStateException: no such order 4711
\tat com.shop.Orders.find(Orders.java:88)
\tat java.base/java.lang.Thread.run(Thread.java:840)
\tat java.util.Optional.orElseThrow(Optional.java:403)
Caused by: java.sql.SQLException: connection refused
\tat com.shop.Db.open(Db.java:12)
\t... 23 more"""

JAVASCRIPT = """\
TypeError: Cannot read properties of undefined
  (reading 'price')
    at total (/app/src/cart.js:17:9)
    at async /app/src/index.js:4:1
    at node:internal/main/run_main_module:23:47"""

GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.pick(...)
\t/app/main.go:10 +0x1b
runtime.main()
\t/usr/local/go/src/runtime/proc.go:250 +0x1d

goroutine 7 [sleep]:
main.wait()
\t/app/wait.go:5 +0x2"""

RUST = """\
thread 'main' panicked at src/main.rs:4:5:
index out of bounds: the len is 3 but the index is 99
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
stack backtrace:
   0: rust_begin_unwind
             at /rustc/9fc6b431/library/std/src/panicking.rs:645:5
   1: app::pick
             at ./app/src/main.rs:4:5
exit"""


@pytest.mark.parametrize(
    ("text", "asked", "kept"),
    [
        (PYTHON, "TypeError: cannot", ["TypeError: cannot add 'EUR 17.20'"]),
        (
            PYTHON,
            "orders.py",
            [
                '  File "/app/orders.py", line 31, in total',
                "    return sum(prices)",
                "TypeError: cannot add 'EUR 17.20'",
            ],
        ),
        (
            PYTHON,
            "money/core",
            [
                '  File "/venv/lib/python3.11/site-packages/money/core.py", line 5, in __add__',
                "    raise TypeError(other)",
                "TypeError: cannot add 'EUR 17.20'",
            ],
        ),
        (
            GROUP,
            "open(path)",
            [
                '    |   File "/app/b.py", line 9, in left',
                "    |     open(path)",
                "    | FileNotFoundError: left.csv",
            ],
        ),
        (
            GROUP,
            "both",
            [
                '  |   File "/app/a.py", line 2, in run',
                "  |     await both()",
                "  | ExceptionGroup: two failed (1 sub-exception)",
            ],
        ),
        (JAVA, "4711", ['Exception in thread "main" java.lang.IllegalStateException: no such order 4711']),
        (
            JAVA,
            "Optional.java",
            [
                'Exception in thread "main" java.lang.IllegalStateException: no such order 4711',
                "\tat java.util.Optional.orElseThrow(Optional.java:403)",
            ],
        ),
        (
            JAVA,
            "Db.java",
            ["Caused by: java.sql.SQLException: connection refused", "\tat com.shop.Db.open(Db.java:12)"],
        ),
        (
            JAVASCRIPT,
            "index.js",
            [
                "TypeError: Cannot read properties of undefined",
                "  (reading 'price')",
                "    at async /app/src/index.js:4:1",
            ],
        ),
        (JAVASCRIPT, "reading", ["TypeError: Cannot read properties of undefined", "  (reading 'price')"]),
        (GO, "main.go", ["main.pick(...)", "\t/app/main.go:10 +0x1b"]),
        (RUST, "app/src", ["stack backtrace:", "   1: app::pick", "             at ./app/src/main.rs:4:5"]),
    ],
)
def test_an_extract_has_the_message_and_whole_frames(text: str, asked: str, kept: list[str]) -> None:
    assert [row for row in extract(text, asked).split("\n") if row != "…"] == kept


@pytest.mark.parametrize("text", [PYTHON, GROUP, JAVA, JAVASCRIPT, GO, RUST])
@pytest.mark.parametrize("rows", range(1, 12))
def test_traces_that_were_cut_are_still_all_there(text: str, rows: int) -> None:
    for part in (text.split("\n")[:rows], text.split("\n")[rows:]):
        lines = text_lines("\n".join(part))
        assert join(lines).split() == "\n".join(part).split()
        assert all(chain(lines, number) for number in range(len(lines)))


@pytest.mark.parametrize(
    "text",
    [
        "Meet me\n  at noon (by the gate)\nor call.",
        "Traceback (most recent call last):\nis what Python writes first.",
        "A goroutine 1 is cheap.\ngoroutine 7 [sleep]",
        "The thread 'main' panicked at once\nand left.",
    ],
)
def test_prose_about_traces_stays_as_it_is(text: str) -> None:
    assert [line.text for line in text_lines(text)] == text.split("\n")


def test_a_trace_that_python_writes() -> None:
    text = ""
    try:
        list("abc").index("4711")
    except ValueError:
        text = traceback.format_exc()
    assert extract(text, "ValueError").strip("\n…") == "ValueError: '4711' is not in list"
    assert extract(text, 'list("abc")').count("File ") == 1


async def test_the_message_and_the_users_frame_survive_in_a_giant_log() -> None:
    noise = [f"2024-05-17 INFO worker-{n % 9} handled request {n * 31 % 9973} in {n % 97} ms" for n in range(1_500)]
    noise[700:700] = PYTHON.split("\n")[1:-1]
    call = FunctionCall(id="1", name="run_service", arguments="{}")
    log = FunctionExecutionResult(call_id="1", name="run_service", content="\n".join(noise), is_error=True)
    history: list[LLMMessage] = [
        UserMessage(content="Why does the total of the orders fail with a TypeError?", source="user"),
        AssistantMessage(content=[call], source="coder"),
        FunctionExecutionResultMessage(content=[log]),
    ]
    shown = (await ContextManager().fit(history, 800)).messages[-1]
    assert isinstance(shown, FunctionExecutionResultMessage)
    assert "TypeError: cannot add 'EUR 17.20'" in shown.content[0].content
    assert 'File "/app/orders.py", line 31, in total\n    return sum(prices)' in shown.content[0].content
