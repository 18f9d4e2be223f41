"""``sfumato inspect features`` and ``sfumato inspect saliency``: what nets see in a picture."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from sfumato.cli import _pages
from sfumato.cli import _shared as shared
from sfumato.cli._pages import Json, Photo
from sfumato.cli._shared import DEFAULT
from sfumato.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sfumato.inspect.inversion import Inversion
    from sfumato.inspect.nets import Net
    from sfumato.types import Image, Step

PARTS = ("maps", "gram", "inversion", "styles")
SORTS = ("energy", "channel")
METHOD, OVERVIEW = "integrated-gradients", "overview"

FAR = 0.1
"""Share of the score that may be missing from integrated gradients without a word."""

SKETCH = 160
"""Longer side in pixels at most of what is made from noise."""

NetName = Annotated[
    str,
    typer.Option(
        help="vgg19, person, mobilenetv2, efficientnet-lite0, fastdepth, vgg16, resnet34, "
        "resnet50, resnet50-v1, or a .safetensors file that you trained; modnet and u2netp by "
        "occlusion alone.",
        metavar="NET",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="Other weights for a net of that name.", metavar="FILE"),
]
Listing = Annotated[
    bool, typer.Option("--layers", help="List the net's layers with what a cell sees, and end.")
]
Size = Annotated[
    int, typer.Option(help="Longer side in pixels at which the net sees the picture.", min=1)
]


def features(
    photo: Photo,
    net: NetName = "vgg19",
    layer: Annotated[
        list[str] | None,
        typer.Option(help="What to look at (--layers lists them). Repeatable.", metavar="LAYER"),
    ] = None,
    layers: Listing = False,
    top: Annotated[int, typer.Option(help="Maps at most that are drawn of a layer.", min=1)] = 23,
    sort: Annotated[str, typer.Option(help="|".join(SORTS))] = "energy",
    parts: Annotated[
        str,
        typer.Option(
            help="What to draw: maps, gram, inversion (what the layer still knows), styles (what "
            "each style layer of VGG-19 carries over).",
            metavar="PART,…",
        ),
    ] = ",".join(PARTS),
    style: Annotated[
        str | None,
        typer.Option(
            "--style",
            "-s",
            help="Whose style is laid on the picture, layer by layer. (default: the picture's own, "
            "from noise)",
            metavar="STYLE",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Of each inversion and style.", min=1, max=10_000)
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder for maps.png, gram.png, ..., or a file for all in one. "
            "(default: NAME-features.png)",
            metavar="DIR|FILE",
        ),
    ] = None,
    json_file: Json = None,
    weights: Weights = None,
    size: Size = 256,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """See what a layer of a net makes of a picture, and what it forgets."""
    wanted = _parts(parts, net)
    if sort not in SORTS:
        raise UsageError(f"--sort takes {' or '.join(SORTS)}, got {sort!r}")
    if not (layer or layers):
        raise UsageError("name a layer with --layer; --layers lists them")
    console = shared.Console(quiet)
    if layers:
        _list(_open(net, weights, device, console), _small(photo, size))
        return
    from sfumato import styles
    from sfumato.inspect import _figures, inversion
    from sfumato.inspect import features as recipe
    from sfumato.ops.resize import fit

    _figures.check_installed()
    places = _pages.places_of(photo, output, "features", wanted)
    image = fit(_pages.read(photo, places, json_file, overwrite), size)
    learnt = styles.resolve(style).picture_for("a style") if style else None
    names = list(dict.fromkeys(layer or ()))
    opened = _open(net, weights, device, console)
    found = recipe.look(opened, names, image)
    pages: dict[str, list[Figure]] = {}
    if "maps" in wanted:
        order = cast(Any, sort)
        pages["maps"] = [recipe.maps_figure(one, one.order(order, top)) for one in found]
    if "gram" in wanted:
        pages["gram"] = [recipe.gram_figure(found)]
    sketch, made = fit(image, SKETCH), _Made(console)
    with console.bar("inspecting", 1):
        if "inversion" in wanted:
            count = steps or inversion.STEPS
            made.plan(len(names) * count)
            for name in names:
                made.add(
                    "inversion", inversion.invert, opened, name, sketch, steps=count, seed=seed
                )
        if "styles" in wanted:
            count = steps or inversion.STYLE_STEPS
            made.plan(len(inversion.STYLE_LAYERS) * count)
            source = sketch if learnt is None else fit(learnt, SKETCH)
            options = {"photo": None if learnt is None else sketch, "weights_file": weights}
            for name in inversion.STYLE_LAYERS:
                made.add(
                    "styles", inversion.texture, name, source,
                    steps=count, seed=seed, device=device, **options,
                )  # fmt: skip
        if made.of["inversion"]:
            drawn = inversion.inversion_figure(net, sketch, made.of["inversion"])
            pages["inversion"] = [drawn]
        if made.of["styles"]:
            called = (style or "picture", None if learnt is None else sketch)
            drawn = inversion.texture_figure(source, made.of["styles"], called[1], called[0])
            pages["styles"] = [drawn]
        files = {name: places.files[name] for name in pages}
        _pages.write(pages, replace(places, files=files), overwrite, console)
    record: dict[str, Any] = {
        "photo": _pages.called(photo),
        "layers": [one.as_dict(cast(Any, sort)) for one in found],
        **{part: [one.as_dict() for one in of] for part, of in made.of.items() if of},
    }
    _pages.write_json(json_file, record, overwrite)
    for one in found:
        cell = one.layer.field
        console.note(f"{one.layer.name}: {one.layer.channels} channels, a cell sees {cell}")
    if made.stopped:
        console.note("interrupted: kept what there was so far")
        raise KeyboardInterrupt


def saliency(
    photo: Photo,
    net: NetName = "person",
    target: Annotated[
        str | None,
        typer.Option(
            help="A class by name or number; of a segmenter, person-mask; with --layer a "
            "channel's number or energy. (default: the class that it finds)",
            metavar="TARGET",
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Ask about a channel of this layer.", metavar="LAYER")
    ] = None,
    layers: Listing = False,
    point: Annotated[
        str | None,
        typer.Option(
            help="Of a segmenter: ask about this point, fractions 0..1, and not the whole mask.",
            metavar="X,Y",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="guided-backprop, integrated-gradients, smoothgrad, grad-cam, occlusion, or all. "
            f"Repeatable. (default: {METHOD}; modnet, u2netp: occlusion)",
            metavar="METHOD",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Pictures that integrated-gradients or smoothgrad look at.", min=1),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="The picture of nothing: mean colour, black, or blur.")
    ] = "mean",
    window: Annotated[
        int | None, typer.Option(help="Side in pixels of what occlusion covers.", min=1)
    ] = None,
    cam_layer: Annotated[
        str | None,
        typer.Option(help="Layer whose cells grad-cam weighs. (default: the coarsest)"),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder for overview.png and a figure of each method, or a file for the "
            "overview. "
            "(default: NAME-saliency.png)",
            metavar="DIR|FILE",
        ),
    ] = None,
    json_file: Json = None,
    weights: Weights = None,
    size: Size = 256,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """See which pixels a net's answer hangs on, and whether a net that knows nothing differs."""
    from sfumato.inspect import saliency as recipe

    methods = _methods(method or [], net)
    console = shared.Console(quiet)
    if layers:
        _list(_open(net, weights, device, console), _small(photo, size))
        return
    from sfumato.inspect import _figures, targets
    from sfumato.ops.resize import fit

    if baseline not in get_args(recipe.Baseline):
        raise UsageError(f"--baseline takes mean, black or blur, got {baseline!r}")
    recipe.check_installed()
    _figures.check_installed()
    where = _point(point)
    places = _pages.places_of(photo, output, "saliency", [OVERVIEW, *methods])
    image = fit(_pages.read(photo, places, json_file, overwrite), size)
    opened = _open(net, weights, device, console)
    asked = targets.aim(opened, image, target=target, layer=layer, point=where)
    found = []
    with console.bar("inspecting", 1):
        for i, name in enumerate(methods):
            found.append(
                recipe.explain(
                    opened,
                    image,
                    asked,
                    name,
                    samples=samples,
                    baseline=cast(Any, baseline),
                    window=window,
                    layer=cam_layer if name == "grad-cam" else None,
                    seed=seed,
                    progress=partial(_tell, console, name, i, len(methods)),
                )
            )
        pages = {OVERVIEW: [recipe.figure(found)]}
        if places.folder is not None:
            pages |= {one.method: [recipe.figure([one])] for one in found}
        _pages.write(pages, places, overwrite, console)
    record = {"photo": _pages.called(photo), "maps": [one.as_dict() for one in found]}
    _pages.write_json(json_file, record, overwrite)
    console.note(f"{net}: {asked.text}")
    for one in found:
        likeness = one.rank_correlation
        told = f"rank correlation with shuffled weights {likeness or 0:.2f}"
        console.note(f"{one.method}: {'one map is flat' if likeness is None else told}")
        change = abs(one.score - one.baseline)
        if one.method == METHOD and abs(one.gap) > FAR * change > 0:
            share = 100 * abs(one.gap) / change
            console.note(
                f"note: the map's sum misses the score by {share:.0f} %; more --samples come nearer"
            )


