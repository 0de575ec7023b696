"""Who asks and who answers in a history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from .groups import STRAY_SOURCE, MessageGroup

# Sources that are people's wherever AutoGen's own names are used.
PEOPLE = frozenset({"user", "human", "user_proxy"})

# Source of the user message that a call becomes whose arguments are not shown whole.
CALL_SOURCE = "tool_call"


class Turn(NamedTuple):
    """The turn at the end of a history: what was asked last, and the tool calls and replies since."""

    start: int  # number of the first message that asks
    newest: int  # number of the last message that asks


# Stands between two user messages of a view whose history has users and agents in turns.
SPACER = AssistantMessage(content="…", source="assistant")


def alternates(messages: Iterable[LLMMessage]) -> bool:
    """Return whether users and agents speak in turns, without tools; system messages do not count."""
    user_is_next = True
    for message in messages:
        if isinstance(message, SystemMessage):
            continue
        if isinstance(message, FunctionExecutionResultMessage) or isinstance(message, UserMessage) != user_is_next:
            return False
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            return False
        user_is_next = not user_is_next
    return True


def newest_turn(messages: Sequence[LLMMessage]) -> Turn | None:
    """Return the turn at the end of a history; None when nobody has asked anything."""
    # When several speakers came in one after the other, as in a team, their newest messages ask together; memories
    # among them do not count.
    turn: Turn | None = None
    speakers: set[str] = set()
    for number in range(len(messages) - 1, -1, -1):
        message = messages[number]
        if isinstance(message, UserMessage) and message.source not in speakers and not is_transcript(message):
            turn = Turn(number, number) if turn is None else turn._replace(start=number)
            speakers.add(message.source)
        elif turn is not None and not isinstance(message, SystemMessage):
            break
    return turn


def question_before(messages: Sequence[LLMMessage], turn: Turn, people: Collection[str] = ()) -> Sequence[LLMMessage]:
    """Return what a person asked before a turn in which only agents speak; nothing where a person does."""
    users = [message for message in messages if isinstance(message, UserMessage) and not is_transcript(message)]
    if not users:
        return ()
    known = _people(users[0], people)

    def is_person(message: LLMMessage) -> bool:
        return isinstance(message, UserMessage) and message.source.lower() in known

    if any(map(is_person, messages[turn.start :])):
        return ()
    return [next(message for message in reversed(messages[: turn.start]) if is_person(message))]


def is_transcript(message: LLMMessage) -> bool:
    """Return whether a message tells of a call or its result, and is nothing that a person or another agent said."""
    return isinstance(message, UserMessage) and message.source in (CALL_SOURCE, STRAY_SOURCE)


def _people(first: UserMessage, named: Collection[str]) -> Set[str]:
    """Return the sources that are people's, in lower case, where the first task comes from a message."""
    return PEOPLE.union((first.source.lower(),), (name.lower() for name in named))


class Exchange(NamedTuple):
    """A question of a person, and what is said to it."""

    question: int  # place of the group in which a person asks
    answer: int | None  # place of the last text that an agent says before a person asks again


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a history. All numbers are places among the groups that were given."""

    first: int | None  # the first task; None when nobody has asked anything
    # What the agent works on now, ordered: the person's newest message, and the message of another agent that came in
    # last, if that was later.
    request: tuple[int, ...]
    exchanges: tuple[Exchange, ...]  # in order; the last one is still open
    people: frozenset[int]  # where people speak

    @property
    def question(self) -> int | None:
        """The person's newest message; None when no person has said anything."""
        return self.exchanges[-1].question if self.exchanges else None

    @property
    def outcome(self) -> int | None:
        """What came of the first task, where it is not what the agent works on now; None where nothing was said."""
        if self.first is None or self.first in self.request:
            return None
        return next((exchange.answer for exchange in self.exchanges[:-1] if exchange.question >= self.first), None)


# Of a history in which nobody has said anything.
NO_TURNS = Turns(None, (), (), frozenset())


def turns_of(groups: Sequence[MessageGroup], people: Collection[str] = ()) -> Turns:
    """Return who asks and who answers in a history in groups, or in some of them in order."""
    # A person speaks where the source is AutoGen's name for one, the source of the first task, or one of `people`.
    # Several messages of a person in a row are one question, and its last one stands for it.
    first: int | None = None
    known: Set[str] = frozenset()
    persons: list[int] = []
    exchanges: list[Exchange] = []
    newest_user: int | None = None
    for place, group in enumerate(groups):
        head = group.head
        if not group.messages or group.index < 0 or isinstance(head, SystemMessage):
            continue  # a note that stands among the groups is nobody's
        if group.is_user and not is_transcript(head):
            assert isinstance(head, UserMessage)
            if first is None:
                first = place
                known = _people(head, people)
            newest_user = place
            if head.source.lower() in known:
                persons.append(place)
                if exchanges and exchanges[-1].answer is None:
                    exchanges.pop()
                exchanges.append(Exchange(place, None))
                continue
        is_text = len(group.messages) == 1 and not is_transcript(group.messages[0])
        if exchanges and is_text and not group.is_exchange:
            exchanges[-1] = exchanges[-1]._replace(answer=place)
    # A person before the agents that talk about it.
    asked = {place for place in (exchanges[-1].question if exchanges else None, newest_user) if place is not None}
    return Turns(first, tuple(sorted(asked)), tuple(exchanges), frozenset(persons))
