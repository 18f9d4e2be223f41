"""GrabCut from a box, from a salient mask, and where there is nothing to cut."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import registry
from sfumato.errors import UsageError
from sfumato.segment.grabcut import GrabCut, Options, as_fractions, from_soft, parse_box
from sfumato.types import Context, Segments


def drawn_disc(height=120, width=160, radius=35) -> tuple[np.ndarray, np.ndarray]:
    """A grainy red disc on grainy green, and its mask."""
    ys, xs = np.mgrid[:height, :width]
    disc = (ys - height * 0.5) ** 2 + (xs - width * 0.45) ** 2 < radius**2
    image = np.where(disc[..., None], (0.8, 0.25, 0.2), (0.25, 0.55, 0.3))
    noise = np.random.default_rng(1).normal(0, 0.05, image.shape)
    return np.clip(image + noise, 0, 1).astype(np.float32), disc


def iou(a, b) -> float:
    return (a & b).sum() / (a | b).sum()


def cut_with_box(box, image, **options):
    return registry.build("segment", "grabcut", Context(), {"box": box, **options})(image)


@pytest.mark.parametrize("box", ["0.15,0.1,0.75,0.9", "24,12,120,108"])
def test_recovers_a_disc_from_its_box(box):
    image, disc = drawn_disc()
    segments = cut_with_box(box, image)
    assert segments.labels == ("subject",)
    assert segments.masks.shape == (1, *disc.shape)
    assert iou(segments.select("subject"), disc) > 0.95


def test_cuts_large_pictures_small_and_returns_them_large():
    image, disc = drawn_disc(480, 640, 140)
    segments = cut_with_box("0.15,0.1,0.75,0.9", image, size=200)
    assert segments.masks.shape == (1, 480, 640)
    assert iou(segments.select("subject"), disc) > 0.95


def test_same_seed_same_cut():
    image, _ = drawn_disc()
    first, second = (cut_with_box("0.1,0.1,0.8,0.9", image) for _ in range(2))
    np.testing.assert_array_equal(first.masks, second.masks)


def test_mends_a_rough_salient_mask():
    image, disc = drawn_disc()
    _, rough = drawn_disc(radius=37)

    def salient(small):
        return Segments(rough[None], ("subject",), (1.0,), rough[None].astype(np.float32))

    grabcut = GrabCut(Options(), salient)
    assert iou(rough, disc) < 0.9
    assert iou(grabcut(image).select("subject"), disc) > 0.95


def test_nothing_salient_is_no_subject():
    image, _ = drawn_disc()
    empty = Segments(np.zeros((0, *image.shape[:2]), bool), (), ())
    segments = GrabCut(Options(), lambda small: empty)(image)
    assert segments.masks.shape == (0, *image.shape[:2])


@pytest.mark.parametrize("shape", [(1, 1), (40, 60)])
def test_a_flat_picture_has_no_subject(shape):
    segments = GrabCut(Options(), lambda small: pytest.fail("asked in vain"))(
        np.full((*shape, 3), 0.5, np.float32)
    )
    assert segments.masks.shape == (0, *shape)


@pytest.mark.parametrize("shape", [(1, 500), (500, 1), (37, 53), (2, 2)])
def test_any_shape_comes_back_in_its_own_size(shape):
    image = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    segments = cut_with_box("0.2,0.2,0.6,0.6", image)
    assert segments.masks.shape[1:] == shape


@pytest.mark.parametrize("box", ["0,0,1,1", "0,0,160,120", "0,0,900,900"])
def test_refuses_a_box_around_everything(box):
    with pytest.raises(UsageError, match="whole picture"):
        cut_with_box(box, drawn_disc()[0])


def test_refuses_a_box_beside_the_picture():
    with pytest.raises(UsageError, match="outside the picture"):
        cut_with_box("200,10,300,50", drawn_disc()[0])


@pytest.mark.parametrize(
    "box", ["", "0.1,0.2,0.3", "a,b,c,d", "0.5,0.1,0.5,0.9", "0.9,0,0.1,1", "-1,0,1,1", "0,0,inf,1"]
)
def test_refuses_a_box_that_is_none(box):
    with pytest.raises(UsageError, match=r"grabcut\.box"):
        cut_with_box(box, drawn_disc()[0])


def test_boxes_are_pixels_as_soon_as_one_number_is_above_one():
    assert as_fractions(parse_box("0.1,0.2,1,0.9"), (50, 100, 3)) == (0.1, 0.2, 1, 0.9)
    assert as_fractions(parse_box("10,20,100,50"), (50, 100, 3)) == (0.1, 0.4, 1, 1)


def test_seeds_leave_only_a_band_open():
    soft = np.zeros((100, 100), np.float32)
    soft[20:80, 20:80] = 1
    trimap = from_soft(soft)
    assert (trimap[25:75, 25:75] == 1).all()  # sure foreground
    assert (trimap[:15] == 0).all()  # sure background
    assert trimap[21, 50] == 3
    assert trimap[18, 50] == 2


def test_needs_a_box_or_a_way_to_find_the_subject():
    from sfumato.segment import grabcut

    with pytest.raises(UsageError, match="box"):
        grabcut.build(Options(), Context(load=None))
