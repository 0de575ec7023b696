"""The public names, and the one direction that imports take."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import autogen_ext_tokenctx

PACKAGE = Path(autogen_ext_tokenctx.__file__).parent


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
    assert not any(module in loaded for module in ("chat_client", "planning", "recovery", "discovery", "cli"))


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
