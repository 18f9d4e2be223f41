"""Style statistics: exact values, gradients, parts that add up, and nothing that turns NaN."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.losses import style  # noqa: E402

NAMES = tuple(style.STATISTICS)
each = pytest.mark.parametrize("name", NAMES)


def _random(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _mixed(channels, height, width, seed=0, dtype=torch.float64):
    """Correlated features with some zeros, as after a rectifier."""
    features = _random(channels, height * width, seed=seed, dtype=dtype) - 0.3
    mix = _random(channels, channels, seed=seed + 100, dtype=dtype) - 0.4
    return (mix @ features).clamp_min(0).reshape(channels, height, width)


def _ones(features):
    return torch.ones(features.shape[1:], dtype=features.dtype)


def _summary(statistic, features, guide=None):
    return statistic.summarise(features, _ones(features) if guide is None else guide)


def _distance(name, a, b, guide=None):
    statistic = style.statistic(name)
    return statistic.distance(_summary(statistic, a, guide), _summary(statistic, b))


@each
def test_names(name):
    assert style.statistic(name).name == name


def test_an_unknown_name_is_told_of_a_near_one():
    with pytest.raises(UsageError, match=r"'grams'.*did you mean 'gram'.*wasserstein, mean-std"):
        style.statistic("grams")


@each
def test_equal_features_are_no_distance_apart(name):
    features = _mixed(6, 5, 7).requires_grad_()
    distance = _distance(name, features, features.detach())
    assert distance.shape == ()
    assert abs(distance.item()) < 1e-12
    (gradient,) = torch.autograd.grad(distance, features)
    assert gradient.abs().max() < 1e-6


@each
def test_other_features_are_some_distance_apart(name):
    features = _mixed(6, 5, 7)
    near, far = (_distance(name, features * k, features) for k in (1.1, 2))
    assert 0 < near < far


@each
def test_places_do_not_matter(name):
    features = _mixed(6, 5, 8)
    shuffled = features.flatten(1)[:, torch.randperm(40)].reshape(6, 8, 5)
    assert abs(_distance(name, shuffled, features)) < 1e-12


@each
def test_neither_size_nor_the_guides_scale_matters(name):
    features, other = _mixed(6, 5, 8), _mixed(6, 4, 9, seed=1)
    want = _distance(name, features, other)
    guide = torch.full((5, 8), 0.2, dtype=torch.float64)
    torch.testing.assert_close(_distance(name, features, other, guide), want)
    # Quantile functions run straight between samples, so twice as many bend a little less.
    tolerance = 0.03 if name == "sliced" else 1e-9
    torch.testing.assert_close(
        _distance(name, features.repeat(1, 2, 3), other), want, rtol=tolerance, atol=0
    )


@each
def test_a_hard_guide_is_a_crop_and_the_rest_takes_no_part(name):
    features, other = _mixed(6, 8, 8), _mixed(6, 4, 9, seed=1)
    want = _distance(name, features[:, 2:5, 1:7], other)
    guide = torch.zeros(8, 8, dtype=torch.float64)
    guide[2:5, 1:7] = 1
    features[:, guide == 0] = 1e3
    features.requires_grad_()
    distance = _distance(name, features, other, guide)
    torch.testing.assert_close(distance, want)
    (gradient,) = torch.autograd.grad(distance, features)
    assert (gradient[:, guide == 0] == 0).all()
    assert (gradient[:, guide > 0] != 0).any()


@each
def test_a_soft_guide_counts_in_part(name):
    """Cells at a half count as much as half as many at one."""
    low, high, other = _mixed(6, 2, 8), _mixed(6, 2, 8, seed=1), _mixed(6, 4, 9, seed=2)
    guide = torch.ones(4, 8, dtype=torch.float64)
    guide[2:] = 0.5
    soft = _distance(name, torch.cat((low, high), 1), other, guide)
    hard = _distance(name, torch.cat((low.repeat(1, 2, 1), high), 1), other)
    tolerance = 0.03 if name == "sliced" else 1e-9
    torch.testing.assert_close(soft, hard, rtol=tolerance, atol=0)


@each
@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_parts_add_up_in_value_and_gradient(name, rows, seed):
    """The way a large picture is worked on: the parts' summaries, then each part's gradient."""
    statistic = style.statistic(name)
    features = _mixed(5, sum(rows), 6, seed=seed)
    guide = _random(sum(rows), 6, seed=seed + 1).mul(1.5).sub(0.4).clamp_min(0)
    guide[0, 0] = 1
    target = statistic.prepare(_summary(statistic, _mixed(5, 4, 4, seed=seed + 2)))

    whole = features.clone().requires_grad_()
    want = statistic.distance(_summary(statistic, whole, guide), target)
    (want_gradient,) = torch.autograd.grad(want, whole)

    pieces = list(zip(features.split(rows, dim=1), guide.split(rows), strict=True))
    parts = [tuple(x.requires_grad_() for x in statistic.summarise(*piece)) for piece in pieces]
    found = statistic.distance(statistic.combine(parts), target)
    torch.testing.assert_close(found, want)
    found.backward()
    gradients = []
    for (piece, part_guide), part in zip(pieces, parts, strict=True):
        own = piece.clone().requires_grad_()
        sums = statistic.summarise(own, part_guide)
        pulled = [
            (x * leaf.grad).sum()
            for x, leaf in zip(sums, part, strict=True)
            if leaf.grad is not None
        ]
        gradients += torch.autograd.grad(sum(pulled), own)
    torch.testing.assert_close(torch.cat(gradients, 1), want_gradient)


@each
def test_gradients(name):
    features, target = _mixed(4, 3, 5, seed=3), _mixed(4, 4, 4, seed=4)
    guide = _random(3, 5, seed=5).sub(0.2).clamp_min(0)
    statistic = style.statistic(name)
    known = statistic.prepare(_summary(statistic, target))
    assert torch.autograd.gradcheck(
        lambda x: statistic.distance(statistic.summarise(x, guide), known),
        features.requires_grad_(),
    )


@each
def test_gradient_descent_arrives(name):
    features = _mixed(6, 6, 6, dtype=torch.float32).requires_grad_()
    statistic = style.statistic(name)
    target = statistic.prepare(_summary(statistic, _mixed(6, 5, 9, seed=1, dtype=torch.float32)))
    optimiser = torch.optim.LBFGS([features], max_iter=60, line_search_fn="strong_wolfe")

    def distance():
        return statistic.distance(_summary(statistic, features), target)

    def closure():
        optimiser.zero_grad()
        loss = distance()
        loss.backward()
        return loss

    before = distance().item()
    optimiser.step(closure)
    assert distance().item() < 1e-3 * before


HARD = {
    "nothing in the guide": (_mixed(8, 4, 4), torch.zeros(4, 4)),
    "next to nothing in the guide": (_mixed(8, 4, 4), torch.full((4, 4), 1e-30)),
    "all the same": (torch.full((8, 4, 4), 3.0), torch.ones(4, 4)),
    "all zero": (torch.zeros(8, 4, 4), torch.ones(4, 4)),
    "one cell": (_mixed(8, 1, 1), torch.ones(1, 1)),
    "fewer cells than channels": (_mixed(64, 3, 3), torch.ones(3, 3)),
    "equal channels": (_mixed(1, 6, 6).repeat(8, 1, 1), torch.ones(6, 6)),
    "large": (_mixed(8, 4, 4) * 1e5, torch.ones(4, 4)),
    "tiny": (_mixed(8, 4, 4) * 1e-12, torch.ones(4, 4)),
}


@each
@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("as_target", [False, True])
def test_nothing_turns_nan(name, case, as_target):
    features, guide = (x.float() for x in HARD[case])
    usual = _mixed(len(features), 5, 5, seed=7, dtype=torch.float32)
    statistic = style.statistic(name)
    hard = features.requires_grad_(), guide
    if as_target:
        ours, target = (usual.requires_grad_(), torch.ones(5, 5)), hard
    else:
        ours, target = hard, (usual, torch.ones(5, 5))
    with torch.no_grad():
        known = statistic.prepare(statistic.summarise(*target))
    for aim in (known, tuple(x.detach() for x in statistic.summarise(*ours))):
        distance = statistic.distance(statistic.summarise(*ours), aim)
        (gradient,) = torch.autograd.grad(distance, ours[0])
        assert distance.isfinite()
        assert distance > -1e-6
        assert gradient.isfinite().all()


@each
def test_sums_stay_wide_whatever_the_features_come_in(name):
    features = _mixed(6, 30, 30).bfloat16()
    statistic = style.statistic(name)
    want = _summary(statistic, features.float())
    guide = torch.ones(30, 30, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = statistic.summarise(features.requires_grad_(), guide)
        as_floats = _summary(statistic, features.float())
    for x, y, z in zip(found, as_floats, want, strict=True):
        assert x.dtype == y.dtype == torch.float32
        torch.testing.assert_close(x, z)
        torch.testing.assert_close(y, z)
    statistic.distance(found, tuple(x * 2 for x in want)).backward()
    assert features.grad.dtype == torch.bfloat16


@each
def test_a_prepared_target_gives_the_same_and_can_be_prepared_again(name):
    statistic = style.statistic(name)
    ours, target = (_summary(statistic, _mixed(6, 5, 5, seed=i)) for i in range(2))
    prepared = statistic.prepare(target)
    want = statistic.distance(ours, target)
    torch.testing.assert_close(statistic.distance(ours, prepared), want, rtol=0, atol=0)
    again = statistic.distance(ours, statistic.prepare(prepared))
    torch.testing.assert_close(again, want, rtol=0, atol=0)


@pytest.mark.parametrize("uniform", [False, True])
def test_moments_have_the_gradient_of_their_formula(uniform):
    """Whatever pulls at the entries: a distance pulls at both halves of a symmetric one alike."""
    features = _mixed(4, 3, 5).requires_grad_()
    guide = torch.ones(3, 5, dtype=torch.float64) if uniform else _random(3, 5, seed=1)
    first, second = style._moments(features, guide)
    flat, weights = features.flatten(1), guide.flatten()
    torch.testing.assert_close(first, flat @ weights)
    torch.testing.assert_close(second, flat * weights @ flat.T)
    assert torch.autograd.gradcheck(lambda x: style._moments(x, guide), features)


def test_gram_is_the_papers_loss_for_pictures_of_equal_size():
    """``||G - G'||_F^2 / (2 n_h n_w n_c)^2`` with ``G = sum over places of a a^T``."""
    a, b = _mixed(5, 6, 7), _mixed(5, 6, 7, seed=1)
    gram, other = (torch.einsum("kij,lij->kl", x, x) for x in (a, b))
    want = (gram - other).square().sum() / (2 * 6 * 7 * 5) ** 2
    torch.testing.assert_close(_distance("gram", a, b), want)


