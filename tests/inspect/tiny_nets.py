"""Nets so small that what is found in them is known beforehand."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from sfumato.inspect.nets import Net


def chain(*, seed=0, pool=nn.MaxPool2d, classes=0, **modules):
    """Two convolutions with a pooling between them, and a classifier if there are classes."""
    torch.manual_seed(seed)
    parts = OrderedDict(
        conv1=nn.Conv2d(3, 4, 3, padding=1),
        relu1=nn.ReLU(),
        pool1=pool(2),
        conv2=nn.Conv2d(4, 5, 3, padding=1),
        relu2=nn.ReLU(),
        **modules,
    )
    names = tuple(f"kind {i}" for i in range(classes))
    if classes:
        parts["pool"], parts["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        parts["linear"] = nn.Linear(5, classes)
    net = nn.Sequential(parts).eval().requires_grad_(False)
    return Net("chain", net, "classifier" if classes else "features", names)


def red_against_rest():
    """A segmenter with background and person: the odds of a person are 20 (R - 0.5)."""
    conv = nn.Conv2d(3, 2, 1)
    weight = torch.zeros(2, 3, 1, 1)
    weight[1, 0] = 20
    conv.load_state_dict({"weight": weight, "bias": torch.tensor([0.0, -10.0])})
    net = nn.Sequential(OrderedDict(score=conv)).eval().requires_grad_(False)
    return Net("red", net, "segmenter", ("background", "person"))
