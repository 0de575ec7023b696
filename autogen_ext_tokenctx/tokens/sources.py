"""Where a model's limits come from: five small callables here, and API discovery in a module of its own.

Each takes a `ModelName` and gives an `Answer`. They are asked in the order environment, config file, API, known
tables, name patterns, default: what the user says counts more than what a server says, that more than what is
published, and a table entry for the very name more than a pattern it fits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from ..warn import warn_once
from .known_models import KNOWN_MODELS, family_of
from .model_limits import Answer, Window
from .model_names import ModelName, squash

logger = logging.getLogger(__name__)

_ENV_PREFIX = "MODEL_LIMIT_"
_FILE_NAME = "model_limits.json"
_FILE_KEYS = ("context_window", "max_input_tokens", "max_output_tokens")


class LimitSource(Protocol):
    """Something that may know a model's limits."""

    async def __call__(self, name: ModelName) -> Answer:
        """Say what is known of a model; never raise."""
        ...


class EnvironmentSource:
    """Reads ``MODEL_LIMIT_<NAME>=<tokens>``; names compare by their letters and digits.

    Example:
        >>> asyncio.run(EnvironmentSource({"MODEL_LIMIT_GPT4": "6000"})(ModelName.parse("gpt-4"))).window.input
        6000

    Args:
        environment: The variables; the process's own by default, read anew at each look-up.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    async def __call__(self, name: ModelName) -> Answer:
        """Look the model up in the environment."""
        stated = {
            key: variable
            for variable in sorted(self._environment)
            if variable.startswith(_ENV_PREFIX) and (key := squash(variable.removeprefix(_ENV_PREFIX)))
        }
        for spelling in name.spellings:
            variable = stated.get(squash(spelling))
            tokens = variable and _tokens_in_text(self._environment.get(variable, ""))
            if variable and tokens:
                return Answer("environment", Window.stated(context=tokens), variable)
            if variable:
                warn_once(
                    f"env:{variable}", f"{variable} is ignored: its value is not a positive whole number of tokens."
                )
        return Answer("environment", None, f"no valid {_ENV_PREFIX}… names it")


def _tokens_in_text(text: str) -> int | None:
    try:
        tokens = int(text)
    except ValueError:
        return None
    return tokens if tokens > 0 else None


class FileSource:
    """Reads JSON files that map model names to limits; of several files the first that knows a model counts.

    A value is a number of tokens, or an object with any of ``context_window``, ``max_input_tokens`` and
    ``max_output_tokens``. What cannot be used is named in one warning, and the rest still counts. Files are read again
    when they change.

    Args:
        path: The only file to read. Without it ``./model_limits.json``, ``~/.autogen/model_limits.json`` and
            ``/etc/autogen/model_limits.json`` are read, as far as they are there.

    Example:
        >>> asyncio.run(FileSource()(ModelName.parse("no-such-model"))).window is None
        True
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._given = None if path is None else Path(path).expanduser()
        self._read: dict[Path, tuple[tuple[int, ...], dict[str, Window]]] = {}

    async def __call__(self, name: ModelName) -> Answer:
        """Look the model up in the files."""
        known: list[str] = []
        for path in self._paths():
            entries = self._entries(path)
            if entries is None:
                continue
            known.append(str(path))
            for spelling in name.spellings:
                window = entries.get(spelling) or entries.get(squash(spelling))
                if window is not None:
                    return Answer("config_file", window, str(path))
        return Answer("config_file", None, f"not in {', '.join(known)}" if known else "no file")

    def _paths(self) -> list[Path]:
        if self._given is not None:
            return [self._given]
        home = Path(os.path.expanduser("~"))  # stays "~" where no home directory is known, and finds nothing there
        return [place / _FILE_NAME for place in (Path(), home / ".autogen", Path("/etc/autogen"))]

    def _entries(self, path: Path) -> dict[str, Window] | None:
        try:
            status = path.stat()
        except (OSError, ValueError):
            if path == self._given:
                warn_once(f"file:{path}", f"{path} cannot be read: no limits are taken from it.")
            return None
        version = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        if path not in self._read or self._read[path][0] != version:
            self._read[path] = (version, _read_file(path))
        return self._read[path][1]