class _Made:
    """What is made from noise, one after the other, until somebody interrupts."""

    def __init__(self, console: shared.Console) -> None:
        self.of: dict[str, list[Inversion]] = {"inversion": [], "styles": []}
        self.stopped = False
        self._console, self._total, self._done = console, 0, 0

    def plan(self, steps: int) -> None:
        self._total += steps

    def add(self, part: str, make: Any, *args: Any, steps: int, **options: Any) -> None:
        if self.stopped:
            return
        layer = next(arg for arg in args if isinstance(arg, str))

        def watch(step: Step, _: Any) -> None:
            share = (self._done + step.number) / self._total
            text = f"{part}  {layer}  step {step.number}/{steps}"
            self._console.at(0.5 * min(1.0, share), text)

        made = make(*args, steps=steps, watch=watch, **options)
        self._done += steps
        self.stopped = made.interrupted
        self.of[part].append(made)


def _tell(console: shared.Console, name: str, number: int, count: int, share: float) -> None:
    """How far the maps are, which take half of the bar."""
    console.at(0.5 * (number + share) / count, name)


def _parts(text: str, net: str) -> list[str]:
    """What is to be drawn, in its order; styles are VGG-19's alone."""
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for part in asked:
        if part not in PARTS:
            hint = did_you_mean(part, PARTS)
            raise UsageError(f"--parts takes {', '.join(PARTS)}; got {part!r}{hint}")
    if not asked:
        raise UsageError(f"--parts takes one or more of {', '.join(PARTS)}")
    found = [part for part in PARTS if part in asked and (part != "styles" or net == "vgg19")]
    if not found:
        raise UsageError("styles are told by layers of VGG-19: leave --net out, or set it to vgg19")
    return found


