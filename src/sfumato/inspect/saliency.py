"""Which pixels a net's answer hangs on, and whether that is about the net at all.

Beside every map stands the same map of the net with its weights shuffled (Adebayo et al. 2018,
"Sanity checks for saliency maps"): where both look alike, the map shows the picture's edges and
nothing of what the net has learnt.
"""

from __future__ import annotations

import copy
import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from sfumato.errors import MissingExtraError, UsageError, did_you_mean
from sfumato.inspect import _figures as figures
from sfumato.inspect import asked
from sfumato.inspect.attributions import (
    CAM,
    INTEGRATED,
    METHODS,
    OCCLUSION,
    SAMPLES,
    SIGNED,
    Floats,
    Look,
    attribute,
    planned,
    rank_correlation,
)
from sfumato.inspect.features import as_tensor, check
from sfumato.inspect.fields import outline
from sfumato.inspect.nets import NETS, PREPROCESS, Net
from sfumato.inspect.targets import Target, value
from sfumato.ops.resize import resize
from sfumato.types import Image, Progress, no_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

EXTRA = "inspect"

Baseline = Literal["mean", "black", "blur"]

WINDOW = 1 / 8
"""Side of what occlusion covers, as a share of the picture's shorter side."""

BLUR = 1 / 16
"""Standard deviation of the blurred baseline, as a share of the same."""

COVERED = 0.995
"""Share of a map's values that its colours tell apart; the few largest are all one colour."""

DIVERGING, RISING = "RdBu_r", "magma"
MARK, PALE = (0.78, 0.33, 0.24), (1.0, 1.0, 1.0)
LINE = 30  # characters that fit above a map
SHOWN = 640
"""Longer side in pixels of a picture on which a border is drawn."""


