"""The query: what is asked, and what the dialogue is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from PIL import Image as PILImage

from autogen_ext_tokenctx.forms.compressor import GroupCompressor
from autogen_ext_tokenctx.forms.noise import Noise
from autogen_ext_tokenctx.messages.groups import MessageGroup, split
from autogen_ext_tokenctx.messages.turns import Turns, turns_of
from autogen_ext_tokenctx.retrieval.bm25 import idf_of
from autogen_ext_tokenctx.retrieval.features import FeatureCache, GroupFeatures
from autogen_ext_tokenctx.retrieval.query import (
    asked_picture,
    code_names,
    dialogue_of,
    is_trace_question,
    noise_asked_for,
    query_of,
    question,
)
from autogen_ext_tokenctx.retrieval.terms import terms
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter
from autogen_ext_tokenctx.tokens.task import TaskDefinition

CACHE = FeatureCache(EstimatedTokenCounter(), GroupCompressor())
PICTURE = Image(PILImage.new("RGB", (64, 48)))


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def agent(text: str, source: str = "coder") -> AssistantMessage:
    return AssistantMessage(content=text, source=source)


def calls(arguments: str, gave: str, name: str = "look", thought: str | None = None) -> list[LLMMessage]:
    result = FunctionExecutionResult(content=gave, name=name, call_id="c1", is_error=False)
    head = AssistantMessage(content=[FunctionCall("c1", arguments, name)], source="coder", thought=thought)
    return [head, FunctionExecutionResultMessage(content=[result])]


def term(word: str) -> str:
    """The term that a word is."""
    (found,) = terms(word)
    return found


class Read(NamedTuple):
    """A history as the query sees it."""

    groups: list[MessageGroup]
    known: list[GroupFeatures]
    turns: Turns

    def query(self, task: str | TaskDefinition | None = None) -> tuple[dict[str, float], float]:
        idf = idf_of([features.distinct for features in self.known])
        return query_of(self.groups, self.known, self.turns, task, idf)

    def dialogue(self) -> dict[str, float]:
        return dialogue_of(self.groups, self.known)


def read(history: Sequence[LLMMessage]) -> Read:
    groups = split(history)
    return Read(groups, [CACHE.get(group) for group in groups], turns_of(groups, ()))


EARLIER: list[LLMMessage] = [
    user("Watch the boilers."),
    agent("The copper valve of the heron pump was replaced."),
    agent("The relay of the motor clicks, its cable glows."),
    agent("The gauge shows copper, the relay shows nothing."),
]
FULL = "Which copper valve, relay, gauge, motor and cable does the heron pump need?"


def test_a_full_question_that_was_just_asked_leaves_less_open_than_a_short_one() -> None:
    open_, short, full = (
        read([*EARLIER, *asked]).query()[1] for asked in ([agent("Done.")], [user("The relay?")], [user(FULL)])
    )
    assert open_ == 1.0
    assert open_ > short > full > 0.0


def test_what_is_asked_weighs_most_and_what_the_first_task_says_least() -> None:
    history = [
        user("Watch the relay."),
        agent("The relay clicks."),
        agent("The motor hums."),
        user("And the motor?"),
        agent("The gauge fell."),
        agent("The gauge stands."),
    ]
    query, ambiguity = read(history).query()
    assert ambiguity == 1.0
    assert query[term("motor")] > query[term("gauge")] > query[term("relay")] > 0.0


def test_what_the_first_task_names_stays_its_subject() -> None:
    """An id of the first task weighs as much as what is asked now, any other word of it does not."""
    history = [
        user("Watch order W4817 and its relay."),
        *calls("{}", "order W4817 is open, its relay clicks"),
        user("And the motor?"),
        agent("The motor of it hums."),
        agent("The motor hums."),
    ]
    query, _ = read(history).query()
    assert query["w4817"] == query[term("motor")] > query[term("relay")]


@pytest.mark.parametrize("task", ["Mend the gauge.", TaskDefinition(description="Mend", requirements=("the gauge",))])
def test_a_task_that_is_given_is_asked_for_whoever_spoke_last(task: str | TaskDefinition) -> None:
    history = read([*EARLIER, agent("Done.")])
    assert term("gauge") not in history.query()[0]
    query, _ = history.query(task)
    assert query[term("gauge")] == max(query.values())


def test_a_word_that_no_other_group_has_finds_nothing_and_is_left_out_unless_the_task_has_it() -> None:
    history = read([*EARLIER, user("Where is the copper zeppelin?")])
    assert term("copper") in history.query()[0]
    assert term("zeppelin") not in history.query()[0]
    assert term("zeppelin") in history.query("Find the zeppelin.")[0]
    assert term("balloon") not in history.query("Find the balloon.")[0]


def test_in_a_short_history_every_word_counts() -> None:
    query, _ = read([user("Where is the copper zeppelin?")]).query()
    assert {term("copper"), term("zeppelin")} <= query.keys()


def test_a_giant_result_does_not_drown_the_question() -> None:
    words = [f"{first}{second}" for first in "bcdfghjklmnp" for second in ("onder", "alter", "ister", "umble", "elder")]
    huge = " ".join(f"{word}{end}" for word in words for end in ("ax", "om", "ik", "ut", "ar", "in"))
    history = [user("Watch the boilers."), agent(huge), user("Which valve?"), agent("The valve."), *calls("{}", huge)]
    query, _ = read(history).query()
    of_result = [weight for found, weight in query.items() if found in set(terms(huge))]
    assert query[term("valve")] == max(query.values())
    assert of_result
    assert max(of_result) < 0.3 * query[term("valve")]
    assert len(query) < 100


def test_the_newest_words_of_the_dialogue_weigh_most() -> None:
    history = [agent("relay"), agent("gauge"), agent("motor"), agent("cable")]
    weights = read(history).dialogue()
    newest, *older = (weights[term(word)] for word in ("cable", "motor", "gauge", "relay"))
    assert newest > older[0] > older[1] > older[2] > 0.0
    assert newest / older[0] > older[0] / older[1]  # what was just said stands out


def test_what_tools_were_called_with_is_of_the_dialogue_and_what_they_gave_is_not() -> None:
    history = [
        *calls('{"name": "valve"}', "a relay"),
        *calls('{"name": "pump"}', "a gauge", thought="It is the motor."),
        agent("Hm."),
    ]
    weights = read(history).dialogue()
    assert weights[term("pump")] > weights[term("valve")] > 0.0
    assert term("motor") in weights
    assert weights.keys().isdisjoint(map(term, ("relay", "gauge")))


def test_system_messages_are_not_of_the_dialogue() -> None:
    weights = read([SystemMessage(content="Be a plumber."), agent("The valve leaks.")]).dialogue()
    assert term("valve") in weights
    assert term("plumber") not in weights


@pytest.mark.parametrize(
    ("asked", "is_of_the_run"),
    [
        ("What did the planner decide?", True),
        ("What did look give?", True),
        ("Which agent was wrong?", True),
        ("What did the assistant say?", True),
        ("What did the plan say?", False),
        ("Which valve leaks?", False),
        ("What did the user say?", False),
        ("overlook it", False),
    ],
)
def test_a_question_is_of_the_run_if_it_names_who_takes_part(asked: str, is_of_the_run: bool) -> None:
    history = [user("Watch it."), agent("I will.", "planner_1"), *calls("{}", "it"), agent("It leaks."), user(asked)]
    groups = split(history)
    assert is_trace_question(groups, turns_of(groups, ())) is is_of_the_run


def test_a_question_of_the_run_is_one_only_while_it_is_the_newest_message() -> None:
    history: list[LLMMessage] = [agent("I will.", "planner"), user("What did the planner say?")]
    for later, expected in (
        ([], True),
        ([SystemMessage(content="It rains.")], True),
        ([agent("Nothing.")], False),
        (calls("{}", "it"), False),
    ):
        groups = split([user("Watch it."), *history, *later])
        assert is_trace_question(groups, turns_of(groups, ())) is expected


SEEN: list[LLMMessage] = [
    user("Here is the login page of the shop."),
    UserMessage(content=["Here is the copper heron on the roof.", PICTURE], source="user"),
    agent("A fine roof it is."),
    UserMessage(content=["Here is the garden gate.", PICTURE], source="user"),
    agent("The gate is shut, the page is open."),
]


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("What colour has the copper heron?", 1),
        ("Is there a lock on the garden gate?", 3),
        ("What does the login of the shop say?", None),  # its message has no picture
        ("Tell me about zeppelins.", None),
        ("", None),
    ],
)
def test_a_picture_is_asked_for_by_the_words_of_its_message(asked: str, place: int | None) -> None:
    history = read(SEEN)
    assert asked_picture(history.groups, history.known, asked) == place


def test_no_picture_is_asked_for_where_there_is_none_or_every_message_fits() -> None:
    plain = read([message for message in SEEN if isinstance(message.content, str)])
    assert asked_picture(plain.groups, plain.known, "Where is the copper heron?") is None
    alike = read([UserMessage(content=[f"Here is heron {number}.", PICTURE], source="user") for number in range(60)])
    assert asked_picture(alike.groups, alike.known, "What does the heron do?") is None
    assert asked_picture(alike.groups, alike.known, "What does heron 417 do?") is None


def test_of_pictures_that_answer_alike_the_newest_is_meant() -> None:
    same = [UserMessage(content=["Here is the heron.", PICTURE], source="user")] * 2
    history = read([user("Hello there."), *same, agent("Fine."), agent("Very fine."), agent("So be it.")])
    assert asked_picture(history.groups, history.known, "Where is the heron?") == 2


def test_the_question_is_what_a_person_asked_last_and_the_task_that_was_given() -> None:
    history = read([user("Watch it."), agent("Yes."), user("Which valve?"), agent("This one.")])
    assert question(history.groups, history.turns, None) == "Which valve?"
    assert question(history.groups, history.turns, "Mend it.") == "Which valve?\nMend it."
    nobody = read([agent("Yes.")])
    assert question(nobody.groups, nobody.turns, "Mend it.") == "Mend it."


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("How does BoundedSemaphore work?", "BoundedSemaphore"),
        ("Where is getUser called?", "getUser"),
        ("Is NASA there, or Anna?", ""),
        ("Where is get_user?", ""),
    ],
)
def test_names_in_code_are_known_by_the_capitals_within(asked: str, names: str) -> None:
    assert code_names(asked) == frozenset(terms(names))


@pytest.mark.parametrize("kind", Noise)
def test_noise_is_asked_for_by_its_name_and_no_other(kind: Noise) -> None:
    assert kind in noise_asked_for(f"Show me the {kind.value}.")
    assert noise_asked_for("Which valve leaks?") == frozenset()
