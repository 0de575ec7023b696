"""Long texts that are alike from line to line, with something else in the middle of them."""

from __future__ import annotations

import inspect
import random
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from .strict_client import call

BUILD = "Build the project and fix what is broken."

_PARTS = (
    "auth billing cache catalog config crypto events export gateway geo http import index ledger mail media".split()
)
_NOUNS = "adapter buffer codec cursor driver encoder factory filter handler helper loader mapper model parser".split()


@dataclass(frozen=True, slots=True)
class OddText:
    """A uniform text, and what is odd in it.

    Args:
        usual: Writes a usual line from its number.
        odd: The lines that are of another kind, with what must be left of them first.
    """

    usual: Callable[[int], str]
    odd: tuple[str, ...]

    @property
    def needle(self) -> str:
        """What must be in a view."""
        return self.odd[0]

    def text(self, lines: int, at: float = 0.5) -> str:
        """The text with the odd lines at some share of it."""
        rows = [self.usual(number) for number in range(lines)]
        place = int(at * lines)
        return "\n".join([*rows[:place], *self.odd, *rows[place:]])


def _pick(number: int, words: Sequence[str], salt: int = 0) -> str:
    return words[random.Random(number * 31 + salt).randrange(len(words))]


def _name(number: int) -> str:
    return f"{_pick(number, _PARTS)}/{_pick(number, _NOUNS, 1)}_{number}"


def _clock(number: int) -> str:
    return f"{9 + number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}"


def _count(number: int, below: int, salt: int = 7) -> int:
    return random.Random(number * 17 + salt).randrange(below)


LOGS: Mapping[str, OddText] = {
    "gcc": OddText(
        lambda n: f"[{n * 100 // 1400:3d}%] Building C object src/{_name(n)}.c.o",
        (
            "src/ledger/cursor.c:212:18: error: 'struct cursor' has no member named 'offset'",
            "  212 |     return c->offset + 1;",
            "      |                  ^~~~~~",
        ),
    ),
    "tsc": OddText(
        lambda n: f"{_clock(n)} - File 'packages/{_name(n)}.ts' was resolved in {_count(n, 90)} ms.",
        ("packages/cache/mapper.ts(88,14): error TS2345: Argument of type 'string' is not assignable to 'number'.",),
    ),
    "npm": OddText(
        lambda n: f"npm http fetch GET 200 https://registry.example/{_pick(n, _NOUNS)}-{n} {_count(n, 900)}ms",
        ("npm ERR! code ERESOLVE", "npm ERR! ERESOLVE could not resolve react@17.0.2 against peer react@18"),
    ),
    "panic": OddText(
        lambda n: f"   Compiling {_pick(n, _PARTS)}-{_pick(n, _NOUNS, 1)} v{_count(n, 9)}.{_count(n, 30, 3)}.{n % 11}",
        ("thread 'main' panicked at build.rs:41:9:", "missing header openssl/ssl.h"),
    ),
    "traceback": OddText(
        lambda n: f"{_clock(n)} DEBUG {_pick(n, _PARTS)}.{_pick(n, _NOUNS, 2)} handled item {_count(n, 99_999)}",
        (
            "KeyError: 'tariff_code'",
            "Traceback (most recent call last):",
            '  File "billing/rates.py", line 71, in rate_of',
            "    return RATES[row['tariff_code']]",
        ),
    ),
    "test protocol": OddText(
        lambda n: f"tests/{_pick(n, _PARTS)}/test_{_pick(n, _NOUNS)}.py::test_case_{n} PASSED [{n * 100 // 1400:3d}%]",
        ("tests/ledger/test_codec.py::test_rounds_half_even FAILED [ 50%]",),
    ),
    "log level": OddText(
        lambda n: (
            f"2026-03-02T{_clock(n)}Z {_pick(n, ['INFO ', 'INFO ', 'DEBUG'])} [worker-{_count(n, 8)}] "
            f"{_pick(n, _PARTS, 5)}: job {40_000 + n} took {_count(n, 5_000)} ms"
        ),
        ("2026-03-02T09:41:07Z ERROR [worker-3] billing: job 40711 took 4711 ms",),
    ),
    "http 500": OddText(
        lambda n: (
            f"10.0.{n % 7}.{_count(n, 250)} - - [02/Mar/2026:{_clock(n)} +0000] "
            f'"GET /api/{_pick(n, _PARTS)}/{n} HTTP/1.1" {_pick(n, ["200"] * 9 + ["304"])} {_count(n, 9_000)}'
        ),
        ('10.0.3.77 - - [02/Mar/2026:09:21:00 +0000] "GET /api/export/771 HTTP/1.1" 500 1043',),
    ),
}
"""Output of builds, tests and servers, with one failure each. The failure is in no request, and in one of the kinds it
differs from the others by a number only."""

