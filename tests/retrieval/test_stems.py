"""Inflected words find each other, in languages with many forms of a word."""

from __future__ import annotations

from itertools import combinations

import pytest
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.messages.groups import split
from autogen_ext_tokenctx.retrieval.index import HistoryIndex
from autogen_ext_tokenctx.retrieval.stems import finnish_stem, is_finnish, russian_stem
from autogen_ext_tokenctx.retrieval.terms import terms, written
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter, GuardedTokenCounter

MANAGER = ContextManager()

RUSSIAN = """\
договор договора договору договором договоре договоры договоров договорам
счёт счёта счёту счётом счете
заказ заказа заказу заказом заказе заказы заказов
машина машины машине машину машиной машин машинам
письмо письма письму письмом письме письмам
ошибка ошибки ошибке ошибку ошибкой ошибкам
красный красная красное красного красной красному
книга книги книге книгу книгой книгам"""

FINNISH = """\
sopimus sopimuksen sopimusta sopimukseen sopimuksessa sopimukset sopimuksia
lasku laskun laskua laskuun laskussa laskut laskuja
tilaus tilauksen tilausta tilaukseen tilaukset tilauksia
palvelin palvelimen palvelinta palvelimella palvelimet
virhe virheen virhettä virheessä virheet virheitä
asunto asunnossa asunnosta asuntoon asunnot asuntoja
kokous kokouksen kokousta kokouksessa kokoukset kokouksia
avain avaimen avainta avaimet avaimia"""


@pytest.mark.parametrize(("forms", "stem", "share"), [(RUSSIAN, russian_stem, 0.95), (FINNISH, finnish_stem, 0.7)])
def test_forms_of_a_word_share_a_stem_and_different_words_do_not(forms: str, stem: object, share: float) -> None:
    assert callable(stem)
    words = [[stem(word) for word in line.split()] for line in forms.splitlines()]
    pairs = [one == other for line in words for one, other in combinations(line, 2)]
    assert sum(pairs) >= share * len(pairs)
    assert not any(set(one) & set(other) for one, other in combinations(words, 2))


ASKED = {
    "ru: genitive": ("Номер договора — двадцать четыре дробь семь.", "Где лежат договоры?"),
    "ru: instrumental": ("Вместе с письмом пришла посылка из Твери.", "Откуда были письма?"),
    "ru: gender": ("Красная машина стоит у склада в порту.", "Где красную видели?"),
    "ru: yo": ("По счёту заплатил бухгалтер Орлов в среду.", "Кто платил по счету?"),
    "ru: plural": ("Ошибки нашли в модуле печати отчётов.", "Где была ошибка?"),
    "fi: genitive": ("Sopimuksen allekirjoitti Virtanen Turussa.", "Missä sopimus on?"),
    "fi: partitive": ("Laskuja maksaa Korhonen joka perjantai.", "Kuka hoitaa laskun?"),
    "fi: inessive": ("Palvelimessa oli rikki tuuletin ja levy.", "Mikä vika palvelimella oli?"),
    "fi: plural": ("Tilaukset toimitetaan Oulusta laivalla.", "Mistä tilaus tulee?"),
    "fi: elative": ("Asunnosta maksettiin kaksi miljoonaa.", "Mikä oli asunnon hinta?"),
}
"""A line, and a question that shares one word with it, in another form."""

OTHERS = ("Сегодня дождь, завтра снег.", "Tänään sataa, huomenna paistaa.", "It rains today, and it snows tomorrow.")


@pytest.mark.parametrize(("line", "question"), ASKED.values(), ids=list(ASKED))
async def test_a_question_finds_a_word_in_another_form(line: str, question: str) -> None:
    earlier: list[LLMMessage] = [UserMessage(content=OTHERS[n % 3], source="user") for n in range(30)]
    earlier[11] = AssistantMessage(content=line, source="clerk")
    asked = [UserMessage(content=question, source="user")]
    found = await MANAGER.recall(earlier, asked, asked, 200)
    assert found is not None
    assert line in str(found.message.content)
    index = HistoryIndex(GuardedTokenCounter(EstimatedTokenCounter()))
    index.follow([*earlier, *asked])
    assert index.search(question, 1) == [11]
    assert split(earlier)[11].messages == (earlier[11],)


@pytest.mark.parametrize(
    "line",
    [
        "Where do the vacuum and the skis go?", "Wo können die Möbel stehen?", "Var är mötet, när börjar det?",
        "The annexes of the contract are in the villa.", "Dove sono gli allegati?", "Où sont les pièces?", "",
    ],
)  # fmt: skip
def test_other_languages_are_not_taken_for_finnish(line: str) -> None:
    assert not is_finnish(written(line))


def test_ids_and_english_words_among_others_stay_what_they_are() -> None:
    assert "p-4311" in terms("Где груз P-4311?")
    assert terms("running tests") == ["run", "test"]
    assert "commit" in terms("сделай commit завтра")


def test_no_word_is_too_long() -> None:
    assert terms("я" * 100_000) == ["я" * 100_000]
