"""Steps downhill: where they arrive, what they leave alone, and what they do when it goes wrong."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="optimising needs the torch extra")

from sfumato.errors import SfumatoWarning  # noqa: E402
from sfumato.optimise.descent import PATIENCE, WINDOW, Descent  # noqa: E402

SHAPE = (1, 3, 6, 8)
RATES = [("rprop", 0.005), ("adam", 0.02), ("lbfgs", 1.0)]
methods = pytest.mark.parametrize(("method", "rate"), RATES)


def _random(seed=0, shape=SHAPE):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def _everything(shape=SHAPE):
    return torch.ones(1, 1, *shape[-2:], dtype=torch.bool)


class Bowl:
    """Squared distance from an aim, steeper in some pixels than in others; remembers its calls.

    Args:
        aim: what is to be reached.
        bend: how many times as steep the steepest pixel is.
        wrong: call number -> what happens to the loss and the gradient then.
    """

    def __init__(self, aim, bend=1.0, wrong=None):
        self.aim, self.wrong, self.seen = aim, wrong or {}, []
        self.steepness = torch.logspace(0, math.log10(bend), aim.numel()).reshape(aim.shape)

    def __call__(self, picture):
        self.latest, x = picture, picture.detach()
        total = self.height(x)
        gradient = 2 * self.steepness * (x - self.aim) / x.numel()
        change = self.wrong.get(len(self.seen), lambda total, gradient: (total, gradient))
        self.seen.append(x.clone())
        total, gradient = change(total, gradient)
        return {"bowl": total, "total": total}, gradient

    def height(self, x):
        return float((self.steepness * (x - self.aim).square()).mean())


class Valley:
    """Rosenbrock's banana of each pixel's red and green, its lowest point at (0.5, 0.25)."""

    def __call__(self, picture):
        x = picture.detach().requires_grad_()
        red, green = x[:, 0], x[:, 1]
        loss = ((0.5 - red).square() + 20 * (green - red.square()).square()).mean()
        (gradient,) = torch.autograd.grad(loss, x)
        return {"total": float(loss.detach())}, gradient


def _nan_loss(total, gradient):
    return math.nan, gradient


def _infinite_loss(total, gradient):
    return math.inf, gradient


def _nan_gradient(total, gradient):
    return total, torch.full_like(gradient, math.nan)


def _infinite_gradient(total, gradient):
    gradient = gradient.clone()
    gradient[0, 0, 0, 0] = math.inf
    return total, gradient


def _runaway(total, gradient):
    return 1e6, gradient


def _run(descent, evaluate, count):
    return [losses["total"] for losses in descent.steps(evaluate, count)]


@methods
@pytest.mark.parametrize("bend", [1, 100])
def test_it_arrives(method, rate, bend):
    bowl = Bowl(_random(1), bend)
    descent = Descent(_random(), _everything(), method=method, rate=rate)
    totals = _run(descent, bowl, 150)
    assert len(totals) == 150
    assert totals[-1] < 1e-3 * totals[0]
    assert (descent.result() - bowl.aim).abs().max() < 0.03


@methods
def test_it_follows_a_bent_valley(method, rate):
    start = torch.full(SHAPE, 0.9)
    start[:, 1] = 0.1
    descent = Descent(start, _everything(), method=method, rate=rate)
    totals = _run(descent, Valley(), 300)
    assert min(totals) < 0.02 * totals[0]
    assert torch.equal(descent.result()[:, 2], start[:, 2])  # blue has no slope
    if method == "lbfgs":  # Adam goes to and fro between the slopes for much longer
        assert (descent.result()[:, 0] - 0.5).abs().max() < 0.05
        assert (descent.result()[:, 1] - 0.25).abs().max() < 0.05


@methods
def test_an_aim_out_of_range_is_neared_to_the_end_of_the_range(method, rate):
    aim = 3 * _random(1) - 1
    bowl = Bowl(aim, bend=10)
    descent = Descent(_random(), _everything(), method=method, rate=rate)
    _run(descent, bowl, 150)
    assert 0 <= descent.result().min() <= descent.result().max() <= 1
    assert (descent.result() - aim.clamp(0, 1)).abs().max() < 0.1
    assert all(x.min() >= 0 and x.max() <= 1 for x in bowl.seen)


@methods
def test_pinned_pixels_stay_as_they_are(method, rate):
    start, free = _random(), _random(9, (1, 1, 6, 8)) > 0.5
    start[0, :, 0, :2] = torch.tensor([0.0, 1.0])
    bowl = Bowl(_random(1), bend=10)
    descent = Descent(start, free, method=method, rate=rate)
    _run(descent, bowl, 40)
    pinned = ~free.expand(SHAPE)
    for picture in [*bowl.seen, descent.result()]:
        assert torch.equal(picture[pinned], start[pinned])
    moved = (descent.result() - start)[~pinned].abs()
    assert (moved > 0).float().mean() > 0.9


@methods
def test_the_average_leaves_pinned_pixels_alone_too(method, rate):
    start, free = _random(), _random(9, (1, 1, 6, 8)) > 0.5
    descent = Descent(start, free, method=method, rate=rate, averaging=0.9)
    _run(descent, Bowl(_random(1)), 20)
    pinned = ~free.expand(SHAPE)
    torch.testing.assert_close(descent.result()[pinned], start[pinned], rtol=0, atol=1e-5)


@methods
def test_the_start_is_not_touched(method, rate):
    start = _random()
    _run(Descent(start, _everything(), method=method, rate=rate), Bowl(_random(1)), 5)
    assert torch.equal(start, _random())


def test_each_step_tells_the_losses_that_it_started_from():
    bowl = Bowl(_random(1))
    totals = _run(Descent(_random(), _everything()), bowl, 7)
    assert len(totals) == len(bowl.seen) == 7  # one evaluation a step
    assert totals == [bowl(picture)[0]["total"] for picture in list(bowl.seen)]
    assert torch.equal(bowl.seen[0], _random())


def test_before_any_step_the_result_is_the_start():
    assert torch.equal(Descent(_random(), _everything()).result(), _random())
    assert torch.equal(Descent(_random(), _everything(), averaging=0.9).result(), _random())


def test_without_an_average_the_best_picture_is_the_result():
    totals = iter([4.0, 3.0, 1.0, 2.0, 2.5])
    seen = []

    def evaluate(picture):
        seen.append(picture.detach().clone())
        return {"total": next(totals)}, torch.ones(SHAPE)

    descent = Descent(_random(), _everything(), rate=0.01)
    _run(descent, evaluate, 5)
    assert torch.equal(descent.result(), seen[2])


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99])
def test_the_average_is_the_bias_corrected_mean(kept):
    bowl, descent = Bowl(_random(1), bend=10), Descent(_random(), _everything(), averaging=kept)
    _run(descent, bowl, 8)
    pictures = [*bowl.seen[1:], bowl.latest.detach()]  # after each step
    weights = [(1 - kept) * kept ** (7 - i) for i in range(8)]
    mean = sum(w * x for w, x in zip(weights, pictures, strict=True)) / sum(weights)
    torch.testing.assert_close(descent.result(), mean, rtol=1e-5, atol=1e-5)
    assert (descent.result() - pictures[-1]).abs().max() > 1e-3


@methods
@pytest.mark.parametrize(
    "wrong", [_nan_loss, _infinite_loss, _nan_gradient, _infinite_gradient, _runaway]
)
def test_where_it_goes_wrong_it_goes_back_and_on(wrong, method, rate):
    bowl = Bowl(_random(1), bend=100, wrong={5: wrong, 20: wrong})
    descent = Descent(_random(), _everything(), method=method, rate=rate)
    totals = _run(descent, bowl, 100)
    assert len(totals) == 100
    assert all(math.isfinite(total) and total < 1e5 for total in totals)
    assert len(bowl.seen) == 102  # the two that went wrong are no steps
    assert torch.equal(bowl.seen[6], min(bowl.seen[:5], key=bowl.height))
    assert totals[-1] < 0.3 * totals[0]
    assert all(x.isfinite().all() for x in bowl.seen)


@pytest.mark.parametrize("stiffness", [10, 100, 1000])
@methods
def test_a_start_that_is_all_content_is_left_for_something_better(method, rate, stiffness):
    """The photo's own distance from itself is 0, and every step adds to it at first."""
    start, aim = 0.25 + 0.5 * _random(), Bowl(_random(1))

    def evaluate(picture):
        losses, gradient = aim(picture)
        moved = picture.detach() - start
        content = stiffness * float(moved.square().mean())
        return (
            {"total": losses["total"] + content},
            gradient + 2 * stiffness * moved / moved.numel(),
        )

    descent = Descent(start, _everything(), method=method, rate=rate)
    totals = _run(descent, evaluate, 60)
    assert len(totals) == 60
    assert min(totals) < totals[0]
    assert not torch.equal(descent.result(), start)


