"""A request refused as too long: what is recognised, and what the client hook makes of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import httpx
import openai
import pytest
from autogen_core.models import CreateResult, RequestUsage, SystemMessage
from pydantic import BaseModel

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.models.overflow import Overflow, overflow_of
from autogen_ext_tokenctx.tokens.budget import TokenBudget

from ..support.histories import conversation, prose
from ..support.strict_client import StrictClient
from .test_calibration import ForeignCounter
from .test_chat_client import TOOL, ask
from .test_chat_context import FailingManager, as_json

BUDGET = 8_000
WINDOW = 3_000
LLAMA = {
    "code": 400,
    "message": "the request exceeds the available context size. try increasing the context size",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 1407,
    "n_ctx": 256,
}

OVERFLOWS = {
    "openai": (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. "
        "Please reduce the length of the messages.",
        Overflow(8_192, 9_000),
    ),
    "openai, with tools": (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens "
        "(8800 in the messages, 200 in the functions). Please reduce the length of the messages or functions.",
        Overflow(8_192, 9_000),
    ),
    "openai, old": (
        "This model's maximum context length is 4097 tokens, however you requested 6539 tokens (6283 in your prompt; "
        "256 for the completion). Please reduce your prompt; or completion length.",
        Overflow(4_097, 6_283, 256),
    ),
    "gpt-5": (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 289650 tokens. "
        "Please reduce the length of the messages.",
        Overflow(272_000, 289_650),
    ),
    "gpt-5, in short": ("Input tokens exceed the configured limit of 272000 tokens.", Overflow(272_000)),
    "openai, without numbers": (
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        Overflow(),
    ),
    "code": ("Error code: 400 - {'error': {'code': 'context_length_exceeded'}}", Overflow()),
    "anthropic": ("prompt is too long: 210000 tokens > 200000 maximum", Overflow(200_000, 210_000)),
    "anthropic, with the reply": (
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or "
        "`max_tokens` and try again",
        Overflow(200_000, 190_000, 20_000),
    ),
    "gemini": (
        "400 INVALID_ARGUMENT. {'error': {'code': 400, 'message': 'The input token count (40000) exceeds the maximum "
        "number of tokens allowed (32768).', 'status': 'INVALID_ARGUMENT'}}",
        Overflow(32_768, 40_000),
    ),
    "vertex": (
        "Unable to submit request because the input token count is 32825 but model only supports up to 32768.",
        Overflow(32_768, 32_825),
    ),
    "llama.cpp": (
        "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
        Overflow(8_192, 9_412),
    ),
    "llama.cpp, body": (json.dumps({"error": LLAMA}), Overflow(256, 1_407)),
    "llama.cpp, text": ("the request exceeds the available context size. try increasing it", Overflow()),
    "llama-cpp-python": ("Requested tokens (516) exceed context window of 512", Overflow(512, 516)),
    "vllm": (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4500 in the messages, "
        "500 in the completion). Please reduce the length of the messages or completion.",
        Overflow(4_096, 4_500, 500),
    ),
    "vllm, at least": (
        "This model's maximum context length is 128000 tokens. However, you requested 65535 output tokens and your "
        "prompt contains at least 62466 input tokens, for a total of at least 128001 tokens.",
        Overflow(128_000, None, 65_535),
    ),
    "vllm, input alone": (
        "This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens. "
        "Please reduce the length of the input messages.",
        Overflow(4_096, 5_000),
    ),
    "openrouter": (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 139521 tokens "
        "(138021 of text input, 1500 in the output). Please reduce the length of either one.",
        Overflow(131_072, None, 1_500),
    ),
    "ollama": ("the input length exceeds the context length (status code: 400)", Overflow()),
    "ollama, maximum": ("input length exceeds maximum context length", Overflow()),
    "ollama, short": ("input exceeds context length", Overflow()),
    "ollama, cloud": ("prompt too long; exceeded max context length by 100918 tokens", Overflow()),
    "compatible": (
        "Input length (265330) exceeds model's maximum context length (262144).",
        Overflow(262_144, 265_330),
    ),
    "mistral": (
        "Prompt contains 300000 tokens, too large for model with 131072 maximum context length",
        Overflow(131_072, 300_000),
    ),
    "groq": ("Please reduce the length of the messages or completion.", Overflow()),
    "bedrock": (
        "An error occurred (ValidationException) when calling the InvokeModel operation: "
        "Input is too long for requested model.",
        Overflow(),
    ),
    "bedrock, titan": (
        "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9279",
        Overflow(8_192, 9_279),
    ),
    "thousands": ("prompt is too long: 210,000 tokens > 200,000 maximum", Overflow(200_000, 210_000)),
}

OTHERS = {
    "nothing": "",
    "unrelated": "the tool call has no result",
    "openai, per minute": "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, "
    "Requested 50000. The input or output tokens must be reduced in order to run successfully.",
    "groq, per minute": "Request too large for model `llama3-70b` on tokens per minute (TPM): Limit 6000, Requested "
    "9000, please reduce your message size and try again.",
    "anthropic, rate": "This request would exceed your organization's rate limit of 40,000 input tokens per minute.",
    "bedrock, rate": "ThrottlingException: Too many tokens, please wait before trying again.",
    "openai, quota": "You exceeded your current quota, please check your plan and billing details.",
    "gemini, quota": "429 RESOURCE_EXHAUSTED. Quota exceeded for metric: generate_content_free_tier_input_token_count, "
    "limit: 250000",
    "openai, reply": "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas "
    "you provided 100000.",
    "anthropic, reply": "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for claude",
    "anthropic, reply over the window": "input length and `max_tokens` exceed context limit: 100 + 250000 > 200000",
    "vllm, reply": "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length "
    "is 8192 tokens and your request has 5000 input tokens (32000 > 8192 - 5000).",
    "groq, both": "Rate limit reached. Please reduce the length of the messages or completion.",
}


def openai_error(kind: type[openai.APIStatusError], status: int, body: object) -> openai.APIStatusError:
    """An error as OpenAI's client raises it, whose text has the message only."""
    answered: Any = httpx.Response(status, json=body, request=httpx.Request("POST", "http://localhost"))
    return kind("Error code", response=answered, body=body)


