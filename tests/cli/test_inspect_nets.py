"""``sfumato inspect features`` and ``sfumato inspect saliency``: files, numbers, sentences."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.inspect import _figures
from sfumato.nets import segmenters


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Figures of 500 pixels' width are drawn in a moment."""
    monkeypatch.setattr(_figures, "DPI", 50)


@pytest.fixture
def net(tmp_path):
    """A small net as 'sfumato train' writes it, which finds somebody somewhere."""
    import torch

    torch.manual_seed(0)
    built = segmenters.build("unet", classes=2, width=4)
    with torch.no_grad():
        built.net.score.bias.zero_()
    segmenters.save(built, tmp_path / "mine.safetensors", class_names=["background", "person"])
    return tmp_path / "mine.safetensors"


@pytest.fixture
def noise(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    PillowImage.fromarray(pixels).save(tmp_path / "noise.png")
    return tmp_path / "noise.png"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_features_in_a_folder(run, noise, net, tmp_path):
    layers = ("--layer", "contract.blocks.0", "--layer", "score")
    result = run(
        "inspect", "features", noise, "--net", net, *layers, "--steps", "3", "--top", "2",
        "--size", "48", "-o", tmp_path / "out", "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert (result.code, result.out) == (0, "")
    assert "contract.blocks.0: 4 channels, a cell sees 5×5 px\n" in result.err
    assert names(tmp_path / "out") == ["gram.png", "inversion.png", "maps.png"]  # no styles
    record = json.loads((tmp_path / "out.json").read_text())
    first, last = record["layers"]
    assert (first["receptive_field"], first["channels"]) == ([5, 5], 4)
    assert (first["height"], first["width"]) == (36, 48)
    assert (last["layer"], last["channels"]) == ("score", 2)
    assert [one["steps"] for one in record["inversion"]] == [3, 3]


def test_features_in_one_file_by_default(run, noise, net):
    asked = ("--net", net, "--layer", "score", "--parts", "maps")
    assert run("inspect", "features", noise, *asked, "--quiet").err == ""
    target = noise.with_name("noise-features.png")
    assert PillowImage.open(target).size[0] == 500
    again = run("inspect", "features", noise, *asked)
    assert again.code == 2
    assert "exists already" in again.err


def test_the_list_of_layers(run, noise, net):
    result = run("inspect", "features", noise, "--net", net, "--layers")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].split() == ["layer", "channels", "cells", "stride", "a", "cell", "sees"]
    assert lines[1].split() == ["contract.blocks.0.0", "4", "64×48", "1", "3×3", "px"]
    assert not noise.with_name("noise-features.png").exists()


def test_an_interrupted_inversion_is_kept(run, noise, net, monkeypatch, tmp_path):
    from sfumato.inspect import inversion

    whole = inversion.invert

    def stopped(*arguments, watch, **options):
        def stop(step, picture):
            watch(step, picture)
            if step.number == 2:
                raise KeyboardInterrupt

        return whole(*arguments, watch=stop, **options)

    monkeypatch.setattr(inversion, "invert", stopped)
    result = run(
        "inspect", "features", noise, "--net", net, "--layer", "score", "--layer",
        "contract.blocks.0", "--parts", "inversion", "-o", tmp_path / "a.png", "--json",
        tmp_path / "a.json",
    )  # fmt: skip
    assert result.code == 130
    assert "interrupted: kept what there was so far" in result.err
    made = json.loads((tmp_path / "a.json").read_text())["inversion"]
    assert [(one["steps"], one["interrupted"]) for one in made] == [(2, True)]
    assert (tmp_path / "a.png").exists()


def test_saliency_in_a_folder(run, noise, net, tmp_path):
    result = run(
        "inspect", "saliency", noise, "--net", net, "--point", "0.5,0.5", "--method",
        "guided-backprop", "--method", "grad-cam", "-o", f"{tmp_path}/out/", "--json",
        tmp_path / "out.json",
    )  # fmt: skip
    assert result.code == 0
    assert "person at 0.5,0.5" in result.err
    assert "grad-cam: rank correlation with shuffled weights " in result.err
    found = ["grad-cam.png", "guided-backprop.png", "overview.png"]
    assert names(tmp_path / "out") == found
    maps = json.loads((tmp_path / "out.json").read_text())["maps"]
    assert [one["method"] for one in maps] == ["guided-backprop", "grad-cam"]
    assert maps[0]["mask_area"] == pytest.approx(1 / (48 * 64))


def test_saliency_of_a_channel(run, noise, net, tmp_path):
    result = run(
        "inspect", "saliency", noise, "--net", net, "--layer", "contract.blocks.1", "--target",
        "energy", "--samples", "4", "-o", tmp_path / "a.png",
    )  # fmt: skip
    assert result.code == 0
    assert "energy of contract.blocks.1" in result.err
    assert PillowImage.open(tmp_path / "a.png").size[0] == 500


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "1"])
def test_odd_pictures(run, net, mode, tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (40, 36), dtype=np.uint8)
    picture = PillowImage.fromarray(levels).convert("L")
    if mode == "I;16":
        picture = PillowImage.fromarray(levels.astype(np.uint16) * 257)
    elif mode != "L":
        picture = picture.convert(mode)
    picture.save(tmp_path / "odd.png")
    asked = ("--net", net, "--layer", "score", "--parts", "maps,gram")
    assert run("inspect", "features", tmp_path / "odd.png", *asked).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("features", "--net", "vgg91", "--layer", "a"), "did you mean 'vgg19'"),
        (("features", "--net", "NET", "--layer", "scor"), "did you mean 'score'"),
        (("features", "--net", "NET"), "--layers lists them"),
        (("features", "--layer", "a", "--sort", "size"), "--sort takes energy or channel"),
        (("features", "--layer", "a", "--parts", "map"), "did you mean 'maps'"),
        (("features", "--layer", "a", "--parts", ","), "one or more of"),
        (("features", "--net", "NET", "--layer", "a", "--parts", "styles"), "of VGG-19"),
        (("features", "--net", "NET", "--layer", "score", "-o", "-"), "need a file or a folder"),
        (("saliency", "--net", "NET", "--target", "persno"), "did you mean 'person'"),
        (("saliency", "--net", "NET", "--method", "gradcam"), "did you mean 'grad-cam'"),
        (("saliency", "--net", "NET", "--point", "0.5"), "--point takes x,y"),
        (("saliency", "--net", "NET", "--point", "2,2"), "--point takes x,y from 0 to 1"),
        (("saliency", "--net", "NET", "--baseline", "white"), "mean, black or blur"),
        (("saliency", "--net", "NET", "--size", "16"), "32 pixels or more"),
        (("saliency", "--net", "gone.safetensors"), "there is no file gone.safetensors"),
    ],
)
def test_what_makes_no_sense(run, noise, net, arguments, words):
    kind, *rest = (str(net) if word == "NET" else word for word in arguments)
    result = run("inspect", kind, noise, *rest)
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert not noise.with_name(f"noise-{kind}.png").exists()
