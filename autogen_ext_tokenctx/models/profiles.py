"""What a family of models accepts: the form of the data in `profile_table`, which `shaping` goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..tokens.images import ImageCost


@dataclass(frozen=True, slots=True)
class PromptCache:
    """How a provider bills the start of a request that it has seen before.

    Args:
        automatic: Whether requests as AutoGen sends them are cached at all. AutoGen 0.7.5 sets neither
            ``cache_control``, for Anthropic, nor ``prompt_cache_key``, for Mistral, so theirs are not.
        minimum: Tokens a request must have to be cached.
        granularity: Cached starts are counted in steps of this many tokens; 1 where none is documented.
        discount: Share of the input price that cached tokens are cheaper by; where prices differ in a family, the
            smallest.

    Example:
        >>> cache = PromptCache(automatic=True, minimum=1_024, granularity=128, discount=0.9)
        >>> cache.cached_tokens(1_500), cache.cached_tokens(1_000)
        (1408, 0)
    """

    automatic: bool
    minimum: int
    granularity: int
    discount: float

    def cached_tokens(self, prefix: int) -> int:
        """Return how many tokens of an unchanged start of ``prefix`` tokens are billed as cached, at best."""
        if not self.automatic or prefix < self.minimum:
            return 0
        return prefix - prefix % self.granularity

    def pays(self, before: float, after: float, growth: float) -> bool:
        """Whether a compaction pays: whether it saves more than the cached start it gives up is worth.

        It costs ``discount * after`` once, because what it leaves is billed in full. It saves ``1 - discount`` of the
        tokens it takes out at each call until they are there again, half of them on average. So it pays from
        ``(before - after)² (1 - discount) >= 2 discount * after * growth`` on, in parts of the input price.

        Args:
            before: Tokens of the request as it is.
            after: Tokens that the compaction leaves.
            growth: Tokens that come with each call.

        Example:
            >>> half_price = PromptCache(automatic=True, minimum=1_024, granularity=128, discount=0.5)
            >>> half_price.pays(6_000, 4_800, growth=300), half_price.pays(6_800, 4_800, growth=300)
            (False, True)
        """
        discount = self.discount if self.automatic and before >= self.minimum else 0.0
        return (before - after) ** 2 * (1.0 - discount) >= 2.0 * discount * after * growth


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What one family of models accepts, and how it is billed.

    Example:
        >>> from autogen_ext_tokenctx.models.profile_table import profile_of
        >>> profile_of("anthropic/claude-sonnet-4").system
        'head'
    """

    family: str
    """Name of the family, "unknown" if nothing is known."""
    system: Literal["anywhere", "head", "user"]
    """Where system messages may stand: anywhere; as a single one at the head of the request; or nowhere, so that what
    they say stands in the first user message."""
    turns: Literal["free", "user_first", "calls_answer", "alternate"]
    """Who may speak when, each rule with those before it: anyone at any time; the user before the assistant; tool calls
    only as an answer to the user or to tool results; user and assistant in turns, where a tool exchange belongs to
    the assistant's turn, and the assistant has to speak after it."""
    ends_with_user: bool
    """Whether the last message must not be the assistant's."""
    refuses_empty: bool
    """Whether messages without any text are refused."""
    sends_thought: bool
    """Whether what a model said beside its tool calls is sent back to it. AutoGen sends it as the message's content;
    of reasoning models it holds the reasoning, which their providers say to leave out of later requests."""
    call_id: str
    """Regular expression that ids of tool calls have to match as a whole. Ids of another model often do not."""
    images: ImageCost
    """What an image costs."""
    encoding: str | None
    """The tiktoken encoding of the model; None where its tokenizer is not public there."""
    cache: PromptCache
    """How repeated starts of requests are billed."""
    unique_ids: bool = True
    """Whether an id may name one tool call of a request only. Some servers begin to count anew with each reply."""
    object_arguments: bool = True
    """Whether the arguments of tool calls have to be a JSON object. Models write other things at times."""
