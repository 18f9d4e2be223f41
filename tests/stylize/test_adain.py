"""The AdaIN stylizer: sizes, regions, sharing, tiles; with small stand-in nets where they do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="AdaIN needs the torch extra")

from sfumato import registry  # noqa: E402
from sfumato.errors import UsageError  # noqa: E402
from sfumato.nets import adain as nets  # noqa: E402
from sfumato.nets import vgg  # noqa: E402
from sfumato.stylize import adain  # noqa: E402
from sfumato.types import Context, Style  # noqa: E402


class Counted:
    """A function that remembers the sizes that it was called with."""

    def __init__(self, function):
        self.function, self.sizes = function, []

    def __call__(self, x):
        self.sizes.append(tuple(x.shape[2:]))
        return self.function(x)


def _stand_in(**options):
    """AdaIN whose features are the cells' mean colours: exact, instant, no weights."""
    options = {"least_side": 16, "style_size": 128} | options
    encode = Counted(lambda x: torch.nn.functional.avg_pool2d(x, 8))
    decode = Counted(lambda x: torch.nn.functional.interpolate(x, scale_factor=8))
    device = torch.device("cpu")
    painter = adain.AdaIN(adain.Options(**options), encode=encode, decode=decode, device=device)
    return painter, encode, decode


def _picture(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def _style(seed=7, low=0.0, high=1.0):
    return Style(f"style {seed}", image=low + (high - low) * _picture(128, 128, seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([16, 64]))
def test_the_result_has_exactly_the_size_of_the_input(height, width, least_side):
    painter, _, _ = _stand_in(least_side=least_side)
    content = _picture(height, width)
    painted = painter(content, _style())
    assert painted.shape == content.shape
    assert painted.dtype == np.float32
    assert 0 <= painted.min() <= painted.max() <= 1


def test_two_regions_with_two_styles_share_one_encode_and_one_decode():
    painter, encode, decode = _stand_in()
    left = np.zeros((64, 96), np.float32)
    left[:, :40] = 1
    layers = [(_style(1), left), (_style(2), 1 - left)]
    painter.paint_many(_picture(64, 96), layers)
    assert encode.sizes.count((64, 96)) == 1
    assert len(encode.sizes) == 1 + 2  # and each style picture once
    assert len(decode.sizes) == 1
    painter.paint_many(_picture(64, 96, seed=3), layers)
    assert len(encode.sizes) == 3 + 1  # the styles are remembered
    assert len(decode.sizes) == 2


def test_each_region_takes_its_own_style():
    painter, _, _ = _stand_in()
    left = np.zeros((64, 96), np.float32)
    left[:, :48] = 1
    dark, light = _style(1, 0.0, 0.2), _style(2, 0.8, 1.0)
    painted = painter.paint_many(_picture(64, 96), [(dark, left), (light, 1 - left)])
    assert painted[:, :48].max() < 0.4
    assert painted[:, 48:].min() > 0.6


def test_later_layers_lie_over_earlier_ones():
    painter, encode, _ = _stand_in()
    content, whole = _picture(40, 40), np.ones((40, 40), np.float32)
    both = painter.paint_many(content, [(_style(1), whole), (_style(2), whole)])
    assert len(encode.sizes) == 2  # a style that is wholly covered costs nothing
    np.testing.assert_array_equal(both, painter(content, _style(2)))


def test_a_style_picture_is_read_once_and_known_by_its_content():
    painter, encode, _ = _stand_in()
    style = _style()
    painter(_picture(40, 40), style)
    painter(_picture(40, 40), Style("a copy", image=style.image.copy()))
    assert len(encode.sizes) == 3
    painter(_picture(40, 40), _style(8))
    assert len(encode.sizes) == 5


def test_the_memory_of_styles_is_bounded(monkeypatch):
    monkeypatch.setattr(adain, "CACHED_STYLES", 2)
    painter, _, _ = _stand_in()
    for seed in range(4):
        painter(_picture(16, 16), _style(seed))
    assert len(painter._styles) == 2


def test_what_lies_outside_the_region_does_not_change_what_is_painted_inside():
    painter, _, _ = _stand_in()
    region = np.zeros((64, 64), np.float32)
    region[:, :32] = 1
    content = _picture(64, 64)
    changed = content.copy()
    changed[:, 32:] = 0
    one, other = (painter(c, _style(), region=region) for c in (content, changed))
    np.testing.assert_array_equal(one[:, :32], other[:, :32])
    assert np.abs(painter(content, _style()) - one)[:, :32].max() > 1e-3  # it does without


@pytest.mark.parametrize("region", ["none", "empty", "pixel"])
def test_odd_regions(region):
    painter, encode, _ = _stand_in()
    alpha = np.zeros((30, 50), np.float32)
    content = _picture(30, 50)
    if region == "pixel":
        alpha[4, 5] = 0.3
    if region == "none":
        np.testing.assert_array_equal(painter.paint_many(content, []), content)
    else:
        painted = painter(content, _style(), region=alpha)
        assert np.isfinite(painted).all()
        if region == "empty":
            np.testing.assert_array_equal(painted, content)
            assert encode.sizes == []
            assert painted is not content


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_pictures_stay_finite(value):
    painter, _, _ = _stand_in()
    flat = np.full((24, 24, 3), value, np.float32)
    painted = painter(flat, _style())
    assert np.isfinite(painted).all()
    assert painted.std(axis=(0, 1)).max() < 1e-3
    assert np.isfinite(painter(_picture(24, 24), Style("flat", image=flat))).all()


def test_alpha_leads_from_the_content_to_the_style():
    content = np.repeat(np.repeat(_picture(8, 8), 8, axis=0), 8, axis=1)
    none, half, full = (_stand_in(alpha=a)[0](content, _style(1, 0, 0.3)) for a in (0, 0.5, 1))
    np.testing.assert_allclose(none, content, atol=1e-5)
    np.testing.assert_allclose(half, (none + full) / 2, atol=1e-5)
    assert full.mean() < content.mean() - 0.1


def test_style_scale_is_the_size_at_which_the_style_is_read():
    for scale, side in ((0.5, 64), (1, 128), (2, 256)):
        painter, encode, _ = _stand_in(style_scale=scale)
        painter(_picture(16, 16), _style())
        assert (side, side) in encode.sizes


@pytest.mark.parametrize(
    ("shape", "painted_at"),
    [
        ((300, 200), (768, 512)),  # to the least side
        ((10, 10), (40, 40)),  # at most four times
        ((200, 1300), (408, 2616)),  # at most a megapixel, in whole cells
        ((600, 900), (600, 904)),  # large enough
    ],
)
def test_small_photos_are_painted_enlarged_but_not_without_end(shape, painted_at, monkeypatch):
    monkeypatch.setattr(adain, "TILE", 1000)
    painter, encode, _ = _stand_in(least_side=512)
    painter(np.full((*shape, 3), 0.5, np.float32), _style())
    assert encode.sizes == [(128, 128), painted_at]


def test_large_work_is_painted_smaller():
    painter, encode, _ = _stand_in(max_megapixels=0.1)
    painted = painter(_picture(500, 800), _style())
    assert painted.shape == (500, 800, 3)
    assert encode.sizes == [(128, 128), (256, 400)]


def test_progress_runs_from_tile_to_tile_up_to_one(monkeypatch):
    monkeypatch.setattr(adain, "TILE", 4)
    painter, _, _ = _stand_in()
    said = []
    painter(_picture(64, 64), _style(), progress=said.append)
    assert said == sorted(said)
    assert len(said) == 1 + 4 + 4
    assert said[-1] == 1


def test_a_style_without_a_picture_is_a_clear_error():
    painter, _, _ = _stand_in()
    with pytest.raises(UsageError, match=r"adain needs a style picture.*'sfumato styles'"):
        painter(_picture(16, 16), Style("3", net="magenta", index=3))


@pytest.mark.parametrize("where", ["content", "style", "region", "size"])
def test_unusable_arrays_are_refused(where):
    painter, _, _ = _stand_in()
    content, style, region = _picture(16, 16), _style(), np.ones((16, 16), np.float32)
    if where == "size":
        region = region[:8]
    else:
        {"content": content, "style": style.image, "region": region}[where][2, 3] = np.nan
    with pytest.raises(UsageError, match="size" if where == "size" else "NaN"):
        painter(content, style, region=region)


def _random_nets(options):
    """The real architecture with random weights, drawn so that signals keep their strength."""
    torch.manual_seed(0)
    encoder, decoder = vgg.VGG19(layers=["relu4_1"]), nets.Decoder()
    for net in (encoder, decoder):
        for name, parameter in net.named_parameters():
            if name.endswith("weight"):
                torch.nn.init.kaiming_normal_(parameter)
    return adain.AdaIN(
        adain.Options(**options),
        encode=lambda x: encoder(x)["relu4_1"],
        decode=lambda x: 0.5 + 0.05 * decoder(x),
        device=torch.device("cpu"),
    )


def test_tiles_equal_the_whole(monkeypatch):
    painter = _random_nets({"least_side": 16, "style_size": 128})
    content = _picture(69, 117)
    left = np.linspace(0, 1, 117, dtype=np.float32) * np.ones((69, 1), np.float32)
    layers = [(_style(), left), (_style(2, 0.3, 0.6), 1 - left)]
    whole = painter.paint_many(content, layers)
    assert whole.std() > 0.02
    monkeypatch.setattr(adain, "TILE", 8)
    np.testing.assert_allclose(painter.paint_many(content, layers), whole, atol=1e-4)
    monkeypatch.setattr(adain, "REACH", 3)  # proves that the margin is needed, and enough
    assert np.abs(painter.paint_many(content, layers) - whole).max() > 1e-3


@pytest.fixture(scope="module")
def painter():
    return registry.build("stylize", "adain", Context(device="cpu"), {"least_side": 16})


@pytest.fixture(scope="module")
def waves():
    """A style picture of soft blue and ochre bands."""
    y, x = np.mgrid[0:256, 0:256].astype(np.float32) / 16
    bands = 0.5 + 0.5 * np.sin(x + 2 * np.sin(y / 2))
    ends = np.array([[0.1, 0.2, 0.5], [0.9, 0.7, 0.3]], np.float32)
    return Style("waves", image=(ends[0] + (ends[1] - ends[0]) * bands[..., None]).astype("f4"))


@pytest.mark.weights
def test_the_decoder_gives_the_photo_back_when_nothing_is_restyled(astronaut, waves):
    photo = astronaut[:200, 120:330]
    plain = registry.build("stylize", "adain", Context(), {"least_side": 16, "alpha": 0})
    assert np.abs(plain(photo, waves) - photo).mean() < 0.12


@pytest.mark.weights
def test_a_photo_takes_on_the_colours_of_the_style(painter, astronaut, waves):
    photo = astronaut[:200, 120:330]
    painted = painter(photo, waves)
    target = waves.image.mean(axis=(0, 1))
    before, after = (np.abs(p.mean(axis=(0, 1)) - target).mean() for p in (photo, painted))
    assert after < before / 2


@pytest.mark.weights
def test_tiles_of_a_photo_equal_the_whole(painter, astronaut, waves, monkeypatch):
    photo = astronaut[:120, 150:300]
    whole = painter(photo, waves)
    monkeypatch.setattr(adain, "TILE", 10)
    assert np.abs(painter(photo, waves) - whole).max() < 1e-2


@pytest.mark.weights
def test_a_small_region_does_not_turn_to_noise(painter, astronaut, waves):
    """Without a bound on the gain more than half of these pixels are at the ends of the range."""
    region = np.zeros((200, 210), np.float32)
    region[10:40, 10:40] = 1  # flat background
    inside = painter(astronaut[:200, 120:330], waves, region=region)[10:40, 10:40]
    assert ((inside == 0) | (inside == 1)).mean() < 0.1