def _methods(asked: list[str], net: str) -> list[str]:
    """The methods in their order; all = those that fit the net, none = its usual one."""
    from sfumato.inspect.attributions import METHODS
    from sfumato.inspect.saliency import methods_for, usual_method

    for name in asked:
        if name not in (*METHODS, "all"):
            hint = did_you_mean(name, METHODS)
            known = ", ".join(METHODS)
            raise UsageError(f"there is no method {name!r}{hint} (known: {known}, all)")
    if "all" in asked:
        return [*methods_for(net)]
    return [name for name in METHODS if name in asked] or [usual_method(net)]


def _point(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--point takes x,y, for example 0.5,0.3; got {text!r}") from None
    return x, y


def _open(name: str, weights: Path | None, device: str, console: shared.Console) -> Net:
    from sfumato.inspect import nets

    return nets.load(name, weights=weights, device=device, progress=console.download)


def _small(photo: str, size: int) -> Image:
    from sfumato import files, styles
    from sfumato.ops.resize import fit

    return fit(styles.opaque(files.read(photo)), size)


def _list(net: Net, image: Image) -> None:
    """Print the layers that give maps."""
    from rich.table import Table

    from sfumato.inspect.features import check, layers_table
    from sfumato.inspect.fields import outline

    check(image)
    table = Table("layer", "channels", "cells", "stride", "a cell sees", box=None, pad_edge=False)
    for row in layers_table(outline(net, *image.shape[:2])):
        table.add_row(*row)
    shared.show(table)