def test_mean_std_of_moved_and_stretched_features():
    features = _random(4, 20, 20) + 1
    shift = torch.tensor([0.1, -0.2, 0.3, 0.0], dtype=torch.float64)[:, None, None]
    moved = _distance("mean-std", features + shift, features)
    torch.testing.assert_close(moved, shift.square().mean())
    mean = features.mean(dim=(1, 2), keepdim=True)
    stretched = _distance("mean-std", mean + 3 * (features - mean), features)
    want = (2 * features.flatten(1).std(1, correction=0)).square().mean()
    torch.testing.assert_close(stretched, want, rtol=1e-3, atol=0)  # but for EPS


def test_wasserstein_of_one_channel_is_that_of_mean_and_deviation():
    a, b = _random(1, 6, 7), 2 * _random(1, 5, 5, seed=1) + 1
    want = (a.mean() - b.mean()) ** 2 + (a.std(correction=0) - b.std(correction=0)) ** 2
    torch.testing.assert_close(_distance("wasserstein", a, b), want)


def test_wasserstein_of_a_shift_is_its_square():
    features = _mixed(4, 9, 9)
    shift = torch.tensor([0.1, -0.2, 0.3, 0.5], dtype=torch.float64)[:, None, None]
    found = _distance("wasserstein", features + shift, features)
    torch.testing.assert_close(found, shift.square().mean())


