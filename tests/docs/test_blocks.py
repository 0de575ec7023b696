"""Every Python block of the pages runs, each alone and offline; its functions are called with a scripted model.

Commands run where they can: those of ``tokenctx`` here, those of the samples in ``tests/samples``.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Team
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import ChatCompletionClient, LLMMessage, UserMessage

from autogen_ext_tokenctx import (
    FitLog,
    MessageGroup,
    ModelLimits,
    ModelName,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
)
from autogen_ext_tokenctx.cli.app import app
from autogen_ext_tokenctx.messages.groups import split

from ..support.strict_client import StrictClient
from ..support.team_states import team_state
from .markdown import ROOT, Block, blocks

HISTORY: list[LLMMessage] = [UserMessage(content="Find the slow query.", source="user")]
PLAN = '{"steps": [{"id": "s1", "title": "Build it", "instructions": "Build the page."}]}'

ARGUMENTS: dict[Any, Callable[[], object]] = {
    ChatCompletionClient: lambda: StrictClient([PLAN, "Done."]),
    Team: lambda: RoundRobinGroupChat([AssistantAgent("coder", StrictClient())], max_turns=1),
    LLMMessage: lambda: HISTORY[0],
    MessageGroup: lambda: split(HISTORY)[0],
    ModelName: lambda: ModelName.parse("gpt-4o"),
    Exception: lambda: ValueError("the disk is full"),
    list[LLMMessage]: lambda: list(HISTORY),
    Path: lambda: Path("state.json"),
    str: lambda: "id;port\n1;Oslo",
}
"""What a function of a block is called with, by the annotation of its parameter."""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # for what commands write


def execute(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "page", "exec"), names)
    return names


async def use(function: Callable[..., object]) -> object:
    """Call a function of a block, and use what it gives as its reader would."""
    hints = get_type_hints(function, include_extras=True)
    given = [ARGUMENTS[hints[name]]() for name in inspect.signature(function).parameters]
    result = function(*given)
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, (AssistantAgent, RoundRobinGroupChat)):
        await result.run(task="Find the slow query.")
    elif isinstance(result, ChatCompletionClient):
        await result.create(HISTORY)
    return result


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_a_python_block_runs_and_its_functions_too(block: Block) -> None:
    names = execute(block.code)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for name in [node.name for node in ast.parse(block.code).body if isinstance(node, functions)]:
        if f"asyncio.run({name}())" not in block.code:  # else it ran already
            assert asyncio.run(use(names[name])) is not False
    for context in [value for value in names.values() if isinstance(value, TokenBudgetChatCompletionContext)]:
        asyncio.run(read(context))


async def read(context: TokenBudgetChatCompletionContext) -> None:
    for message in HISTORY:
        await context.add_message(message)
    assert await context.get_messages() == HISTORY


def test_the_first_blocks_of_the_readme_build_both_hooks() -> None:
    first, second = [block.code for block in blocks("python") if block.page.name == "README.md"]
    agent = execute(first)["coder"](StrictClient())
    assert isinstance(agent, AssistantAgent)
    assert isinstance(agent.model_context, TokenBudgetChatCompletionContext)
    assert isinstance(execute(second)["limited"](StrictClient()), TokenBudgetChatCompletionClient)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_names_of_the_package_are_imported_from_its_surface(block: Block) -> None:
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("autogen_ext_tokenctx"):
            assert node.module == "autogen_ext_tokenctx"


def test_blocks_of_json_are_limits_as_files_have_them() -> None:
    for block in blocks("json"):
        for value in json.loads(block.code).values():
            assert isinstance(value, int) or set(value) <= set(ModelLimits.__annotations__)


COMMANDS = [(block, line) for block in blocks("sh") for line in block.code.splitlines()]


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=lambda value: str(value)[:40])
def test_a_command_runs_or_names_what_is_there(block: Block, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    if words[0] == "tokenctx":
        _run_tokenctx(words[1:])
    elif words[0] == "python" and words[1] == "-m":
        assert importlib.util.find_spec(words[2])
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file()
    elif words[0] == "pip":
        assert words[1] == "install"
    else:
        pages = ("README.md", "CONTRIBUTING.md")
        assert block.page.name in pages, "only the first commands of README and CONTRIBUTING make an environment"
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e ")


def _run_tokenctx(words: list[str]) -> None:
    typer_testing = pytest.importorskip("typer.testing")
    Path("state.json").write_text(team_state("round_robin", "plain").replace('"ann"', '"researcher"'), encoding="utf-8")
    if "fits.jsonl" in words:
        asyncio.run(_write_log())
    result = typer_testing.CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


async def _write_log() -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(), 6_000)
    with FitLog("fits.jsonl"):
        await client.create(HISTORY)


def test_the_two_commands_of_the_readme_are_one_line_each() -> None:
    assert len([block for block, _ in COMMANDS if block.page.name == "README.md"]) == 2


SEAMS = (
    *(
        "ContextCompressor(readers=[",
        "ContextPrioritizer(scorers={",
        "TokenManager(sources=[",
        "ModelOptimizer(profiles={",
    ),
    *("ContextArchive(store=", "counter=", "summarizer="),
)
"""Where a program puts a part of its own."""


def test_each_seam_has_one_short_example() -> None:
    examples = [block for block in blocks("python") if block.page.name == "CONTRIBUTING.md"]
    assert [block for block in examples if block.code.count("\n") > 30] == []
    assert [sum(seam in block.code for block in examples) for seam in SEAMS] == [1] * len(SEAMS) == [1] * len(examples)
