"""What k-means makes of a picture: every cluster by itself, and how many there should be.

What is drawn as number 2 of 4 is what the region ``cluster:2/4`` means: the same backend splits
the same picture at the same size, with the same options and seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from sfumato import pipeline
from sfumato.errors import UsageError
from sfumato.inspect import _figures as figures
from sfumato.inspect._figures import Panel
from sfumato.inspect.separation import distances, inertia, knee, silhouettes
from sfumato.ops.resize import fit
from sfumato.ops.saliency import is_flat
from sfumato.regions import MAX_CLUSTERS
from sfumato.segment.kmeans import Features, Kmeans, features
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Image, Progress, Segments, no_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLE = 1500
"""Pixels that the silhouettes are worked out on: all distances between them fit in 18 MB."""

NAMES = {"lab": "CIELAB", "rgb": "RGB"}

_DEFAULT = Settings()
_FLAG = {"size": "--size", "seed": "--seed"}


@dataclass(frozen=True, eq=False)
class Split:
    """A picture of ``h`` x ``w`` pixels split into clusters.

    Attributes:
        k: how many were asked for.
        segments: those that were found, from the largest; fewer where there are fewer colours.
        colours: float32 ``[n, 3]``, each one's mean colour in sRGB, 0..1.
        inertia: mean squared distance of the pixels from their cluster's mean.
        silhouettes: float64 ``[S]``, -1..1, of the sampled pixels.
        owners: int ``[S]``, the sampled pixels' clusters, from 0.
    """

    k: int
    segments: Segments
    colours: NDArray[np.float32]
    inertia: float
    silhouettes: NDArray[np.float64]
    owners: NDArray[np.intp]

    @property
    def silhouette(self) -> float | None:
        """Mean over the sample; None where it shows one cluster only."""
        return float(self.silhouettes.mean()) if len(np.unique(self.owners)) > 1 else None

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each cluster's part of the picture, 0..1."""
        return np.asarray(self.segments.masks.mean(axis=(1, 2)), np.float64)

    @property
    def poster(self) -> Image:
        """The picture with every pixel in its cluster's mean colour: float32 ``[h, w, 3]``."""
        return np.asarray(self.colours[np.argmax(self.segments.masks, axis=0)])

    def region(self, number: int) -> str:
        """What the region language calls a cluster, counted from 1."""
        return f"cluster:{number}/{self.k}"


