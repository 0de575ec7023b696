"""The rooms of the package, in the order in which they may import each other."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import autogen_ext_tokenctx

PACKAGE = Path(autogen_ext_tokenctx.__file__).parent

LAYERS = (
    *("errors", "warn", "display", "messages", "tokens", "models", "forms", "retrieval", "selection", "summary"),
    *("context", "hooks", "planning", "compat", "telemetry", "html_report", "cli"),
)
"""Each may import those before it, and itself."""

APART = {("compat", "planning")}
"""Rooms that stand side by side."""

MOST_MODULES = 13
"""A room of more is two."""

Name = tuple[str, ...]


def modules() -> dict[Name, Path]:
    """The modules of the rooms; the surface of the package is above all of them."""
    found = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: path for name, path in found.items() if name[-1] != "__init__"}


def imported(name: Name, path: Path) -> Iterator[Name]:
    """What a module imports of the package, at its head, in a function, or for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                module = (*name[: len(name) - node.level], *module)
            elif module[:1] == (PACKAGE.name,):
                module = module[1:]
            else:
                continue
            for alias in node.names:
                yield (*module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE.name:
                    yield tuple(alias.name.split(".")[1:])


def test_every_room_is_in_the_order() -> None:
    assert {name[0] for name in modules()} - {"__main__"} <= set(LAYERS)


def test_imports_go_one_way() -> None:
    upward: list[str] = []
    for name, path in modules().items():
        if name[0] not in LAYERS:
            continue
        allowed = LAYERS[: LAYERS.index(name[0]) + 1]
        for target in imported(name, path):
            room = target[0] if target else ""
            if room not in allowed or (name[0], room) in APART:
                upward.append(f"{'/'.join(name)} imports {'/'.join(target)}")
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {
        name: {part for target in imported(name, path) for part in (target, target[:-1]) if part in known} - {name}
        for name, path in known.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_rooms_are_small() -> None:
    sizes = Counter(name[0] for name in modules() if len(name) > 1)
    assert {room: size for room, size in sizes.items() if size > MOST_MODULES} == {}
