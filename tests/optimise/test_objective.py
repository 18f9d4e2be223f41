"""The weighted losses and their gradient: the same whole, in patches, and patch by patch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="optimising needs the torch extra")

from sfumato.errors import SfumatoWarning  # noqa: E402
from sfumato.losses import style as statistics  # noqa: E402
from sfumato.losses.content import content  # noqa: E402
from sfumato.nets import vgg  # noqa: E402
from sfumato.nets.taps import Taps  # noqa: E402
from sfumato.optimise import goals  # noqa: E402
from sfumato.optimise.guides import guide  # noqa: E402
from sfumato.optimise.objective import (  # noqa: E402
    ContentGoal,
    Objective,
    PixelTerm,
    StyleGoal,
)
from sfumato.optimise.patches import Box, Patch, cover  # noqa: E402

from .random_nets import random_vgg  # noqa: E402

STYLE = {"relu1_1": 3.0, "relu2_1": 2.0}
CONTENT = {"relu2_2": 0.5}
MARGIN = 16
each_statistic = pytest.mark.parametrize("statistic", statistics.STATISTICS)


@pytest.fixture(scope="module")
def taps():
    return Taps(random_vgg([*STYLE, *CONTENT], dtype=torch.float64), torch.float64)


def _random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _two_regions(height, width):
    """A soft one on the left and a hard one on the right; they overlap, and leave a rest."""
    left, right = np.zeros((2, height, width), np.float32)
    left[:, : width // 2] = np.linspace(1, 0.3, width // 2)
    right[height // 4 :, width // 3 : -16] = 1
    return [left, right]


def _objective(taps, regions, shape, name="gram", pixels=None, *, content=CONTENT, style=STYLE):
    statistic = statistics.statistic(name)
    union = np.max(regions, axis=0)
    styles = []
    for i, region in enumerate(regions):
        read = taps(_random(1, 3, 40, 56, seed=20 + i) ** (i + 1))
        summaries = {
            layer: statistic.prepare(
                statistic.summarise(read[layer], torch.ones(read[layer].shape[1:]))
            )
            for layer in style
        }
        guides = {layer: guide(region, layer) for layer in style}
        styles.append(StyleGoal(guides, summaries, share=(i + 1) / 3))
    return Objective(
        read=taps,
        statistic=statistic,
        content=ContentGoal(
            taps(_random(1, 3, *shape, seed=11)), {layer: guide(union, layer) for layer in content}
        ),
        styles=styles,
        content_weights=content,
        style_weights=style,
        pixels=pixels or {},
    )


def _whole(shape):
    box = Box(0, 0, *shape)
    return [Patch(box, box)]


@each_statistic
def test_patches_change_the_memory_and_not_the_result(taps, statistic):
    shape = (64, 118)
    regions, picture = _two_regions(*shape), _random(1, 3, *shape)
    pixels = {"light": PixelTerm(0.3, lambda x: x.square().mean())}
    objective = _objective(taps, regions, shape, statistic, pixels)
    patches = cover(np.max(regions, axis=0) > 0, MARGIN, most=64**2)
    assert len(patches) > 4
    assert max(vgg.reach(layer) for layer in taps.layers) <= MARGIN
    want, gradient = objective(picture, _whole(shape))
    for together in (True, False):
        found, other = replace(objective, together=together)(picture, patches)
        assert found == pytest.approx(want, rel=1e-6)
        torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-7 * gradient.abs().max())


def test_cuts_that_move_change_nothing_either(taps):
    shape = (32, 200)
    regions, picture = [np.ones(shape, np.float32)], _random(1, 3, *shape)
    objective = replace(_objective(taps, regions, shape), together=False)
    want, gradient = objective(picture, _whole(shape))
    for jitter in (0, 32):
        patches = cover(regions[0] > 0, MARGIN, most=64**2, jitter=jitter)
        assert len(patches) > 3
        found, other = objective(picture, patches)
        assert found == pytest.approx(want, rel=1e-6)
        torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-7 * gradient.abs().max())


@each_statistic
def test_the_gradient_is_the_slope(taps, statistic):
    """Central differences of the total, about along the gradient."""
    shape = (32, 48)
    regions = [(region > 0).astype(np.float32) for region in _two_regions(*shape)]
    pixels = {"light": PixelTerm(0.3, lambda x: x.square().mean())}
    objective = _objective(taps, regions, shape, statistic, pixels)
    picture, patches = _random(1, 3, *shape), _whole(shape)
    _, gradient = objective(picture, patches)
    for seed in range(3):
        noise = _random(*picture.shape, seed=30 + seed) - 0.5
        step = 1e-5 * (gradient / gradient.std() + 2 * noise)
        ahead, behind = (objective(picture + k * step, patches)[0]["total"] for k in (1, -1))
        assert (ahead - behind) / 2 == pytest.approx(float((gradient * step).sum()), rel=2e-3)


def test_terms_are_named_weighted_and_summed(taps):
    shape = (48, 64)
    regions, picture = [np.ones(shape, np.float32)], _random(1, 3, *shape)
    pixels = {
        "light": PixelTerm(0.3, lambda x: x.square().mean()),
        "dark": PixelTerm(2.0, lambda x: (1 - x).square().mean()),
    }
    objective = _objective(taps, regions, shape, pixels=pixels)
    terms, gradient = objective(picture, _whole(shape))
    assert set(terms) == {"content", "style", "light", "dark", "total"}
    read = taps(picture)
    want = content(read["relu2_2"], objective.content.features["relu2_2"])
    assert terms["content"] == pytest.approx(0.5 * float(want), rel=1e-6)
    found, goal = objective.statistic, objective.styles[0]
    distances = {
        name: found.distance(found.summarise(read[name], goal.guides[name]), goal.summaries[name])
        for name in STYLE
    }
    style = sum(STYLE[name] * float(distance) for name, distance in distances.items())
    assert terms["style"] == pytest.approx(style / 3, rel=1e-6)  # a third is its share
    assert terms["light"] == pytest.approx(0.3 * float(picture.square().mean()))
    assert terms["dark"] == pytest.approx(2 * float((1 - picture).square().mean()))
    assert terms["total"] == pytest.approx(sum(terms.values()) - terms["total"])
    assert gradient.shape == picture.shape
    without = replace(objective, pixels={})(picture, _whole(shape))
    slope = (0.6 * picture - 4 * (1 - picture)) / picture.numel()
    torch.testing.assert_close(gradient - without[1], slope)


def test_the_content_itself_is_no_distance_from_the_content(taps):
    shape = (48, 64)
    regions = [np.ones(shape, np.float32)]
    objective = replace(_objective(taps, regions, shape), styles=[])
    terms, gradient = objective(_random(1, 3, *shape, seed=11), _whole(shape))
    assert terms == {"content": 0, "total": 0}
    assert not gradient.any()


def test_what_no_patch_sees_has_no_gradient(taps):
    shape = (64, 200)
    region = np.zeros(shape, np.float32)
    region[16:32, :32] = 1
    objective = _objective(taps, [region], shape)
    _, gradient = objective(_random(1, 3, *shape), cover(region > 0, MARGIN))
    assert not gradient[..., 32 + MARGIN :].any()
    assert gradient[..., 16:32, :32].any()


def test_a_region_without_cells_in_a_layer_takes_no_part_there(taps):
    """Row 32 of 33 is in no cell of a layer with a stride of 2."""
    shape = (33, 48)
    region = np.zeros(shape, np.float32)
    region[32, 5:40] = 1
    for together in (True, False):
        objective = replace(_objective(taps, [region], shape), together=together)
        terms, gradient = objective(_random(1, 3, *shape), cover(region > 0, MARGIN))
        assert terms["content"] == 0
        assert terms["style"] > 0  # from the layer with a stride of 1
        assert gradient.isfinite().all()
        assert gradient.any()


def test_the_picture_that_is_given_is_not_touched(taps):
    shape = (48, 64)
    objective = _objective(taps, [np.ones(shape, np.float32)], shape)
    picture = _random(1, 3, *shape)
    before = picture.clone()
    objective(picture, _whole(shape))
    assert torch.equal(picture, before)
    assert not picture.requires_grad


class Small:
    """Reads pictures as long as they are not larger than the memory."""

    def __init__(self, taps, pixels):
        self.taps, self.pixels = taps, pixels

    def __call__(self, picture):
        if picture.shape[-1] * picture.shape[-2] > self.pixels:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return self.taps(picture)


@pytest.fixture(scope="module")
def long():
    """Of a picture that is two of the smallest tiles: its objective, and what is right."""
    layers = {"relu1_1": 1.0}
    shape = (32, 2 * goals.LEAST_TILE**2 // 32)
    taps = Taps(random_vgg(layers, dtype=torch.float64), torch.float64)
    regions = [np.ones(shape, np.float32)]
    objective = _objective(taps, regions, shape, content=layers, style=layers)
    picture = _random(1, 3, *shape)
    return picture, objective, objective(picture, _whole(shape))


def _goal(objective, picture, read):
    free = torch.ones(1, 1, *picture.shape[-2:], dtype=torch.bool)
    return goals.Goal(replace(objective, read=read), free, picture[0, 0].numel())


def test_where_memory_runs_out_tiles_get_smaller(long):
    picture, objective, (want, gradient) = long
    goal = _goal(objective, picture, Small(objective.read, picture[0, 0].numel() // 2))
    with pytest.warns(SfumatoWarning, match="memory ran out: going on in tiles"):
        found, other = goal.evaluate(picture)
    assert found == pytest.approx(want, rel=1e-6)
    torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-7 * gradient.abs().max())
    assert goal.evaluate(picture)[0] == pytest.approx(want, rel=1e-6)  # and stays so, unwarned


def test_where_no_tile_fits_it_gives_up(long):
    picture, objective, _ = long
    goal = _goal(objective, picture, Small(objective.read, 10))
    with pytest.warns(SfumatoWarning), pytest.raises(MemoryError, match="not enough memory"):
        goal.evaluate(picture)


def test_other_errors_are_not_taken_for_a_lack_of_memory(long):
    picture, objective, _ = long

    def broken(picture):
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        _goal(objective, picture, broken).evaluate(picture)
