"""What a painting shows already."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import registry
from sfumato.place import attention
from sfumato.types import Segments


class Says:
    """A segmenter that finds what it is told, and counts how often it is asked."""

    def __init__(self, label, found):
        self.classes, self._found, self.asked = (label,), found, []

    def __call__(self, image):
        self.asked.append(image.shape[:2])
        soft = self._found(image)
        return Segments((soft > 0.5)[None], self.classes, (1.0,), soft[None])


class Nets:
    """Stands for a studio."""

    def __init__(self, **nets):
        self.nets = {name: Says(name, found) for name, found in nets.items()}

    def segmenter(self, name, **options):
        return self.nets[name]


def nobody(image):
    return np.zeros(image.shape[:2], np.float32)


def dark(image):
    return (image.mean(2) < 0.3).astype(np.float32)


@pytest.fixture
def painting():
    image = np.ones((40, 60, 3), np.float32)
    image[10:30, 20:30] = 0
    return image


def test_nobody_is_no_error(painting):
    found = attention.occupied(painting, Nets(person=nobody, u2netp=nobody, selfie=nobody))
    assert found.shape == (40, 60)
    assert found.dtype == np.float32
    assert not found.any()


def test_a_net_for_people_is_believed_and_saliency_alone_is_not(painting):
    somebody = painting.mean(2) < 0.5
    found = attention.occupied(painting, Nets(person=dark, u2netp=nobody, selfie=nobody))
    np.testing.assert_array_equal(found > 0.5, somebody)
    found = attention.occupied(painting, Nets(person=nobody, u2netp=dark, selfie=nobody))
    assert not (found > 0.5).any()
    assert (found[somebody] > 0).all()


def test_without_the_selfie_net_the_others_are_asked(painting, monkeypatch):
    find = registry.find

    def lacking(kind, name):
        from dataclasses import replace

        return replace(find(kind, name), missing=("its_library",))

    monkeypatch.setattr(registry, "find", lacking)
    found = attention.occupied(painting, Nets(person=dark, u2netp=nobody))
    assert (found > 0.5).any()


def test_saliency_that_is_known_is_not_looked_for_again(painting):
    nets = Nets(person=nobody, u2netp=nobody, selfie=nobody)
    known = dark(painting)
    found = attention.occupied(painting, nets, salient=known)
    assert nets.nets["u2netp"].asked == []
    assert found[20, 25] == pytest.approx(attention.EVIDENCE["u2netp"])


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3000, 40)])
def test_any_size(size):
    nets = Nets(person=dark, u2netp=dark, selfie=dark)
    found = attention.occupied(np.zeros((*size, 3), np.float32), nets)
    assert found.shape == size
    assert (found > 0.5).all()
    assert max(max(shape) for shape in nets.nets["person"].asked) <= attention.SIDE


@pytest.mark.weights
def test_the_nets_find_an_astronaut(astronaut):
    from sfumato.studio import Studio

    studio = Studio()
    salient = attention.saliency(astronaut, studio)
    found = attention.occupied(astronaut, studio, salient=salient)
    assert found.shape == salient.shape == (512, 512)
    assert (found[100:400, 180:280] > 0.5).mean() > 0.9
    assert salient[100:200, 180:280].mean() > 0.5
    flat = np.full((64, 64, 3), 0.5, np.float32)
    assert not attention.occupied(flat, studio).any()
