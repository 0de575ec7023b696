"""The view for a model's endpoint: accepted by it, and as little different from the request as that takes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

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
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.messages.calls import is_call
from autogen_ext_tokenctx.messages.groups import repair
from autogen_ext_tokenctx.models.profiles import ModelProfile
from autogen_ext_tokenctx.models.shaping import GO_ON, NOTHING, SEEN, ModelOptimizer

from ..support.histories import conversation
from ..support.random_histories import histories
from ..support.strict_client import StrictClient, check_request

OPTIMIZER = ModelOptimizer()
MODELS = (
    "gpt-4o",
    "o3",
    "claude-sonnet-4",
    "gemini-2.5-pro",
    "gemma-3-27b",
    "gemma-4-31b",
    "llama-3.3-70b",
    "mistral-large",
    "mistral-7b-instruct-v0.2",
    "deepseek-chat",
    "deepseek-reasoner",
    "qwen3-32b",
    "my-own-model",
)
PICTURE = Image.from_pil(PILImage.new("RGB", (4, 4)))


def system(text: str) -> SystemMessage:
    return SystemMessage(content=text)


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def said(text: str, source: str = "coder") -> AssistantMessage:
    return AssistantMessage(content=text, source=source)


def exchange(result: str = "42", call_id: str = "call00001", thought: str | None = None) -> list[LLMMessage]:
    call = FunctionCall(id=call_id, name="look", arguments="{}")
    answer = FunctionExecutionResult(content=result, name="look", call_id=call_id, is_error=False)
    return [
        AssistantMessage(content=[call], source="coder", thought=thought),
        FunctionExecutionResultMessage(content=[answer]),
    ]


def optimized(messages: Sequence[LLMMessage], model: str) -> list[LLMMessage]:
    return OPTIMIZER.optimize_for_model(messages, model)


def refusals(view: Sequence[LLMMessage], model: str) -> list[str]:
    """What the model's endpoint, or AutoGen's client for it, would refuse; written from their error messages."""
    profile = OPTIMIZER.profile(model)
    found: list[str] = []
    places = [i for i, message in enumerate(view) if isinstance(message, SystemMessage)]
    if profile.system == "head" and places not in ([], [0]):
        found.append("Multiple and Not continuous system messages are not supported")
    if profile.system == "user" and places:
        found.append("System role not supported")
    talk = [message for message in view if not isinstance(message, SystemMessage)]
    calls = [call for message in view if is_call(message) for call in message.content if isinstance(call, FunctionCall)]
    if profile.unique_ids and len({call.id for call in calls}) < len(calls):
        found.append("`tool_use` ids must be unique")
    if profile.object_arguments and any(not isinstance(json.loads(call.arguments), dict) for call in calls):
        found.append("tool_use.input: Input should be a valid dictionary")
    if profile.ends_with_user and (not talk or isinstance(talk[-1], AssistantMessage)):
        found.append("The conversation must end with a user message")
    for message in view:
        try:
            message.model_dump_json().encode()
        except Exception:
            found.append("not UTF-8")
        texts = [message.content] if isinstance(message.content, str) else message.content
        if profile.refuses_empty and any(isinstance(text, str) and not text.strip() for text in texts):
            found.append("text content blocks must contain non-whitespace text")
        ids = [c.id for c in texts if isinstance(c, FunctionCall)]
        if any(not re.fullmatch(profile.call_id, call_id) for call_id in ids):
            found.append("bad tool call id")
    if profile.turns != "free" and talk and isinstance(talk[0], AssistantMessage):
        found.append("first message must use the user role")
    for before, message in pairwise(talk):
        own_word = isinstance(before, AssistantMessage) and not is_call(before)
        if profile.turns in ("calls_answer", "alternate") and own_word and is_call(message):
            found.append("function call turn comes immediately after a user turn or after a function response turn")
    if profile.turns == "alternate":
        found += _order_refusals(talk)
    return found


def _order_refusals(talk: Sequence[LLMMessage]) -> list[str]:
    """As the chat templates of Mistral check it: user first, then turns, tool exchanges within the assistant's."""
    speakers = [
        "user" if isinstance(message, UserMessage) else "assistant"
        for message in talk
        if not isinstance(message, FunctionExecutionResultMessage) and not is_call(message)
    ]
    in_turns = (["user", "assistant"] * len(talk))[: len(speakers)]
    found = [] if speakers == in_turns else ["conversation roles must alternate"]
    for before, message in pairwise(talk):
        if isinstance(before, FunctionExecutionResultMessage) and isinstance(message, UserMessage):
            found.append("Unexpected role 'user' after role 'tool'")
    return found