@pytest.mark.parametrize(("text", "overflow"), OVERFLOWS.values(), ids=list(OVERFLOWS))
def test_overflows_are_recognised_in_any_error(text: str, overflow: Overflow) -> None:
    assert overflow_of(RuntimeError(text)) == overflow
    assert overflow_of(openai_error(openai.BadRequestError, 400, {"message": text, "code": "x"})) == overflow
    wrapper = ValueError("the model could not be called")
    wrapper.__cause__ = RuntimeError(text)
    assert overflow_of(wrapper) == overflow
    request = httpx.Request("POST", "http://localhost")
    answered = httpx.HTTPStatusError("400", request=request, response=httpx.Response(400, text=text, request=request))
    assert overflow_of(answered) == overflow


@pytest.mark.parametrize("text", OTHERS.values(), ids=list(OTHERS))
def test_other_errors_are_not(text: str) -> None:
    assert overflow_of(RuntimeError(text)) is None
    assert overflow_of(openai_error(openai.BadRequestError, 400, {"message": text})) is None


@pytest.mark.parametrize(
    ("body", "overflow"),
    [
        (LLAMA, Overflow(256, 1_407)),
        ({"message": "Too long.", "code": "context_length_exceeded"}, Overflow()),
        ({"type": "error", "error": {"message": "prompt is too long: 30 tokens > 20 maximum"}}, Overflow(20, 30)),
    ],
)
def test_numbers_of_a_structured_body(body: object, overflow: Overflow) -> None:
    assert overflow_of(openai_error(openai.BadRequestError, 400, body)) == overflow


def test_what_no_shorter_request_helps_against() -> None:
    text = OVERFLOWS["openai"][0]
    assert overflow_of(openai_error(openai.RateLimitError, 429, {"message": text})) is None
    assert overflow_of(asyncio.CancelledError(text)) is None
    one, other = RuntimeError("a"), RuntimeError("b")
    one.__cause__, other.__cause__ = other, one
    assert overflow_of(one) is None


def test_an_error_that_fails_itself() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("a bug")

    assert overflow_of(Broken()) is None


@pytest.mark.parametrize(
    ("overflow", "limit"),
    [(Overflow(), None), (Overflow(4_096, 4_500, 500), 3_596), (Overflow(1_000, 2_000), 950), (Overflow(1), 1)],
)
def test_the_reply_has_its_room(overflow: Overflow, limit: int | None) -> None:
    assert overflow.input_limit == limit


class Window(StrictClient):
    """A provider that says what it refuses for, in its own tokens, and bills."""

    def __init__(self, says: Callable[[int, int], str], window: int = WINDOW, factor: float | None = None) -> None:
        super().__init__(["all is well"])
        self.says = says
        self.model_window = window
        if factor is not None:
            self.counter = ForeignCounter(factor)
        self.errors: list[RuntimeError] = []

    def _answer(self, *args: Any, **kwargs: Any) -> CreateResult:
        result = super()._answer(*args, **kwargs)
        tokens = self.requests[-1].tokens
        if tokens > self.model_window:
            self.errors.append(RuntimeError(self.says(tokens, self.model_window)))
            raise self.errors[-1]
        return result

    @property
    def sent(self) -> list[int]:
        """Tokens of the requests, by its own count."""
        return [request.tokens for request in self.requests]


