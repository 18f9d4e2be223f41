"""Golden pictures: today's results look like the ones that were looked at and found good.

Compared by how they look, not by bytes: structural similarity of the luminance (Wang et al. 2004)
and the mean CIELAB difference. ``python tests/test_golden.py`` paints them anew; look at them
before you commit them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfumato import pipeline, styles
from sfumato.io import pictures
from sfumato.ops.resize import fit
from sfumato.pipeline import Layer
from sfumato.settings import Settings
from sfumato.sheets import SAMPLE
from sfumato.studio import Studio

GOLDEN = Path(__file__).parent / "golden"
SIZE = 320

CASES = {
    "background-waves": ([("background", "waves", None)], {}),
    "background-starry-night": ([("background", "starry-night", None)], {}),
    "person-ink": ([("person", "ink", None)], {"keep_colors": True}),
    "two-regions": (
        [("background", "nocturne", None), ("person", "charcoal-wash", None)],
        {"blend": "feather"},
    ),
    "box-multiband": ([("box:.5,0,1,1", "gilded", None)], {"blend": "multiband"}),
    "box-poisson": ([("box:.5,0,1,1", "autumn", None)], {"blend": "poisson", "strength": 0.8}),
    "adain-two": ([("background", "autumn", "adain"), ("person", "ink", "adain")], {}),
}

LEAST_SIMILARITY, MOST_DIFFERENCE = 0.93, 2.5
"""SSIM and mean CIELAB difference. JPEG itself costs about .01 and 1; a mask that misses a limb, a
shifted picture or other colours cost several times as much (see the last test)."""


def _paint(name):
    layers, settings = CASES[name]
    photo = fit(pictures.read(SAMPLE).image, SIZE)
    made = [Layer(region, styles.resolve(style), stylizer) for region, style, stylizer in layers]
    return pipeline.paint(photo, made, studio=Studio(Settings(**settings))).image


def _distance(a, b):
    from skimage.metrics import structural_similarity

    lab = [cv2.cvtColor(image, cv2.COLOR_RGB2LAB) for image in (a, b)]
    similarity = structural_similarity(lab[0][..., 0], lab[1][..., 0], data_range=100)
    return similarity, float(np.linalg.norm(lab[0] - lab[1], axis=2).mean())


def _looks_like(a, b):
    similarity, difference = _distance(a, b)
    return similarity >= LEAST_SIMILARITY and difference <= MOST_DIFFERENCE


@pytest.mark.weights
@pytest.mark.parametrize("name", CASES)
def test_looks_as_it_did(name):
    if name.startswith("adain"):
        pytest.importorskip("torch")
    golden = pictures.read(GOLDEN / f"{name}.jpg").image
    painted = _paint(name)
    assert _looks_like(painted, golden), _distance(painted, golden)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: np.roll(image, 3, axis=1),
        lambda image: image[..., ::-1],
        lambda image: np.clip(image + np.float32(0.03), 0, 1),
        lambda image: np.where(np.indices(image.shape[:2])[1][..., None] < 60, 0.5, image),
        lambda image: cv2.blur(image, (3, 3)),
    ],
    ids=["shifted", "red for blue", "brighter", "a part missing", "blurred"],
)
def test_the_comparison_can_fail(spoil):
    golden = pictures.read(GOLDEN / "background-waves.jpg").image
    assert _looks_like(golden, golden)
    assert not _looks_like(np.ascontiguousarray(spoil(golden), dtype=np.float32), golden)


if __name__ == "__main__":
    for case in sys.argv[1:] or CASES:
        target = GOLDEN / f"{case}.jpg"
        pictures.write(pictures.from_image(_paint(case)), target, quality=95, overwrite=True)
