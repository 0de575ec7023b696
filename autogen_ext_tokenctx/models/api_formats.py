"""What the APIs that list models say about one model's limits: a table of fields, no HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from ..tokens.tool_schemas import as_mapping
from .limits import ModelLimits
from .names import ModelName, squash

# Each row names fields that mean the same; of a row's values the smallest counts, and the first row that has one
# decides. A window that a server runs with comes before the one its model could have.
_CONTEXT_FIELDS = (
    ("meta.n_ctx",),  # llama.cpp, /v1/models: what a slot runs with; n_ctx_train beside it is what it could have
    ("default_generation_settings.n_ctx",),  # llama.cpp, /props
    ("loaded_instances.*.config.context_length",),  # LM Studio, /api/v1/models
    ("loaded_context_length",),  # LM Studio, /api/v0/models
    ("max_model_len",),  # vLLM
    ("top_provider.context_length", "context_length"),  # OpenRouter; Together, Cohere and Ollama's /api/ps
    ("context_window",),  # Groq
    ("max_context_length",),  # Mistral; LM Studio's models that are not loaded
    ("max_total_tokens",),  # TGI, /info
)
_INPUT_FIELDS = (
    ("max_input_tokens",),  # Anthropic and TGI
    ("inputTokenLimit",),  # Gemini
    ("max_input_length",),  # old TGI
)
_OUTPUT_FIELDS = (
    ("top_provider.max_completion_tokens",),  # OpenRouter
    ("max_completion_tokens",),  # Groq
    ("max_output_tokens",),
    ("outputTokenLimit",),  # Gemini
    ("max_tokens",),  # Anthropic
)
_ID_FIELDS = ("id", "key", "name", "model", "model_id")
_NUM_CTX = re.compile(r"^[ \t]*num_ctx[ \t]+(\d{1,9})[ \t\r]*$", re.MULTILINE)


def read_entry(entry: object) -> ModelLimits | None:
    """Return the limits that one model's entry, or a server's description of itself, states in decoded JSON."""
    return ModelLimits.stated(*(_first(entry, fields) for fields in (_CONTEXT_FIELDS, _INPUT_FIELDS, _OUTPUT_FIELDS)))


def read_list(body: object, name: ModelName) -> ModelLimits | None:
    """Return the limits of a model in a list of models, or in an object with that list under ``data`` or ``models``."""
    entries = _entries(body)
    keys = [squash(spelling) for spelling in name.spellings]
    ranked = [(rank, entry) for entry in entries if (rank := _rank(entry, keys)) is not None]
    if ranked:
        return read_entry(min(ranked, key=lambda pair: pair[0])[1])
    # llama.cpp serves its one model under whatever name it is called.
    return read_entry(entries[0]) if len(entries) == 1 and "meta" in entries[0] else None


def read_all(body: object) -> dict[str, ModelLimits]:
    """Return what a list of models states, by the ids in it; models without limits are left out."""
    stated: dict[str, ModelLimits] = {}
    for entry in _entries(body):
        id_ = next((value for field in _ID_FIELDS if isinstance(value := entry.get(field), str) and value), None)
        if id_ is not None and (limits := read_entry(entry)) is not None:
            stated.setdefault(id_.removeprefix("models/"), limits)  # Gemini's prefix
    return stated


def read_ollama_model(body: object) -> ModelLimits | None:
    """Return what Ollama's ``/api/show`` states: the window its model file sets, else the one it was trained for."""
    show = as_mapping(body)
    parameters = show.get("parameters")
    if isinstance(parameters, str) and (match := _NUM_CTX.search(parameters)):
        return ModelLimits.stated(context=_number(match[1]))
    info = as_mapping(show.get("model_info"))
    return ModelLimits.stated(context=_number(info.get(f"{info.get('general.architecture')}.context_length")))


def _entries(body: object) -> list[Mapping[str, object]]:
    """Return the entries of a list of models, which is the body or stands in it under ``data`` or ``models``."""
    form = as_mapping(body)
    listed = cast("object", body) if isinstance(body, list) else form.get("data") or form.get("models")
    return [as_mapping(entry) for entry in cast("list[object]", listed)] if isinstance(listed, list) else []


def _rank(entry: Mapping[str, object], keys: Sequence[str]) -> tuple[int, int] | None:
    """Return how closely an entry's id is the name asked for; None if it is another model."""
    ids = [value for field in _ID_FIELDS if isinstance(value := entry.get(field), str)]
    forms = [squash(form) for text in ids for form in (text, text.removesuffix(":latest"), ModelName.parse(text).base)]
    return min(((keys.index(form), place) for place, form in enumerate(forms) if form in keys), default=None)


def _first(entry: object, rows: Sequence[Sequence[str]]) -> int | None:
    """Return the smallest number of the first row that has one."""
    for row in rows:
        numbers = [number for path in row for value in _values(entry, path.split(".")) if (number := _number(value))]
        if numbers:
            return min(numbers)
    return None


def _values(node: object, path: Sequence[str]) -> Iterator[object]:
    """Yield the values at a path, in which "*" stands for each item of a list."""
    if not path:
        yield node
    elif path[0] == "*":
        for item in cast("list[object]", node) if isinstance(node, list) else ():
            yield from _values(item, path[1:])
    else:
        yield from _values(as_mapping(node).get(path[0]), path[1:])


def _number(value: object) -> int | None:
    """Return a positive whole number, also of Cohere's 128000.0 and Together's "131072"."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    # More tokens than that is a mistake, not a window: a hundred times the largest window there is.
    return int(number) if 0 < number <= 1_000_000_000 and number.is_integer() else None
