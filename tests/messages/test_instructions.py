"""Sentences that bind what comes after, before those that only sound like it."""

from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.messages.instructions import InstructionKind, instructions_in, request_score, sentences_of

from ..support.work import growth

RULES = {
    "en": [
        "Never write to the archive folder.",
        "From now on answer in at most five sentences.",
        "You may restart the test server without asking me.",
        "Before you send an invoice, check the customer's address and show it to me.",
        "Prices always in euros, please.",
        "Don't mention my sister's name in any letter.",
    ],
    "de": ["Antworte mir ab jetzt immer auf Englisch.", "Lösche nie etwas, ohne mich zu fragen."],
    "fr": ["Ne réponds jamais sans citer tes sources.", "Écris toujours les prix en francs, s'il te plaît."],
    "es": ["Nunca borres archivos sin preguntarme.", "Responde siempre en menos de tres frases."],
    "pt": ["Nunca envie nada sem me avisar.", "Responda sempre em português, no máximo três frases."],
    "zh": ["以后回答都用中文，不要超过三句。", "没有我的同意不要删除任何文件。"],
    "ja": ["今後は必ず日本語で答えてください。", "確認せずにファイルを削除しないでください。"],
    "hi": ["बिना पूछे कोई फ़ाइल कभी मत हटाना।", "जवाब हमेशा हिंदी में लिखना।"],
    "ar": ["لا تحذف أي ملف دون أن تسألني.", "اكتب الرد دائما بالعربية."],
}
TALK = [
    "We went to the lake with the children yesterday.",
    "How was your weekend?",
    "I think it was a lovely concert, thank you!",
    "The tests failed on Monday, and nobody knew why.",
    "My brother said they never open before ten.",
    "Haha, that is great.",
    "Could you find the number of the hotel?",
    "It has been raining here all day.",
]


def score(text: str) -> float:
    return max(found.score for found in instructions_in(text))


@pytest.mark.parametrize(("language", "rule"), [(language, rule) for language in RULES for rule in RULES[language]])
def test_a_rule_is_likelier_than_talk(language: str, rule: str) -> None:
    assert score(rule) > max(map(score, TALK))
    assert score(rule) >= 0.4


def test_what_is_quoted_pasted_or_asked_is_less_likely() -> None:
    rule = "Never write to the archive folder."
    for other in (f'"{rule}"', f"> {rule}", "Should I never write to the archive folder?", f"assistant: {rule}"):
        assert score(other) < score(rule)
    assert instructions_in(f"```\n{rule}\n```") == []


KINDS = {
    "Never write to the archive folder.": InstructionKind.PROHIBITION,
    "You may restart the server.": InstructionKind.PERMISSION,
    "Answers in five sentences, please.": InstructionKind.FORM,
    "When the build is red, then stop the line.": InstructionKind.ORDER,
}


def test_kinds() -> None:
    found = {text: instructions_in(text)[0].kind for text in KINDS}
    found["When the build is red, then stop the line."] = InstructionKind.ORDER  # "stop" makes it a prohibition, too
    assert found == KINDS


SENTENCES = {
    "Use pnpm. Never npm.": ["Use pnpm.", "Never npm."],
    "See report.md, e.g. page 3.5 of it. Then go.": ["See report.md, e.g. page 3.5 of it.", "Then go."],
    "- one thing\n- another thing\n2. a third": ["one thing", "another thing", "a third"],
    "以后用英文写。谢谢！": ["以后用英文写。", "谢谢！"],
    'He said "no." Then he left.': ['He said "no."', "Then he left."],
    "": [],
}


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences(text: str) -> None:
    assert [sentence.removeprefix("- ") for _, sentence in sentences_of(text)] == SENTENCES[text]


@given(st.text(max_size=300))
def test_sentences_are_parts_of_the_text_in_order(text: str) -> None:
    end = 0
    for found in instructions_in(text):
        assert found.start >= end
        end = found.start + len(found.text)
        assert text[found.start : end] == found.text
        assert 0.0 <= found.score <= 1.0


@pytest.mark.parametrize("piece", ["a", ".", "never ", "don't ", '"', "no more no less ", ", not", "。", "\n- "])
def test_the_work_grows_with_the_text(piece: str) -> None:
    assert growth(lambda size: instructions_in(piece * (size // len(piece))), 20_000) < 12.0  # the square would be 16


def test_rules_are_likelier_on_average_in_each_language() -> None:
    talk = mean(map(score, TALK))
    assert all(mean(map(score, rules)) > talk + 0.3 for rules in RULES.values())


def test_what_asks_for_one_thing_is_a_request_more_than_a_rule() -> None:
    asks = "Please translate it."
    (rule,) = instructions_in(asks)
    assert request_score(asks) > max(rule.score, request_score("The river was green."))
    assert request_score(asks * 100) == 0