@given(histories(), st.sampled_from(MODELS))
def test_any_history_becomes_acceptable_and_stays_as_it_is(history: list[LLMMessage], model: str) -> None:
    before = [repr(message) for message in history]
    view = optimized(history, model)
    assert [repr(message) for message in history] == before, "inputs are never changed"
    assert refusals(view, model) == []
    if spoken := [message for message in view if message.content]:  # OpenAI takes empty texts
        check_request(spoken)
    again = optimized(view, model)
    assert len(again) == len(view)
    assert all(a is b for a, b in zip(view, again, strict=True))


@given(histories(), st.sampled_from(MODELS))
def test_no_words_are_lost(history: list[LLMMessage], model: str) -> None:
    def words(messages: Sequence[LLMMessage]) -> set[str]:
        texts: list[str] = []
        for message in messages:
            parts = [message.content] if isinstance(message.content, str) else message.content
            for part in parts:
                if isinstance(part, str):
                    texts.append(part)
                elif isinstance(part, FunctionExecutionResult):
                    texts.append(part.content)
                elif isinstance(part, FunctionCall):
                    texts.append(json.dumps(json.loads(part.arguments), ensure_ascii=False))  # without escapes
        return {word for text in texts for word in re.findall(r"\w+", text)}

    assert words(repair(history)) <= words(optimized(history, model))


