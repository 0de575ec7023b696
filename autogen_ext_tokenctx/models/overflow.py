"""Recognising a provider's answer that a request is too long for the model, and reading the numbers in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# Characters of an error that are read; some repeat the request in it. Chosen, not measured.
_READ = 2_000

_NUMBER = r"\d{1,12}(?:,\d{3}){0,3}"
# What providers say, with the numbers: limit, sent (the input), reply, total (both).
_FORMS = tuple(
    re.compile(form.replace("(<", "(?P<").replace("#", _NUMBER), re.IGNORECASE)
    for form in (
        # SGLang, Text Generation Inference and Together, Fireworks; MiniMax, whose number is no limit
        r"maximum context length of (<limit>#) tokens\. You requested a total of (<total>#) tokens: (<sent>#) tokens"
        r" from the input messages and (<reply>#)",
        r"inputs\W{1,3} tokens \+ \W?max_new_tokens\W{1,3} must be <= (<limit>#)\. Given: (<sent>#) \W?inputs\W? tokens"
        r" and (<reply>#)",
        r"prompt is too long: (<total>#), model maximum context length: (<limit>#)",
        r"context window exceeds limit",
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
# Numbers that llama.cpp has in fields of their own.
_FIELDS = {"limit": re.compile(rf"\bn_ctx\W+({_NUMBER})"), "sent": re.compile(rf"\bn_prompt_tokens\W+({_NUMBER})")}
# Limits that a shorter history does not help against: of tokens over time, and of the reply.
_OTHER_LIMITS = re.compile(
    r"rate.?limit|tokens per (?:min|hour|day)|\bTP[MD]\b|quota|throttl|too many requests|requires more credits"
    r"|max_(?:\w{1,40}_)?tokens\W{0,3}is too large|maximum allowed number of output tokens",
    re.IGNORECASE,
)
# Of an error of another form: what speaks of a limit, and of the input, and their distance in characters at most.
_LIMIT = re.compile(
    r"too (?:long|large|many)|exceed|overflow|longer than|less than|<=|\bmax(?:imum)?\b|\blimit|should be \[1"
    r"|not possible",
    re.IGNORECASE,
)
_INPUT = re.compile(r"\bcontext|\bprompt|\binputs?\b|\btokens?\b|\bmessages?\b|sequence length", re.IGNORECASE)
_AROUND = 80  # a clause: chosen, not measured
# Limits of a setting, a name, an attachment: of these a shorter history has as many.
_PARAMETERS = re.compile(
    r"max_(?:\w{1,40}_)?tokens\W{0,3}(?:must|should|cannot|can't|is|exceeds|of)"
    r"|(?:output|completion) tokens? (?:limit|exceed)|(?:maximum|max|allowed|limit)\W{1,3}(?:of )?(?:output|completion)"
    r"|stop.sequences?|\btools\b.{0,40}(?:length|too|maximum|items)|string too long|maximum length \d|\bimages?\b"
    r"|\bfiles?\b|audio|temperature|top_p|logprobs|schema|batch|concurren|content.?filter|time.?out|api.?key|embedding"
    r"|metadata|too many (?:tools|images|functions)|function name|\bname\b.{0,20}(?:long|length)",
    re.IGNORECASE,
)
# What stands before the number of a limit.
_LIMIT_WORDS = re.compile(
    r"\bmax(?:imum)?\b|\blimit|exceed|less than|<=|allowed|up to|only|context (?:length|window|size)|should be|must be",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Overflow:
    """What a provider says of a request that is too long for the model."""

    limit: int | None = None  # tokens the model takes; None when the provider does not say
    requested: int | None = None  # input tokens of the refused request; None when only roughly or not told
    reply: int = 0  # tokens of the limit that were asked for the reply

    @property
    def input_limit(self) -> int | None:
        """Input tokens that leave room for the reply; None when the limit is not known."""
        if self.limit is None:
            return None
        # Most limits are of both. A reply whose need is not told is left a twentieth: chosen, not measured.
        return max(1, self.limit - (self.reply or self.limit // 20))


def overflow_of(error: BaseException) -> Overflow | None:
    """Return what an error says of a request too long for the model; None when it is any other error."""
    # The error, and what it was raised from, may be of any class: their text counts, and the answer of the server where
    # they carry it. Forms that are known are read exactly. Of others the structure tells: a status of 400, 413 or 422,
    # or none, and a text that speaks of context, prompt, input or tokens and of a limit. Limits of tokens over time,
    # quotas, and limits of the reply, of settings and of attachments are other errors.
    if not isinstance(error, Exception):
        return None
    chain = list(_chain(error))
    said = "\n".join(text for link in chain for text in _texts(link))
    if any(_is_too_many_requests(link) for link in chain) or _OTHER_LIMITS.search(said):
        return None
    found = next(filter(None, (form.search(said) for form in _FORMS)), None)
    if found is not None:
        return _read(found, said)
    statuses = {status for link in chain if (status := _status(link)) is not None}
    # Of 600 characters: what is longer repeats the request, whose words say nothing.
    return _by_structure(said[:600], statuses) if statuses <= {400, 413, 422} else None


def _by_structure(said: str, statuses: Set[int]) -> Overflow | None:
    """Return the overflow of an error that speaks of the input and of a limit, whoever wrote it."""
    if _PARAMETERS.search(said):
        return None
    speaks = any(
        _INPUT.search(said, max(0, found.start() - _AROUND), found.end() + _AROUND) for found in _LIMIT.finditer(said)
    )
    if not speaks:
        return Overflow() if 413 in statuses else None
    limit: int | None = None
    numbers: list[int] = []
    end = 0
    for found in re.finditer(rf"(?<![\w.]){_NUMBER}(?![\w.]*\w)", said):
        number = int(found[0].replace(",", ""))
        if number < 100 or number in statuses:  # a count of something else than tokens
            continue
        before, end = said[max(end, found.start() - _AROUND) : found.start()], found.end()
        if limit is None and _LIMIT_WORDS.search(before) and not before.rstrip().endswith(" by"):
            limit = number
        else:
            numbers.append(number)
    requested = max((number for number in numbers if limit is not None and number > limit), default=None)
    return Overflow(limit, requested)


def _read(found: re.Match[str], said: str) -> Overflow | None:
    """Return the numbers of an overflow; None when the reply alone is over the limit."""
    fields = {name: match[1] for name, field in _FIELDS.items() if (match := field.search(said))}
    stated = {**fields, **{name: number for name, number in found.groupdict().items() if number}}
    numbers = {name: int(number.replace(",", "")) for name, number in stated.items()}
    limit, reply = numbers.get("limit"), numbers.get("reply", 0)
    if limit is not None and reply >= limit:
        return None
    sent = numbers.get("sent", numbers.get("total", 0) - reply)
    return Overflow(limit or None, sent if sent > 0 else None, reply)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it was raised from."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        seen.append(link)
        yield link
        link = link.__cause__


def _texts(error: Any) -> Iterator[str]:
    """Yield what an error says; attributes of foreign classes may fail when read."""
    sources: tuple[Callable[[], object], ...] = (
        lambda: error,
        lambda: error.body,  # of OpenAI's and Anthropic's clients, the numbers of llama.cpp are only there
        lambda: error.code,
        lambda: error.response.text,  # of httpx, whose errors have it nowhere else
    )
    for source in sources:
        with suppress(Exception):
            yield " ".join(str(source())[:_READ].split())


def _status(error: Any) -> int | None:
    """Return the status that an error carries."""
    with suppress(Exception):
        for holder in (error, error.response):
            for name in ("status_code", "status", "code"):
                status = getattr(holder, name, None)
                if isinstance(status, int) and not isinstance(status, bool):
                    return int(status)
    return None


def _is_too_many_requests(error: Any) -> bool:
    return 429 in (getattr(error, name, None) for name in ("status_code", "code"))
