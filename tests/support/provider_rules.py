"""What providers refuse in a request, in their own words; of their error messages, as users reported them.

Each rule book takes the JSON of a request and gives what is wrong with it, the first of it first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

Json = dict[str, Any]
Rules = Callable[[Json], Iterator[str]]

_ANTHROPIC_ID = "^[a-zA-Z0-9_-]+$"
_OPENAI_NAME = r"^[^\s<|\\/>]+$"
_EMPTY = "empty array. Expected an array with minimum length 1, but got an empty array instead."
_NO_CONTENT = "all messages must have non-empty content except for the optional final assistant message"
_ALTERNATE = "Conversation roles must alternate user/assistant/user/assistant/..."


def openai_rules(request: Json) -> Iterator[str]:
    """api.openai.com, chat completions."""
    messages: list[Json] = request["messages"]
    if not messages:
        yield f"Invalid 'messages': {_EMPTY}"
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        calls: list[Json] | None = message.get("tool_calls")
        if "name" in message and not re.match(_OPENAI_NAME, message["name"]):
            yield (
                f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern "
                f"'{_OPENAI_NAME}'."
            )
        if message.get("content") is None and not calls:
            yield f"Invalid value for 'content': expected a string, got null. ({where})"
        if calls == []:
            yield f"Invalid '{where}.tool_calls': {_EMPTY}"
        ids = {f"{where}.tool_calls[{n}].id": call["id"] for n, call in enumerate(calls or ())}
        if message["role"] == "tool":
            ids[f"{where}.tool_call_id"] = message["tool_call_id"]
        for place, call_id in ids.items():
            if len(call_id) > 40:
                yield (
                    f"Invalid '{place}': string too long. Expected a string with maximum length 40, but got a string "
                    f"with length {len(call_id)} instead."
                )
    yield from _openai_pairs(messages)


def _openai_pairs(messages: Sequence[Json]) -> Iterator[str]:
    missing: dict[str, None] = {}
    end: Json = {"role": "end"}
    for message in (*messages, end):
        if message["role"] == "tool":
            if message["tool_call_id"] not in missing:
                yield (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'."
                )
            missing.pop(message["tool_call_id"], None)
            continue
        if missing:
            yield (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: " + ", ".join(missing)
            )
        calls: list[Json] = message.get("tool_calls") or []
        missing = dict.fromkeys(call["id"] for call in calls)


def gemma_rules(request: Json) -> Iterator[str]:
    """The chat templates of Gemma, as vLLM applies them; those of the first two take no system message at all."""
    messages: list[Json] = request["messages"]
    if messages and messages[0]["role"] == "system":
        if re.search("gemma-(2-|1|[27]b)", request["model"]):
            yield "System role not supported"
        messages = messages[1:]
    yield from _arguments(messages)
    yield from _alternation(messages, _ALTERNATE)


def mistral_rules(request: Json) -> Iterator[str]:
    """api.mistral.ai and the chat templates of Mistral's models, as vLLM applies them."""
    messages: list[Json] = request["messages"]
    alternate = f"After the optional system message, {_ALTERNATE[0].lower()}{_ALTERNATE[1:]}"
    if re.search(r"7b-instruct-v0\.[12]", request["model"]):  # whose templates have no system message
        alternate = _ALTERNATE
    elif messages and messages[0]["role"] == "system":
        messages = messages[1:]
    for before, message in pairwise(messages):
        if message["role"] == "system" or (before["role"], message["role"]) in (("tool", "user"), ("user", "tool")):
            yield f"Unexpected role '{message['role']}' after role '{before['role']}'"
    for message in messages:
        if "name" in message:
            yield "Extra inputs are not permitted"
        if message["role"] == "assistant" and not message.get("content") and not message.get("tool_calls"):
            yield "Assistant message must have either content or tool_calls, but not none."
        for call in message.get("tool_calls") or ():
            if not re.fullmatch("[a-zA-Z0-9]{9}", call["id"]):
                yield f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9."
    yield from _arguments(messages)
    if any(_openai_pairs(messages)):
        yield "Not the same number of function calls and responses"
    yield from _alternation(messages, alternate)
    if not messages or messages[-1]["role"] not in ("user", "tool"):
        yield "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"


