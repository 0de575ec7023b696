"""Saved messages with roles: of OpenAI's and Anthropic's APIs, and of AutoGen 0.2.

What a model was sent is read whole, or there is an error that names the part that cannot be: a part left out without a
word would make every count and every view of the file wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

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

_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


class RoleReader:
    """Reads the messages of one history, in order: results are paired with the calls that were read before.

    Example:
        >>> RoleReader().read({"role": "user", "content": "Hello"})
        [UserMessage(content='Hello', source='user', type='UserMessage')]
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._function_calls = 0

    def read(self, entry: Mapping[str, Any]) -> list[LLMMessage]:
        """One saved message as the messages that a model gets of it.

        Raises:
            ValueError: Something in it cannot be read; the text names it.
        """
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
        source = entry.get("name") or "user"
        content = _content(entry)
        if not isinstance(content, list):
            return [UserMessage(content=_text(content), source=source)]
        parts = cast("list[Any]", content)
        answers = [part for part in parts if _type_of(part) == "tool_result"]
        read: list[LLMMessage] = []
        beside: list[str | Image] = []
        if answers:
            results = [self._result(part, part.get("tool_use_id"), beside) for part in answers]
            read.append(FunctionExecutionResultMessage(content=results))
        beside += [_part(part) for part in parts if _type_of(part) != "tool_result"]
        if beside or not read:
            read.append(UserMessage(content=beside, source=source))
        return read

    def _results(self, entry: Mapping[str, Any]) -> list[LLMMessage]:
        beside: list[str | Image] = []
        responses = entry.get("tool_responses")  # AutoGen 0.2: all results of a message, and once more as one text
        if responses:
            results = [self._result(response, response.get("tool_call_id"), beside) for response in responses]
        elif entry["role"] == "function":
            call_id = f"function_{self._function_calls}"
            results = [self._result(entry, call_id, beside, entry.get("name"))]
        else:
            results = [self._result(entry, entry.get("tool_call_id"), beside, entry.get("name"))]
        read: list[LLMMessage] = [FunctionExecutionResultMessage(content=results)]
        if beside:
            read.append(UserMessage(content=beside, source="user"))
        return read

    def _result(
        self, answer: Mapping[str, Any], call_id: object, beside: list[str | Image], name: str | None = None
    ) -> FunctionExecutionResult:
        """One result; AutoGen's have no pictures, so those go ``beside``, into a message after the results."""
        content = _content(answer)
        texts: list[str] = []
        for part in map(_part, cast("list[Any]", content) if isinstance(content, list) else [_text(content)]):
            (texts if isinstance(part, str) else beside).append(part)  # type: ignore[arg-type]
        known = str(call_id or "")
        return FunctionExecutionResult(
            content="\n".join(texts),
            name=self._names.get(known) or name or "tool",
            call_id=known,
            is_error=bool(answer.get("is_error")),
        )

    def _assistant(self, entry: Mapping[str, Any]) -> AssistantMessage:
        source = entry.get("name") or "assistant"
        calls = [self._call(call.get("id"), call["function"]) for call in entry.get("tool_calls") or ()]
        if entry.get("function_call"):
            self._function_calls += 1
            calls.append(self._call(f"function_{self._function_calls}", entry["function_call"]))
        thoughts = [entry["reasoning_content"]] if isinstance(entry.get("reasoning_content"), str) else []
        texts: list[str] = []
        content = _content(entry, needed=not calls)
        parts: list[Any] = cast("list[Any]", content) if isinstance(content, list) else [_text(content)]
        for part in parts:
            kind = _type_of(part)
            if kind == "thinking":
                thoughts.append(_string(part, "thinking"))
            elif kind == "tool_use":
                calls.append(self._call(part["id"], {**part, "arguments": json.dumps(part["input"])}))
            else:
                said = _part(part)
                if not isinstance(said, str):
                    raise ValueError("an assistant's message holds an image, which no model of AutoGen's is sent")
                texts.append(said)
        text = "\n".join(filter(None, texts))
        if not calls:
            return AssistantMessage(content=text, thought="\n".join(thoughts) or None, source=source)
        return AssistantMessage(
            content=calls, thought="\n".join(filter(None, [*thoughts, text])) or None, source=source
        )

    def _call(self, call_id: object, called: Mapping[str, Any]) -> FunctionCall:
        arguments = called["arguments"]
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        call = FunctionCall(id=str(call_id or ""), name=str(called["name"]), arguments=arguments)
        self._names[call.id] = call.name
        return call


