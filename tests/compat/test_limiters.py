"""AutoGen 0.2's transforms over AutoGen 0.7's messages: what each one keeps, cuts, compresses and names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import Component, ComponentBase, Image, InMemoryStore
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel
from typing_extensions import Self

from autogen_ext_tokenctx.compat.compressors import LLMLingua, TextCompressor
from autogen_ext_tokenctx.compat.edits import all_texts
from autogen_ext_tokenctx.compat.limiters import MessageHistoryLimiter, MessageTokenLimiter
from autogen_ext_tokenctx.compat.texts import TextMessageCompressor, TextMessageContentName
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.hooks.transforms import MessageTransform, TransformChain
from autogen_ext_tokenctx.messages.calls import split_open_call
from autogen_ext_tokenctx.messages.groups import repair
from autogen_ext_tokenctx.models.counters import counter_for_model

from ..support.guarantees import check_pairs
from ..support.histories import conversation
from ..support.quiet import no_warnings
from ..support.random_histories import PICTURE, histories
from ..support.strict_client import StrictClient, call, check_request


def system(text: str = "Be brief.") -> SystemMessage:
    return SystemMessage(content=text)


def user(text: str | list[str | Image], source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def agent(text: str, source: str = "coder") -> AssistantMessage:
    return AssistantMessage(content=text, source=source)


def calls(*ids: str, source: str = "coder", thought: str | None = None) -> AssistantMessage:
    return AssistantMessage(content=[call("look", name) for name in ids], source=source, thought=thought)


def results(*texts: tuple[str, str], tool: str = "look") -> FunctionExecutionResultMessage:
    return FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content=text, name=tool, call_id=name, is_error=False) for name, text in texts]
    )


def said(messages: Sequence[LLMMessage]) -> list[str]:
    """The messages in short: letters of texts, and for calls and results the call ids."""
    return [
        message.content
        if isinstance(message.content, str)
        else "+".join(
            part if isinstance(part, str) else "image" if isinstance(part, Image) else _short(part)
            for part in message.content
        )
        for message in messages
    ]


def _short(part: Any) -> str:
    return f"{part.call_id}={part.content}" if isinstance(part, FunctionExecutionResult) else f"{part.id}?"


TALK: list[LLMMessage] = [user("a"), agent("b"), user("c"), agent("d"), user("e")]
TOOL: list[LLMMessage] = [user("a"), calls("1"), results(("1", "r")), user("b"), agent("c")]
TWO_TOOLS = [user("a"), calls("1"), results(("1", "r")), calls("2", "3"), results(("2", "s"), ("3", "t"))]
WITH_SYSTEM = [system("S"), *TALK[:3], system("T"), *TALK[3:]]
IN_TURN = [user("a", "ann"), user("b", "bob"), calls("1", source="cleo"), results(("1", "r")), agent("c", "ann")]


@pytest.mark.parametrize(
    ("messages", "arguments", "kept"),
    [
        (TALK, {}, "a b c d e"),
        (TALK, {"max_messages": 9}, "a b c d e"),
        (TALK, {"max_messages": 5}, "a b c d e"),
        (TALK, {"max_messages": 3}, "c d e"),
        (TALK, {"max_messages": 1}, "e"),
        (TALK, {"max_messages": 3, "keep_first_message": True}, "a d e"),
        (TALK, {"max_messages": 5, "keep_first_message": True}, "a b c d e"),
        (TALK, {"max_messages": 1, "keep_first_message": True}, "a e"),  # 0.2: "a"
        # the third place would hold a result without its call
        (TOOL, {"max_messages": 3}, "b c"),
        (TOOL, {"max_messages": 4}, "1? 1=r b c"),
        (TOOL, {"max_messages": 3, "keep_first_message": True}, "a b c"),
        (TOOL, {"max_messages": 4, "keep_first_message": True}, "a b c"),
        (TWO_TOOLS, {"max_messages": 3}, "2?+3? 2=s+3=t"),
        (TWO_TOOLS, {"max_messages": 3, "keep_first_message": True}, "a 2?+3? 2=s+3=t"),
        (TWO_TOOLS, {"max_messages": 1}, "2?+3? 2=s+3=t"),  # 0.2: nothing
        (TWO_TOOLS[1:], {"max_messages": 4, "keep_first_message": True}, "1? 1=r 2?+3? 2=s+3=t"),
        (TOOL[:2], {"max_messages": 1}, "1?"),
        (WITH_SYSTEM, {"max_messages": 2}, "S T d e"),
        (WITH_SYSTEM, {"max_messages": 2, "keep_first_message": True}, "S a T e"),
        ([system("S")], {"max_messages": 1}, "S"),
        (IN_TURN, {"exclude_names": ["bob"]}, "a 1? 1=r c"),
        (IN_TURN, {"exclude_names": ["cleo"]}, "a b c"),
        (IN_TURN, {"exclude_names": ["ann"], "max_messages": 2}, "1? 1=r"),
        (IN_TURN, {"exclude_names": ["ann"], "max_messages": 2, "keep_first_message": True}, "b 1? 1=r"),
        (IN_TURN, {"exclude_names": ["ann", "bob", "cleo"]}, "c"),  # 0.2: nothing
        ([], {"max_messages": 1, "exclude_names": ["ann"]}, ""),
    ],
)
def test_history_limiter(messages: list[LLMMessage], arguments: dict[str, Any], kept: str) -> None:
    assert " ".join(said(MessageHistoryLimiter(**arguments).apply_transform(messages))) == kept


LONG: list[LLMMessage] = [
    user("one two three four"),
    agent("five six seven"),
    calls("1"),
    results(("1", "red green blue")),
    user(["red green blue", PICTURE, "gold"]),
]


@pytest.mark.parametrize(
    ("messages", "arguments", "kept"),
    [
        (LONG, {}, said(LONG)),
        (
            LONG,
            {"max_tokens_per_message": 2},
            ["one two", "five six", "1?", "1=red green", "red green+image"],
        ),
        (LONG, {"max_tokens_per_message": 2, "min_tokens": 15}, said(LONG)),
        (
            LONG,
            {"max_tokens_per_message": 2, "min_tokens": 14},
            ["one two", "five six", "1?", "1=red green", "red green+image"],
        ),
        (LONG, {"max_tokens": 14}, said(LONG)),
        (LONG, {"max_tokens": 12}, ["one two", *said(LONG)[1:]]),
        (LONG, {"max_tokens": 8}, ["five", *said(LONG)[2:]]),
        # what would be cut to nothing goes
        (LONG, {"max_tokens": 7}, said(LONG)[2:]),
        (LONG, {"max_tokens": 5}, ["1?", "1=red", *said(LONG)[4:]]),
        (LONG, {"max_tokens": 4}, said(LONG)[4:]),
        (LONG, {"max_tokens": 3}, ["red green blue+image"]),
        (LONG, {"max_tokens": 6, "max_tokens_per_message": 2}, ["five six", "1?", "1=red green", "red green+image"]),
        # room that a shorter message left is used
        ([user("one two"), agent("three"), user("four")], {"max_tokens": 3, "max_tokens_per_message": 2},
         "one three four"),
        # the filter keeps whole, but counts
        (LONG, {"max_tokens_per_message": 1, "filter_dict": {"role": "user"}},
         ["one two three four", "five", "1?", "1=red", "red green blue+image+gold"]),
        (LONG, {"max_tokens_per_message": 1, "filter_dict": {"role": ["tool"]}, "exclude_filter": False},
         [*said(LONG)[:3], "1=red", said(LONG)[4]]),
        (LONG, {"max_tokens_per_message": 0, "filter_dict": {"role": "tool"}, "exclude_filter": False},
         [*said(LONG)[:3], "1=", said(LONG)[4]]),
        (LONG, {"max_tokens": 5, "filter_dict": {"name": {"user"}}}, ["1?", "1=red", said(LONG)[4]]),
        (LONG, {"max_tokens": 3, "filter_dict": {"name": "user"}}, [said(LONG)[4]]),
        # system messages stay and do not count
        ([system("one two"), user("three"), system("four five"), user("six")], {"max_tokens": 1},
         ["one two", "four five", "six"]),
        ([system("one two"), user("three four")],
         {"max_tokens_per_message": 1, "filter_dict": {"role": "system"}, "exclude_filter": False},
         ["one", "three four"]),
        # the newest message is never cut to nothing, and never goes
        (TALK, {"max_tokens": 0}, "e"),
        (TALK, {"max_tokens_per_message": 0}, "e"),
        (TALK[:1] + LONG[2:4], {"max_tokens": 0}, ["1?", "1="]),
        ([user("one two"), user([PICTURE])], {"max_tokens_per_message": 0}, ["image"]),
        ([user(["one", PICTURE]), user("two")], {"max_tokens_per_message": 0}, ["image", "t"]),
        ([user(""), user("one two")], {"max_tokens_per_message": 1}, ["", "one"]),
        # the results of one call share what is left, the last ones first; a thought counts as text
        ([calls("1", "2", thought="one two"), results(("1", "three four"), ("2", "five six"))], {"max_tokens": 3},
         ["1?+2?", "1=three four+2=five"]),
        ([], {"max_tokens": 0}, []),
    ],
)  # fmt: skip
def test_token_limiter(messages: list[LLMMessage], arguments: dict[str, Any], kept: list[str] | str) -> None:
    limited = MessageTokenLimiter(**arguments).apply_transform(messages)
    assert said(limited) == (kept.split() if isinstance(kept, str) else kept)


def test_token_limiter_cuts_a_thought() -> None:
    (message, _) = MessageTokenLimiter(max_tokens_per_message=1).apply_transform(
        [calls("1", thought="one two"), results(("1", "three"))]
    )
    assert isinstance(message, AssistantMessage)
    assert message.thought == "one"


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "the quick brown fox. " * 20_000, "日本語の文章。" * 9, "👩‍👩‍👧‍👦" * 9, "a\ud800b " * 9]
)
@pytest.mark.parametrize("tokens", [1, 7, 100])
def test_a_head_is_as_long_as_it_may_be(text: str, tokens: int) -> None:
    (message,) = MessageTokenLimiter(max_tokens_per_message=tokens).apply_transform([user(text)])
    count = counter_for_model("gpt-4o").count_text
    assert text.startswith(str(message.content))
    # one sign may take some tokens, and the newest message keeps one sign at least
    assert min(tokens, count(text)) - 4 < count(str(message.content)) <= max(tokens, count(text[:1]))


@pytest.mark.parametrize(
    ("filter_dict", "matching_any", "matching_all"),
    [
        ({"role": "user"}, "ac", "ac"),
        ({"role": ["user", "assistant"]}, "abc", "abc"),
        ({"role": {"tool"}}, "d", "d"),
        ({"name": "ann"}, "ab", "ab"),
        ({"name": ["look"]}, "d", "d"),
        ({"content": ["a a a", "c c c"]}, "ac", "ac"),
        ({"role": "user", "name": "ann"}, "abc", "a"),
        ({"name": "nobody"}, "", ""),
    ],
)
def test_filter(filter_dict: dict[str, Any], matching_any: str, matching_all: str) -> None:
    messages = [
        system("s s s"),
        user("a a a", "ann"),
        agent("b b b", "ann"),
        user("c c c", "bob"),
        calls("1"),
        results(("1", "d d d")),
    ]
    for exclude in (True, False):
        transform = TextMessageCompressor(first_letter, filter_dict=filter_dict, exclude_filter=exclude)
        changed = "".join(text for text in all_texts(transform.apply_transform(messages)) if len(text) == 1)
        assert changed == ("".join(c for c in "abcd" if c not in matching_any) if exclude else matching_all)


@pytest.mark.parametrize("filter_dict", [None, {}])
def test_no_filter(filter_dict: dict[str, Any] | None) -> None:
    transform = TextMessageCompressor(first_letter, filter_dict=filter_dict, exclude_filter=False)
    assert said(transform.apply_transform([system("s s s"), user("a a a")])) == ["s s s", "a"]


def first_letter(text: str) -> str:
    return text[:1]


def first_word(text: str) -> str:
    return text.split()[0]


def giving(value: Any) -> Callable[[str], Any]:
    return lambda text: value


def cut(text: str, chars: int) -> str:
    return text[:chars]


class FirstWordsConfig(BaseModel):
    pass


class FirstWords(ComponentBase[BaseModel], Component[FirstWordsConfig]):
    """A text compressor of 0.2's protocol that counts its calls."""

    component_type = "text_compressor"
    component_config_schema = FirstWordsConfig
    component_provider_override = "tests.compat.test_limiters.FirstWords"

    def __init__(self) -> None:
        self.compressed: list[str] = []

    def compress_text(self, text: str, **compression_params: Any) -> dict[str, Any]:
        self.compressed.append(text)
        return {"compressed_prompt": " ".join(text.split()[: compression_params.get("words", 1)])}

    def _to_config(self) -> FirstWordsConfig:
        return FirstWordsConfig()

    @classmethod
    def _from_config(cls, config: FirstWordsConfig) -> Self:
        return cls()


