"""What is asked of a net: one number whose reasons can be looked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sfumato.errors import NothingFoundError, UsageError
from sfumato.inspect.features import as_tensor, check
from sfumato.inspect.fields import outline
from sfumato.inspect.nets import Net, activation
from sfumato.types import Image, Mask

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Target:
    """The number whose reasons are looked for.

    Attributes:
        text: what it is, in words.
        score: a net and pictures ``[B, 3, H, W]`` to that number, ``[B]``.
        mask: bool ``[H, W]``, where it is asked for; None = nowhere in particular.
        layer: the layer that it is read from; None = the net's answer.
    """

    text: str
    score: Callable[[Net, Tensor], Tensor] = field(repr=False)
    mask: Mask | None = field(default=None, repr=False)
    layer: str | None = None


def aim(
    net: Net,
    picture: Image,
    *,
    target: str | None = None,
    layer: str | None = None,
    point: tuple[float, float] | None = None,
) -> Target:
    """What is to be explained.

    Args:
        net: any.
        picture: float32 ``[H, W, 3]``, sRGB, 0..1.
        target: with ``layer``, a channel's number or ``energy`` (the default). Else of a
            classifier a class by name or number or ``top`` (the default), of a segmenter a class,
            ``person-mask`` meaning the same as ``person`` (the default: the first class that is
            no background).
        layer: whose channel.
        point: of a segmenter, ``x, y`` as fractions of the picture's sides: that pixel's class
            in place of the whole mask's.

    Raises:
        UsageError: the net has no such layer, channel or class.
        NothingFoundError: a segmenter finds nothing of the class, or a channel is silent.
        PictureError: the picture is too small.
    """
    check(picture)
    if point is not None and (layer or net.kind != "segmenter"):
        raise UsageError("--point is for the answer of nets that segment")
    if layer:
        return _of_layer(net, picture, layer, target)
    if net.kind == "classifier":
        return _of_class(net, picture, target)
    if net.kind == "segmenter":
        return _of_mask(net, picture, target, point)
    raise UsageError(
        f"{net.name} answers with neither classes nor masks; name a layer of it, for example "
        f"--layer {list(net.layers)[-1]}, and one of its channels with --target"
    )


def value(net: Net, target: Target, shown: Tensor) -> float:
    """The target's number for one picture ``[1, 3, H, W]``."""
    import torch

    with torch.no_grad():
        return float(target.score(net, shown)[0])


def _of_layer(net: Net, picture: Image, layer: str, target: str | None) -> Target:
    import torch

    net.layer(layer)
    known = outline(net, *picture.shape[:2])
    if layer not in known:
        raise UsageError(f"layer {layer} of {net.name} gives no maps; --layers lists those that do")
    if target in (None, "energy"):
        return Target(
            f"energy of {layer}",
            lambda one, x: activation(one, layer, x).square().mean(dim=(1, 2, 3)),
            layer=layer,
        )
    assert target is not None
    if not target.isdecimal() or int(target) >= known[layer].channels:
        raise UsageError(
            f"{layer} of {net.name} has channels 0 to {known[layer].channels - 1}; --target takes "
            f"one of them, or energy; got {target!r}"
        )
    channel = int(target)
    with torch.no_grad():
        if not activation(net, layer, as_tensor(net, picture))[:, channel].any():
            raise NothingFoundError(
                f"channel {channel} of {layer} is silent in this picture; 'sfumato inspect "
                "features' shows which are not"
            )
    return Target(
        f"channel {channel} of {layer}",
        lambda one, x: activation(one, layer, x)[:, channel].mean(dim=(1, 2)),
        layer=layer,
    )


def _of_class(net: Net, picture: Image, target: str | None) -> Target:
    import torch

    with torch.no_grad():
        chances = net.module(as_tensor(net, picture))[0].softmax(dim=0)
    number = int(chances.argmax()) if target in (None, "top") else net.class_number(str(target))
    text = f"{net.classes[number]} ({100 * float(chances[number]):.1f} %)"
    return Target(text, lambda one, x: one.module(x)[:, number])


def _of_mask(
    net: Net, picture: Image, target: str | None, point: tuple[float, float] | None
) -> Target:
    import torch

    named = [name for name in net.classes if name != "background"]
    number = net.class_number((target or named[0]).removesuffix("-mask"))
    name, (height, width) = net.classes[number], picture.shape[:2]
    if point is not None:
        if not all(0 <= share <= 1 for share in point):
            raise UsageError(f"--point takes x,y from 0 to 1; got {point[0]:g},{point[1]:g}")
        mask = np.zeros((height, width), bool)
        mask[min(height - 1, int(point[1] * height)), min(width - 1, int(point[0] * width))] = True
        text = f"{name} at {point[0]:g},{point[1]:g}"
    else:
        with torch.no_grad():
            logits = net.module(as_tensor(net, picture))
            mask = (_odds(logits, number)[0] > 0).cpu().numpy()
        if not mask.any():
            raise NothingFoundError(
                f"{net.name} finds no {name} in this picture; ask about a point with --point x,y"
            )
        text = f"{name}, over its mask"
    where = torch.from_numpy(mask)

    def score(one: Net, pictures: Tensor) -> Tensor:
        odds = _odds(one.module(pictures), number)
        return odds[:, where.to(odds.device)].mean(dim=1)

    return Target(text, score, mask=mask)


def _odds(logits: Tensor, number: int) -> Tensor:
    """Log odds ``[B, H, W]`` of a class against all others; logits alone mean nothing."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    others = [i for i in range(logits.shape[1]) if i != number]
    return logits[:, number] - logits[:, others].logsumexp(dim=1)