def read_body(body: Mapping[str, Any]) -> tuple[list[LLMMessage], tuple[ToolSchema, ...]]:
    """What the body of a request has beside its messages: a system text, as Anthropic's has it, and tools.

    Raises:
        ValueError: One of the tools is none that the application runs.

    Example:
        >>> system, tools = read_body({"system": "Be brief.", "tools": [{"name": "look", "input_schema": {}}]})
        >>> system[0].content, tools[0]["name"]
        ('Be brief.', 'look')
    """
    system: list[LLMMessage] = []
    if body.get("system"):
        system.append(SystemMessage(content=_only_text(body["system"])))
    return system, tuple(_tool(tool) for key in ("tools", "functions") for tool in body.get(key) or ())


def _tool(tool: Any) -> ToolSchema:
    given = _mapping(tool)
    function = _mapping(given.get("function", given))
    if not isinstance(function.get("name"), str):
        raise ValueError(f'one of the "tools" is no function with a name: {str(tool)[:60]}; take it out')
    if not {"parameters", "input_schema"} & function.keys() and "function" not in given and "type" in given:
        raise ValueError(f"the tool {function['name']!r} is the provider's own and cannot be counted; take it out")
    parameters: object = function.get("parameters") or function.get("input_schema") or {}
    schema = ParametersSchema(type="object", properties={})
    schema.update(cast("ParametersSchema", parameters))
    return ToolSchema(name=function["name"], description=str(function.get("description") or ""), parameters=schema)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _content(entry: Mapping[str, Any], needed: bool = True) -> object:
    if needed and "content" not in entry:
        raise ValueError('it has no "content"')
    return entry.get("content")


def _text(content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    raise ValueError('"content" is neither a text nor a list of parts')


def _only_text(content: object) -> str:
    if not isinstance(content, list):
        return _text(content)
    parts = [_part(part) for part in cast("list[Any]", content)]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("it holds an image, which no message of its role can")
    return "\n".join(cast("list[str]", parts))


def _type_of(part: Any) -> str:
    if isinstance(part, str):
        return "text"
    if not isinstance(part, dict):
        raise ValueError(f"a part of its content is {type(part).__name__}, not an object")
    return str(cast("Mapping[str, Any]", part).get("type", ""))


def _part(part: Any) -> str | Image:
    """A part that is a text or an image."""
    kind = _type_of(part)
    if isinstance(part, str):
        return part
    if kind in _TEXT_PARTS:
        return _string(part, "text")
    if kind == "image_url":
        url = part["image_url"]["url"]
        return Image.from_uri(url) if url.startswith("data:") else f"[image {url}]"
    if kind == "image" and part.get("source", {}).get("type") == "base64":
        return Image.from_base64(part["source"]["data"])
    if kind == "image" and isinstance(part.get("source", {}).get("url"), str):
        return f"[image {part['source']['url']}]"
    raise ValueError(
        f"a part of its content is of type {kind!r}, which is not read; take it out of the file, or put what it says "
        'there as {"type": "text", "text": "..."}'
    )


def _string(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    if not isinstance(value, str):
        raise ValueError(f'a part of its content has no "{key}"')
    return value


def is_message(value: object) -> bool:
    """Whether a value looks like a saved message of any kind.

    Example:
        >>> is_message({"role": "user", "content": "Hello"}), is_message({"id": 7})
        (True, False)
    """
    if not isinstance(value, dict):
        return False
    keys = cast("Mapping[str, Any]", value).keys()
    return "role" in keys or {"type", "content"} <= keys


def named_lists(value: Mapping[str, Any]) -> Sequence[str]:
    """The keys under which an object has lists of messages."""
    lists = {key: cast("list[object]", inner) for key, inner in value.items() if isinstance(inner, list)}
    return [key for key, inner in lists.items() if inner and is_message(inner[0])]