MIXED: list[LLMMessage] = [
    system("be very brief"),
    user(["red green blue", PICTURE, "gold silver"]),
    calls("1", thought="one two"),
    results(("1", "three four five")),
    agent("six"),
    user("  "),
]


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ({}, ["red+image+gold", "1?", "1=three", "six", "  "]),
        ({"compression_params": {"words": 2}}, ["red green+image+gold silver", "1?", "1=three four", "six", "  "]),
        ({"min_tokens": 12}, ["red+image+gold", "1?", "1=three", "six", "  "]),
        ({"min_tokens": 13}, said(MIXED[1:])),
    ],
)
def test_compressor(arguments: dict[str, Any], texts: list[str]) -> None:
    transform = TextMessageCompressor(FirstWords(), **arguments)
    assert said(transform.apply_transform(MIXED)) == ["be very brief", *texts]


@pytest.mark.parametrize("give", ["", "  ", "much longer than it was before", "one two three"])
def test_text_that_compression_does_not_shorten_stays(give: str) -> None:
    message = user("one two three")
    assert TextMessageCompressor(giving(give)).apply_transform([message])[0] is message


def test_params_go_to_a_callable_too() -> None:
    transform = TextMessageCompressor(cut, compression_params={"chars": 3})
    assert said(transform.apply_transform([user("one two three")])) == ["one"]


