"""The job ``inspect``: figures of what is inside a photo, or of what a net sees in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sfumato import styles
from sfumato.inspect import _figures
from sfumato.io.pictures import Picture
from sfumato.ops.resize import fit
from sfumato.server.orders import Inspect
from sfumato.settings import Settings
from sfumato.types import Image, Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SKETCH = 160
"""Longer side in pixels at most of what is made from noise."""

SHOWN = 23
"""Maps of a layer: with the photo four rows of six."""


def figures(order: Inspect, photo: Picture, settings: Settings, progress: Progress) -> Picture:
    """What was asked for, drawn, as one picture.

    Args:
        order: what to look at.
        photo: as it was sent.
        settings: the order's, with this worker's device.
        progress: told the done fraction; what it raises ends the job.

    Raises:
        SfumatoError: with one sentence.
    """
    _figures.check_installed()
    image = fit(styles.opaque(photo), order.size)
    return _figures.picture(_LOOKS[order.look](order, image, settings, progress))


def _clusters(order: Inspect, image: Image, settings: Settings, progress: Progress) -> list[Figure]:
    from sfumato.inspect import clusters

    counts = sorted({*range(2, 9), *([order.clusters] if order.clusters else [])})
    found = clusters.inspect(image, counts, settings, progress=progress)
    chosen = order.clusters or found.best or counts[0]
    pages = clusters.pages(found)
    return [*pages["overview"], *pages[f"k{chosen}"]]


def _features(order: Inspect, image: Image, settings: Settings, progress: Progress) -> list[Figure]:
    from sfumato.inspect import features, inversion, nets

    net = nets.load(order.net or "vgg19", device=settings.device)
    found = features.look(net, [order.layer or "relu3_1"], image)
    drawn = [features.maps_figure(one, one.order("energy", SHOWN)) for one in found]
    drawn.append(features.gram_figure(found))
    if order.invert:
        sketch = fit(image, SKETCH)
        known = [
            inversion.invert(
                net, one.layer.name, sketch, seed=order.seed,
                watch=lambda step, _: progress(step.number / max(1, step.total)),
            )
            for one in found
        ]  # fmt: skip
        drawn.append(inversion.inversion_figure(net.name, sketch, known))
    return drawn


def _saliency(order: Inspect, image: Image, settings: Settings, progress: Progress) -> list[Figure]:
    from sfumato.inspect import nets, saliency, targets

    saliency.check_installed()
    net = nets.load(order.net or "person", device=settings.device)
    target = targets.aim(net, image, target=order.target, layer=order.layer)
    found = saliency.explain(
        net, image, target, order.method or saliency.usual_method(net.name),
        seed=order.seed, progress=progress,
    )  # fmt: skip
    return [saliency.figure([found])]


_LOOKS: Mapping[str, Callable[[Inspect, Image, Settings, Progress], list[Figure]]] = {
    "clusters": _clusters, "features": _features, "saliency": _saliency,
}  # fmt: skip
