"""Which conversation a call is of: each has a session of its own, and no two calls have one at once."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest
from autogen_core import AgentId
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.errors import UnknownHandleError
from autogen_ext_tokenctx.hooks.session import Session
from autogen_ext_tokenctx.hooks.sessions import Owner, Sessions
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

CODER, CRITIC = AgentId("coder", "default"), AgentId("critic", "default")
RULES = SystemMessage(content="Be brief.")


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def talk(about: str, messages: int = 4) -> list[LLMMessage]:
    return [(agent if number % 2 else user)(f"{about} {number}") for number in range(messages)]


def made() -> Sessions:
    return Sessions(None, EstimatedTokenCounter(), None, None, open_ended=True)


def used(sessions: Sessions, messages: list[LLMMessage], owner: Owner = CODER, name: str = "coder") -> Session:
    """The session that a call gets; something leaves its view, so that there is something to remember."""
    with sessions.serving(owner, name, messages) as session:
        session.manager.archive.put([user(f"left of {messages[0].content}")])
        return session


def elsewhere(work: Callable[[], object]) -> object:
    """Do something in a task of its own, in which nothing was fitted."""
    return contextvars.Context().run(work)


PUMPS = talk("pumps")


@pytest.mark.parametrize("owner", [CODER, None, "coder"], ids=str)
@pytest.mark.parametrize(
    "later",
    [[*PUMPS, user("And now?")], [RULES, *PUMPS], [*PUMPS[:-1], user("Another question.")], PUMPS],
    ids=["more", "rules", "another newest message", "same"],
)
def test_what_goes_on_is_the_same_conversation(owner: Owner, later: list[LLMMessage]) -> None:
    sessions = made()
    assert used(sessions, PUMPS, owner) is used(sessions, later, owner)


@pytest.mark.parametrize(
    ("history", "owner"),
    [
        (talk("valves"), CODER),
        (talk("pumps"), CRITIC),
        (talk("pumps"), None),
        (talk("pumps")[:2], CODER),
        (talk("pumps", 6)[2:], CODER),
    ],
    ids=["another one", "another agent", "nobody", "shorter", "equal texts without the beginning"],
)
def test_anything_else_is_another_conversation(history: list[LLMMessage], owner: Owner) -> None:
    sessions = made()
    assert used(sessions, talk("pumps")) is not used(sessions, history, owner)


def test_a_history_that_lost_its_beginning_is_known_by_its_messages() -> None:
    sessions, history = made(), talk("pumps", 8)
    first = used(sessions, history)
    assert used(sessions, [*history[5:], user("And now?")]) is first
    assert used(sessions, [history[-1], user("And now?")]) is not first  # one message may be of anyone


def test_of_two_that_go_on_the_longer_one_is_meant() -> None:
    sessions, history = made(), talk("pumps", 6)
    short = used(sessions, history[:2])
    with sessions.serving(CODER, "coder", history[:2]):  # so that the next one has to begin anew
        long = used(sessions, history)
    assert long is not short
    assert used(sessions, [*history, user("And now?")]) is long


def test_no_two_calls_have_one_session_at_once() -> None:
    sessions, history = made(), talk("pumps")
    with ExitStack() as calls:
        busy = [calls.enter_context(sessions.serving(CODER, "coder", history)) for _ in range(3)]
    assert len(set(map(id, busy))) == 3
    assert used(sessions, history) in busy


def test_a_call_that_fails_gives_its_session_back() -> None:
    sessions, history = made(), talk("pumps")
    first = used(sessions, history)
    with pytest.raises(RuntimeError), sessions.serving(CODER, "coder", history):
        raise RuntimeError
    assert used(sessions, history) is first


def test_a_newest_message_that_was_replaced_is_forgotten() -> None:
    sessions, history = made(), talk("pumps", 5)
    with sessions.serving(CODER, "coder", history) as session:
        handle = session.manager.archive.put([history[-1]])
        kept = session.manager.archive.put([history[0]])
    with sessions.serving(CODER, "coder", [*history[:-1], user("Another question.")]) as session:
        assert kept in session.manager.archive
        assert handle not in session.manager.archive


def test_where_nothing_is_to_be_remembered_the_place_is_given_on() -> None:
    sessions = made()

    def call(about: str) -> None:
        with sessions.serving(CODER, "coder", talk(about)):
            pass

    for about in ("pumps", "valves", "relays"):
        elsewhere(partial(call, about))
    assert len(sessions.newest_first()) == 1


def test_what_was_silent_longest_is_forgotten() -> None:
    sessions, first = made(), talk("first")
    session = used(sessions, first)
    for number in range(255):
        used(sessions, talk(f"talk {number}"))
    assert used(sessions, first) is session  # and is the newest now
    for number in range(255):
        used(sessions, talk(f"other talk {number}"))
    assert len(sessions.newest_first()) == 256
    assert used(sessions, first) is session
    for number in range(256):
        used(sessions, talk(f"one more talk {number}"))
    assert used(sessions, first) is not session


def test_the_first_conversation_of_an_owner_stays_the_first() -> None:
    sessions, history = made(), talk("pumps")
    assert sessions.is_first(CODER, history)
    used(sessions, history)
    assert sessions.is_first(CODER, [RULES, *history])
    assert not sessions.is_first(CODER, talk("valves"))
    assert sessions.is_first(CRITIC, talk("valves"))


def test_tools_read_the_conversation_that_the_task_had_fitted_last() -> None:
    sessions = made()
    used(sessions, talk("pumps"))
    last = used(sessions, talk("valves"))
    conversation = sessions.in_use(CODER)
    assert conversation is not None
    assert conversation.session is last
    assert sessions.in_use("coder") is conversation  # by its name, too
    assert sessions.in_use(CRITIC) is None


@pytest.mark.parametrize(("conversations", "is_known"), [(1, True), (2, False)])
def test_a_task_that_had_none_fitted_has_the_only_one(conversations: int, is_known: bool) -> None:
    sessions = made()
    for number in range(conversations):
        used(sessions, talk(f"talk {number}"))
    assert (elsewhere(lambda: sessions.in_use(CODER)) is not None) is is_known


def test_a_handle_gives_back_what_left_the_views_of_that_agent() -> None:
    sessions = made()
    handles = [
        used(sessions, talk(about), owner, owner.type).manager.archive.handles()[0]
        for about, owner in (("pumps", CODER), ("valves", CRITIC))
    ]
    assert [sessions.expand(handle)[0].content for handle in handles] == ["left of pumps 0", "left of valves 0"]
    assert sessions.expand(handles[1], "critic")[0].content == "left of valves 0"
    for handle, name in ((handles[0], "critic"), ("0" * 8, None)):
        with pytest.raises(UnknownHandleError):
            sessions.expand(handle, name)


def test_sessions_share_the_counter_and_no_archive() -> None:
    manager = ContextManager(counter=EstimatedTokenCounter())
    sessions = Sessions(None, None, manager, None, open_ended=True)
    first, second = sessions.new(), sessions.new()
    assert first.manager.counter is second.manager.counter is sessions.counter is manager.counter
    handle = first.manager.archive.put(talk("pumps"))
    assert handle not in second.manager.archive
    assert manager.expand(handle) == talk("pumps")


def test_a_counter_and_a_manager_cannot_both_be_brought() -> None:
    with pytest.raises(ValueError, match="not both"):
        Sessions(None, EstimatedTokenCounter(), ContextManager(), None, open_ended=True)


@pytest.mark.parametrize("is_brought", [True, False])
def test_only_what_was_brought_is_dumped(is_brought: bool) -> None:
    sessions = Sessions("gpt-4o", EstimatedTokenCounter() if is_brought else None, None, None, open_ended=True)
    assert (sessions.dumped_manager() is not None) is sessions.is_brought is is_brought
