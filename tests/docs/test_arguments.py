"""Docstrings name the arguments that there are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import autogen_ext_tokenctx

PACKAGE = Path(autogen_ext_tokenctx.__file__).parent


def strangers() -> Iterator[str]:
    """Yield the arguments that a docstring describes and the function or class does not have."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            inherits = isinstance(node, ast.ClassDef) and bool(node.bases)
            if inherits or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            described = re.split(r"\n\S", (ast.get_docstring(node) or "").partition("\nArgs:\n")[2])[0]
            named = re.findall(r"^    (\w+):", described, re.MULTILINE)
            yield from (f"{path.name}: {node.name}: {name}" for name in named if name not in _arguments(node))


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[str]:
    if isinstance(node, ast.ClassDef):
        targets = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                names |= _arguments(part)
        return names
    given = node.args
    kwargs = {given.kwarg.arg} if given.kwarg else set[str]()
    return kwargs | {argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)}


def test_docstrings_name_the_arguments_that_there_are() -> None:
    assert list(strangers()) == []
