"""The distance of features, weighted by cell."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from sfumato.losses.content import content, content_sum  # noqa: E402


def _random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_unweighted_it_is_the_mean_squared_error():
    x, target = _random(2, 5, 4, 6), _random(2, 5, 4, 6, seed=1)
    want = torch.nn.functional.mse_loss(x, target)
    torch.testing.assert_close(content(x, target), want)
    torch.testing.assert_close(content(x, target, torch.full((4, 6), 0.3)), want)
    torch.testing.assert_close(content(x[0], target[0]), (x[0] - target[0]).square().mean())


def test_equal_features_are_no_distance_apart():
    x = _random(5, 4, 6)
    assert content(x, x, _random(4, 6, seed=1)) == 0


def test_a_hard_weight_is_a_crop():
    x, target, weight = _random(5, 4, 6), _random(5, 4, 6, seed=1), torch.zeros(4, 6)
    weight[1:3, 2:] = 1
    want = content(x[:, 1:3, 2:], target[:, 1:3, 2:])
    torch.testing.assert_close(content(x, target, weight), want)


def test_known_values():
    x, target = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), torch.zeros(2, 1, 2)
    weight = torch.tensor([[3.0, 1.0]])
    assert content_sum(x, target, weight).item() == (3 * (1 + 9) + (4 + 16)) / 2
    assert content(x, target, weight).item() == (3 * (1 + 9) + (4 + 16)) / (2 * 4)


def test_parts_add_up():
    x, target, weight = _random(5, 6, 4), _random(5, 6, 4, seed=1), _random(6, 4, seed=2)
    parts = zip(x.split(2, 1), target.split(2, 1), weight.split(2), strict=True)
    total = sum(content_sum(*part) for part in parts)
    torch.testing.assert_close(total, content_sum(x, target, weight))
    torch.testing.assert_close(total / weight.sum(), content(x, target, weight))


def test_no_weight_at_all_is_no_distance():
    x = _random(5, 4, 6).requires_grad_()
    distance = content(x, x.detach() + 1, torch.zeros(4, 6))
    distance.backward()
    assert distance == 0
    assert (x.grad == 0).all()


def test_gradients():
    target, weight = _random(3, 4, 5, seed=1), _random(4, 5, seed=2)
    x = _random(3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: content(x, target, weight), x)
    assert torch.autograd.gradcheck(lambda x: content_sum(x, target), x)
