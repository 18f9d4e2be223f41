"""MobileNetV2: names, counts, sizes, and values against the implementation in transformers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the encoders need the torch extra")

from sfumato.errors import UsageError  # noqa: E402
from sfumato.io import weights  # noqa: E402
from sfumato.nets.mobilenet import MobileNetV2  # noqa: E402

from .encoder_checks import alive, check_dilation, check_sizes, count, picture  # noqa: E402


def test_parameters_as_published():
    assert count(MobileNetV2(head=True)) == 2_223_872  # 3_504_872 less the classifier
    assert count(MobileNetV2()) == 2_223_872 - 320 * 1280 - 2 * 1280


def test_names_are_torchvisions():
    names = list(MobileNetV2(head=True).state_dict())
    assert len(names) == 312  # 314 less the classifier's two
    assert names[0] == "features.0.0.weight"
    assert "features.1.conv.1.weight" in names
    assert "features.17.conv.3.running_var" in names
    assert names[-1] == "features.18.1.num_batches_tracked"


@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_sizes(output_stride):
    check_sizes(MobileNetV2(output_stride=output_stride), (1, 1), (33, 47), (64, 32))


@pytest.mark.parametrize(("output_stride", "size"), [(16, (33, 45)), (8, (64, 32)), (8, (41, 30))])
def test_dilation_only_makes_features_denser(size, output_stride):
    check_dilation(MobileNetV2, output_stride, *size)


def test_another_output_stride_is_refused():
    with pytest.raises(UsageError, match="8, 16 or 32, got 4"):
        MobileNetV2(output_stride=4)


def _reference(state):
    """MobileNetV2 of transformers with torch's padding, filled in the order of the tensors."""
    transformers = pytest.importorskip("transformers")
    config = transformers.MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5)
    net = transformers.MobileNetV2Model(config, add_pooling_layer=False).eval()
    own = net.state_dict()
    assert len(own) == len(state)
    net.load_state_dict(dict(zip(own, state.values(), strict=True)))
    return net


def _compare(net, size):
    reference, x = _reference(net.state_dict()), picture(*size)
    with torch.no_grad():
        found = net(x)
        expected = reference(x, output_hidden_states=True)
    # The reference's hidden states begin after features.2.
    for i, k in ((1, 3), (2, 6), (3, 13)):
        torch.testing.assert_close(found[i], expected.hidden_states[k - 2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[4], expected.last_hidden_state, rtol=1e-4, atol=1e-4)
    return found


def test_random_weights_against_transformers():
    torch.manual_seed(0)
    _compare(alive(MobileNetV2(head=True)), (96, 65))


@pytest.mark.weights
def test_the_published_weights_against_transformers(astronaut):
    net = MobileNetV2(head=True).eval()
    state = torch.load(weights.fetch("mobilenetv2-imagenet"), weights_only=True)
    net.load_state_dict({k: x for k, x in state.items() if not k.startswith("classifier")})
    found = _compare(net, (128, 96))
    assert 0.05 < found[4].mean() < 2