@dataclass(frozen=True, eq=False)
class Clusters:
    """A picture split in several ways.

    Attributes:
        image: float32 ``[h, w, 3]``, the picture at work size.
        space: ``lab`` or ``rgb``.
        position: weight of where a pixel lies.
        variance: mean squared distance of the pixels from their mean: the inertia of one cluster.
        splits: one for each number of clusters, in rising order.
        flags: what a command needs besides ``--region cluster:i/k`` to mean the same clusters.
    """

    image: Image
    space: str
    position: float
    variance: float
    splits: tuple[Split, ...]
    flags: str = ""

    @property
    def best(self) -> int | None:
        """The k of the highest mean silhouette, the smallest of equals; None for one colour."""
        scored = {s.k: round(s.silhouette, 6) for s in self.splits if s.silhouette is not None}
        return max(scored, key=lambda k: (scored[k], -k)) if scored else None

    @property
    def elbow(self) -> int | None:
        """Where the inertia stops falling fast (:func:`knee`)."""
        points = {1: self.variance, **{split.k: split.inertia for split in self.splits}}
        return knee(list(points), list(points.values()))

    @property
    def advice(self) -> str:
        """Which k to take, and how to use it, in a sentence."""
        if self.best is None:
            return "the picture shows one colour: there is nothing to split"
        split = next(split for split in self.splits if split.k == self.best)
        where = "there, too" if self.elbow == self.best else f"at k = {self.elbow}"
        elbow = f"; the inertia's elbow is {where}" if self.elbow else ""
        return (
            f"k = {self.best} has the best silhouette ({split.silhouette:.2f}){elbow}; "
            f"to paint its largest cluster: --region {split.region(1)}{self.flags}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-able data."""
        height, width = self.image.shape[:2]
        return {
            "width": width,
            "height": height,
            "space": self.space,
            "position": self.position,
            "best": self.best,
            "elbow": self.elbow,
            "advice": self.advice,
            "variance": self.variance,
            "splits": [_plain(split) for split in self.splits],
        }


def parse_counts(text: str) -> list[int]:
    """``2..8``, ``4`` or ``2,4,6`` as numbers of clusters, in rising order.

    Raises:
        UsageError: it is none of these, or one is not from 2 to 16.
    """
    counts: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})\s*(?:\.\.\s*(\d{1,4})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 2 <= first <= last <= MAX_CLUSTERS:
            raise UsageError(
                f"-k takes numbers of clusters from 2 to {MAX_CLUSTERS}, as 2..8, 4 or 2,4,6; "
                f"got {text!r}"
            )
        counts.update(range(first, last + 1))
    return sorted(counts)


def inspect(
    photo: Image,
    counts: Sequence[int] = tuple(range(2, 9)),
    settings: Settings | None = None,
    *,
    progress: Progress = no_progress,
) -> Clusters:
    """Split a picture into each of these numbers of clusters, and measure the splits.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        counts: numbers of clusters, each from 2 to 16.
        settings: of these the size, the seed and the options of ``kmeans`` count, as for a region.
        progress: told after each number.

    Raises:
        UsageError: the photo is no such array, a number or an option is out of bounds.
    """
    pipeline.check(photo)
    settings = settings or _DEFAULT
    studio = Studio(settings)
    work = fit(photo, settings.size)
    counts = sorted(set(counts))
    if not counts:
        raise UsageError("give at least one number of clusters")
    backends = [cast(Kmeans, studio.segmenter("kmeans", clusters=k)) for k in counts]
    options = backends[0].options
    # As the backend has it: shading below what can be seen shall not make clusters.
    pixels = features(np.zeros_like(work) if is_flat(work) else work, options)
    rows = _sampled(len(pixels), settings.seed)
    apart = distances(pixels[rows])
    splits = []
    for i, backend in enumerate(backends):
        splits.append(_measured(counts[i], backend(work), work, pixels, rows, apart))
        progress((i + 1) / len(backends))
    return Clusters(
        image=work,
        space=options.space,
        position=options.position,
        variance=inertia(pixels, np.zeros(len(pixels), np.intp)),
        splits=tuple(splits),
        flags=_flags(settings),
    )


def overview(found: Clusters, name: str = "") -> Figure:
    """The picture and its splits, every pixel in its cluster's mean colour."""
    columns = min(4, 1 + len(found.splits))
    panels = [Panel(figures.small(found.image, columns), name or "the picture", " ")]
    for split in found.splits:
        marks = {found.best: "best silhouette", found.elbow: "elbow"}
        if found.best == found.elbow:
            marks = {found.best: "best silhouette and elbow"}
        note = f"silhouette {_score(split)}"
        note += f" · {marks[split.k]}" if split.k in marks else ""
        panels.append(Panel(figures.small(split.poster, columns), _count(split), note))
    position = f", position {found.position:g}" if found.position else ""
    heading = f"Clusters of colour · {NAMES[found.space]}{position}"
    return figures.grid(panels, columns, heading=heading, note=found.advice)


def curves(found: Clusters) -> Figure:
    """The elbow plot and the mean silhouette by number of clusters."""
    figure = figures.blank(2.9)
    elbow, score = figure.subplots(1, 2)
    ks = [split.k for split in found.splits]
    unit = "ΔE²" if found.space == "lab" and not found.position else "squared distance"
    figures.tidy(elbow, f"Inertia: mean {unit} from the cluster's mean", x="clusters k")
    elbow.plot([1, *ks], [found.variance, *(s.inertia for s in found.splits)], "o-", **_pen(0))
    elbow.set_ylim(0, None)
    figures.tidy(score, f"Mean silhouette of {_sample_size(found)} pixels", x="clusters k")
    values = [np.nan if s.silhouette is None else s.silhouette for s in found.splits]
    score.plot(ks, values, "o-", **_pen(1))
    score.set_ylim(min(0.0, *np.nan_to_num(values, nan=0.0)), 1)
    for axes, k, word in ((elbow, found.elbow, "elbow"), (score, found.best, "best")):
        axes.set_xticks([1, *ks] if axes is elbow else ks)
        if k is not None:
            axes.axvline(k, color=figures.QUIET, linewidth=0.8, linestyle="--", zorder=0)
            axes.annotate(
                f"{word}: {k}", (k, 1), (4, -2), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=figures.NOTE, color=figures.QUIET, va="top",
            )  # fmt: skip
    return figure


def sheet(found: Clusters, split: Split) -> Figure:
    """One split: each cluster alone and blacked out, and its pixels' silhouettes."""
    columns = 4 if split.k <= 4 else 6
    image = figures.small(found.image, columns)
    height, width = found.image.shape[:2]
    panels = [
        Panel(image, "The picture", f"{width} × {height} pixels"),
        Panel(figures.small(split.poster, columns), "In mean colours", "of the clusters"),
        Panel(None, "Silhouettes", "of each cluster's pixels, in order; dashed: their mean"),
        *[Panel(None)] * (columns - 3),
    ]
    for i, mask in enumerate(split.segments.masks):
        share, rest = (f"{100 * part:.1f} %" for part in (split.shares[i], 1 - split.shares[i]))
        alone, gone = figures.alone(found.image, mask), np.where(mask[..., None], 0, found.image)
        panels += [
            Panel(figures.small(alone, columns), f"{split.region(i + 1)} alone", share),
            Panel(figures.small(gone.astype(np.float32), columns), "blacked out", f"{rest} left"),
        ]
    heading = f"{_count(split)} · mean silhouette {_score(split)}"
    figure = figures.grid(panels, columns, heading=heading)
    _knives(figure, split)
    return figure


def pages(found: Clusters, name: str = "") -> Mapping[str, list[Figure]]:
    """All figures by what to call their file: ``overview``, ``k2``, ``k3``, ..."""
    sheets = {f"k{split.k}": [sheet(found, split)] for split in found.splits}
    return {"overview": [overview(found, name), curves(found)], **sheets}


def _measured(
    k: int,
    segments: Segments,
    work: Image,
    pixels: Features,
    rows: NDArray[np.intp],
    apart: NDArray[np.float64],
) -> Split:
    owners = np.argmax(segments.masks, axis=0).ravel()
    colours = np.stack([work[mask].mean(axis=0, dtype=np.float64) for mask in segments.masks])
    return Split(
        k=k,
        segments=segments,
        colours=colours.astype(np.float32),
        inertia=inertia(pixels, owners),
        silhouettes=silhouettes(apart, owners[rows]),
        owners=owners[rows],
    )


def _sampled(count: int, seed: int) -> NDArray[np.intp]:
    if count <= SAMPLE:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, SAMPLE, replace=False))


