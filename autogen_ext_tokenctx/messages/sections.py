"""What agents should know of the project they work on: named sections, and the messages they enter contexts as."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from autogen_core.models import LLMMessage, SystemMessage
from pydantic import BaseModel

from ..warn import warn

# A section's text, or what gives it, now or later.
SectionSource = str | Callable[[], str | Awaitable[str]]

# The types a section can have, in the order in which they enter a context, each with the value of the `Category` its
# message belongs to: weights and shares apply to it as to any other group of that category.
CATEGORY_OF_SECTION: Mapping[str, str] = {
    "requirements": "current_task_requirements",
    "design": "project_structure",
    "project_structure": "project_structure",
    "memory_patterns": "memory_patterns",
}

_NAME = re.compile(r"[^\[\]()\s](?:[^\[\]()\n\r]{0,78}[^\[\]()\s])?")
_HEADING = re.compile(
    rf"\[project context: (?P<name>{_NAME.pattern})(?: \((?P<type>{'|'.join(CATEGORY_OF_SECTION)})\))?\][^\n]*\n?"
)


@dataclass(frozen=True, slots=True)
class Section:
    """A named piece of what is known about a project.

    Args:
        name: Name of the section, at most 80 characters, without brackets and line breaks.
        type: What it is: "requirements", "design", "project_structure" or "memory_patterns".
        content: Its text, or a callable that gives it, async or not.

    Raises:
        ValueError: Such a name or type cannot be.

    Example:
        >>> Section("api rules", "requirements", "Never break v1.").name
        'api rules'
    """

    name: str
    type: str
    content: SectionSource

    def data(self) -> SectionData:
        """Return the section as plain data; raise a TypeError where a callable gives its text."""
        if not isinstance(self.content, str):
            raise TypeError(
                f"section {self.name!r} cannot be dumped: a callable gives its text. Give it a text, or build what has "
                "it in code."
            )
        return SectionData(name=self.name, type=self.type, content=self.content)

    def __post_init__(self) -> None:
        if self.type not in CATEGORY_OF_SECTION:
            raise ValueError(f"a section is of type {', '.join(CATEGORY_OF_SECTION)}, not {self.type!r}")
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"a section's name has 1 to 80 characters, no brackets and no line breaks, unlike {self.name!r}"
            )


class SectionData(BaseModel):
    """A section as plain data."""

    name: str
    type: str
    content: str

    def section(self) -> Section:
        """Return the section."""
        return Section(self.name, self.type, self.content)


@dataclass(frozen=True, slots=True)
class SectionText:
    """What a section says at one moment; an empty text means that it was removed.

    Args:
        name: Name of the section.
        type: Type of the section.
        text: What it says.

    Example:
        >>> print(SectionText("api rules", "requirements", "Never break v1.").message().content)
        [project context: api rules (requirements)]
        Never break v1.
    """

    name: str
    type: str
    text: str

    def message(self, *, replaces: bool = False) -> SystemMessage:
        """Return the message it enters a context as, which names what it `replaces`, if anything."""
        named = self.name if self.name == self.type else f"{self.name} ({self.type})"
        note = ""
        if replaces and self.text:
            note = " This replaces what stood under this heading before."
        elif replaces:
            note = " Removed: what stood under this heading no longer holds."
        return SystemMessage(content=f"[project context: {named}]{note}\n{self.text}".rstrip("\n"))


def section_of(message: LLMMessage) -> tuple[str, str] | None:
    """Return name and type of the section that a message is a version of; None when it is none."""
    found = read_section(message)
    return (found.name, found.type) if found else None


def read_section(message: LLMMessage) -> SectionText | None:
    """Return the version of a section that a message holds; None when it is none."""
    if not isinstance(message, SystemMessage):
        return None
    heading = _HEADING.match(message.content)
    if heading is None:
        return None
    name: str = heading["name"]
    kind: str = heading["type"] or name
    return SectionText(name, kind, message.content[heading.end() :]) if kind in CATEGORY_OF_SECTION else None


class ProjectContext:
    """Named sections of what agents should know of a project.

    One project context may serve any number of agents; each gets a section when it is new or has changed.

    Args:
        sections: Sections with names of their own.
        requirements: A section named "requirements": what the result has to satisfy.
        design: A section named "design": how it is to be built.
        project_structure: A section named "project_structure": what there is, and where.
        memory_patterns: A section named "memory_patterns": what was learned in earlier work.

    Raises:
        ValueError: Two sections have the same name, or one has a name or type that cannot be.

    Example:
        >>> import asyncio
        >>> project = ProjectContext(requirements="Python 3.10 or newer.", project_structure=lambda: "src/ tests/")
        >>> project.set("style", "Google docstrings.", type="design")
        >>> [section.name for section in asyncio.run(project.read())]
        ['requirements', 'style', 'project_structure']
    """

    def __init__(
        self,
        sections: Iterable[Section] = (),
        *,
        requirements: SectionSource | None = None,
        design: SectionSource | None = None,
        project_structure: SectionSource | None = None,
        memory_patterns: SectionSource | None = None,
    ) -> None:
        by_type = {
            "requirements": requirements,
            "design": design,
            "project_structure": project_structure,
            "memory_patterns": memory_patterns,
        }
        self._sections: dict[str, Section] = {}
        self._last_texts: dict[str, str] = {}
        self._failed: set[str] = set()
        named = [Section(kind, kind, content) for kind, content in by_type.items() if content is not None]
        for section in [*named, *sections]:
            if section.name in self._sections:
                raise ValueError(f"two sections are named {section.name!r}")
            self._sections[section.name] = section

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections, by type and within a type in the order they came."""
        order = list(CATEGORY_OF_SECTION)
        return tuple(sorted(self._sections.values(), key=lambda section: order.index(section.type)))

    def set(self, name: str, content: SectionSource, *, type: str | None = None) -> None:
        """Add a section, or give one a new content.

        Args:
            name: Name of the section.
            content: Its text, or a callable that gives it. An empty text takes it out of the agents' contexts.
            type: Type of the section. None: the type it has, or its name, which then has to be a type.

        Raises:
            ValueError: Such a name or type cannot be.
        """
        if type is None:
            type = self._sections[name].type if name in self._sections else name
        self._sections[name] = Section(name, type, content)

    def remove(self, name: str) -> None:
        """Take a section away.

        Raises:
            KeyError: There is no such section.
        """
        del self._sections[name]

    def clear(self) -> None:
        """Take all sections away."""
        self._sections.clear()

    async def read(self) -> list[SectionText]:
        """What the sections say now, without those that say nothing.

        A callable that fails is warned of once, and what it gave last stays: an agent must not die because a part of
        its context could not be read.
        """
        texts = [SectionText(section.name, section.type, await self._text(section)) for section in self.sections]
        return [section for section in texts if section.text]

    def texts(self) -> list[SectionText]:
        """What the sections say, without those that say nothing, where all of them are given as texts.

        Raises:
            TypeError: One is given by a callable, which `read` asks.
        """
        called = [section.name for section in self.sections if not isinstance(section.content, str)]
        if called:
            raise TypeError(f"section {called[0]!r} is given by a callable: use `await project.read()`, which asks it")
        texts = [SectionText(section.name, section.type, str(section.content).strip()) for section in self.sections]
        return [section for section in texts if section.text]

    async def _text(self, section: Section) -> str:
        if isinstance(section.content, str):
            return section.content.strip()
        try:
            given = section.content()
            text = await given if inspect.isawaitable(given) else given
            self._last_texts[section.name] = text.strip()
        except Exception as error:
            if section.name not in self._failed:
                self._failed.add(section.name)
                warn(
                    f"project context section {section.name!r} could not be read ({error!r}); what it said last stays",
                    RuntimeWarning,
                )
        return self._last_texts.get(section.name, "")
