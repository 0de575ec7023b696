"""What a request is billed for beside its messages and tools: the schema of the answer, and tools given by other ways.

Everything here becomes a `ToolSchema`, so that whatever counts tools counts it: one with parameters is a tool; one
without, whose description is a JSON schema, is the text of that schema, which is all that the prompt has of it.

What AutoGen's clients send of it (autogen-ext 0.7.5, bodies of real requests):

- OpenAI: the schema of ``json_output=Model`` and of ``response_format``, made strict; ``json_output=True`` or ``False``
  takes the place of a ``response_format`` that is no class; ``functions``, and all that ``extra_body`` holds.
- Anthropic: no schema (a class is refused). Without tools, those of the last request that had some, if there are
  tool results: the API asks for them.
- Ollama and llama.cpp: the schema as a grammar, which is no part of the prompt. Ollama leaves all tools out for
  ``tool_choice="none"``, and sends the chosen one alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from autogen_core.tools import ParametersSchema, Tool, ToolSchema
from pydantic import BaseModel

_NAME = "response"


def answer_schema(
    json_output: bool | type[BaseModel] | None, settings: Mapping[str, object]
) -> tuple[str, Mapping[str, object]] | None:
    """Return the name and the JSON schema of the answer that a request asks for; None when it asks for none.

    Args:
        json_output: As given to the model client. A class goes first; another value takes the place of a
            ``response_format`` that is no class, as in AutoGen's OpenAI client.
        settings: Further arguments of the call: ``response_format`` or ``format``, a class or the form that
            OpenAI, Ollama or llama.cpp takes; also inside ``extra_body``.

    Raises:
        Exception: Whatever pydantic raises for a class that has no JSON schema.

    Example:
        >>> class Answer(BaseModel):
        ...     city: str
        >>> name, schema = answer_schema(Answer, {})
        >>> name, list(schema["properties"])
        ('Answer', ['city'])
        >>> answer_schema(True, {"response_format": {"type": "json_object"}}) is None
        True
    """
    body = _mapping(settings.get("extra_body"))
    if "response_format" in body:  # it replaces what else the request has
        return _of_format(body["response_format"])
    if isinstance(json_output, type):
        return _of_format(json_output)
    given = settings.get("response_format") or settings.get("format")
    if json_output is not None and not isinstance(given, type):
        return None
    return _of_format(given)


def as_text(name: str, schema: Mapping[str, object]) -> ToolSchema:
    """Return a schema as the text of which the prompt has it, in the strict form that OpenAI's library gives it.

    How OpenAI shows it to its older models is not documented; the harmony format of gpt-oss has the plain JSON under a
    heading with the name. Spaces after its commas and colons err on the high side, by a quarter.

    Example:
        >>> as_text("Answer", {"type": "object", "properties": {"city": {}}})["description"]
        '{"type": "object", "properties": {"city": {}}, "additionalProperties": false, "required": ["city"]}'
    """
    text = json.dumps(_strict(schema), ensure_ascii=False, default=str)
    return ToolSchema(name=name, description=text, parameters=ParametersSchema(type="object", properties={}))


def as_tool(name: str, schema: Mapping[str, object]) -> ToolSchema:
    """Return a schema as the tool that the model has to call with its answer, as gateways to Claude send it.

    Example:
        >>> as_tool("Answer", {"description": "Where.", "properties": {"city": {}}})["description"]
        'Where.'
    """
    return ToolSchema(
        name=name, description=str(schema.get("description", "")), parameters=cast(ParametersSchema, dict(schema))
    )


def given_tools(settings: Mapping[str, object]) -> list[Tool | ToolSchema]:
    """Return the tools that further arguments of a call bring, in any of the usual forms.

    Args:
        settings: ``tools`` or ``functions``, also inside ``extra_body``.

    Example:
        >>> found = given_tools({"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]})
        >>> [tool["name"] for tool in found]
        ['look']
    """
    places = settings, _mapping(settings.get("extra_body"))
    return [tool for place in places for key in ("tools", "functions") for tool in _tools(place.get(key))]


def _of_format(given: Any) -> tuple[str, Mapping[str, object]] | None:
    if isinstance(given, type):
        return (given.__name__, given.model_json_schema()) if issubclass(given, BaseModel) else None
    form = _mapping(given)
    named = _mapping(form.get("json_schema"))
    schema = _mapping(named.get("schema")) or _mapping(form.get("schema"))
    if schema:
        return str(named.get("name", _NAME)), schema
    is_schema = "properties" in form or "$ref" in form or form.get("type") in ("object", "array")
    return (str(form.get("title", _NAME)), form) if is_schema else None


def _tools(given: object) -> Iterator[Tool | ToolSchema]:
    for item in cast("Sequence[object]", given) if isinstance(given, (list, tuple)) else ():
        if isinstance(item, Tool):
            yield item
            continue
        form = _mapping(item)
        function = _mapping(form.get("function")) or form
        if "name" in function:
            parameters = _mapping(function.get("parameters")) or _mapping(function.get("input_schema"))
            yield ToolSchema(
                name=str(function["name"]),
                description=str(function.get("description") or ""),
                parameters=cast(ParametersSchema, dict(parameters)),
            )


def _strict(value: object) -> object:
    """The schema with every property required and no others allowed."""
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in cast("Sequence[object]", value)]
    if not isinstance(value, Mapping):
        return value
    schema = {str(key): _strict(item) for key, item in cast("Mapping[object, object]", value).items()}
    if schema.get("type") == "object":
        schema["additionalProperties"] = False
        schema["required"] = list(_mapping(schema.get("properties")))
    return schema


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
