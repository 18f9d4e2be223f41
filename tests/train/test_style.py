"""Trainings of style nets, short ones: what they leave, how they end, and how they go on."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from sfumato import styles
from sfumato.errors import PictureError, UsageError
from sfumato.io import pictures
from sfumato.nets import transformer_net
from sfumato.nets.vgg import VGG19
from sfumato.ops.onnx import session
from sfumato.train import photos, previews, style, workspace
from sfumato.train.callbacks import Stand
from sfumato.train.style_module import best_round, factor
from sfumato.train.style_recipe import StyleRecipe, make

PLAIN = {
    "size": 32, "style_size": 32, "batch": 2, "steps": 6, "round": 2, "warmup": 1, "width": 4,
    "residuals": 1, "device": "cpu", "style_layers": ("relu1_1", "relu2_1"),
    "content_layer": "relu2_1",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Five photos and what is none."""
    made = tmp_path / "photos"
    made.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        coarse = PillowImage.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        coarse.resize((60, 44 + i)).save(made / f"{i}.png")
    (made / "notes.txt").write_text("no photo")
    return made


@pytest.fixture
def untrained(monkeypatch):
    """Features with random weights, so that none have to be fetched."""

    def load(_, *, layers):
        torch.manual_seed(7)
        return VGG19(layers=layers).eval().requires_grad_(False)

    monkeypatch.setattr(style.vgg, "load_normalised", load)
    monkeypatch.setattr(style.weights, "fetch", lambda name: name)


def recipe(folder, **changes):
    return make(PLAIN | {"style": "waves", "photos": (str(folder),)} | changes)


