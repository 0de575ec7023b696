"""Texts of messages as telemetry may carry them: without what looks like a secret, and clipped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autogen_core.models import FunctionExecutionResultMessage, LLMMessage, SystemMessage

from ..messages.groups import pictures_of, texts

REDACTED = "[redacted]"  # stands where a secret was

_VALUE = r"""(?:"(?:\\.|[^"\\\n]){1,500}"|'(?:\\.|[^'\\\n]){1,500}'|[^\s"',;&<>(){}\[\]\\]{4,})"""

# A value behind a name that says what it is: ``password=…``, ``"api_key": "…"``, ``GITHUB_TOKEN: …``, also where the
# JSON stands escaped in a JSON string.
_NAMED = re.compile(
    r"((?:pass(?:word|wd|phrase)|pwd|secret|credential|(?:api|access|account|private|signing|auth)[_ -]?key|token(?!s))"
    r"[\w-]{0,24}[\"'\\]{0,4}\s{0,3}(?:=>|[:=])\s{0,3}\\{0,3})(" + _VALUE + r"|\"[^\"\\\n]+|'[^'\\\n]+)",
    re.IGNORECASE,
)

# What is a secret by its shape alone.
_SHAPED = re.compile(
    r"""
    -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----[\s\S]*?(?:-----END\ [A-Z ]{0,40}PRIVATE\ KEY-----|\Z)  # PEM
    | \beyJ[\w-]{8,1000}\.[\w-]{8,}(?:\.[\w-]*)?                     # JSON web tokens
    | \b(?:sk|pk|rk)[-_](?:[a-z0-9]+[-_]){0,3}[A-Za-z0-9_-]{16,}  # OpenAI, Anthropic, Stripe and others
    | \b(?:gh[opsur]_|github_pat_|glpat-|hf_|gsk_|npm_|pypi-|xai-|pplx-|r8_)[A-Za-z0-9_-]{16,}
    | \bxox[a-z]-[A-Za-z0-9-]{10,}                               # Slack
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                              # AWS
    | \bAIza[\w-]{30,}                                           # Google
    """,
    re.VERBOSE,
)
_BEARER = re.compile(r"\b((?:Bearer|Basic)\s{1,3})[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_LOGIN = re.compile(r"(://[^\s/:@]{0,64}:)[^\s/@]{1,256}(?=@)")  # the password in an address


def redact(text: str) -> str:
    """Return a text without what looks like a key, a token or a password."""
    # A net, not a wall: a secret that looks like any other word, under a name that does not tell, stays.
    text = _SHAPED.sub(REDACTED, text)
    text = _LOGIN.sub(rf"\g<1>{REDACTED}", text)
    text = _BEARER.sub(rf"\g<1>{REDACTED}", text)
    return _NAMED.sub(rf"\g<1>{REDACTED}", text)


def clip(text: str, most: int) -> str:
    """Return at most so many characters of a text, and say how many more there were."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


def shown(message: LLMMessage, most: int) -> tuple[str, str]:
    """Return who says a message, and its text, redacted and clipped to so many characters; images are named."""
    # What is clipped first could leave half of a secret, which nothing would recognise.
    pictures = ["[image]"] * len(pictures_of([message]))
    return _who(message), clip(redact("\n".join([*texts(message), *pictures])), most)


def newest(messages: Sequence[LLMMessage], most: int, room: int) -> list[tuple[str, str]]:
    """Return the newest messages as `shown`, as many as there is room for, in characters, in their order."""
    chosen: list[tuple[str, str]] = []
    for message in reversed(messages):
        who, text = shown(message, most)
        room -= len(who) + len(text)
        if room < 0:
            break
        chosen.append((who, text))
    return chosen[::-1]


def _who(message: LLMMessage) -> str:
    if isinstance(message, SystemMessage):
        return "system"
    if isinstance(message, FunctionExecutionResultMessage):
        return ", ".join(dict.fromkeys(result.name for result in message.content)) or "tool"
    return message.source
