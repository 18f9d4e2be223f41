"""One judge for everybody: the losses of Gatys et al. 2016, computed plainly and at full size.

    python benchmarks/_style_loss.py PHOTO STYLE RESULT [RESULT ...] [--region MASK]

prints a Markdown table of content loss, style loss and total of each result. Other benchmarks
import :class:`Judge`. It shares no code with the package: its own VGG-19 from the same weights
file, in float32, the whole picture at once, no tiles, no half precision, no random numbers.

From the paper ("Image style transfer using convolutional neural networks", CVPR 2016): the
normalised network with average pooling (section 2); content at conv4_2; style at conv1_1,
conv2_1, conv3_1, conv4_1 and conv5_1, each weighing 1/5; all after their rectifiers, as everyone
reads these names; the style picture at the content's size (its longer side made equal);
alpha / beta = 1e-3. With F and P of shape C x M (channels, positions), G and A the sums F F^T:

    style    L_s = sum over layers of 1/5 |G / M - A / M'|^2 / (4 C^2)            (eq. 4, 5)
    content  L_c = |F - P|^2 / (2 M)                                              (eq. 1, / M)
    total    L   = L_s + 1e-3 L_c                                                 (eq. 7, / beta)

The style term is equation 4 as it stands wherever both pictures have as many positions.
The content term is equation 1 as a mean over positions, as the style term is one. As a sum, on
weights whose activations are near 1, it would outweigh the style a thousandfold (2e6 entries at
512 px against a handful of means): nothing but the photo would minimise it, and the balance would
change with the picture's size. As a mean, 1e-3 balances the two and gives pictures like the
paper's. Borders are mirrored, as these weights were made for.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional as F

CONTENT = "conv4_2"
STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
BLOCKS = (2, 2, 4, 4, 1)
"""Convolutions of each block, as far as they are needed."""

CONTENT_WEIGHT = 1e-3
"""alpha / beta."""

Image = NDArray[np.float32]


class Losses(NamedTuple):
    """What a picture is charged with; ``total = style + CONTENT_WEIGHT * content``."""

    content: float
    style: float
    total: float


class Judge:
    """Measures pictures against one photo and one style.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        style: float32 ``[h, w, 3]``; resized so that the longer sides are equal.
        weights: the file ``vgg_normalized.pth``.
        region: float32 ``[H, W]``, 0..1: both losses count only there, averaged over its area
            (the mask shrunk by averaging to each layer's size). The style counts whole.
        content_weight: alpha / beta.
        device: where to compute.
    """

    def __init__(
        self,
        photo: Image,
        style: Image,
        weights: Path,
        *,
        region: Image | None = None,
        content_weight: float = CONTENT_WEIGHT,
        device: str = "cpu",
    ) -> None:
        self.content_weight = content_weight
        self._convs = [(w.to(device), b.to(device)) for w, b in read_convs(weights)]
        self._region = None if region is None else torch.from_numpy(region).to(device)[None, None]
        with torch.no_grad():
            self._photo = self.features(self.pixels(photo))[CONTENT]
            seen = self.features(self.pixels(sized_like(style, photo)))
            self._style = {name: gram(seen[name]) for name in STYLE}

    def __call__(self, picture: Image) -> Losses:
        """The losses of a picture of the photo's size (clipped to 0..1, as it is shown).

        Raises:
            ValueError: another size.
        """
        pixels = self.pixels(np.clip(picture, 0, 1))
        with torch.no_grad():
            content, style = (float(loss) for loss in self.losses(pixels))
        return Losses(content, style, style + self.content_weight * content)

    def losses(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Content and style loss of ``[1, 3, H, W]``, differentiable."""
        found = self.features(pixels)
        if found[CONTENT].shape != self._photo.shape:
            raise ValueError(f"expected a picture of the photo's size, got {list(pixels.shape)}")
        error = (found[CONTENT] - self._photo).square().sum(1, keepdim=True) / 2
        content = weighted_mean(error, self._at_size_of(error))
        return content, sum((self._layer(name, found[name]) for name in STYLE), torch.zeros(()))

    def total(self, pixels: Tensor) -> Tensor:
        """What the reference minimises."""
        content, style = self.losses(pixels)
        return style + self.content_weight * content

    def pixels(self, picture: Image) -> Tensor:
        """``[H, W, 3]`` as ``[1, 3, H, W]`` on the judge's device, contiguous."""
        planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        return planes[None].to(self._convs[0][0].device)

    def features(self, pixels: Tensor) -> dict[str, Tensor]:
        """The rectified outputs of ``conv1_1`` .. ``conv5_1``, by name."""
        convs, found = iter(self._convs), {}
        x = F.conv2d(pixels, *next(convs))  # RGB 0..1 to what the network was trained on
        for block, count in enumerate(BLOCKS, 1):
            if block > 1:
                x = F.avg_pool2d(x, 2)
            for i in range(1, count + 1):
                x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), *next(convs)))
                found[f"conv{block}_{i}"] = x
        return found

    def _layer(self, name: str, features: Tensor) -> Tensor:
        difference = gram(features, self._at_size_of(features)) - self._style[name]
        return difference.square().mean() / 4 / len(STYLE)

    def _at_size_of(self, features: Tensor) -> Tensor | None:
        if self._region is None:
            return None
        return F.interpolate(self._region, features.shape[2:], mode="area")


