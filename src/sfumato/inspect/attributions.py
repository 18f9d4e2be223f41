"""How much each pixel has to do with a number that a net gives: five methods.

All take a ``score`` (pictures ``[B, 3, H, W]`` to ``[B]``) and one picture ``[1, 3, H, W]``, and
give a map ``[H, W]``. Captum computes four of them. Guided backpropagation is our own: Captum
guides only rectifiers that are ``nn.ReLU`` modules, and those of most nets here are functions, or
cut off at 6; without any it would give plain gradients and not say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError
from sfumato.ops.resize import enlarged

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = NDArray[np.float32]

GUIDED, INTEGRATED, SMOOTHED, CAM, OCCLUSION = METHODS = (
    "guided-backprop", "integrated-gradients", "smoothgrad", "grad-cam", "occlusion",
)  # fmt: skip

SIGNED = (INTEGRATED, OCCLUSION)
"""Methods that tell for and against apart."""

SAMPLES = {INTEGRATED: 32, SMOOTHED: 16}
"""Points on the way from the baseline; noisy copies of the picture."""

NOISE = 0.1
"""Standard deviation of SmoothGrad's noise; Smilkov et al. 2017 find 10 to 20 % of the range."""

TOGETHER = 4
"""Pictures in one run of the net."""

RECTIFIERS = ("relu", "relu_", "relu6", "hardtanh", "hardtanh_")


class Look(NamedTuple):
    """What a method may need besides the score and the picture.

    Attributes:
        baseline: ``[1, 3, H, W]``: the picture of nothing.
        samples: how many pictures integrated gradients or SmoothGrad look at.
        window: side in pixels of what is covered.
        layer: the module whose cells Grad-CAM weighs.
        seed: of SmoothGrad's noise.
    """

    baseline: Tensor
    samples: int
    window: int
    layer: nn.Module | None
    seed: int


def planned(method: str, look: Look, height: int, width: int) -> int:
    """How many pictures the net will see."""
    if method == OCCLUSION:
        step = _stride(look.window)
        rows, columns = (math.ceil(max(0, n - look.window) / step) + 1 for n in (height, width))
        return rows * columns + 1
    return look.samples if method in SAMPLES else 1


def attribute(
    method: str, score: Callable[[Tensor], Tensor], picture: Tensor, look: Look
) -> Floats:
    """The map of one method: float32 ``[H, W]``, 0 and up unless it is of :data:`SIGNED`."""
    found = _METHODS[method](score, picture.detach().clone(), look)
    return np.ascontiguousarray(found, dtype=np.float32)


def guided(score: Callable[[Tensor], Tensor], picture: Tensor, _look: Look) -> Floats:
    """Guided backpropagation (Springenberg et al. 2015): on the way back, every rectifier lets
    through only what is positive, besides stopping what it stopped on the way in. Sum over the
    colours of the gradient's size."""
    import torch
    from torch.overrides import TorchFunctionMode

    guarded = 0

    class Guiding(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            nonlocal guarded
            found = func(*args, **(kwargs or {}))
            if getattr(func, "__name__", "") in RECTIFIERS and found.requires_grad:
                found.register_hook(lambda gradient: gradient.clamp(min=0))
                guarded += 1
            return found

    picture.requires_grad_()
    with Guiding():
        value = score(picture).sum()
    if not guarded:
        raise UsageError(
            "guided-backprop is about rectifiers, and this net has none before what is asked for; "
            "try integrated-gradients"
        )
    (gradient,) = torch.autograd.grad(value, picture)
    return _sizes(gradient)


def integrated(score: Callable[[Tensor], Tensor], picture: Tensor, look: Look) -> Floats:
    """Integrated gradients (Sundararajan et al. 2017) from the baseline to the picture; the map's
    sum is the score less the baseline's, as far as the number of points allows."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(score)
    found = method.attribute(
        picture, baselines=look.baseline, n_steps=look.samples, internal_batch_size=TOGETHER
    )
    return _numpy(found[0].sum(dim=0))


def smoothed(score: Callable[[Tensor], Tensor], picture: Tensor, look: Look) -> Floats:
    """SmoothGrad (Smilkov et al. 2017): the mean gradient of noisy copies."""
    import torch
    from captum.attr import NoiseTunnel, Saliency

    devices = [picture.device] if picture.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(look.seed)
        found = NoiseTunnel(Saliency(score)).attribute(
            picture, nt_type="smoothgrad", nt_samples=look.samples,
            nt_samples_batch_size=min(TOGETHER, look.samples), stdevs=NOISE, abs=False,
        )  # fmt: skip
    return _sizes(found)


def cam(score: Callable[[Tensor], Tensor], picture: Tensor, look: Look) -> Floats:
    """Grad-CAM (Selvaraju et al. 2017): the maps of a layer, each weighed by the mean of its
    gradient, added up; what is positive of it, enlarged."""
    from captum.attr import LayerGradCam

    assert look.layer is not None
    picture.requires_grad_()  # the net itself is frozen
    found = LayerGradCam(score, look.layer).attribute(picture, relu_attributions=True)
    return enlarged(_numpy(found[0, 0]), picture.shape[-2:])


def occluded(score: Callable[[Tensor], Tensor], picture: Tensor, look: Look) -> Floats:
    """Occlusion (Zeiler and Fergus 2014): by how much the score falls where the baseline covers
    a window; the mean over all windows that cover a pixel."""
    from captum.attr import Occlusion

    step, side = _stride(look.window), look.window
    found = Occlusion(score).attribute(
        picture, sliding_window_shapes=(3, side, side), strides=(3, step, step),
        baselines=look.baseline, perturbations_per_eval=TOGETHER,
    )  # fmt: skip
    return _numpy(found[0].mean(dim=0))  # the same for all three colours


_METHODS: dict[str, Callable[[Callable[[Tensor], Tensor], Tensor, Look], Floats]] = {
    GUIDED: guided,
    INTEGRATED: integrated,
    SMOOTHED: smoothed,
    CAM: cam,
    OCCLUSION: occluded,
}


def ranks(values: Floats) -> NDArray[np.float64]:
    """Place of each value in their order, 1 and up; equal ones share the mean of theirs."""
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse.ravel()], dtype=np.float64)


def rank_correlation(one: Floats, other: Floats) -> float | None:
    """Spearman's rank correlation of two maps; None where one of them is flat."""
    first, second = (ranks(x) - (x.size + 1) / 2 for x in (one, other))
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / scale if scale > 0 else None


def _stride(window: int) -> int:
    """Windows overlap by half."""
    return max(1, window // 2)


def _sizes(gradient: Tensor) -> Floats:
    return _numpy(gradient[0].abs().sum(dim=0))


def _numpy(x: Tensor) -> Floats:
    return np.asarray(x.detach().cpu().numpy(), dtype=np.float32)
