"""Where a figure may stand."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.errors import UsageError
from sfumato.io import pictures
from sfumato.place import spots
from sfumato.place.figure import Figure, Sides, figure_of, lay
from sfumato.place.scene import look
from sfumato.place.spots import anchor, at, find
from sfumato.types import Matte


def figure(size=(60, 45), cut=(0, 0, 0, 1), lit=0.0):
    """An upright ellipse of skin; ``lit``: from the left below 0, from the right above."""
    high, wide = size
    y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
    alpha = (x**2 + y**2 <= 1.0).astype(np.float32)
    if cut[3]:
        alpha[high // 2 :] = 1
    image = (np.array([0.6, 0.45, 0.4]) * (1 + lit * x)[..., None]).clip(0, 1).astype(np.float32)
    return Figure(image, alpha, image, Sides(*cut))


BUST, STANDING = figure(), figure((90, 30), (0, 0, 0, 0))


def landscape(size=(120, 160), line=0.5, lit=0.0):
    rows = round(line * size[0])
    image = np.empty((*size, 3), np.float32)
    image[:rows], image[rows:] = (0.65, 0.75, 0.9), (0.3, 0.35, 0.15)
    shade = 1 + lit * np.linspace(-1, 1, size[1], dtype=np.float32)
    return (image * shade[:, None]).clip(0, 1).astype(np.float32)


def empty(size=(120, 160)):
    return np.zeros(size, np.float32)


def test_a_bust_is_cut_by_the_lower_border():
    for spot in find(landscape(), BUST):
        assert spot.top + spot.height >= 120 - 1e-6
        assert 0.3 < spot.height / 120 < 0.9
        assert 0 <= spot.left <= 160 - spot.height * BUST.aspect + 1e-6


def test_a_standing_figure_has_its_feet_on_the_ground():
    best, *others = find(landscape(line=0.5), STANDING)
    assert 0.6 < (best.top + best.height) / 120 < 1
    assert 0.25 < best.height / 120 < 0.85
    assert all(0.5 <= (s.top + s.height) / 120 < 1 for s in others)


def test_nobody_is_covered():
    occupied = empty()
    occupied[40:110, :90] = 1
    for who in (BUST, STANDING):
        for spot in find(landscape(), who, occupied=occupied, count=3):
            covered = lay(who, spot, (120, 160)).alpha[occupied > 0].sum() / occupied.sum()
            assert covered < 0.05, spot


def test_a_small_person_in_a_crowd_counts_as_much_as_a_large_one():
    occupied = empty()
    occupied[50:120, 100:150] = 1
    occupied[100:114, 30:36] = 1
    for spot in find(landscape(), BUST, occupied=occupied, count=1):
        assert lay(BUST, spot, (120, 160)).alpha[100:114, 30:36].mean() < 0.2


def test_where_there_is_no_room_it_is_the_least_bad_place_and_says_so():
    [spot] = find(landscape(), BUST, occupied=empty() + 1, count=1)
    free = find(landscape(), BUST, count=1)[0]
    assert spot.score < free.score
    assert spot.reasons["crowded"] < -0.9
    assert free.reasons["crowded"] == free.reasons["people"] == 0
    assert spot.height < free.height


def test_what_catches_the_eye_stays_free():
    saliency = empty()
    saliency[70:, 100:150] = 1
    spot = find(landscape(), BUST, saliency=saliency)[0]
    assert lay(BUST, spot, (120, 160)).alpha[saliency > 0].mean() < 0.05


def test_it_stands_before_calm_rather_than_rich_texture():
    image = landscape()
    image[:, :80] *= np.random.default_rng(0).uniform(0.3, 1, (120, 80, 1)).astype(np.float32)
    spot = find(image, BUST)[0]
    assert spot.left + spot.height * BUST.aspect / 2 > 80


def test_a_side_that_the_photo_cut_is_at_the_border_or_sunk():
    cut = figure(cut=(0.5, 0, 0, 1))
    for spot in find(landscape(), cut, count=1):
        hidden = spot.top + spot.height - 120
        assert spot.left <= 0.5 or hidden >= 0.4 * spot.height
        assert spot.reasons["cut"] > -0.2


def test_people_around_set_the_scale_of_who_stands():
    occupied = empty()
    for x in (10, 40, 130):
        occupied[70:100, x : x + 10] = 1
    small = find(landscape(), STANDING, occupied=occupied)[0]
    assert small.height < find(landscape(), STANDING)[0].height


def test_the_figure_is_flipped_to_the_painting_s_light():
    left, right = (figure(lit=lit) for lit in (-0.3, 0.3))
    painting = landscape(lit=0.3)
    assert find(painting, left)[0].flip
    assert not find(painting, right)[0].flip
    assert not find(landscape(), left)[0].flip
    assert not find(painting, left, flip=False)[0].flip
    assert find(painting, right, flip=True)[0].flip
    against = find(painting, left, flip=False)[0].reasons["light"]
    assert against < find(painting, left)[0].reasons["light"] <= 0


def test_the_score_is_the_sum_of_its_reasons_and_falls():
    found = find(landscape(), BUST, occupied=empty() + (np.arange(160) < 60), count=8)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    for spot in found:
        assert spot.score == pytest.approx(sum(spot.reasons.values()))
        assert max(spot.reasons.values()) <= 0
    assert found == find(landscape(), BUST, occupied=empty() + (np.arange(160) < 60), count=8)


def test_candidates_differ():
    found = find(landscape(), STANDING, count=6)
    assert len(found) == 6
    for i, a in enumerate(found):
        for b in found[:i]:
            one, two = a.box(STANDING.aspect), b.box(STANDING.aspect)
            wide = min(one.right, two.right) - max(one.left, two.left)
            high = min(one.bottom, two.bottom) - max(one.top, two.top)
            shared = max(0, wide) * max(0, high)
            both = (a.height**2 + b.height**2) * STANDING.aspect - shared
            assert shared / both < spots.APART + 1e-6


def test_heights_that_are_asked_for():
    for spot in find(landscape(), BUST, heights=(0.5, 0.5)):
        assert spot.height == pytest.approx(60)
    for spot in find(landscape(), STANDING, heights=(0.2, 0.3)):
        assert 24 - 1e-6 <= spot.height <= 36 + 1e-6


def test_what_makes_no_sense():
    with pytest.raises(UsageError, match="count"):
        find(landscape(), BUST, count=0)
    with pytest.raises(UsageError, match="height"):
        find(landscape(), BUST, heights=(0.5, 0.4))
    with pytest.raises(UsageError, match="height"):
        find(landscape(), BUST, heights=(0, 0.4))
    with pytest.raises(UsageError, match="size"):
        find(landscape(), BUST, occupied=empty((4, 4)))


SHAPES = st.sampled_from([(1, 1), (1, 40), (40, 1), (20, 200), (200, 20), (3, 5), (60, 80)])
FIGURES = st.sampled_from([(1, 1), (5, 200), (200, 5), (30, 20)])
CUTS = st.tuples(*[st.sampled_from([0.0, 0.2, 1.0])] * 4)


@settings(max_examples=20, deadline=None)
@given(SHAPES, FIGURES, CUTS, st.floats(0, 1))
def test_there_is_always_a_place(shape, size, cut, full):
    rng = np.random.default_rng(0)
    image = rng.random((*shape, 3)).astype(np.float32)
    occupied = (rng.random(shape) <= full).astype(np.float32)
    who = Figure(
        rng.random((*size, 3)).astype(np.float32),
        np.ones(size, np.float32),
        rng.random((*size, 3)).astype(np.float32),
        Sides(*cut),
    )
    found = find(image, who, occupied=occupied, saliency=occupied)
    assert 1 <= len(found) <= 6
    for spot in found:
        assert np.isfinite([spot.left, spot.top, spot.height, spot.score]).all()
        assert spot.height > 0
        if cut[3] >= 0.3:
            assert spot.top + spot.height >= shape[0] - 1e-6 * shape[0]


def test_a_group_counts_as_several_people():
    alone, group = empty(), empty()
    alone[70:110, 20:35] = 1
    group[70:110, 20:140] = 1
    one, many = (look(landscape(), o, None).people.sum() for o in (alone, group))
    assert one < many


def test_a_child_beside_the_grown_up_is_a_small_person():
    """Both are one find, of which the child is so little that it could be covered unnoticed."""
    occupied = empty()
    occupied[10:110, 20:70] = 1
    occupied[85:110, 70:85] = 1
    people = look(landscape(), occupied, None).people
    row, grown_up, child = (round(n * people.shape[0] / 120) for n in (98, 45, 80))
    assert people[row, child] > 1.3 * people[row, grown_up] > 0


def test_there_is_more_of_a_person_than_is_found():
    occupied = empty()
    occupied[40:80, 60:80] = 1
    people = look(landscape(), occupied, None).people
    scale = people.shape[0] / 120
    row, column = (round(n * scale) for n in (60, 70))
    beside, beneath = round(82 * scale), round(82 * scale)
    assert 0 < people[row, beside] == people[beneath, column] < people[row, column]
    assert people[row, round(90 * scale)] == people[round(90 * scale), column] == 0


def test_little_evidence_is_enough_to_keep_away():
    assert look(landscape(), empty() + 0.2 * (np.arange(160) < 60), None).people.any()
    assert not look(landscape(), empty() + 0.1 * (np.arange(160) < 60), None).people.any()


@pytest.mark.parametrize("name", spots.ANCHORS)
@pytest.mark.parametrize("who", [BUST, STANDING], ids=["bust", "standing"])
@pytest.mark.parametrize("shape", [(100, 150), (20, 200), (200, 20), (1, 1)])
def test_anchors(name, who, shape):
    spot = anchor(name, who, shape)
    left, top, right, bottom = spot.box(who.aspect)
    if shape[0] > 1:
        assert left >= -1e-6
        assert top >= -1e-6
        assert right <= shape[1] + 1e-6
        assert bottom <= shape[0] + 1e-6
    if who is BUST and not name.startswith(("top", "center")):
        assert bottom == pytest.approx(shape[0])
    if name == "center":
        assert (left + right, top + bottom) == pytest.approx((shape[1], shape[0]))
    assert anchor(name, who, shape, 0.5).height == pytest.approx(shape[0] / 2)
    assert anchor(name, who, shape, 7).height == 7


def test_anchors_lie_where_their_names_say():
    at_left, at_right = (anchor(name, STANDING, (100, 150)) for name in ("left", "bottom-right"))
    assert at_left.left < 10
    assert at_right.left + at_right.height * STANDING.aspect > 140
    assert at_right.top > at_left.top > anchor("top", STANDING, (100, 150)).top


def test_an_unknown_anchor():
    with pytest.raises(UsageError, match="did you mean 'bottom-left'"):
        anchor("botom-left", BUST, (10, 10))
    with pytest.raises(UsageError, match="height"):
        anchor("bottom", BUST, (10, 10), -1)


def test_a_place_by_numbers():
    spot = at(0.5, 1.0, 0.5, STANDING, (100, 200))
    assert spot.box(STANDING.aspect) == pytest.approx((100 - 25 / 3, 50, 100 + 25 / 3, 100))
    assert at(100, 100, 50, STANDING, (100, 200)) == spot
    assert at(100, 100, 0.5, STANDING, (100, 200)) == spot
    for wrong in ((0.5, 0.5, 0), (0.5, 0.5, float("nan")), (float("inf"), 0, 1)):
        with pytest.raises(UsageError):
            at(*wrong, STANDING, (100, 200))


@pytest.mark.shared
def test_boxed_people_in_paintings_stay_free(shared_data):
    """With the boxes known, no person is covered, and no bust floats."""
    data = json.loads((shared_data / "art" / "person_boxes.json").read_text())
    boxes: dict[str, list] = {}
    names = {one["id"]: one["file_name"] for one in data["images"]}
    for one in data["annotations"]:
        boxes.setdefault(names[one["image_id"]], []).append(one["bbox"])
    single = sorted(name for name, found in boxes.items() if len(found) == 1)
    portrait = sorted((shared_data / "portraits" / "masks").glob("*.png"))[0]
    photo = pictures.read(next((shared_data / "portraits/images").glob(f"{portrait.stem}.*"))).image
    who = figure_of(photo, Matte(pictures.read(portrait).image[..., 0], photo))
    for name in random.Random(0).sample(single, 8):
        image = pictures.read(shared_data / "art" / "images" / name).image
        [(x, y, wide, high)] = boxes[name]
        inside = np.s_[int(y) : int(y + high), int(x) : int(x + wide)]
        occupied = empty(image.shape[:2])
        occupied[inside] = 1
        spot = find(image, who, occupied=occupied)[0]
        assert (lay(who, spot, image.shape[:2]).alpha[inside] > 0.5).mean() <= 0.1, name
        if who.cut.bottom >= 0.3:
            assert spot.top + spot.height >= len(image) - 1e-6 * len(image)
