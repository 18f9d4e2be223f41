"""What is against a spot: one small function for each reason.

Every term gives a cost for each pose, 0 = nothing against it, about 1 = much. The score of a spot
is the negative weighted sum, and the parts of that sum are its reasons.
"""

# ruff: noqa: ARG001  (the terms share one signature)
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sfumato.place.figure import SOLID, Figure, Sides
from sfumato.place.light import Light, disagreement
from sfumato.place.scene import Scene

Costs = NDArray[np.float64]
"""One number for each pose."""

BUST = 0.3
"""A figure is a bust if the photo's border cuts this share of its bottom or more."""

COVERED = 0.03
"""Share of a person in the painting that may be covered."""

UNSEEN = 0.4
"""How likely rich texture is somebody, against what the nets say."""

BUST_HEIGHT = 0.55
"""Height of a bust as a share of the painting's."""

FAR, NEAR = 0.3, 0.8
"""Height of a figure that stands on the horizon, and at the lower border."""

BELIEVED = 0.6
"""How much the height of people found in the painting counts for that of a standing figure."""

ROOM = 1.3
"""In a narrow painting, heights are shares of what a figure this much wider than it would have."""


@dataclass(frozen=True, eq=False)
class Stance:
    """What matters of a figure: its shape and what the photo's border cuts off.

    Attributes:
        figure: as it will be placed (mirrored already).
        light: where its light comes from.
    """

    figure: Figure
    light: Light

    @property
    def bust(self) -> bool:
        """It has no feet to stand on."""
        return self.figure.cut.bottom >= BUST

    @cached_property
    def cuts(self) -> Mapping[str, NDArray[np.float64]]:
        """For the left and the right side: length of the cut above each share of the height, in
        units of the height."""
        solid = self.figure.alpha > SOLID
        edges = {"left": (solid[:, 0], self.figure.cut.left),
                 "right": (solid[:, -1], self.figure.cut.right)}  # fmt: skip
        return {side: _running(edge, cut) for side, (edge, cut) in edges.items()}

    def start(self, side: str) -> float:
        """Share of the height from the top at which a side's cut begins; 1 = it has none."""
        running = self.cuts[side]
        there = np.flatnonzero(running)
        return float((there[0] - 1) / (len(running) - 1)) if there.size else 1.0


def _running(edge: NDArray[np.bool_], cut: float) -> NDArray[np.float64]:
    """Cumulative length along an edge, scaled so that all of it is the share that is cut."""
    running = np.concatenate([[0.0], np.cumsum(edge, dtype=np.float64)])
    return running * (cut / running[-1]) if running[-1] else running


@dataclass(frozen=True, eq=False)
class Poses:
    """Boxes for one figure, in pixels of the scene, and what of the scene lies under it.

    Attributes:
        left, top, height, width: of the boxes.
        people, occupied, salient, busy: sums of the scene's maps under the figure's alpha.
        seen: area of the figure within the painting, in pixels; ``area``: all of it.
    """

    left: Costs
    top: Costs
    height: Costs
    width: Costs
    people: Costs
    occupied: Costs
    salient: Costs
    busy: Costs
    seen: Costs
    area: Costs

    @property
    def bottom(self) -> Costs:
        return self.top + self.height

    @property
    def middle(self) -> Costs:
        return self.left + self.width / 2


Term = Callable[[Scene, Stance, Poses], Costs]


