"""Originals in a store of the user's: a real database, and stores that fail."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autogen_core import CancellationToken, FunctionCall, Image, InMemoryStore
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from PIL import Image as PILImage

from autogen_ext_tokenctx import (
    ContextArchive,
    ContextManager,
    ContextStore,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
    UnknownHandleError,
)
from autogen_ext_tokenctx.cli.saved_states import read_state

from ..support.histories import conversation
from ..support.quiet import no_warnings
from ..support.strict_client import StrictClient

BUDGET = 1_000


class SqliteStore:
    """Keeps texts in a table."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("CREATE TABLE IF NOT EXISTS texts (key TEXT PRIMARY KEY, value TEXT)")

    def get(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM texts WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO texts VALUES (?, ?)", (key, value))

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM texts").fetchone()[0]

    def close(self) -> None:
        self._db.close()


class FailingStore:
    """Raises, as a server that is down does; counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def get(self, key: str) -> str | None:
        raise OSError("the server is down")

    def set(self, key: str, value: str) -> None:
        self.calls += 1
        raise OSError("the server is down")


class RecoveringStore(InMemoryStore[str]):
    """Fails at the calls of those numbers."""

    def __init__(self, *failing: int) -> None:
        super().__init__()
        self.failing = failing
        self.calls = 0

    def set(self, key: str, value: str) -> None:
        self.calls += 1
        if self.calls in self.failing:
            raise OSError("locked")
        super().set(key, value)


class DecodingStore(InMemoryStore[Any]):
    """Gives JSON as what it stands for, as AutoGen's store for Redis does."""

    def get(self, key: str, default: Any = None) -> Any:
        text = super().get(key)
        return default if text is None else json.loads(text)


class BytesStore(InMemoryStore[Any]):
    """Gives bytes, as a bare client of Redis does."""

    def get(self, key: str, default: Any = None) -> Any:
        text = super().get(key)
        return default if text is None else text.encode()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "originals.db")
    yield store
    store.close()


def message(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


def manager_with(store: ContextStore) -> ContextManager:
    return ContextManager(archive=ContextArchive(store=store))


async def compacted(manager: ContextManager, items: int = 30) -> TokenBudgetChatCompletionContext:
    """A context that left something out."""
    context = TokenBudgetChatCompletionContext(
        budget=BUDGET, manager=manager, initial_messages=conversation(items), reserve=0
    )
    await context.get_messages()
    assert handles_of(context)
    return context


def handles_of(context: TokenBudgetChatCompletionContext) -> list[str]:
    assert context.last_report is not None
    return [step.handle for step in context.last_report.steps if step.handle]


async def test_what_leaves_a_view_is_in_the_database_and_comes_back(database: SqliteStore) -> None:
    context, plain = await compacted(manager_with(database)), await compacted(ContextManager())
    assert len(database) == len(context.manager.archive) > 5
    assert await context.get_messages() == await plain.get_messages()
    assert handles_of(context) == handles_of(plain)
    assert [context.expand(handle) for handle in handles_of(context)] == [plain.expand(h) for h in handles_of(plain)]
    assert context.manager.search("item 7") == plain.manager.search("item 7") != []
    expand, _ = context.tools()
    args = expand.args_type()(handle=handles_of(context)[0])
    assert "no original" not in expand.return_value_as_string(await expand.run(args, CancellationToken()))


async def test_the_database_outlives_the_process_and_states_are_small(tmp_path: Path) -> None:
    before = SqliteStore(tmp_path / "originals.db")
    context = await compacted(manager_with(before))
    state = json.dumps(await context.save_state())
    assert len(state) < len(json.dumps(await (await compacted(ContextManager())).save_state())) * 1.1
    before.close()
    after = SqliteStore(tmp_path / "originals.db")
    loaded = TokenBudgetChatCompletionContext(budget=BUDGET, manager=manager_with(after), reserve=0)
    await loaded.load_state(json.loads(state))
    for handle in handles_of(context):
        assert loaded.expand(handle)
    assert await loaded.get_messages() == await context.get_messages()
    after.close()


async def test_a_state_that_needs_a_store_goes_on_without(database: SqliteStore) -> None:
    context = await compacted(manager_with(database))
    state = json.loads(json.dumps(await context.save_state()))
    handle = handles_of(context)[1]
    loaded = TokenBudgetChatCompletionContext(budget=BUDGET, reserve=0)
    with no_warnings():
        await loaded.load_state(state)
        assert await loaded.get_messages() == await context.get_messages()
    with pytest.raises(UnknownHandleError):
        loaded.expand(handle)
    loaded.budget = BUDGET - 100  # the next compaction archives anew
    await loaded.get_messages()
    assert loaded.expand(handle) == context.expand(handle)
    assert read_state(state).histories[0].archive().get(handle) == context.expand(handle)


async def test_a_state_made_without_a_store_is_loaded_beside_one(database: SqliteStore) -> None:
    context = await compacted(ContextManager())
    loaded = TokenBudgetChatCompletionContext(budget=BUDGET, manager=manager_with(database), reserve=0)
    await loaded.load_state(json.loads(json.dumps(await context.save_state())))
    assert [loaded.expand(handle) for handle in handles_of(context)]
    assert len(database) == 0


async def test_agents_share_the_store_and_expand_only_their_own(database: SqliteStore) -> None:
    manager = manager_with(database)
    one = await compacted(manager)
    size = len(database)
    other = TokenBudgetChatCompletionContext(budget=BUDGET, manager=manager)
    with pytest.raises(UnknownHandleError):
        other.expand(handles_of(one)[0])
    assert manager.expand(handles_of(one)[0]) == one.expand(handles_of(one)[0])
    other = await compacted(manager)
    assert len(database) == size  # equal content has one key
    kept = other.expand(handles_of(one)[0])
    await one.clear()
    assert len(database) == size
    assert other.expand(handles_of(other)[0]) == kept


async def test_the_client_hook_writes_to_the_store_too(database: SqliteStore) -> None:
    client = TokenBudgetChatCompletionClient(StrictClient(["Done."]), BUDGET, manager=manager_with(database))
    await client.create(conversation(30))
    assert client.last_report is not None
    handle = next(step.handle for step in client.last_report.steps if step.handle)
    assert len(database) > 5
    assert client.expand(handle)


async def test_a_long_history_is_archived_from_a_thread(database: SqliteStore) -> None:
    with no_warnings():
        context = await compacted(manager_with(database), items=150)
    assert len(database) == len(context.manager.archive) > 100


@pytest.mark.parametrize("store_type", [InMemoryStore[str], DecodingStore, BytesStore])
def test_every_kind_of_message_comes_back_equal(store_type: type[InMemoryStore[Any]]) -> None:
    messages: list[LLMMessage] = [
        SystemMessage(content='"Ünï" \x00\n𝄞 [1, 2]'),
        UserMessage(content=["The leak.", Image(PILImage.new("RGB", (4, 4)))], source="user"),
        AssistantMessage(content=[FunctionCall(id="1", name="f", arguments='{"a": 1}')], thought="hm", source="coder"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content="7", name="f", call_id="1", is_error=True)]
        ),
    ]
    archive = ContextArchive(store=store_type())
    handles = [archive.put([each]) for each in messages]
    assert archive.handles() == handles
    found = archive.get(archive.put_group(handles))
    assert [each.model_dump(mode="json") for each in found] == [each.model_dump(mode="json") for each in messages]


