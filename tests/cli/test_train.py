"""``sfumato train``: options, what is said, and what is refused."""

from __future__ import annotations

import importlib.util
import json

import pytest
from PIL import Image as PillowImage

pytest.importorskip("lightning")

SMALL = (
    "--data", "synthetic:8:96", "--val", "synthetic:4:96", "--set", "size=32", "--set", "workers=0",
    "--set", "options.width=4", "--set", "device=cpu",
)  # fmt: skip


def test_a_training_is_told_in_lines(run, tmp_path):
    out = tmp_path / "out"
    result = run("train", "segmenter", "tiny", *SMALL, "--epochs", "2", "-o", out)
    assert (result.code, result.out) == (0, "")
    first, second, net, scores, card = result.err.splitlines()
    assert first.startswith("epoch 1/2  loss ")
    assert second.startswith("epoch 2/2  loss ")
    assert net.startswith(f"{out}/net.safetensors (")
    assert scores.startswith("  IoU: synthetic:4:96 0.")
    assert card == f"  card: {out}/README.md"
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe["options"] == {"width": 4}
    assert recipe["epochs"] == 2
    again = run("train", "segmenter", "tiny", *SMALL, "--epochs", "2", "-o", out)
    assert (again.code, "give --resume" in again.err) == (2, True)
    more = run("train", "segmenter", "tiny", *SMALL, "--epochs", "3", "-o", out, "--resume", "-q")
    assert (more.code, more.err) == (0, "")
    assert len((out / "metrics.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(("epoch", "said"), [(0, "interrupted"), (1, "--resume goes on in ")])
def test_an_interrupt_says_how_to_go_on(run, tmp_path, monkeypatch, epoch, said):
    def interrupt(_, stand):
        if stand.epoch > epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr("sfumato.cli.train._Watch.__call__", interrupt)
    result = run("train", "segmenter", "tiny", *SMALL, "--epochs", "2", "-o", tmp_path / "out")
    assert result.code == 130
    assert result.err.splitlines()[-1].startswith("interrupted")
    assert (said in result.err, "--resume" in result.err) == (True, epoch > 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tinny",), "did you mean 'tiny'"),
        (("tiny", "--set", "raet=1"), "did you mean 'rate'"),
        (("tiny", "--set", "rate"), "--set takes KEY=VALUE"),
        (("tiny", "--epochs", "0"), "recipe: epochs: "),
        (("tiny", "--data", "nowhere"), "nowhere does not exist"),
        (("tiny", "--set", "net=unett"), "did you mean 'unet'"),
        (("tiny", "--set", "loss=dise"), "did you mean 'dice'"),
        (("tiny", "--set", "start=imagenet"), "--set start=none"),
        (("tiny", "--set", "start=gone.safetensors"), "gone.safetensors does not exist"),
        (("paper4-fcn8s",), "give --data DIR"),
    ],
)
def test_what_makes_no_sense_is_said_and_leaves_nothing(run, tmp_path, arguments, words):
    result = run("train", "segmenter", *arguments, "-o", tmp_path / "out", "-q")
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_missing_extra_is_named(run, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "lightning" else found(name)
    )
    result = run("train", "segmenter", "tiny")
    assert (result.code, "pip install 'sfumato[train]'" in result.err) == (2, True)


@pytest.fixture
def untrained(monkeypatch):
    """VGG-19 with random weights, so that none have to be fetched."""
    from sfumato.nets.vgg import VGG19
    from sfumato.train import style

    monkeypatch.setattr(style.weights, "fetch", lambda name: name)
    monkeypatch.setattr(
        style.vgg,
        "load_normalised",
        lambda _, *, layers: VGG19(layers=layers).eval().requires_grad_(False),
    )


SMALL_STYLE = (
    "--size", "32", "--batch", "1", "--width", "4", "--set", "residuals=1", "--set", "round=2",
    "--set", "style_size=32", "--set", "device=cpu", "--set", 'style_layers=["relu1_1"]',
    "--set", "content_layer=relu1_1", "--set", "warmup=0",
)  # fmt: skip


def test_a_style_is_learnt_and_painted_with(run, tmp_path, untrained, astronaut_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(astronaut_path.read_bytes())
    out, painted = tmp_path / "out", tmp_path / "painted.png"
    training = ("train", "style", "waves", "--photos", tmp_path / "photos", *SMALL_STYLE, "-o", out)
    result = run(*training, "--steps", "4")
    assert (result.code, result.out) == (0, "")
    first, second, net, use, card = result.err.splitlines()
    assert first.startswith("step 2/4  loss ")
    assert second.startswith("step 4/4  loss ")
    assert "measured" in second
    assert net.startswith(f"{out}/net.safetensors (0.0 MB), the net of step ")
    assert use == f"  paint with it: sfumato paint PHOTO --style {out}/net.onnx"
    assert card == f"  card: {out}/README.md"
    again = run(*training, "--steps", "4")
    assert (again.code, "give --resume" in again.err) == (2, True)
    more = run(*training, "--steps", "6", "--resume", "-q")
    assert (more.code, more.err) == (0, "")
    assert len((out / "metrics.csv").read_text().splitlines()) == 4
    for file in ("net.onnx", "net.safetensors"):
        result = run(
            "paint",
            astronaut_path,
            "--style",
            out / file,
            "--size",
            "64",
            "-o",
            painted,
            "--overwrite",
        )
        assert result.code == 0, result.err
    assert painted.exists()


def test_an_interrupted_style_is_the_best_so_far(run, tmp_path, untrained, monkeypatch):
    def interrupt(_, stand):
        if stand.epoch > 1 and stand.val_loss is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("sfumato.cli.train._Watch.__call__", interrupt)
    PillowImage.new("RGB", (50, 40), (90, 120, 200)).save(tmp_path / "one.png")
    out = tmp_path / "out"
    result = run(
        "train", "style", "waves", "--photos", tmp_path / "one.png", *SMALL_STYLE, "-o", out
    )
    assert result.code == 130
    assert f"interrupted: this is the best so far; --resume goes on in {out}" in result.err
    assert (out / "net.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("wavs", "--photos", "."), "did you mean 'waves'"),
        (("waves", "--photos", "nowhere"), "nowhere does not exist"),
        (("waves", "--photos", ".", "--features", "vgg16"), "features"),
        (("waves", "--photos", ".", "--set", "raet=1"), "did you mean 'rate'"),
        (("waves", "--photos", ".", "--steps", "0"), "steps"),
        (("starry-night", "--photos", "."), "needs a style picture"),
    ],
)
def test_a_style_that_makes_no_sense(run, tmp_path, arguments, words):
    result = run("train", "style", *arguments, "-o", tmp_path / "out", "-q")
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
