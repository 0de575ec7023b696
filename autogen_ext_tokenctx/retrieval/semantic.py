"""Relevance by words and by meaning, put together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ..messages.groups import MessageGroup
from .embedding import Embedder, SemanticIndex
from .features import GroupFeatures

_SHARE = 0.5
"""Share of relevance by meaning when a full question was just asked; it falls with the doubt about what is asked."""

_FEW_TERMS = 5
"""Texts of fewer terms say nothing by themselves."""

_READ_CHARS = 2_000
"""An embedder reads no more than some hundred tokens of a text."""


class SemanticRelevance:
    """Adds to the relevance by words that by meaning.

    Args:
        embedder: Makes the vectors.

    Example:
        >>> from autogen_core.models import UserMessage
        >>> from autogen_ext_tokenctx.messages.groups import split
        >>> from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter
        >>> from autogen_ext_tokenctx.forms.compressor import GroupCompressor
        >>> from autogen_ext_tokenctx.retrieval.features import FeatureCache
        >>> class Vowels:
        ...     def embed(self, texts: Sequence[str]) -> list[list[float]]:
        ...         return [[float(text.count(vowel)) for vowel in "aeiou"] for text in texts]
        >>> said = ["bananas have a taste that all cats hate", "owls howl low on old oaks of our town"]
        >>> groups = split([UserMessage(content=text, source="ann") for text in said])
        >>> profiles = [FeatureCache(EstimatedTokenCounter(), GroupCompressor()).get(group) for group in groups]
        >>> blended = SemanticRelevance(Vowels()).blend([0.1, 0.2], "banana", groups, profiles, 0.0)
        >>> [round(value, 2) for value in blended]
        [0.15, 0.1]
    """

    def __init__(self, embedder: Embedder) -> None:
        self._index = SemanticIndex(embedder)

    async def learn(self, question: str, groups: Sequence[MessageGroup], profiles: Sequence[GroupFeatures]) -> None:
        """Embeds what is new in a worker thread, so that `blend` need not block the event loop for it."""
        await self._index.learn(question, _texts(groups, profiles))

    def blend(
        self,
        scores: list[float],
        question: str,
        groups: Sequence[MessageGroup],
        profiles: Sequence[GroupFeatures],
        ambiguity: float,
    ) -> list[float]:
        """Scores by words and by meaning.

        Args:
            scores: By words, one a group.
            question: What is asked.
            groups: The groups that may answer it.
            profiles: Their contents.
            ambiguity: How far it is open what is asked, 0 to 1.

        Returns:
            Scores on the same scale; ``scores`` themselves when the embedder failed or nothing is asked.
        """
        share = _SHARE * (1.0 - ambiguity)
        best = max(scores, default=0.0)
        if share < 0.01 or best <= 0.0:
            return scores
        found = self._index.relevance(question, _texts(groups, profiles), [profile.tokens for profile in profiles])
        if found is None:
            return scores
        return [(1.0 - share) * score + share * best * near for score, near in zip(scores, found, strict=True)]


def _texts(groups: Sequence[MessageGroup], profiles: Sequence[GroupFeatures]) -> list[tuple[Hashable, str]]:
    return [(group.key, _text(profile)) for group, profile in zip(groups, profiles, strict=True)]


def _text(profile: GroupFeatures) -> str:
    if len(profile.distinct) < _FEW_TERMS:
        return ""
    parts: list[str] = []
    max_tokens = _READ_CHARS
    for passage in profile.passages:
        if passage.slot.kind == "result":
            parts.append(passage.label)
        for line in passage.lines:
            parts.append(line.text)
            max_tokens -= len(line.text)
            if max_tokens < 0:
                return "\n".join(parts)
    return "\n".join(parts)