def with_numbers(tokens: int, window: int) -> str:
    return f"prompt is too long: {tokens} tokens > {window} maximum"


def with_a_reply(tokens: int, window: int) -> str:
    return f"input length and `max_tokens` exceed context limit: {tokens} + 700 > {window + 700}"


def without_a_count(_: int, window: int) -> str:
    return f"This model's maximum context length is {window} tokens."


def without_numbers(*_: int) -> str:
    return "Input is too long for requested model."


@pytest.mark.parametrize(
    ("model", "says", "stream"),
    [
        (None, with_numbers, False),
        (None, with_a_reply, True),
        (None, without_a_count, False),
        ("gpt-4o", with_numbers, True),
        ("gpt-4o", with_a_reply, False),
        ("gpt-4o", without_a_count, True),
        ("claude-sonnet-4", with_numbers, False),
        ("claude-sonnet-4", with_a_reply, True),
        ("claude-sonnet-4", without_a_count, True),
    ],
)
async def test_it_is_sent_once_more_smaller_and_the_limit_is_kept(
    stream: bool, says: Callable[[int, int], str], model: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Window(says)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model=model)
    messages = [SystemMessage(content="Be brief."), *conversation(22)]
    before = as_json(messages)
    with caplog.at_level(logging.WARNING, "autogen_ext_tokenctx"):
        result = await ask(client, messages, stream, tools=[TOOL])
        assert result.content == "all is well"
        assert as_json(messages) == before
        refused, answered = inner.sent
        assert refused > WINDOW >= answered
        assert answered <= 0.8 * refused
        assert answered > 0.4 * WINDOW  # not full: nothing was billed yet, and the margin is wide
        (record,) = client.recent
        assert (record.refused, record.billed) == (1, answered)
        assert record.report is client.last_report
        assert record.report.tokens_after == pytest.approx(answered, rel=0.35)
        for turns in range(23, 26):
            await ask(client, conversation(turns), stream, tools=[TOOL])
    assert len(inner.sent) == 5
    assert [record.refused for record in client.recent] == [1, 0, 0, 0]
    assert max(inner.sent[1:]) <= WINDOW
    (warning,) = caplog.messages
    assert "budget=" in warning
    assert client.remaining_tokens(conversation(38)) < 0


async def test_a_tokenizer_that_is_not_the_expected_one_costs_one_refusal() -> None:
    """The estimate is far below the window while the request is far over it: the count of the refusal is learned."""
    inner = Window(with_numbers, factor=2.0)
    client = TokenBudgetChatCompletionClient(inner, TokenBudget(limit=WINDOW, target=1.0), model="gpt-4o")
    for turns in range(32, 38):
        await client.create(conversation(turns))
    assert [record.refused for record in client.recent] == [1, 0, 0, 0, 0, 0]
    assert min(inner.sent) > 0.6 * WINDOW


async def test_without_numbers_it_gets_there_step_by_step() -> None:
    inner = Window(without_numbers)
    client = TokenBudgetChatCompletionClient(inner, TokenBudget(limit=2 * WINDOW, target=1.0))
    outcomes: list[int] = []
    for turns in range(50, 56):
        with suppress(RuntimeError):
            await client.create(conversation(turns))
        outcomes.append(client.recent[-1].refused)
    assert 1 <= outcomes[0] <= 3
    assert sum(outcomes[1:]) <= 2  # the limit that was learned serves nearly all later calls
    assert len(inner.sent) <= len(outcomes) + sum(outcomes)
    tries = inner.sent[: 1 + outcomes[0]]
    assert all(later < 0.75 * sooner for sooner, later in pairwise(tries))
    assert inner.sent[-1] > 0.6 * WINDOW


