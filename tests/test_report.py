"""The page about a painting: by itself, escaped, and true."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato import report
from sfumato.errors import MissingExtraError
from sfumato.pipeline import Layer
from sfumato.settings import Settings
from sfumato.types import Matte, Painting, Step, Style

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

PHOTO = np.random.default_rng(0).random((30, 1300, 3), dtype=np.float32)
EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source"}


def steps(numbers=(3, 3), total=9, **more):
    """So many steps at each of 16, 32, … pixels; the loss is 8 / number."""
    result = [Step(0, total, 16, 16, note="2 sizes")]
    for scale, count in enumerate(numbers):
        side = 16 * 2**scale
        for _ in range(count):
            n = result[-1].number + 1
            losses = {"content": 3 / n, "style": 5 / n, "total": 8 / n}
            result.append(Step(n, total, side, side, losses, n / 2))
    last = result[-1]
    if more:
        result.append(Step(last.number, total, last.height, last.width, last.losses, 9.0, **more))
    return tuple(result)


def painting(**more):
    given = {
        "settings": Settings(size=512, options={"gatys": {"content_weight": "5"}}).as_dict(),
        "weights": {"vgg19": "ab" * 32},
        "timings": {"find": 1.25, "stylize": 61.5, "compose": 0.25},
        "seams": {"person": 1.234},
        "course": {"person": steps()},
    }
    alpha = np.zeros(PHOTO.shape[:2], np.float32)
    alpha[:, :650] = 1
    return Painting(1 - PHOTO, Matte(alpha, PHOTO), seed=0, **given | more)


def page(made=None, layers=(), title="a.jpg → b.png"):
    layers = layers or [Layer("person", Style("waves", image=PHOTO[:, :40]), "gatys")]
    return report.page(made or painting(), photo=PHOTO, layers=layers, title=title)


class Reader(HTMLParser):
    """Checks that tags close, and keeps sources and text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.sources, self.text, self.tags = [], [], "", []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data + " "


def embedded(source):
    return base64.b64decode(source.partition("base64,")[2])


def test_the_page_says_what_was_done():
    read = Reader(page())
    said = " ".join(read.text.split())
    for text in (
        "a.jpg → b.png", "1300 × 30 pixels · 63.0 seconds", "waves", "gatys.content_weight 5",
        "61.50 s", "1.23", "ab" * 32, "How the losses fell: person", "2 sizes",
        "16 × 16 3 1.5 8 2.67", "32 × 32 3 1.5 2 1.33",
    ):  # fmt: skip
        assert text in said, text
    assert "Interrupted" not in said


def test_the_page_stands_by_itself():
    html = page()
    assert all(source.startswith("data:") for source in Reader(html).sources)
    assert "http" not in re.sub(r"base64,[^\"]+", "", html)
    assert "<script" not in html


def test_the_pictures_are_the_photo_the_result_the_alpha_and_the_style():
    layer = Layer("person", Style("waves", image=PHOTO[:, :40]), "gatys")
    before, after, alpha, style, curves = Reader(page(layers=[layer])).sources
    first, second = (PillowImage.open(io.BytesIO(embedded(s))) for s in (before, after))
    assert first.size == second.size == (report.LARGE, 23)
    assert np.asarray(first).mean() + np.asarray(second).mean() == pytest.approx(255, abs=3)
    levels = np.asarray(PillowImage.open(io.BytesIO(embedded(alpha))))
    assert levels.shape == (7, report.SMALL)
    assert (levels[:, 0].min(), levels[:, -1].max()) == (255, 0)
    assert PillowImage.open(io.BytesIO(embedded(style))).size == (40, 30)
    assert embedded(curves).startswith(b"<?xml")


def test_the_part_that_is_not_learnt_from_is_faded():
    half = np.zeros((30, 40), np.float32)
    half[:, :20] = 1
    black = Style("black", image=np.zeros((30, 40, 3), np.float32), region=half)
    html = page(layers=[Layer("person", black, "gatys", "box:0,0,.5,1")])
    shown = np.asarray(PillowImage.open(io.BytesIO(embedded(Reader(html).sources[3]))))
    assert shown[:, :16].max() < 20
    assert shown[:, 24:].min() > 180
    assert "black: only box:0,0,.5,1" in " ".join(Reader(html).text.split())


def test_what_a_user_named_is_escaped():
    evil = "<script>alert('x')</script>\"&"
    made = painting(
        settings=Settings().as_dict() | {"options": {evil: {evil: evil}}},
        weights={evil: evil},
        timings={evil: 1.0},
        seams={evil: 1.0},
        course={evil: steps()},
    )
    html = page(made, [Layer(evil, Style(evil), evil, evil)], evil)
    assert "<script" not in html
    assert "script" not in Reader(html).tags
    assert Reader(html).text.count(evil) >= 10


def test_an_interrupted_painting_says_so():
    said = " ".join(Reader(page(painting(course={"person": steps(interrupted=True)}))).text.split())
    assert "Interrupted: the best picture so far." in said
    assert "Interrupted at step 6 of 9." in said


@pytest.mark.parametrize(
    "course", [(), steps(()), steps((), interrupted=True)], ids=["empty", "begun", "stopped"]
)
def test_an_optimisation_without_a_step(course):
    html = page(painting(course={"person": course}))
    assert "No step was done" in html
    assert "svg" not in html


@pytest.mark.parametrize("loss", [0.0, -1.0, np.nan, np.inf])
def test_losses_that_no_logarithm_has(loss):
    odd = Step(7, 9, 32, 32, {"total": loss, "odd": loss}, 4.0)
    svg = embedded(Reader(page(painting(course={"a": (*steps(), odd)}))).sources[-1])
    assert svg.startswith(b"<?xml")
    alone = page(painting(course={"a": (odd,)}))
    assert "svg" not in alone


def test_nothing_optimised_nothing_measured():
    plain = painting(course={}, weights={}, seams={}, timings={"find": 0.0})
    said = Reader(page(plain, [Layer("person", Style("ember", net="magenta"))])).text
    for absent in ("How the losses fell", "Weights"):
        assert absent not in said


def test_the_same_painting_has_the_same_page():
    assert page() == page()


def test_scales():
    first, second = report.scales(steps((2, 4), interrupted=True))
    assert (first.height, first.width, first.steps, first.seconds) == (16, 16, 2, 1.0)
    assert (first.first, first.last) == (8, 4)
    assert (second.height, second.steps, second.seconds) == (32, 4, 8.0)
    assert (second.first, second.last) == (8 / 3, 8 / 6)


def test_what_was_chosen_is_marked():
    settings = Settings(keep_colors=True, options={"gatys": {"steps": 3}, "guided": {}})
    rows = {
        name: (value, chosen) for name, value, chosen in report.settings_table(settings.as_dict())
    }
    assert rows["keep_colors"] == ("yes", True)
    assert rows["strength"] == ("1.0", False)
    assert rows["segmenter"] == ("chosen by itself", False)
    assert rows["gatys.steps"] == ("3", True)
    assert "options" not in rows


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setattr(report, "REQUIRES", ("a_library_that_nobody_has",))
    with pytest.raises(MissingExtraError, match=r"pip install 'sfumato\[report\]'"):
        page()
