"""From a net's class probabilities to segments, one a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sfumato.ops.resize import resize
from sfumato.ops.saliency import nothing
from sfumato.types import Segments

BACKGROUND = "background"


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of one thing against the rest; never overflows."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits), dtype=np.float32)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of the classes ``[C, ...]``; of a single class its sigmoid."""
    if len(logits) == 1:
        return sigmoid(logits)
    exponent = np.exp(logits - logits.max(axis=0))
    return np.asarray(exponent / exponent.sum(axis=0), dtype=np.float32)


def segments(
    probabilities: NDArray[np.float32], names: Sequence[str], shape: tuple[int, ...]
) -> Segments:
    """One segment for each class that wins in some pixel, the background left out.

    A pixel belongs to the class that is likeliest there; the score is the mean probability inside
    the mask.

    Args:
        probabilities: float32 ``[C, h, w]``, 0..1, that add up to 1; or ``[1, h, w]``, of one
            class against the rest.
        names: the C classes; ``background`` is nobody's.
        shape: ``(H, W, ...)`` of the picture, to which the maps are enlarged.
    """
    if len(names) == 1:
        probabilities = np.stack([1 - probabilities[0], probabilities[0]])
        names = (BACKGROUND, *names)
    present = np.unique(probabilities.argmax(axis=0))
    soft = np.stack([resize(probabilities[i], shape[:2]) for i in present])
    winner = soft.argmax(axis=0)
    masks = {i: winner == i for i, c in enumerate(present) if names[c] != BACKGROUND}
    masks = {i: mask for i, mask in masks.items() if mask.any()}
    if not masks:
        return nothing(shape)
    rows = list(masks)
    return Segments(
        np.stack(list(masks.values())),
        tuple(names[present[i]] for i in rows),
        tuple(min(1.0, float(soft[i][mask].mean())) for i, mask in masks.items()),
        soft[rows],
    )