@dataclass(frozen=True, eq=False)
class Saliency:
    """A map, and its check.

    Attributes:
        net, method: what was asked, and how.
        target: of what.
        picture: float32 ``[H, W, 3]``, sRGB, 0..1.
        values: float32 ``[H, W]``: above 0 speaks for it, below 0 (only of methods that tell)
            against it.
        shuffled: the same of the net with shuffled weights.
        score: the target's number for the picture.
        baseline: the same for the picture of nothing.
        seconds: for ``values`` alone.
        layer: whose cells Grad-CAM weighed.
    """

    net: str
    method: str
    target: Target
    picture: Image = field(repr=False)
    values: Floats = field(repr=False)
    shuffled: Floats = field(repr=False)
    score: float
    baseline: float
    seconds: float
    layer: str | None = None

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's, of both maps' sizes; None where one map is flat."""
        return rank_correlation(np.abs(self.values), np.abs(self.shuffled))

    @property
    def inside(self) -> float | None:
        """Share of the map's size inside the target's mask; None without a mask."""
        sizes = np.abs(self.values)
        if self.target.mask is None or not sizes.any():
            return None
        return float(sizes[self.target.mask].sum() / sizes.sum())

    @property
    def gap(self) -> float:
        """By how much the map's sum misses the score less the baseline's; of integrated gradients
        it is near 0 where there are enough points."""
        return float(self.values.sum(dtype=np.float64)) - (self.score - self.baseline)

    def as_dict(self) -> dict[str, Any]:
        """The numbers, as plain JSON-able data."""
        mask = self.target.mask
        numbers: dict[str, Any] = {
            "net": self.net,
            "method": self.method,
            "target": self.target.text,
            "score": self.score,
            "baseline_score": self.baseline,
            "rank_correlation_with_shuffled_weights": self.rank_correlation,
            "seconds": self.seconds,
        }
        if self.method == INTEGRATED:
            numbers["sum"] = float(self.values.sum(dtype=np.float64))
            numbers["completeness_gap"] = self.gap
        if self.layer:
            numbers["layer"] = self.layer
        if mask is not None:
            numbers |= {"share_inside_mask": self.inside, "mask_area": float(mask.mean())}
        return numbers


def check_installed() -> None:
    """Raise MissingExtraError unless Captum is there."""
    if importlib.util.find_spec("captum") is None:
        raise MissingExtraError("saliency", EXTRA)


def explain(
    net: Net,
    picture: Image,
    target: Target,
    method: str = INTEGRATED,
    *,
    samples: int | None = None,
    baseline: Baseline = "mean",
    window: int | None = None,
    layer: str | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Saliency:
    """Which pixels the target's number hangs on, for the net and for shuffled weights.

    Args:
        net: any.
        picture: float32 ``[H, W, 3]``, sRGB, 0..1.
        target: of :func:`sfumato.inspect.targets.aim`.
        method: of :data:`~sfumato.inspect.attributions.METHODS`.
        samples: for integrated gradients and SmoothGrad; None = :data:`SAMPLES`.
        baseline: the picture of nothing: ImageNet's mean colour, black, or the picture blurred.
        window: side in pixels of what occlusion covers; None = an eighth of the shorter side.
        layer: whose cells Grad-CAM weighs; None = the last of the coarsest ones, or of the next
            finer where those say nothing for the target.
        seed: of noise, and of the shuffling.
        progress: told the done fraction.

    Raises:
        UsageError: an unknown method or layer, or one that does not fit the net.
        MissingExtraError: Captum is not installed.
    """
    check_installed()
    if method not in METHODS:
        known = ", ".join(METHODS)
        raise UsageError(f"unknown method {method!r}{did_you_mean(method, METHODS)} ({known})")
    if net.asked and method != OCCLUSION:
        raise UsageError(
            f"{net.name} runs in ONNX Runtime, which gives no gradients; the method for it is "
            f"{OCCLUSION}, got {method}"
        )
    check(picture)
    height, width = picture.shape[:2]
    layers: list[str | None] = [None]
    if method == CAM:
        layers = [*_cam_layers(net, picture, target, layer)]
    shown = as_tensor(net, picture)
    side = min(window or max(2, round(WINDOW * min(height, width))), height, width)
    look = Look(
        _nothing(net, picture, baseline), samples or SAMPLES.get(method, 1), side, None, seed
    )
    total = 2 * planned(method, look, height, width)
    seen = 0

    def run(one: Net, inner: str | None) -> Floats:
        def score(pictures: Tensor) -> Tensor:
            nonlocal seen
            found = target.score(one, pictures)
            seen += len(pictures)
            progress(min(1.0, seen / total))
            return found

        module = one.layer(inner) if inner else None
        return attribute(method, score, shown, look._replace(layer=module))

    began = time.perf_counter()
    for chosen in layers:
        values = run(net, chosen)
        if values.any():
            break
    seconds = time.perf_counter() - began
    found = Saliency(
        net.name, method, target, picture, values, run(shuffled(net, seed), chosen),
        value(net, target, shown), value(net, target, look.baseline), seconds, chosen,
    )  # fmt: skip
    progress(1.0)
    return found


def methods_for(name: str) -> tuple[str, ...]:
    """The methods that fit a net: all, or for one that only answers, occlusion."""
    return (OCCLUSION,) if name in NETS and NETS[name].answers else METHODS


def usual_method(name: str) -> str:
    """What is taken for a net where no method is named."""
    return INTEGRATED if INTEGRATED in methods_for(name) else OCCLUSION


def shuffled(net: Net, seed: int = 0) -> Net:
    """The net with the entries of each weight matrix in another order.

    They keep their mean and spread, so that activations stay within reason; what the net has
    learnt is gone. Its preprocessing, norms and biases stay.
    """
    import torch

    if net.asked:
        return replace(net, module=asked.shuffled(net.name, net.module, seed))
    generator = torch.Generator().manual_seed(seed)
    module = copy.deepcopy(net.module)
    kept = {id(p) for p in getattr(module, PREPROCESS, torch.nn.Identity()).parameters()}
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim > 1 and id(weight) not in kept:
                order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
                weight.copy_(weight.flatten()[order].view(weight.shape))
    return replace(net, module=module)


def figure(found: Sequence[Saliency]) -> Figure:
    """The picture, the map, the map laid over it, and the map of shuffled weights: in a row for
    one method, a column each for several."""
    first = found[0]
    told = "Red speaks for it, blue against it. " if any(m.method in SIGNED for m in found) else ""
    below = "" if len(found) == 1 else "\nBelow: laid over the picture, and "
    rows = [_panels(one) for one in found]
    panels = [_picture_panel(first), *rows[0]]
    columns = len(panels)
    if len(found) > 1:
        empty = figures.Panel(None)
        columns = 1 + len(found)
        panels = [_picture_panel(first), *(row[0] for row in rows)]
        for i in (1, 2):
            panels += [empty, *(row[i] for row in rows)]
    return figures.grid(
        panels,
        columns,
        heading=f"{first.net} · {first.target.text}",
        note=f"Score {first.score:.3g}, of the picture of nothing {first.baseline:.3g}. "
        f"Each map on its own scale. {told}{below or 'Right: '}"
        "the check, a net with shuffled weights, which should look otherwise.",
    )


def _picture_panel(one: Saliency) -> figures.Panel:
    where = "" if one.target.mask is None else "red: where it is asked for"
    return figures.Panel(_marked(one), "picture", where)


def _panels(one: Saliency) -> tuple[figures.Panel, figures.Panel, figures.Panel]:
    """The map, laid over the picture, and of shuffled weights."""
    correlation = one.rank_correlation
    check = "flat" if correlation is None else f"rank correlation {correlation:.2f}"
    notes = [one.layer or "", "" if one.inside is None else f"{100 * one.inside:.0f} % inside"]
    told = [note for note in notes if note]
    note = (", " if len("".join(told)) < LINE else "\n").join(told)
    return (
        _map(one, one.values, one.method, note),
        figures.Panel(_laid_over(one), "laid over"),
        _map(one, one.shuffled, "weights shuffled", check),
    )


def _cam_layers(net: Net, picture: Image, target: Target, layer: str | None) -> list[str]:
    """The layer whose cells are weighed: as asked for, or the last of each size, the coarsest
    first; the coarsest with anything to say for the target is taken."""
    known = list(outline(net, *picture.shape[:2]).values())
    names = [one.name for one in known]
    before = known[: names.index(target.layer)] if target.layer else known
    if layer is not None:
        net.layer(layer)
        if layer not in [one.name for one in before]:
            raise UsageError(f"grad-cam needs a layer with maps before the target; got {layer}")
        return [layer]
    last = {one.height * one.width: one.name for one in before}
    sizes = sorted(size for size in last if size > 1)
    if not sizes:
        raise UsageError(f"grad-cam needs a layer before the target; {target.text} has none")
    return [last[size] for size in sizes]


def _nothing(net: Net, picture: Image, baseline: Baseline) -> Tensor:
    from sfumato.nets.vgg import IMAGENET_MEAN

    if baseline == "blur":
        sigma = BLUR * min(picture.shape[:2])
        return as_tensor(net, np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32))
    colour = IMAGENET_MEAN if baseline == "mean" else (0.0, 0.0, 0.0)
    return as_tensor(net, np.full_like(picture, colour))


def _scale(values: Floats) -> float:
    return max(float(np.quantile(np.abs(values), COVERED)), 1e-12)


def _map(one: Saliency, values: Floats, title: str, note: str) -> figures.Panel:
    most, signed = _scale(values), one.method in SIGNED
    colours, low = (DIVERGING, -most) if signed else (RISING, 0.0)
    return figures.Panel(values, title, note, colours, low, most)


def _marked(one: Saliency) -> Image:
    """The picture, large enough for a thin line, with the border of what is asked about."""
    mask = one.target.mask
    if mask is None:
        return one.picture
    scale = max(1.0, SHOWN / max(mask.shape))
    shape = [round(side * scale) for side in mask.shape]
    marked = np.ascontiguousarray(resize(one.picture, tuple(shape)))
    if mask.sum() == 1:
        y, x = (round((int(i) + 0.5) * scale) for i in np.argwhere(mask)[0])
        for radius, colour in ((12, PALE), (8, MARK)):
            cv2.circle(marked, (x, y), radius, colour, -1, cv2.LINE_AA)
        return marked
    large = (resize(mask.astype(np.float32), tuple(shape)) > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(marked, contours, -1, PALE, 5, cv2.LINE_AA)
    cv2.drawContours(marked, contours, -1, MARK, 2, cv2.LINE_AA)
    return marked


def _laid_over(one: Saliency) -> Image:
    """The picture in grey, the stronger the map the more of its colour."""
    import matplotlib as mpl

    signed, most = one.method in SIGNED, _scale(one.values)
    share = np.clip(one.values / most, -1, 1)
    colours = mpl.colormaps[DIVERGING if signed else RISING]
    painted = colours((share + 1) / 2 if signed else share)[..., :3]
    grey = 0.25 + 0.6 * one.picture.mean(axis=2, keepdims=True)
    opaque = np.minimum(1, 1.3 * np.abs(share))[..., None]
    return np.asarray(grey + opaque * (painted - grey), dtype=np.float32)
