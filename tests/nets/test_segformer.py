"""SegFormer: published sizes, public checkpoints in both formats, the hub's cache, any size."""

from __future__ import annotations

import json
import sys

import pytest

torch = pytest.importorskip("torch", reason="the nets need the torch extra")
pytest.importorskip("transformers", reason="SegFormer needs the segformer extra")

from safetensors.torch import save_file  # noqa: E402

from sfumato.errors import MissingExtraError, UsageError, WeightsError  # noqa: E402
from sfumato.nets import segformer  # noqa: E402
from sfumato.nets.segformer import SIZES, SegFormer  # noqa: E402

PUBLISHED = {"b0": 3.8, "b1": 13.7, "b2": 27.5, "b3": 47.3, "b4": 64.1, "b5": 84.7}
"""Millions of parameters with 150 classes (table 1 of the paper)."""


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return SegFormer(classes=2, decoder_width=32).eval()


@pytest.mark.parametrize("variant", segformer.VARIANTS)
def test_as_many_parameters_as_published(variant):
    with torch.device("meta"):
        net = SegFormer(classes=150, variant=variant, decoder_width=SIZES[variant].decoder)
    count = sum(p.numel() for p in net.parameters())
    assert count / 1e6 == pytest.approx(PUBLISHED[variant], abs=0.1)


@pytest.mark.parametrize("size", [(1, 1), (20, 70), (33, 29), (64, 64), (75, 131)])
def test_any_size_in_same_size_out(net, size):
    with torch.no_grad():
        found = net(torch.randn(2, 3, *size))
    assert found.shape == (2, 2, *size)
    assert found.isfinite().all()


def test_logits_are_the_librarys_enlarged(net):
    image = torch.randn(1, 3, 75, 131)
    with torch.no_grad():
        quarter = net.model(pixel_values=image).logits
        assert quarter.shape == (1, 2, 19, 33)
        want = torch.nn.functional.interpolate(quarter, (75, 131), mode="bilinear")
        torch.testing.assert_close(net(image), want)


def test_tensors_have_the_public_checkpoints_names(net):
    names = set(net.state_dict())
    for name in (
        "segformer.encoder.patch_embeddings.0.proj.weight",
        "segformer.encoder.patch_embeddings.3.layer_norm.bias",
        "segformer.encoder.block.0.1.layer_norm_1.weight",
        "segformer.encoder.block.0.0.attention.self.query.weight",
        "segformer.encoder.block.1.0.attention.self.key.bias",
        "segformer.encoder.block.1.0.attention.self.value.weight",
        "segformer.encoder.block.2.1.attention.self.sr.weight",
        "segformer.encoder.block.2.1.attention.self.layer_norm.weight",
        "segformer.encoder.block.3.1.attention.output.dense.weight",
        "segformer.encoder.block.3.1.layer_norm_2.bias",
        "segformer.encoder.block.0.0.mlp.dense1.weight",
        "segformer.encoder.block.0.0.mlp.dwconv.dwconv.weight",
        "segformer.encoder.block.0.0.mlp.dense2.bias",
        "segformer.encoder.layer_norm.3.weight",
        "decode_head.linear_c.0.proj.weight",
        "decode_head.linear_fuse.weight",
        "decode_head.batch_norm.running_var",
        "decode_head.classifier.bias",
    ):
        assert name in names
    assert not any("stages" in name or "model." in name for name in names)


def test_state_goes_round_inside_other_modules_too(net):
    outer = torch.nn.ModuleDict({"a": net})
    other = torch.nn.ModuleDict({"a": SegFormer(classes=2, decoder_width=32)})
    rooms = ("a.segformer.encoder.", "a.decode_head.")
    assert all(key.startswith(rooms) for key in outer.state_dict())
    assert str(other.load_state_dict(outer.state_dict())) == "<All keys matched successfully>"
    torch.testing.assert_close(dict(other["a"].state_dict()), dict(net.state_dict()))
    broken = outer.state_dict()
    broken.pop("a.segformer.encoder.layer_norm.3.weight")
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(broken)


@pytest.fixture(scope="module")
def published(net, tmp_path_factory):
    """A folder as the library itself writes it."""
    folder = tmp_path_factory.mktemp("published")
    net.model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("form", ["folder", "safetensors", "bin"])