def rows(result):
    """Figures of each round, but for what they took."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in result.rows]


def test_all_that_a_training_leaves(folder, tmp_path, untrained):
    stands: list[Stand] = []
    shown = tuple(str(folder / name) for name in ("0.png", "3.png"))
    out = tmp_path / "out"
    chosen = recipe(folder, previews=shown)
    result = style.train(chosen, out, command="sfumato x", watch=stands.append)
    assert {path.name for path in out.iterdir()} == set(style.WRITTEN)
    assert [row["step"] for row in result.rows] == [2, 4, 6]
    assert [s.val_loss for s in stands if s.val_loss is not None] == [
        row["val_loss"] for row in result.rows
    ]
    for row in result.rows:
        parts = row["content"] + row["style"] + row["tv"]
        assert row["val_loss"] == pytest.approx(parts)
    with (out / "metrics.csv").open() as file:
        kept = [float(line["val_loss"]) for line in csv.DictReader(file)]
    assert kept == [row["val_loss"] for row in result.rows]
    assert result.best == best_round(result.rows)
    assert not result.interrupted
    net, image = transformer_net.load(result.net), torch.rand(1, 3, 40, 57)
    assert net.about["style"] == "waves"
    (found,) = session(result.onnx, "cpu").run(None, {"image": image.numpy()})
    with torch.no_grad():
        assert np.allclose(found, net(image), atol=1e-3)
    card = (out / "README.md").read_text()
    assert "sfumato x" in card
    assert f"step {result.rows[result.best]['step']:.0f}" in card
    assert "drawn by Sfumato's own code" in card
    assert StyleRecipe.model_validate_json((out / "recipe.json").read_text()) == chosen
    painted = sorted(path.name for path in (out / previews.FOLDER).iterdir())
    assert painted == [f"step-00000{n}.jpg" for n in (2, 4, 6)]
    strip = pictures.read(out / previews.STRIP).image
    assert strip.shape[1] > 4 * previews.TILE  # the photo and three paintings
    assert strip.shape[0] > 2 * previews.TILE


@pytest.mark.slow
@pytest.mark.weights
def test_the_loss_falls_and_colours_come_nearer(folder, tmp_path):
    chosen = recipe(folder, steps=60, round=15, warmup=15, content_weight=0.02, rate=1e-2)
    result = style.train(chosen, tmp_path / "out")
    assert result.rows[-1]["style"] < 0.9 * result.rows[0]["style"]
    assert result.rows[-1]["val_loss"] < 0.9 * result.rows[0]["val_loss"]
    photo = pictures.read(folder / "0.png").image
    painted = previews.paint(transformer_net.load(result.net), photo)
    aim = styles.resolve("waves").image.mean((0, 1))
    assert np.abs(painted.mean((0, 1)) - aim).sum() < np.abs(photo.mean((0, 1)) - aim).sum()


def test_first_it_learns_to_leave_photos_as_they_are(folder, tmp_path, untrained):
    chosen = recipe(folder, steps=40, round=20, warmup=40, rate=1e-2, batch=4)
    result = style.train(chosen, tmp_path / "out")
    assert result.rows[1]["loss"] < 0.95 * result.rows[0]["loss"]
    assert result.rows[1]["loss"] < 0.25  # mean distance to the photo; features differ by more


def test_a_folder_is_never_taken_over_unasked(folder, tmp_path, untrained):
    once, out = recipe(folder, steps=2), tmp_path / "out"
    style.train(once, out)
    with pytest.raises(UsageError, match="is not empty; give --resume"):
        style.train(once, out)
    with pytest.raises(UsageError, match="another one: style_weight differ"):
        style.train(recipe(folder, steps=2, style_weight=2), out, resume=True)
    with pytest.raises(UsageError, match="no training to go on with"):
        style.train(once, tmp_path / "none", resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "recipe.json").write_text('{"net": "unet"}')
    with pytest.raises(UsageError, match="is not the record of such a training"):
        style.train(once, tmp_path / "other", resume=True)
    (out / "mine.txt").write_text("kept")
    anew = style.train(recipe(folder, steps=2, style_weight=2), out, overwrite=True)
    assert len(anew.rows) == 1
    assert (out / "mine.txt").exists()


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"style": "wavs"}, UsageError, "did you mean 'waves'"),
        ({"style": "starry-night"}, UsageError, "training needs a style picture"),
        ({"photos": ("nowhere",)}, UsageError, "nowhere does not exist; --photos is a folder"),
        ({"photos": ("EMPTY",)}, UsageError, "there are no photos in"),
        ({"previews": ("gone.png",)}, PictureError, "gone.png"),
    ],
)
def test_what_makes_no_sense_leaves_nothing(folder, tmp_path, untrained, changes, error, said):
    if changes.get("photos") == ("EMPTY",):
        (tmp_path / "empty").mkdir()
        changes = {"photos": (str(tmp_path / "empty"),)}
    with pytest.raises(error, match=said):
        style.train(recipe(folder, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_recipes_are_checked(folder):
    for changes, said in (
        ({"stepz": 3}, "did you mean 'steps'"),
        ({"features": "vgg16"}, "features"),
        ({"style_layers": ["relu9_1"]}, "VGG-19 has no layer 'relu9_1'"),
        ({"content_weight": float("inf")}, "content_weight"),
    ):
        with pytest.raises(UsageError, match=said):
            recipe(folder, **changes)
    assert recipe(folder, steps=5, round=2).rounds == 3


def test_a_diverging_training_says_what_to_do(folder, tmp_path, untrained, monkeypatch):
    monkeypatch.setattr(style.Perceptual, "_style", lambda self, found: torch.tensor(torch.nan))
    with pytest.raises(UsageError, match="give --set rate=0.0003"):
        style.train(recipe(folder), tmp_path / "out")


def test_more_steps_go_on_from_the_last(folder, tmp_path, untrained, monkeypatch):
    monkeypatch.setattr("sfumato.train.style_module.factor", lambda step, total: 1.0)
    style.train(recipe(folder, steps=2), tmp_path / "a")
    more = style.train(recipe(folder, steps=6), tmp_path / "a", resume=True)
    whole = style.train(recipe(folder, steps=6), tmp_path / "b")
    assert rows(more) == rows(whole)
    strips = [pictures.read(tmp_path / x / previews.STRIP).image for x in "ab"]
    np.testing.assert_array_equal(*strips)
    again = style.train(recipe(folder, steps=6), tmp_path / "a", resume=True)
    assert rows(again) == rows(whole)


def test_an_interrupt_gives_the_best_so_far_and_goes_on(folder, tmp_path, untrained):
    def stop(stand):
        if stand.epoch > 2 and stand.val_loss is None:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    first = style.train(recipe(folder), tmp_path / "a", watch=stop)
    assert first.interrupted
    assert len(first.rows) == 2
    assert first.onnx.exists()
    assert signal.getsignal(signal.SIGINT) is before
    whole = style.train(recipe(folder), tmp_path / "b")
    assert rows(style.train(recipe(folder), tmp_path / "a", resume=True)) == rows(whole)


def test_an_interrupt_before_the_first_round_is_over_is_one(folder, tmp_path, untrained):
    def stop(stand):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        style.train(recipe(folder, round=4), tmp_path / "a", watch=stop)


KILLED = """
import os, signal
from pathlib import Path
from sfumato.train import style
from sfumato.train.style_module import StyleTraining
from sfumato.train.style_recipe import StyleRecipe

