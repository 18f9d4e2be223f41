"""The loss of a style net, with features of one's own: the picture itself, and its negative."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from sfumato.losses.perceptual import Perceptual, summaries  # noqa: E402


def features(picture):
    return {"plain": picture[0], "negative": 1 - picture[0]}


def _pictures(count, seed=0):
    return torch.rand(count, 3, 6, 8, generator=torch.Generator().manual_seed(seed))


def _loss(style, **weights):
    layers = ("plain", "negative")
    return Perceptual(features, summaries(features, style, layers), "plain", **weights)


def test_nothing_is_left_to_ask_for():
    style = _pictures(1)
    terms = _loss(style)(style, style)
    assert set(terms) == {"content", "style", "tv"}
    assert all(float(x) == pytest.approx(0, abs=1e-9) for x in terms.values())


def test_terms_are_means_over_the_batch_times_their_weights():
    style, painted, photos = _pictures(1), _pictures(2, 1), _pictures(2, 2)
    terms = _loss(style, content_weight=2, style_weight=3, tv_weight=5)(painted, photos)
    assert float(terms["content"]) == pytest.approx(2 * float((painted - photos).square().mean()))
    alone = [_loss(style, style_weight=3)(p[None], p[None])["style"] for p in painted]
    assert float(terms["style"]) == pytest.approx(float(sum(alone)) / 2, rel=1e-5)
    squares = painted.diff(dim=-1).square().mean() + painted.diff(dim=-2).square().mean()
    assert float(terms["tv"]) == pytest.approx(5 * float(squares), rel=1e-5)


def test_a_style_has_no_place():
    """Only what features have in common counts: a mirrored style picture is as good."""
    style = _pictures(1)
    assert float(_loss(style)(style.flip(-1), style)["style"]) == pytest.approx(0, abs=1e-9)


def test_gradients_reach_the_painting_and_nothing_else():
    style, painted, photos = _pictures(1), _pictures(2, 1).requires_grad_(), _pictures(2, 2)
    photos.requires_grad_()
    sum(_loss(style, tv_weight=1.0)(painted, photos).values()).backward()
    assert painted.grad.abs().min() > 0
    assert photos.grad is None
