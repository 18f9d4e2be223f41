"""Total variation: squared differences of neighbours."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from sfumato.losses.smoothness import total_variation  # noqa: E402


def _random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_a_flat_picture_has_none():
    assert total_variation(torch.full((3, 5, 7), 0.4)) == 0


def test_known_values():
    ramp = torch.arange(5.0).expand(3, 4, 5) * 0.5
    torch.testing.assert_close(total_variation(ramp), torch.tensor(0.25))
    torch.testing.assert_close(total_variation(ramp.mT), torch.tensor(0.25))
    torch.testing.assert_close(total_variation(ramp + 2 * ramp.flip(0)), torch.tensor(2.25))
    slope = ramp + torch.arange(4.0)[:, None]
    torch.testing.assert_close(total_variation(slope), torch.tensor(0.25 + 1))


def test_unweighted_it_is_the_sum_of_two_means():
    x = _random(2, 3, 6, 5)
    want = (x[..., 1:] - x[..., :-1]).square().mean() + (
        x[..., 1:, :] - x[..., :-1, :]
    ).square().mean()
    torch.testing.assert_close(total_variation(x), want)
    torch.testing.assert_close(total_variation(x, torch.full((6, 5), 0.3)), want)


def test_a_hard_weight_is_a_crop():
    x, weight = _random(3, 6, 7), torch.zeros(6, 7)
    weight[1:4, 2:6] = 1
    x[:, 0] = 1e3  # beside the region, and no neighbour of it
    torch.testing.assert_close(total_variation(x, weight), total_variation(x[:, 1:4, 2:6]))


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 6), (3, 6, 1)])
def test_thin_pictures(shape):
    x = _random(*shape).requires_grad_()
    value = total_variation(x)
    value.backward()
    assert x.grad.isfinite().all()
    assert (value > 0) == (max(shape[1:]) > 1)


def test_no_weight_at_all():
    x = _random(3, 4, 4).requires_grad_()
    total_variation(x, torch.zeros(4, 4)).backward()
    assert (x.grad == 0).all()


def test_gradients():
    weight = _random(4, 5, seed=1)
    x = _random(3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: total_variation(x, weight), x)
