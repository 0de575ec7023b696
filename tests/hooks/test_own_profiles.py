"""A profile of one's own is read by both hooks: what a request costs, what of it is cached, and its shape."""

from __future__ import annotations

from dataclasses import replace

import pytest
from autogen_core import Image
from autogen_core.models import LLMMessage, UserMessage
from PIL import Image as PILImage

from autogen_ext_tokenctx import (
    ModelOptimizer,
    PromptCache,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
)
from autogen_ext_tokenctx.tokens.images import FlatImages

from ..support.histories import conversation
from ..support.strict_client import StrictClient

HISTORY = conversation(4)
OWN = replace(
    ModelOptimizer().profile("gpt-4o"),
    images=FlatImages(12_345),
    encoding="cl100k_base",
    cache=PromptCache(automatic=True, minimum=0, granularity=1_000, discount=0.5),
)
OPTIMIZERS = {"own": ModelOptimizer(profiles={"^house-": OWN}), "none": None}


def client(name: str) -> TokenBudgetChatCompletionClient:
    return TokenBudgetChatCompletionClient(StrictClient(), 20_000, model="house-7b", optimizer=OPTIMIZERS[name])


def context(name: str, history: list[LLMMessage]) -> TokenBudgetChatCompletionContext:
    return TokenBudgetChatCompletionContext(
        model="house-7b", budget=20_000, optimizer=OPTIMIZERS[name], initial_messages=history
    )


@pytest.mark.filterwarnings("ignore:the tokenizer of model 'house-7b' is not known")
async def test_pictures_and_texts_cost_what_the_profile_says() -> None:
    picture = UserMessage(content=[Image.from_pil(PILImage.new("RGB", (64, 64)))], source="user")
    text = UserMessage(content="Größe, 大きさ, размер", source="user")
    for message in (picture, text):
        counted = {name: client(name).count_tokens([message]) for name in OPTIMIZERS}
        assert counted["own"] != counted["none"]
        shown: list[int] = []
        for name in OPTIMIZERS:
            of_agent = context(name, [message])
            await of_agent.get_messages()
            assert of_agent.last_report is not None
            shown.append(of_agent.last_report.tokens_after)
        assert shown[0] != shown[1]


@pytest.mark.filterwarnings("ignore:the tokenizer of model 'house-7b' is not known")
async def test_what_is_cached_is_as_the_profile_says() -> None:
    for name in OPTIMIZERS:
        calling = client(name)
        shown = context(name, list(HISTORY))
        for more in ([], [UserMessage(content="More.", source="user")]):
            await calling.create([*HISTORY, *more])
            for message in more:
                await shown.add_message(message)
            await shown.get_messages()
        for report in (calling.last_report, shown.last_report):
            assert report is not None
            assert (900 < report.cached_tokens <= 1_000) == (name == "own"), "whole steps, in estimated tokens"
            assert report.cached_tokens > 900