def _arguments(messages: Sequence[Json]) -> Iterator[str]:
    """vLLM decodes the arguments of calls before it applies a template."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            try:
                json.loads(call["function"]["arguments"] or "{}")
            except ValueError as error:
                yield str(error)


def _alternation(messages: Sequence[Json], error: str) -> Iterator[str]:
    """The check of the templates: tool exchanges are left out, all else is in turns and the user begins."""
    talk = [message for message in messages if message["role"] != "tool" and not message.get("tool_calls")]
    if any((message["role"] == "user") != (i % 2 == 0) for i, message in enumerate(talk)):
        yield error


def anthropic_rules(request: Json) -> Iterator[str]:
    """api.anthropic.com, messages."""
    messages: list[Json] = request["messages"]
    if not str(request.get("system", "rules")).strip():
        yield "system: text content blocks must contain non-whitespace text"
    if not messages:
        yield "messages: at least one message is required"
    seen: set[str] = set()
    for i, message in enumerate(messages):
        if message["role"] == "system":
            yield (
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            )
        if set(message) != {"role", "content"}:
            yield f"messages.{i}: Extra inputs are not permitted"
        if not message["content"] and (message["role"] == "user" or i < len(messages) - 1):
            yield f"messages.{i}: {_NO_CONTENT}"
        for n, block in enumerate(_blocks(message)):
            if block["type"] == "text" and not block["text"].strip():
                kind = "contain non-whitespace text" if block["text"] else "be non-empty"
                yield f"messages: text content blocks must {kind}"
            if block["type"] == "tool_use":
                if not re.match(_ANTHROPIC_ID, block["id"]):
                    yield f"messages.{i}.content.{n}.tool_use.id: String should match pattern '{_ANTHROPIC_ID}'"
                if not isinstance(block["input"], dict):
                    yield f"messages.{i}.content.{n}.tool_use.input: Input should be a valid dictionary"
                if block["id"] in seen:
                    yield f"messages.{i}.content.{n}: `tool_use` ids must be unique"
                seen.add(block["id"])
    if "tool_choice" in request and not request.get("tools"):
        yield "tool_choice may only be specified while providing tools"
    yield from _anthropic_turns(messages)
    if messages and messages[-1]["role"] == "assistant" and messages[-1]["content"]:
        last = _blocks(messages[-1])[-1]
        if last["type"] == "text" and last["text"] != last["text"].rstrip():
            yield "messages: final assistant content cannot end with trailing whitespace"
        if re.search(r"-4[-.][6-9]|-[5-9]", request["model"]):
            yield (
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )


def _blocks(message: Json) -> list[Json]:
    content: str | list[Json] = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _anthropic_turns(messages: Sequence[Json]) -> Iterator[str]:
    """Neighbours of one role are one turn; results come first in the turn after their calls."""
    turns: list[tuple[str, list[Json]]] = []
    for message in messages:
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(_blocks(message))
        else:
            turns.append((message["role"], list(_blocks(message))))
    if turns and turns[0][0] != "user":
        yield 'messages: first message must use the "user" role'
    nothing: list[Json] = []
    for i, (before, after) in enumerate(pairwise([nothing, *(blocks for _, blocks in turns), nothing])):
        called = [block["id"] for block in before if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in after if block["type"] == "tool_result"]
        first = {block.get("tool_use_id") for block in after[: len(results)]}
        if missing := [call_id for call_id in called if call_id not in first]:
            yield (
                f"messages.{i - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        for n, call_id in enumerate(results):
            if call_id not in called:
                yield (
                    f"messages.{i}.content.{n}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        if len(set(results)) < len(results):
            yield f"messages.{i}: each tool_use must have a single result. Found multiple `tool_result` blocks"


def ollama_rules(request: Json) -> Iterator[str]:
    """Ollama's own API: it checks little but types."""
    field = "Go struct field ChatRequest.messages"
    for message in request["messages"]:
        if message["role"] not in ("system", "user", "assistant", "tool"):
            yield f'invalid role: {message["role"]}, must be one of ["system", "user", "assistant", "tool"]'
        if not isinstance(message.get("content", ""), str):
            yield f"json: cannot unmarshal array into {field}.content of type string"
        for call in message.get("tool_calls") or ():
            if not isinstance(call["function"]["arguments"], dict):
                yield (
                    f"json: cannot unmarshal string into {field}.tool_calls.function.arguments of type "
                    "api.ToolCallFunctionArguments"
                )
    if request.get("tools") and "gemma" in request["model"]:
        yield f"registry.ollama.ai/library/{request['model']} does not support tools"


def rules_of(model: str) -> Rules:
    """The rule book of who serves a model at an OpenAI-compatible endpoint."""
    if "gemma" in model:
        return gemma_rules
    return mistral_rules if "mistral" in model else openai_rules
