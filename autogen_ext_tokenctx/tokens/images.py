"""What an image costs, by the few rules that providers go by: for the finest detail, and never too low."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Protocol


class ImageCost(Protocol):
    """A rule for the tokens of an image.

    Example:
        >>> rule: ImageCost = FlatImages(258)
        >>> rule.tokens(100, 100)
        258
    """

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        ...


@dataclass(frozen=True, slots=True)
class TiledImages:
    """OpenAI's tiles: `base` tokens an image, scaled down, and `tile` tokens each started 512-pixel square."""

    # From OpenAI's vision guide, "GPT-4o, GPT-4.1, GPT-4o-mini, CUA, and o-series (except o4-mini)", with the 2,048 and
    # 768 pixels to which the long and the short edge are scaled.
    base: int
    tile: int

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        width, height = max(width, 1), max(height, 1)
        shrink = min(1.0, 2048 / max(width, height))
        shrink *= min(1.0, 768 / (min(width, height) * shrink))
        # Rounded, lest a scaled edge of 512.0000001 pixels take two tiles.
        across, down = (ceil(round(edge * shrink, 3) / 512) for edge in (width, height))
        return self.base + self.tile * across * down


@dataclass(frozen=True, slots=True)
class PatchedImages:
    """Patches: each started square of `edge` pixels costs `factor` tokens, `most` of them count at most."""

    # From OpenAI's vision guide (32 pixels, 1,536 patches, a factor by model), Anthropic's, and the counts measured in
    # huggingface.co/datasets/JOHNISKING/image-token-cost (28 pixels: 1024 x 1024 is 37 x 37).
    edge: int
    most: int
    factor: float = 1.0
    longest: int | None = None  # pixels to which the longest edge of larger images is scaled

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        width, height = max(width, 1), max(height, 1)
        shrink = min(1.0, self.longest / max(width, height)) if self.longest else 1.0
        across, down = (ceil(round(edge * shrink, 3) / self.edge) for edge in (width, height))
        # What has to be scaled counts as the limit itself: how the scaling is rounded is not documented, and it was
        # seen to be billed in full (community.openai.com/t/1281361).
        return ceil(round(min(across * down, self.most) * self.factor, 6))


@dataclass(frozen=True, slots=True)
class CroppedImages:
    """Gemini 1.5 to 2.5: small images are one tile of so many tokens, larger ones are cropped into tiles."""

    tile: int

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        # From ai.google.dev/gemini-api/docs/image-understanding: one tile up to 384 x 384 pixels; beyond, a tile's edge
        # is the short edge by 1.5, within 256 and 768 pixels, and 960 x 540 makes 6 tiles.
        width, height = max(width, 1), max(height, 1)
        if width <= 384 and height <= 384:
            return self.tile
        edge = min(max(int(min(width, height) / 1.5), 256), 768)
        return self.tile * ceil(width / edge) * ceil(height / edge)


@dataclass(frozen=True, slots=True)
class FlatImages:
    """The same tokens for every image."""

    each: int

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        return self.each