def test_public_checkpoints(net, published, tmp_path, form):
    path = published
    if form == "safetensors":
        path = published / "model.safetensors"
    elif form == "bin":
        path = tmp_path / "pytorch_model.bin"
        torch.save(dict(net.state_dict()), path)
    found = segformer.open_checkpoint(path)
    assert (found.classes, found.variant, found.decoder_width) == (2, "b0", 32)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(found(image), net(image))


def test_the_file_of_the_library_has_the_public_names(net, published):
    from safetensors.torch import load_file

    assert set(load_file(published / "model.safetensors")) == set(net.state_dict())


def test_other_classes_leave_the_last_layer_alone(net, published):
    other = SegFormer(classes=5, decoder_width=32)
    before = other.state_dict()["decode_head.classifier.weight"].clone()
    assert segformer.load(other, published) == segformer.CLASSIFIER
    after = other.state_dict()
    torch.testing.assert_close(after["decode_head.classifier.weight"], before)
    for key in ("decode_head.linear_fuse.weight", "segformer.encoder.layer_norm.3.weight"):
        torch.testing.assert_close(after[key], net.state_dict()[key])


def test_an_encoder_of_imagenet(net, tmp_path):
    path = tmp_path / "encoder.safetensors"
    encoder = {k: x for k, x in net.state_dict().items() if k.startswith("segformer.")}
    save_file(encoder | {"classifier.weight": torch.zeros(1000, 256)}, path)
    other = SegFormer(classes=2, decoder_width=64)
    left = segformer.load(other, path)
    assert left
    assert all(key.startswith("decode_head.") for key in left)
    torch.testing.assert_close(dict(other.encoder.state_dict()), dict(net.encoder.state_dict()))
    with pytest.raises(WeightsError, match="has no decoder"):
        segformer.open_checkpoint(path)
    assert segformer.open_checkpoint(path, classes=3).decoder_width == 256


def test_files_of_other_nets(net, tmp_path, published):
    other = tmp_path / "other.safetensors"
    save_file({"conv.weight": torch.zeros(1)}, other)
    with pytest.raises(WeightsError, match="does not hold SegFormer"):
        segformer.open_checkpoint(other)
    with pytest.raises(WeightsError, match="does not fit SegFormer b1"):
        segformer.load(SegFormer(classes=2, variant="b1"), published)
    with pytest.raises(WeightsError, match="has neither"):
        segformer.open_checkpoint(tmp_path)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes((published / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(WeightsError, match="cannot be read"):
        segformer.open_checkpoint(torn)
    state = {k: x for k, x in net.state_dict().items() if ".block.0.1." not in k}
    save_file(state, other)
    with pytest.raises(WeightsError, match="none of MiT-B0"):
        segformer.open_checkpoint(other)
    with pytest.raises(FileNotFoundError):
        segformer.open_checkpoint(tmp_path / "absent.bin")


class _Bad:
    def __reduce__(self):
        return (sys.exit, ("ran",))


def test_nothing_in_a_file_is_run(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save({"segformer.encoder.x": _Bad()}, path)
    with pytest.raises(WeightsError, match="cannot be read"):
        segformer.open_checkpoint(path)


def test_the_hubs_cache(net, published, tmp_path):
    with pytest.raises(
        UsageError, match=r"owner/net is not in the hub's cache .*`hf download owner/net`"
    ):
        segformer.from_hub("owner/net", cache=tmp_path)
    folder = tmp_path / "models--owner--net"
    snapshot = folder / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(published)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    found = segformer.from_hub("owner/net", cache=tmp_path)
    torch.testing.assert_close(dict(found.state_dict()), dict(net.state_dict()))
    with pytest.raises(UsageError, match="no name on the hub"):
        segformer.from_hub("a/b/c", cache=tmp_path)


def test_names_of_classes(tmp_path):
    named = {"id2label": {"1": "person", "0": "wall"}}
    (tmp_path / "config.json").write_text(json.dumps(named))
    assert segformer.class_names(tmp_path) == ("wall", "person")
    for content in ("{}", "[", json.dumps({"id2label": {"0": "a", "7": "b"}})):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(WeightsError, match="does not name the classes"):
            segformer.class_names(tmp_path)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"sfumato\[segformer\]"):
        SegFormer(classes=2)


def test_an_unknown_variant():
    with pytest.raises(UsageError, match="variant must be"):
        SegFormer(classes=2, variant="b6")
