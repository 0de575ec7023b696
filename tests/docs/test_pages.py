"""The pages as a whole: their length, their index, their links, and what is generated in them."""

from __future__ import annotations

import importlib
import platform
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import autogen_ext_tokenctx

from .markdown import DOCS, PAGES, ROOT, anchors, links

README = ROOT / "README.md"
_REMEDY = "run: python docs/scripts/generate.py"


@pytest.fixture(scope="module")
def generate() -> Any:
    """The script that generates, with the folders of what it imports on the path."""
    path = list(sys.path)
    sys.path[:0] = [str(DOCS / "scripts"), str(ROOT / "samples")]
    try:
        yield importlib.import_module("generate")
    finally:
        sys.path[:] = path


def test_the_readme_takes_two_minutes() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("\n") <= 180
    assert text.index("```sh") < text.index("```python")
    assert len(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).split()) < 900


def test_the_index_names_every_page() -> None:
    named = {(DOCS / link).resolve() for link in links(DOCS / "index.md") if "#" not in link}
    assert {page for page in PAGES if page.parent == DOCS and page.name != "index.md"} <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_the_settings_are_those_of_the_code(generate: Any) -> None:
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == generate.page(), (
        "run: python docs/scripts/generate.py"
    )


def test_every_public_name_is_a_setting_a_result_or_a_protocol(generate: Any) -> None:
    configuration = importlib.import_module("configuration")
    with_settings = {name.partition(".")[0] for names in configuration.GROUPS.values() for name in names}
    documented = [*with_settings, *configuration.RESULTS, *configuration.PROTOCOLS]
    assert sorted(documented) == sorted(autogen_ext_tokenctx.__all__)


def test_every_environment_variable_that_is_read_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for module in Path(autogen_ext_tokenctx.__file__).parent.rglob("*.py"):
        code = module.read_text(encoding="utf-8")
        for name in re.findall(r"(?:environ(?:\.get\(|\[)|getenv\(|envvar=)\"(\w+)\"", code):
            assert f"`{name}`" in text


def test_the_picture_and_the_output_are_those_of_the_sample(generate: Any) -> None:
    if platform.python_version() != generate.PYTHON:
        pytest.skip(f"they are made with Python {generate.PYTHON}, whose asyncio sources the sample reads")
    for path, text in generate.pages():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: {_REMEDY}"
