"""What a layer still knows of a picture, and what it takes for the picture's style.

Mahendran and Vedaldi 2015, "Understanding deep image representations by inverting them": noise is
changed until the layer gives for it what it gives for the picture. Departures: squared total
variation with a weight that is the same for all layers; pixels are kept within 0..1 where the
paper has a norm that pulls them towards grey; Adam in place of momentum.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfumato.errors import UsageError
from sfumato.inspect import _figures as figures
from sfumato.inspect.features import as_tensor, check, gram
from sfumato.inspect.nets import Net, activation
from sfumato.types import Image, Step, Watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS, RATE = 120, 0.05
"""Of Adam; L-BFGS without a line search gets lost in the noise now and then."""

TV_WEIGHT = 1.0
"""Of the mean squared difference of neighbours; features' misfit is 1 for a layer that is 0."""

NOISE = 0.1
"""Standard deviation of the noise that everything begins with, about medium grey."""

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Those whose Gram matrices are a style (Gatys et al. 2016)."""

STYLE_STEPS, STYLE_RATE = 60, 0.02
"""Of Rprop."""

STYLE_TV_WEIGHT = 0.1
"""Against a style loss that is 1 for a layer that is 0."""


@dataclass(frozen=True, eq=False)
class Inversion:
    """A picture that was made from noise.

    Attributes:
        layer: what it was to agree in.
        image: float32 ``[H, W, 3]``, sRGB, 0..1.
        misfit: what is left: the squared distance of the features, for a texture of the Gram
            matrices, as a share of the picture's own.
        error: root mean square difference of its pixels from the picture's, 0..1; None for a
            texture, which is not to agree in them.
        steps, seconds: that it took.
        interrupted: the user stopped it; it is the best so far.
    """

    layer: str
    image: Image = field(repr=False)
    misfit: float
    error: float | None
    steps: int
    seconds: float
    interrupted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Without the picture, as plain JSON-able data."""
        return {
            "layer": self.layer,
            "misfit": self.misfit,
            **({} if self.error is None else {"error": self.error}),
            "steps": self.steps,
            "seconds": self.seconds,
            "interrupted": self.interrupted,
        }


