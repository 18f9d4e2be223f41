"""Regions that are pointed at: what the segmenter is told, and how often it studies the picture."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import Settings, Studio, cut
from sfumato.errors import UsageError


class Pointed:
    """Answers a point with a disc around it, a box with its left half."""

    classes = ("subject",)

    def __init__(self):
        self.looks = 0
        self.prompts = []

    def look(self, image):
        self.looks += 1
        height, width = image.shape[:2]
        ys, xs = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]

        def answer(prompt):
            self.prompts.append(prompt)
            if len(prompt) == 2:
                return (np.hypot(xs - prompt[0], ys - prompt[1]) < 0.15).astype(np.float32)
            x0, y0, x1, y1 = prompt
            inside = (xs > x0) & (xs < (x0 + x1) / 2) & (ys > y0) & (ys < y1)
            return inside.astype(np.float32)

        return answer


class FakeStudio(Studio):
    def __init__(self, settings=None):
        super().__init__(settings)
        self.asked = []
        self.pointed = Pointed()

    def segmenter(self, name, **options):
        self.asked.append(name)
        return self.pointed


@pytest.fixture
def photo():
    image = np.full((100, 200, 3), 0.2, np.float32)
    image[20:60, 40:120] = 0.8
    return image


def test_the_picture_is_studied_once_for_all_prompts(photo):
    studio = FakeStudio()
    alpha = cut(photo, "point:.25,.5 + point:.75,.5 - object:0,0,.1,.1", studio=studio).alpha
    assert studio.pointed.looks == 1
    assert studio.pointed.prompts == [(0.25, 0.5), (0.75, 0.5), (0, 0, 0.1, 0.1)]
    assert alpha[50, 50] == alpha[50, 150] == 1
    assert alpha[50, 100] == 0


@pytest.mark.parametrize("size", [1024, 64])
def test_pixels_are_the_photos_own(photo, size):
    studio = FakeStudio(Settings(size=size))
    cut(photo, "point:100,50 + object:20,10,500,60", studio=studio)
    assert studio.pointed.prompts == [(0.5, 0.5), pytest.approx((0.1, 0.1, 1.0, 0.6))]


@pytest.mark.parametrize("region", ["point:200,50", "point:3,100", "object:0,100,10,110"])
def test_outside_the_picture(photo, region):
    with pytest.raises(UsageError, match="lies outside the picture, which is 200 x 100 pixels"):
        cut(photo, region, studio=FakeStudio())


@pytest.mark.parametrize("named", [None, "modnet", "sam"])
def test_one_that_takes_no_prompts_is_passed_over(photo, named):
    studio = FakeStudio(Settings(segmenter=named))
    cut(photo, "point:.3,.4", studio=studio)
    assert studio.asked == ["sam"]
