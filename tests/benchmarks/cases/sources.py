"""Questions about source files: modules of the standard library of the Python that runs, read as they are."""

from __future__ import annotations

import ast
import json
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.cases.case import Case

_CHARS = range(8_000, 45_000)
"""Smaller files fit into most budgets, larger ones are read in parts."""

_Found = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A question, the lines that answer it, and their headers."""


def source_cases(count: int = 60) -> list[Case]:
    """Return so many cases, of each kind as many.

    Args:
        count: How many; fewer where the library has fewer files that fit.
    """
    kinds = list(_KINDS)
    cases: list[Case] = []
    for path in _files():
        kind = kinds[len(cases) % len(kinds)]
        text = path.read_text(encoding="utf-8")
        found = _KINDS[kind](ast.parse(text), text, path.name)
        if found:
            question, lines, headers = random.Random(path.name).choice(found)
            call = ("read_file", json.dumps({"path": f"lib/{path.name}"}))
            cases.append(Case(path.stem, kind, call, text, question, lines, headers))
        if len(cases) == count:
            break
    return cases


def _files() -> Iterator[Path]:
    folder = Path(sysconfig.get_path("stdlib"))
    names = sorted(name for name in sys.stdlib_module_names if (folder / f"{name}.py").is_file())
    paths = [folder / f"{name}.py" for name in names]
    paths += sorted(path for part in ("asyncio", "email", "http", "importlib") for path in (folder / part).glob("*.py"))
    for path in paths:
        if path.stat().st_size in _CHARS:
            yield path


class _Function:
    """A function of a module: its node, its name with its class, and the first lines of both."""

    def __init__(self, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: ast.ClassDef | None, rows: list[str]):
        self.node = node
        self.name = f"{owner.name}.{node.name}" if owner else node.name
        last = max(node.lineno, node.body[0].lineno - 1)
        signature = [row.strip() for row in rows[node.lineno - 1 : last]]
        end = next((n for n, row in enumerate(signature) if row.endswith(":")), len(signature) - 1)
        self.signature = tuple(signature[: end + 1])
        self.above = (rows[owner.lineno - 1].strip(),) if owner else ()


def _functions(tree: ast.Module, text: str) -> list[_Function]:
    rows = text.splitlines()
    found: list[_Function] = []
    for node in tree.body:
        owner = node if isinstance(node, ast.ClassDef) else None
        for inner in owner.body if owner else [node]:
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.append(_Function(inner, owner, rows))
    times = Counter(one.name for one in found)
    return [one for one in found if times[one.name] == 1]


def _signatures(tree: ast.Module, text: str, file: str) -> list[_Found]:
    return [
        (f"Which arguments does {one.name} in {file} take?", one.signature, one.above)
        for one in _functions(tree, text)
        if len(one.node.args.args) + len(one.node.args.kwonlyargs) > 2 and len(one.signature) < 5
    ]


def _docstrings(tree: ast.Module, text: str, file: str) -> list[_Found]:
    found: list[_Found] = []
    for one in _functions(tree, text):
        said = ast.get_docstring(one.node) or ""
        first = said.split("\n")[0].strip()
        if len(first) > 30:
            question = f"What does {one.name} do, in the words of its docstring?"
            found.append((question, (first,), (*one.above, one.signature[0])))
    return found


def _constants(tree: ast.Module, text: str, file: str) -> list[_Found]:
    rows = text.splitlines()
    found: list[_Found] = []
    for owner in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
        above = (rows[owner.lineno - 1].strip(),) if isinstance(owner, ast.ClassDef) else ()
        for node in owner.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(target, ast.Name) and node.lineno == node.end_lineno and len(target.id) > 3:
                where = f"{owner.name} of {file}" if isinstance(owner, ast.ClassDef) else file
                found.append((f"What is {target.id} in {where} set to?", (rows[node.lineno - 1].strip(),), above))
    return found


def _uses(tree: ast.Module, text: str, file: str) -> list[_Found]:
    rows = text.splitlines()
    found: list[_Found] = []
    for one in _functions(tree, text):
        for node in ast.walk(one.node):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Attribute) or len(called.attr) < 6 or text.count(called.attr) > 1:
                continue
            row = (called.end_lineno or called.lineno) - 1
            if row >= one.node.body[0].lineno:
                question = f"Which function in {file} calls {called.attr}, and with what?"
                found.append((question, (rows[row].strip(),), (*one.above, one.signature[0])))
    return found


_KINDS: dict[str, Callable[[ast.Module, str, str], list[_Found]]] = {
    "signature": _signatures,
    "docstring": _docstrings,
    "constant": _constants,
    "use": _uses,
}
