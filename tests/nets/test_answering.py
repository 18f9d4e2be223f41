"""A segmenter as a module."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sfumato.nets.answering import SURE, Answering
from sfumato.types import Segments


class Reddish:
    """As much of ``red`` as there is red, as much of ``blue`` as there is blue; nothing of what is
    below a tenth everywhere."""

    classes = ("red", "blue")

    def __call__(self, image):
        soft = np.stack([image[..., 0], image[..., 2]]) / 2
        kept = [i for i in range(2) if soft[i].max() >= 0.1]
        labels = tuple(self.classes[i] for i in kept)
        return Segments(soft[kept] > 0.5, labels, (1.0,) * len(kept), soft[kept])


def test_shares_of_each_class_and_of_the_rest():
    pictures = torch.rand(2, 3, 5, 7)
    logits = Answering(Reddish())(pictures)
    assert logits.shape == (2, 3, 5, 7)
    assert logits.dtype == torch.float32
    shares = logits.exp()
    torch.testing.assert_close(shares[:, 1], pictures[:, 0].clamp(min=2 * SURE) / 2)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 5, 7), atol=3 * SURE, rtol=0)


def test_nothing_found_is_finite():
    logits = Answering(Reddish())(torch.zeros(1, 3, 4, 4))
    assert logits.isfinite().all()
    assert (logits.argmax(1) == 0).all()


def test_no_gradients_come_out():
    pictures = torch.rand(1, 3, 4, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match="grad"):
        Answering(Reddish())(pictures).sum().backward()
