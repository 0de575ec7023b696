"""Saved messages, read as what a model gets: AutoGen's, those between agents, and those with roles.

Roles are those of OpenAI's and Anthropic's APIs and of AutoGen 0.2. What a model was sent is read whole, or there is an
error that names the part that cannot be: a part left out without a word would make every count and every view wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.messages import BaseChatMessage, MessageFactory
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
from pydantic import TypeAdapter, ValidationError

from ..errors import TokenCtxError

_MESSAGE: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)
_LLM_TYPES = frozenset({"SystemMessage", "UserMessage", "AssistantMessage", "FunctionExecutionResultMessage"})
_CHAT = MessageFactory()
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


class BadFileError(TokenCtxError, ValueError):
    """A file cannot be read as what it should be; the text is one line and says what would help."""


def read_messages(values: Sequence[object], whose: str) -> list[LLMMessage]:
    """Return saved messages of any kind as a model gets them; events, which no model gets, are left out."""
    found: list[LLMMessage] = []
    roles = _RoleReader()
    for number, value in enumerate(values):
        where = f"message {number} of {whose}"
        entry = a_mapping(value, where)
        try:
            if "role" in entry and entry.get("type", "message") == "message":
                found += roles.read(entry)
            elif entry.get("type") in _LLM_TYPES:
                found.append(_MESSAGE.validate_python(entry))
            elif not str(entry.get("type", "")).endswith("Event"):
                found.append(_chat_message(entry))
        except Exception as error:  # whatever an image decoder raises is a broken file, too
            raise BadFileError(f"{where} is broken: {one_line(error)}") from error
    return found


def read_body(body: Mapping[str, Any]) -> tuple[list[LLMMessage], tuple[ToolSchema, ...]]:
    """Return what the body of a request has beside messages: a system text, as Anthropic's has it, and tools."""
    system: list[LLMMessage] = [SystemMessage(content=_only_text(body["system"]))] if body.get("system") else []
    return system, tuple(_tool(tool) for key in ("tools", "functions") for tool in body.get(key) or ())


def is_message(value: object) -> bool:
    """Return whether a value looks like a saved message of any kind."""
    keys = _mapping(value).keys()
    return "role" in keys or {"type", "content"} <= keys


def is_between_agents(value: object) -> bool:
    """Return whether a saved message is one that agents send each other, and not one that a model gets."""
    entry = _mapping(value)
    return "role" not in entry and isinstance(entry.get("type"), str) and entry["type"] not in _LLM_TYPES


def a_mapping(value: object, what: str) -> Mapping[str, Any]:
    """Return ``value``, if it is an object; ``what`` names it in the error."""
    if not isinstance(value, dict):
        raise BadFileError(f"{what} is {type(value).__name__}, not an object")
    return cast("Mapping[str, Any]", value)


def a_list(value: object, what: str) -> Sequence[object]:
    """Return ``value``, if it is a list; ``what`` names it in the error."""
    if not isinstance(value, list):
        raise BadFileError(f"{what} is {type(value).__name__}, not a list")
    return cast("Sequence[object]", value)


def one_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'][1:])) or 'it'}: {first['msg']}"
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _chat_message(entry: Mapping[str, Any]) -> LLMMessage:
    """Return a message between agents as the agent that gets it shows it to its model."""
    try:
        message = _CHAT.create(entry)
    except ValueError as error:
        if isinstance(error, ValidationError):
            raise
        message = None  # of a type that an application made, such as StructuredMessage[…]
    if isinstance(message, BaseChatMessage):
        return message.to_model_message()
    if not {"type", "source", "content"} <= entry.keys():
        raise ValueError('it has neither "role" nor "type", "source" and "content"')
    content = entry["content"]
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return UserMessage(content=text, source=entry["source"])