@pytest.mark.parametrize("model", MODELS)
def test_the_same_objects_where_nothing_has_to_change(model: str) -> None:
    head = [] if OPTIMIZER.profile(model).system == "user" else [system("You help.")]
    history: list[LLMMessage] = [*head, *conversation(2)]
    if OPTIMIZER.profile(model).call_id == "[a-zA-Z0-9]{9}":
        history = [
            message for message in history if not is_call(message) and message.type != "FunctionExecutionResultMessage"
        ]
    view = optimized(history, model)
    assert all(a is b for a, b in zip(view, history, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_nothing_stays_nothing(model: str) -> None:
    assert optimized([], model) == []


def test_memory_is_hoisted_and_merged_for_claude_and_left_for_gpt() -> None:
    memory = system("\nRelevant memory content:\n1. tea\n")
    history = [system("You help."), user("Hi."), memory, said("Hello."), user("And?"), memory]
    assert optimized(history, "claude-sonnet-4") == [
        system("You help.\n\n\nRelevant memory content:\n1. tea\n"),
        user("Hi."),
        said("Hello."),
        user("And?"),
    ]
    assert optimized(history, "gpt-4o") == history


def test_one_late_system_message_goes_to_the_head_as_it_is() -> None:
    late = system("memory")
    assert optimized([user("Hi."), late], "gemini-2.5-pro")[0] is late


@pytest.mark.parametrize("model", MODELS)
def test_lone_surrogates_are_replaced_and_halves_joined(model: str) -> None:
    bad = "half \ud83d, pair \ud83d\ude00"
    good = "half \ufffd, pair 😀"
    call = AssistantMessage(
        content=[FunctionCall(id="call00001", name="look", arguments=f'{{"q": "{bad}"}}')], source="coder", thought=bad
    )
    answer = FunctionExecutionResult(content=bad, name="look", call_id="call00001", is_error=False)
    view = optimized(
        [
            system(bad),
            UserMessage(content=[bad, PICTURE], source="user"),
            call,
            FunctionExecutionResultMessage(content=[answer]),
        ],
        model,
    )
    dumped = "".join(repr(message) for message in view)
    assert "\\ud83d" not in dumped
    assert dumped.count(good) == (4 if model == "deepseek-reasoner" else 5), "thoughts are not sent to reasoners"


def test_empty_contents() -> None:
    history = [
        system("You help."),
        user("  "),
        UserMessage(content=["", PICTURE], source="user"),
        said(""),
        *exchange(result="", thought=" "),
    ]
    view = optimized(history, "claude-sonnet-4")
    assert [message.type for message in view] == [
        "SystemMessage",
        "UserMessage",
        "AssistantMessage",
        "FunctionExecutionResultMessage",
    ]
    assert view[1].content == [PICTURE]
    assert isinstance(view[2], AssistantMessage)
    assert view[2].thought is None
    assert isinstance(view[3], FunctionExecutionResultMessage)
    assert view[3].content[0].content == NOTHING
    assert optimized(history, "gpt-4o") == history


def test_what_a_model_said_beside_its_calls_is_sent_but_not_its_reasoning() -> None:
    history = [user("Look."), *exchange(thought="I had better look.")]
    for model, thought in (("deepseek-chat", "I had better look."), ("deepseek-reasoner", None), ("qwq-32b", None)):
        message = optimized(history, model)[1]
        assert isinstance(message, AssistantMessage)
        assert message.thought == thought


@pytest.mark.parametrize(
    ("model", "call_id", "kept"),
    [
        ("mistral-large", "abcdef123", True),
        ("mistral-large", "call_abcdefghijklmnop", False),
        ("gpt-4o", "call_abcdefghijklmnop", True),
        ("gpt-4o", "x" * 41, False),
        ("claude-sonnet-4", "toolu_01", True),
        ("claude-sonnet-4", "functions.look:0", False),
        ("gemini-2.5-pro", "functions.look:0", True),
    ],
)
def test_ids_of_other_models(model: str, call_id: str, kept: bool) -> None:
    history = [user("Look."), *exchange(call_id=call_id)]
    call, results = optimized(history, model)[1:]
    assert isinstance(call.content, list)
    assert isinstance(call.content[0], FunctionCall)
    assert isinstance(results, FunctionExecutionResultMessage)
    assert (call.content[0].id == call_id) is kept
    assert results.content[0].call_id == call.content[0].id
    assert optimized([*history, user("More.")], model)[1] == call, "the same in every request"


def test_an_id_that_is_used_again_names_one_call_of_a_request() -> None:
    history = [user("Look."), *exchange(call_id="call_0"), user("Again."), *exchange(call_id="call_0")]
    view = optimized(history, "claude-sonnet-4")
    assert view[:4] == history[:4]
    call, results = view[4:]
    assert isinstance(call.content[0], FunctionCall)
    assert isinstance(results, FunctionExecutionResultMessage)
    assert call.content[0].id == results.content[0].call_id != "call_0"
    assert optimized([*history, user("More.")], "claude-sonnet-4")[:6] == view, "the same in every request"
    assert optimized(history, "gpt-4o") == history


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"item": 1}', '{"item": 1}'),
        ("", "{}"),
        (" ", "{}"),
        ("[1]", '{"arguments": "[1]"}'),
        ('{"item": "é', '{"arguments": "{\\"item\\": \\"é"}'),
        ("[" * 100_000, json.dumps({"arguments": "[" * 100_000})),
    ],
)
def test_arguments_that_are_no_object_stand_in_one(arguments: str, expected: str) -> None:
    call, results = exchange()
    wrong = AssistantMessage(content=[FunctionCall(id="call00001", name="look", arguments=arguments)], source="coder")
    for model, sent in (("claude-sonnet-4", expected), ("llama3.2", expected), ("gpt-4o", arguments)):
        seen = optimized([user("Look."), wrong, results], model)[1]
        assert isinstance(seen.content[0], FunctionCall)
        assert seen.content[0].arguments == sent
    assert optimized([user("Look."), call, results], "claude-sonnet-4")[1] is call


