"""EfficientNet-Lite0: names, counts, sizes, and values that the public port gave."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the encoders need the torch extra")

from sfumato.io import weights  # noqa: E402
from sfumato.nets import encoders  # noqa: E402
from sfumato.nets.efficientnet_lite import EfficientNetLite0  # noqa: E402

from .encoder_checks import check_dilation, check_sizes, count  # noqa: E402


def test_parameters_as_published():
    assert count(EfficientNetLite0(head=True)) == 4_652_008 - 1281 * 1000
    assert count(EfficientNetLite0()) == 3_371_008 - 320 * 1280 - 2 * 1280


@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_sizes(output_stride):
    check_sizes(EfficientNetLite0(output_stride=output_stride), (1, 1), (33, 47), (64, 32))


@pytest.mark.parametrize(("output_stride", "size"), [(16, (33, 45)), (8, (64, 32)), (8, (41, 30))])
def test_dilation_only_makes_features_denser(size, output_stride):
    check_dilation(EfficientNetLite0, output_stride, *size)


def test_features_do_not_jump_when_the_picture_grows_by_a_pixel():
    net = EfficientNetLite0().eval().requires_grad_(False)
    x = torch.randn(1, 3, 97, 97, generator=torch.Generator().manual_seed(0))
    whole, less = net(x)[0], net(x[..., :96, :96])[0]
    torch.testing.assert_close(whole[..., :46, :46], less[..., :46, :46])


def waves() -> torch.Tensor:
    """A picture, RGB 0..1, ``[1, 3, 224, 224]``, that needs no file and no random numbers."""
    line = torch.linspace(0, 1, 224)
    rows, columns = line[:, None], line[None]
    channels = [
        (6.0 * rows + 9.0 * columns).sin() + (f * rows * columns).cos() for f in (20.0, 35.0, 50.0)
    ]
    return (torch.stack(channels)[None] + 2) / 4


@pytest.mark.weights
def test_the_published_weights_give_what_the_public_port_gives():
    """Pinned once with efficientnet_lite_pytorch 0.1.0, ``extract_features``."""
    state = torch.load(weights.fetch("efficientnet-lite0-imagenet"), weights_only=True)
    net = EfficientNetLite0(head=True).eval().requires_grad_(False)
    assert set(state) - set(net.state_dict()) == {"_fc.weight", "_fc.bias"}
    net.load_state_dict({k: x for k, x in state.items() if not k.startswith("_fc")})
    found = net((waves() * 255 - 127) / 128)[-1]
    assert found.shape == (1, 1280, 7, 7)
    assert found.mean().item() == pytest.approx(0.180534, rel=1e-4)
    assert found.std().item() == pytest.approx(0.723431, rel=1e-4)
    top = found.mean(dim=(2, 3))[0].topk(5)
    assert top.indices.tolist() == [425, 755, 897, 405, 452]
    assert top.values.tolist() == pytest.approx(
        [5.09523, 4.07167, 3.66630, 3.17989, 3.05149], rel=1e-4
    )


@pytest.mark.weights
def test_loading_lets_it_take_imagenet_normalised_pictures():
    path = weights.fetch("efficientnet-lite0-imagenet")
    raw, net = (EfficientNetLite0(head=True).eval().requires_grad_(False) for _ in range(2))
    state = torch.load(path, weights_only=True)
    raw.load_state_dict({k: x for k, x in state.items() if not k.startswith("_fc")})
    encoders.load(net, path)
    mean = torch.tensor(encoders.IMAGENET_MEAN)[:, None, None]
    std = torch.tensor(encoders.IMAGENET_STD)[:, None, None]
    theirs, ours = (waves() * 255 - 127) / 128, (waves() - mean) / std
    stems = [n._bn0(n._conv_stem(x)) for n, x in ((raw, theirs), (net, ours))]
    torch.testing.assert_close(*(x[..., :-1, :-1] for x in stems), rtol=1e-4, atol=1e-4)
    # The last row and column see padding, which the two take for slightly different colours.
    deep = [n(x)[-1].mean(dim=(2, 3)) for n, x in ((raw, theirs), (net, ours))]
    assert torch.nn.functional.cosine_similarity(*deep).item() > 0.995