def people(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Covers people: hardly any of this can be made up for by anything else."""
    return np.asarray(poses.people + 10 * np.maximum(0, poses.people - COVERED))


def crowded(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Lies on people with much of its own area."""
    return poses.occupied / np.maximum(poses.seen, 1)


def doubt(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Could cover somebody unseen: the larger a figure, and the richer what is behind it, the
    likelier that is."""
    return (poses.occupied + UNSEEN * poses.busy) / scene.people.size


def salient(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Covers what catches the eye."""
    return poses.salient


def calm(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Stands before rich texture, which is likely to show something."""
    return np.minimum(2, poses.busy / np.maximum(poses.seen, 1))


def cut(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Shows where the photo's border cut it: the painting's border must cut it there, too."""
    rows, columns = scene.shape
    into = np.clip((rows - poses.top) / poses.height, 0, 1)
    sides = {"left": poses.left > 0.5, "right": poses.left + poses.width < columns - 0.5}
    shown = sum(
        (np.interp(into, np.linspace(0, 1, len(run)), run) * sides[side]
         for side, run in stance.cuts.items()), np.zeros_like(into),
    )  # fmt: skip
    of: Sides = stance.figure.cut
    wide = poses.width / poses.height
    shown += of.bottom * wide * (poses.bottom < rows - 0.5) + of.top * wide * (poses.top > 0.5)
    return np.asarray(shown, np.float64)


def hidden(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Is partly outside the painting."""
    return np.maximum(0, 1 - poses.seen / np.maximum(poses.area, 1e-6))


def ground(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Has its feet in the air: they belong below the horizon, and rather near the lower border."""
    if stance.bust:
        return np.zeros_like(poses.top)
    feet, line = poses.bottom / scene.shape[0], scene.ground.line
    firm = line + 0.6 * (1 - line)
    return np.maximum(0, (firm - feet) / (firm - line)) + (feet < line)


def size(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Is too large or too small, in octaves."""
    rows = _room(scene, poses)
    expected = np.full_like(poses.top, BUST_HEIGHT) if stance.bust else _standing(scene, poses)
    return np.abs(np.log2(np.maximum(poses.height / rows, 1e-3) / expected))


def balance(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Puts the weight of the picture to one side, or stands off its thirds."""
    columns = scene.shape[1]
    x = np.arange(columns) + 0.5
    mass = float(scene.salient.sum())
    rest = float((scene.salient.sum(0) * x).sum()) / mass if mass else columns / 2
    own = poses.seen / (poses.seen + scene.salient.size / 8)
    tilt = np.abs(own * poses.middle + (1 - own) * rest - columns / 2) / (columns / 2)
    lines = columns * np.array([1 / 3, 1 / 2, 2 / 3])
    off = np.abs(poses.middle[:, None] - lines).min(1) / (columns / 3)
    return np.asarray((tilt + np.minimum(1, off)) / 2)


def light(scene: Scene, stance: Stance, poses: Poses) -> Costs:
    """Is lit from another side."""
    return np.full_like(poses.top, disagreement(scene.light, stance.light))


TERMS: Mapping[str, tuple[float, Term]] = {
    "people": (6.0, people),
    "crowded": (1.5, crowded),
    "doubt": (8.0, doubt),
    "salient": (1.0, salient),
    "calm": (1.5, calm),
    "cut": (2.0, cut),
    "hidden": (0.6, hidden),
    "ground": (1.5, ground),
    "size": (1.2, size),
    "balance": (0.4, balance),
    "light": (0.5, light),
}
"""Weight and function of each reason; the weights were chosen on 400 figures in paintings of
People-Art's train split, for few covered people, and by eye."""


def _room(scene: Scene, poses: Poses) -> Costs:
    """What heights are shares of: the painting's height, or less where it is too narrow."""
    rows, columns = scene.shape
    return np.minimum(rows, ROOM * columns * poses.height / poses.width)


def _standing(scene: Scene, poses: Poses) -> Costs:
    """Height expected of a figure by where its feet are, and by the people around."""
    line = scene.ground.line
    near = np.clip((poses.bottom / scene.shape[0] - line) / (1 - line), 0, 1)
    expected = FAR + (NEAR - FAR) * near
    if not scene.heights:
        return expected
    others = float(np.clip(np.median(scene.heights), 0.1, NEAR))
    return np.asarray(expected ** (1 - BELIEVED) * others**BELIEVED, np.float64)
