"""The README's Python blocks run, each alone, offline; its commands are what .ci/run and the tests use."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext

from ..support.strict_client import StrictClient

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [code.strip() for language, code in BLOCKS if language == "sh"]


def execute(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    return names


@pytest.mark.parametrize("code", PYTHON)
def test_python_block_runs(code: str) -> None:
    execute(code)


def test_first_blocks_build_both_hooks() -> None:
    agent = execute(PYTHON[0])["coder"](StrictClient())
    assert isinstance(agent, AssistantAgent)
    assert isinstance(agent.model_context, TokenBudgetChatCompletionContext)
    assert isinstance(execute(PYTHON[1])["limited"](StrictClient()), TokenBudgetChatCompletionClient)


def test_code_comes_by_line_20() -> None:
    assert README[: README.index("```python")].count("\n") < 20


def test_commands_are_one_line_and_make_their_own_environment() -> None:
    assert len(SHELL) == 2
    for command in SHELL:
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e ")
    assert (ROOT / "samples" / "research_team.py").is_file()


def test_names_of_the_package_are_imported_from_its_surface() -> None:
    for code in PYTHON:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("autogen_ext_tokenctx"):
                assert node.module == "autogen_ext_tokenctx"
