"""What a model's name means once hosts, vendors, owners, tags and dates are taken off it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from autogen_core.models import ChatCompletionClient

_OWNER_STEPS = (
    (re.compile(r"^(?:[^:]*/)?ft:([^:]+).*$"), r"\1"),  # OpenAI's fine-tunes: ft:gpt-4o:org:name:id
    (re.compile(r"^.*/"), ""),  # openai/gpt-4o, models/gemini-2.0-flash, accounts/fireworks/models/…, a path
    (
        re.compile(
            r"^(?:(?:us|us-gov|eu|apac|jp|au|ca|global)\.)?"  # Bedrock: us.anthropic.claude-…
            r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshotai|openai|qwen|zai)\."
        ),
        "",
    ),
    (re.compile(r"@"), "-"),  # Vertex: claude-sonnet-4@20250514
    (re.compile(r"\.ft-.*$"), ""),  # Azure's fine-tunes: gpt-4o-mini-2024-07-18.ft-0123
)
_VARIANT_STEPS = (
    (re.compile(r"(?:-v\d+)?:[^:]*$"), ""),  # OpenRouter's :free, Ollama's :8b, Bedrock's -v1:0
    (re.compile(r"-latest$"), ""),
    (re.compile(r"-20\d\d-?[01]\d-?[0-3]\d$"), ""),  # only whole dates: -0613 and -2512 name other models
)


def squash(name: str) -> str:
    """Return a name with everything but letters and digits removed, in lower case."""
    return "".join(filter(str.isalnum, name.casefold()))


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name, and the less specific names that mean the same model or its family.

    Args:
        given: The name as the caller wrote it.
        host: The first part of ``given`` when it has a path, such as ``"groq"`` in ``groq/llama-3.3-70b``.
        base: The name without host, vendor and fine-tune's owner, in lower case.
        spellings: ``given`` first, then ever less specific names down to ``base`` without tag and date.

    Example:
        >>> ModelName.parse("openai/gpt-4o-2024-08-06").spellings
        ('openai/gpt-4o-2024-08-06', 'gpt-4o-2024-08-06', 'gpt-4o')
        >>> ModelName.parse("ft:gpt-4o:acme::id7").base
        'gpt-4o'
    """

    given: str
    host: str
    base: str
    spellings: tuple[str, ...]

    @classmethod
    def parse(cls, given: str) -> ModelName:
        """Take a name apart.

        Args:
            given: Any name; nothing is refused.

        Example:
            >>> ModelName.parse("us.anthropic.claude-3-5-sonnet-20241022-v2:0").spellings[-1]
            'claude-3-5-sonnet'
        """
        # No model's name has 300 characters, only what a server gives for one; patterns look at so much of it.
        name = base = given[:300].strip().casefold()
        spellings = [given, name]
        for step, replacement in _OWNER_STEPS:
            base = step.sub(replacement, base)
            spellings.append(base)
        bare = base
        for step, replacement in _VARIANT_STEPS:
            bare = step.sub(replacement, bare)
            spellings.append(bare)
        host = name.partition("/")[0] if "/" in name else ""
        return cls(given, host, base, tuple(dict.fromkeys(filter(None, spellings))))


def name_of_model(model: str | ChatCompletionClient | None) -> str | None:
    """Return a model's name, from itself or from its client; None for None and for a client that does not tell."""
    if isinstance(model, ChatCompletionClient):
        return model_of(model) or None
    if model is not None and not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"model is the name of a model, such as 'gpt-4o', or its client; got {model!r}. "
            "A budget is given by its name: budget=6_000"
        )
    return model


def model_of(client: ChatCompletionClient) -> str:
    """Return the name of the model behind a client, as its configuration has it; "" when it has none."""
    name: object = settings_of(client).get("model")
    if not isinstance(name, str):
        name = None
        # A client that is no component, or whose credentials cannot be dumped, has no name. Dumping warns of the names
        # of AutoGen's own modules.
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name = client.dump_component().config.get("model")
    # A client around another one, such as this package's, that names no model of its own has the other's.
    inner: object = getattr(client, "inner", None)
    if name is None and isinstance(inner, ChatCompletionClient):
        return model_of(inner)
    return name if isinstance(name, str) else ""


def settings_of(client: ChatCompletionClient) -> Mapping[str, Any]:
    """Return what one of AutoGen's clients sends with each of its calls; nothing for a client of another kind."""
    # Read where its clients keep them: to dump a client warns, and fails for some.
    own: object = getattr(client, "_create_args", None)
    return cast("Mapping[str, Any]", own) if isinstance(own, Mapping) else {}