def _bures(a, b):
    """The same distance another way: the trace is the nuclear norm of one centred set of
    features times the other, through their triangular factors."""
    moments = []
    for features in (a.flatten(1), b.flatten(1)):
        mean = features.mean(1, keepdim=True)
        centred = (features - mean) / features.shape[1] ** 0.5
        moments.append((mean, torch.linalg.qr(centred.T, mode="r")[1]))
    (m, r), (n, s) = moments
    spread = r.square().sum() + s.square().sum() - 2 * torch.linalg.svdvals(r @ s.T).sum()
    return ((m - n).square().sum() + spread) / len(a)


@settings(max_examples=40, deadline=None)
@given(
    channels=st.integers(1, 12),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 999),
)
def test_wasserstein_against_singular_values(channels, sizes, seed):
    """Of any rank: there may be fewer cells than channels on either side."""
    a, b = (_mixed(channels, size, 4, seed=seed + i) for i, size in enumerate(sizes))
    want = _bures(a, b)
    torch.testing.assert_close(_distance("wasserstein", a, b), want, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(_distance("wasserstein", b, a), want, rtol=1e-4, atol=1e-6)


def _uneven(channels, side, seed):
    """Features whose variances along their axes span six powers of ten, in no axis' direction."""
    scale = torch.logspace(0, -3, channels, dtype=torch.float64)[:, None]
    turn = style._directions(channels, 5)
    features = scale * (_random(channels, side * side, seed=seed) - 0.5)
    return (turn @ features + 0.1).reshape(channels, side, side)


@pytest.mark.parametrize("sides", [(12, 12), (4, 12), (12, 4), (4, 4)])
def test_wasserstein_keeps_small_variances(sides):
    a, b = (_uneven(64, side, seed=i) for i, side in enumerate(sides))
    torch.testing.assert_close(_distance("wasserstein", a, b), _bures(a, b), rtol=1e-6, atol=0)


@pytest.mark.parametrize("sides", [(12, 12), (4, 12), (12, 4), (4, 4)])
def test_wasserstein_holds_in_float32(sides):
    a, b = (_uneven(64, side, seed=i) for i, side in enumerate(sides))
    a, narrow = a.requires_grad_(), a.detach().float().requires_grad_()
    want, found = _distance("wasserstein", a, b), _distance("wasserstein", narrow, b.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), want, rtol=1e-3, atol=0)
    (want_gradient,) = torch.autograd.grad(want, a)
    (gradient,) = torch.autograd.grad(found, narrow)
    assert (gradient - want_gradient).norm() < 0.02 * want_gradient.norm()


