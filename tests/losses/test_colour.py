"""The colour histogram loss: values, weights, large pictures and different sizes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from sfumato.losses.colour import AXES, colours, histogram  # noqa: E402


def _random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_axes_are_two_orthogonal_frames():
    for frame in (torch.tensor(AXES[:3]), torch.tensor(AXES[3:])):
        products = frame @ frame.T
        assert (products == products.diag().diag()).all()


def test_places_do_not_matter():
    x = _random(3, 6, 8)
    shuffled = x.flatten(1)[:, torch.randperm(48)].reshape(3, 8, 6)
    assert histogram(shuffled, colours(x)) < 1e-25


def test_a_shift_of_all_colours():
    """Two orthonormal frames see its squared length twice; the mean is over six axes."""
    x, shift = _random(3, 6, 8), torch.tensor([0.1, -0.2, 0.4], dtype=torch.float64)
    found = histogram(x + shift[:, None, None], colours(x))
    torch.testing.assert_close(found, shift.square().sum() / 3)


def test_it_sees_which_channels_go_together():
    """Red, green and blue each have the same histogram in both; their sum and differences not."""
    channel = _random(1, 20, 20)
    grey = channel.expand(3, -1, -1)
    coloured = torch.cat((channel, channel.flip(1), channel.flip(2)))
    assert histogram(coloured, colours(grey)) > 0.01


def test_pictures_of_different_sizes():
    x = _random(3, 30, 40)
    assert histogram(x.repeat(1, 2, 3), colours(x)) < 1e-5
    assert histogram(x, colours(x.repeat(1, 2, 3))) < 1e-5
    assert histogram(0.5 * x, colours(x.repeat(1, 2, 3))) > 1e-2


def test_a_hard_weight_is_a_crop():
    x, target, weight = _random(3, 8, 8), colours(_random(3, 5, 5, seed=1)), torch.zeros(8, 8)
    weight[2:6, 1:7] = 0.5
    want = histogram(x[:, 2:6, 1:7], target)
    torch.testing.assert_close(histogram(x, target, weight), want)
    known = colours(x, weight)
    torch.testing.assert_close(histogram(x[:, 2:6, 1:7], known), torch.zeros_like(want))


def test_large_pictures_are_averaged_and_every_pixel_is_told():
    x, target = _random(3, 20, 22).requires_grad_(), _random(3, 40, 40, seed=1)
    weight = torch.ones(20, 22)
    weight[:4] = 0
    value = histogram(x, colours(target, most_pixels=120), weight, most_pixels=120)
    value.backward()
    assert (x.grad[:, 4:] != 0).all()
    assert (x.grad[:, :4] == 0).all()
    pooled = torch.nn.functional.avg_pool2d(x.detach()[:, 4:], 2)
    want = histogram(pooled, colours(target, most_pixels=120))
    torch.testing.assert_close(value.detach(), want)
    assert colours(target, most_pixels=120).values.shape[1] <= 120


def test_averaging_leaves_out_the_colours_of_pixels_without_weight():
    x, weight = torch.full((3, 8, 8), 0.2), torch.ones(8, 8)
    x[:, :3], weight[:3] = 1, 0
    found = colours(x, weight, most_pixels=16).values[0]
    torch.testing.assert_close(found, torch.full_like(found, 0.2))


def test_no_weight_at_all():
    x = _random(3, 4, 4).requires_grad_()
    value = histogram(x, colours(_random(3, 4, 4, seed=1)), torch.zeros(4, 4))
    value.backward()
    assert value == 0
    assert (x.grad == 0).all()


def test_gradients():
    target, weight = colours(_random(3, 5, 4, seed=1)), _random(4, 5, seed=2)
    x = _random(3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: histogram(x, target, weight), x)
    assert torch.autograd.gradcheck(lambda x: histogram(x, target, weight, most_pixels=8), x)