def _flags(settings: Settings) -> str:
    """The options that change what a cluster is, as a command takes them."""
    own = settings.options.get("kmeans", {}).items()
    plain = {"space": "lab", "position": 0.0}
    texts = [f" -O kmeans.{name}={value}" for name, value in own if plain.get(name) != value]
    changed = [name for name in _FLAG if getattr(settings, name) != getattr(_DEFAULT, name)]
    return "".join([*texts, *(f" {_FLAG[name]} {getattr(settings, name)}" for name in changed)])


def _knives(figure: Figure, split: Split) -> None:
    """The silhouette plot, in what is left of a sheet's first row."""
    first, *spare = figure.axes[2 : 4 if split.k <= 4 else 6]
    place, last = first.get_position(), spare[-1].get_position()
    below = 0.13 / figure.get_size_inches()[1]  # for the numbers of the axis
    first.set_position((place.x0, place.y0 + below, last.x1 - place.x0, place.height - below))
    first.set_axis_on()
    gap, tops = len(split.owners) / 60, [0.0]
    for owner, colour in enumerate(split.colours):
        values = np.sort(split.silhouettes[split.owners == owner])[::-1]
        places = tops[-1] + np.arange(len(values))
        first.fill_betweenx(places, 0, values, color=colour, linewidth=0, step="mid")
        first.plot(values, places, color=figures.INK, linewidth=0.5)
        tops.append(tops[-1] + max(len(values), 2 * gap) + gap)
    for i in range(len(split.colours)):
        if tops[i + 1] - tops[i] > tops[-1] / 16:  # else there is no room for its number
            middle = (tops[i] + tops[i + 1] - gap) / 2
            first.text(1.01, middle, str(i + 1), fontsize=6, color=figures.INK, va="center")
    figures.tidy(first, ticks=False)
    first.set_yticks([])
    first.tick_params(pad=1)
    first.set(xlim=(min(-0.2, float(split.silhouettes.min())) - 0.03, 1.04), ylim=(tops[-1], -gap))
    if split.silhouette is not None:
        first.axvline(split.silhouette, color=figures.QUIET, linewidth=0.8, linestyle="--")


def _count(split: Split) -> str:
    found = len(split.segments.labels)
    return f"k = {split.k}" + (f", {found} found" if found < split.k else "")


def _score(split: Split) -> str:
    return "–" if split.silhouette is None else f"{split.silhouette:.3f}"


def _sample_size(found: Clusters) -> str:
    return figures.number(len(found.splits[0].owners))


def _pen(number: int) -> dict[str, Any]:
    return {"color": figures.COLOURS[number], "linewidth": 1.4, "markersize": 4}


def _plain(split: Split) -> dict[str, Any]:
    several = split.silhouette is not None
    scores = [split.silhouettes[split.owners == i] for i in range(len(split.colours))]
    return {
        "k": split.k,
        "found": len(split.segments.labels),
        "inertia": split.inertia,
        "silhouette": split.silhouette,
        "clusters": [
            {
                "region": split.region(i + 1),
                "share": float(split.shares[i]),
                "colour": [round(float(value), 4) for value in colour],
                "silhouette": float(scores[i].mean()) if several and len(scores[i]) else None,
            }
            for i, colour in enumerate(split.colours)
        ],
    }
