"""The page: by itself, escaped, and true to what was measured."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.data.samples import Broken
from sfumato.evaluate.page import MISSED, WRONG, difference, page
from sfumato.evaluate.report import Case
from sfumato.evaluate.segmenter import evaluate

from .sets import Fake, Red, shifted, square
from .test_boxes import PICTURES, SPLIT, measured, write_boxes

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


class Reader(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.sources, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += f"{data} "


def test_a_page_of_masks_and_boxes(tmp_path):
    folder = write_boxes(tmp_path / "art", PICTURES, SPLIT)
    triples = [shifted(i, f"{'old' if i % 2 else 'new'}/<b>{i}") for i in range(4)]
    samples = Fake(triples, broken=["torn & cut.png"])
    reports = [
        evaluate(Red(), samples, names=("red <1>", "squares")),
        evaluate(Red(), samples, names=("other", "squares")),
        measured(folder, names=("other", "art")),
    ]
    html = page(reports, title="<people>", split="val")
    read = Reader(html)
    assert "<people>" in read.text  # as text, so it was escaped
    assert "<b>3" in read.text
    assert "torn & cut.png" in read.text
    assert "without people: of other splits" in read.text
    assert f"{reports[0].headline.value:.4f}" in read.text
    assert all(source.startswith("data:image/") for source in read.sources)
    assert len([s for s in read.sources if "svg" in s]) == 2 + 1 + 2  # overviews, spread, groups
    jpegs = [s for s in read.sources if s.startswith("data:image/jpeg")]
    assert len(jpegs) == 4 * (4 + 4 + 6)
    first = PillowImage.open(io.BytesIO(base64.b64decode(jpegs[0].partition(",")[2])))
    assert first.size == (40, 40)
    assert "nan" not in re.sub(r"data:[^\"]*", "", html)
    assert page(reports, title="<people>", split="val") == html


def test_interrupted_is_said():
    def stop(fraction):
        raise KeyboardInterrupt

    report = evaluate(Red(), Fake([shifted(0, "a"), shifted(1, "b")]), progress=stop)
    text = Reader(page([report], title="t", split="val")).text
    assert "Interrupted: 1 of 2 pictures." in text


def test_the_difference_shows_what_is_wrong_and_what_is_missed():
    truth = square().astype(np.uint8)
    predicted = square(left=15).astype(np.uint8)
    truth[0, 0] = 255
    predicted[0, 0] = 1
    grey = np.full((40, 40, 3), 100, np.uint8)
    shown = difference(Case("a", 0, "", grey, predicted, truth))
    where = {name: np.abs(shown[20, x] - np.array(c)).max() < 30
             for name, x, c in (("wrong", 32, WRONG), ("missed", 12, MISSED))}  # fmt: skip
    assert where == {"wrong": True, "missed": True}
    assert shown[0, 0].tolist() == shown[5, 5].tolist() == [45] * 3  # ignored; background
    assert shown[20, 20].min() > 100  # right


def test_reasons_are_kept_with_their_files():
    report = evaluate(Red(), Fake([shifted(0)], broken=["x.png"]))
    assert report.broken == [Broken("x.png", "cut short")]