class _RoleReader:
    """Reads the messages of one history, in order: results are paired with the calls that were read before."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # of the tools, by the ids of their calls: a result does not name its tool
        self._function_calls = 0  # calls without an id get the number of the last one, and so do their results

    def read(self, entry: Mapping[str, Any]) -> list[LLMMessage]:
        role = entry["role"]
        for key in ("parts", "refusal", "audio"):
            if entry.get(key):
                raise ValueError(f'it has "{key}", which is not read; give its text as "content"')
        if role in ("system", "developer"):
            return [SystemMessage(content=_only_text(entry.get("content")))]
        if role == "user":
            return self._user(entry)
        if role in ("tool", "function"):
            return self._results(entry)
        if role == "assistant":
            return [self._assistant(entry)]
        raise ValueError(f"the role {role!r} is none of system, developer, user, assistant, tool, function")

    def _user(self, entry: Mapping[str, Any]) -> list[LLMMessage]:
        source, content = entry.get("name") or "user", _content(entry)
        if not isinstance(content, list):
            return [UserMessage(content=_text(content), source=source)]
        parts = cast("list[Any]", content)
        answers = [(part, part.get("tool_use_id")) for part in parts if _type_of(part) == "tool_result"]
        others = map(_part, (part for part in parts if _type_of(part) != "tool_result"))
        return self._answered(answers, source, others) or [UserMessage(content=[], source=source)]

    def _results(self, entry: Mapping[str, Any]) -> list[LLMMessage]:
        # AutoGen 0.2 has all results of a message in a list, and once more as one text
        if responses := entry.get("tool_responses"):
            return self._answered([(response, response.get("tool_call_id")) for response in responses])
        is_function = entry["role"] == "function"
        call_id = f"function_{self._function_calls}" if is_function else entry.get("tool_call_id")
        return self._answered([(entry, call_id)])

    def _answered(
        self, answers: Sequence[tuple[Any, object]], source: str = "user", others: Iterable[str | Image] = ()
    ) -> list[LLMMessage]:
        """Return results, and a message after them of what else there is, and of pictures, which AutoGen's have not."""
        beside: list[str | Image] = []
        results: list[FunctionExecutionResult] = []
        for answer, call_id in answers:
            parts, known = _parts(_content(answer)), str(call_id or "")
            beside += [part for part in parts if not isinstance(part, str)]
            results.append(
                FunctionExecutionResult(
                    content="\n".join(part for part in parts if isinstance(part, str)),
                    name=self._names.get(known) or answer.get("name") or "tool",
                    call_id=known,
                    is_error=bool(answer.get("is_error")),
                )
            )
        beside += others
        read: list[LLMMessage] = [FunctionExecutionResultMessage(content=results)] if results else []
        return [*read, UserMessage(content=beside, source=source)] if beside else read

    def _assistant(self, entry: Mapping[str, Any]) -> AssistantMessage:
        source = entry.get("name") or "assistant"
        calls = [self._call(call.get("id"), call["function"]) for call in entry.get("tool_calls") or ()]
        if entry.get("function_call"):  # of AutoGen 0.2 and the API of its time, without an id
            self._function_calls += 1
            calls.append(self._call(f"function_{self._function_calls}", entry["function_call"]))
        thoughts = [entry["reasoning_content"]] if isinstance(entry.get("reasoning_content"), str) else []
        texts: list[str] = []
        content = _content(entry) if not calls else entry.get("content")
        parts: list[Any] = cast("list[Any]", content) if isinstance(content, list) else [_text(content)]
        for part in parts:
            kind = _type_of(part)
            if kind == "thinking":
                thoughts.append(_string(part, "thinking"))
            elif kind == "tool_use":
                calls.append(self._call(part["id"], {**part, "arguments": json.dumps(part["input"])}))
            else:
                texts.append(_only_text([part]))
        text = "\n".join(filter(None, texts))
        if not calls:
            return AssistantMessage(content=text, thought="\n".join(thoughts) or None, source=source)
        thought = "\n".join(filter(None, [*thoughts, text])) or None
        return AssistantMessage(content=calls, thought=thought, source=source)

    def _call(self, call_id: object, called: Mapping[str, Any]) -> FunctionCall:
        arguments = called["arguments"]
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        call = FunctionCall(id=str(call_id or ""), name=str(called["name"]), arguments=arguments)
        self._names[call.id] = call.name
        return call


def _tool(tool: object) -> ToolSchema:
    given = _mapping(tool)
    function = _mapping(given.get("function", given))
    if not isinstance(function.get("name"), str):
        raise ValueError(f'one of the "tools" is no function with a name: {str(tool)[:60]}; take it out')
    if not {"parameters", "input_schema"} & function.keys() and "function" not in given and "type" in given:
        raise ValueError(f"the tool {function['name']!r} is the provider's own and cannot be counted; take it out")
    schema = ParametersSchema(type="object", properties={})
    schema.update(cast("ParametersSchema", function.get("parameters") or function.get("input_schema") or {}))
    return ToolSchema(name=function["name"], description=str(function.get("description") or ""), parameters=schema)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _content(entry: Mapping[str, Any]) -> object:
    if "content" not in entry:
        raise ValueError('it has no "content"')
    return entry["content"]


def _text(content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    raise ValueError('"content" is neither a text nor a list of parts')


def _parts(content: object) -> list[str | Image]:
    return list(map(_part, cast("list[Any]", content) if isinstance(content, list) else [_text(content)]))


def _only_text(content: object) -> str:
    parts = _parts(content)
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("it holds an image, which no message of its role can")
    return "\n".join(cast("list[str]", parts))


def _type_of(part: object) -> str:
    if isinstance(part, str):
        return "text"
    if not isinstance(part, dict):
        raise ValueError(f"a part of its content is {type(part).__name__}, not an object")
    return str(cast("Mapping[str, Any]", part).get("type", ""))


def _part(part: Any) -> str | Image:
    """Return a part that is a text or an image."""
    kind = _type_of(part)
    if isinstance(part, str):
        return part
    if kind in _TEXT_PARTS:
        return _string(part, "text")
    if kind == "image_url":
        url = part["image_url"]["url"]
        return Image.from_uri(url) if url.startswith("data:") else f"[image {url}]"
    source = _mapping(part.get("source"))
    if kind == "image" and source.get("type") == "base64":
        return Image.from_base64(source["data"])
    if kind == "image" and isinstance(source.get("url"), str):
        return f"[image {source['url']}]"
    raise ValueError(
        f"a part of its content is of type {kind!r}, which is not read; take it out of the file, or put what it says "
        'there as {"type": "text", "text": "..."}'
    )


def _string(part: Mapping[str, Any], key: str) -> str:
    if not isinstance(value := part.get(key), str):
        raise ValueError(f'a part of its content has no "{key}"')
    return value
