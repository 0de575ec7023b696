"""What a model gave for a summary: its sections, its length, and whether it states what its source does not.

A summary that makes up an order number is worse than none. Names and judgements cannot be checked by a program, but
ids, numbers, dates, paths and addresses can: they have to stand in the source. Free are numbers of one or two digits
(lists, counts, steps) and words that are only written together ("follow-up", "and/or", "3-step").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice

from ..retrieval.terms import is_entity, written
from .answers import UnusableAnswerError
from .text import HEADINGS

_NONE = "- none"  # what stands under a heading where there is nothing

_HEADING = re.compile(
    rf"\s*(?P<mark>(?:#+|\*\*)\s*(?:\d[.)]\s*)?)?(?P<name>{'|'.join(HEADINGS)})\b(?P<rest>.*)", re.IGNORECASE
)
_NAMES = {name.lower(): name for name in HEADINGS}
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_THOUSANDS = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
_ESCAPE = re.compile(r"\\[nrtbf\"/\\]")
_JOINT = re.compile(r"[-_#/:]+")
_NUMBER = re.compile(r"(?<![^\W_])(?<!\d[.])\d+(?:\.\d+)?")
_MEASURE = re.compile(r"v?(\d+(?:\.\d+)?)(?:-?[^\W\d_]+)?")  # with what it counts, or a version: 120s, 3-step, v1.2
_FREE = re.compile(r"\d{1,2}(?:[-/]\d{1,2})*")  # small numbers and ranges of them

# A line that is nothing but a form to be filled in, such as [facts].
_PLACEHOLDER = re.compile(r"\[[^\[\]]*\]|<[^<>]*>|\{[^{}]*\}|\.+|…|")

# How a model begins that will not do what it was asked to, in lower case.
_REFUSAL = re.compile(
    r"(?:(?:i[’']?m |i am )?(?:very |so )?sorry\b|i apologi[sz]e\b|unfortunately,? i\b|as an? (?:ai|language model)\b"
    r"|i(?:[’']m| am) (?:an ai|unable|not able|not allowed)\b"
    r"|i (?:can[’']?t|cannot|can not|won[’']t|will not|do not feel|must decline|decline)"
    r"(?: to| comfortable)* (?:summar|help|assist|provid|fulfil|comply|creat|generat|process|discuss|do (?:this|that))"
    r"|(?:unable|cannot|can[’']t) (?:to )?(?:summari[sz]e|assist|help|comply|fulfil|provide)"
    r"|es tut mir leid|ich kann (?:das|dies|diese|dabei)\b|je suis désolé|lo siento|mi dispiace|desculpe"
    r"|je ne peux pas (?:vous|résum|fourn)|no puedo (?:ayud|resum|proporc)|к сожалению, я|извините"
    r"|抱歉|对不起|我无法|我不能|申し訳|죄송)"
)


def read(answer: str, source: str, limit: int, count: Callable[[str], int]) -> str:
    """Return the summary in an answer to a source, always of five sections; raise an UnusableAnswerError for none."""
    if len(answer) > 50 * limit:  # no text has so many characters a token: it is not even counted
        raise UnusableAnswerError(f"It was far too long: {limit} tokens are allowed.")
    sections = _sections(answer)
    if not any(sections.values()):
        raise UnusableAnswerError(f"It had nothing under any of the headings {', '.join(HEADINGS)}.")
    if empty := _says_nothing([line for lines in sections.values() for line in lines], source):
        raise UnusableAnswerError(empty)
    tokens = count(_put_together(sections))
    # what is over by up to a quarter is cut and not refused; chosen, not measured
    text = _within(sections, limit, count) if tokens <= 1.25 * limit else ""
    if not text:
        raise UnusableAnswerError(f"It is {tokens} tokens long, {limit} are allowed.")
    if invented := list(islice(unfounded(text, source), 6)):  # a few are enough to tell the model what is meant
        raise UnusableAnswerError(f"It states what was not said: {', '.join(invented)}.")
    return text


def _within(sections: dict[str, list[str]], limit: int, count: Callable[[str], int]) -> str:
    """Return the sections within a limit, the longest without their last lines; "" if the headings alone are more."""
    while count(text := _put_together(sections)) > limit:
        longest = max(sections.values(), key=lambda lines: sum(map(len, lines)))
        if not longest:
            return ""
        longest.pop()
    return text


def unfounded(text: str, source: str) -> Iterator[str]:
    """Yield the ids, numbers, dates, paths and addresses of a text that do not stand in its source."""
    known = _Source(source)
    words = dict.fromkeys(word for word in written(_plain(text)) if _is_fact(word))
    return (word for word in words if not known.has(word.lower()))


def _says_nothing(lines: Sequence[str], source: str) -> str:
    """Return what is wrong with lines that refuse, or only repeat the form that was asked for; "" for nothing."""
    # what stands in the source is no such line: a person may well have written "[to be done]" or "I cannot"
    said = source.lower()
    bare = [line.strip(" \t-*•").lower() for line in lines]
    for line in bare:
        if line.rstrip(".") not in said or not line.strip("."):
            if _PLACEHOLDER.fullmatch(line.rstrip(".") or line):
                return f"It has a placeholder, where '{_NONE}' should stand if there is nothing: {line[:60]}"
            if _REFUSAL.match(line):
                return f"It refuses instead of summarising: {line[:60]}"
    if len(bare) >= 3 and len(set(bare)) == 1:
        return f"It says the same under each heading: {bare[0][:60]}"
    return ""


def _sections(answer: str) -> dict[str, list[str]]:
    """Return the lines below each heading; of headings that come twice the last, since drafts come first."""
    sections: dict[str, list[str]] = {name: [] for name in HEADINGS}
    lines: list[str] = []
    for line in answer.splitlines():
        heading = _HEADING.fullmatch(line)
        rest = heading["rest"].lstrip("*_ ") if heading else ""
        if heading and (heading["mark"] or not rest or rest.startswith(":")):
            lines = sections[_NAMES[heading["name"].lower()]] = []
            line = (rest.partition(":")[2] if "#" in (heading["mark"] or "") else rest).strip("*_: ")
        if line.strip() and line.strip(" -*.").lower() != "none":
            lines.append(line.rstrip())
    return sections


def _put_together(sections: dict[str, list[str]]) -> str:
    return "\n".join(f"## {name}\n" + ("\n".join(lines) or _NONE) for name, lines in sections.items())


def _plain(text: str) -> str:
    """Return a text without what stands between or around numbers and ids and is no part of them."""
    return _THOUSANDS.sub("", _WIDE.sub(" ", text))


def _is_fact(word: str) -> bool:
    if not is_entity(word) or _FREE.fullmatch(word):
        return False
    if any(map(str.isdigit, word)):
        return True
    parts = word.split(".")
    return "@" in word or "_" in word or word.count("/") > 1 or (len(parts) > 1 and min(map(len, parts)) > 1)


class _Source:
    """A text in which facts are looked up."""

    def __init__(self, text: str) -> None:
        text = _plain(text).lower()
        # in JSON a line end is a letter too, and stands at the beginning of the next word
        self._text = f"{text}\n{_ESCAPE.sub(' ', text)}" if "\\" in text else text

    # Each of these is made at the first fact that needs it: most facts stand in the text word for word.

    @cached_property
    def _words(self) -> set[str]:
        return set(written(self._text))

    @cached_property
    def _numbers(self) -> set[str]:
        return {_value(number) for number in _NUMBER.findall(self._text)}

    @cached_property
    def _loose(self) -> str:
        return _JOINT.sub(" ", self._text)

    def has(self, word: str) -> bool:
        """Return whether a fact, in lower case, stands in the text, written a little differently perhaps."""
        if word in self._words or _stands(word, self._text):
            return True
        measure = _MEASURE.fullmatch(word)
        if measure:
            return _FREE.fullmatch(measure[1]) is not None or _value(measure[1]) in self._numbers
        parts = word.split(":")
        if len(parts) > 1 and any(map(str.isalpha, word)):  # a file and a line, a key and a value
            return all(self.has(part) for part in parts if part and _is_fact(part))
        return any(map(str.isalpha, word)) and _stands(_JOINT.sub(" ", word), self._loose)


def _value(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _stands(word: str, text: str) -> bool:
    """Return whether a word stands in a text, and is neither a part of a word nor of a number there."""
    literal = re.escape(word)
    after = r"(?![^\W_])" + (r"(?!\.\d)" if word[-1].isdigit() else "")
    # what is before is looked at last: a search for a pattern that begins with letters is many times as fast
    before = rf"(?<![^\W_]{literal})" + (rf"(?<!\d\.{literal})" if word[0].isdigit() else "")
    return re.search(literal + after + before, text) is not None
