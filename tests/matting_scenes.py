"""Composites whose alpha and foreground are known, with strands as fine as hair."""

from __future__ import annotations

import cv2
import numpy as np


def strands(size: int, seed: int = 0, count: int = 150) -> np.ndarray:
    """Alpha of a head with hair that stands off: float32 ``[size, size]``, 0..1."""
    rng = np.random.default_rng(seed)
    fine = 4 * size
    mask = np.zeros((fine, fine), np.uint8)
    centre, axes = np.array([0.5, 0.6]) * fine, np.array([0.22, 0.32]) * fine
    cv2.ellipse(mask, np.int32(centre).tolist(), np.int32(axes).tolist(), 0, 0, 360, 255, -1)
    for _ in range(count):
        angle = rng.uniform(-np.pi, 0)
        point = centre + 0.96 * axes * [np.cos(angle), np.sin(angle)]
        angle += rng.normal(0, 0.5)
        points = [point]
        for _ in range(10):
            angle += rng.normal(0, 0.15)
            points.append(points[-1] + 0.01 * fine * np.array([np.cos(angle), np.sin(angle)]))
        width = int(rng.integers(2, 6))
        cv2.polylines(mask, [np.int32(points)], False, 255, width, cv2.LINE_AA)
    return cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def texture(size: int, colour: tuple[float, float, float], seed: int) -> np.ndarray:
    """A cloudy picture around one colour: float32 ``[size, size, 3]``, 0..1."""
    rng = np.random.default_rng(seed)
    clouds = np.zeros((size, size, 3), np.float32)
    for cells, strength in ((3, 0.06), (9, 0.06), (27, 0.04), (size, 0.01)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        clouds += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.float32(colour) + clouds, 0, 1)


def composite(foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None]
    return (share * foreground + (1 - share) * background).astype(np.float32)


def scene(size: int = 192, seed: int = 0) -> tuple[np.ndarray, ...]:
    """A brown head over green: ``(picture, alpha, foreground, background)``."""
    alpha = strands(size, seed)
    foreground = texture(size, (0.35, 0.2, 0.12), seed)
    background = texture(size, (0.15, 0.75, 0.25), seed + 1)
    return composite(foreground, background, alpha), alpha, foreground, background
