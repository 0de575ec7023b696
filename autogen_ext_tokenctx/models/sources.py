"""Where a model's limits come from, apart from its API: environment, files, tables, its name, a default."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple, cast

from ..warn import warn_once
from .known import (
    ABOUT,
    KNOWN_MODELS,
    TABLE_DATE,
    family_of,
    listed_windows,
    open_model,
    today,
    within_family,
)
from .limits import LimitAnswer, ModelLimits
from .names import ModelName, squash

logger = logging.getLogger(__name__)

_ENV_PREFIX = "MODEL_LIMIT_"
_FILE_KEYS = ("context_window", "max_input_tokens", "max_output_tokens")


class EnvironmentSource:
    """Reads `MODEL_LIMIT_<NAME>=<tokens>`; names compare by their letters and digits."""

    # The variables are the process's own by default, read anew at each look-up.
    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    async def __call__(self, name: ModelName) -> LimitAnswer:
        """Look the model up in the environment."""
        stated = {
            key: variable
            for variable in sorted(self._environment)
            if variable.startswith(_ENV_PREFIX) and (key := squash(variable.removeprefix(_ENV_PREFIX)))
        }
        for variable in filter(None, (stated.get(squash(spelling)) for spelling in name.spellings)):
            if tokens := _tokens_in_text(self._environment.get(variable, "")):
                return LimitAnswer("environment", ModelLimits.stated(context=tokens), variable)
            warn_once(f"env:{variable}", f"{variable} is ignored: its value is not a positive whole number of tokens.")
        return LimitAnswer("environment", None, f"no valid {_ENV_PREFIX}… names it")


def _tokens_in_text(text: str) -> int | None:
    try:
        return _positive(int(text))
    except ValueError:
        return None


class FileSource:
    """Reads JSON files that map model names to limits; of several files the first that knows a model counts."""

    # A value is a number of tokens, or an object with any of _FILE_KEYS. What cannot be used is named in one warning,
    # and the rest still counts.
    def __init__(self, path: str | Path | None = None) -> None:
        self._given = None if path is None else Path(path).expanduser()

    async def __call__(self, name: ModelName) -> LimitAnswer:
        """Look the model up in the files."""
        usual = [place / "model_limits.json" for place in (Path(), *_places())]
        known: list[str] = []
        for path in usual if self._given is None else [self._given]:
            table = _read(path)
            if table is None:
                if path == self._given:
                    warn_once(f"file:{path}", f"{path} cannot be read: no limits are taken from it.")
                continue
            known.append(str(path))
            if limits := _found(table.models, name.spellings):
                return LimitAnswer("config_file", limits, str(path))
        return LimitAnswer("config_file", None, f"not in {', '.join(known)}" if known else "no file")


def _places() -> tuple[Path, Path]:
    """Return the folders of a user's and of a machine's files."""
    home = Path(os.path.expanduser("~"))  # stays "~" where no home directory is known, and finds nothing there
    return home / ".autogen", Path("/etc/autogen")


def _found(models: Mapping[str, ModelLimits], spellings: Iterable[str]) -> ModelLimits | None:
    return next((found for each in spellings if (found := models.get(each) or models.get(squash(each)))), None)


class _Table(NamedTuple):
    """What a file states, by the name as written and by its letters and digits, and the day a refreshed one is of."""

    models: Mapping[str, ModelLimits]
    day: date | None = None


def _read(path: Path) -> _Table | None:
    """Return what a file states, read again when it has changed; None if there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return _read_file(path, (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=32)
def _read_file(path: Path, version: tuple[int, ...]) -> _Table:
    """Return the usable entries of a file."""
    try:
        if version[-1] > 10_000_000:  # no table of models: a thousand times ours
            raise ValueError("it has more than 10,000,000 bytes")
        content: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        warn_once(f"file:{path}", f"{path} cannot be read ({type(error).__name__}: {error}): it is ignored.")
        return _Table({})
    if not isinstance(content, dict):
        warn_once(f"file:{path}", f"{path} is ignored: it must hold one JSON object of model names and limits.")
        return _Table({})
    exact: dict[str, ModelLimits] = {}
    stated = cast("dict[str, object]", content)
    day = _day(stated.pop(ABOUT, None))
    for key, value in stated.items():
        limits, problem = _file_limits(value)
        if problem:
            rest = "the rest of the entry counts" if limits else "the entry is ignored"
            warn_once(f"file:{path}:{key}", f"{path}, key {key!r}: {problem}; {rest}.")
        if limits is not None:
            exact[key] = limits
    return _Table({squashed: limits for key, limits in exact.items() if (squashed := squash(key))} | exact, day)


def _day(about: object) -> date | None:
    """Return the day that a file says it is of."""
    stated = cast("dict[str, object]", about).get("date") if isinstance(about, dict) else None
    try:
        return date.fromisoformat(stated) if isinstance(stated, str) else None
    except ValueError:
        return None


def _file_limits(value: object) -> tuple[ModelLimits | None, str]:
    """Return the limits one entry states, and what is wrong with it."""
    if not isinstance(value, dict):
        limits = ModelLimits.stated(context=_positive(value))
        return limits, "" if limits else "not a positive whole number of tokens"
    entry = cast("dict[str, object]", value)
    problems = [f"{key} is not one of {', '.join(_FILE_KEYS)}" for key in entry if key not in _FILE_KEYS]
    problems += [
        f"{key} is not a positive whole number" for key in _FILE_KEYS if key in entry and not _positive(entry[key])
    ]
    context, max_input, max_output = (_positive(entry.get(key)) for key in _FILE_KEYS)
    limits = ModelLimits.stated(context, max_input, max_output)
    if context and max(max_input or 0, max_output or 0) > context:
        problems.append("more than context_window is stated, which counts instead")
    if limits is None:
        problems.append("neither context_window nor max_input_tokens is stated")
    return limits, "; ".join(problems)


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def refreshed_paths() -> list[Path]:
    """Return where refreshed tables are read; the first is where one is written."""
    return [place / "model_limits.refreshed.json" for place in _places()]


class TableSource:
    """Looks the name up in our own table and a refreshed one, the newer of them first, then in genai-prices."""

    async def __call__(self, name: ModelName) -> LimitAnswer:
        """Look the model up in the tables."""
        refreshed, day = _in_refreshed(name)
        _tell_age((today() - max(day, TABLE_DATE)).days)
        own = await _in_own(name)
        if refreshed is not None and (own is None or day >= TABLE_DATE):
            return refreshed
        # The first look into the other reads a package's data (0.2 s): not on the event loop.
        return own or await asyncio.to_thread(_in_package, name)


def _in_refreshed(name: ModelName) -> tuple[LimitAnswer | None, date]:
    """Return what the newest refreshed table says, and its day."""
    tables = [(table.day or date.min, path, table) for path in refreshed_paths() if (table := _read(path))]
    day, path, table = max(tables, key=lambda each: each[0], default=(date.min, Path(), _Table({})))
    at_hosts = [f"{name.host}/", ""] if name.host else [""]  # what a host is said to serve comes first
    limits = _found(table.models, (host + spelling for spelling in name.spellings for host in at_hosts))
    return LimitAnswer("known_table", limits, f"{path}, of {day}") if limits else None, day


async def _in_own(name: ModelName) -> LimitAnswer | None:
    """Return what our own table says, and of a model whose weights are open what a host that is named serves."""
    # Makers know their weights best, but a host that is named may serve less.
    if (limits := open_model(name)) is not None:
        served = (await asyncio.to_thread(_hosts, name))[1].get(squash(name.host)) if name.host else None
        if served is None:
            return LimitAnswer("known_table", limits, "its maker's window")
        return LimitAnswer("known_table", ModelLimits(served, served), f"genai-prices, at {name.host}")
    # Ours is newer than that of genai-prices and corrects it, so all its spellings go first.
    for spelling in name.spellings:
        if limits := KNOWN_MODELS.get(squash(spelling)):
            return LimitAnswer("known_table", limits, f"our own table, as {spelling}")
    return None


@cache
def _tell_age(days: int) -> None:
    """Say, once a day, that the table is old."""
    if days > 90:  # makers bring new models out every few months
        logger.info(
            "the table of model limits is %d days old: newer models may be missing; update autogen-ext-tokenctx, run "
            "tokenctx limits --refresh, or state limits in model_limits.json",
            days,
        )


def _hosts(name: ModelName) -> tuple[str, Mapping[str, int]]:
    """Return the spelling under which genai-prices lists a model, and the windows of its hosts, by squashed host."""
    none: Mapping[str, int] = {}
    listed = ((spelling, listed_windows().get(squash(spelling), none)) for spelling in name.spellings)
    return next((found for found in listed if found[1]), ("", none))


def _in_package(name: ModelName) -> LimitAnswer:
    """Return what genai-prices lists: at the host in the name, else the least of all hosts."""
    spelling, hosts = _hosts(name)
    if not hosts:
        return LimitAnswer("known_table", None, "in none of the tables")
    tokens = hosts.get(squash(name.host)) or min(hosts.values())
    return LimitAnswer("known_table", within_family(name, tokens), f"genai-prices, as {spelling}")


class PatternSource:
    """Infers the limits from the family that the name shows."""

    async def __call__(self, name: ModelName) -> LimitAnswer:
        """Look for a known family in the name."""
        pattern, limits = family_of(name) or ("", None)
        return LimitAnswer("name_pattern", limits, f"fits {pattern}" if limits else "shows no known family")


class DefaultSource:
    """Gives every model the same limit."""

    def __init__(self, tokens: int) -> None:
        self._limits = ModelLimits(tokens, tokens)

    async def __call__(self, name: ModelName) -> LimitAnswer:
        """Give the default, to be asked for again soon: a server or a file may know more by then."""
        return LimitAnswer("default", self._limits, "nothing else knew it", fault=True)
