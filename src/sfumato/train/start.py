"""The net that a training begins with."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import cast

from sfumato.errors import SfumatoWarning, UsageError, WeightsError
from sfumato.nets import encoders, segformer, segmenters
from sfumato.nets.segformer import SegFormer
from sfumato.nets.segmenters import Segmenting
from sfumato.train.recipe import Recipe

RATES_STRIDE, MADE_FOR = 16, 513
"""DeepLabv3+ states its dilations at this stride, for squares of so many pixels (section 4)."""


def begin(recipe: Recipe) -> Segmenting:
    """The recipe's net with the weights that it starts from; the rest as torch's seed has it.

    Raises:
        UsageError: no such net, option or file.
        WeightsError: the weights cannot be had, or are of another net.
        MissingExtraError: a library is missing.
    """
    net = segmenters.build(
        recipe.net, classes=len(recipe.classes), encoder=recipe.encoder, **recipe.options
    )
    net.class_names = recipe.classes
    _warn_of_reach(net, recipe.size)
    if recipe.start == "none":
        return net
    if net.encoder is None:
        if recipe.start == "imagenet":
            raise UsageError(
                f"{recipe.net} without an encoder has no ImageNet weights to start from; give "
                "--set start=none, or --set encoder=NAME"
            )
    elif recipe.start == "imagenet":
        _pretrain(net)
        return net
    path = Path(recipe.start).expanduser()
    if not path.exists():
        raise UsageError(f"{path} does not exist; start is imagenet, none, or a file of weights")
    try:
        saved = segmenters.load(path)
    except (WeightsError, OSError):  # not one of ours, or a folder
        if net.encoder is None:
            raise
        _pretrain(net, path)
        return net
    _take(net, saved, path)
    return net


def _warn_of_reach(net: Segmenting, size: int) -> None:
    """A dilation that reaches beyond the picture sees nothing but the padding: what it would do
    with a larger picture is then never learnt, and noise."""
    far = [rate for rate in net.options.get("rates", ()) if rate * RATES_STRIDE >= size]
    if far:
        fitting = [max(1, round(rate * size / MADE_FOR)) for rate in net.options["rates"]]
        warnings.warn(
            f"dilations of {', '.join(map(str, far))} reach beyond squares of {size} pixels, so "
            f"that the net will fail on larger pictures; give --set options.rates={fitting}",
            SfumatoWarning,
            stacklevel=2,
        )


def _pretrain(net: Segmenting, path: Path | None = None) -> None:
    """Fill the encoder from a public checkpoint; None = the one of ImageNet that is known."""
    if isinstance(net.net, SegFormer):
        folder = path or segformer.hub_folder(f"nvidia/mit-{net.net.variant}")
        segformer.load(net.net, folder)
        return
    encoder = cast(encoders.Encoder, net.encoder)
    encoders.load(encoder, path or encoders.pretrained(str(net.options["encoder"])))


def _take(net: Segmenting, saved: Segmenting, path: Path) -> None:
    """All weights of a net that was saved here; its last layers too, if the classes are as many."""
    own, theirs = net.state_dict(), saved.state_dict()
    if (saved.name, saved.options) != (net.name, net.options):
        raise WeightsError(
            f"{path} holds {saved.name} with {saved.options}, and the recipe asks for {net.name} "
            f"with {net.options}"
        )
    fits = {key: x for key, x in theirs.items() if x.shape == own[key].shape}
    net.load_state_dict(fits, strict=False)
