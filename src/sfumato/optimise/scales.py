"""Coarse to fine: large strokes are laid where they are cheap, detail where it has its place.

Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 6, in steps
of the square root of 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from sfumato.optimise.recipe import Recipe

REFERENCE = 512
"""Longer side in pixels at which a coarse-to-fine recipe takes exactly its ``steps``."""

LEAST_SIDE = 32
"""Of the shorter side at any scale, so that the deepest layers have cells to speak of."""

FEWEST, MOST = 3, 400
"""Steps at a scale of a coarse-to-fine recipe."""


class Scale(NamedTuple):
    """One size at which the picture is optimised."""

    height: int
    width: int
    steps: int

    @property
    def cost(self) -> int:
        """Work of the scale, in pixels seen."""
        return self.height * self.width * self.steps


def plan(shape: tuple[int, int], region: tuple[int, int], recipe: Recipe) -> Sequence[Scale]:
    """The scales from the coarsest to the picture's own size.

    Args:
        shape: height and width of the picture.
        region: height and width of the part that is painted: the coarsest scale is the one at
            which *that* has ``recipe.smallest`` pixels on its longer side.
        recipe: how far down to go, and the steps: at a scale of S pixels on the picture's longer
            side ``steps * REFERENCE / S``, so that each scale costs half as much again as the one
            before it; at full size only, ``steps``.
    """
    longest = max(shape)
    if not recipe.smallest:
        return [Scale(*shape, recipe.steps)]
    factor = min(1.0, max(recipe.smallest / max(region), LEAST_SIDE / min(shape)))
    count = math.floor(math.log(1 / factor, math.sqrt(2)) + 1e-9)
    scales = []
    for i in range(count, -1, -1):
        size = [max(1, round(n / math.sqrt(2) ** i)) for n in shape]
        side = longest / math.sqrt(2) ** i
        steps = round(min(MOST, max(FEWEST, recipe.steps * REFERENCE / side)))
        scales.append(Scale(size[0], size[1], steps))
    return scales
