"""VGG-19 with random weights: as good as trained ones where only the sums are tested."""

from __future__ import annotations

import torch

from sfumato.nets.vgg import TORCHVISION_NUMBERS, VGG19


def random_vgg(layers, pooling="max", dtype=torch.float32, seed=0):
    """A frozen net whose activations keep their size from layer to layer."""
    generator = torch.Generator().manual_seed(seed)
    net = VGG19(layers=layers, padding="reflect", pooling=pooling)
    with torch.no_grad():
        for conv in [net.preprocess, *net.convs.values()]:
            spread = (2 / conv.weight[0].numel()) ** 0.5
            conv.weight.normal_(0, spread, generator=generator)
            conv.bias.normal_(0, 0.1, generator=generator)
    return net.requires_grad_(False).to(dtype)


def torchvision_file(path, layers=("relu5_1",), seed=0):
    """Write such weights in torchvision's layout; returns the path."""
    net = random_vgg(layers, seed=seed)
    state = {
        f"features.{number}.{key}": getattr(conv, key)
        for number, conv in zip(TORCHVISION_NUMBERS, net.convs.values(), strict=False)
        for key in ("weight", "bias")
    }
    torch.save(state, path)
    return path
