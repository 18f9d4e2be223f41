"""Clusters looked into: the measures, the numbering, the advice, the figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato import regions
from sfumato.errors import MissingExtraError, UsageError
from sfumato.finder import Finder
from sfumato.inspect import _figures, clusters
from sfumato.inspect.separation import distances, inertia, knee, silhouettes
from sfumato.ops.resize import fit
from sfumato.segment.kmeans import Options, features
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Matte

COLOURS = np.array([(0.1, 0.2, 0.7), (0.8, 0.7, 0.2), (0.2, 0.6, 0.2), (0.9, 0.9, 0.9)], np.float32)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Figures of 500 pixels' width are drawn in a moment."""
    monkeypatch.setattr(_figures, "DPI", 50)


def stripes(heights=(10, 40, 20, 30), width=30) -> tuple[np.ndarray, np.ndarray]:
    """A picture of coloured stripes, and the number of the stripe for each pixel."""
    owner = np.repeat(np.arange(len(heights)), heights)[:, None].repeat(width, axis=1)
    return COLOURS[owner], owner


def grainy() -> np.ndarray:
    image = stripes()[0] + np.random.default_rng(0).normal(0, 0.03, (100, 30, 3))
    return np.clip(image, 0, 1).astype(np.float32)


def by_the_book(rows, owners) -> list[float]:
    """Silhouettes, pixel by pixel."""
    rows, scores = rows.astype(np.float64), []
    for i, row in enumerate(rows):
        own = [j for j in range(len(rows)) if owners[j] == owners[i] and j != i]
        others = [
            np.mean([np.linalg.norm(row - rows[j]) for j in np.flatnonzero(owners == other)])
            for other in set(owners.tolist()) - {int(owners[i])}
        ]
        if not own or not others:
            scores.append(0.0)
            continue
        a, b = np.mean([np.linalg.norm(row - rows[j]) for j in own]), min(others)
        scores.append((b - a) / max(a, b) if max(a, b) else 0.0)
    return scores


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 14), wide=st.integers(1, 5), k=st.integers(1, 5), seed=st.integers(0, 999)
)
def test_silhouettes_are_those_of_the_book(count, wide, k, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 4, (count, wide)).astype(np.float32)
    owners = rng.integers(0, k, count)
    found = silhouettes(distances(rows), owners)
    np.testing.assert_allclose(found, by_the_book(rows, owners), atol=1e-12)


def test_inertia_is_the_mean_squared_distance_from_the_means():
    rows = np.array([[0, 0], [2, 0], [10, 0], [10, 6]], np.float32)
    assert inertia(rows, np.array([0, 0, 1, 1])) == pytest.approx((1 + 1 + 9 + 9) / 4)
    assert inertia(rows, np.zeros(4, int)) == pytest.approx(rows.astype(float).var(axis=0).sum())


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ((100, 50, 20, 15, 12), 3),
        ((100, 10, 9, 8, 7), 2),
        ((5, 4, 3, 2, 1), None),  # no bend
        ((5, 5, 5, 5, 5), None),
        ((100, 99, 98, 97, 0), None),  # bends the other way
    ],
)
def test_the_elbow_is_where_the_curve_bends(y, expected):
    assert knee((1, 2, 3, 4, 5), y) == expected
    assert knee((1, 2), y[:2]) is None


@pytest.mark.parametrize(
    ("text", "counts"),
    [("2..5", [2, 3, 4, 5]), ("4", [4]), ("6, 2,4", [2, 4, 6]), ("2..3,3..4", [2, 3, 4])],
)
def test_numbers_of_clusters_are_read(text, counts):
    assert clusters.parse_counts(text) == counts


@pytest.mark.parametrize("text", ["", "1", "17", "5..3", "2..", "a", "2..3..4", "1..4", "-3", "2,"])
def test_what_is_no_number_of_clusters_is_refused(text):
    with pytest.raises(UsageError, match=r"2\.\.8, 4 or 2,4,6"):
        clusters.parse_counts(text)


def test_four_colours_are_four_clusters():
    found = clusters.inspect(grainy())
    assert found.best == 4
    assert found.elbow in (3, 4)
    split = found.splits[2]
    np.testing.assert_allclose(split.shares, [0.4, 0.3, 0.2, 0.1], atol=0.01)
    np.testing.assert_allclose(split.colours, COLOURS[[1, 3, 2, 0]], atol=0.03)
    assert split.silhouette > 0.8
    falling = [found.variance, *(s.inertia for s in found.splits)]
    assert falling == sorted(falling, reverse=True)
    assert "--region cluster:1/4" in found.advice
    assert np.abs(split.poster - stripes()[0]).max() < 0.05


