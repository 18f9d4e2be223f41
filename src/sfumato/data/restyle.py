"""One picture of a data set painted in a style drawn for it, its structure checked.

What becomes of a picture follows from the job and the picture's path alone: not from the order,
the number of processes, or what was done before. Nets therefore run on one thread here (how sums
are shared out among threads changes their last bits); speed comes from several processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sfumato import pipeline, regions, registry, styles
from sfumato.data._files import ORIENTATION
from sfumato.data.layouts import Layout
from sfumato.data.truth import Truth
from sfumato.errors import PictureError, SfumatoError, UsageError
from sfumato.finder import Finder
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.io.pictures import Picture
from sfumato.ops import structure
from sfumato.ops.resize import fit
from sfumato.regions import Everything
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Alpha, Image

WEAKER = 0.7
"""Share of the strength that a picture is painted with again when its structure was lost."""

TRIES = 4
"""Strengths tried before a picture counts as failed: the last is a third of the first."""


@dataclass(frozen=True)
class Job:
    """Everything that the painted pictures depend on, besides the pictures themselves.

    Attributes:
        styles: picture files and names of built-in styles, from which each picture draws one.
        stylizer: backend that paints.
        options: backend name -> option -> value.
        copies: painted pictures of each picture, each in a style of its own.
        strength: least and greatest share of the painting, drawn evenly between them.
        seed: of all choices.
        regions: parts that are painted, each in a style of its own, later ones over earlier ones.
        edges, similarity: least :func:`~sfumato.ops.structure.edge_agreement` and
            :func:`~sfumato.ops.structure.self_similarity` of a painting with its picture.
        device: where the nets run.
        quality: of JPEG and WebP.

    Raises:
        UsageError: a value is out of bounds.
    """

    styles: tuple[str, ...]
    stylizer: str = "adain"
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    copies: int = 1
    strength: tuple[float, float] = (0.5, 1.0)
    seed: int = 0
    regions: tuple[str, ...] = ("everything",)
    edges: float = 0.6
    similarity: float = 0.4
    device: str = "auto"
    quality: int = pictures.QUALITY

    def __post_init__(self) -> None:
        low, high = self.strength
        if not (0 < low <= high <= 1):
            raise UsageError(f"strength must be A..B with 0 < A <= B <= 1; got {low:g}..{high:g}")
        if not self.styles:
            raise UsageError("there are no styles to draw from")
        if not 1 <= self.copies <= 1000:
            raise UsageError(f"expected 1 to 1000 paintings of each picture; got {self.copies}")
        for name in ("edges", "similarity"):
            if not -1 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} must be from -1 to 1; got {getattr(self, name)}")
        registry.options_model("stylize", self.stylizer)
        self.settings  # noqa: B018  checks seed and device
        for region in self.regions:
            regions.parse(region)

    @property
    def settings(self) -> Settings:
        """Of the backends."""
        return Settings(seed=self.seed, device=self.device, options=self.options)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as it is written down."""
        return asdict(self) | {"options": {k: dict(v) for k, v in self.options.items()}}


