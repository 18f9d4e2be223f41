"""AdaIN's maths against its plain formula, and its decoder against the file's own layout."""

from __future__ import annotations

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="AdaIN needs the torch extra")

from torch import nn  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.io import weights  # noqa: E402
from sfumato.nets import adain  # noqa: E402
from sfumato.nets.device import choose_device  # noqa: E402


def _random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_equal_weights_give_the_plain_statistics():
    features = _random(2, 5, 7, 9) * 3 - 1
    mean, std = adain.weighted_mean_std(features, torch.ones(2, 1, 7, 9), eps=0)
    torch.testing.assert_close(mean, features.mean(dim=(2, 3), keepdim=True))
    torch.testing.assert_close(std, features.std(dim=(2, 3), keepdim=True, correction=0))
    assert mean.shape == std.shape == (2, 5, 1, 1)


def test_the_size_of_the_weights_does_not_matter():
    features, area = _random(1, 4, 6, 6), _random(1, 1, 6, 6, seed=2)
    for found, same in zip(
        adain.weighted_mean_std(features, area),
        adain.weighted_mean_std(features, area * 0.01),
        strict=True,
    ):
        torch.testing.assert_close(found, same)


def test_a_hard_region_is_the_statistics_of_its_crop():
    features, area = _random(1, 4, 8, 8), torch.zeros(1, 1, 8, 8)
    area[..., 2:5, 1:7] = 1
    mean, std = adain.weighted_mean_std(features, area)
    crop = features[..., 2:5, 1:7]
    want_mean, want_std = adain.weighted_mean_std(crop, torch.ones(1, 1, 3, 6))
    torch.testing.assert_close(mean, want_mean)
    torch.testing.assert_close(std, want_std)


def test_what_lies_outside_does_not_change_the_statistics():
    features, area = _random(1, 4, 8, 8), torch.zeros(1, 1, 8, 8)
    area[..., :4, :] = 0.5
    before = adain.weighted_mean_std(features, area)
    features[..., 4:, :] = 1e4
    for old, new in zip(before, adain.weighted_mean_std(features, area), strict=True):
        torch.testing.assert_close(new, old, rtol=0, atol=0)


def test_a_soft_border_counts_in_part():
    features = torch.tensor([0.0, 1.0, 5.0]).reshape(1, 1, 1, 3)
    area = torch.tensor([1.0, 0.5, 0.0]).reshape(1, 1, 1, 3)
    mean, std = adain.weighted_mean_std(features, area, eps=0)
    assert mean.item() == pytest.approx(1 / 3)
    assert std.item() == pytest.approx((2 / 9) ** 0.5)


def test_constant_features_and_empty_regions_stay_finite():
    for area in (torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)):
        restyled = adain.adain(
            torch.full((1, 3, 4, 4), 2.0), torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1), area
        )
        assert restyled.isfinite().all()


def test_adain_gives_the_region_the_style_statistics():
    content, area = _random(1, 6, 9, 9), _random(1, 1, 9, 9, seed=3)
    mean, std = _random(1, 6, 1, 1, seed=4), _random(1, 6, 1, 1, seed=5) + 0.5
    restyled = adain.adain(content, mean, std, area)
    found_mean, found_std = adain.weighted_mean_std(restyled, area, eps=0)
    torch.testing.assert_close(found_mean, mean, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found_std, std, atol=1e-3, rtol=1e-3)


def test_the_gain_is_bounded_around_the_mean():
    content = 5 + 1e-3 * _random(1, 2, 8, 8)
    one, area = torch.ones(1, 2, 1, 1), torch.ones(1, 1, 8, 8)
    restyled = adain.adain(content, 0 * one, one, area, most=3.0)
    assert restyled.abs().max() < 3e-3
    torch.testing.assert_close(restyled.mean(dim=(2, 3)), torch.zeros(1, 2), atol=1e-5, rtol=0)


def test_shares_sum_to_one_and_continue_beyond_their_region():
    areas = torch.zeros(2, 1, 20, 30)
    areas[0, ..., :10] = 1
    areas[1, ..., 20:] = 1
    shares = adain.shares(areas)
    torch.testing.assert_close(shares.sum(dim=0), torch.ones(1, 20, 30))
    assert shares[0, 0, :, :10].min() > 0.99  # inside
    assert shares[1, 0, :, 20:].min() > 0.99
    assert shares[0, 0, :, 10:13].min() > 0.9  # beyond, near the first
    assert shares[1, 0, :, 17:20].min() > 0.9
    assert (adain.shares(areas[:1]) == 1).all()


def test_the_decoder_mirrors_the_encoder():
    net = adain.Decoder()
    assert net(torch.rand(1, 512, 3, 2)).shape == (1, 3, 24, 16)
    assert sum(p.numel() for p in net.parameters()) == 3_505_219


@pytest.mark.weights
def test_the_decoder_against_a_plain_sequential():
    path = weights.fetch("adain-decoder")
    widths = [512, 256, 256, 256, 256, 128, 128, 64, 64, 3]
    layers = []
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]
        if i in (0, 4, 6):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    plain = nn.Sequential(*layers[:-1])
    plain.load_state_dict(torch.load(path, weights_only=True))
    features = _random(1, 512, 5, 4)
    with torch.no_grad():
        torch.testing.assert_close(adain.load_decoder(path)(features), plain(features))


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        choose_device("tpu")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_absent_device_is_a_clear_error(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=f"'{device}' is not available.*'cpu'"):
        choose_device(device)
    assert choose_device("auto").type == "cpu"
