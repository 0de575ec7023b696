"""The server that plays the providers refuses what they refuse, each with the provider's own error."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import Any

import pytest

from ..support.provider_rules import Json
from ..support.provider_server import ProviderServer, provider_server

OPENAI, ANTHROPIC, OLLAMA = "/v1/chat/completions", "/v1/messages", "/api/chat"

SYSTEM: Json = {"role": "system", "content": "Rules."}
USER: Json = {"role": "user", "content": "Hi."}
SAID: Json = {"role": "assistant", "content": "Hello."}


def calls(*ids: str) -> Json:
    function = {"name": "look", "arguments": "{}"}
    return {"role": "assistant", "tool_calls": [{"id": i, "type": "function", "function": function} for i in ids]}


def result(call_id: str) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": "42"}


def uses(*ids: str, given: Any = ()) -> Json:
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": i, "name": "look", "input": dict(given)} for i in ids],
    }


def used(*ids: str) -> Json:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": i, "content": "42"} for i in ids]}


def text(said: str, role: str = "user") -> Json:
    return {"role": role, "content": [{"type": "text", "text": said}]}


NINE = "abcde1234"
LIST: Json = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "a", "name": "look", "input": [1]}],
}
BAD: list[tuple[str, str, list[Json], str]] = [
    (OPENAI, "gpt-4o", [], "Invalid 'messages': empty array"),
    (OPENAI, "gpt-4o", [{**USER, "name": "a b"}], "Invalid 'messages[0].name': string does not match pattern"),
    (OPENAI, "gpt-4o", [{**USER, "content": None}], "expected a string, got null"),
    (OPENAI, "gpt-4o", [USER, {**SAID, "tool_calls": []}], "Invalid 'messages[1].tool_calls': empty array"),
    (OPENAI, "gpt-4o", [USER, calls("x" * 41), result("x" * 41)], "maximum length 40, but got a string with length 41"),
    (OPENAI, "gpt-4o", [USER, result("a")], "must be a response to a preceeding message with 'tool_calls'"),
    (OPENAI, "gpt-4o", [USER, calls("a", "b"), result("a"), USER], "did not have response messages: b"),
    (OPENAI, "gpt-4o", [USER, calls("a"), USER, result("a")], "did not have response messages: a"),
    (OPENAI, "gemma-2-9b-it", [SYSTEM, USER], "System role not supported"),
    (OPENAI, "gemma-3-27b-it", [SYSTEM, USER, USER], "Conversation roles must alternate"),
    (OPENAI, "gemma-3-27b-it", [SYSTEM, USER, SAID, SYSTEM], "Conversation roles must alternate"),
    (OPENAI, "gemma-3-27b-it", [SYSTEM, SAID, USER], "Conversation roles must alternate"),
    (OPENAI, "mistral-7b-instruct-v0.2", [SYSTEM, USER], "Conversation roles must alternate"),
    (OPENAI, "mistral-large", [SYSTEM, USER, USER], "After the optional system message, conversation roles must"),
    (OPENAI, "mistral-large", [USER, SYSTEM], "Unexpected role 'system' after role 'user'"),
    (OPENAI, "mistral-large", [USER, calls(NINE), result(NINE), USER], "Unexpected role 'user' after role 'tool'"),
    (OPENAI, "mistral-large", [USER, calls("call_0001"), result("call_0001")], "Tool call id was call_0001 but must"),
    (OPENAI, "mistral-large", [USER, calls(NINE)], "Not the same number of function calls and responses"),
    (OPENAI, "mistral-large", [USER, {**SAID, "content": ""}, USER], "either content or tool_calls, but not none"),
    (OPENAI, "mistral-large", [USER, SAID], "Expected last role User or Tool"),
    (OPENAI, "mistral-large", [{**USER, "name": "user"}], "Extra inputs are not permitted"),
    (ANTHROPIC, "claude-sonnet-4", [], "at least one message is required"),
    (ANTHROPIC, "claude-sonnet-4", [USER, SYSTEM], 'Unexpected role "system"'),
    (ANTHROPIC, "claude-sonnet-4", [{**USER, "name": "user"}], "Extra inputs are not permitted"),
    (ANTHROPIC, "claude-sonnet-4", [USER, {**SAID, "content": ""}, USER], "all messages must have non-empty content"),
    (ANTHROPIC, "claude-sonnet-4", [text("")], "text content blocks must be non-empty"),
    (ANTHROPIC, "claude-sonnet-4", [text(" ")], "text content blocks must contain non-whitespace text"),
    (ANTHROPIC, "claude-sonnet-4", [SAID, USER], 'first message must use the "user" role'),
    (ANTHROPIC, "claude-sonnet-4", [USER, uses("a.b"), used("a.b")], "should match pattern '^[a-zA-Z0-9_-]+$'"),
    (ANTHROPIC, "claude-sonnet-4", [USER, LIST, used("a")], "tool_use.input: Input should be a valid dictionary"),
    (ANTHROPIC, "claude-sonnet-4", [USER, *[uses("a"), used("a")] * 2], "messages.3.content.0: `tool_use` ids must be"),
    (
        ANTHROPIC,
        "claude-sonnet-4",
        [USER, uses("a"), USER, used("a")],
        "found without `tool_result` blocks",
    ),
    (ANTHROPIC, "claude-sonnet-4", [USER, uses("a", "b"), used("a")], "immediately after: b"),
    (ANTHROPIC, "claude-sonnet-4", [USER, used("a")], "unexpected `tool_use_id` found in `tool_result` blocks: a"),
    (ANTHROPIC, "claude-sonnet-4", [USER, uses("a"), used("a", "a")], "each tool_use must have a single result"),
    (ANTHROPIC, "claude-sonnet-4", [USER, {**SAID, "content": "So "}], "cannot end with trailing whitespace"),
    (ANTHROPIC, "claude-opus-4-6", [USER, SAID], "does not support assistant message prefill"),
    (OLLAMA, "llama3.2", [{**USER, "role": "function"}], "invalid role: function"),
    (OLLAMA, "llama3.2", [text("Hi.")], "cannot unmarshal array into Go struct field ChatRequest.messages.content"),
    (OLLAMA, "llama3.2", [USER, calls("a")], "cannot unmarshal string into Go struct field ChatRequest.messages"),
    (OLLAMA, "gemma3", [USER], "registry.ollama.ai/library/gemma3 does not support tools"),
]
"""Endpoint, model, messages, and what the error says."""

GOOD: list[tuple[str, str, list[Json]]] = [
    (OPENAI, "gpt-4o", [SYSTEM, USER, SYSTEM, calls("a", "b"), result("b"), result("a"), USER, USER, SAID]),
    (OPENAI, "gemma-2-9b-it", [USER, calls("a"), result("a"), SAID, USER]),
    (OPENAI, "gemma-3-27b-it", [SYSTEM, USER, SAID, USER]),
    (OPENAI, "mistral-large", [SYSTEM, USER, calls(NINE), result(NINE), SAID, USER]),
    (ANTHROPIC, "claude-sonnet-4", [USER, USER, uses("a", "b"), used("b", "a"), USER, SAID, uses("c"), used("c")]),
    (OLLAMA, "llama3.2", [USER, SYSTEM, USER]),
]


@pytest.fixture(scope="module")
def server() -> Generator[ProviderServer, None, None]:
    with provider_server() as served:
        yield served


def ask(server: ProviderServer, path: str, model: str, messages: list[Json], **more: object) -> tuple[int, Json]:
    tools = [{"name": "look"}]
    body = json.dumps({"model": model, "messages": messages, "tools": tools, **more}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, body)) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize(("path", "model", "messages", "refusal"), BAD, ids=[f"{bad[1]}: {bad[3]}" for bad in BAD])
def test_what_is_refused(server: ProviderServer, path: str, model: str, messages: list[Json], refusal: str) -> None:
    status, body = ask(server, path, model, messages)
    assert status == 400
    assert refusal.lower() in json.dumps(body).replace('\\"', '"').lower()


@pytest.mark.parametrize(
    ("more", "refusal"),
    [({"tools": [], "tool_choice": {"type": "auto"}}, "tool_choice"), ({"system": " "}, "system: text")],
)
def test_what_is_beside_the_messages_is_refused(server: ProviderServer, more: Json, refusal: str) -> None:
    status, body = ask(server, ANTHROPIC, "claude-sonnet-4", [USER, uses("a"), used("a")], **more)
    assert status == 400
    assert refusal in body["error"]["message"]


@pytest.mark.parametrize(("path", "model", "messages"), GOOD)
def test_what_is_taken(server: ProviderServer, path: str, model: str, messages: list[Json]) -> None:
    assert ask(server, path, model, messages)[0] == 200


def test_refusals_and_requests_are_kept() -> None:
    with provider_server() as server:
        ask(server, OPENAI, "gpt-4o", [])
        ask(server, OPENAI, "gpt-4o", [USER])
    assert [len(request["messages"]) for request in server.requests] == [0, 1]
    assert len(server.refusals) == 1
