"""What a request is billed for beside its messages and tools: the schema of the answer, and tools given otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from autogen_core.tools import ParametersSchema, Tool, ToolSchema
from pydantic import BaseModel

from ..tokens.tool_schemas import as_mapping

# Everything here becomes a `ToolSchema`, so that whatever counts tools counts it: one with parameters is a tool; one
# without, whose description is a JSON schema, is the text of that schema, which is all that the prompt has of it.
#
# What AutoGen's clients send of it (autogen-ext 0.7.5, bodies of real requests):
# - OpenAI: the schema of `json_output=Model` and of `response_format`, made strict; `json_output=True` or `False` takes
#   the place of a `response_format` that is no class; `functions`, and all that `extra_body` holds.
# - Anthropic: no schema (a class is refused). Without tools, those of the last request that had some, if there are
#   tool results: the API asks for them.
# - Ollama and llama.cpp: the schema as a grammar, which is no part of the prompt. Ollama leaves all tools out for
#   `tool_choice="none"`, and sends the chosen one alone.


def answer_schema(
    json_output: bool | type[BaseModel] | None, settings: Mapping[str, object]
) -> tuple[str, Mapping[str, object]] | None:
    """Return the name and the JSON schema of the answer that a request asks for; None when it asks for none."""
    body = as_mapping(settings.get("extra_body"))
    if "response_format" in body:  # it replaces what else the request has
        return _of_format(body["response_format"])
    if isinstance(json_output, type):
        return _of_format(json_output)
    given = settings.get("response_format") or settings.get("format")
    if json_output is not None and not isinstance(given, type):
        return None
    return _of_format(given)


def as_text(name: str, schema: Mapping[str, object]) -> ToolSchema:
    """Return a schema as the text of which the prompt has it, in the strict form that OpenAI's library gives it."""
    # How OpenAI shows it to its older models is not documented; the harmony format of gpt-oss has the plain JSON under
    # a heading with the name. Spaces after its commas and colons err on the high side, by a quarter.
    text = json.dumps(_strict(schema), ensure_ascii=False, default=str)
    return ToolSchema(name=name, description=text, parameters=ParametersSchema(type="object", properties={}))


def as_tool(name: str, schema: Mapping[str, object]) -> ToolSchema:
    """Return a schema as the tool that the model has to call with its answer, as gateways to Claude send it."""
    return ToolSchema(
        name=name, description=str(schema.get("description", "")), parameters=cast(ParametersSchema, dict(schema))
    )


def given_tools(settings: Mapping[str, object]) -> list[Tool | ToolSchema]:
    """Return the tools that further arguments of a call bring as `tools` or `functions`, also in `extra_body`."""
    places = settings, as_mapping(settings.get("extra_body"))
    return [tool for place in places for key in ("tools", "functions") for tool in _tools(place.get(key))]


def _of_format(given: Any) -> tuple[str, Mapping[str, object]] | None:
    if isinstance(given, type):
        return (given.__name__, given.model_json_schema()) if issubclass(given, BaseModel) else None
    form = as_mapping(given)
    named = as_mapping(form.get("json_schema"))
    schema = as_mapping(named.get("schema")) or as_mapping(form.get("schema"))
    if schema:
        return str(named.get("name", "response")), schema
    is_schema = "properties" in form or "$ref" in form or form.get("type") in ("object", "array")
    return (str(form.get("title", "response")), form) if is_schema else None


def _tools(given: object) -> Iterator[Tool | ToolSchema]:
    for item in cast("Sequence[object]", given) if isinstance(given, (list, tuple)) else ():
        if isinstance(item, Tool):
            yield item
            continue
        form = as_mapping(item)
        function = as_mapping(form.get("function")) or form
        if "name" in function:
            parameters = as_mapping(function.get("parameters")) or as_mapping(function.get("input_schema"))
            yield ToolSchema(
                name=str(function["name"]),
                description=str(function.get("description") or ""),
                parameters=cast(ParametersSchema, dict(parameters)),
            )


def _strict(value: object) -> object:
    """Return the schema with every property required and no others allowed."""
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in cast("Sequence[object]", value)]
    if not isinstance(value, Mapping):
        return value
    schema = {str(key): _strict(item) for key, item in cast("Mapping[object, object]", value).items()}
    if schema.get("type") == "object":
        schema["additionalProperties"] = False
        schema["required"] = list(as_mapping(schema.get("properties")))
    return schema
