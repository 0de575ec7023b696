"""What an image costs by each of the rules that providers go by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.tokens.images import CroppedImages, FlatImages, ImageCost, PatchedImages, TiledImages

TILED = TiledImages(85, 170)
PATCHED = PatchedImages(28, 1_568, longest=1_568)
FACTORED = PatchedImages(32, 1_536, 1.62)
CROPPED = CroppedImages(258)
RULES: list[ImageCost] = [TILED, PATCHED, FACTORED, CROPPED, FlatImages(1_120)]
EDGES = st.integers(1, 6_000)


@pytest.mark.parametrize(
    ("size", "across", "down"),
    [
        ((512, 512), 1, 1),
        ((513, 512), 2, 1),
        ((768, 768), 2, 2),
        ((2_000, 2_000), 2, 2),  # the short edge becomes 768
        ((700, 3_000), 1, 4),  # the long edge becomes 2,048, then the short one has 478
        ((600, 1_800), 2, 4),  # neither is too long
        ((3_000, 3_000), 2, 2),
        ((1_036, 2_072), 2, 3),  # becomes 768 by 1,536: three tiles and no hair more
    ],
)
def test_tiles_are_counted_after_both_edges_were_scaled(size: tuple[int, int], across: int, down: int) -> None:
    assert TILED.tokens(*size) == 85 + 170 * across * down
    assert TILED.tokens(*reversed(size)) == TILED.tokens(*size)


@pytest.mark.parametrize(
    ("rule", "size", "tokens"),
    [
        (PATCHED, (28, 28), 1),
        (PATCHED, (29, 28), 2),
        (PATCHED, (3_136, 28), 56),  # scaled to 1,568 by 14
        (PATCHED, (1_568, 1_568), 1_568),  # 56 times 56 patches are more than the largest image has
        (PATCHED, (5_000, 5_000), 1_568),
        (FACTORED, (320, 480), 243),  # 150 patches by 1.62: the product is no hair more
        (FACTORED, (321, 480), 268),  # 165 patches: what is started is billed
        (FACTORED, (9_000, 9_000), 2_489),
    ],
)
def test_patches_are_counted_up_to_a_limit(rule: PatchedImages, size: tuple[int, int], tokens: int) -> None:
    assert rule.tokens(*size) == tokens


@pytest.mark.parametrize(
    ("size", "tiles"),
    [
        ((384, 384), 1),
        ((385, 384), 4),  # crops have 256 pixels at least
        ((385, 100), 2),
        ((100, 385), 2),
        ((960, 540), 6),
        ((3_000, 3_000), 16),  # and 768 at most
    ],
)
def test_crops_begin_where_an_edge_is_longer_than_a_small_image(size: tuple[int, int], tiles: int) -> None:
    assert CROPPED.tokens(*size) == 258 * tiles


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@given(width=EDGES, height=EDGES)
def test_every_image_costs_something_and_turning_it_changes_nothing(rule: ImageCost, width: int, height: int) -> None:
    tokens = rule.tokens(width, height)
    assert tokens >= 1
    assert rule.tokens(height, width) == tokens


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("size", [(0, 0), (0, 300), (300, 0)], ids=str)
def test_an_image_without_pixels_costs_what_one_pixel_costs(rule: ImageCost, size: tuple[int, int]) -> None:
    assert rule.tokens(*size) == rule.tokens(*(max(1, edge) for edge in size))


@pytest.mark.parametrize("rule", [PATCHED, FACTORED], ids=["longest", "factor"])
@given(width=EDGES, height=EDGES)
def test_no_image_costs_more_than_the_limit(rule: PatchedImages, width: int, height: int) -> None:
    assert rule.tokens(width, height) <= rule.most * rule.factor + 1
