"""The losses in TensorFlow are the losses in PyTorch: the same numbers, the same gradients.

Where the two could differ, and what is chosen so that they do not:

- Borders: mirrored without repeating the border's own row in both (Keras itself would pad zeros).
- Max pooling: where cells of a square tie, both send the gradient to the first of them. Where two
  cells differ by no more than rounding, or an activation is that near to 0, each library may
  decide otherwise and a few gradients go another way: rare, but of no set size (``KINK``).
- Odd sizes: a pooling leaves the last row out in both.
- Precision: float32 in both.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the house's losses need the torch extra")

from sfumato.io import weights  # noqa: E402
from sfumato.losses.laplacian import laplacian  # noqa: E402
from sfumato.losses.smoothness import total_variation  # noqa: E402
from sfumato.nets import vgg  # noqa: E402
from sfumato.nets.taps import Taps  # noqa: E402
from sfumato.optimise import goals, goals_keras  # noqa: E402
from sfumato.optimise.goals import Part  # noqa: E402
from sfumato.optimise.recipe import preset  # noqa: E402

from .random_nets import random_vgg  # noqa: E402

pytestmark = [
    pytest.mark.slow,  # TensorFlow takes seconds to import
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the tensorflow extra"),
]

MODELS = ("paper5-first", "paper5-second")
LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"]
CPU = torch.device("cpu")
NEAR = 1e-4
KINK = 2e-3
"""What a decision that fell otherwise may change of a gradient where there are many to take."""


@pytest.fixture(scope="module")
def tf():
    from sfumato.nets.vgg_keras import libraries

    return libraries()[1]


@pytest.fixture(scope="module")
def nets(tf):
    """Both libraries' VGG-19 with the same weights, by the name of the weights and the pooling."""
    from sfumato.nets import vgg_keras

    made = {}

    def nets(kind, pooling="max"):
        if (kind, pooling) not in made:
            if kind == "random":
                net = random_vgg(LAYERS, pooling)
            else:
                path = weights.fetch("vgg19-normalised")
                net = vgg.load(path, layers=LAYERS, padding="reflect", pooling=pooling)
            read = vgg_keras.reader(net)
            made[kind, pooling] = net, Taps(net), goals_keras.Net(read, net.features)
        return made[kind, pooling]

    return nets


def _picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 20
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-2, 2, (3, 3))]
    picture = 0.5 + 0.3 * np.stack(waves, axis=-1) + rng.normal(0, 0.05, (height, width, 3))
    return np.clip(picture, 0, 1).astype(np.float32)


def _whole(height, width):
    return [np.ones((height, width), np.float32)]