def invert(
    net: Net,
    layer: str,
    picture: Image,
    *,
    steps: int = STEPS,
    tv_weight: float = TV_WEIGHT,
    seed: int = 0,
    watch: Watch | None = None,
) -> Inversion:
    """Look for a picture for which a layer gives the same.

    Args:
        net, layer: whose.
        picture: float32 ``[H, W, 3]``, sRGB, 0..1.
        steps: of Adam.
        tv_weight: how much neighbouring pixels are to be alike, 0 and up.
        seed: of the noise that it begins with.
        watch: told of every step; raising KeyboardInterrupt in it ends the work with the best
            picture so far.

    Raises:
        UsageError: there is no such layer, or it is silent.
        PictureError: the picture is too small.
    """
    import torch

    from sfumato.losses.content import content
    from sfumato.losses.smoothness import total_variation
    from sfumato.optimise.descent import Descent

    check(picture)
    net.layer(layer)
    shown = as_tensor(net, picture)
    with torch.no_grad():
        aim = activation(net, layer, shown)
    size = float(aim.square().mean())
    if size == 0:
        raise UsageError(f"layer {layer} of {net.name} gives nothing but zeros for this picture")

    def evaluate(now: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
        now = now.detach().requires_grad_()
        misfit = content(activation(net, layer, now), aim) / size
        smooth = tv_weight * total_variation(now)
        (gradient,) = torch.autograd.grad(misfit + smooth, now)
        terms = {"features": misfit.item(), "tv": smooth.item()}
        return terms | {"total": sum(terms.values())}, gradient

    descent = Descent(
        _noise(shown, seed), torch.ones_like(shown[:, :1], dtype=torch.bool), method="adam",
        rate=RATE,
    )  # fmt: skip
    began, last = time.perf_counter(), Step(0, steps, *picture.shape[:2])

    def result() -> Image:
        return np.ascontiguousarray(descent.result()[0].permute(1, 2, 0).cpu().numpy())

    best = float("inf"), 1.0  # total, and the features' share of it
    try:
        for i, losses in enumerate(descent.steps(evaluate, steps), 1):
            best = min(best, (losses["total"], losses["features"]))
            last = replace(last, number=i, losses=losses, seconds=time.perf_counter() - began)
            if watch:
                watch(last, result)
    except KeyboardInterrupt:
        last = replace(last, interrupted=True)
    found = result()
    return Inversion(
        layer, found, best[1], float(np.sqrt(np.mean((found - picture) ** 2))),
        last.number, time.perf_counter() - began, last.interrupted,
    )  # fmt: skip


def texture(
    layer: str,
    style: Image,
    *,
    photo: Image | None = None,
    steps: int = STYLE_STEPS,
    seed: int = 0,
    device: str = "auto",
    weights_file: Path | None = None,
    watch: Watch | None = None,
) -> Inversion:
    """What one style layer of VGG-19 alone carries over: its Gram matrix, painted.

    Made as the stylizer ``gatys`` makes pictures, with nothing else to hold it: from a photo, it
    begins there.

    Args:
        layer: of VGG-19, before or after its rectifier.
        style: float32 ``[h, w, 3]``, 0..1: whose Gram matrix.
        photo: float32 ``[H, W, 3]``, 0..1: what to paint; None = nothing, a texture of the
            style's size from noise.
        steps: see :class:`sfumato.optimise.recipe.Recipe`.
        seed, device: of the noise; where to work.
        weights_file: of VGG-19; None = the normalised weights.
        watch: as of :func:`invert`.

    Raises:
        UsageError: VGG-19 has no such layer.
        PictureError: a picture is too small.
        WeightsError: VGG-19's weights cannot be had.
    """
    import torch

    from sfumato.io import weights
    from sfumato.nets import vgg
    from sfumato.nets.device import choose_device, place
    from sfumato.nets.taps import Taps
    from sfumato.optimise import memory, painter
    from sfumato.optimise.goals import Part, Tools, tensor
    from sfumato.optimise.recipe import preset

    check(style)
    if photo is not None:
        check(photo)
    if layer not in vgg.LAYERS:
        raise UsageError(
            f"a style is told by layers of VGG-19, conv1_1 to relu5_4; {layer!r} is none of them"
        )
    change: dict[str, Any] = {
        "content": {},
        "style": {layer: 1.0},
        "tv_weight": STYLE_TV_WEIGHT,
        "statistic": "gram",
        "optimizer": "rprop",
        "learning_rate": STYLE_RATE,
        "steps": steps,
        "smallest": 0,
        "start": "noise" if photo is None else "content",
    }
    recipe = preset("fast").model_copy(update=change)
    where = choose_device(device)
    net = vgg.load(
        weights_file or weights.fetch("vgg19-normalised"),
        layers=[layer],
        padding="reflect",
        pooling=recipe.pooling,
    )
    tools = Tools(
        taps=Taps(place(net, where), torch.float32), features=net.features, depth=None,
        device=where, budget=memory.limit(None, where), seed=seed,
    )  # fmt: skip
    with torch.no_grad():
        maps = tools.taps(tensor(style, where))[layer]
    size = float(np.square(gram(maps)).mean()) / 4
    if size == 0:
        raise UsageError(f"layer {layer} gives nothing but zeros for this picture")
    recipe = recipe.model_copy(update={"style": {layer: 1 / size}})
    last = Step(0, steps, *style.shape[:2])

    def note(step: Step, made: Any) -> None:
        nonlocal last
        last = step
        if watch:
            watch(step, made)

    began = time.perf_counter()
    canvas = style if photo is None else photo
    noise = np.random.default_rng(seed).normal(0.5, NOISE, canvas.shape)
    painted = painter.optimise(
        canvas,
        [Part(np.ones(canvas.shape[:2], np.float32), style)],
        recipe,
        tools,
        start=(lambda _: np.clip(noise, 0, 1).astype(np.float32)) if photo is None else None,
        watch=note,
    )
    return Inversion(
        layer, painted, float(last.losses.get("style", float("nan"))), None,
        last.number, time.perf_counter() - began, last.interrupted,
    )  # fmt: skip


def inversion_figure(net: str, picture: Image, found: Sequence[Inversion]) -> Figure:
    """The picture, and what each layer still knows of it."""
    panels = [figures.Panel(picture, "picture", "")]
    for one in found:
        note = f"misfit {100 * one.misfit:.1f} %, off by {one.error or 0:.3f}"
        panels.append(figures.Panel(one.image, one.layer, note + _stopped(one)))
    return figures.grid(
        panels,
        _columns(len(panels)),
        heading=f"{net} · inversion",
        note="Noise, changed until the layer gives for it what it gives for the picture: all else "
        "the layer has forgotten. Misfit of\nthe features as a share of their energy; root mean "
        f"square difference of the pixels. {found[0].steps} steps.",
    )


def texture_figure(
    style: Image, found: Sequence[Inversion], photo: Image | None = None, name: str = "picture"
) -> Figure:
    """What each style layer alone carries over, beside where it is from."""
    panels = [figures.Panel(style, name, "its style")]
    if photo is not None:
        panels = [figures.Panel(photo, "picture"), *panels]
    panels += [
        figures.Panel(one.image, one.layer, f"misfit {100 * one.misfit:.1f} %{_stopped(one)}")
        for one in found
    ]
    what = "from noise" if photo is None else "laid on the picture"
    return figures.grid(
        panels,
        _columns(len(panels)),
        heading="vgg19 · what each style layer carries over",
        note=f"The Gram matrix of one layer alone, {what}; {found[0].steps} steps.",
    )


def _columns(count: int) -> int:
    """So that rows are full, or nearly."""
    return min((4, 3), key=lambda n: (-count % n, -n)) if count > 4 else max(2, count)


def _stopped(one: Inversion) -> str:
    return f", stopped at step {one.steps}" if one.interrupted else ""


def _noise(like: Any, seed: int) -> Any:
    import torch

    noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))
    return (0.5 + NOISE * noise).clamp(0, 1).to(like)
