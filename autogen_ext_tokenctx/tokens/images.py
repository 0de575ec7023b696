"""What an image costs: the few rules that providers go by.

All rules take the finest detail, because AutoGen sends images with detail "auto", and all are never too low.
"""

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
    """OpenAI's tiles: the image is scaled down, then every started 512-pixel square costs the same.

    Source: OpenAI's vision guide, "GPT-4o, GPT-4.1, GPT-4o-mini, CUA, and o-series (except o4-mini)".

    Args:
        base: Tokens of any image.
        tile: Tokens of each tile.

    Example:
        >>> TiledImages(85, 170).tokens(1024, 1024), TiledImages(85, 170).tokens(2048, 4096)
        (765, 1105)
    """

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
    """Patches: every started square of a few pixels is a token, up to a limit to which larger images are scaled.

    Sources: OpenAI's vision guide (32 pixels, 1,536 patches, and a factor by model); Anthropic's vision guide and the
    counts measured in huggingface.co/datasets/JOHNISKING/image-token-cost (28 pixels: 1024 x 1024 is 37 x 37).
    An image that has to be scaled counts as the limit itself: how the scaling is rounded is not documented, and it was
    seen to be billed in full (community.openai.com/t/1281361).

    Args:
        edge: Pixels of a patch's edge.
        most: Patches of the largest image.
        factor: Tokens of a patch.
        longest: Pixels of the longest edge, to which larger images are scaled; None if only ``most`` limits.

    Example:
        >>> PatchedImages(32, 1_536, 1.62).tokens(1024, 1024)
        1659
        >>> PatchedImages(28, 1_568, longest=1_568).tokens(1024, 1024)
        1369
    """

    edge: int
    most: int
    factor: float = 1.0
    longest: int | None = None

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        width, height = max(width, 1), max(height, 1)
        shrink = min(1.0, self.longest / max(width, height)) if self.longest else 1.0
        across, down = (ceil(round(edge * shrink, 3) / self.edge) for edge in (width, height))
        return ceil(round(min(across * down, self.most) * self.factor, 6))


@dataclass(frozen=True, slots=True)
class CroppedImages:
    """Gemini 1.5 to 2.5: small images are one tile, larger ones are cropped into tiles.

    Source: ai.google.dev/gemini-api/docs/image-understanding: 258 tokens up to 384 x 384 pixels; beyond, a tile's edge
    is the short edge by 1.5, within 256 and 768 pixels, and 960 x 540 makes 6 tiles.

    Args:
        tile: Tokens of each tile.

    Example:
        >>> CroppedImages(258).tokens(384, 384), CroppedImages(258).tokens(960, 540)
        (258, 1548)
    """

    tile: int

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        width, height = max(width, 1), max(height, 1)
        if width <= 384 and height <= 384:
            return self.tile
        edge = min(max(int(min(width, height) / 1.5), 256), 768)
        return self.tile * ceil(width / edge) * ceil(height / edge)


@dataclass(frozen=True, slots=True)
class FlatImages:
    """The same tokens for every image.

    Args:
        each: Tokens of an image.

    Example:
        >>> FlatImages(1_120).tokens(4_000, 3_000)
        1120
    """

    each: int

    def tokens(self, width: int, height: int) -> int:
        """Return the input tokens of an image of this many pixels."""
        return self.each
