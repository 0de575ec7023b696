"""The public names, and the one direction that imports take."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import autogen_ext_tokenctx

PACKAGE = Path(autogen_ext_tokenctx.__file__).parent
LAYERS = ["errors", "warn", "tokens", "context", "hooks", "telemetry", "html_report", "cli"]
"""Each may import those before it, and itself."""


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
    """The names that the stub imports, or those of its ``__all__``."""
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


def test_imports_go_one_way() -> None:
    upward: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent == PACKAGE and path.stem not in LAYERS:
            continue  # the surface and the entry points are above all rooms
        own = path.relative_to(PACKAGE).with_suffix("").parts
        allowed = LAYERS[: LAYERS.index(own[0]) + 1]
        upward += [f"{'/'.join(own)} imports {to}" for to in _imported_layers(path, own) if to not in allowed]
    assert upward == []


def _imported_layers(path: Path, own: tuple[str, ...]) -> Iterator[str]:
    """The room each import of the package leads to; "" for the package itself, which is above all rooms."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                base = own[: len(own) - node.level]
                for alias in node.names:
                    yield (*base, *module, alias.name)[0]
            elif module[:1] == (PACKAGE.name,):
                for alias in node.names:
                    yield (*module[1:], alias.name)[0]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE.name:
                    yield (*alias.name.split(".")[1:], "")[0]