def _read_file(path: Path) -> dict[str, Window]:
    """The usable entries of a file, by the name as written and by its letters and digits."""
    try:
        content: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        warn_once(f"file:{path}", f"{path} cannot be read ({type(error).__name__}: {error}): it is ignored.")
        return {}
    if not isinstance(content, dict):
        warn_once(f"file:{path}", f"{path} is ignored: it must hold one JSON object of model names and limits.")
        return {}
    exact: dict[str, Window] = {}
    for key, value in cast("dict[str, object]", content).items():
        window, problem = _file_window(value)
        if problem:
            rest = "the rest of the entry counts" if window else "the entry is ignored"
            warn_once(f"file:{path}:{key}", f"{path}, key {key!r}: {problem}; {rest}.")
        if window is not None:
            exact[key] = window
    return {squashed: window for key, window in exact.items() if (squashed := squash(key))} | exact


def _file_window(value: object) -> tuple[Window | None, str]:
    """The limits one entry states, and what is wrong with it."""
    if not isinstance(value, dict):
        tokens = _positive(value)
        return (Window.stated(context=tokens), "") if tokens else (None, "not a positive whole number of tokens")
    entry = cast("dict[str, object]", value)
    problems = [f"{key} is not one of {', '.join(_FILE_KEYS)}" for key in entry if key not in _FILE_KEYS]
    problems += [
        f"{key} is not a positive whole number" for key in _FILE_KEYS if key in entry and not _positive(entry[key])
    ]
    context, most_input, most_output = (_positive(entry.get(key)) for key in _FILE_KEYS)
    window = Window.stated(context, most_input, most_output)
    if context and max(most_input or 0, most_output or 0) > context:
        problems.append("more than context_window is stated, which counts instead")
    if window is None:
        problems.append("neither context_window nor max_input_tokens is stated")
    return window, "; ".join(problems)


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


class TableSource:
    """Looks the name up in our own table, then in the one of genai-prices if that is installed (extra ``prices``).

    Ours is the newest and corrects the other, so all its spellings go first.

    Example:
        >>> asyncio.run(TableSource()(ModelName.parse("openai/gpt-5"))).window.input
        272000
    """

    async def __call__(self, name: ModelName) -> Answer:
        """Look the model up in the tables."""
        for spelling in name.spellings:
            if window := KNOWN_MODELS.get(squash(spelling)):
                return Answer("known_table", window, f"our own table, as {spelling}")
        # The first look into the other reads a package's data (0.2 s): not on the event loop.
        return await asyncio.to_thread(_in_package, name)


def _in_package(name: ModelName) -> Answer:
    """What genai-prices lists: at the host in the name, else the least of all hosts.

    It has one number a model, of input and output together. A family's own limits count where they are less: they know
    that input may be less than the window.
    """
    for spelling in name.spellings:
        if hosts := listed_windows().get(squash(spelling)):
            tokens = hosts.get(squash(name.host)) or min(hosts.values())
            _, family = family_of(name) or ("", None)
            window = family if family and family.input <= tokens else Window(tokens, tokens)
            return Answer("known_table", window, f"genai-prices, as {spelling}")
    return Answer("known_table", None, "in none of the tables")


@cache
def listed_windows() -> Mapping[str, Mapping[str, int]]:
    """Return the windows that genai-prices lists, by squashed model and host; nothing without that package.

    Example:
        >>> isinstance(listed_windows(), dict)
        True
    """
    table: defaultdict[str, dict[str, int]] = defaultdict(dict)
    try:
        from genai_prices.data_snapshot import get_snapshot

        for host in get_snapshot().providers:
            for model in host.models:
                if model.context_window:
                    hosts = table[squash(ModelName.parse(model.id).base)]
                    hosts[squash(host.id)] = min(model.context_window, hosts.get(squash(host.id), model.context_window))
    except Exception as error:  # not installed, or a later version of another shape: the next source is asked
        logger.debug("genai-prices could not be read: %r", error)
    return dict(table)


class PatternSource:
    """Infers the limits from the family that the name shows.

    Example:
        >>> asyncio.run(PatternSource()(ModelName.parse("my-gpt-41-mini-deployment"))).window.context
        1047576
    """

    async def __call__(self, name: ModelName) -> Answer:
        """Look for a known family in the name."""
        pattern, window = family_of(name) or ("", None)
        return Answer("name_pattern", window, f"fits {pattern}" if window else "shows no known family")


class DefaultSource:
    """Gives every model the same limit, and says so.

    Args:
        tokens: The limit.

    Example:
        >>> asyncio.run(DefaultSource(8_192)(ModelName.parse("no-such-model"))).window.input
        8192
    """

    def __init__(self, tokens: int) -> None:
        self._window = Window(tokens, tokens)

    async def __call__(self, name: ModelName) -> Answer:
        """Give the default, to be asked for again soon: a server or a file may know more by then."""
        return Answer("default", self._window, "nothing else knew it", fault=True)