def test_it_goes_on_at_half_the_rate():
    bowl = Bowl(torch.zeros(SHAPE), wrong={3: _nan_loss, 7: _nan_loss})
    descent = Descent(torch.ones(SHAPE), _everything(), rate=0.01)
    _run(descent, bowl, 12)
    strides = [float((b - a).abs().max()) for a, b in pairwise(bowl.seen)]
    # Adam's first step is as long as its rate: after 0, 4 (having gone wrong at 3), and 8.
    assert strides[0] == pytest.approx(0.01, rel=1e-3)
    assert strides[4] == pytest.approx(0.005, rel=1e-3)
    assert strides[8] == pytest.approx(0.0025, rel=1e-3)


@methods
def test_a_loss_that_is_never_a_number_ends_with_the_start(method, rate):
    wrong = dict.fromkeys(range(1000), _nan_loss)
    bowl = Bowl(_random(1), wrong=wrong)
    descent = Descent(_random(), _everything(), method=method, rate=rate, averaging=0.9)
    with pytest.warns(SfumatoWarning, match="kept the best picture"):
        assert _run(descent, bowl, 50) == []
    assert len(bowl.seen) == PATIENCE
    assert torch.equal(descent.result(), _random())


@methods
def test_one_that_stays_wrong_ends_with_the_best_so_far(method, rate):
    bowl = Bowl(_random(1), wrong=dict.fromkeys(range(10, 1000), _nan_gradient))
    descent = Descent(_random(), _everything(), method=method, rate=rate)
    with pytest.warns(SfumatoWarning, match="kept the best picture"):
        assert len(_run(descent, bowl, 50)) == 10
    assert torch.equal(descent.result(), min(bowl.seen[:10], key=bowl.height))


