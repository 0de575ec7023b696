"""The archive: handles, groups, saving."""

from __future__ import annotations

import json

import pytest
from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx.errors import UnknownHandleError
from autogen_ext_tokenctx.messages.archive import ContextArchive


def message(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


def test_equal_content_has_one_handle_and_the_objects_come_back() -> None:
    archive, first = ContextArchive(), message("one")
    handle = archive.put([first])
    assert archive.put([message("one")]) == handle
    assert archive.get(handle)[0] is first
    assert archive.put([message("two")]) != handle
    assert len(archive) == 2


def test_a_group_gives_its_members_in_order() -> None:
    archive = ContextArchive()
    handles = [archive.put([message(str(n))]) for n in range(3)]
    group = archive.put_group(handles)
    assert [m.content for m in archive.get(group)] == ["0", "1", "2"]
    assert archive.put_group(handles) == group
    assert archive.put_group(handles[:1]) == handles[0]


def test_handles_that_collide_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = iter(["aaaaaaaa1111", "aaaaaaaa2222", "aaaaaaaa1111"])

    def next_hash(_: object) -> str:
        return next(hashes)

    monkeypatch.setattr("autogen_ext_tokenctx.messages.archive.content_hash", next_hash)
    archive = ContextArchive()
    assert [archive.put([message(text)]) for text in ("x", "y", "x")] == ["aaaaaaaa", "aaaaaaaa2", "aaaaaaaa"]
    assert archive.get("aaaaaaaa2")[0].content == "y"


def test_an_unknown_handle_is_told() -> None:
    with pytest.raises(UnknownHandleError, match="cafe"):
        ContextArchive().get("cafe")


@pytest.mark.parametrize("known", [True, False])
def test_dump_and_load_round_trip_through_json(known: bool) -> None:
    history = [message(f"{n} " + "word " * 100) for n in range(6)]
    archive = ContextArchive()
    group = archive.put_group([archive.put(history[1:3]), archive.put([history[4]])])
    shared = history if known else []
    state = json.dumps(archive.dump(shared))
    assert (len(state) < 600) is known  # what the history holds is not saved twice
    loaded = ContextArchive()
    loaded.load(json.loads(state), shared)
    assert loaded.get(group) == [history[1], history[2], history[4]]
    assert (loaded.get(group)[0] is history[1]) is known


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"originals": 3, "groups": {}, "hashes": {}},
        {"originals": {"a": [{"type": "Nothing"}]}, "groups": {}, "hashes": {}},
        {"originals": {"a": {"start": 9, "count": 1}}, "groups": {}, "hashes": {}},
        {"originals": {"a": {"begin": 9}}, "groups": {}, "hashes": {}},
    ],
)
def test_a_broken_state_leaves_the_archive_alone(state: dict[str, object]) -> None:
    archive = ContextArchive()
    handle = archive.put([message("kept")])
    with pytest.raises(ValueError, match=r".+"):
        archive.load(state)
    assert archive.get(handle)[0].content == "kept"


def test_clear_forgets() -> None:
    archive = ContextArchive()
    handle = archive.put([message("x")])
    archive.clear()
    assert handle not in archive
