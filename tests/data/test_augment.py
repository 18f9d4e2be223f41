"""Augmentation: picture and mask stay together, labels stay labels, all follows from the seed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sfumato.data import augment as steps
from sfumato.data.augment import Augmentation, augment, fit, placement, warp
from sfumato.data.samples import IGNORED, Sample, open_samples
from sfumato.errors import UsageError

PLAIN = {"colour": 0, "grey": 0, "blur": 0, "noise": 0, "jpeg": 0}

seeds = st.integers(0, 2**32 - 1)


def marker(height=90, width=120) -> Sample:
    """A white ellipse on black, and the mask of it."""
    mask = np.zeros((height, width), np.uint8)
    centre, axes = (width // 3, height // 2), (width // 5, height // 4)
    cv2.ellipse(mask, centre, axes, 20, 0, 360, 1, -1)
    return Sample(np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), mask, "marker")


def labelled(seed, classes, height=40, width=56) -> Sample:
    rng = np.random.default_rng(seed)
    labels = np.array([*range(classes), IGNORED], np.uint8)[rng.integers(0, classes + 1, (5, 7))]
    mask = np.kron(labels, np.ones((height // 5, width // 7), np.uint8))
    return Sample(rng.integers(0, 256, (height, width, 3), np.uint8), mask, "labelled")


def noisy(seed=0, size=(48, 64)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


@given(seeds, st.sampled_from([(64, 64), (33, 80), (200, 150)]), st.floats(0, 180))
@settings(max_examples=40, deadline=None)
def test_the_mask_stays_on_the_marker(seed, size, rotation):
    options = Augmentation(**PLAIN, rotation=rotation, smallest=0.2, largest=3, stretch=0.5)
    result = augment(marker(), options, np.random.default_rng(seed), size=size)
    assert result.image.shape == (*size, 3)
    assert result.mask.shape == size
    grey = result.image[..., 0]
    np.testing.assert_array_equal(result.mask[grey > 130], 1)
    np.testing.assert_array_equal(result.mask[grey < 125], 0)


@given(seeds, st.integers(2, 6), st.sampled_from(["reflect", "ignore"]))
@settings(max_examples=40, deadline=None)
def test_no_label_comes_from_between_others(seed, classes, padding):
    sample = labelled(seed, classes)
    options = Augmentation(rotation=180, smallest=0.1, largest=4, padding=padding)
    result = augment(sample, options, np.random.default_rng(seed), size=50)
    allowed = set(np.unique(sample.mask)) | ({IGNORED} if padding == "ignore" else set())
    assert set(np.unique(result.mask)) <= allowed


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_the_same_seed_gives_the_same_sample(seed):
    options = Augmentation(swap=0.5, restyle=0.5, colour=1, noise=1, blur=0.5, jpeg=0.5)
    sample, behind = marker(), Sample(noisy(), np.zeros((48, 64), np.uint8), "behind")
    first, second, other = (
        augment(
            sample, options, np.random.default_rng(s), size=64,
            backgrounds=lambda rng: behind,
            restyle=lambda image, rng: image * np.float32(rng.uniform(0.5, 1)),
        )
        for s in (seed, seed, seed + 1)
    )  # fmt: skip
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.mask, second.mask)
    assert (first.image != other.image).any()


BOUNDS = [
    (name, value)
    for name, field in Augmentation.model_fields.items()
    for value in (
        *(m.ge for m in field.metadata if hasattr(m, "ge")),
        *(m.le for m in field.metadata if hasattr(m, "le")),
    )
]


@pytest.mark.parametrize(("name", "value"), BOUNDS)
@pytest.mark.parametrize("size", [(9, 65), (1, 1)])
def test_every_option_at_its_bounds(name, value, size):
    often = dict.fromkeys(("colour", "grey", "blur", "noise", "jpeg", "swap", "restyle"), 1)
    options = Augmentation(**(often | {name: value}))
    for sample in (labelled(0, 3), Sample(noisy(1, (1, 1)), np.ones((1, 1), np.uint8), "dot")):
        for seed in range(3):
            result = augment(
                sample, options, np.random.default_rng(seed), size=size,
                backgrounds=lambda rng: labelled(1, 3), restyle=lambda image, rng: image,
            )  # fmt: skip
            assert result.image.shape == (*size, 3)
            assert result.mask.shape == size
            assert result.image.dtype == result.mask.dtype == np.uint8
            assert set(np.unique(result.mask)) <= {0, 1, 2, IGNORED}


def test_every_option_is_bounded_and_described():
    for name, field in Augmentation.model_fields.items():
        assert field.description, name
        bounds = [m for m in field.metadata if hasattr(m, "ge") or hasattr(m, "le")]
        assert name == "padding" or len(bounds) == 2, name
    with pytest.raises(ValidationError):
        Augmentation(rotations=3)


def test_with_nothing_asked_for_the_sample_is_as_it_was():
    none = Augmentation(
        **PLAIN, smallest=1, largest=1, stretch=0, rotation=0, shift=0, flip=0, padding="ignore"
    )
    sample = labelled(3, 4)
    result = augment(sample, none, np.random.default_rng(0), size=sample.mask.shape)
    np.testing.assert_array_equal(result.image, sample.image)
    np.testing.assert_array_equal(result.mask, sample.mask)


def test_flip_and_shift():
    sample = labelled(4, 3)
    flipped = warp(
        sample, placement((40, 56), (40, 56), mirrored=True), (40, 56), "ignore"
    )  # fmt: skip
    np.testing.assert_array_equal(flipped.image, sample.image[:, ::-1])
    np.testing.assert_array_equal(flipped.mask, sample.mask[:, ::-1])
    corner = warp(sample, placement((40, 56), (16, 16), at=(1, 1)), (16, 16), "ignore")
    np.testing.assert_array_equal(corner.image, sample.image[:16, :16])
    corner = warp(sample, placement((40, 56), (16, 16), at=(-1, -1)), (16, 16), "ignore")
    np.testing.assert_array_equal(corner.mask, sample.mask[-16:, -16:])


def test_beyond_the_picture_is_its_reflection_or_nothing():
    sample = marker(40, 40)
    matrix = placement((40, 40), (60, 40))
    reflected = warp(sample, matrix, (60, 40), "reflect")
    np.testing.assert_array_equal(reflected.mask[:10], sample.mask[10:0:-1])
    ignored = warp(sample, matrix, (60, 40), "ignore")
    assert (ignored.mask[:10] == IGNORED).all()
    assert (ignored.mask[50:] == IGNORED).all()
    np.testing.assert_array_equal(ignored.mask[10:50], sample.mask)
    np.testing.assert_array_equal(ignored.image, reflected.image)


def test_large_pictures_are_averaged_not_sampled():
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255
    sample = Sample(stripes, (stripes[..., 0] > 0).astype(np.uint8), "stripes")
    small = warp(sample, placement((600, 600), (50, 50), scale=(1 / 12,) * 2), (50, 50), "ignore")
    assert np.abs(small.image.astype(int) - 127).max() <= 1


def test_fit_shows_the_whole_sample():
    result = fit(marker(90, 120), 60)
    assert result.image.shape == (60, 60, 3)
    rows = (result.mask != IGNORED).any(axis=1)
    assert rows.sum() in (45, 46)  # 7.5 pixels are left over above and below
    assert abs((result.mask == 1).sum() / (marker().mask.sum() / 4) - 1) < 0.03


def test_another_background_behind_and_its_labels_with_it():
    front = marker(60, 60)
    image = np.where(front.mask[..., None] == 1, np.uint8(200), np.uint8(0))  # on black
    mask = front.mask.copy()
    mask[:4] = IGNORED
    behind = Sample(np.full((60, 60, 3), 90, np.uint8), np.zeros((60, 60), np.uint8), "behind")
    behind.mask[-5:] = 1
    front = Sample(np.repeat(image, 3, axis=2), mask, "front")
    result = steps.swap_background(front, behind)
    np.testing.assert_array_equal(result.mask, np.where(mask > 0, mask, behind.mask))
    deep = cv2.erode((mask == 1).astype(np.uint8), np.ones((9, 9))) > 0
    far = cv2.dilate((mask > 0).astype(np.uint8), np.ones((9, 9))) == 0
    assert (result.image[deep] == 200).all()
    assert (result.image[far] == 90).all()
    # No dark rim of the old black ground: every pixel lies between the two colours.
    assert result.image[9:].min() >= 89
    soft = (result.image[8:, :, 0] > 95) & (result.image[8:, :, 0] < 195)
    assert soft.any()


def test_pictures_without_anybody_keep_their_background():
    empty = Sample(noisy(2), np.zeros((48, 64), np.uint8), "empty")
    behind = Sample(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8), "behind")
    result = augment(
        empty, Augmentation(**PLAIN, swap=1), np.random.default_rng(0), size=32,
        backgrounds=lambda rng: behind,
    )  # fmt: skip
    assert result.image.any()


def test_restyling_gets_floats_and_keeps_the_mask():
    seen = []

    def restyle(image, rng):
        seen.append((image.dtype, float(image.max())))
        return 1 - image

    options = Augmentation(**PLAIN, restyle=1)
    plain = augment(marker(), options, np.random.default_rng(5), size=48)
    turned = augment(marker(), options, np.random.default_rng(5), size=48, restyle=restyle)
    assert seen == [(np.float32, 1.0)]
    np.testing.assert_array_equal(turned.mask, plain.mask)
    np.testing.assert_array_equal(turned.image, 255 - plain.image)
    with pytest.raises(UsageError, match="restyling gave"):
        augment(
            marker(), options, np.random.default_rng(5), size=48,
            restyle=lambda image, rng: image[:-1],
        )  # fmt: skip


def test_colour_changes_are_those_that_were_asked_for():
    image = noisy(3)
    lab = cv2.cvtColor(np.float32(image) / 255, cv2.COLOR_RGB2LAB)
    same = steps.shift_colour(image)
    assert np.abs(same.astype(int) - image).mean() < 2  # two 8-bit round trips
    faint = np.clip(image * 0.3 + 90, 0, 255).astype(np.uint8)  # stays inside the gamut

    def measured(**change):
        changed = steps.shift_colour(faint, **change)
        return [
            cv2.cvtColor(np.float32(p) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)
            for p in (faint, changed)
        ]

    before, after = measured(lightness=10)
    np.testing.assert_allclose(after[:, 0].mean() - before[:, 0].mean(), 10, atol=0.5)
    before, after = measured(tint=(0, 7))
    np.testing.assert_allclose((after - before).mean(axis=0), [0, 0, 7], atol=0.7)
    before, after = measured(chroma=0)
    assert np.abs(after[:, 1:]).max() < 2
    before, after = measured(contrast=0.5)
    np.testing.assert_allclose(after[:, 0] - 50, (before[:, 0] - 50) / 2, atol=1.5)
    before, after = measured(hue=90)
    np.testing.assert_allclose(after[:, 1].mean(), -before[:, 2].mean(), atol=1)
    np.testing.assert_allclose(after[:, 2].mean(), before[:, 1].mean(), atol=1)
    assert lab.shape == (48, 64, 3)


def test_light_grey_blur_noise_and_jpeg():
    image = noisy(4)
    np.testing.assert_array_equal(steps.gamma(image, 1), image)
    assert steps.gamma(image, 2).mean() < image.mean() < steps.gamma(image, 0.5).mean()
    colourless = steps.grey(image)
    assert (colourless == colourless[..., :1]).all()
    assert steps.blur(image, 2).astype(float).std() < image.astype(float).std()
    flat = np.full((80, 80, 3), 128, np.uint8)
    grain = steps.noise(flat, 0.05, np.random.default_rng(0))
    assert abs(grain.std() - 0.05 * 255) < 0.5
    errors = [np.abs(steps.jpeg(image, q).astype(int) - image).mean() for q in (10, 50, 95)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 3


def test_backgrounds_chosen_from_a_set():
    backgrounds = steps.chosen_from(open_samples("synthetic:6:96", "train"))
    rng = np.random.default_rng(0)
    assert len({backgrounds(rng).name for _ in range(40)}) == 6


def test_empty_crops_are_drawn_as_often_as_asked():
    whole = Augmentation(**PLAIN, shift=0, largest=1)
    mask = np.zeros((96, 96), np.uint8)
    mask[:, :30] = 1
    sample = Sample(np.zeros((96, 96, 3), np.uint8), mask, "half")
    options = whole.model_copy(update={"empty": 0.5})
    drawn = [augment(sample, options, np.random.default_rng(i), size=64) for i in range(200)]
    assert 70 < sum(not one.mask.any() for one in drawn) < 130
    drawn = [augment(sample, whole, np.random.default_rng(i), size=64) for i in range(50)]
    assert all(one.mask.any() for one in drawn)