async def test_a_store_that_fails_costs_one_warning_and_memory_keeps_all() -> None:
    store = FailingStore()
    manager = manager_with(store)
    with pytest.warns(
        RuntimeWarning, match=r"FailingStore could not keep .*server is down.* memory keeps it"
    ) as caught:
        context = await compacted(manager)
    assert [one.category for one in caught] == [RuntimeWarning]
    assert len(context.manager.archive) > store.calls == 3  # each may have cost a timeout
    with no_warnings():
        assert [context.expand(handle) for handle in handles_of(context)]
        other = await compacted(manager)
        assert other.expand(handles_of(other)[0])
    assert store.calls == 3


def test_failures_that_pass_leave_the_store_in_use() -> None:
    store = RecoveringStore(1, 2, 4, 5)
    archive = ContextArchive(store=store)
    with pytest.warns(RuntimeWarning, match="RecoveringStore") as caught:
        handles = [archive.put([message(str(number))]) for number in range(8)]
    assert len(caught) == 1
    assert (store.calls, len(store.store)) == (8, 4)
    assert [archive.get(handle)[0].content for handle in handles] == [str(number) for number in range(8)]


@pytest.mark.parametrize("kept", ["{not JSON", '[{"type": "Nothing"}]', 7])
def test_a_broken_text_in_the_store_is_an_unknown_handle(kept: Any) -> None:
    store = InMemoryStore[Any]()
    archive = ContextArchive(store=store)
    first, second = archive.put([message("red herring")]), archive.put([message("blue whale")])
    store.store[next(iter(store.store))] = kept
    with pytest.warns(RuntimeWarning, match="could not give back"), pytest.raises(UnknownHandleError, match=first):
        archive.get(first)
    with no_warnings():
        assert [hit.handle for hit in ContextManager(archive=archive).search("whale herring")] == [second]


async def test_what_a_store_has_lost_is_told_to_the_agent() -> None:
    store = InMemoryStore[str]()
    context = await compacted(manager_with(store))
    store.store.clear()  # what has expired
    expand, find = context.tools()
    with no_warnings():
        told = await expand.run(expand.args_type()(handle=handles_of(context)[0]), CancellationToken())
        assert "no original is archived" in expand.return_value_as_string(told)
        found = await find.run(find.args_type()(query="item"), CancellationToken())
        assert find.return_value_as_string(found) == "nothing found"
    assert await context.get_messages()


class AsyncStore:
    async def get(self, key: str) -> str | None: ...

    async def set(self, key: str, value: str) -> None: ...


@pytest.mark.parametrize("store", [{}, "originals.db", AsyncStore()])
def test_what_is_no_store_is_told_what_is_one(store: Any) -> None:
    with pytest.raises(TypeError, match=r"get\(key\) and set\(key, value\), not async"):
        ContextArchive(store=store)
