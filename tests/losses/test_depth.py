"""Depth loss: its value on known maps, what does not change it, and its gradient."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from sfumato.losses.depth import depth  # noqa: E402


def _maps(count=2, seed=0, shape=(6, 5)):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(count, *shape, generator=draw, dtype=torch.float64).unbind()


def test_it_is_twice_the_lack_of_correlation():
    a, b = _maps()
    correlation = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
    torch.testing.assert_close(depth(a, b), 2 * (1 - correlation), rtol=0, atol=1e-6)


def test_its_ends():
    (a,) = _maps(1)
    assert depth(a, a) == 0
    torch.testing.assert_close(depth(-a, a).item(), 4.0, rtol=0, atol=1e-5)


@given(
    scale=st.floats(0.5, 1000),
    shift=st.floats(-100, 100),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=30, deadline=None)
def test_scale_and_shift_do_not_matter(scale, shift, seed):
    a, b = _maps(seed=seed)
    torch.testing.assert_close(depth(scale * a + shift, b), depth(a, b), rtol=0, atol=1e-4)


def test_a_flat_map_costs_one_and_two_nothing():
    (a,) = _maps(1)
    flat = torch.full_like(a, 3.0)
    torch.testing.assert_close(depth(flat, a).item(), 1.0, rtol=0, atol=1e-5)
    assert depth(flat, flat) == 0


def test_weights_select_a_region():
    a, b = _maps()
    weight = torch.zeros_like(a)
    weight[1:4, 2:] = 0.5  # its sum does not matter
    torch.testing.assert_close(depth(a, b, weight), depth(a[1:4, 2:], b[1:4, 2:]))
    elsewhere = torch.where(weight > 0, a, 7.0)
    torch.testing.assert_close(depth(elsewhere, b, weight), depth(a, b, weight))


def test_no_weight_at_all():
    a, b = _maps()
    a.requires_grad_()
    loss = depth(a, b, torch.zeros_like(b))
    loss.backward()
    assert loss == 0
    assert not a.grad.any()


def test_several_maps_are_averaged():
    a, b, c, d = _maps(4)
    both = depth(torch.stack([a, c])[:, None], torch.stack([b, d])[:, None])
    torch.testing.assert_close(both, (depth(a, b) + depth(c, d)) / 2)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(weighted):
    a, b, weight = _maps(3)
    a.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: depth(x, b, weight if weighted else None), (a,))


def test_the_gradient_of_a_flat_map_is_finite():
    flat, target = torch.full((6, 5), 2.0, requires_grad=True), torch.rand(6, 5)
    depth(flat, target).backward()
    assert torch.isfinite(flat.grad).all()


def test_half_precision_is_summed_in_single():
    a, b = _maps(shape=(224, 224))
    found = depth(a.half(), b.half())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), depth(a, b), rtol=0, atol=1e-3)


def test_it_falls_along_its_gradient():
    a, b = _maps()
    a.requires_grad_()
    before = depth(a, b)
    before.backward()
    assert depth(a - 0.1 * a.grad, b) < before
