"""The transform chain: what it passes on, and what it survives."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from autogen_core import Component, ComponentBase
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel
from typing_extensions import Self

from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.hooks.transforms import MessageTransform, TransformChain

from ..support.histories import conversation, exchange
from ..support.quiet import no_warnings
from ..support.strict_client import StrictClient, check_request


class Transform:
    """A transform made of a function."""

    def __init__(self, function: Callable[[list[LLMMessage]], Any]) -> None:
        self.function = function

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        return self.function(messages)

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        return f"{len(pre_transform_messages)} to {len(post_transform_messages)}", True


class TailConfig(BaseModel):
    count: int


class Tail(ComponentBase[BaseModel], Component[TailConfig]):
    """Keeps the last messages, as AutoGen 0.2's MessageHistoryLimiter did."""

    component_type = "message_transform"
    component_config_schema = TailConfig
    component_provider_override = "tests.hooks.test_transforms.Tail"

    def __init__(self, count: int) -> None:
        self.count = count

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        return messages[-self.count :]

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        return "", False

    def _to_config(self) -> TailConfig:
        return TailConfig(count=self.count)

    @classmethod
    def _from_config(cls, config: TailConfig) -> Self:
        return cls(config.count)


def shout(messages: list[LLMMessage]) -> list[LLMMessage]:
    return [
        UserMessage(content=str(message.content).upper(), source=message.source)
        if isinstance(message, UserMessage)
        else message
        for message in messages
    ]


def deface(messages: list[LLMMessage]) -> list[LLMMessage]:
    """Changes everything in place that can be."""
    for message in messages:
        if isinstance(message, FunctionExecutionResultMessage):
            message.content[0].content = "?"
        elif isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            message.content[0].arguments = '{"defaced": true}'
        elif isinstance(message.content, str):
            message.content = "?"
    messages.reverse()
    messages.reverse()
    return messages


def fail(messages: list[LLMMessage]) -> list[LLMMessage]:
    raise RuntimeError("no")


def give_nothing(messages: list[LLMMessage]) -> None: ...


def give_text(messages: list[LLMMessage]) -> list[str]:
    return ["text"]


def give_none_left(messages: list[LLMMessage]) -> list[LLMMessage]:
    return []


def last_nine(messages: list[LLMMessage]) -> list[LLMMessage]:
    return messages[-9:]


def as_json(messages: list[LLMMessage]) -> list[str]:
    return [message.model_dump_json() for message in messages]


def test_protocol() -> None:
    assert isinstance(Transform(shout), MessageTransform)
    assert isinstance(Tail(3), MessageTransform)
    assert not isinstance(object(), MessageTransform)


def test_chain_runs_in_order_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    chain = TransformChain([Transform(shout), Tail(1)])
    with caplog.at_level(logging.INFO, "autogen_ext_tokenctx"):
        assert chain.apply([UserMessage(content="a", source="u"), UserMessage(content="b", source="u")]) == [
            UserMessage(content="B", source="u")
        ]
    assert [record.getMessage() for record in caplog.records] == ["transform Transform: 2 to 2"]


def test_unchanged_messages_are_the_same_objects() -> None:
    messages = conversation(3)
    assert all(a is b for a, b in zip(TransformChain([Transform(list)]).apply(messages), messages, strict=True))


def test_stored_messages_are_out_of_reach() -> None:
    messages = conversation(3)
    before = as_json(messages)
    changed = TransformChain([Transform(deface)]).apply(messages)
    assert as_json(messages) == before
    assert all(a != b for a, b in zip(changed, messages, strict=True))


@pytest.mark.parametrize("function", [fail, give_nothing, give_text, give_none_left])
def test_faulty_transform_is_left_out_with_one_warning(function: Callable[[list[LLMMessage]], Any]) -> None:
    chain = TransformChain([Transform(function), Transform(shout)])
    with pytest.warns(RuntimeWarning, match="Transform failed"):
        assert chain.apply([UserMessage(content="a", source="u")]) == [UserMessage(content="A", source="u")]
    with no_warnings():
        assert chain.apply([UserMessage(content="b", source="u")]) == [UserMessage(content="B", source="u")]


def test_separated_pairs_are_repaired_with_one_warning() -> None:
    chain = TransformChain([Tail(3)])
    messages = [*conversation(1)[:1], *exchange(1), *exchange(2)]
    with pytest.warns(RuntimeWarning, match="Tail separated"):
        check_request(chain.apply(messages))
    with no_warnings():
        check_request(chain.apply(messages))


def test_pairs_broken_before_are_no_fault_of_the_transform(recwarn: pytest.WarningsRecorder) -> None:
    messages = [*conversation(1), exchange(1)[0], UserMessage(content="Stop.", source="user"), exchange(2)[0]]
    assert TransformChain([Transform(list)]).apply(messages)[-1] is messages[-1]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("function", "keeps_prefix"),
    [(shout, True), (deface, True), (fail, True), (last_nine, False)],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