def test_sliced_of_a_shift_is_its_square():
    features = _mixed(4, 9, 9)
    shift = torch.tensor([0.1, -0.2, 0.3, 0.5], dtype=torch.float64)[:, None, None]
    found = _distance("sliced", features + shift, features)
    torch.testing.assert_close(found, shift.square().mean())


def test_sliced_sees_what_moments_do_not():
    """Same means and covariances, other distributions: all that the others look at is alike."""
    signs = torch.tensor([[1.0, -1, 1, -1], [1, 1, -1, -1]], dtype=torch.float64)
    one = signs.repeat(1, 4)[:, None]
    other = torch.cat((signs.repeat(1, 2) * 2**0.5, torch.zeros(2, 8)), 1)[:, None]
    for name in NAMES:
        found = _distance(name, one, other)
        assert found > 0.1 if name == "sliced" else found < 1e-9, name


def test_sliced_keeps_no_cells_that_take_no_part():
    guide = torch.zeros(5, 5, dtype=torch.float64)
    guide[1:3, 1:4] = 0.5
    projections, kept = _summary(style.statistic("sliced"), _mixed(7, 5, 5), guide)
    assert projections.shape == (7, 6)
    assert (kept == 0.5).all()


def test_sliced_directions():
    directions = style._directions(7, 0)
    torch.testing.assert_close(directions @ directions.T, torch.eye(7, dtype=torch.float64))
    features = _mixed(7, 5, 5)
    found = [_summary(style.Sliced(seed), features)[0] for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_sliced_directions_first_drawn_in_inference_mode_serve_training():
    style._directions.cache_clear()
    statistic, features = style.statistic("sliced"), _mixed(3, 4, 4)
    with torch.inference_mode():
        _summary(statistic, features)
    features.requires_grad_()
    _distance("sliced", features, _mixed(3, 4, 4, seed=1)).backward()
    assert features.grad.abs().sum() > 0
