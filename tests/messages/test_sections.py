"""Sections of a project context, and how their messages are recognised."""

from __future__ import annotations

from typing import Any

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.messages.sections import (
    CATEGORY_OF_SECTION,
    ProjectContext,
    Section,
    SectionText,
    read_section,
    section_of,
)
from autogen_ext_tokenctx.selection.prioritizer import Category

from ..support.quiet import no_warnings

types = st.sampled_from(list(CATEGORY_OF_SECTION))
names = st.from_regex(r"[a-z][a-z _.-]{0,20}[a-z]", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), max_size=200).map(str.strip)


async def read(project: ProjectContext) -> dict[str, str]:
    return {section.name: section.text for section in await project.read()}


def test_every_type_has_a_category() -> None:
    assert {Category(value) for value in CATEGORY_OF_SECTION.values()} <= set(Category)


async def test_sections_come_by_type() -> None:
    project = ProjectContext(
        [Section("rules", "requirements", "Be fast."), Section("glossary", "memory_patterns", "A unit is…")],
        project_structure="src/",
        requirements="Keep the API.",
    )
    project.set("layers", "Three rooms.", type="design")
    assert list(await read(project)) == ["requirements", "rules", "layers", "project_structure", "glossary"]


async def test_texts_and_callables() -> None:
    async def later() -> str:
        return " from a coroutine \n"

    project = ProjectContext(requirements="  plain  ", design=lambda: "from a function", memory_patterns=later)
    assert await read(project) == {
        "requirements": "plain",
        "design": "from a function",
        "memory_patterns": "from a coroutine",
    }


@pytest.mark.parametrize("content", ["", "  \n", lambda: ""])
async def test_sections_that_say_nothing_are_left_out(content: Any) -> None:
    assert await read(ProjectContext(design=content)) == {}


@pytest.mark.parametrize("broken", [lambda: 1 / 0, lambda: 5])
async def test_a_callable_that_fails_is_warned_of_once_and_its_last_text_stays(broken: Any) -> None:
    project = ProjectContext(design=lambda: "three rooms")
    await project.read()
    project.set("design", broken)
    with pytest.warns(RuntimeWarning, match="'design' could not be read"):
        assert await read(project) == {"design": "three rooms"}
    with no_warnings():
        assert await read(project) == {"design": "three rooms"}


async def test_set_remove_clear() -> None:
    project = ProjectContext()
    project.set("rules", "one", type="requirements")
    project.set("rules", "two")
    project.set("design", "three")
    assert [(section.name, section.type) for section in project.sections] == [
        ("rules", "requirements"),
        ("design", "design"),
    ]
    project.remove("rules")
    assert await read(project) == {"design": "three"}
    project.clear()
    assert await read(project) == {}
    with pytest.raises(KeyError):
        project.remove("rules")


@pytest.mark.parametrize("name", ["", " x", "x ", "a]b", "a(b)", "a\nb", "x" * 81])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 80 characters"):
        Section(name, "design", "")


def test_types_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="requirements, design"):
        ProjectContext().set("rules", "…")
    with pytest.raises(ValueError, match="two sections are named 'design'"):
        ProjectContext([Section("design", "design", "")], design="")


@given(names, types, texts, st.booleans())
def test_a_message_tells_its_section(name: str, kind: str, text: str, replaces: bool) -> None:
    section = SectionText(name, kind, text)
    message = section.message(replaces=replaces)
    assert message.content.startswith(f"[project context: {name}")
    assert section_of(message) == (name, kind)
    assert read_section(message) == section


@pytest.mark.parametrize("kind", CATEGORY_OF_SECTION)
def test_a_section_named_as_its_type_has_a_short_heading(kind: str) -> None:
    assert SectionText(kind, kind, "…").message().content == f"[project context: {kind}]\n…"


@pytest.mark.parametrize(
    "message",
    [
        SystemMessage(content="You help."),
        SystemMessage(content=""),
        SystemMessage(content="[project context: no type of ours]\n…"),
        SystemMessage(content="See [project context: design]"),
        UserMessage(content="[project context: design]\n…", source="user"),
        AssistantMessage(content="[project context: design]\n…", source="coder"),
    ],
)
def test_other_messages_are_no_sections(message: LLMMessage) -> None:
    assert section_of(message) is None
