"""A history as it grows: its groups, what they cost, and a full-text index to look up the older ones."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, is_
from weakref import finalize

from autogen_core.models import FunctionExecutionResultMessage, LLMMessage

from ..forms.form import FitStep
from ..messages.calls import MOST_BETWEEN, answers, is_call, open_calls
from ..messages.groups import MessageGroup, common_prefix, message_key, split, text_of
from ..tokens.counting import GuardedTokenCounter
from ..warn import warn_once
from .stems import is_finnish
from .terms import terms, written

_WORD = re.compile(r"[^\W_]{2,}")
"""Words as SQLite's tokenizer takes them: it splits ids at their signs, and so must what looks for them."""

_content = attrgetter("content")

# No measurement is on record for the numbers below, unless they name one.

_MOST_WORDS = 40
"""So many of the first words of a text are looked for; more of them only take time."""


@dataclass(frozen=True, slots=True)
class KnownGroups:
    """What does not change about groups that left a view."""

    handles: dict[MessageGroup, str]  # under which they were archived
    evicted: dict[MessageGroup, FitStep]  # the report on those that were left out unseen
    instructions: dict[MessageGroup, float]  # how likely the likeliest sentence of a person's message binds


class HistoryIndex:
    """Follows one history; what was read of it once is not read again."""

    def __init__(self, counter: GuardedTokenCounter) -> None:
        self._counter = counter
        self._restart()

    def _restart(self) -> None:
        self._estimated = self._counter.estimates
        self._messages: list[LLMMessage] = []
        self._contents: list[object] = []
        self._parts = 0
        self._words: sqlite3.Connection | None = None
        self._indexed = 0
        self.groups: list[MessageGroup] = []
        self.sizes: list[int] = []  # tokens of each group as it can be sent
        self.tokens = 0  # of the messages as they stand
        self.known = KnownGroups({}, {}, {})

    def new(self, messages: Sequence[LLMMessage]) -> Sequence[LLMMessage]:
        """Return what `follow` would have to count, about: the messages that came since."""
        return messages[len(self._messages) :]

    def follow(self, messages: Sequence[LLMMessage]) -> None:
        """Read what is new in a history; all of it where it does not go on from what was read before."""
        if self._counter.estimates != self._estimated:
            self._restart()
        count = self._known(messages)
        self._keep(count, messages[count : count + MOST_BETWEEN])
        self._read(messages[len(self._messages) :])

    def add(self, message: LLMMessage, number: int) -> bool:
        """Read the message of a number in the history; False where that is not the next one."""
        if number != len(self._messages) or self._counter.estimates != self._estimated:
            return False
        self._read([*self._keep(number, [message]), message])
        return True

    def shared(self, messages: Sequence[LLMMessage]) -> int:
        """Return with how many of the messages that were read a history may begin, by a look at three of them."""
        known = self._messages
        count = min(len(messages), len(known))
        looked_at = dict.fromkeys((0, count // 2, count - 1)) if count else ()
        same = common_prefix([messages[n] for n in looked_at], [known[n] for n in looked_at])
        return count if same == len(looked_at) else min(same, 1)

    def _read(self, messages: Sequence[LLMMessage]) -> None:
        for group in split(messages, first=len(self.groups)):
            size = sum(self._counter.count_messages(group.messages))
            self.groups.append(group)
            self.sizes.append(size)
            self.tokens += self._cost(group, size)
            self._messages += group.originals
            self._contents += map(_content, group.originals)
            self._parts += _parts(group.originals)

    def search(self, text: str, most: int) -> list[int]:
        """Return numbers of groups that share words with a text, best first, by BM25; of equals the newest."""
        discriminative = (word for word in written(text) if terms(word))
        parts = (part.lower() for word in (*discriminative, *terms(text)) for part in _WORD.findall(word))
        words = list(dict.fromkeys(parts))[:_MOST_WORDS]
        if not words:
            return []
        try:
            index = self._index()
            query = " OR ".join(f'"{word}"' for word in words)
            rows = index.execute(
                "SELECT rowid FROM said WHERE said MATCH ? ORDER BY rank, rowid DESC LIMIT ?", (query, most)
            )
            return [number for (number,) in rows]
        except sqlite3.Error as error:
            warn_once(
                "full-text search",
                f"older messages are not looked up: {error}; SQLite of this Python has no full-text search",
            )
            return []

    def _index(self) -> sqlite3.Connection:
        if self._words is None:
            self._words = sqlite3.connect(":memory:", check_same_thread=False)
            finalize(self, self._words.close)  # Python 3.13 warns of databases that nobody closed
            self._words.execute("CREATE VIRTUAL TABLE said USING fts5(text, content='', tokenize='porter unicode61')")
            self._indexed = 0
        new = range(self._indexed, len(self.groups) - 1)  # the newest group may still grow
        rows = ((number, _storable(text_of(self.groups[number]))) for number in new)
        self._words.executemany("INSERT INTO said(rowid, text) VALUES (?, ?)", rows)
        self._indexed = max(self._indexed, len(self.groups) - 1)
        return self._words

    def before(self, messages: int) -> Sequence[MessageGroup]:
        """Return the groups that lie within the first messages of the history."""
        count, end = len(self.groups), len(self._messages)
        while count and end > messages:
            count -= 1
            end -= len(self.groups[count].originals)
        return self.groups[:count]

    def _known(self, messages: Sequence[LLMMessage]) -> int:
        """Return how many messages are the same as those that were read."""
        # the same objects with the same contents are, which is quick to see; others are compared in full
        contents, known = list(map(_content, messages)), self._messages
        if (
            len(messages) >= len(known)
            and all(map(is_, known, messages))
            and all(map(is_, self._contents, contents))
            and self._parts == _parts(known)
        ):
            return len(known)
        same = 0
        for message, key in zip(messages, (key for group in self.groups for key in group.key), strict=False):
            if message_key(message) != key:
                break
            same += 1
        return same

    def _closed(self, following: Sequence[LLMMessage]) -> int:
        """Return how many groups stay as they are, whatever of these messages comes next."""
        since = 0
        for number in range(len(self.groups) - 1, -1, -1):
            originals = self.groups[number].originals
            if is_call(originals[0]) and originals[0].content:
                goes_on = since == 0 and bool(following) and isinstance(following[0], FunctionExecutionResultMessage)
                goes_on = goes_on or answers(following[: MOST_BETWEEN - since], open_calls(originals))
                return number if goes_on else len(self.groups)
            since += len(originals)
            if since >= MOST_BETWEEN:
                break
        return len(self.groups)

    def _keep(self, count: int, following: Sequence[LLMMessage]) -> list[LLMMessage]:
        """Forget the groups after the first messages and an exchange that goes on, and return their messages."""
        forgotten: list[LLMMessage] = []
        while self.groups and (len(self._messages) > count or len(self.groups) > self._closed(following)):
            group, size = self.groups.pop(), self.sizes.pop()
            forgotten = [*group.originals, *forgotten]
            self.tokens -= self._cost(group, size)
            self.known.handles.pop(group, None)
            self.known.evicted.pop(group, None)
            self._parts -= _parts(group.originals)
            del self._messages[-len(group.originals) :]
            del self._contents[-len(group.originals) :]
        if self._words is not None and self._indexed > len(self.groups):
            self._words.close()
            self._words = None
        return forgotten

    def _cost(self, group: MessageGroup, size: int) -> int:
        return sum(map(self._counter.count_message, group.originals)) if group.repaired else size


def _storable(text: str) -> str:
    """Return the text without lone surrogates, with stems beside what is not English: SQLite stems English only."""
    others = [line for line in text.splitlines() if not line.isascii() or is_finnish(written(line))]
    if others:
        text = "\n".join([text, *(" ".join(terms(line)) for line in others)])
    return text.encode("utf-8", "replace").decode("utf-8")


def _parts(messages: Sequence[LLMMessage]) -> int:
    """Return in how many parts those contents come that have parts."""
    return sum([len(message.content) for message in messages if not isinstance(message.content, str)])
