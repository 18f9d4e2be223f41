"""Any segmenter on pictures with masks: found as the pipeline finds regions, and compared.

A region's truth is what its expression makes of the true classes, so that ``person + dog`` or
``not person`` can be measured like ``person``. Soft results count from above one half.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sfumato import regions
from sfumato.data.samples import BACKGROUND, IGNORED, Samples
from sfumato.data.truth import alphas
from sfumato.evaluate import metrics, report
from sfumato.evaluate.finding import Find, finder_of, labels
from sfumato.evaluate.metrics import Counts, Floats, Interval, bootstrap, mean
from sfumato.evaluate.report import Case, Figures, Report, Worst
from sfumato.io.icc import unit
from sfumato.regions import Region
from sfumato.settings import Settings
from sfumato.types import Progress, Segmenter, no_progress


@dataclass(frozen=True, eq=False)
class Score:
    """One picture. ``boundary`` and ``trimap`` are by class, ``confusion`` is ``[C, C]``."""

    name: str
    group: str
    seconds: float
    confusion: NDArray[np.int64]
    boundary: NDArray[np.float64]
    trimap: NDArray[np.float64]


def evaluate(
    segmenter: str | Segmenter | Find,
    samples: Samples,
    *,
    region: str | Sequence[str] = "person",
    progress: Progress = no_progress,
    settings: Settings | None = None,
    limit: int | None = None,
    names: tuple[str, str] | None = None,
    seed: int = 0,
) -> Report:
    """Measure a segmenter on pictures with masks; memory does not grow with their number.

    Args:
        segmenter: a registered backend's name, a segmenter, or what
            :func:`sfumato.evaluate.finding.finder` gave.
        samples: pictures with masks.
        region: what to find; several = classes told apart, each pixel the likeliest one's.
        progress: told the done share after each picture.
        settings: for a registered one: size, device and options.
        limit: measure the first so many pictures only; None = all.
        names: what to call the segmenter and the data.
        seed: of the bootstrap.

    Returns:
        The report; also when interrupted, of the pictures measured until then.

    Raises:
        UsageError: the data does not know a region's class, or the segmenter cannot find it.
        KeyboardInterrupt: interrupted before the first picture was measured.
    """
    wanted = (region,) if isinstance(region, str) else tuple(region)
    plan = [regions.parse(text) for text in wanted]
    find = finder_of(segmenter, wanted, settings)
    classes = (BACKGROUND, *wanted)
    figures = partial(figures_of, classes=classes, seed=seed)
    scores: list[Score] = []
    worst, interrupted = Worst(), False
    planned = min(len(samples), limit or len(samples))
    try:
        for i in range(planned):
            sample = samples[i]
            if sample.name == samples.name(i):  # else it is damaged, and another stands in for it
                truth = true_labels(sample.mask, samples.classes, plan)
                image = unit(sample.image)
                start = time.perf_counter()
                predicted = labels(find(image))
                seconds = time.perf_counter() - start
                score = compare(predicted, truth, classes, sample.name, seconds)
                scores.append(score)
                value = float(np.mean(picture_iou(score.confusion)[1:]))
                worst.offer(
                    value, partial(_case, sample.name, value, sample.image, predicted, truth)
                )
            progress((i + 1) / planned)
    except KeyboardInterrupt:
        if not scores:
            raise
        interrupted = True

    called, data = names or (segmenter if isinstance(segmenter, str) else "segmenter", "data")
    return Report(
        segmenter=called,
        data=data,
        kind="masks",
        regions=wanted,
        overall=figures(scores),
        groups=report.by_group(scores, lambda s: s.group, figures),
        pictures=[_row(score, classes) for score in scores],
        worst=worst.cases(),
        confusion=np.sum([s.confusion for s in scores], axis=0, dtype=np.int64) if scores else None,
        broken=list(samples.broken),
        planned=planned,
        interrupted=interrupted,
    )


def true_labels(
    mask: NDArray[np.uint8], classes: Sequence[str], plan: Sequence[Region]
) -> NDArray[np.uint8]:
    """The regions' class numbers (from 1, as in :func:`labels`) by the true classes.

    Raises:
        UsageError: a region asks for more than classes that the data knows.
    """
    truth = labels(alphas(mask, classes, plan))
    truth[mask == IGNORED] = IGNORED
    return truth


def compare(
    predicted: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    classes: Sequence[str],
    name: str,
    seconds: float = 0.0,
) -> Score:
    """Everything that is kept of one picture."""
    valid = truth != IGNORED if (truth == IGNORED).any() else None
    pairs = [(predicted == k, truth == k) for k in range(len(classes))]
    return Score(
        name=name,
        group=name.rpartition("/")[0],
        seconds=seconds,
        confusion=metrics.confusion(predicted, truth, len(classes), IGNORED),
        boundary=np.array([metrics.boundary_f(p, t, valid=valid) for p, t in pairs]),
        trimap=np.array([metrics.trimap_iou(p, t, valid=valid) for p, t in pairs]),
    )


def figures_of(scores: Sequence[Score], classes: Sequence[str], seed: int = 0) -> Figures:
    """All measures of some pictures, each with its interval over pictures.

    ``picture_…`` is the mean over pictures of each one's own figure (1 where a class is neither
    there nor predicted); ``dataset_…``, ``accuracy`` and the measures of all classes are of the
    summed confusion matrix. ``boundary_f`` and ``trimap_iou`` are means over pictures.
    """
    size = len(classes)
    counts = np.array([s.confusion for s in scores], np.int64).reshape(-1, size, size)
    iou, dice = picture_iou(counts), _full(metrics.dice(counts))
    boundary = np.array([s.boundary for s in scores]).reshape(-1, size)
    trimap = np.array([s.trimap for s in scores]).reshape(-1, size)

    def summed(measure: Callable[[Counts], Floats], k: int | None = None) -> Interval:
        column = slice(None) if k is None else k

        def statistic(stack: Counts) -> Floats:
            return np.asarray(measure(stack.sum(axis=1))[..., column])

        return bootstrap(counts, statistic, seed)

    overall = {
        "pixel_accuracy": summed(metrics.pixel_accuracy),
        "mean_accuracy": summed(metrics.mean_accuracy),
        "mean_iou": summed(metrics.mean_iou),
        "frequency_weighted_iou": summed(metrics.frequency_weighted_iou),
    }
    by_class = {
        name: {
            "picture_iou": bootstrap(iou[:, k], mean, seed),
            "dataset_iou": summed(metrics.iou, k),
            "picture_dice": bootstrap(dice[:, k], mean, seed),
            "dataset_dice": summed(metrics.dice, k),
            "accuracy": summed(metrics.accuracy, k),
            "boundary_f": bootstrap(boundary[:, k], mean, seed),
            "trimap_iou": bootstrap(trimap[:, k], mean, seed),
        }
        for k, name in enumerate(classes)
    }
    return Figures(len(scores), overall, by_class)


def picture_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each class in each picture, ``[..., C]``; 1 for one neither there nor predicted."""
    return _full(metrics.iou(counts))


def _full(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(values), 1.0, values)


def _row(score: Score, classes: Sequence[str]) -> dict[str, float | str]:
    iou = picture_iou(score.confusion)
    row: dict[str, float | str] = {
        "name": score.name, "group": score.group, "seconds": score.seconds,
    }  # fmt: skip
    for k, name in enumerate(classes[1:], start=1):
        end = "" if len(classes) == 2 else f" {name}"
        row[f"iou{end}"] = float(iou[k])
        row[f"boundary_f{end}"] = float(score.boundary[k])
        row[f"trimap_iou{end}"] = float(score.trimap[k])
    return row


def _case(
    name: str,
    score: float,
    image: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    truth: NDArray[np.uint8],
) -> Case:
    shown = report.small(image)
    return Case(
        name=name,
        score=score,
        text=f"IoU {score:.3f}",
        image=shown,
        predicted=report.small_labels(predicted, shown.shape),
        truth=report.small_labels(truth, shown.shape),
    )
