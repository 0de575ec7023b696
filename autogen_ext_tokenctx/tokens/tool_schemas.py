"""What a tool's JSON schema looks like to the model: the TypeScript-like text that OpenAI makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

# Keywords that narrow a type. That OpenAI shows them is not documented; showing them errs on the high side.
_CONSTRAINTS = (
    *("default", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
)


def render_tool(name: str, description: str, parameters: Mapping[str, object]) -> str:
    """Return one tool as the TypeScript-like type, ending in an empty line, that OpenAI puts into the prompt."""
    # OpenAI does not document the format; it was inferred from models that repeat their prompt and from billed counts,
    # and is published for gpt-oss as the "harmony" format. Nested objects are written out in place; a "$ref" is looked
    # up in the parameters, and one that leads back to itself is written as its name.
    properties = _Renderer(parameters).properties(parameters, indent=0)
    arguments = f"_: {{\n{properties}\n}}" if properties else ""
    return f"{_comment(description, 0)}type {name} = ({arguments}) => any;\n\n"


class _Renderer:
    """Renders the schemas of one tool; ``root`` is where its references point."""

    def __init__(self, root: Mapping[str, object]) -> None:
        self._root = root
        self._known: dict[str, str] = {}
        self._open: set[int] = set()

    def properties(self, schema: Mapping[str, object], indent: int) -> str:
        required = _sequence(schema.get("required"))
        lines: list[str] = []
        for name, value in as_mapping(schema.get("properties")).items():
            prop = as_mapping(value)
            optional = "" if name in required else "?"
            description = str(prop.get("description", ""))
            lines.append(
                f"{_comment(description, indent)}{' ' * indent}{name}{optional}: {self.type_of(prop, indent)},"
                f"{_constraints(prop)}"
            )
        return "\n".join(lines)

    def type_of(self, schema: Mapping[str, object], indent: int) -> str:
        if id(schema) in self._open:  # AutoGen resolves references itself, and then a recursive model is a loop
            return "object"
        self._open.add(id(schema))
        try:
            return self._open_type(schema, indent)
        finally:
            self._open.discard(id(schema))

    def _open_type(self, schema: Mapping[str, object], indent: int) -> str:
        if "$ref" in schema:
            return self._reference(str(schema["$ref"]), indent)
        if "const" in schema:
            return _literal(schema["const"])
        if "enum" in schema:
            return " | ".join(map(_literal, _sequence(schema["enum"])))
        for keyword, sign in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
            if keyword in schema:
                return sign.join(self.type_of(as_mapping(option), indent) for option in _sequence(schema[keyword]))
        kind = schema.get("type", "object" if "properties" in schema else "any")
        if isinstance(kind, str):
            return self._named_type(kind, schema, indent)
        return " | ".join(self._named_type(str(option), schema, indent) for option in _sequence(kind))

    def _named_type(self, kind: str, schema: Mapping[str, object], indent: int) -> str:
        if kind == "array":
            if "prefixItems" in schema:
                members = (self.type_of(as_mapping(item), indent) for item in _sequence(schema["prefixItems"]))
                return f"[{', '.join(members)}]"
            item = self.type_of(as_mapping(schema.get("items")), indent)
            return f"({item})[]" if " | " in item else f"{item}[]"
        if kind != "object":
            return "number" if kind == "integer" else kind
        if properties := self.properties(schema, indent + 2):
            return f"{{\n{properties}\n{' ' * indent}}}"
        values = schema.get("additionalProperties")
        if isinstance(values, Mapping):
            return f"Record<string, {self.type_of(as_mapping(cast(object, values)), indent)}>"
        return "object"

    def _reference(self, reference: str, indent: int) -> str:
        if reference not in self._known:
            self._known[reference] = reference.rsplit("/", 1)[-1]  # what it reads as inside of itself
            target = self._root
            for key in reference.removeprefix("#").strip("/").split("/"):
                target = as_mapping(target.get(key.replace("~1", "/").replace("~0", "~")))
            self._known[reference] = self.type_of(target, indent)
        return self._known[reference]


def _comment(text: str, indent: int) -> str:
    return "".join(f"{' ' * indent}// {line}\n" for line in text.splitlines())


def _constraints(schema: Mapping[str, object]) -> str:
    shown = [f"{key}: {_literal(schema[key])}" for key in _CONSTRAINTS if schema.get(key) is not None]
    return f" // {', '.join(shown)}" if shown else ""


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def as_mapping(value: object) -> Mapping[str, object]:
    """Return a JSON object as it is, and an empty one for anything else."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else ()