@dataclass(frozen=True)
class Item:
    """One picture to paint.

    Attributes:
        content: its path in the set.
        picture: path of the painted one in the new set.
        size: (height, width) that the annotations are for; None = the picture's own, upright.
    """

    content: str
    picture: str
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Record:
    """What became of an item.

    Attributes:
        picture, content: as in :class:`Item`.
        styles: one for each region; ``strengths`` likewise, as painted.
        seed: the job's.
        edges, similarity: agreement with the picture.
        rejected: shares of the drawn strengths with which the structure was lost.
        sha256: of the file.
        failed: why there is none; then only ``picture`` and ``content`` are told besides.
    """

    picture: str
    content: str
    styles: tuple[str, ...] = ()
    strengths: tuple[float, ...] = ()
    seed: int = 0
    edges: float = 0.0
    similarity: float = 0.0
    rejected: tuple[float, ...] = ()
    sha256: str = ""
    failed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a line of the manifest."""
        if self.failed:
            return {"picture": self.picture, "content": self.content, "failed": self.failed}
        known = asdict(self)
        del known["failed"]
        return known


class Painter:
    """Paints items of one set; holds the nets.

    Args:
        job: how.
        layout: the set.
        target: folder of the new set.

    Raises:
        SfumatoError: a backend cannot be had.
    """

    def __init__(self, job: Job, layout: Layout, target: Path) -> None:
        self.job, self.layout, self.target = job, layout, target
        self._studio = Studio(job.settings)
        self._stylizer = self._studio.stylizer(job.stylizer)
        self._plan = [regions.parse(text) for text in job.regions]
        self._whole = all(isinstance(region, Everything) for region in self._plan)

    def __call__(self, item: Item) -> Record:
        """Paint an item and write its file; what goes wrong is told in the record."""
        try:
            return self._paint(item)
        except SfumatoError as error:
            reason = str(error)
        except MemoryError:
            reason = "out of memory"
        except Exception as error:  # one picture must not end a day's work
            reason = f"unexpected error: {type(error).__name__}: {error}"
        return Record(item.picture, item.content, failed=reason)

    def _paint(self, item: Item) -> Record:
        source = self.layout.root / item.content
        picture = as_annotated(pictures.read(source), source, item.size)
        photo = styles.opaque(picture)
        pipeline.check(photo)
        chosen = draw(self.job, item.picture)
        alphas = self._alphas(source, photo)
        layers = [
            self._stylizer(photo, styles.resolve(style), region=alpha)
            for (style, _), alpha in zip(chosen, alphas, strict=True)
        ]
        rejected: list[float] = []
        for attempt in range(TRIES):
            share = WEAKER**attempt
            strengths = tuple(round(strength * share, 4) for _, strength in chosen)
            painted = lay(photo, layers, strengths, alphas)
            edges = structure.edge_agreement(photo, painted)
            similarity = structure.self_similarity(photo, painted)
            if edges >= self.job.edges and similarity >= self.job.similarity:
                break
            rejected.append(round(share, 4))
        else:
            raise PictureError(
                f"it loses its structure in the style {chosen[0][0]}: edges {edges:.2f} (least "
                f"{self.job.edges}), self-similarity {similarity:.2f} (least {self.job.similarity})"
            )
        data = self._encoded(picture, painted, item)
        target = self.target / item.picture
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, data, overwrite=True)
        return Record(
            item.picture, item.content, tuple(style for style, _ in chosen), strengths,
            self.job.seed, round(edges, 4), round(similarity, 4), tuple(rejected),
            hashlib.sha256(data).hexdigest(),
        )  # fmt: skip

    def _alphas(self, source: Path, photo: Image) -> Sequence[Alpha | None]:
        """Where each region is; None = everywhere."""
        if self._whole:
            return [None] * len(self._plan)
        if self._truth:
            return [soften(alpha) for alpha in self._truth(source)]
        found = Finder(self._studio, photo, fit(photo, self._studio.settings.size))
        return [found.at_full_size(region) for region in self._plan]

    @cached_property
    def _truth(self) -> Truth | None:
        """The set's own annotations, if they tell the regions."""
        if self.layout.kind == "plain":
            return None
        try:
            return Truth(self.layout, self._plan)
        except UsageError:
            return None

    def _encoded(self, picture: Picture, painted: Image, item: Item) -> bytes:
        everywhere = np.ones(picture.size, np.bool_)
        result = pictures.repaint(picture, painted, everywhere)
        suffix = Path(item.picture).suffix
        return pictures.to_bytes(result, suffix, quality=self.job.quality)


def draw(job: Job, picture: str) -> list[tuple[str, float]]:
    """The style and the strength of each region for one painted picture, by its path."""
    digest = hashlib.sha256(picture.encode()).digest()
    rng = np.random.default_rng([job.seed, int.from_bytes(digest[:8], "big")])
    low, high = job.strength
    return [
        (job.styles[int(rng.integers(len(job.styles)))], round(float(rng.uniform(low, high)), 4))
        for _ in job.regions
    ]


def lay(
    photo: Image,
    layers: Sequence[Image],
    strengths: Sequence[float],
    alphas: Sequence[Alpha | None],
) -> Image:
    """The paintings over the photo, each so strong and where its region is.

    Args:
        photo, layers: float32 ``[H, W, 3]``, sRGB, 0..1.
        strengths: 0 = the photo, 1 = the painting.
        alphas: float32 ``[H, W]``, 0..1; None = everywhere.

    Returns:
        float32 ``[H, W, 3]``, 0..1.
    """
    result = photo
    for layer, strength, alpha in zip(layers, strengths, alphas, strict=True):
        painted = photo + np.float32(strength) * (layer - photo)
        share = np.float32(1) if alpha is None else alpha[..., None]
        result = np.asarray(result + share * (painted - result), np.float32)
    return np.clip(result, 0, 1)


def soften(alpha: Alpha) -> Alpha:
    """A mask's edge over about two pixels: a hard one would be a cue that no painting has."""
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.8), np.float32)


def as_annotated(picture: Picture, path: Path, size: tuple[int, int] | None) -> Picture:
    """The picture turned as its annotations have it.

    Pictures are read upright, as their EXIF data says; many tools leave that unheeded, and what
    they drew is for the picture as it lies in its file.

    Args:
        picture: upright.
        path: its file.
        size: (height, width) of the annotations; None = upright is right.

    Raises:
        PictureError: they are for neither.
    """
    if size is None or picture.size == size:
        return picture
    with PillowImage.open(path) as file:
        turned = int(file.getexif().get(ORIENTATION, 1))
    if turned < 5 or picture.size != size[::-1]:
        height, width = picture.size
        raise PictureError(
            f"{path} is {width} × {height} pixels, and its annotations are for "
            f"{size[1]} × {size[0]}"
        )
    alpha = None if picture.alpha is None else _as_stored(picture.alpha, turned)
    return replace(picture, native=_as_stored(picture.native, turned), alpha=alpha)


def _as_stored(array: NDArray[Any], turned: int) -> NDArray[Any]:
    """An upright picture back as its file has it, for the orientations 5 to 8 (EXIF 2.3)."""
    transposed = array.swapaxes(0, 1)
    back = {
        5: transposed,
        6: np.rot90(array, 1),
        7: transposed[::-1, ::-1],
        8: np.rot90(array, -1),
    }[turned]
    return np.ascontiguousarray(back)
