"""Which of two nets is believed, with nets that say what they are told to."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato.ops.saliency import nothing
from sfumato.segment.duo import Options, build, iou
from sfumato.types import Context, Segments

PICTURE = np.zeros((10, 20, 3), np.float32)


def somebody(columns: int, score: float = 0.9) -> Segments:
    """A person in the first columns, with an alpha that tells the nets apart."""
    mask = np.zeros((1, 10, 20), bool)
    mask[:, :, :columns] = True
    return Segments(mask, ("person",), (score,), mask * np.float32(score))


class Net:
    classes = ("person",)

    def __init__(self, says: Segments) -> None:
        self.says, self.asked = says, 0

    def __call__(self, image: np.ndarray) -> Segments:
        self.asked += 1
        return self.says


def duo(person: Segments, modnet: Segments, **options: float):
    nets = {"person": Net(person), "modnet": Net(modnet)}
    context = Context(load=lambda kind, name: nets[name])
    return build(Options(**options), context), nets


@pytest.mark.parametrize(
    ("columns", "agree", "drawn"),
    [(10, 0.75, True), (8, 0.75, True), (7, 0.75, False), (7, 0.7, True), (1, 0.0, True)],
)
def test_the_edge_is_modnets_where_the_two_agree(columns, agree, drawn):
    ours, theirs = somebody(10, 0.8), somebody(columns, 0.9)
    segmenter, _ = duo(ours, theirs, agree=agree)
    assert segmenter(PICTURE) is (theirs if drawn else ours)


def test_nobody_is_there_if_our_net_sees_nobody():
    segmenter, nets = duo(nothing((10, 20)), somebody(10))
    assert segmenter(PICTURE).labels == ()
    assert nets["modnet"].asked == 0


def test_who_is_seen_by_our_net_alone_is_kept():
    ours = somebody(5)
    segmenter, _ = duo(ours, nothing((10, 20)))
    assert segmenter(PICTURE) is ours


def test_overlap():
    assert iou(somebody(5), somebody(10)) == iou(somebody(10), somebody(5)) == 0.5
    assert iou(somebody(5), nothing((10, 20))) == 0