def _two_regions(height, width):
    """A soft one on the left and a hard one on the right, which leaves a hole and a rest."""
    left, right = np.zeros((2, height, width), np.float32)
    left[:, : width // 3] = np.linspace(1, 0.3, width // 3)
    right[height // 2 :, width // 2 : -9] = 1
    return [left, right]


def _both(nets, recipe, shape, regions):
    """Losses and gradient in PyTorch and in TensorFlow, at a picture that is not the photo."""
    import tensorflow

    _, taps, net = nets
    photo, picture = _picture(*shape, seed=1), _picture(*shape, seed=2)
    parts = [Part(region, _picture(70, 50, seed=3 + i)) for i, region in enumerate(regions)]
    tools = goals.Tools(taps, net.features, None, CPU, 4e9)
    ours = goals.at_scale(photo, parts, recipe, tools)
    theirs = goals_keras.Goal(photo, parts, recipe, net)
    np.testing.assert_array_equal(theirs.free, ours.free[0, 0].numpy())
    losses, gradient = ours.evaluate(goals.tensor(picture, CPU))
    found, other = theirs.evaluate(tensorflow.constant(picture[None]))
    return (losses, gradient[0].permute(1, 2, 0).numpy()), (found, other[0].numpy())


def _assert_same(ours, theirs, near=NEAR):
    (losses, gradient), (found, other) = ours, theirs
    assert found.keys() == losses.keys()
    assert losses["total"] > 0
    for name, loss in losses.items():
        assert found[name] == pytest.approx(loss, rel=NEAR, abs=1e-12), name
    size = np.linalg.norm(gradient)
    assert size > 0
    assert np.linalg.norm(other - gradient) < near * size


@pytest.mark.weights
@pytest.mark.parametrize("regions", [_whole, _two_regions])
@pytest.mark.parametrize("name", MODELS)
def test_the_papers_models_layer_by_layer_and_in_all(nets, name, regions):
    whole, shape = preset(name), (64, 80)
    each = [{"content": {}, "style": {layer: weight}} for layer, weight in whole.style.items()]
    each += [{"content": whole.content, "style": {}}, {}]
    for changes in each:
        recipe = whole.model_copy(update=changes)
        _assert_same(*_both(nets("trained"), recipe, shape, regions(*shape)))


@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize("shape", [(33, 49), (70, 150)])
def test_odd_sizes_and_all_terms(nets, pooling, shape):
    changes = {"pooling": pooling, "tv_weight": 3.0, "laplacian_weight": 0.7}
    recipe = preset(MODELS[1]).model_copy(update=changes)
    near = KINK if pooling == "max" else NEAR
    _assert_same(*_both(nets("random", pooling), recipe, shape, _two_regions(*shape)), near)


def test_a_layer_is_read_before_and_after_its_rectifier(tf):
    from sfumato.nets import vgg_keras

    net = random_vgg(["conv2_1", "relu2_1", "conv2_2"])
    x = _picture(37, 42)
    ours = Taps(net)(goals.tensor(x, CPU))
    theirs = vgg_keras.reader(net)(tf.constant(x[None]))
    assert list(theirs) == ["conv2_1", "relu2_1", "conv2_2"]
    for layer, features in ours.items():
        other = theirs[layer].numpy().transpose(2, 0, 1)
        np.testing.assert_allclose(other, features.numpy(), atol=1e-4, rtol=1e-4)
    assert theirs["conv2_1"].numpy().min() < 0 == theirs["relu2_1"].numpy().min()


@pytest.mark.parametrize("shape", [(5, 7), (16, 32), (37, 53)])
def test_the_terms_that_read_pixels(tf, shape):
    x, target = _picture(*shape, seed=1), _picture(*shape, seed=2)
    weight = np.random.default_rng(0).random(shape, dtype=np.float32)
    planes = [goals.tensor(p, CPU) for p in (x, target)]
    ours = [total_variation(planes[0], torch.from_numpy(weight))]
    ours += [laplacian(*planes, torch.from_numpy(weight))]
    theirs = [goals_keras.total_variation(tf.constant(x), weight)]
    theirs += [goals_keras.laplacian(tf.constant(x), tf.constant(target), weight)]
    assert [float(t) for t in theirs] == pytest.approx([float(t) for t in ours], rel=NEAR)


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_a_flat_picture_where_every_square_of_a_pooling_ties(nets, pooling):
    import tensorflow

    shape, (_, taps, net) = (32, 48), nets("random", pooling)
    flat = np.full((*shape, 3), 0.4, np.float32)
    recipe = preset(MODELS[1]).model_copy(update={"pooling": pooling})
    parts = [Part(_whole(*shape)[0], _picture(*shape, seed=5))]
    ours = goals.at_scale(flat, parts, recipe, goals.Tools(taps, net.features, None, CPU, 4e9))
    theirs = goals_keras.Goal(flat, parts, recipe, net)
    losses, gradient = ours.evaluate(goals.tensor(flat, CPU))
    found, other = theirs.evaluate(tensorflow.constant(flat[None]))
    _assert_same((losses, gradient[0].permute(1, 2, 0).numpy()), (found, other[0].numpy()))
