"""What a request is billed for beside its messages and tools, in whatever form it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from autogen_ext_tokenctx.models.schemas import answer_schema, as_text, as_tool, given_tools


class Answer(BaseModel):
    city: str


FORM: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "Place", "schema": {"type": "object"}}}
PLAIN: dict[str, Any] = {"type": "object", "properties": {"city": {}}}
LOOK: dict[str, Any] = {"name": "look", "parameters": {}}


@pytest.mark.parametrize(
    ("json_output", "settings", "name"),
    [
        (Answer, {}, "Answer"),
        (Answer, {"response_format": FORM}, "Answer"),
        (Answer, {"extra_body": {"response_format": FORM}}, "Place"),
        (None, {"response_format": FORM}, "Place"),
        (None, {"format": PLAIN}, "response"),
        (None, {"response_format": {"type": "json_object"}}, None),
        (True, {"response_format": FORM}, None),
        (None, {}, None),
    ],
)
def test_the_schema_of_the_answer_is_found(json_output: Any, settings: Mapping[str, object], name: str | None) -> None:
    found = answer_schema(json_output, settings)
    assert (found and found[0]) == name


def test_a_schema_is_text_in_its_strict_form_or_a_tool() -> None:
    text = '{"type": "object", "properties": {"city": {}}, "additionalProperties": false, "required": ["city"]}'
    assert as_text("Answer", PLAIN).get("description") == text
    assert as_tool("Answer", {"description": "Where.", **PLAIN}).get("description") == "Where."


@pytest.mark.parametrize(
    "settings",
    [
        {"tools": [{"type": "function", "function": LOOK}]},
        {"functions": [LOOK]},
        {"extra_body": {"tools": [LOOK, "no tool", {}]}},
    ],
)
def test_tools_are_found_in_further_arguments(settings: Mapping[str, object]) -> None:
    assert [tool["name"] for tool in given_tools(settings) if isinstance(tool, dict)] == ["look"]
