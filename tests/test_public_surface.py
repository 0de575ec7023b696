"""The public names, and the one direction that imports take."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import autogen_agentchat.base
import autogen_agentchat.teams
import autogen_core.models
import pytest

import autogen_ext_tokenctx

from .docs.markdown import PAGES

PACKAGE = Path(autogen_ext_tokenctx.__file__).parent
FOR_TYPES_ALONE = {**vars(autogen_core.models), **vars(autogen_agentchat.base), **vars(autogen_agentchat.teams)}
"""Where annotations find what modules import for type checkers alone."""


def test_all_is_sorted_without_doubles() -> None:
    stated = _stub_names(ast.Assign)
    assert stated == sorted(set(stated), key=lambda name: (not name.isupper(), name))  # constants first, as ruff does


def test_every_name_is_there_and_documented() -> None:
    assert [name for name in autogen_ext_tokenctx.__all__ if not getattr(autogen_ext_tokenctx, name).__doc__] == []


def test_type_checkers_and_python_see_the_same_names() -> None:
    stated = sorted(_stub_names(ast.Assign))
    assert sorted(_stub_names(ast.ImportFrom)) == stated == sorted(autogen_ext_tokenctx.__all__)


def test_what_is_not_used_is_not_imported() -> None:
    code = (
        "import sys, autogen_ext_tokenctx as package; package.TokenBudgetChatCompletionContext; "
        "print([name for name in sys.modules if name.startswith(package.__name__)])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "hooks.chat_context" in loaded
    assert not any(module in loaded for module in ("chat_client", "planning", "recovery", "cli"))


def _stub_names(kind: type[ast.Assign | ast.ImportFrom]) -> list[str]:
    """The names that the placeholder imports, or those of its ``__all__``."""
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and kind is ast.ImportFrom:
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Assign) and kind is ast.Assign:
            names += ast.literal_eval(node.value)
    return names


def test_version_is_that_of_the_distribution() -> None:
    assert autogen_ext_tokenctx.__version__ == version("autogen-ext-tokenctx")


def test_components_are_named_where_users_import_them() -> None:
    for hook in (
        autogen_ext_tokenctx.TokenBudgetChatCompletionClient,
        autogen_ext_tokenctx.TokenBudgetChatCompletionContext,
    ):
        assert hook.component_provider_override == f"autogen_ext_tokenctx.{hook.__name__}"


def test_types_in_public_signatures_can_be_named() -> None:
    public = [getattr(autogen_ext_tokenctx, name) for name in autogen_ext_tokenctx.__all__]
    documented = [path for path, _ in _documented_types()]
    missing = {
        f"{where}: {path}"
        for where, found in _types_in_signatures()
        if not any(found is one for one in public)
        and (path := f"{found.__module__}.{found.__name__}") not in documented
    }
    assert missing == set(), "export them, document their module in docs/architecture.md, or hide what has them"


def test_types_that_are_documented_in_their_modules_are_there_and_needed() -> None:
    met = [found for _, found in _types_in_signatures()]
    assert _documented_types()
    for path, found in _documented_types():
        assert path.rpartition(".")[2] not in autogen_ext_tokenctx.__all__
        assert any(found is one for one in met), path


@pytest.mark.parametrize("name", ["TokenManager", "ContextManager.recall", "FitReport.steps", "ModelProfile.cache"])
def test_the_walk_over_signatures_meets_what_it_should(name: str) -> None:
    assert any(where.startswith(name) for where, _ in _types_in_signatures())


def _documented_types() -> list[tuple[str, Any]]:
    """The paths of types that a page names in full, and what is there."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    paths = sorted(set(re.findall(r"`(autogen_ext_tokenctx(?:\.[a-z_]+)+\.[A-Z]\w+)`", text)))
    return [(path, getattr(import_module(path.rpartition(".")[0]), path.rpartition(".")[2])) for path in paths]


def _types_in_signatures() -> Iterator[tuple[str, Any]]:
    """The classes of the package in the annotations of public names, each with where it stands."""
    for name in autogen_ext_tokenctx.__all__:
        public: Any = getattr(autogen_ext_tokenctx, name)
        if not inspect.isclass(public) and not inspect.isfunction(public):  # the alias of a type
            yield from ((name, found) for found in _own_types(public))
        for where, annotated in _annotated(name, public):
            for part, hint in get_type_hints(annotated, localns=FOR_TYPES_ALONE).items():
                if not part.startswith("_"):
                    yield from ((f"{where}.{part}", found) for found in _own_types(hint))


def _annotated(name: str, public: Any) -> Iterator[tuple[str, Any]]:
    """A public function, or a class, for its fields, and its public methods, as far as the package defines them."""
    if inspect.isfunction(public) or inspect.isclass(public):
        yield name, public
    for member in dir(public) if inspect.isclass(public) else ():
        function = _function_of(inspect.getattr_static(public, member))
        is_public = not member.startswith("_") or member in ("__init__", "__call__")
        if is_public and function is not None and function.__module__.startswith(PACKAGE.name):
            yield f"{name}.{member}", function


def _function_of(member: Any) -> Any:
    """The function behind a method or a property; None where there is none."""
    for inner in ("__func__", "fget", "func"):
        member = getattr(member, inner, member)
    return member if inspect.isfunction(member) else None


def _own_types(hint: Any) -> Iterator[Any]:
    """The classes of the package in an annotation."""
    if inspect.isclass(hint) and hint.__module__.startswith(PACKAGE.name):
        yield hint
    for part in cast("list[Any]", hint) if isinstance(hint, list) else get_args(hint):
        yield from _own_types(part)