@methods
def test_a_flat_loss_ends_early(method, rate):
    def flat(picture):
        return {"total": 1.0}, torch.zeros(SHAPE)

    descent = Descent(_random(), _everything(), method=method, rate=rate, tolerance=1e-3)
    assert len(_run(descent, flat, 500)) == 2 * WINDOW
    descent = Descent(_random(), _everything(), method=method, rate=rate)
    assert len(_run(descent, flat, 100)) == 100  # without a tolerance nothing is flat


def test_a_falling_loss_is_not_flat():
    total = 1.0

    def falling(picture):
        nonlocal total
        total *= 0.99
        return {"total": total}, torch.zeros(SHAPE)

    descent = Descent(_random(), _everything(), tolerance=1e-3)
    assert len(_run(descent, falling, 100)) == 100


def test_adam_goes_on_with_the_coarser_scales_moments():
    coarse = Descent(torch.full(SHAPE, 0.5), _everything())
    slope = torch.linspace(-1, 1, SHAPE[-1]).expand(SHAPE)
    _run(coarse, lambda picture: ({"total": 1.0}, slope), 20)
    larger = (1, 3, 12, 16)
    start = torch.full(larger, 0.5)

    def level(picture):
        return {"total": 1.0}, torch.zeros(larger)

    fresh = Descent(start, _everything(larger), averaging=0.5)
    _run(fresh, level, 2)
    assert torch.equal(fresh.result(), start)  # nothing moves it
    carried = Descent(start, _everything(larger), averaging=0.5, before=coarse)
    _run(carried, level, 2)
    moved = carried.result() - start
    assert (moved[..., :6] > 1e-3).all()  # against the slope
    assert (moved[..., -6:] < -1e-3).all()


@methods
def test_a_scale_after_one_that_took_no_step_begins_afresh(method, rate):
    coarse = Descent(_random(), _everything(), method=method, rate=rate)
    bowl = Bowl(_random(1, (1, 3, 12, 16)))
    start = _random(2, (1, 3, 12, 16))
    results = []
    for before in (None, coarse):
        descent = Descent(
            start, _everything(start.shape), method=method, rate=rate, before=before
        )  # fmt: skip
        _run(descent, bowl, 10)
        results.append(descent.result())
    assert torch.equal(*results)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
@methods
def test_the_same_steps_give_the_same_picture(method, rate, averaging):
    results = []
    for _ in range(2):
        descent = Descent(_random(), _everything(), method=method, rate=rate, averaging=averaging)
        _run(descent, Bowl(_random(1), bend=10), 15)
        results.append(descent.result())
    assert torch.equal(*results)