@pytest.mark.parametrize("options", [{}, {"space": "rgb"}, {"space": "rgb", "position": 0.4}])
def test_what_is_number_two_of_four_is_the_region(astronaut, options, monkeypatch):
    """Pixel for pixel, before the matte softens its edges."""
    monkeypatch.setattr(Studio, "matter", lambda self: lambda image, coarse: Matte(coarse, image))
    chosen = Settings(size=96, seed=5, options={"kmeans": options})
    photo = fit(astronaut, 128)
    split = clusters.inspect(photo, [4], chosen).splits[0]
    studio = Studio(chosen)
    finder = Finder(studio, photo, fit(photo, chosen.size))
    for number in (1, 2, 3, 4):
        region = regions.parse(split.region(number))
        np.testing.assert_array_equal(
            finder.at_work_size(region) > 0, split.segments.select(str(number))
        )


def test_the_advice_names_what_makes_the_clusters():
    chosen = Settings(size=64, options={"kmeans": {"space": "rgb", "position": 0.0}})
    assert clusters.inspect(grainy(), [4], chosen).advice.endswith(
        "--region cluster:1/4 -O kmeans.space=rgb --size 64"
    )


def test_black_and_white_are_as_far_apart_in_both_spaces():
    image = np.zeros((1, 2, 3), np.float32)
    image[0, 1] = 1
    for space in ("lab", "rgb"):
        rows = features(image, Options(space=space, smooth=0))
        assert np.linalg.norm(rows[1] - rows[0]) == pytest.approx(100, abs=0.01)


def test_spaces_split_differently(astronaut):
    photo = fit(astronaut, 96)
    by_space = [
        clusters.inspect(photo, [4], Settings(options={"kmeans": {"space": space}})).splits[0]
        for space in ("lab", "rgb")
    ]
    assert (by_space[0].segments.masks != by_space[1].segments.masks).mean() > 0.02


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (40, 30)])
def test_one_colour_is_one_cluster_and_still_drawn(shape):
    found = clusters.inspect(np.full((*shape, 3), 0.4, np.float32), [2, 5])
    assert (found.best, found.elbow) == (None, None)
    assert "one colour" in found.advice
    assert [len(split.segments.labels) for split in found.splits] == [1, 1]
    record = found.as_dict()
    assert record["splits"][0]["silhouette"] is None
    assert record["splits"][0]["clusters"][0]["silhouette"] is None
    for figures in clusters.pages(found).values():
        assert _figures.picture(figures).native.shape[1] == 500


def test_fewer_colours_than_clusters():
    image, _ = stripes((20, 10, 30))
    found = clusters.inspect(image, [3, 9], Settings(options={"kmeans": {"smooth": 0}}))
    assert found.best == 3  # of equals, the smallest
    assert [len(split.segments.labels) for split in found.splits] == [3, 3]
    assert found.splits[1].inertia == pytest.approx(0, abs=1e-6)
    assert found.splits[1].silhouette == pytest.approx(1)
    titles = [text.get_text() for text in clusters.overview(found).axes[2].texts]
    assert "k = 9, 3 found" in titles


def test_a_sheet_shows_each_cluster_alone_and_blacked_out():
    image, owner = stripes()
    found = clusters.inspect(image, [4], Settings(options={"kmeans": {"smooth": 0}}))
    figure = clusters.sheet(found, found.splits[0])
    shown = {}
    for axes in figure.axes[4:]:
        title = axes.texts[-1].get_text()
        shown.setdefault(title, np.asarray(axes.images[0].get_array(), np.float32))
    alone = shown["cluster:1/4 alone"]
    np.testing.assert_array_equal(alone[owner == 1], image[owner == 1])
    assert (alone[owner != 1] > 0.85).all()  # a pale ghost
    gone = shown["blacked out"]
    assert (gone[owner == 1] == 0).all()
    np.testing.assert_array_equal(gone[owner != 1], image[owner != 1])


def test_pages_have_names_and_the_progress_ends_at_one():
    told = []
    found = clusters.inspect(stripes()[0], [3, 2], progress=told.append)
    assert list(clusters.pages(found, "photo.jpg")) == ["overview", "k2", "k3"]
    assert told == [0.5, 1.0]


def test_many_clusters_are_drawn(astronaut):
    found = clusters.inspect(fit(astronaut, 64), [16])
    assert _figures.pixels(clusters.sheet(found, found.splits[0])).shape[1] == 500


@pytest.mark.parametrize("counts", [[], [1], [17]])
def test_refuses_numbers_out_of_bounds(counts):
    with pytest.raises(UsageError, match=r"kmeans\.clusters|at least one"):
        clusters.inspect(stripes()[0], counts)


def test_refuses_what_is_no_photo():
    with pytest.raises(UsageError, match="float32"):
        clusters.inspect(np.zeros((4, 4, 3)))


def test_says_which_extra_draws(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"sfumato\[report\]"):
        _figures.check_installed()
