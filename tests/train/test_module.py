"""One step, and the figures of a validation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sfumato.evaluate import metrics
from sfumato.nets.segmenters import Segmenting
from sfumato.train.module import Training, confusion, optimiser, score

from .small import recipe


class Plain(torch.nn.Module):
    """Two convolutions without batch norm, so that a step is the mean over its samples."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 2, 1)
        )

    def forward(self, x):
        return self.layers(x)


def plain_net():
    torch.manual_seed(3)
    net = Segmenting(Plain(), name="unet", options={}, classes=2)
    net.class_names = ("background", "person")
    return net


def test_confusion_is_that_of_the_measures():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 255], (9, 7))
    predicted = rng.integers(0, 3, (9, 7))
    found = confusion(torch.from_numpy(predicted), torch.from_numpy(truth), 3)
    assert np.array_equal(found, metrics.confusion(predicted, truth, 3))
    assert score(np.array([[5, 1], [1, 2]])) == 0.5
    assert math.isnan(score(np.array([[5, 0], [0, 0]])))


def test_the_running_average_lags_behind_and_is_what_is_measured():
    net = plain_net()
    module = Training(net, recipe(average=0.9), ("a",))
    assert module.best is module.averaged.module
    assert not any(p.requires_grad for p in module.best.parameters())
    module.averaged.update_parameters(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    before = next(module.best.parameters()).clone()
    module.averaged.update_parameters(net)
    kept = 2 / 11  # after one step: (1 + 1) / (10 + 1)
    moved = next(module.best.parameters()) - before
    assert torch.allclose(moved, torch.full_like(moved, 1 - kept))
    assert Training(plain_net(), recipe(), ("a",)).best is not module.best


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_optimisers(name, kind):
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": 0.5}]
    found = optimiser(groups, recipe(optimizer=name, weight_decay=0.1, momentum=0.3))
    assert type(found) is kind
    assert (found.param_groups[0]["lr"], found.param_groups[0]["weight_decay"]) == (0.5, 0.1)