def test_rules_stand_in_the_first_user_message_where_there_is_no_system_role() -> None:
    memory = system("Hall 4 is closed.")
    history = [system("You help."), user("Hi.", "ann"), said("Hello."), memory, user("And?", "ann")]
    assert optimized(history, "gemma-2-9b-it") == [
        user("You help.\n\nHall 4 is closed.\n\nHi.", "ann"),
        said("Hello."),
        user("And?", "ann"),
    ]
    assert optimized([system("You help."), said("Hello."), user("Hi.")], "gemma-2-9b-it")[0] == user("You help.")


def test_turns_are_merged_and_say_who_speaks() -> None:
    history = [user("Plan it.", "lead"), user("With tests.", "lead"), user("And docs.", "ann"), user("Yes.", "lead")]
    (merged,) = optimized(history, "mistral-large")
    assert merged == user("Plan it.\n\nWith tests.\n\nann said:\nAnd docs.\n\nlead said:\nYes.", "lead")
    assert optimized(history, "gpt-4o") == history


def test_merging_keeps_images() -> None:
    (merged,) = optimized([user("See:"), UserMessage(content=[PICTURE, "What is it?"], source="ann")], "mistral-large")
    assert merged.content == ["See:", "ann said:\n", PICTURE, "What is it?"]


def test_the_start_of_a_merged_turn_stays_when_it_grows() -> None:
    first, more = [user("One.", "a"), user("Two.", "b")], user("Three.", "a")
    before, after = (str(optimized(history, "mistral-large")[0].content) for history in (first, [*first, more]))
    assert after.startswith(before)


def test_the_assistant_speaks_after_tool_results() -> None:
    history = [user("Look."), *exchange(), user("Next.")]
    assert optimized(history, "mistral-large") == [*history[:3], said(SEEN), history[3]]
    assert optimized(history, "claude-sonnet-4") == history


def test_the_user_speaks_first_between_and_last() -> None:
    view = optimized([said("I begin."), *exchange(), said("Done.")], "my-own-model")
    assert [str(m.content) if isinstance(m.content, str) else "…" for m in view] == [
        GO_ON,
        "I begin.",
        GO_ON,
        "…",
        "…",
        "Done.",
        GO_ON,
    ]


@pytest.mark.parametrize("model", ["claude-sonnet-4", "gemini-2.5-pro"])
def test_an_assistant_that_speaks_first(model: str) -> None:
    history = [system("You help."), said("Hello."), user("Hi.")]
    assert optimized(history, model) == [history[0], user(GO_ON), *history[1:]]
    assert optimized(history, "gpt-4o") == history


def test_gemini_calls_tools_only_as_an_answer() -> None:
    history = [user("Look."), said("I will."), *exchange(), *exchange(call_id="call00002"), said("Done."), user("Ok.")]
    assert optimized(history, "gemini-2.5-pro") == [*history[:2], user(GO_ON), *history[2:]]
    assert optimized(history, "claude-sonnet-4") == history


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"q": "a\\ud83d"}', '{"q": "a\ufffd"}'),
        ('{"q": "\\ud83d\\ude00"}', '{"q": "\\ud83d\\ude00"}'),
        ('{"q": "\\\\ud83d"}', '{"q": "\\\\ud83d"}'),
        ("no JSON \\ud83d", '{"arguments": "no JSON \\\\ud83d"}'),
    ],
)
def test_surrogates_that_hide_in_escapes(arguments: str, expected: str) -> None:
    call, results = exchange()
    assert isinstance(call, AssistantMessage)
    hidden = AssistantMessage(content=[FunctionCall(id="call00001", name="look", arguments=arguments)], source="coder")
    seen = optimized([user("Look."), hidden, results], "claude-sonnet-4")[1]
    assert isinstance(seen.content, list)
    assert isinstance(seen.content[0], FunctionCall)
    assert seen.content[0].arguments == expected


