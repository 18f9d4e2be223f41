"""Single things from nets of a few nodes in the layouts of YOLO-seg, Mask R-CNN, Mask2Former."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import Settings, cut, registry
from sfumato.errors import UsageError, WeightsError
from sfumato.types import Context

from ..small_nets import answering, red_net, two_things


def build(**options):
    return registry.build("segment", "instances", Context(device="cpu"), options)


def picture(height, width):
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def bounds(mask):
    """x0, y0, x1, y1."""
    ys, xs = np.nonzero(mask)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def test_yolo_boxes_and_masks(tmp_path):
    net = build(file=two_things(tmp_path / "two.onnx"))
    assert net.classes == ("person",)
    segments = net(picture(64, 64))
    assert segments.labels == ("person", "person")  # the double and the faint one are gone
    assert segments.scores == pytest.approx((0.9, 0.8))
    assert bounds(segments.masks[0]) == (4, 8, 28, 56)
    assert bounds(segments.masks[1]) == (40, 16, 52, 40)
    assert segments.soft[0][30, 10] == pytest.approx(1, abs=1e-4)


def test_yolo_padding_is_taken_off_again(tmp_path):
    # 64 x 128: the net sees it as 32 x 64 at the top of its square.
    segments = build(file=two_things(tmp_path / "two.onnx"))(picture(64, 128))
    assert bounds(segments.masks[0]) == (8, 16, 56, 64)
    assert bounds(segments.masks[1]) == (80, 32, 104, 64)


def test_yolo_options(tmp_path):
    path = two_things(tmp_path / "two.onnx")
    image = picture(64, 64)
    assert len(build(file=path, least=0.85)(image).labels) == 1
    assert len(build(file=path, overlap=1)(image).labels) == 3
    assert len(build(file=path, least=0.1)(image).labels) == 3


def test_yolo_of_a_free_size(tmp_path):
    free = two_things(tmp_path / "two.onnx", shape=(1, 3, "height", "width"))
    segments = build(file=free, size=64)(picture(64, 64))
    assert bounds(segments.masks[1]) == (40, 16, 52, 40)


def test_regions_pick_single_persons(tmp_path):
    options = {"instances": {"file": str(two_things(tmp_path / "two.onnx"))}}
    settings = Settings(segmenter="instances", options=options)
    image = np.full((64, 64, 3), 0.5, np.float32)
    image[::2] = 0.3
    first, second, largest = (
        cut(image, f"person:{pick}", settings).alpha for pick in ("1", "2", "largest")
    )
    assert first[30, 15] > 0.9 > 0.1 > first[30, 45]
    assert second[28, 45] > 0.9 > 0.1 > second[30, 15]
    np.testing.assert_array_equal(first, largest)


def rcnn(path, masks, shape, labels=(1, 18, 44)):
    boxes = np.array([[8, 16, 24, 32], [32, 0, 64, 64], [0, 0, 64, 64]], np.float32)
    scores = np.array([0.9, 0.8, 0.3], np.float32)
    outputs = {
        "boxes": boxes, "labels": np.array(labels), "scores": scores, "masks": masks,
    }  # fmt: skip
    return answering(path, outputs, shape)


def test_mask_rcnn_with_masks_by_the_box(tmp_path):
    masks = np.full((3, 1, 28, 28), 0.9, np.float32)
    masks[1, 0, :14] = 0.1
    net = build(file=rcnn(tmp_path / "rcnn.onnx", masks, (3, 64, 64)))
    segments = net(picture(64, 64))
    assert segments.labels == ("person", "horse")  # numbered without gaps
    assert bounds(segments.masks[0]) == (8, 16, 24, 32)
    assert bounds(segments.masks[1]) == (32, 32, 64, 64)


def test_mask_rcnn_with_masks_of_the_whole_picture(tmp_path):
    masks = np.zeros((3, 1, 128, 128), np.float32)
    masks[0, 0, 16:40, 8:40] = masks[1, 0, 64:, 64:] = 1
    path = rcnn(tmp_path / "rcnn.onnx", masks, (1, 3, 128, 128))
    segments = build(file=path)(picture(64, 64))
    assert segments.labels == ("person",)  # the second mask lies outside its box
    assert bounds(segments.masks[0]) == (4, 8, 12, 16)


def test_coco_numbers_with_gaps(tmp_path):
    masks = np.ones((3, 1, 128, 128), np.float32)
    path = rcnn(tmp_path / "rcnn.onnx", masks, (3, 128, 128), labels=(90, 13, 12))
    segments = build(file=path, least=0)(picture(64, 64))
    assert segments.labels == ("toothbrush", "stop sign")  # 12 is nothing


def test_class_names_from_a_list(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("cow\n\n", encoding="utf-8")
    net = build(file=two_things(tmp_path / "two.onnx"), names=names)
    assert net.classes == ("cow",)
    assert net(picture(64, 64)).labels == ("cow", "cow")


def test_what_is_no_such_net(tmp_path):
    with pytest.raises(UsageError, match=r"instances\.model=NAME"):
        build()
    with pytest.raises(UsageError, match=r"instances\.model=NAME"):
        build(model="a", file="b.onnx")
    with pytest.raises(UsageError, match="no file"):
        build(file=tmp_path / "no.onnx")
    with pytest.raises(WeightsError, match="neither as YOLO-seg"):
        build(file=red_net(tmp_path / "red.onnx"))(picture(64, 64))
    with pytest.raises(WeightsError, match="for 80 classes"):
        build(file=two_things(tmp_path / "two.onnx", names=""))(picture(64, 64))


@pytest.fixture(scope="module")
def small_mask2former(tmp_path_factory):
    """A folder with a random Mask2Former on a small Swin."""
    torch = pytest.importorskip("torch", reason="needs the segformer extra")
    pytest.importorskip("transformers", reason="needs the segformer extra")
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    torch.manual_seed(0)
    swin = SwinConfig(
        image_size=64, embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=swin, hidden_dim=32, feature_size=32, mask_feature_size=32,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=16,
        encoder_feedforward_dim=16, num_queries=6, id2label={0: "person", 1: "dog"},
        label2id={"person": 0, "dog": 1},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("mask2former")
    Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_mask2former_from_a_folder(small_mask2former):
    net = build(model=str(small_mask2former), least=0.05, size=64)
    assert net.classes == ("person", "dog")
    image = picture(70, 90)
    segments = net(image)
    assert segments.masks.shape[1:] == (70, 90)
    assert 0 < len(segments.labels) <= 6
    assert list(segments.scores) == sorted(segments.scores, reverse=True)
    np.testing.assert_array_equal(net(image).masks, segments.masks)
    assert build(model=str(small_mask2former), least=0.99)(image).labels == ()


@pytest.mark.slow
def test_another_net_in_the_folder_is_refused(tmp_path):
    pytest.importorskip("transformers", reason="needs the segformer extra")
    from transformers import SwinConfig

    SwinConfig().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="is a swin"):
        build(model=str(tmp_path))
    with pytest.raises(WeightsError, match="hf download somebody/something"):
        build(model="somebody/something")
