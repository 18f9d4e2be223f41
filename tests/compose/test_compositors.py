"""One battery over every compositor, and what each promises on its own."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato import registry
from sfumato.errors import UsageError
from sfumato.ops.seam import score
from sfumato.types import Context

METHODS = ["alpha", "feather", "multiband", "poisson"]
SIZES = [(1, 1), (1, 500), (500, 1), (2, 2), (3, 7), (33, 65), (101, 99)]
every = pytest.mark.parametrize("method", METHODS)
softer = pytest.mark.parametrize("method", METHODS[1:])


def build(method, **options):
    return registry.build("compose", method, Context(), options)


def random_case(shape, seed=0):
    """Random pictures; alpha with exact 0s, exact 1s and values between."""
    rng = np.random.default_rng(seed)
    foreground, background = rng.random((2, *shape, 3), dtype=np.float32)
    alpha = np.clip(rng.random(shape, dtype=np.float32) * 2 - 0.5, 0, 1)
    return foreground, background, alpha


def test_the_registry_knows_them_all():
    assert set(METHODS) <= set(registry.backends("compose"))
    assert all(registry.find("compose", m).summary.endswith((".", ")")) for m in METHODS)


def assert_contract(compose, foreground, background, alpha):
    before = [a.copy() for a in (foreground, background, alpha)]
    result = compose(foreground, background, alpha)
    assert result.shape == background.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1
    assert (result[alpha == 0] == background[alpha == 0]).all()
    assert not np.shares_memory(result, background)
    assert all((a == b).all() for a, b in zip(before, (foreground, background, alpha), strict=True))
    assert (compose(foreground, background, alpha) == result).all()


@every
@pytest.mark.parametrize("shape", SIZES)
def test_any_size(method, shape):
    assert_contract(build(method), *random_case(shape))


@every
@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    seed=st.integers(0, 9999),
    scale=st.sampled_from([1, 5, 20]),
)
def test_any_blobs(method, height, width, seed, scale):
    foreground, background, _ = random_case((height, width), seed)
    noise = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    alpha = np.clip((cv2.blur(noise, (scale, scale)) - 0.5) * 3 * scale + 0.5, 0, 1)
    assert_contract(build(method), foreground, background, alpha.reshape(height, width))


@every
def test_nothing_painted(method):
    foreground, background, alpha = random_case((40, 50))
    assert (build(method)(foreground, background, alpha * 0) == background).all()


@every
def test_everything_painted(method):
    foreground, background, alpha = random_case((40, 50))
    assert (build(method)(foreground, background, alpha * 0 + 1) == foreground).all()


@every
def test_half_of_everything_is_an_even_mix(method):
    foreground, background, alpha = random_case((40, 50))
    half = alpha * 0 + np.float32(0.5)
    expected = build("alpha")(foreground, background, half)
    assert np.abs(build(method)(foreground, background, half) - expected).max() < 1e-6


@every
@pytest.mark.parametrize("spot", [(0, 0), (20, 30), (39, 49), (0, 25)])
def test_a_single_painted_and_a_single_spared_pixel(method, spot):
    foreground, background, alpha = random_case((40, 50))
    alpha[:] = 0
    alpha[spot] = 1
    assert_contract(build(method), foreground, background, alpha)
    assert_contract(build(method), foreground, background, 1 - alpha)


@every
def test_a_picture_over_itself_stays_the_same(method):
    _, photo, alpha = random_case((64, 80))
    assert np.abs(build(method)(photo, photo, alpha) - photo).max() < 1e-5


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 255.0])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_bad_values_are_refused(method, bad, which):
    case = random_case((8, 9))
    case[which][3, 4] = bad
    with pytest.raises(UsageError, match="finite values"):
        build(method)(*case)


@every
def test_unequal_sizes_and_types_are_refused(method):
    foreground, background, alpha = random_case((8, 9))
    with pytest.raises(UsageError, match="same size"):
        build(method)(foreground[1:], background, alpha)
    with pytest.raises(UsageError, match="float32"):
        build(method)((foreground * 255).astype(np.uint8), background, alpha)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("alpha", {"radius": 1}),
        ("feather", {"radius": -1}),
        ("multiband", {"reach": 0}),
        ("poisson", {"reach": 0}),
        ("poisson", {"size": 1}),
    ],
)
def test_options_out_of_bounds(method, options):
    with pytest.raises(UsageError):
        build(method, **options)


def smooth_pictures(height=480, width=640):
    """A photo of soft light on a wall, and its painting in other colours with brush strokes."""
    y, x = np.mgrid[0:height, 0:width] / width
    photo = np.stack([0.5 + 0.3 * np.sin(4 * x), 0.6 - 0.3 * y, 0.4 + 0.2 * x * y], axis=-1)
    strokes = 0.03 * np.sin(90 * x + 40 * y)[..., None]
    painting = photo[..., ::-1] * [0.6, 0.9, 0.7] + [0.2, 0.0, 0.1] + strokes
    return np.clip(painting, 0, 1).astype(np.float32), photo.astype(np.float32)


def masks(height=480, width=640):
    box = np.zeros((height, width), np.float32)
    box[:300, 240:] = 1
    disc = np.zeros((height, width), np.float32)
    cv2.circle(disc, (320, 240), 130, 1.0, -1)
    return {"box": box, "disc": disc, "soft": cv2.GaussianBlur(disc, (0, 0), 1.5), "hole": 1 - disc}


@softer
@pytest.mark.parametrize("name", masks())
def test_far_less_seam_than_a_hard_cut(method, name):
    foreground, background = smooth_pictures()
    alpha = np.clip(masks()[name], 0, 1)
    hard = np.where(alpha[..., None] > 0.5, foreground, background)
    blended = build(method)(foreground, background, alpha)
    assert score(hard, foreground, background, alpha) > 3
    assert score(blended, foreground, background, alpha) < 0.75 * score(
        hard, foreground, background, alpha
    )


@pytest.mark.parametrize("method", ["multiband", "poisson"])
def test_no_new_seam_where_alpha_begins(method):
    """Just inside of the border the result continues the untouched pixels."""
    foreground, background = smooth_pictures()
    alpha = masks()["box"]
    result = build(method, reach=0.1)(foreground, background, alpha)
    step = np.abs(result[5:280, 240] - result[5:280, 239]).mean()
    assert step < 0.04 < np.abs(foreground[5:280, 240] - background[5:280, 239]).mean()


@softer
def test_the_painting_is_untouched_far_from_the_border(method):
    foreground, background = smooth_pictures()
    result = build(method)(foreground, background, masks()["box"])
    assert np.abs(result[:100, 480:] - foreground[:100, 480:]).max() < 0.01


def test_wider_feather_is_softer():
    foreground, background = smooth_pictures()
    alpha = masks()["box"]
    scores = [
        score(
            build("feather", radius=r)(foreground, background, alpha), foreground, background, alpha
        )
        for r in (0, 0.01, 0.03, 0.1)
    ]
    assert (np.diff(scores) < 0).all()


@pytest.mark.parametrize("method", ["multiband", "poisson"])
def test_the_reach_says_how_deep_the_photo_comes_in(method):
    foreground, background = smooth_pictures()
    alpha = masks()["box"]
    change = [
        np.abs(build(method, reach=r)(foreground, background, alpha) - foreground)[
            :300, 240:
        ].mean()
        for r in (0.02, 0.1, 0.4)
    ]
    assert (np.diff(change) > 0).all()


@every
def test_what_the_mask_hides_of_hair_thin_parts_stays_finite(method):
    foreground, background, alpha = random_case((90, 90))
    alpha[:] = 0
    alpha[::7] = 1
    alpha[:, ::9] = 0.5
    assert_contract(build(method), foreground, background, alpha)


@softer
@pytest.mark.parametrize("name", ["box", "disc", "hole"])
def test_less_seam_than_a_hard_cut_on_a_real_photo(method, name, astronaut):
    """The painting stands in as the photo in few flat tones, its colour channels turned round."""
    tones = np.round(cv2.bilateralFilter(astronaut, 9, 0.2, 5) * 5) / 5
    painting = np.ascontiguousarray(np.clip(tones[..., ::-1] * 0.8, 0, 1).astype(np.float32))
    alpha = masks(*astronaut.shape[:2])[name]
    hard = np.where(alpha[..., None] > 0.5, painting, astronaut)
    blended = build(method)(painting, astronaut, alpha)
    cut = score(hard, painting, astronaut, alpha)
    assert score(blended, painting, astronaut, alpha) < 0.8 * cut