def read_convs(weights: Path) -> list[tuple[Tensor, Tensor]]:
    """Kernels and biases as far as conv5_1, the 1 x 1 convolution on the pixels first."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    numbers = sorted({int(key.split(".")[0]) for key in state})[: 1 + sum(BLOCKS)]
    return [(state[f"{n}.weight"], state[f"{n}.bias"]) for n in numbers]


def gram(features: Tensor, weight: Tensor | None = None) -> Tensor:
    """Second moments of ``[1, C, h, w]`` as a (weighted) mean over positions: ``[C, C]``."""
    f = features[0].flatten(1)  # [C, M]
    if weight is None:
        return f @ f.T / f.shape[1]
    w = weight.flatten()
    return (f * w) @ f.T / w.sum()


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    return values.mean() if weight is None else (values * weight).sum() / weight.sum()


def sized_like(style: Image, photo: Image) -> Image:
    """The style with its longer side as long as the photo's (Lanczos, 8 bits)."""
    long = max(photo.shape[:2])
    if max(style.shape[:2]) == long:
        return style
    return to_image(fit(to_pillow(style), long))


def fit(picture: Pillow.Image, long: int) -> Pillow.Image:
    """The picture with its longer side ``long`` pixels."""
    scale = long / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Pillow.Resampling.LANCZOS)


def read(path: Path) -> Image:
    """A picture (``.npy``, or any file that Pillow reads) as float32 ``[H, W, 3]``, 0..1."""
    if path.suffix == ".npy":
        return np.asarray(np.load(path), np.float32)
    with Pillow.open(path) as file:
        return to_image(file.convert("RGB"))


def to_image(picture: Pillow.Image) -> Image:
    return np.asarray(picture, np.float32) / np.float32(255)


def to_pillow(image: Image) -> Pillow.Image:
    return Pillow.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT")
    parser.add_argument("--region", type=Path, help="mask picture: judge only where it is white")
    parser.add_argument("--weights", type=Path, help="vgg_normalized.pth; default: fetched")
    parser.add_argument("--content-weight", type=float, default=CONTENT_WEIGHT)
    args = parser.parse_args()
    photo = read(args.photo)
    region = read(args.region)[..., 0].copy() if args.region else None
    judge = Judge(
        photo,
        read(args.style),
        args.weights or fetched(),
        region=region,
        content_weight=args.content_weight,
    )
    print("| picture | content | style | total |\n|---|---|---|---|")
    for path in (args.photo, *args.results):
        print(f"| {path.name} | {' | '.join(f'{x:.5f}' for x in judge(read(path)))} |")


def fetched() -> Path:
    """The weights file, downloaded once."""
    from sfumato.io import weights

    return weights.fetch("vgg19-normalised")


if __name__ == "__main__":
    main()
