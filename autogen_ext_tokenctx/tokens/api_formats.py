"""What the APIs that list models say about one model's limits: a table of fields, no HTTP.

Each row below names fields that mean the same; of a row's values the smallest counts, and the first row that has one
decides. A window that a server runs with comes before the one its model could have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from .model_limits import Window
from .model_names import ModelName, squash

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
    ("max_input_tokens",),
    ("inputTokenLimit",),
    ("max_input_length",),
)  # Anthropic and TGI, Gemini, old TGI
_OUTPUT_FIELDS = (
    ("top_provider.max_completion_tokens",),  # OpenRouter
    ("max_completion_tokens",),  # Groq
    ("max_output_tokens",),
    ("outputTokenLimit",),  # Gemini
    ("max_tokens",),  # Anthropic
)
_ID_FIELDS = ("id", "key", "name", "model", "model_id")
_LARGEST = 1_000_000_000
"""More tokens than this is a mistake, not a window."""

_NUM_CTX = re.compile(r"^[ \t]*num_ctx[ \t]+(\d{1,9})[ \t\r]*$", re.MULTILINE)


def read_entry(entry: object) -> Window | None:
    """Read the limits that one model's entry, or a server's description of itself, states.

    Args:
        entry: Decoded JSON of any shape.

    Example:
        >>> read_entry({"id": "m", "context_length": "131072"}).context
        131072
        >>> read_entry({"id": "m", "meta": {"n_ctx_train": 8192}}) is None
        True
    """
    return Window.stated(*(_first(entry, fields) for fields in (_CONTEXT_FIELDS, _INPUT_FIELDS, _OUTPUT_FIELDS)))


def read_list(body: object, name: ModelName) -> Window | None:
    """Find a model in a list of models and read its limits.

    Args:
        body: Decoded JSON: a list, or an object with the list under ``data`` or ``models``.
        name: The model.

    Example:
        >>> read_list({"data": [{"id": "org/m", "max_model_len": 4096}]}, ModelName.parse("m")).context
        4096
    """
    entries = _entries(body)
    keys = [squash(spelling) for spelling in name.spellings]
    ranked = [(rank, entry) for entry in entries if (rank := _rank(entry, keys)) is not None]
    if ranked:
        return read_entry(min(ranked, key=lambda pair: pair[0])[1])
    # llama.cpp serves its one model under whatever name it is called.
    return read_entry(entries[0]) if len(entries) == 1 and "meta" in entries[0] else None


def read_ollama_model(body: object) -> Window | None:
    """Read Ollama's ``/api/show``: the window its model file sets, else the one the model was trained for.

    Args:
        body: Decoded JSON.

    Example:
        >>> info = {"model_info": {"general.architecture": "llama", "llama.context_length": 131072}}
        >>> read_ollama_model(info).context, read_ollama_model(info | {"parameters": "num_ctx 16384"}).context
        (131072, 16384)
    """
    show = _mapping(body)
    parameters = show.get("parameters")
    if isinstance(parameters, str) and (match := _NUM_CTX.search(parameters)):
        return Window.stated(context=_number(match[1]))
    info = _mapping(show.get("model_info"))
    return Window.stated(context=_number(info.get(f"{info.get('general.architecture')}.context_length")))


def _rank(entry: Mapping[str, object], keys: Sequence[str]) -> tuple[int, int] | None:
    """How closely an entry's id is the name asked for; None if it is another model."""
    ids = [value for field in _ID_FIELDS if isinstance(value := entry.get(field), str)]
    forms = [squash(form) for text in ids for form in (text, text.removesuffix(":latest"), ModelName.parse(text).base)]
    ranks = [(keys.index(form), place) for place, form in enumerate(forms) if form in keys]
    return min(ranks, default=None)


def _entries(body: object) -> list[Mapping[str, object]]:
    listed = (
        cast("object", body) if isinstance(body, list) else _mapping(body).get("data") or _mapping(body).get("models")
    )
    return [_mapping(entry) for entry in cast("list[object]", listed)] if isinstance(listed, list) else []


def _first(entry: object, rows: Sequence[Sequence[str]]) -> int | None:
    for row in rows:
        numbers = [number for path in row for value in _values(entry, path.split(".")) if (number := _number(value))]
        if numbers:
            return min(numbers)
    return None


def _values(node: object, path: Sequence[str]) -> Iterator[object]:
    if not path:
        yield node
    elif path[0] == "*":
        for item in cast("list[object]", node) if isinstance(node, list) else ():
            yield from _values(item, path[1:])
    else:
        yield from _values(_mapping(node).get(path[0]), path[1:])


def _number(value: object) -> int | None:
    """A positive whole number, also as Cohere's 128000.0 and Together's "131072"."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and 0 < number <= _LARGEST and number == int(number) else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
