"""An agent reads the whole of what its budget cannot hold, page by page, with the tools of either hook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext
from tests.support.hooked import MODES, Mode, client_for, context_for
from tests.support.strict_client import StrictClient, call

BUDGET = 2_000
TASK = "Read the record to its end, then say what is odd."

_NEXT = re.compile(r'expand_context\("([0-9a-f]+)", (\d+)\)')
_HANDLE = re.compile(r'expand_context\("([0-9a-f]+)"')


def log_line(n: int) -> str:
    return (
        f"2026-03-{n % 28 + 1:02d} 11:{n % 60:02d}:07 worker-{n % 7} handled request r-{n * 7919 % 100_003} in {n} ms"
    )


def place_line(n: int) -> str:
    return f"Запись {n}: посылка {n * 7919 % 9973} лежит на полке {n * 37 % 101}, ключ у сторожа номер {n * 61 % 997}"


def note_line(n: int) -> str:
    where = f"## {n}: locker {n * 37 % 1009} of guest {n * 7919 % 9973}"
    return f"{where} was opened {n * 61 % 97} times on day {n}, by nobody whom we know"


def row_line(n: int) -> str:
    return f"    def test_{n * 7919 % 9973}(self): assert self.rate_of({n}, {n * 37 % 101}) == {n * 61 % 997}  # {n}"


LINES: dict[str, Callable[[int], str]] = {"log": log_line, "russian": place_line, "notes": note_line, "code": row_line}


class Reader:
    """A scripted model that calls the tool as the newest result says, until the result says no more.

    Args:
        first: The call it begins with.
    """

    def __init__(self, first: list[FunctionCall]) -> None:
        self._first: list[FunctionCall] | None = first
        self.calls = 0

    def __call__(self, messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str | list[FunctionCall]:
        self.calls += 1
        if self._first is not None:
            first, self._first = self._first, None
            return first
        newest = [text for message in messages for text in results(message)][-1]
        goes_on = _NEXT.search(newest.split("\n", 1)[0])
        if goes_on:
            return [call("expand_context", f"c{self.calls}", handle=goes_on[1], start=int(goes_on[2]))]
        if self.calls > 2:
            return "The record has nothing odd."
        handle = _HANDLE.search(newest)
        assert handle, "nothing says how to get the rest"
        return [call("expand_context", f"c{self.calls}", handle=handle[1])]


def results(message: LLMMessage) -> list[str]:
    if isinstance(message, FunctionExecutionResultMessage):
        return [result.content for result in message.content]
    return []


def agent_with(
    mode: Mode, inner: StrictClient, tools: Sequence[Any], budget: int = BUDGET, system: str = "You read records."
) -> AssistantAgent:
    client, context = client_for(mode, inner, budget), context_for(mode, budget)
    reader = context if isinstance(context, TokenBudgetChatCompletionContext) else client
    assert isinstance(reader, (TokenBudgetChatCompletionContext, TokenBudgetChatCompletionClient))
    return AssistantAgent(
        "reader",
        client,
        tools=[*tools, *reader.tools()],
        model_context=context,
        max_tool_iterations=60,
        system_message=system,
    )


@pytest.mark.parametrize(
    ("kind", "mode"),
    [*product(("log", "russian"), MODES[:2]), ("notes", "context"), ("code", "client"), ("log", "both")],
)
async def test_an_agent_pages_through_a_result_of_twice_its_budget_until_it_saw_every_line(
    kind: str, mode: Mode
) -> None:
    lines = [LINES[kind](n) for n in range(160)]

    async def read_record() -> str:
        """Read the record."""
        return "\n".join(lines)

    reader = Reader([call("read_record", "c0")])
    inner = StrictClient([reader], window=BUDGET)
    assert inner.counter.count_text("\n".join(lines)) > 2 * BUDGET
    await agent_with(mode, inner, [read_record]).run(task=TASK)

    pages = [text for request in inner.requests for message in request.messages for text in results(message)]
    seen = {line for page in pages for line in page.split("\n")}
    assert [line for line in lines if line not in seen] == []
    assert len(set(handles(inner))) == 1, "what was expanded was wrapped again"


def handles(inner: StrictClient) -> list[str]:
    """The handles that stand in tool results and their marks."""
    return [
        handle
        for request in inner.requests
        for message in request.messages
        for text in results(message)
        for handle in _HANDLE.findall(text)
    ]


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize(
    "record",
    [
        json.dumps([{"id": n * 7919 % 9973, "port": n * 37 % 1009, "host": f"node-{n}.example"} for n in range(170)]),
        " ".join(f"{n * 7919 % 99_991}" for n in range(900)),
        "日本語の文章です。" * 340,
        "<p>" + "".join(f"<b>{n * 37 % 1009}</b>word{n}" for n in range(320)),
    ],
    ids=["json", "numbers", "japanese", "html"],
)
async def test_one_endless_line_comes_back_in_pieces_that_make_it_whole(record: str, mode: Mode) -> None:
    async def read_record() -> str:
        """Read the record."""
        return record

    inner = StrictClient([Reader([call("read_record", "c0")])], window=BUDGET)
    await agent_with(mode, inner, [read_record]).run(task=TASK)
    pages: dict[str, str] = {}
    for request in inner.requests:
        for text in map(str, (text for message in request.messages[-1:] for text in results(message))):
            head, _, body = text.partition("\n")
            if "lines" in head and "expand_context" in head:
                pages[head] = body.split("\n", 1)[1]
    whole = "\n".join(pages.values()).replace("\n↪ ", "").removeprefix("↪ ")
    assert whole == record


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("budget", [900, 1_500])
async def test_pages_stand_whole_beside_tools_and_system_messages_that_take_most_of_a_small_budget(
    mode: Mode, budget: int
) -> None:
    lines = [log_line(n) for n in range(60)]

    async def read_record() -> str:
        """Read the record."""
        return "\n".join(lines)

    inner = StrictClient([Reader([call("read_record", "c0")])])
    await agent_with(mode, inner, [read_record], budget, "Always be careful with the records. " * 40).run(task=TASK)
    pages = [text for request in inner.requests for message in request.messages for text in results(message)]
    seen = {line for page in pages for line in page.split("\n")}
    assert [line for line in lines if line not in seen] == []


async def test_pages_asked_for_side_by_side_that_do_not_fit_are_marked_with_their_own_lines() -> None:
    lines = [log_line(n) for n in range(200)]

    async def read_record() -> str:
        """Read the record."""
        return "\n".join(lines)

    def all_at_once(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> list[FunctionCall]:
        handle = _HANDLE.search(results(messages[-1])[0])
        assert handle
        return [call("expand_context", f"p{n}", handle=handle[1], start=n) for n in (1, 40, 80, 120, 160)]

    inner = StrictClient([[call("read_record", "c0")], all_at_once, "Enough."], window=BUDGET)
    await agent_with("context", inner, [read_record]).run(task=TASK)
    marks = re.findall(r"omitted: (expand_context\([^)]*\))\]", "\n".join(results(inner.requests[-1].messages[-1])))
    assert marks
    assert all(re.fullmatch(r'expand_context\("[0-9a-f]{8}", (1|40|80|120|160), \d+\)', mark) for mark in marks)


async def test_each_agent_of_a_team_reads_what_left_its_own_requests() -> None:
    handles: list[str] = []
    answers: list[str] = []

    async def read_record() -> str:
        """Read the record."""
        return "\n".join(map(log_line, range(200)))

    def expand(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> list[FunctionCall]:
        handles.extend(_HANDLE.findall(results(messages[-1])[0]) if not handles else [])
        return [call("expand_context", "e1", handle=handles[0])]

    def answer(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
        answers.extend(results(messages[-1]))
        return "I see."

    script = [[call("read_record", "c0")], expand, answer, expand, answer]
    client = TokenBudgetChatCompletionClient(StrictClient(script, window=BUDGET), BUDGET)
    tools = client.tools()
    agents = [
        AssistantAgent(name, client, tools=[read_record, *tools], max_tool_iterations=9) for name in ("ann", "ben")
    ]
    await RoundRobinGroupChat(list(agents), max_turns=2).run(task=TASK)
    owner, other = answers
    assert owner.startswith(f'[expand_context("{handles[0]}"): lines 1-')
    assert other.startswith(f"no original is archived under handle {handles[0]!r}")
