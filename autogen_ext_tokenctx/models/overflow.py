"""Recognising a provider's answer that a request is too long for the model, and reading the numbers in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_REPLY_SHARE = 0.05
"""Share of a limit left to the reply where the error does not say what that needs: most limits are of both."""
_READ = 20_000
"""Characters of an error that are read; some repeat the request in it."""
_TOO_MANY_REQUESTS = 429

_NUMBER = r"\d{1,12}(?:,\d{3}){0,3}"
_FORMS = tuple(
    re.compile(form.replace("(<", "(?P<").replace("#", _NUMBER), re.IGNORECASE)
    for form in (
        # OpenAI, Azure, DeepSeek and OpenRouter ("about": a guess, not read), vLLM ("at least": no count either)
        r"maximum context length is (<limit>#) tokens.{0,40}?(?:resulted in|requested|request has) (<total>#)"
        r" (?:input )?tokens(?: \(.{0,100}?(<reply>#) (?:in|for) the completion)?",
        r"maximum context length is (<limit>#) tokens.{0,40}? requested (<reply>#) output tokens",
        r"maximum context length is (<limit>#) tokens.{0,120}?(<reply>#) in the output",
        r"maximum context length is (<limit>#) tokens",
        r"input tokens exceed the configured limit of (<limit>#) tokens(?:.{0,20}? resulted in (<total>#) tokens)?",
        r"exceeds the context window",
        # Anthropic
        r"prompt is too long(?:: (<total>#) tokens > (<limit>#) maximum)?",
        r"exceed context limit: (<sent>#) \+ (<reply>#) > (<limit>#)",
        # Gemini
        r"input token count \((<total>#)\) exceeds the maximum number of tokens allowed \((<limit>#)\)",
        r"input token count is (<total>#) but (?:the )?model only supports up to (<limit>#)",
        # llama.cpp and its Python binding
        r"request \((<total>#) tokens\) exceeds the available context size \((<limit>#) tokens\)",
        r"exceeds the available context size|exceed_context_size_error",
        r"requested tokens \((<total>#)\) exceed context window of (<limit>#)",
        # Mistral
        r"prompt contains (<total>#) tokens.{0,40}? too large for model with (<limit>#) maximum context length",
        # Bedrock
        r"too many input tokens\. max input tokens: (<limit>#), request input token count: (<total>#)",
        r"input is too long for requested model",
        # Ollama, and servers that speak as OpenAI does
        r"(?:\((<total>#)\) )?exceed(?:s|ed) (?:(?:the|model\W{1,2}s|max|maximum) )*context length(?: \((<limit>#)\))?",
        # Groq, whose text has no numbers; and the code, whatever the text
        r"reduce the length of the messages or completion",
        r"context_length_exceeded",
    )
)
"""What providers say, with the numbers: ``limit``, ``sent`` (the input), ``reply``, ``total`` (both)."""
_FIELDS = {"limit": re.compile(rf"\bn_ctx\W+({_NUMBER})"), "sent": re.compile(rf"\bn_prompt_tokens\W+({_NUMBER})")}
"""Numbers that llama.cpp has in fields of their own."""
_OTHER_LIMITS = re.compile(
    r"rate.?limit|tokens per (?:min|hour|day)|\bTP[MD]\b|quota|throttl|too many requests"
    r"|max_(?:\w{1,40}_)?tokens\W{0,3}is too large|maximum allowed number of output tokens",
    re.IGNORECASE,
)
"""Limits that a shorter history does not help against: of tokens over time, and of the reply."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """What a provider says of a request that is too long for the model.

    Args:
        limit: Tokens the model takes; None when the provider does not say.
        requested: Input tokens of the refused request; None when the provider does not say, or only roughly.
        reply: Tokens of the limit that were asked for the reply; 0 when the provider does not say.
    """

    limit: int | None = None
    requested: int | None = None
    reply: int = 0

    @property
    def input_limit(self) -> int | None:
        """Input tokens that leave room for the reply; None when the limit is not known."""
        if self.limit is None:
            return None
        return max(1, self.limit - (self.reply or int(_REPLY_SHARE * self.limit)))


def overflow_of(error: BaseException) -> Overflow | None:
    """What an error says of a request too long for the model; None when it is any other error.

    The error, and what it was raised from, may be of any class: their text counts, and the answer of the server where
    they carry it. Limits of tokens over time, quotas and limits of the reply are other errors.

    Args:
        error: What the call to the model raised.

    Example:
        >>> overflow_of(RuntimeError("prompt is too long: 210000 tokens > 200000 maximum"))
        Overflow(limit=200000, requested=210000, reply=0)
        >>> overflow_of(RuntimeError("Rate limit reached: 30000 tokens per min")) is None
        True
    """
    if not isinstance(error, Exception):
        return None
    chain = list(_chain(error))
    said = "\n".join(text for link in chain for text in _texts(link))
    if any(_is_too_many_requests(link) for link in chain) or _OTHER_LIMITS.search(said):
        return None
    found = next(filter(None, (form.search(said) for form in _FORMS)), None)
    return None if found is None else _read(found, said)


def _read(found: re.Match[str], said: str) -> Overflow | None:
    """The numbers of an overflow; None when the reply alone is over the limit."""
    fields = {name: match[1] for name, field in _FIELDS.items() if (match := field.search(said))}
    stated = {**fields, **{name: number for name, number in found.groupdict().items() if number}}
    numbers = {name: int(number.replace(",", "")) for name, number in stated.items()}
    limit, reply = numbers.get("limit"), numbers.get("reply", 0)
    if limit is not None and reply >= limit:
        return None
    sent = numbers.get("sent", numbers.get("total", 0) - reply)
    return Overflow(limit or None, sent if sent > 0 else None, reply)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        seen.append(link)
        yield link
        link = link.__cause__


def _texts(error: Any) -> Iterator[str]:
    """What an error says; attributes of foreign classes may fail when read."""
    sources: tuple[Callable[[], object], ...] = (
        lambda: error,
        lambda: error.body,  # of OpenAI's and Anthropic's clients, the numbers of llama.cpp are only there
        lambda: error.code,
        lambda: error.response.text,  # of httpx, whose errors have it nowhere else
    )
    for source in sources:
        with suppress(Exception):
            yield " ".join(str(source())[:_READ].split())


def _is_too_many_requests(error: Any) -> bool:
    return _TOO_MANY_REQUESTS in (getattr(error, name, None) for name in ("status_code", "code"))