steps, plain = 0, StyleTraining.training_step

def step(self, batch, number):
    global steps
    steps += 1
    if steps == 4:  # in the middle of the second round
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, batch, number)

StyleTraining.training_step = step
style.train(StyleRecipe.model_validate_json(Path({recipe!r}).read_text()), Path({out!r}))
"""


@pytest.mark.slow
@pytest.mark.weights
def test_killed_and_resumed_has_the_same_curve(folder, tmp_path):
    chosen, path = recipe(folder), tmp_path / "chosen.json"
    path.write_text(chosen.model_dump_json())
    script = textwrap.dedent(KILLED).format(recipe=str(path), out=str(tmp_path / "killed"))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "killed" / workspace.NET).exists()
    resumed = style.train(chosen, tmp_path / "killed", resume=True)
    whole = style.train(chosen, tmp_path / "whole")
    for one, other in zip(rows(resumed), rows(whole), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    nets = [transformer_net.load(tmp_path / x / workspace.BEST) for x in ("killed", "whole")]
    for x, y in zip(*(net.state_dict().values() for net in nets), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-6)


def test_photos_by_their_place(folder):
    chosen = recipe(folder, size=40)
    learnt, held = photos.find(chosen)
    assert len(learnt) == 5  # too few to hold any back
    assert len(held) == 4
    squares = photos.Squares(learnt, chosen)
    assert squares[0, 1].shape == (3, 40, 40)
    assert squares[0, 1].dtype == torch.uint8
    assert torch.equal(squares[0, 1], photos.Squares(learnt, chosen)[0, 1])
    assert not torch.equal(squares[0, 1], squares[1, 1])
    (folder / "0.png").write_bytes((folder / "0.png").read_bytes()[:300])  # since it was listed
    assert len({squares[number, i].sum().item() for number in range(3) for i in range(4)}) > 8


def test_some_of_many_photos_are_held_back(folder):
    for i in range(40):
        (folder / f"more-{i}.png").write_bytes((folder / "0.png").read_bytes())
    learnt, held = photos.find(recipe(folder))
    assert (len(learnt), len(held)) == (41, photos.HELD)
    assert not set(learnt) & set(held)
    (folder / "split.json").write_text(json.dumps({"train": ["1", "2"], "val": ["3"]}))
    assert {path.stem for path in photos.find(recipe(folder))[0]} == {"1", "2"}
    assert {path.stem for path in photos.find(recipe(folder, split="val"))[0]} == {"3"}


def test_the_rate_falls_as_a_cosine():
    values = [factor(step, 100) for step in range(0, 101, 10)]
    assert values[0] == 1
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0.02)


def test_spread_keeps_the_last():
    paths = list(range(20))
    assert previews.spread(paths[:3], 7) == [0, 1, 2]
    assert previews.spread(paths, 4) == [4, 9, 14, 19]
