"""The token counter for a model: its tokenizer, and what an image costs there."""

from __future__ import annotations

import logging
import re

from ..errors import UnknownModelError
from ..tokens.counting import EstimatedTokenCounter, RequestTokenCounter, TokenCounter
from ..tokens.encodings import RANK_FILES, count_tokens, load_encoding
from ..tokens.estimate import estimate_tokens
from ..tokens.images import ImageCost
from ..warn import warn_once
from .known import family_of
from .names import ModelName
from .profile_table import profile_of
from .profiles import ModelProfile

logger = logging.getLogger(__name__)

_DEFAULT_ENCODING = "o200k_base"
# OpenAI's own service. Who serves gpt-oss puts system prompts of their own in front.
_OPENAI = re.compile(r"(?:ft:)?(?:gpt-(?!oss)|chatgpt-|codex|o\d)")


class TiktokenCounter(RequestTokenCounter):
    """Counts with OpenAI's own tokenizer: exact for its models, close for the others.

    The tokenizer's file comes with the package. If it is missing when the counter is made, the counter estimates for
    the whole of its life, after one warning: its numbers never change in between. :attr:`exact` says which.

    Args:
        model: A model's name, with or without a provider's prefix ("openai/gpt-4o"); it also decides what an image
            costs. Models whose tokenizer is not public (Claude, Gemini, Llama, ...) are counted with o200k_base, as
            an approximation.
        encoding: Instead of a model: "o200k_base" (the default), "o200k_harmony" or "cl100k_base".
        images: What an image costs. None: as the model has it, without one as gpt-4o has it.

    Raises:
        UnknownModelError: Nothing is known about the model, or there is no such encoding.
        ValueError: Both a model and an encoding were given.

    Example:
        >>> counter = TiktokenCounter(model="gpt-4o")
        >>> counter.encoding
        'o200k_base'
        >>> counter.count_text("hello world")
        2
    """

    def __init__(
        self, model: str | None = None, *, encoding: str | None = None, images: ImageCost | None = None
    ) -> None:
        if model is not None and encoding is not None:
            raise ValueError(f"give a model or an encoding, not both (model={model!r}, encoding={encoding!r})")
        self.model = model
        self.has_own_images = images is not None
        if images is None and model is not None:
            images = profile_of(model).images
        super().__init__(*(() if images is None else (images,)))
        self._name = _encoding_of(model) if model is not None else encoding or _DEFAULT_ENCODING
        if self._name not in RANK_FILES:
            raise UnknownModelError(self._name, f"Encodings are: {', '.join(sorted(RANK_FILES))}.")
        self._encoding = load_encoding(self._name)

    @property
    def encoding(self) -> str:
        """The name of the encoding."""
        return self._name

    @property
    def exact(self) -> bool:
        """Whether texts are counted with the tokenizer rather than estimated."""
        return self._encoding is not None

    def count_text(self, text: str) -> int:
        """Return the tokens of a bare text of any length; "<|endoftext|>" and its like are text."""
        return estimate_tokens(text) if self._encoding is None else count_tokens(self._encoding, text)


def counter_for_model(model: str | None, profile: ModelProfile | None = None) -> TokenCounter:
    """Return the best counter there is for a model; never raises without a profile.

    Args:
        model: A model's name, or ``None`` for the default encoding. An unknown name warns once and gets the default.
        profile: What a program says of the model; it comes before what is known by the name.

    Raises:
        UnknownModelError: The profile's encoding is none.

    Example:
        >>> counter_for_model("gpt-4o").count_text("hello world")
        2
    """
    if profile is not None:
        return TiktokenCounter(encoding=profile.encoding, images=profile.images)
    try:
        return TiktokenCounter(model)
    except UnknownModelError:
        warn_once(
            f"model {model}",
            f"the tokenizer of model {model!r} is not known, so its tokens are counted with {_DEFAULT_ENCODING}. For "
            "other counts use TiktokenCounter(encoding='cl100k_base') or a TokenCounter of your own.",
        )
        return TiktokenCounter()


def counter_named(name: str) -> TokenCounter:
    """Return the counter of a name: an encoding, a model, or "estimated"; raise UnknownModelError for no model."""
    if name == "estimated":
        return EstimatedTokenCounter()
    return TiktokenCounter(encoding=name) if name in RANK_FILES else TiktokenCounter(name)


def name_of_counter(counter: TokenCounter) -> str:
    """Return the name by which `counter_named` gives an equal counter; raise a TypeError for one of the user's."""
    if type(counter) is TiktokenCounter and not counter.has_own_images:
        return counter.model or counter.encoding
    if type(counter) is EstimatedTokenCounter:
        return "estimated"
    raise TypeError(
        f"a {type(counter).__name__} cannot be dumped: it is an object of this process. A counter by name can, such as "
        "TiktokenCounter(model='gpt-4o'); or build what counts with it in code."
    )


def is_exact(model: str) -> bool:
    """Return whether requests to a model can be counted exactly: it is OpenAI's, and its tokenizer is at hand."""
    if not _OPENAI.match(model.lower().rsplit("/", 1)[-1]):
        return False
    try:
        return TiktokenCounter(model).exact
    except UnknownModelError:
        return False


def _encoding_of(model: str) -> str:
    """Return the name of the encoding that comes closest to a model's tokenizer."""
    profile = profile_of(model)
    if profile.encoding is not None:
        return profile.encoding
    if profile.family == "unknown" and family_of(ModelName.parse(model)) is None:
        raise UnknownModelError(model, f"Give encoding= instead, one of: {', '.join(sorted(RANK_FILES))}.")
    logger.debug("The tokenizer of %s is not public; counting with %s.", model, _DEFAULT_ENCODING)
    return _DEFAULT_ENCODING