INSTRUCTIONS = (
    "Please add up only the rows that were paid in March.",
    "Keep the public names as they are and write the tests first.",
    "Answer in French, in at most five sentences.",
    "Do not touch anything that belongs to the billing team.",
)

_CITIES = "Oslo Turin Lyon Bergen Porto Gdansk Malmo Ghent Graz Riga".split()
_CHINESE = (
    "北方的港口在冬天也不结冰。",
    "船只每天早晨离开码头去捕鱼。",
    "市场上的人们谈论天气和价格。",
    "老人记得桥还没有建成的时候。",
)
_RUSSIAN = (
    "Порт на севере не замерзает даже зимой.",
    "Лодки каждое утро уходят от причала.",
    "На рынке говорят о погоде и ценах.",
    "Старик помнит время, когда моста ещё не было.",
)
_GREEK = (
    "Το λιμάνι δεν παγώνει ποτέ τον χειμώνα.",
    "Τα καΐκια φεύγουν κάθε πρωί για ψάρεμα.",
    "Στην αγορά μιλούν για τον καιρό και τις τιμές.",
)


def _prose(sentences: Sequence[str]) -> Callable[[int], str]:
    return lambda n: " ".join(_pick(n * 5 + k, sentences) for k in range(3)) + f" {n}"


_SOURCE = inspect.getsource(textwrap).splitlines() + inspect.getsource(random).splitlines()

CARRIERS: Mapping[str, Callable[[int], str]] = {
    "markdown table": lambda n: (
        f"| {n} | {_pick(n, _CITIES)} | {_count(n, 900)}.{n % 90 + 10} | {_pick(n, ['open', 'paid', 'late'], 3)} |"
    ),
    "csv": lambda n: (
        f"{n},{_pick(n, _CITIES)},2026-0{n % 9 + 1}-1{n % 9},{_count(n, 900)}.50,"
        f"{_pick(n, ['open', 'paid', 'late'], 3)}"
    ),
    "python source": lambda n: _SOURCE[n % len(_SOURCE)],
    "sql": lambda n: f"INSERT INTO {_pick(n, _PARTS)} (id, name, total) VALUES ({n}, '{_pick(n, _NOUNS)}', {n * 7});",
    "chinese": _prose(_CHINESE),
    "russian": _prose(_RUSSIAN),
    "greek": _prose(_GREEK),
}
"""What people paste. In the last ones an instruction is odd by its script."""


def pasted(carrier: str, instruction: str, lines: int = 500) -> str:
    """A pasted text with an instruction in the middle."""
    return OddText(CARRIERS[carrier], ("", instruction, "")).text(lines)


def gcc_errors(number: int) -> list[str]:
    """Different errors of one compiler, each of three rows."""
    return [
        f"src/{_name(97 * n)}.c:{212 + n}:18: error: 'struct {_pick(n, _NOUNS)}' has no member named '{_PARTS[n]}'\n"
        f"  {212 + n} |     return c->{_PARTS[n]} + {n};\n      |                  ^~~~~~"
        for n in range(number)
    ]


def build_history(log: str, request: str = BUILD) -> list[LLMMessage]:
    """A request, and the log of the call that was made for it as the newest result."""
    result = FunctionExecutionResult(content=log, name="run_build", call_id="1", is_error=False)
    return [
        UserMessage(content=request, source="user"),
        AssistantMessage(content=[call("run_build", "1", target="all")], source="coder"),
        FunctionExecutionResultMessage(content=[result]),
    ]
