from __future__ import annotations

import cv2
import numpy as np
import pytest

from sfumato.matte import crf


def picture(height: int = 20, width: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bright shape on dark, noisy ground: ``(image, coarse selection, true selection)``."""
    rng = np.random.default_rng(2)
    true = np.zeros((height, width), np.float32)
    cv2.circle(true, (width // 2, height // 2), height // 3, 1, -1)
    colours = np.where(true[..., None] > 0, (0.8, 0.6, 0.4), (0.2, 0.3, 0.5))
    image = colours + rng.normal(0, 0.02, (height, width, 3))
    coarse = cv2.GaussianBlur(np.roll(true, 2, axis=1), (0, 0), 2)
    return np.clip(image, 0, 1).astype(np.float32), coarse, true


def exact_mean_field(image: np.ndarray, coarse: np.ndarray, options: crf.Options) -> np.ndarray:
    """Mean field over every pair of pixels, with two labels written out."""
    height, width = coarse.shape
    longer = max(height, width)
    place = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2)
    colour = image.reshape(-1, 3).astype(np.float64)
    apart = np.square(place[:, None] - place[None]).sum(axis=2) / longer**2
    unlike = np.square(colour[:, None] - colour[None]).sum(axis=2)
    reach, alike, near = options.theta_alpha, options.theta_beta, options.theta_gamma
    kernels = [
        options.appearance * symmetric(np.exp(-apart / (2 * reach**2) - unlike / (2 * alike**2))),
        options.smoothness * symmetric(np.exp(-apart / (2 * near**2))),
    ]
    believed = np.clip(coarse.ravel(), 1 - options.confidence, options.confidence)
    unary = np.log(np.stack([1 - believed, believed]))  # [2, N], label 1 = selected
    q = np.exp(unary)
    for _ in range(options.iterations):
        messages = sum(q @ kernel for kernel in kernels)  # Potts: a pixel pays for others' labels
        energy = unary - messages[::-1]
        q = np.exp(energy - energy.max(axis=0))
        q /= q.sum(axis=0)
    return q[1].reshape(coarse.shape)


def symmetric(kernel: np.ndarray) -> np.ndarray:
    scale = 1 / np.sqrt(kernel.sum(axis=1))
    return scale[:, None] * kernel * scale


@pytest.mark.parametrize(
    "options",
    [
        crf.Options(theta_alpha=0.3, theta_beta=0.1, theta_gamma=0.05),
        crf.Options(theta_alpha=0.3, theta_beta=0.1, appearance=1, smoothness=0, iterations=5),
        crf.Options(theta_gamma=0.06, appearance=0, smoothness=2, iterations=3),
    ],
    ids=["both", "appearance", "smoothness"],
)
def test_agrees_with_the_exact_mean_field(options):
    image, coarse, _ = picture()
    ours = crf.mean_field(image, coarse, options)
    exact = exact_mean_field(image, coarse, options)
    assert np.abs(ours - exact).mean() < 0.02
    assert np.corrcoef(ours.ravel(), exact.ravel())[0, 1] > 0.99
    assert ((ours > 0.5) == (exact > 0.5)).mean() > 0.985


def test_without_kernels_the_selection_is_believed_up_to_confidence():
    image, coarse, _ = picture()
    out = crf.mean_field(image, coarse, crf.Options(appearance=0, smoothness=0, confidence=0.9))
    np.testing.assert_allclose(out, np.clip(coarse, 0.1, 0.9), atol=1e-5)


@pytest.mark.parametrize("shape", [(120, 100), (100, 120)])
def test_snaps_a_blurred_shifted_selection_to_the_picture(shape):
    image, _, true = picture(*shape)
    coarse = cv2.GaussianBlur(np.roll(true, 4, axis=1), (0, 0), 5)
    alpha = crf.build(crf.Options(), None)(image, coarse).alpha
    assert np.abs(alpha - true).mean() < 0.1 * np.abs(coarse - true).mean()
    assert iou(alpha > 0.5, true > 0.5) > 0.99 > iou(coarse > 0.5, true > 0.5)


def test_snaps_a_blocky_selection_to_the_picture():
    image, _, true = picture(128, 128)
    small = cv2.resize(true, (16, 16), interpolation=cv2.INTER_AREA) > 0.5
    coarse = cv2.resize(small.astype(np.float32), (128, 128), interpolation=cv2.INTER_NEAREST)
    alpha = crf.build(crf.Options(), None)(image, coarse).alpha
    assert iou(alpha > 0.5, true > 0.5) > 0.96 > 0.93 > iou(coarse > 0.5, true > 0.5)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())
