"""Tool schemas become the text that OpenAI is known to make of them, whatever they hold."""

import enum

import pytest
from autogen_core.tools import FunctionTool, ParametersSchema, ToolSchema
from pydantic import BaseModel

from autogen_ext_tokenctx.models.counters import TiktokenCounter
from autogen_ext_tokenctx.tokens.tool_schemas import render_tool

TIKTOKEN = TiktokenCounter()


def tool(name: str, **properties: object) -> ToolSchema:
    return ToolSchema(name=name, parameters=ParametersSchema(type="object", properties=properties))


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Node(BaseModel):
    label: str
    level: Level = Level.LOW
    children: list["Node"] = []


@pytest.mark.parametrize(
    ("schema", "type_text"),
    [
        ({"type": "integer"}, "number"),
        ({"type": "integer", "enum": [1, 2]}, "1 | 2"),
        ({"enum": ["a", None]}, '"a" | null'),
        ({"type": ["string", "null"]}, "string | null"),
        ({"const": "x"}, '"x"'),
        ({"type": "array", "items": {"type": "string"}}, "string[]"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "array"}, "any[]"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}, "[string, number]"),
        ({"type": "object"}, "object"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "Record<string, number>"),
        ({"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}]}, '"S" | "L" | null'),
        ({"$ref": "#/$defs/Missing"}, "any"),
        ({"$ref": "#/$defs/Loop"}, "Loop[]"),
        ({"properties": {"in": {"type": "boolean"}}, "required": ["in"]}, "{\n  in: boolean,\n}"),
    ],
)
def test_types_are_written_in_full(schema: dict[str, object], type_text: str) -> None:
    definitions = {"Size": {"enum": ["S", "L"]}, "Loop": {"type": "array", "items": {"$ref": "#/$defs/Loop"}}}
    text = render_tool("f", "", {"properties": {"p": schema}, "$defs": definitions})
    assert text == f"type f = (_: {{\np?: {type_text},\n}}) => any;\n\n"


def test_constraints_and_descriptions_are_comments() -> None:
    schema = {"type": "integer", "description": "How many.\nAt least 1.", "minimum": 1, "default": 5}
    text = render_tool("f", "Do it.", {"properties": {"p": schema}})
    assert text == (
        "// Do it.\ntype f = (_: {\n// How many.\n// At least 1.\np?: number, // default: 5, minimum: 1\n}) => any;\n\n"
    )


def grow(node: Node, depth: int) -> str:
    return f"{node.label}{depth}"


def test_a_tool_of_a_recursive_model_costs_what_its_schema_costs() -> None:
    recursive = FunctionTool(grow, description="Grow a tree.")
    assert TIKTOKEN.count_tools([recursive]) == TIKTOKEN.count_tools([recursive.schema])


def test_nested_properties_cost() -> None:
    flat = tool("f", place={"type": "object"})
    deep = tool("f", place={"type": "object", "properties": {"city": {"type": "string", "description": "Its name"}}})
    assert TIKTOKEN.count_tools([deep]) > TIKTOKEN.count_tools([flat]) + 5