def test_each_text_is_compressed_once() -> None:
    compressor = FirstWords()
    transform = TextMessageCompressor(compressor)
    first = transform.apply_transform(MIXED)
    assert transform.apply_transform([*MIXED, user("new words")]) == [*first, user("new")]
    assert len(compressor.compressed) == len(set(compressor.compressed)) == 6


def test_cache_store_outlives_the_transform() -> None:
    store: InMemoryStore[str] = InMemoryStore()
    compressors = [FirstWords(), FirstWords(), FirstWords()]
    params = [{"words": 1}, {"words": 1}, {"words": 2}]
    views = [
        TextMessageCompressor(compressor, compression_params=given, cache=store).apply_transform(MIXED)
        for compressor, given in zip(compressors, params, strict=True)
    ]
    assert views[0] == views[1]
    assert said(views[2])[1] == "red green+image+gold silver"
    assert [len(compressor.compressed) for compressor in compressors] == [5, 0, 5]


def test_functions_that_share_a_cache_store_keep_their_texts_apart() -> None:
    store: InMemoryStore[str] = InMemoryStore()
    for function, text in ((first_letter, "o"), (first_word, "one")):
        transform = TextMessageCompressor(function, cache=store)
        assert said(transform.apply_transform([user("one two three")])) == [text]