@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_refusal_is_raised_with_the_one_before_as_its_context(stream: bool) -> None:
    inner = Window(lambda tokens, _: with_numbers(tokens, WINDOW), window=10)
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    with pytest.raises(RuntimeError) as raised:
        await ask(client, conversation(22), stream)
    *_, before, last = inner.errors
    assert raised.value is last
    assert last.__context__ is before
    assert all(later < sooner for sooner, later in pairwise(inner.sent))
    assert [record.refused for record in client.recent] == [len(inner.sent)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("says", [with_numbers, without_numbers])
async def test_what_cannot_be_smaller_is_not_sent_again(stream: bool, says: Callable[[int, int], str]) -> None:
    inner = Window(says, window=1_000)
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    for _ in range(2):  # what was learned does not turn the provider's answer into one of ours
        inner.requests.clear()
        with pytest.raises(RuntimeError) as raised:
            await ask(client, [SystemMessage(content=prose(1, 2_000)), *conversation(1)], stream)
        assert raised.value is inner.errors[-1]
        assert len(inner.requests) == 1
        assert client.recent[-1].refused == 1


async def test_what_could_not_be_fitted_is_not_sent_again() -> None:
    inner = Window(with_numbers, window=10)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, manager=FailingManager())
    with pytest.warns(RuntimeWarning, match="a bug"), pytest.raises(RuntimeError, match="too long"):
        await client.create(conversation(3))
    assert len(inner.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "error", [ValueError("a bug"), RuntimeError(OTHERS["openai, per minute"]), asyncio.CancelledError()]
)
async def test_other_errors_pass(stream: bool, error: BaseException) -> None:
    def fail(*_: Any) -> str:
        raise error

    inner = StrictClient([fail])
    client = TokenBudgetChatCompletionClient(inner, BUDGET)
    with pytest.raises(type(error)) as raised:
        await ask(client, conversation(22), stream)
    assert raised.value is error
    assert len(inner.requests) == 1
    assert client.recent[-1].refused == 0


class Breaking(StrictClient):
    """A stream that breaks after its first chunk."""

    async def create_stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[str | CreateResult, None]:
        self._answer(args[0], (), {}, stream=True)
        yield "all "
        raise RuntimeError(with_numbers(20, 10))


async def test_a_stream_that_has_begun_is_not_begun_again() -> None:
    inner = Breaking()
    stream = TokenBudgetChatCompletionClient(inner, BUDGET).create_stream(conversation(22))
    assert await anext(stream) == "all "
    with pytest.raises(RuntimeError, match="too long"):
        await anext(stream)
    assert len(inner.requests) == 1


async def test_the_second_stream_is_closed_when_the_reader_leaves() -> None:
    inner = Window(with_numbers)
    stream = TokenBudgetChatCompletionClient(inner, BUDGET).create_stream(conversation(22))
    assert await anext(stream) == "all "
    await stream.aclose()
    assert inner.closed_streams == 1


async def test_each_model_has_its_limit(caplog: pytest.LogCaptureFixture) -> None:
    inner = Window(with_numbers)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model="gpt-4o")
    await client.create(conversation(22))
    inner.model_window = 10_000
    await client.create(conversation(22))
    await client.create(conversation(22), extra_create_args={"model": "gpt-4.1"})
    assert inner.sent[-2] < WINDOW < 7_000 < inner.sent[-1]
    assert len(caplog.messages) == 1
    assert "'gpt-4o'" in caplog.text


async def test_a_budget_below_the_limit_stays_what_it_was() -> None:
    inner = Window(with_numbers)
    budgets: dict[str, int | TokenBudget] = {"default": TokenBudget(limit=BUDGET, reserve=500, target=0.5)}
    client = TokenBudgetChatCompletionClient(inner, 500, budgets)
    await client.create(conversation(22))
    await client.create(conversation(26))
    assert inner.sent[-1] <= 0.5 * WINDOW
    report = client.last_report
    assert report is not None
    assert report.budget == 500 + int(0.95 * WINDOW)


async def test_rough_counts_and_schemas_teach_calibration_nothing() -> None:
    class Answer(BaseModel):
        text: str

    def free(*_: Any) -> CreateResult:
        return CreateResult(finish_reason="stop", content="ok", usage=RequestUsage(0, 0), cached=False)

    for says, output in ((without_numbers, None), (without_a_count, None), (with_numbers, Answer)):
        inner = Window(says, window=3_500)
        inner.script[:] = [free]
        client = TokenBudgetChatCompletionClient(inner, TokenBudget(limit=BUDGET, target=1.0), model="claude-sonnet-4")
        await client.create(conversation(2))
        before = client.dump_calibration()
        await client.create(conversation(28), json_output=output)
        assert client.recent[-1].refused == 1
        after = client.dump_calibration()
        assert [{**learned, "limit": None} for learned in after.values()] == [
            {**learned, "limit": None} for learned in before.values()
        ]


async def test_the_count_of_a_refusal_is_as_good_as_a_bill() -> None:
    inner = Window(with_numbers, factor=1.4)
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model="claude-sonnet-4")
    await client.create(conversation(22))
    for turns in (20, 50):
        actual = inner.counter.count_request(conversation(turns))
        assert client.count_tokens(conversation(turns)) == pytest.approx(actual, rel=0.03)
