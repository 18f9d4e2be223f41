"""Segmentation losses: formulas by hand, other implementations, weights, ignored pixels, slopes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.losses import segmentation  # noqa: E402
from sfumato.losses.segmentation import bce, bce_dice, cross_entropy, dice, focal, lovasz  # noqa: E402

EACH = pytest.mark.parametrize("name", segmentation.NAMES)
CHANNELS = pytest.mark.parametrize("channels", [1, 2, 4])


def _scene(channels=3, *, size=(5, 7), batch=2, seed=0, ignored=0.2):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, channels, *size, generator=draw, dtype=torch.float64) * 2
    target = torch.randint(max(2, channels), (batch, *size), generator=draw)
    target[torch.rand(batch, *size, generator=draw) < ignored] = 255
    return logits, target


def _perfect(target, channels):
    if channels == 1:
        return ((target == 1).double() * 200 - 100)[:, None]
    known = target.clamp(max=channels - 1)
    return F.one_hot(known, channels).double().permute(0, 3, 1, 2) * 200 - 100


def test_one_pixel_by_hand():
    logits = torch.tensor([1.0, -0.5]).reshape(1, 2, 1, 1).double()
    target = torch.ones(1, 1, 1, dtype=torch.int64)
    p = math.exp(-0.5) / (math.exp(1) + math.exp(-0.5))
    q = [1 / (1 + math.exp(-x)) for x in (1.0, -0.5)]
    one_against_rest = -(math.log(1 - q[0]) + math.log(q[1])) / 2
    background, person = 1 - (0 + 1) / (1 - p + 1), 1 - (2 * p + 1) / (p + 1 + 1)
    by_sigmoid = 1 - (0 + 1) / (q[0] + 1), 1 - (2 * q[1] + 1) / (q[1] + 1 + 1)
    expected = {
        "cross_entropy": -math.log(p),
        "bce": one_against_rest,
        "dice": (background + person) / 2,
        "bce_dice": one_against_rest + sum(by_sigmoid) / 2,
        "lovasz": 1 - p,
        "focal": -((1 - p) ** 2) * math.log(p),
    }
    for name, value in expected.items():
        assert segmentation.loss(name)(logits, target).item() == pytest.approx(value), name


def test_cross_entropy_is_torchs():
    logits, target = _scene()
    weights = torch.tensor([0.5, 2.0, 1.0]).double()
    for w in (None, weights):
        want = F.cross_entropy(logits, target, weight=w, ignore_index=255)
        torch.testing.assert_close(cross_entropy(logits, target, weights=w), want)
    torch.testing.assert_close(focal(logits, target, gamma=0), cross_entropy(logits, target))


def test_bce_is_torchs():
    logits, target = _scene(1)
    counts = target != 255
    want = F.binary_cross_entropy_with_logits(logits[:, 0][counts], (target == 1)[counts].double())
    torch.testing.assert_close(bce(logits, target), want)
    torch.testing.assert_close(cross_entropy(logits, target), want)

    logits, target = _scene(3, ignored=0)
    truth = F.one_hot(target, 3).permute(0, 3, 1, 2).double()
    want = F.binary_cross_entropy_with_logits(logits, truth)
    torch.testing.assert_close(bce(logits, target), want)


def test_dice_is_torchmetrics():
    metrics = pytest.importorskip("torchmetrics.functional.segmentation")
    logits, target = _scene(3, ignored=0)
    hard = logits.argmax(dim=1)
    scores = F.one_hot(hard, 3).permute(0, 3, 1, 2).double() * 1000
    # One picture of all rows: this loss sums over the batch.
    want = metrics.dice_score(
        hard.reshape(1, -1), target.reshape(1, -1), 3, average="macro", input_format="index"
    )
    assert dice(scores, target, smooth=0).item() == pytest.approx(1 - want.item(), abs=1e-6)


def test_lovasz_of_certain_answers_is_one_minus_iou():
    metrics = pytest.importorskip("torchmetrics.functional.classification")
    logits, target = _scene(4)
    scores = F.one_hot(logits.argmax(dim=1), 4).permute(0, 3, 1, 2).double() * 1000
    iou = metrics.multiclass_jaccard_index(logits, target, 4, average="macro", ignore_index=255)
    assert lovasz(scores, target).item() == pytest.approx(1 - iou.item(), abs=1e-6)


def test_lovasz_is_the_integral_over_thresholds():
    """The Lovász extension: the mean of ``1 - IoU`` over thresholds of the error, 0 to 1."""
    logits, target = _scene(2, size=(3, 4), batch=1, ignored=0)
    p = logits.softmax(dim=1)
    expected = 0.0
    for c in (0, 1):
        truth = (target == c)[0]
        errors = (truth.double() - p[0, c]).abs()
        levels = torch.cat((torch.zeros(1), errors.flatten().sort().values)).double()
        for low, high in pairwise(levels):
            wrong = errors >= high
            iou = (truth & ~wrong).sum() / (truth | wrong).sum()
            expected += (high - low) * (1 - iou) / 2
    torch.testing.assert_close(lovasz(logits, target), expected)


def test_focal_by_its_formula():
    logits, target = _scene(3, ignored=0)
    p = logits.softmax(dim=1).gather(1, target[:, None])[:, 0]
    for gamma in (0.5, 1.0, 5.0):
        want = -((1 - p) ** gamma * p.log()).mean()
        torch.testing.assert_close(focal(logits, target, gamma=gamma), want)
    with pytest.raises(ValueError, match="gamma"):
        focal(logits, target, gamma=-1)


@EACH
@CHANNELS
def test_gradients(name, channels):
    logits, target = _scene(channels, size=(3, 4))
    weights = torch.tensor([0.5, 2.0, 1.0, 1.5]).double()[: max(2, channels)]
    loss = segmentation.loss(name)
    for w in (None, weights):
        assert torch.autograd.gradcheck(
            lambda x, w=w: loss(x, target, weights=w), logits.clone().requires_grad_()
        )


@EACH
@CHANNELS
def test_nothing_but_ignored_pixels(name, channels):
    logits = _scene(channels)[0].requires_grad_()
    target = torch.full((2, 5, 7), 255)
    for weights in (None, torch.ones(max(2, channels))):
        logits.grad = None
        value = segmentation.loss(name)(logits, target, weights=weights)
        value.backward()
        assert value.item() == 0
        assert (logits.grad == 0).all()


@EACH
@CHANNELS
def test_ignored_pixels_do_not_count(name, channels):
    loss = segmentation.loss(name)
    logits, target = _scene(channels)
    other = torch.where((target == 255)[:, None], torch.randn_like(logits) * 9, logits)
    torch.testing.assert_close(loss(other, target), loss(logits, target))
    logits.requires_grad_()
    loss(logits, target).backward()
    assert (logits.grad.abs().sum(dim=1)[target == 255] == 0).all()
    swapped = torch.where(target == 255, -1, target)
    torch.testing.assert_close(loss(logits, swapped, ignore=-1), loss(logits, target))


@EACH
@CHANNELS
def test_right_answers_cost_nothing_and_wrong_ones_do(name, channels):
    _, target = _scene(channels)
    loss = segmentation.loss(name)
    right = _perfect(target, channels)
    assert loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert loss(-right, target) > 0.4


@EACH
@CHANNELS
def test_very_sure_answers_have_finite_slopes(name, channels):
    _, target = _scene(channels)
    for sign in (1, -1):
        logits = (sign * _perfect(target, channels)).float().requires_grad_()
        segmentation.loss(name)(logits, target).backward()
        assert logits.grad.isfinite().all()


@EACH
def test_weights_are_ratios(name):
    logits, target = _scene(3)
    loss = segmentation.loss(name)
    plain = loss(logits, target)
    torch.testing.assert_close(loss(logits, target, weights=torch.full((3,), 7.0)), plain)
    heavy = loss(logits, target, weights=torch.tensor([1.0, 1.0, 50.0]))
    only = loss(logits, target, weights=torch.tensor([0.0, 0.0, 1.0]))
    assert abs(heavy - only) < abs(plain - only)


@EACH
def test_weights_of_classes_that_are_not_there(name):
    logits, _ = _scene(2)
    value = segmentation.loss(name)(
        logits, torch.zeros(2, 5, 7, dtype=torch.int64), weights=torch.tensor([0.0, 1.0])
    )
    assert value.isfinite()


@EACH
def test_halves_are_computed_in_single_precision(name):
    logits, target = _scene(2, size=(64, 64), batch=4)
    half = logits.half()
    value = segmentation.loss(name)(half, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, segmentation.loss(name)(half.float(), target))


@EACH
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), channels=st.integers(1, 5), height=st.integers(1, 4))
def test_never_below_zero_and_blind_to_order(name, seed, channels, height):
    logits, target = _scene(channels, size=(height, 3), seed=seed)
    loss = segmentation.loss(name)
    value = loss(logits, target)
    assert value >= 0
    torch.testing.assert_close(loss(logits.flip(0, 3), target.flip(0, 2)), value)


@EACH
@pytest.mark.parametrize("shape", [(2, 5, 6), (1, 5, 7), (2, 1, 5, 7)])
def test_shapes_that_do_not_fit(name, shape):
    logits, _ = _scene(3)
    with pytest.raises(ValueError, match=r"expected logits \[B, C, H, W\]"):
        segmentation.loss(name)(logits, torch.zeros(shape, dtype=torch.int64))


def test_bce_dice_adds_both():
    logits, target = _scene(1)
    both = bce(logits, target) + dice(logits, target)
    torch.testing.assert_close(bce_dice(logits, target), both)  # one channel: softmax is sigmoid


def test_names():
    assert segmentation.loss("dice") is dice
    with pytest.raises(UsageError, match="did you mean 'lovasz'"):
        segmentation.loss("lovas")
