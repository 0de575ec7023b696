"""The tools of the sample's agents, over the asyncio sources of this Python, and the true answers to its question."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(asyncio.__file__).parent


def list_files() -> str:
    """List the source files with their sizes in bytes."""
    return "\n".join(f"{path.name}  {path.stat().st_size}" for path in sorted(FOLDER.glob("*.py")))


def read_file(name: str) -> str:
    """Read a whole source file."""
    path = FOLDER / Path(name).name
    return path.read_text(encoding="utf-8") if path.is_file() else f"There is no file {name}."


def search_files(pattern: str) -> str:
    """Find the lines of all source files that match a regular expression."""
    hits: list[str] = []
    for path in sorted(FOLDER.glob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(pattern, line):
                hits.append(f"{path.name}:{number}: {line}")
    return "\n".join(hits) or "No line matches."


def true_answers() -> dict[str, str]:
    """What each item of the question is in this Python's asyncio, read from its syntax trees."""

    def nodes(file: str) -> Iterator[ast.AST]:
        return ast.walk(ast.parse((FOLDER / file).read_text(encoding="utf-8")))

    def assigned(file: str, target: str) -> str:
        return next(
            ast.unparse(node.value)
            for node in nodes(file)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == target
        )

    def parameters(file: str, name: str) -> str:
        return next(
            ast.unparse(node.args)
            for node in nodes(file)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
        )

    return {
        "ACCEPT_RETRY_DELAY": assigned("constants.py", "ACCEPT_RETRY_DELAY"),
        "slow_callback_duration": assigned("base_events.py", "self.slow_callback_duration"),
        "run_coroutine_threadsafe parameters": parameters("tasks.py", "run_coroutine_threadsafe"),
        "to_thread parameters": parameters("threads.py", "to_thread"),
        "BoundedSemaphore release error": next(
            ast.unparse(node.exc.func)
            for node in nodes("locks.py")
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and "BoundedSem" in ast.unparse(node)
        ),
        "_DEFAULT_LIMIT": assigned("streams.py", "_DEFAULT_LIMIT"),
    }
