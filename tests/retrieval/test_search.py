"""Looking for words in what left the views."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from autogen_ext_tokenctx.errors import UnknownHandleError
from autogen_ext_tokenctx.messages.archive import ContextArchive
from autogen_ext_tokenctx.messages.pages import page_lines
from autogen_ext_tokenctx.retrieval.search import SearchHit, search


def said(text: str, source: str = "ann") -> list[LLMMessage]:
    return [UserMessage(content=text, source=source)]


def gave(name: str, arguments: str, text: str) -> list[LLMMessage]:
    result = FunctionExecutionResult(content=text, name=name, call_id="c1", is_error=False)
    return [
        AssistantMessage(content=[FunctionCall("c1", arguments, name)], source="coder"),
        FunctionExecutionResultMessage(content=[result]),
    ]


def archived(*groups: Sequence[LLMMessage]) -> tuple[ContextArchive, list[str]]:
    archive = ContextArchive()
    return archive, [archive.put(group) for group in groups]


def shown(archive: ContextArchive, hit: SearchHit) -> list[str]:
    """The lines that a hit names, numbered from 1."""
    return [line.text for line in page_lines(archive.get(hit.handle))[hit.first - 1 : hit.last]]


def test_what_answers_is_found_the_best_first_and_nothing_else() -> None:
    archive, (one, both, _) = archived(
        said("The pump of hall nine is old."), said("The pump has a copper valve."), said("Lunch is at noon.")
    )
    hits = search(archive, "Which pump has a copper valve?", 10)
    assert [hit.handle for hit in hits] == [both, one]
    assert hits[0].score > hits[1].score > 0.0
    assert "copper valve" in hits[0].excerpt
    assert "ann" in hits[0].excerpt


@pytest.mark.parametrize("query", ["zeppelin", "", "the of and", "?"])
def test_a_query_that_nothing_answers_finds_nothing(query: str) -> None:
    archive, _ = archived(said("The pump is old."), said("The valve is new."))
    assert search(archive, query, 10) == []
    assert search(ContextArchive(), query, 10) == []


@pytest.mark.parametrize("most", [0, 1, 3, 9])
def test_no_more_is_found_than_was_asked_for(most: int) -> None:
    archive, handles = archived(*(said(f"Pump {number} runs.") for number in range(5)))
    hits = search(archive, "pump", most)
    assert len(hits) == min(most, 5)
    assert [hit.handle for hit in hits] == handles[: len(hits)]  # of equals the one that left first


def test_a_hit_names_the_lines_around_the_one_that_answers() -> None:
    lines = [f"Line {number} says little." for number in range(20)]
    lines[11] = "The copper valve leaks."
    archive, _ = archived(said("\n".join(lines)), said("Lunch."))
    (hit,) = search(archive, "copper valve", 5)
    around = shown(archive, hit)
    assert "The copper valve leaks." in around
    assert 1 < len(around) < 10
    assert hit.total == 20
    assert hit.first <= 12 <= hit.last


@pytest.mark.parametrize("place", [0, 19])
def test_lines_around_an_end_stay_within_the_text(place: int) -> None:
    lines = [f"Line {number} says little." for number in range(20)]
    lines[place] = "The copper valve leaks."
    archive, _ = archived(said("\n".join(lines)), said("Lunch."))
    (hit,) = search(archive, "copper valve", 5)
    assert 1 <= hit.first <= place + 1 <= hit.last <= hit.total == 20
    assert "The copper valve leaks." in shown(archive, hit)


def test_of_lines_that_answer_alike_the_first_is_named() -> None:
    lines = [f"Line {number} says little." for number in range(30)]
    lines[5] = lines[25] = "The copper valve leaks."
    archive, _ = archived(said("\n".join(lines)), said("Lunch."))
    (hit,) = search(archive, "copper valve", 5)
    assert hit.first <= 6 <= hit.last < 25


def test_the_lines_of_a_hit_are_of_one_text() -> None:
    history = [*said("The copper valve leaks."), *said("And I like tea.", "ben"), *said("So do I.", "cleo")]
    archive, _ = archived(history, said("Lunch."))
    (hit,) = search(archive, "copper valve", 5)
    assert shown(archive, hit) == ["The copper valve leaks."]
    assert hit.total == 3


def test_who_said_it_and_what_it_answers_are_searched_too() -> None:
    archive, (of_ann, of_call, _) = archived(
        said("It runs."), gave("read_file", '{"path": "src/parser.py"}', "def main"), said("It stands.", "ben")
    )
    assert [hit.handle for hit in search(archive, "What did ann say?", 5)] == [of_ann]
    assert [hit.handle for hit in search(archive, "parser.py", 5)] == [of_call]


def test_what_was_found_before_is_looked_for_where_it_stands() -> None:
    found = gave("search_context", '{"query": "valve"}', "The copper valve leaks.")
    archive, (original, _) = archived(said("The copper valve leaks."), found)
    assert [hit.handle for hit in search(archive, "copper valve", 5)] == [original]


class Forgetful(ContextArchive):
    """An archive over a store that lost something."""

    lost = ""

    def get(self, handle: str) -> list[LLMMessage]:
        if handle == self.lost:
            raise UnknownHandleError(handle)
        return super().get(handle)


def test_what_the_store_lost_does_not_keep_the_rest_from_being_found() -> None:
    archive = Forgetful()
    archive.lost = archive.put(said("The pump is old."))
    kept = archive.put(said("The pump is new."))
    assert [hit.handle for hit in search(archive, "pump", 5)] == [kept]
