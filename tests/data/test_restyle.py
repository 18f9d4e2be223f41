"""One picture painted: what is drawn for it, where it is laid, what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfumato.data.layouts import survey
from sfumato.data.restyle import TRIES, WEAKER, Item, Job, Painter, draw, lay
from sfumato.errors import UsageError
from sfumato.io import pictures
from sfumato.studio import Studio

from . import sets

STYLES = tuple(f"style-{i}.png" for i in range(7))


@pytest.fixture
def negative(monkeypatch):
    """A stylizer that turns colours over: the structure stays."""

    def paint(content, style, *, region=None, progress=None):
        return (1 - content).astype(np.float32)

    monkeypatch.setattr(Studio, "stylizer", lambda self, name: paint)
    return paint


@pytest.fixture
def job(tmp_path):
    path = sets.save(tmp_path / "styles" / "s.png", sets.picture(9))
    return Job((str(path),), strength=(1, 1))


@pytest.fixture
def pairs(tmp_path):
    return survey(sets.pairs(tmp_path / "in", 2, (40, 60)))


def changed(job, **fields):
    from dataclasses import replace

    return replace(job, **fields)


def test_the_painting_has_the_pictures_size_and_what_was_drawn(tmp_path, negative, job, pairs):
    painter = Painter(job, pairs, tmp_path / "out")
    record = painter(Item("images/000.png", "images/000.png"))
    assert not record.failed
    data = (tmp_path / "out" / record.picture).read_bytes()
    assert hashlib.sha256(data).hexdigest() == record.sha256
    painted = np.asarray(Image.open(tmp_path / "out" / record.picture))
    photo = np.asarray(Image.open(tmp_path / "in" / "images" / "000.png"))
    np.testing.assert_array_equal(painted, 255 - photo)
    assert record.strengths == (1.0,)
    assert record.styles == job.styles
    assert 0.5 < record.edges < 1


@given(
    seed=st.integers(0, 10**6),
    name=st.text(min_size=1, max_size=30),
    low=st.floats(0.1, 0.6),
    count=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_follows_from_seed_and_name(seed, name, low, count):
    job = Job(STYLES, seed=seed, strength=(low, 0.9), regions=("everything",) * count)
    first = draw(job, name)
    assert first == draw(job, name)
    assert len(first) == count
    assert all(style in STYLES and low - 1e-4 <= s <= 0.9 + 1e-4 for style, s in first)


def test_styles_and_strengths_are_spread():
    job = Job(STYLES)
    drawn = [draw(job, f"{i}.jpg")[0] for i in range(700)]
    counts = [sum(style == s for s, _ in drawn) for style in STYLES]
    assert min(counts) > 60
    strengths = np.array([strength for _, strength in drawn])
    assert np.histogram(strengths, 5, (0.5, 1))[0].min() > 90
    other = [draw(changed(job, seed=1), f"{i}.jpg")[0] for i in range(700)]
    assert sum(a == b for a, b in zip(drawn, other, strict=True)) < 5


def test_layers_lie_over_one_another():
    photo = np.zeros((2, 4, 3), np.float32)
    one, two = np.ones_like(photo), np.full_like(photo, 0.5)
    alpha = np.array([[0, 0, 1, 1], [0, 0, 0.5, 1]], np.float32)
    result = lay(photo, [one, two], [1, 0.5], [None, alpha])
    np.testing.assert_allclose(result[..., 0], [[1, 1, 0.25, 0.25], [1, 1, 0.625, 0.25]])


def test_lost_structure_is_painted_again_with_less(tmp_path, monkeypatch, job, pairs):
    def smear(content, style, *, region=None, progress=None):
        noise = np.random.default_rng(0).uniform(0, 1, content.shape)
        return noise.astype(np.float32)

    monkeypatch.setattr(Studio, "stylizer", lambda self, name: smear)
    strict = changed(job, edges=0.6, similarity=0.4)
    record = Painter(strict, pairs, tmp_path / "out")(Item("images/000.png", "a.png"))
    assert record.rejected[0] == 1
    assert record.edges >= 0.6
    assert record.strengths[0] == pytest.approx(WEAKER ** len(record.rejected), abs=1e-3)

    never = Painter(changed(job, edges=1.0), pairs, tmp_path / "out")
    failed = never(Item("images/000.png", "b.png"))
    assert "loses its structure" in failed.failed
    assert not (tmp_path / "out" / "b.png").exists()
    assert TRIES > 1


def test_regions_by_the_sets_own_masks(tmp_path, negative, job, pairs):
    only = changed(job, regions=("person",), edges=-1, similarity=-1)
    record = Painter(only, pairs, tmp_path / "out")(Item("images/000.png", "a.png"))
    assert not record.failed
    painted = np.asarray(Image.open(tmp_path / "out" / "a.png")).astype(int)
    photo = np.asarray(Image.open(tmp_path / "in" / "images" / "000.png")).astype(int)
    inside = np.zeros(photo.shape[:2], bool)
    inside[6:10, 9:17] = True  # three pixels within the block
    np.testing.assert_array_equal(painted[inside], 255 - photo[inside])
    np.testing.assert_array_equal(painted[:, 30:], photo[:, 30:])


def test_person_and_background_each_in_a_style_of_its_own(tmp_path, monkeypatch, pairs):
    files = [
        str(sets.save(tmp_path / f"{v}.png", np.full((9, 9, 3), v, np.uint8))) for v in (40, 200)
    ]

    def flat(content, style, *, region=None, progress=None):
        return np.broadcast_to(style.image[:1, :1], content.shape).astype(np.float32)

    monkeypatch.setattr(Studio, "stylizer", lambda self, name: flat)
    seen = set()
    for seed in range(16):
        job = Job(tuple(files), regions=("background", "person"), strength=(1, 1), seed=seed,
                  edges=-1, similarity=-1)  # fmt: skip
        record = Painter(job, pairs, tmp_path / "out")(Item("images/000.png", f"{seed}.png"))
        painted = np.asarray(Image.open(tmp_path / "out" / f"{seed}.png"))
        expected = [int(Path(style).stem) for style in record.styles]
        assert [painted[35, 55, 0], painted[8, 12, 0]] == expected
        seen.add(tuple(expected))
    assert len(seen) == 4


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
def test_annotations_for_the_picture_as_stored(tmp_path, negative, job, orientation):
    """Sizes that annotations state decide whether a turned picture is turned."""
    stored = sets.picture(3, (40, 60))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = sets.save(tmp_path / "in" / "turned.png", stored, exif=exif)
    layout = survey(tmp_path / "in")
    painter = Painter(job, layout, tmp_path / "out")
    upright = pictures.read(path).size
    record = painter(Item("turned.png", "upright.png"))
    assert not record.failed
    assert pictures.read(tmp_path / "out" / "upright.png").size == upright
    if orientation >= 5:
        assert not painter(Item("turned.png", "stored.png", (40, 60))).failed
        painted = np.asarray(Image.open(tmp_path / "out" / "stored.png"))
        np.testing.assert_array_equal(painted, 255 - stored)
    wrong = painter(Item("turned.png", "wrong.png", (41, 60)))
    assert "its annotations are for 60 × 41" in wrong.failed


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((3, 50), np.uint8),
        (np.random.default_rng(0).integers(0, 2**16, (20, 30))).astype(np.uint16),
        np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8),
    ],
    ids=["one pixel", "flat grey", "16 bits", "see-through"],
)
def test_odd_pictures(tmp_path, negative, job, pixels):
    path = sets.save(tmp_path / "in" / "odd.png", pixels)
    layout = survey(tmp_path / "in")
    record = Painter(job, layout, tmp_path / "out")(Item("odd.png", "odd.png"))
    assert not record.failed
    assert pictures.read(tmp_path / "out" / "odd.png").size == pictures.read(path).size


def test_what_fails_is_a_record(tmp_path, negative, job):
    sets.save(tmp_path / "in" / "good.jpg", sets.picture(0))
    (tmp_path / "in" / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    painter = Painter(job, survey(tmp_path / "in"), tmp_path / "out")
    assert "bad.jpg" in painter(Item("bad.jpg", "bad.jpg")).failed
    unwritable = painter(Item("good.jpg", "good.gif"))
    assert "cannot write the picture format" in unwritable.failed
    painter._stylizer = lambda *a, **k: 1 / 0
    assert "ZeroDivisionError" in painter(Item("good.jpg", "x.jpg")).failed


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"strength": (0.9, 0.5)}, "strength"),
        ({"strength": (0, 1)}, "strength"),
        ({"styles": ()}, "no styles"),
        ({"copies": 0}, "1 to 1000"),
        ({"edges": float("nan")}, "edges"),
        ({"regions": ("person:",)}, "region"),
        ({"seed": -1}, "seed"),
    ],
)
def test_jobs_are_checked(fields, said):
    with pytest.raises(UsageError, match=said):
        Job(**{"styles": STYLES, **fields})