@pytest.mark.parametrize("give", [7, None, {"compressed_prompt": "one"}])
def test_compressor_that_gives_no_text(give: Any) -> None:
    with pytest.raises(TypeError, match="must give a text"):
        TextMessageCompressor(giving(give)).apply_transform([user("one two")])


def test_llmlingua_gets_the_text_and_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def loaded(**arguments: Any) -> Any:
        def compress(texts: list[str], **params: Any) -> dict[str, Any]:
            asked.append((texts, params))
            return {"compressed_prompt": "short", "origin_tokens": 9, "compressed_tokens": 1}

        asked.append(arguments)
        return SimpleNamespace(compress_prompt=compress)

    monkeypatch.setitem(sys.modules, "llmlingua", SimpleNamespace(PromptCompressor=loaded))  # pyright: ignore[reportArgumentType]
    transform = TextMessageCompressor(compression_params={"rate": 0.5})
    assert not asked
    assert said(transform.apply_transform([user("one two three"), user("four five six")])) == ["short", "short"]
    assert asked[0]["use_llmlingua2"] is True
    assert asked[1:] == [(["one two three"], {"rate": 0.5}), (["four five six"], {"rate": 0.5})]


async def test_agent_goes_on_without_llmlingua(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llmlingua", None)  # pyright: ignore[reportArgumentType]
    client = StrictClient()
    context = TokenBudgetChatCompletionContext(budget=2_000, transforms=[TextMessageCompressor()])
    worker = AssistantAgent("coder", client, model_context=context)
    with pytest.warns(RuntimeWarning, match=r"autogen-ext-tokenctx\[llmlingua\]"):
        await worker.run(task="Find the leak.")
    with no_warnings():
        await worker.run(task="Find the other leak.")
    assert said(client.requests[1].messages)[1:] == ["Find the leak.", "ok", "Find the other leak."]


NAMED: list[LLMMessage] = [
    system(),
    user("a", "ann"),
    agent("b"),
    calls("1", thought="t"),
    results(("1", "r")),
    user("", "bob"),
]
POSITIONS: list[tuple[dict[str, Any], list[LLMMessage], list[str]]] = [
    ({}, NAMED, ["Be brief.", "ann:\na", "coder:\nb", "1?", "1=r", ""]),
    ({"position": "end", "format_string": " ({name})"}, NAMED[1:3], ["a (ann)", "b (coder)"]),
    ({}, [user("ann:\na", "ann"), user("ann:\na", "bob")], ["ann:\na", "bob:\nann:\na"]),
    ({"deduplicate": False}, [user("ann:\na", "ann")], ["ann:\nann:\na"]),
    ({"position": "end", "format_string": "~{name}"}, [user("a~ann", "ann")], ["a~ann"]),
    ({"filter_dict": {"name": ["ann"]}}, NAMED[1:3], ["a", "coder:\nb"]),
    ({"filter_dict": {"role": "user"}, "exclude_filter": False}, NAMED[1:3], ["ann:\na", "b"]),
    ({}, [user([PICTURE, "a", "b"], "ann"), user([PICTURE], "ann")], ["image+ann:\na+b", "image"]),
    ({"position": "end", "format_string": "~{name}"}, [user(["a", "b", PICTURE], "ann")], ["a+b~ann+image"]),
]


@pytest.mark.parametrize(("arguments", "messages", "named"), POSITIONS)
def test_content_name(arguments: dict[str, Any], messages: list[LLMMessage], named: list[str]) -> None:
    transform = TextMessageContentName(**arguments)
    given = transform.apply_transform(messages)
    assert said(given) == named
    if arguments.get("deduplicate", True):
        assert transform.apply_transform(given) == given


@pytest.mark.parametrize(
    ("build", "remedy"),
    [
        (lambda: MessageHistoryLimiter(0), "1 or more"),
        (lambda: MessageHistoryLimiter(exclude_names="ann"), r"give \['ann'\]"),
        (lambda: MessageTokenLimiter(-1), "max_tokens_per_message must be 0 or more"),
        (lambda: MessageTokenLimiter(max_tokens=-1), "max_tokens must be 0 or more"),
        (lambda: MessageTokenLimiter(min_tokens=-1), "min_tokens must be 0 or more"),
        (lambda: MessageTokenLimiter(max_tokens=3, min_tokens=4), "min_tokens of max_tokens or less"),
        (lambda: MessageTokenLimiter(filter_dict={"source": "ann"}), "keys of a message are role, name, content"),
        (lambda: MessageTokenLimiter(filter_dict={"role": "function"}), "roles are system, user, assistant, tool"),
        (lambda: TextMessageCompressor(first_letter, min_tokens=0), "1 or more"),
        (lambda: TextMessageContentName("middle"), "'start' or 'end'"),  # pyright: ignore[reportArgumentType]
        (lambda: TextMessageContentName(format_string="Agent:"), "no place for the name"),
        (lambda: TextMessageContentName(format_string="{name} {age}"), "cannot be filled in"),
        (lambda: TextMessageContentName(format_string="{name"), "cannot be filled in"),
    ],
)
def test_bad_arguments_are_refused(build: Callable[[], Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        build()


def test_text_compressor_must_compress() -> None:
    with pytest.raises(TypeError, match="compress_text"):
        TextMessageCompressor("llmlingua")  # pyright: ignore[reportArgumentType]
    assert isinstance(LLMLingua(), TextCompressor)


ALL: list[MessageTransform] = [
    MessageHistoryLimiter(),
    MessageHistoryLimiter(3, keep_first_message=True, exclude_names=["planner"]),
    MessageTokenLimiter(),
    MessageTokenLimiter(30, 200, 100, "gpt-3.5-turbo", {"role": {"system"}, "name": "user"}, exclude_filter=False),
    TextMessageCompressor(),
    TextMessageCompressor(FirstWords(), 9, {"words": 3}, InMemoryStore[str](), {"role": "user"}, exclude_filter=False),
    TextMessageCompressor(LLMLingua({"model_name": "small"})),
    TextMessageContentName(),
    TextMessageContentName("end", " ({name})", False, {"name": ["ann"]}, False),
]


@pytest.mark.parametrize("hook", ["context", "client"])
@pytest.mark.parametrize("transform", ALL, ids=lambda transform: type(transform).__name__)
def test_components(transform: MessageTransform, hook: Literal["context", "client"]) -> None:
    assert isinstance(transform, MessageTransform)
    if hook == "context":
        dumped = TokenBudgetChatCompletionContext(budget=2_000, transforms=[transform]).dump_component()
        loaded = TokenBudgetChatCompletionContext.load_component(json.loads(dumped.model_dump_json()))
    else:
        client = TokenBudgetChatCompletionClient(StrictClient(), budget=2_000, transforms=[transform])
        dumped = client.dump_component()
        loaded = TokenBudgetChatCompletionClient.load_component(json.loads(dumped.model_dump_json()))
    assert loaded.dump_component() == dumped
    (model,) = TransformChain([transform]).dump()
    (again,) = TransformChain.load([model])
    assert type(again) is type(transform)
    assert model.provider.endswith(f".{type(transform).__name__}")


def test_loaded_transforms_do_the_same() -> None:
    for transform in ALL:
        if isinstance(transform, TextMessageCompressor):
            continue
        (again,) = TransformChain.load(TransformChain([transform]).dump())
        assert again.apply_transform(conversation(9)) == transform.apply_transform(conversation(9))


def test_plain_callable_is_not_dumped() -> None:
    context = TokenBudgetChatCompletionContext(budget=2_000, transforms=[TextMessageCompressor(first_letter)])
    with pytest.raises(TypeError, match="function as its text_compressor cannot be dumped"):
        context.dump_component()


@pytest.mark.parametrize(
    ("transform", "text", "effective"),
    [
        (MessageHistoryLimiter(2), "kept 2 of 5 messages", True),
        (MessageHistoryLimiter(5), "kept all messages", False),
        (MessageTokenLimiter(max_tokens=3), "kept 3 of 5 tokens", True),
        (MessageTokenLimiter(max_tokens=5), "kept all tokens", False),
        (TextMessageCompressor(first_letter), "compressed nothing", False),
        (TextMessageContentName(), "put the name into 5 messages", True),
        (TextMessageContentName(filter_dict={"name": ["user", "coder"]}), "put the name into 0 messages", False),
    ],
)
def test_logs(transform: MessageTransform, text: str, effective: bool) -> None:
    assert transform.get_logs(TALK, transform.apply_transform(TALK)) == (text, effective)


def test_logs_of_compression() -> None:
    transform = TextMessageCompressor(first_letter)
    pair: list[LLMMessage] = [user("a a a"), agent("b")]
    assert transform.get_logs(pair, transform.apply_transform(pair)) == ("compressed 4 tokens to 2", True)


LIMITS = st.none() | st.integers(0, 60)
NAMES = st.none() | st.sampled_from(["user", "coder", "planner", "search"])


@st.composite
def transforms(draw: st.DrawFn) -> MessageTransform:
    kind = draw(st.integers(0, 3))
    name = draw(NAMES)
    filters: dict[str, Any] = {
        "filter_dict": name and {"name": name},
        "exclude_filter": draw(st.booleans()),
    }
    if kind == 0:
        return MessageHistoryLimiter(draw(st.none() | st.integers(1, 12)), draw(st.booleans()), name and [name])
    if kind == 1:
        return MessageTokenLimiter(draw(LIMITS), draw(LIMITS), **filters)
    if kind == 2:
        return TextMessageCompressor(FirstWords(), **filters)
    return TextMessageContentName(draw(st.sampled_from(["start", "end"])), **filters)


@given(history=histories(), chain=st.lists(transforms(), min_size=1, max_size=3))
def test_any_history_keeps_its_pairs_and_its_end(history: list[LLMMessage], chain: list[MessageTransform]) -> None:
    closed, still_open = split_open_call(history)
    sendable = [*repair(closed), *still_open]
    if not sendable:
        return
    before = repr(sendable)
    with no_warnings():  # no transform failed, none separated a call from its results
        view = TransformChain(chain).apply(history)
        for transform in chain:
            alone = transform.apply_transform(sendable)
            assert alone
            assert transform.apply_transform(sendable) == alone
            check_pairs(split_open_call(alone)[0])
    assert view
    check_pairs(split_open_call(view)[0])
    assert [m for m in view if isinstance(m, SystemMessage)] == [m for m in sendable if isinstance(m, SystemMessage)]
    assert repr(sendable) == before


CUT_OFF = [
    AssistantMessage(content=[], source="coder", thought="hm"),
    FunctionExecutionResultMessage(
        content=[
            FunctionExecutionResult(content=f"{n}: one two three four five", name="t", call_id=f"c{n}", is_error=False)
            for n in range(2)
        ]
    ),
]


@given(history=histories(), per_message=LIMITS, together=LIMITS)
@example(history=CUT_OFF, per_message=None, together=9)
@example(history=CUT_OFF, per_message=None, together=2)
def test_token_limits_hold(history: list[LLMMessage], per_message: int | None, together: int | None) -> None:
    count = counter_for_model("gpt-4o").count_text
    limited = MessageTokenLimiter(per_message, together).apply_transform(history)
    counts = list(map(count, all_texts(limited)))
    assert sum(counts) <= (len(limited) and max(together, 3) if together is not None else sum(counts))
    assert all(tokens <= (tokens if per_message is None else max(per_message, 3)) for tokens in counts)


@pytest.mark.parametrize("hook", ["context", "client"])
async def test_both_hooks_send_what_the_transforms_leave(hook: Literal["context", "client"]) -> None:
    inner = StrictClient()
    chain = [MessageHistoryLimiter(6, keep_first_message=True), MessageTokenLimiter(40), TextMessageContentName()]
    messages = conversation(9)
    if hook == "client":
        await TokenBudgetChatCompletionClient(inner, budget=2_000, transforms=chain).create(messages)
    else:
        context = TokenBudgetChatCompletionContext(budget=2_000, transforms=chain)
        for message in messages:
            await context.add_message(message)
        await inner.create(await context.get_messages())
    (request,) = inner.requests
    check_request(request.messages)
    assert [message.type for message in request.messages] == [
        "UserMessage",
        "UserMessage",
        "AssistantMessage",
        "FunctionExecutionResultMessage",
        "AssistantMessage",
        "UserMessage",
    ]
    assert said(request.messages)[0].startswith("user:\nFind out which boiler leaks.")
    assert said(request.messages)[-1] == "user:\nGo on with item 9."
