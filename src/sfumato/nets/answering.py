"""A segmenter that runs outside torch, as a module that answers and tells nothing more."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sfumato.types import Image, Segmenter

SURE = 1e-4
"""Least and most that a share counts, so that its logarithm is finite."""


class Answering(nn.Module):
    """Pictures to logits, without gradients, parameters or layers.

    Args:
        segmenter: with soft edges.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter
        # Where pictures should be is asked of a module's parameters.
        self.place = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """float32 ``[B, 3, H, W]``, sRGB 0..1, to log shares ``[B, 1 + K, H, W]``: what is no
        segment first, then the segmenter's classes."""
        found = [self._shares(np.ascontiguousarray(one)) for one in
                 pictures.detach().cpu().numpy().transpose(0, 2, 3, 1)]  # fmt: skip
        shares = torch.from_numpy(np.stack(found)).clamp(SURE, 1 - SURE)
        return shares.log().to(pictures.device)

    def _shares(self, image: Image) -> NDArray[np.float32]:
        segments = self.segmenter(image)
        classes = np.stack([segments.alpha(name) for name in self.segmenter.classes])
        return np.concatenate([1 - classes.sum(0, keepdims=True), classes]).astype(np.float32)