async def test_context_folds_over_the_transformed_history(
    function: Callable[[list[LLMMessage]], list[LLMMessage]], keeps_prefix: bool
) -> None:
    context = TokenBudgetChatCompletionContext(budget=2_000, transforms=[Transform(function)])
    views: list[list[str]] = []
    for message in conversation(15):
        await context.add_message(message)
        if isinstance(message, AssistantMessage):
            continue
        view = await context.get_messages()
        check_request(view)
        views.append(as_json(view))
        assert as_json(await context.get_messages()) == views[-1]
    folded = sum(later[: len(sooner)] == sooner for sooner, later in pairwise(views))
    assert (folded > len(views) / 2) == keeps_prefix


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
async def test_client_runs_the_chain() -> None:
    inner = StrictClient()
    client = TokenBudgetChatCompletionClient(
        inner, budget=2_000, transforms=[Transform(shout), Transform(fail), Tail(4)]
    )
    messages = conversation(5)
    await client.create(messages)
    assert inner.requests[0].messages[-1] == UserMessage(content="GO ON WITH ITEM 5.", source="user")
    assert len(inner.requests[0].messages) <= 5


def test_component_transforms_are_dumped() -> None:
    context = TokenBudgetChatCompletionContext(budget=2_000, transforms=[Tail(7)])
    loaded = TokenBudgetChatCompletionContext.load_component(context.dump_component())
    assert loaded.dump_component() == context.dump_component()
    (transform,) = TransformChain.load(TransformChain([Tail(7)]).dump())
    assert isinstance(transform, Tail)
    assert transform.count == 7


def test_other_transforms_are_not() -> None:
    with pytest.raises(TypeError, match="no AutoGen component"):
        TokenBudgetChatCompletionContext(budget=2_000, transforms=[Transform(shout)]).dump_component()


class Shouting:
    """Can be called as a function can."""

    def __call__(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        return shout(messages)


@pytest.mark.parametrize("function", [shout, Shouting(), partial(shout)])
async def test_a_function_is_a_transform_of_both_hooks(
    function: Callable[[list[LLMMessage]], list[LLMMessage]],
) -> None:
    inner = StrictClient()
    messages: list[LLMMessage] = [UserMessage(content="a", source="u")]
    await TokenBudgetChatCompletionClient(inner, budget=2_000, transforms=[function, Tail(1)]).create(messages)
    context = TokenBudgetChatCompletionContext(budget=2_000, initial_messages=messages, transforms=[function, Tail(1)])
    assert [*inner.requests[0].messages] == await context.get_messages() == [UserMessage(content="A", source="u")]
    assert messages == [UserMessage(content="a", source="u")]


def test_a_function_is_named_in_logs_and_warnings(caplog: pytest.LogCaptureFixture) -> None:
    messages: list[LLMMessage] = [UserMessage(content=text, source="u") for text in "ab"]
    with caplog.at_level(logging.INFO, "autogen_ext_tokenctx"):
        TransformChain([list, last_nine, lambda given: given[1:]]).apply(messages)
    assert [record.getMessage() for record in caplog.records] == ["transform <lambda>: 2 messages in, 1 out"]
    with pytest.warns(RuntimeWarning, match=r"transform fail failed .* its input is used"):
        assert TransformChain([fail]).apply(messages) == messages


@pytest.mark.parametrize("hook", ["context", "client"])
def test_a_function_cannot_be_dumped_and_the_remedy_is_named(hook: str) -> None:
    context = TokenBudgetChatCompletionContext(budget=2_000, transforms=[shout])
    client = TokenBudgetChatCompletionClient(ReplayChatCompletionClient([]), budget=2_000, transforms=[shout])
    with pytest.raises(TypeError, match=r"transform shout cannot be dumped: it is a function\. .*Component") as caught:
        (context if hook == "context" else client).dump_component()
    assert "build the hook in code" in str(caught.value)


async def wait(messages: list[LLMMessage]) -> list[LLMMessage]:
    return messages


@pytest.mark.parametrize("given", ["upper", 3, object(), Tail, wait, None])
def test_what_is_no_transform_is_told_what_is_one(given: Any) -> None:
    with pytest.raises(
        TypeError, match=r"function \(not async\) .* apply_transform\(messages\) and get_logs"
    ) as caught:
        TransformChain([given])
    assert repr(given) in str(caught.value)


@pytest.mark.parametrize("given", [shout, Tail(3)])
def test_a_transform_that_is_in_no_list_is_told_so(given: Any) -> None:
    with pytest.raises(TypeError, match="in a list"):
        TokenBudgetChatCompletionContext(budget=2_000, transforms=given)


async def test_an_empty_history_needs_no_transform() -> None:
    with no_warnings():
        context = TokenBudgetChatCompletionContext(budget=1_000, transforms=[Transform(lambda messages: messages[-3:])])
        assert await context.get_messages() == []
