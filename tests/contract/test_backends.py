"""One battery over every backend: small odd pictures in, what the protocols promise out."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import registry
from sfumato.io import pictures
from sfumato.types import Context, Matte, Segments, Style

from ..small_nets import negative_net, red_net, two_things

SHAPES = [(1, 1), (1, 70), (37, 53), (64, 48)]
SLOW = {"closed-form", "sam", "gatys-keras"}  # a library compiles or loads; seconds a picture
# The promises hold after three steps, too.
QUICK = {"gatys": {"steps": 3, "smallest": 0}, "gatys-keras": {"steps": 3}}


def _backends(kind):
    for backend in registry.backends(kind).values():
        marks = []
        if backend.weights or backend.name == "grabcut":
            marks.append(pytest.mark.weights)
        if backend.name in SLOW:
            marks.append(pytest.mark.slow)
        yield pytest.param(backend.name, marks=marks, id=backend.name)


@pytest.fixture(scope="module")
def mask_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    pictures.write_alpha(np.eye(40, dtype=np.float32), path)
    return path


@pytest.fixture(scope="module")
def build(mask_file, tmp_path_factory):
    built = {}
    nets = tmp_path_factory.mktemp("nets")
    required = {
        "file": {"path": str(mask_file)},
        "net": {"weights": str(red_net(nets / "red.onnx"))},
        "instances": {"file": str(two_things(nets / "two.onnx"))},
    }

    def get(kind, name):
        backend = registry.find(kind, name)
        if backend.missing:
            pytest.skip(f"{name} needs {', '.join(backend.missing)}: {backend.install_line}")
        if (kind, name) not in built:
            options = required.get(name, {}) if kind == "segment" else QUICK.get(name, {})
            built[kind, name] = registry.build(kind, name, Context(device="cpu", seed=1), options)
        return built[kind, name]

    return get


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A style for every stylizer: a picture, and a net for the one that runs nets of one style."""
    net = negative_net(tmp_path_factory.mktemp("style") / "negative.onnx")
    return Style("noise", image=_picture((40, 30), seed=5), path=net)


def _picture(shape, seed=0):
    return np.random.default_rng(seed).random((*shape, 3), dtype=np.float32)


def _check_image(image, shape):
    assert isinstance(image, np.ndarray)
    assert image.dtype == np.float32
    assert image.shape == (*shape, 3)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1


def _check_alpha(alpha, shape):
    assert alpha.dtype == np.float32
    assert alpha.shape == shape
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", list(_backends("segment")))
def test_segmenters(build, name, shape):
    segmenter = build("segment", name)
    shape = shape if name != "file" else (shape[0], shape[0])  # its mask is square
    image = _picture(shape)
    untouched = image.copy()
    segments = segmenter(image)
    assert isinstance(segments, Segments)
    count = len(segments.labels)
    assert segments.masks.shape == (count, *shape)
    assert segments.masks.dtype == np.bool_
    assert len(segments.scores) == count
    assert all(0 <= score <= 1 for score in segments.scores)
    if segments.soft is not None:
        assert segments.soft.shape == segments.masks.shape
        for alpha in segments.soft:
            _check_alpha(alpha, shape)
    for label in {*segmenter.classes, *segments.labels}:
        _check_alpha(segments.alpha(label), shape)
    stated = registry.find("segment", name).classes
    assert tuple(segmenter.classes) == (stated or ("person",))  # of the nets in small_nets
    assert set(segments.labels) <= set(segmenter.classes) or name == "kmeans"
    np.testing.assert_array_equal(image, untouched)
    again = segmenter(image)
    np.testing.assert_array_equal(again.masks, segments.masks)


COARSE = {
    "empty": lambda shape: np.zeros(shape, np.float32),
    "full": lambda shape: np.ones(shape, np.float32),
    "hard": lambda shape: (np.indices(shape).sum(axis=0) < sum(shape) / 2).astype(np.float32),
    "soft": lambda shape: np.linspace(0, 1, num=shape[0] * shape[1], dtype=np.float32).reshape(
        shape
    ),
}


@pytest.mark.parametrize("coarse", COARSE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", list(_backends("matte")))
def test_matters(build, name, shape, coarse):
    image, selection = _picture(shape), COARSE[coarse](shape)
    matte = build("matte", name)(image, selection)
    assert isinstance(matte, Matte)
    _check_alpha(matte.alpha, shape)
    _check_image(matte.foreground, shape)
    solid = matte.alpha == 1
    np.testing.assert_array_equal(matte.foreground[solid], image[solid])
    if coarse in ("empty", "full"):
        np.testing.assert_array_equal(matte.alpha, selection)


@pytest.mark.parametrize("region", ["none", "half", "all"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", list(_backends("stylize")))
def test_stylizers(build, noise, name, shape, region):
    stylizer = build("stylize", name)
    image = _picture(shape)
    regions = {"none": None, "half": COARSE["hard"](shape), "all": COARSE["full"](shape)}
    fractions = []
    painted = stylizer(image, noise, region=regions[region], progress=fractions.append)
    _check_image(painted, shape)
    assert all(0 <= f <= 1 for f in fractions)
    again = stylizer(image, noise, region=regions[region])
    np.testing.assert_array_equal(painted, again)


@pytest.mark.parametrize("coarse", COARSE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", list(_backends("compose")))
def test_compositors(build, name, shape, coarse):
    front, back, alpha = _picture(shape, 1), _picture(shape, 2), COARSE[coarse](shape)
    result = build("compose", name)(front, back, alpha)
    _check_image(result, shape)
    outside = alpha == 0
    np.testing.assert_array_equal(result[outside], back[outside])
    if coarse == "full":
        np.testing.assert_allclose(result, front, atol=1e-4)
