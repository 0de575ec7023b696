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

PEOPLE = frozenset({"user", "human", "user_proxy"})
"""Sources that are people's wherever AutoGen's own names are used."""

CALL_SOURCE = "tool_call"
"""Source of the user message that a call becomes whose arguments are not shown whole."""


class Turn(NamedTuple):
    """The turn at the end of a history: what was asked last, and the tool calls and replies since."""

    start: int
    """Number of the first message that asks."""
    newest: int
    """Number of the last message that asks."""


SPACER = AssistantMessage(content="…", source="assistant")
"""Stands between two user messages of a view whose history has users and agents in turns."""


def alternates(messages: Iterable[LLMMessage]) -> bool:
    """Return whether users and agents speak in turns, without tools; system messages do not count.

    Example:
        >>> said = [UserMessage(content="Hi.", source="user"), AssistantMessage(content="Hello!", source="coder")]
        >>> alternates(said), alternates([*said, said[1]])
        (True, False)
    """
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
    """The turn at the end of a history; None when nobody has asked anything.

    When several speakers came in one after the other, as in a team, their newest messages ask together; memories
    among them do not count.

    Example:
        >>> talk = [UserMessage(content="Hi.", source="user"), AssistantMessage(content="Hello!", source="coder")]
        >>> newest_turn([*talk, UserMessage(content="Now?", source="user"), UserMessage(content="Yes?", source="ann")])
        Turn(start=2, newest=3)
    """
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
    """Return what a person asked before a turn in which only agents speak; nothing where a person does.

    Example:
        >>> said = [UserMessage(content="Fix it.", source="user"), AssistantMessage(content="How?", source="coder")]
        >>> said.append(UserMessage(content="It is parser.py.", source="ann"))
        >>> [message.content for message in question_before(said, newest_turn(said))]
        ['Fix it.']
    """
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


def _people(first: LLMMessage, named: Collection[str]) -> Set[str]:
    """Return the sources that are people's, in lower case, where the first task comes from a message."""
    assert isinstance(first, UserMessage)
    return PEOPLE.union((first.source.lower(),), (name.lower() for name in named))


class Exchange(NamedTuple):
    """A question of a person, and what is said to it.

    Args:
        question: Place of the group in which a person asks.
        answer: Place of the last text that an agent says before a person asks again; None where there is none.
    """

    question: int
    answer: int | None


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a history. All numbers are places among the groups that were given.

    Args:
        first: The first task; None when nobody has asked anything.
        request: What the agent works on now: the person's newest message, and the message of another agent that came
            in last, if that was later. Ordered.
        exchanges: The questions of people with their answers, in order. The last one is still open.
        people: Where people speak.
    """

    first: int | None
    request: tuple[int, ...]
    exchanges: tuple[Exchange, ...]
    people: frozenset[int]

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


NO_TURNS = Turns(None, (), (), frozenset())
"""Of a history in which nobody has said anything."""


def turns_of(groups: Sequence[MessageGroup], people: Collection[str] = ()) -> Turns:
    """Read who asks and who answers.

    A person speaks where the source is AutoGen's name for one, the source of the first task, or one of ``people``.
    Several messages of a person in a row are one question, and its last one stands for it.

    Args:
        groups: A history in groups, or some of them in order.
        people: Sources that are people's, too.

    Example:
        >>> from autogen_ext_tokenctx.messages.groups import split
        >>> said = [("user", "Hi."), ("coder", "Hello!"), ("user", "Fix it."), ("ann", "It is parser.py.")]
        >>> turns = turns_of(split([UserMessage(content=text, source=source) for source, text in said]))
        >>> turns.request, turns.exchanges, turns.outcome
        ((2, 3), (Exchange(question=0, answer=1), Exchange(question=2, answer=3)), 1)
    """
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
                    exchanges[-1] = Exchange(place, None)
                else:
                    exchanges.append(Exchange(place, None))
                continue
        is_text = len(group.messages) == 1 and not is_transcript(group.messages[0])
        if exchanges and is_text and not group.is_exchange:
            exchanges[-1] = exchanges[-1]._replace(answer=place)
    asked = {exchanges[-1].question} if exchanges else set[int]()  # a person before the agents that talk about it
    if newest_user is not None:
        asked.add(newest_user)
    return Turns(first, tuple(sorted(asked)), tuple(exchanges), frozenset(persons))
