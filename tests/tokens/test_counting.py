"""Counts equal the published bills, add up, and are made once."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

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
from autogen_core.tools import ParametersSchema, ToolSchema
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from autogen_ext_tokenctx.models.counters import TiktokenCounter
from autogen_ext_tokenctx.tokens.counting import (
    EstimatedTokenCounter,
    GuardedTokenCounter,
    RequestTokenCounter,
    TokenCounter,
)

from ..support.work import growth

TIKTOKEN = TiktokenCounter()
ESTIMATED = EstimatedTokenCounter()
BOTH = pytest.mark.parametrize("counter", [TIKTOKEN, ESTIMATED], ids=["tiktoken", "estimated"])

texts = st.text(st.characters(), max_size=80)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
calls = st.builds(FunctionCall, id=names, name=names, arguments=texts)
results = st.builds(FunctionExecutionResult, content=texts, name=names, call_id=names)
messages: st.SearchStrategy[LLMMessage] = st.one_of(
    st.builds(SystemMessage, content=texts),
    st.builds(UserMessage, content=texts | st.lists(texts, max_size=3), source=names),
    st.builds(AssistantMessage, content=texts | st.lists(calls, max_size=3), thought=st.none() | texts, source=names),
    st.builds(FunctionExecutionResultMessage, content=st.lists(results, max_size=3)),
)
schemas = st.recursive(
    st.sampled_from(
        [{"type": "string"}, {"type": "integer", "enum": [1, 2]}, {"$ref": "#/$defs/Loop"}, {}, {"const": None}]
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3), "description": texts}),
        st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(names, inner, max_size=3)}),
    ),
    max_leaves=6,
)


@st.composite
def tools(draw: st.DrawFn) -> ToolSchema:
    properties = draw(st.dictionaries(names, schemas, max_size=3))
    loop = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Loop"}}}
    parameters = {"type": "object", "properties": properties, "$defs": {"Loop": loop}}
    return ToolSchema(name=draw(names), description=draw(texts), parameters=parameters)  # pyright: ignore[reportArgumentType]


def tool(name: str, description: str = "", **properties: object) -> ToolSchema:
    parameters = ParametersSchema(type="object", properties=properties)
    return ToolSchema(name=name, description=description, parameters=parameters)


# --- against the published bills ---------------------------------------------------------------------------------

JARGON = (
    "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    "New synergies will help drive top-line growth.",
    "Things working well together will increase revenue.",
    "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    "Let's talk later when we're less busy about how to do better.",
    "This late pivot means we don't have time to boil the ocean for the client deliverable.",
)


@pytest.mark.parametrize(("model", "billed"), [("gpt-4o", 124), ("gpt-4-0613", 129), ("gpt-3.5-turbo-0613", 129)])
def test_cookbook_conversation_equals_the_bill(model: str, billed: int) -> None:
    # The cookbook names four of its system messages, the user not; AutoGen names user messages alone. "user" and
    # "system" are one token each, so the same bill comes out with user messages for those four.
    counter = TiktokenCounter(model)
    first, *named, last = JARGON
    sources = ("example_user", "example_assistant") * 2
    request = [
        SystemMessage(content=first),
        *(UserMessage(content=text, source=source) for text, source in zip(named, sources, strict=True)),
        SystemMessage(content=last),
    ]
    assert counter.count_request(request) == billed


FUNCTION_BILLS = [
    (tool("foo"), 23),
    (tool("foo", "Do a foo"), 28),
    (tool("bing_bong", "Do a bing bong", foo={"type": "string"}), 41),
    (
        tool("bing_bong", "Do a bing bong", foo={"type": "string"}, bar={"type": "number", "description": "A number"}),
        49,
    ),
    (
        tool(
            "bing_bong",
            "Do a bing bong",
            foo={
                "type": "object",
                "properties": {"bar": {"type": "string", "enum": ["a", "b", "c"]}, "baz": {"type": "boolean"}},
            },
        ),
        60,
    ),
]


@pytest.mark.parametrize(("schema", "billed"), FUNCTION_BILLS)
def test_a_tool_costs_one_token_more_than_the_bill(schema: ToolSchema, billed: int) -> None:
    # gpt-3.5-turbo's bills for a request with and without the function, as published by the openai-chat-tokens project.
    assert TiktokenCounter("gpt-3.5-turbo").count_tools([schema]) == billed + 1


@pytest.mark.parametrize(("model", "billed"), [("gpt-4o", 101), ("gpt-4", 105)])
def test_cookbook_tool_example_is_never_under_the_bill(model: str, billed: int) -> None:
    weather = tool(
        "get_current_weather",
        "Get the current weather in a given location",
        location={"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
        group={
            "type": "string",
            "description": "The unit of temperature to return",
            "enum": ["celsius", "fahrenheit"],
        },
    )
    request = [
        SystemMessage(content="You are a helpful assistant that can answer to questions about the weather."),
        SystemMessage(content="What's the weather like in San Francisco?"),
    ]
    assert billed <= TiktokenCounter(model).count_request(request, [weather]) <= billed + 7


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1024, 1024), 765),
        ((2048, 4096), 1105),
        ((512, 512), 255),
        ((1, 1), 255),
        ((513, 512), 425),
        ((4096, 40), 765),
    ],
)
@BOTH
def test_images_cost_their_tiles(counter: RequestTokenCounter, size: tuple[int, int], tokens: int) -> None:
    image = Image(PILImage.new("RGB", size))
    with_image = counter.count_message(UserMessage(content=["look", image], source="u"))
    assert with_image - counter.count_message(UserMessage(content=["look"], source="u")) == tokens


# --- what is counted of a message ----------------------------------------------------------------------------------


def test_a_thought_counts_with_tool_calls_alone() -> None:
    call = FunctionCall(id="1", name="f", arguments="{}")
    bare = TIKTOKEN.count_message(AssistantMessage(content=[call], source="a"))
    assert TIKTOKEN.count_message(AssistantMessage(content=[call], thought="hello world", source="a")) == bare + 2
    said = TIKTOKEN.count_message(AssistantMessage(content="hi", source="a"))
    assert TIKTOKEN.count_message(AssistantMessage(content="hi", thought="hello world", source="b")) == said


def test_a_user_pays_for_the_name_and_an_assistant_does_not() -> None:
    user, assistant = UserMessage(content="hi", source="user"), AssistantMessage(content="hi", source="user")
    assert TIKTOKEN.count_message(user) == TIKTOKEN.count_message(assistant) + 2


def test_each_result_is_a_message() -> None:
    one, two = (FunctionExecutionResult(content=text, name="f", call_id=text) for text in ("sunny", "18 degrees"))
    apart = sum(TIKTOKEN.count_message(FunctionExecutionResultMessage(content=[result])) for result in (one, two))
    assert TIKTOKEN.count_message(FunctionExecutionResultMessage(content=[one, two])) == apart


def test_ids_are_not_counted() -> None:
    short, long = (
        AssistantMessage(content=[FunctionCall(i, "{}", "f")], source="a") for i in ("1", "call_" + "x9" * 12)
    )
    assert TIKTOKEN.count_message(short) == TIKTOKEN.count_message(long)


# --- adding up -----------------------------------------------------------------------------------------------------


@BOTH
@given(request=st.lists(messages, max_size=6), offered=st.lists(tools(), max_size=2))
def test_a_request_is_the_sum_of_its_parts(
    counter: RequestTokenCounter, request: list[LLMMessage], offered: list[ToolSchema]
) -> None:
    parts = sum(map(counter.count_message, request)) + counter.count_tools(offered) + 3
    assert counter.count_request(request, offered) == parts
    assert counter.count_request(request[:-1], offered) <= parts
    assert counter.count_request([], offered[:-1]) <= counter.count_request([], offered)


@given(message=messages)
def test_a_message_is_left_as_it_was(message: LLMMessage) -> None:
    before = message.model_copy(deep=True)
    assert TIKTOKEN.count_message(message) == TIKTOKEN.count_message(before)
    assert message == before


# --- once in its life ----------------------------------------------------------------------------------------------


class Slow(RequestTokenCounter):
    def __init__(self) -> None:
        super().__init__()
        self.counted: list[str] = []

    def count_text(self, text: str) -> int:
        self.counted.append(text)
        return len(text)


def test_a_message_and_a_tool_are_counted_once_by_content() -> None:
    counter = Slow()
    for _ in range(3):
        counter.count_request([UserMessage(content="only once", source="u")], [tool("f", "also once")])
    assert counter.counted.count("only once") == 1
    assert sum("also once" in text for text in counter.counted) == 1


def test_what_was_counted_is_looked_up_whatever_its_size() -> None:
    def look_up(size: int) -> object:
        return [TIKTOKEN.count_message(messages[size]) for _ in range(100)]

    messages = {size: UserMessage(content="hello world " * size, source="user") for size in (1_000, 90_000)}
    assert look_up(90_000)
    assert growth(look_up, 1_000, 90) < 8


def test_the_cache_is_bounded() -> None:
    counter = Slow()
    for number in range(30):
        counter.count_message(SystemMessage(content=f"{number:02}" * 1_000_000))
    counter.counted.clear()
    counter.count_message(SystemMessage(content="29" * 1_000_000))
    assert counter.counted == []
    counter.count_message(SystemMessage(content="00" * 1_000_000))
    assert counter.counted != []


def test_threads_agree() -> None:
    counter = TiktokenCounter()
    request: list[LLMMessage] = [UserMessage(content=f"number {i} " * 50, source="u") for i in range(200)]
    expected = TIKTOKEN.count_request(request)
    start = threading.Barrier(8)

    def count(_: int) -> int:
        start.wait()
        return counter.count_request(request)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(count, range(8))) == {expected}


# --- models --------------------------------------------------------------------------------------------------------


@BOTH
def test_counters_are_token_counters(counter: TokenCounter) -> None:
    assert isinstance(counter, TokenCounter)


@BOTH
@pytest.mark.parametrize("text", ["\ud800", "<|endoftext|>", " " * 1_000_000, "y" * 1_000_000, "\x00" * 100])
def test_no_text_raises(counter: RequestTokenCounter, text: str) -> None:
    assert counter.count_message(UserMessage(content=text, source="u")) > 4


class BrokenCounter(RequestTokenCounter):
    """Counts nothing."""

    def count_text(self, text: str) -> int:
        raise OSError("no tokenizer")


@pytest.mark.parametrize("raised", [False, True], ids=["warned", "warnings are errors"])
def test_a_counter_that_fails_is_replaced_by_an_estimate(raised: bool) -> None:
    guarded = GuardedTokenCounter(BrokenCounter())
    with warnings.catch_warnings(record=not raised) as caught:
        warnings.simplefilter("error" if raised else "always")
        if raised:
            with pytest.raises(RuntimeWarning, match="BrokenCounter failed"):
                guarded.count_text("hello")
        counts = [guarded.count_text("hello world") for _ in range(2)]
    assert counts == [ESTIMATED.count_text("hello world")] * 2
    assert guarded.estimates
    assert raised or [str(one.message)[:38] for one in caught or ()] == ["the token counter BrokenCounter failed"]
