"""How providers and servers say that a request is too long: forms that the structure of the text tells, with sources.

Numbers are as in the source; what a form does not say is None. The second table are errors that must shrink nothing.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.models.overflow import Overflow, overflow_of

from ..hooks.test_chat_client import ask
from ..support.histories import conversation, prose
from ..support.strict_client import StrictClient

# name: status (None where the error carries none), text, what it says, where it was seen
FORMS: dict[str, tuple[int | None, str, Overflow, str]] = {
    "text generation inference, input": (
        422,
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168",
        Overflow(1_024, 1_168),
        "huggingface/text-generation-inference#695",
    ),
    "text generation inference, both": (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1244 `inputs` "
        "tokens and 1000 "
        "`max_new_tokens`",
        Overflow(2_048, 1_244, 1_000),
        "huggingface/text-generation-inference#628",
    ),
    "sglang": (
        400,
        "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
        Overflow(40_960, 61_709),
        "QwenLM/Qwen3#1321",
    ),
    "sglang, with the reply": (
        400,
        "Bad Request: Requested token count exceeds the model's maximum context length of 202752 tokens. "
        "You requested a "
        "total of 202941 tokens: 170941 tokens from the input messages and 32000 tokens for the completion. "
        "Please reduce "
        "the number of tokens in the input messages or the completion to fit within the limit.",
        Overflow(202_752, 170_941, 32_000),
        "anomalyco/opencode#25230",
    ),
    "xai": (
        400,
        "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
        Overflow(131_072, 136_973),
        "cline/cline#3120",
    ),
    "qwen, dashscope": (
        400,
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 204800]",
        Overflow(204_800),
        "QwenLM/qwen-code#98",
    ),
    "moonshot": (
        400,
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)",
        Overflow(262_144, 269_030),
        "MoonshotAI/kimi-cli#2011",
    ),
    "github models": (
        413,
        "Request body too large for gpt-4o model. Max size: 8000 tokens.",
        Overflow(8_000),
        "eslint/tsc-meetings#593",
    ),
    "github copilot": (
        400,
        "prompt token count of 138898 exceeds the limit of 64000",
        Overflow(64_000, 138_898),
        "microsoft/copilot-intellij-feedback#94",
    ),
    "lm studio": (
        400,
        "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context "
        "length of only 8192 tokens, which is not enough. Try to load the model with a larger context "
        "length, or provide a "
        "shorter input",
        Overflow(8_192, 15_857),
        "lmstudio-ai/lmstudio-bug-tracker#237",
    ),
    "cohere": (
        400,
        "too many tokens: total number of tokens (prompt and prediction) cannot exceed 2048 - received "
        "6354. Try using a "
        "shorter prompt or a smaller max_tokens value.",
        Overflow(2_048, 6_354),
        "cohere-ai/sandbox-topically#4",
    ),
    "cohere, v2": (
        400,
        "too many tokens: size limit exceeded by 19296 tokens. Try using shorter or fewer inputs. The limit "
        "for this model "
        "is 132000 tokens.",
        Overflow(132_000),
        "pydantic/pydantic-ai#4221",
    ),
    "minimax": (
        400,
        "invalid params, context window exceeds limit (2013)",
        Overflow(),
        "OpenHands/software-agent-sdk#1992",
    ),
    "perplexity": (400, "The total length of all messages is too long.", Overflow(), "BerriAI/litellm#21647"),
    "litellm": (
        400,
        "litellm.BadRequestError: Context Window exceeded for given call. No models have context window "
        "large enough for "
        "this call.",
        Overflow(),
        "anomalyco/opencode#44888",
    ),
    "fireworks": (
        400,
        "The prompt is too long: 8201, model maximum context length: 8192",
        Overflow(8_192, 8_201),
        "Fireworks documentation, inference errors",
    ),
    "zhipu": (400, "Prompt exceeds max length", Overflow(), "Zhipu open platform, error code 1261"),
    "watsonx": (
        400,
        "the number of input tokens 9000 cannot exceed the total tokens limit 8192 for this model",
        Overflow(8_192, 9_000),
        "watsonx.ai, text generation errors",
    ),
    "ai21": (
        422,
        "Prompt has 9000 tokens, but the configured limit is 8000 tokens.",
        Overflow(8_000, 9_000),
        "AI21 documentation, errors",
    ),
    "sambanova": (
        400,
        "Requested generation length 100 is not possible! The provided prompt is 9000 tokens long, so "
        "generating 100 tokens "
        "requires a sequence length of 9100, but the maximum supported sequence length is just 8192!",
        Overflow(8_192, 9_100),
        "SambaNova documentation, errors",
    ),
    "tensorrt-llm": (
        None,
        "Prompt length (9000) exceeds maximum input length (8192). Set log level to info and check TRTGptModel logs",
        Overflow(8_192, 9_000),
        "NVIDIA/TensorRT-LLM, batch manager",
    ),
    "cerebras": (
        400,
        "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
        Overflow(),
        "Cerebras documentation, errors",
    ),
    "bedrock, llama": (
        400,
        "Validation Error: This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
        Overflow(8_192),
        "Amazon Bedrock, Llama models",
    ),
    "a server of one's own": (None, "context overflow: 5000 tokens, the limit is 4096", Overflow(4_096, 5_000), "-"),
    "a proxy": (413, "Request Entity Too Large", Overflow(), "anomalyco/opencode#14064"),
}

OTHERS: dict[str, tuple[int | None, str]] = {
    "a reply": (400, "max_tokens must be less than or equal to 16384, the maximum value for max_tokens"),
    "a reply above the window": (400, "max_completion_tokens: must not exceed the maximum of 8192 output tokens"),
    "credits": (402, "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens"),
    "a name": (400, "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64"),
    "too many tools": (400, "Invalid 'tools': array too long. Expected an array with maximum length 128, got 140"),
    "stop sequences": (400, "Too many stop sequences: the maximum is 4, input has 5"),
    "an image": (400, "messages.0.content.1.image: image exceeds 5 MB maximum: 7340032 bytes > 5242880 bytes"),
    "too many images": (400, "Too many images in request; the maximum for this prompt is 20"),
    "a file": (413, "File too large: the limit is 20 MB"),
    "temperature": (400, "temperature: input should be less than or equal to 2"),
    "a schema": (400, "Invalid schema for response_format: exceeds the maximum nesting depth of 5 in context"),
    "an embedding": (400, "embedding input exceeds the maximum of 2048 inputs"),
    "metadata": (400, "metadata value exceeds the maximum length of 512 for this request"),
    "content": (400, "The prompt was flagged by the content filter; limit your request"),
    "a time": (400, "Request timeout: the maximum of 600 seconds was exceeded"),
    "a key": (401, "Incorrect API key; your request exceeds the limit of this prompt"),
    "another status": (500, "internal error: prompt exceeds the maximum of something"),
    "not found": (404, "the model does not exist, or the limit of the prompt was exceeded"),
    "a rate": (400, "You have exceeded the rate limit of 40000 input tokens"),
    "a quota": (400, "quota exceeded: maximum input tokens a day"),
    "a request that is repeated": (
        400,
        "Invalid role 'tool'. Request was: "
        + "x " * 1_200
        + "the prompt exceeds the maximum context length of 9 tokens?",
    ),
}


def error_of(status: int | None, text: str) -> Exception:
    if status is None:
        return RuntimeError(text)
    answered: Any = httpx.Response(status, json={"message": text}, request=httpx.Request("POST", "http://localhost"))
    return openai.APIStatusError(f"Error code: {status} - {text}", response=answered, body={"message": text})


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_recognised_and_read(form: str) -> None:
    status, text, overflow, _ = FORMS[form]
    assert overflow_of(error_of(status, text)) == overflow


@pytest.mark.parametrize("other", OTHERS)
def test_another_error_shrinks_nothing(other: str) -> None:
    status, text = OTHERS[other]
    assert overflow_of(error_of(status, text)) is None


class Refuses(StrictClient):
    """Answers once a request has less tokens than its window; refuses others in the words of a provider."""

    def __init__(self, error: Exception, window: int) -> None:
        super().__init__([self._answered])
        self.error = error
        self.most = window
        self.sent: list[int] = []

    def _answered(self, *_: Any) -> str:
        self.sent.append(self.requests[-1].tokens)
        if self.sent[-1] > self.most:
            raise self.error
        return "ok"


def history() -> list[LLMMessage]:
    return [*conversation(30), UserMessage(content=f"Which boiler leaks? {prose(3, 60)}", source="user")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
async def test_a_refused_call_is_sent_again_until_it_is_taken(form: str, stream: bool) -> None:
    status, text, overflow, _ = FORMS[form]
    budget = 6_000 if overflow.limit is None else min(6_000, overflow.limit * 2)
    inner = Refuses(error_of(status, text), window=int(0.55 * budget))
    client = TokenBudgetChatCompletionClient(inner, budget)
    await ask(client, history(), stream)
    assert 2 <= len(inner.sent) <= 4
    assert all(later < sooner for sooner, later in zip(inner.sent, inner.sent[1:], strict=False))
    await client.create(history())
    assert inner.sent[-1] <= inner.most  # what was learned lasts


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("other", ["a reply", "an image", "a rate", "another status"])
async def test_a_call_that_failed_otherwise_is_not_sent_again(other: str, stream: bool) -> None:
    inner = Refuses(error_of(*OTHERS[other]), window=1)
    client = TokenBudgetChatCompletionClient(inner, 3_000)
    with pytest.raises(openai.APIStatusError):
        await ask(client, history(), stream)
    assert len(inner.sent) == 1


async def test_after_three_smaller_ones_the_providers_error_is_raised() -> None:
    inner = Refuses(RuntimeError("The total length of all messages is too long."), window=1)
    client = TokenBudgetChatCompletionClient(inner, 20_000)
    with pytest.raises(RuntimeError, match="total length"):
        await client.create([*conversation(120), UserMessage(content="Which one?", source="user")])
    assert len(inner.sent) == 4
    assert all(later <= 0.75 * sooner for sooner, later in zip(inner.sent, inner.sent[1:], strict=False))


async def test_what_the_inner_client_takes_beside_goes_to_it() -> None:
    class Own(StrictClient):
        async def create(self, *arguments: Any, extra_one: int = 0, **keywords: Any) -> Any:
            self.extra = extra_one
            return await super().create(*arguments, **keywords)

        def create_stream(self, *arguments: Any, include_usage: bool | None = None, **keywords: Any) -> Any:
            self.usage = include_usage
            return super().create_stream(*arguments, **keywords)

        def get_create_args(self) -> dict[str, str]:
            return {"model": "own"}

    inner = Own()
    client = TokenBudgetChatCompletionClient(inner, 3_000)
    await client.create(history(), extra_one=3)
    _ = [chunk async for chunk in client.create_stream(history(), include_usage=True)]
    assert (inner.extra, inner.usage) == (3, True)
    assert client.get_create_args() == {"model": "own"}
    for name in ("nothing_like_this", "_private"):
        with pytest.raises(AttributeError, match=name):
            getattr(client, name)


async def test_a_limit_that_a_refusal_showed_outlives_the_process() -> None:
    inner = Refuses(RuntimeError("prompt token count of 9000 exceeds the limit of 3000"), window=3_000)
    client = TokenBudgetChatCompletionClient(inner, 6_000)
    await client.create(history())
    state = json.loads(json.dumps(client.dump_calibration()))
    again = Refuses(inner.error, window=3_000)
    restored = TokenBudgetChatCompletionClient(again, 6_000)
    restored.load_calibration(state)
    await restored.create(history())
    assert len(again.sent) == 1
    for broken in ("3000", -5, [1]):
        other = TokenBudgetChatCompletionClient(StrictClient(), 6_000)
        with pytest.warns(RuntimeWarning, match="saved calibration"):
            other.load_calibration({"": {**state[""], "limit": broken}})
