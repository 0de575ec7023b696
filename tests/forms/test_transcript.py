"""What the assistant is shown to have called can be called again: it is as it was written, or no call at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema

from autogen_ext_tokenctx.context.manager import ContextManager
from tests.support.guarantees import check_budget, check_nothing_lost, check_pairs
from tests.support.histories import prose
from tests.support.hooked import MODES, Mode, client_for, context_for
from tests.support.strict_client import Reply, StrictClient, call

MANAGER = ContextManager()
"""Texts are read once for all tests."""

SOURCE = "\n".join(f"def rate_{n}(amount):\n    return amount * {n * 37 % 101} / 100\n" for n in range(120))

ARGUMENTS = {
    "a file": json.dumps({"path": "rates.py", "content": SOURCE}),
    "edits": json.dumps({"edits": [{"file": f"m{n}.py", "old": prose(n, 20), "new": prose(n, 21)} for n in range(40)]}),
    "a nested object": json.dumps({"job": {"steps": {"first": {"shell": {"env": {"K": prose(1, 400)}}}}}}),
    "many keys": json.dumps({f"key_{n}": n * 7919 % 9973 for n in range(300)}),
    "code": json.dumps({"code": SOURCE, "timeout": 30}),
    "a long key": json.dumps({"x" * 2_000: 1}),
    "optional text": json.dumps({"text": prose(3, 700)}),
    "no JSON": "call it with " + prose(5, 500),
    "no object": json.dumps([prose(6, 500)]),
}


def exchange(name: str, arguments: str, result: str = "done", call_id: str = "w") -> list[LLMMessage]:
    calls = [FunctionCall(id=call_id, name=name, arguments=arguments)]
    answer = FunctionExecutionResult(content=result, name=name, call_id=call_id, is_error=False)
    return [AssistantMessage(content=calls, source="coder"), FunctionExecutionResultMessage(content=[answer])]


def calls_of(messages: Sequence[LLMMessage]) -> list[FunctionCall]:
    return [
        call
        for message in messages
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str)
        for call in message.content
    ]


def talk(start: int, end: int) -> list[LLMMessage]:
    return [
        (UserMessage if n % 2 else AssistantMessage)(content=prose(n, 60), source="user" if n % 2 else "coder")
        for n in range(start, end)
    ]


@pytest.mark.parametrize("kind", list(ARGUMENTS))
@pytest.mark.parametrize("place", ["newest", "in the middle", "beside a short call"])
@pytest.mark.parametrize("budget", [350, 1_200])
async def test_a_call_in_a_view_is_as_it_was_written_or_no_call(kind: str, place: str, budget: int) -> None:
    written = exchange("write_file", ARGUMENTS[kind], "\n".join(prose(n, 12) for n in range(20)))
    history: list[LLMMessage] = [UserMessage(content="Write rates.py and run it.", source="user"), *talk(0, 20)]
    if place == "beside a short call":
        assert isinstance(written[0].content, list)
        assert isinstance(written[1], FunctionExecutionResultMessage)
        written[0].content.append(FunctionCall(id="s", name="look", arguments='{"at": 7}'))  # type: ignore[arg-type]
        written[1].content.append(FunctionExecutionResult(content="7 it is", name="look", call_id="s"))
    history += [*written, *(talk(30, 44) if place == "in the middle" else [])]
    manager = MANAGER.for_agent()
    result = await manager.fit(history, budget)
    assert [shown for shown in calls_of(result.messages) if shown not in calls_of(history)] == []
    check_budget(manager, budget, result)
    check_pairs(result.messages)
    check_nothing_lost(manager, history, result)
    if place != "in the middle":  # that it was called is told, and what, and how it is had back
        shown = str(result.messages[-2:])
        assert "write_file" in shown
        assert "expand_context" in shown or calls_of(result.messages) == calls_of(history)


@pytest.mark.parametrize("chars", [300, 900, 2_000])
async def test_a_call_that_fits_stays_a_call_beside_a_result_that_does_not(chars: int) -> None:
    written = exchange("run", json.dumps({"code": SOURCE[:chars]}), "\n".join(prose(n, 12) for n in range(400)))
    history: list[LLMMessage] = [UserMessage(content="Run the code.", source="user"), *talk(0, 20), *written]
    result = await ContextManager().fit(history, 3_000)
    assert calls_of(result.messages) == calls_of(history)
    assert "expand_context" in str(result.messages[-1].content)


@pytest.mark.parametrize(
    ("kind", "mode"), [*product(("a file", "code", "optional text", "edits"), MODES[:2]), ("a file", "both")]
)
async def test_an_agent_that_repeats_a_call_of_its_history_does_what_it_did(
    kind: str, mode: Mode, tmp_path: Path
) -> None:
    done: list[str] = []

    async def write(text: str = "", content: str = "", code: str = "", path: str = "", edits: list[object] = []) -> str:  # noqa: B006
        """Write it down."""
        done.append(json.dumps([text, content, code, path, edits]))
        return "written"

    def repeat(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str | list[FunctionCall]:
        known = [shown for shown in calls_of(messages) if shown.name == "write"]
        return [call("write", "again", **json.loads(known[-1].arguments))] if known else "There is no such call here."

    arguments = json.loads(ARGUMENTS[kind])
    script: list[Reply] = [
        [call("write", "w0", **arguments)],
        repeat,
        "Done.",
        *[prose(n, 200) for n in range(4)],
        repeat,
        "Done.",
    ]
    inner = StrictClient(script, window=1_500)
    agent = AssistantAgent(
        "coder",
        client_for(mode, inner, 1_500),
        tools=[write],
        model_context=context_for(mode, 1_500),
        max_tool_iterations=5,
    )
    for task in ("Write it.", "And?", "Go on.", "More.", "Still more.", "Write it again."):
        await agent.run(task=task)
    assert len(set(done)) == 1
