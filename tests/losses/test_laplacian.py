"""The Laplacian loss: the operator, the pools, weights, and pictures smaller than the pools."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from sfumato.losses.laplacian import laplacian, operator  # noqa: E402

KERNEL = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=torch.float64)


def _random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_the_operator_is_the_kernel():
    x = _random(2, 7, 9)
    inside = torch.nn.functional.conv2d(x[:, None], KERNEL[None, None])[:, 0]
    torch.testing.assert_close(operator(x)[:, 1:-1, 1:-1], inside)


def test_the_operator_does_not_see_the_border_as_an_edge():
    assert (operator(torch.full((3, 5, 6), 0.7)) == 0).all()
    ramp = torch.arange(6.0).expand(1, 5, 6)
    assert (operator(ramp)[..., 1:-1] == 0).all()


def test_it_is_the_papers_loss_as_a_mean():
    """Average pooling, the kernel on each of R, G and B, their sum, the squared distance."""
    x, target = _random(3, 32, 48), _random(3, 32, 48, seed=1)

    def edges(picture, pool):
        pooled = torch.nn.functional.avg_pool2d(picture[:, None], pool)
        framed = torch.nn.functional.pad(pooled, (1, 1, 1, 1), mode="replicate")
        return torch.nn.functional.conv2d(framed, KERNEL[None, None]).sum(0)

    each = [(edges(x, p) - edges(target, p)).square().mean() for p in (4, 16)]
    torch.testing.assert_close(laplacian(x, target), each[0] + each[1])
    torch.testing.assert_close(laplacian(x, target, pools=(4,)), each[0])
    torch.testing.assert_close(laplacian(x[None], target[None], pools=(16,)), each[1])


def test_what_it_does_not_see():
    x = _random(3, 32, 32)
    assert laplacian(x, x) == 0
    assert laplacian(x + 0.3, x) < 1e-25
    within_squares = x.clone()
    within_squares[:, ::2] += 0.1
    within_squares[:, 1::2] -= 0.1
    assert laplacian(within_squares, x) < 1e-25


def test_weights():
    x, target = _random(3, 32, 32), _random(3, 32, 32, seed=1)
    even = laplacian(x, target)
    torch.testing.assert_close(laplacian(x, target, torch.full((32, 32), 0.2)), even)
    upper = torch.zeros(32, 32)
    upper[:12] = 1
    changed = target.clone()
    changed[:, 20:] = 0  # two cells of 4 pixels below: no neighbour of one that counts
    want = laplacian(x, target, upper, pools=(4,))
    torch.testing.assert_close(laplacian(x, changed, upper, pools=(4,)), want)
    assert laplacian(x, target, torch.zeros(32, 32)) == 0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 3), (1, 40), (17, 5), (15, 16)])
def test_pictures_smaller_than_the_pool(height, width):
    x, target = _random(3, height, width).requires_grad_(), _random(3, height, width, seed=1)
    value = laplacian(x, target)
    value.backward()
    assert x.grad.isfinite().all()
    assert (value > 0) == (max(height, width) > 4)
    assert laplacian(x, target, pools=(64,)) == 0


def test_gradients():
    target, weight = _random(3, 5, 6, seed=1), _random(5, 6, seed=2)
    x = _random(3, 5, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: laplacian(x, target, weight, pools=(1, 2)), x)
