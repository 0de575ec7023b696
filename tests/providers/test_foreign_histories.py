"""Histories that another model, a cancelled run or a saved state left: no provider refuses what is made of them."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient

from ..support.histories import look
from ..support.provider_server import ProviderServer, provider_server
from .endpoints import CLAUDE, CLAUDE_OPUS, ENDPOINTS, GEMMA_2, GEMMA_3, GPT, LLAMA, MISTRAL, Endpoint

LOOK = FunctionTool(look, "Look at an item.")


def system(text: str) -> SystemMessage:
    return SystemMessage(content=text)


def user(text: str) -> UserMessage:
    return UserMessage(content=text, source="user")


def said(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def calling(call_id: str, arguments: str = '{"item": 1}') -> AssistantMessage:
    return AssistantMessage(content=[FunctionCall(id=call_id, name="look", arguments=arguments)], source="coder")


def result(call_id: str, content: str = "42") -> FunctionExecutionResultMessage:
    answer = FunctionExecutionResult(content=content, name="look", call_id=call_id, is_error=False)
    return FunctionExecutionResultMessage(content=[answer])


def exchange(call_id: str, arguments: str = '{"item": 1}') -> list[LLMMessage]:
    return [calling(call_id, arguments), result(call_id)]


RULES, TASK = system("Be brief."), user("Look.")
HISTORIES: dict[str, list[LLMMessage]] = {
    "late system messages": [RULES, TASK, system("Hall 4."), said("Yes."), user("And?"), system("Hall 5.")],
    "system messages alone": [RULES, system("Hall 4.")],
    "two users in a row": [RULES, TASK, user("Now."), said("Yes."), user("And?")],
    "an assistant first": [RULES, said("Hello."), TASK],
    "an assistant last": [RULES, TASK, said("Done. ")],
    "empty texts": [system(" "), TASK, said(""), user(" "), said(" "), user("And?")],
    "an empty result": [RULES, TASK, calling("toolu_1"), result("toolu_1", "")],
    "a user after results": [RULES, TASK, *exchange("toolu_1"), user("And?")],
    "long ids": [RULES, TASK, *exchange("chatcmpl-tool-" + "a" * 32), user("And?")],
    "ids with dots": [RULES, TASK, *exchange("functions.look:0"), user("And?")],
    "empty ids": [RULES, TASK, *exchange(""), user("And?")],
    "ids used again": [RULES, TASK, *exchange("call_0"), user("Again."), *exchange("call_0"), *exchange("call_0")],
    "no arguments": [RULES, TASK, *exchange("toolu_1", ""), user("And?")],
    "broken arguments": [RULES, TASK, *exchange("toolu_1", '{"item": 1'), user("And?")],
    "arguments in prose": [RULES, TASK, *exchange("toolu_1", "item one"), user("And?")],
    "arguments that are a list": [RULES, TASK, *exchange("toolu_1", "[1]"), user("And?")],
    "arguments that are a number": [RULES, TASK, *exchange("toolu_1", "1"), user("And?")],
    "half a character": [RULES, user("half \ud83d"), *exchange("toolu_1", '{"item": "\ud83d"}'), user("And?")],
    "a call without its result": [RULES, TASK, calling("toolu_1"), user("And?")],
    "a result without its call": [RULES, TASK, result("toolu_1"), user("And?")],
    "a user between call and result": [RULES, TASK, calling("toolu_1"), user("Well?"), result("toolu_1"), user("And?")],
    "a memory between call and result": [RULES, TASK, calling("toolu_1"), system("Hall 4."), result("toolu_1")],
}


@pytest.fixture(scope="module")
def server() -> Generator[ProviderServer, None, None]:
    with provider_server() as served:
        yield served


@pytest.mark.parametrize("history", list(HISTORIES.values()), ids=list(HISTORIES))
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
async def test_what_is_made_of_it_is_taken(
    server: ProviderServer, endpoint: Endpoint, history: list[LLMMessage]
) -> None:
    client = TokenBudgetChatCompletionClient(endpoint.client(server), 2_000)
    await client.create(history, tools=[LOOK])
    await client.close()


REFUSED: list[tuple[Endpoint, str, str]] = [
    (GPT, "long ids", "maximum length 40, but got a string with length 46"),
    (GPT, "half a character", "surrogates not allowed"),
    (GPT, "a call without its result", "did not have response messages: toolu_1"),
    (GPT, "a result without its call", "must be a response to a preceeding message"),
    (GPT, "a memory between call and result", "did not have response messages: toolu_1"),
    (CLAUDE, "late system messages", "Multiple and Not continuous system messages"),
    (CLAUDE, "an assistant first", "first message must use the"),
    (CLAUDE, "empty texts", "non-empty content|non-whitespace text"),
    (CLAUDE, "ids with dots", "String should match pattern"),
    (CLAUDE, "ids used again", "ids must be unique"),
    (CLAUDE, "arguments that are a list", "Input should be a valid dictionary"),
    (CLAUDE, "a user between call and result", "without `tool_result` blocks immediately after"),
    (CLAUDE_OPUS, "an assistant last", "does not support assistant message prefill"),
    (GEMMA_2, "a user after results", "System role not supported"),
    (GEMMA_3, "two users in a row", "roles must alternate"),
    (GEMMA_3, "a user after results", "roles must alternate"),
    (GEMMA_3, "broken arguments", "Expecting"),
    (MISTRAL, "two users in a row", "roles must alternate"),
    (MISTRAL, "a user after results", "Unexpected role 'user' after role 'tool'"),
    (MISTRAL, "an empty result", "Tool call id was toolu_1 but must be"),
    (LLAMA, "no arguments", "Expecting value"),
    (LLAMA, "arguments that are a list", "Input should be a valid dictionary"),
]


@pytest.mark.parametrize(("endpoint", "name", "why"), REFUSED, ids=[f"{e}-{name}" for e, name, _ in REFUSED])
async def test_without_this_package_it_is_refused(
    server: ProviderServer, endpoint: Endpoint, name: str, why: str
) -> None:
    client = endpoint.client(server)
    with pytest.raises(Exception, match=why):
        await client.create(HISTORIES[name], tools=[LOOK])
    await client.close()