@pytest.mark.parametrize(
    ("model", "added"), [("gpt-4o", []), ("claude-opus-4-6", [user(GO_ON)]), ("mistral-large", [user(GO_ON)])]
)
def test_a_request_that_ends_with_the_assistants_word(model: str, added: list[LLMMessage]) -> None:
    history = [user("Hi."), said("Hello.")]
    assert optimized(history, model) == [*history, *added]


def test_system_messages_alone_get_a_user() -> None:
    assert optimized([system("You help.")], "claude-sonnet-4") == [system("You help."), user(GO_ON)]


@pytest.mark.parametrize("model", MODELS)
def test_broken_pairs_are_repaired(model: str) -> None:
    call = exchange(call_id="abc12defg")[0]
    check_request(optimized([user("Look."), call, user("Well?")], model))


def test_a_profile_of_ones_own_comes_before_the_table() -> None:
    ours = replace(OPTIMIZER.profile("mistral-large"), family="ours", system="anywhere", turns="free")
    history = [user("One.", "a"), system("Late."), user("Two.", "b")]
    for profiles in ({r"^ours-\d+b": ours}, [(r"^ours-\d+b", ours), ("ours", OPTIMIZER.profile("claude"))]):
        optimizer = ModelOptimizer(profiles=profiles)
        assert optimizer.profile("host/Ours-7B:latest") is ours
        assert optimizer.profile("gpt-4o") is OPTIMIZER.profile("gpt-4o")
        assert optimizer.optimize_for_model(history, "ours-7b") == history
    assert optimized(history, "ours-7b") != history
    assert ModelOptimizer(profiles={"gpt-4o": ours}).profile("openai/gpt-4o-mini") is ours


@pytest.mark.parametrize(
    ("profiles", "error", "remedy"),
    [
        ({"(": OPTIMIZER.profile("o3")}, ValueError, r"re\.escape"),
        ({"ours": "gpt"}, TypeError, r"dataclasses\.replace"),
    ],
)
def test_profiles_that_are_none_are_refused_with_the_remedy(
    profiles: dict[str, ModelProfile], error: type[Exception], remedy: str
) -> None:
    with pytest.raises(error, match=remedy):
        ModelOptimizer(profiles=profiles)


@pytest.mark.parametrize("hook", ["context", "client"])
async def test_an_optimizer_is_one_of_the_transforms(hook: str) -> None:
    """Two user messages in a row, which the templates of Gemma refuse."""
    history: list[LLMMessage] = [UserMessage(content=text, source="user") for text in ("Hello.", "Are you there?")]
    inner = StrictClient(["Yes."])
    transforms = [ModelOptimizer(model="gemma-2-9b-it")]
    if hook == "client":
        await TokenBudgetChatCompletionClient(inner, 1_000, transforms=transforms, optimizer=None).create(history)
        sent = inner.requests[-1].messages
    else:
        context = TokenBudgetChatCompletionContext(budget=1_000, transforms=transforms, initial_messages=history)
        sent = await context.get_messages()
    assert [message.content for message in sent] == ["Hello.\n\nAre you there?"]


async def test_an_optimizer_without_a_model_is_left_out_of_the_transforms() -> None:
    history: list[LLMMessage] = [UserMessage(content="Hello.", source="user")]
    context = TokenBudgetChatCompletionContext(budget=1_000, transforms=[ModelOptimizer()], initial_messages=history)
    with pytest.warns(RuntimeWarning, match="needs a model: ModelOptimizer\\(model="):
        assert await context.get_messages() == history


def test_arguments_nested_without_end_are_sent_as_they_are_or_as_text() -> None:
    arguments = "[" * 200_000 + '"\\ud83d"'
    call = AssistantMessage(content=[FunctionCall(id="c1", name="look", arguments=arguments)], source="coder")
    sent = [
        message.content[0] for model in ("gpt-4o", "claude-sonnet-4") for message in optimized([call], model)[-2:-1]
    ]
    as_it_is, as_text = (part.arguments for part in sent if isinstance(part, FunctionCall))
    assert as_it_is == json.loads(as_text)["arguments"] == arguments
