"""Whole trainings, short ones: what they leave, how they end, and how they go on."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorboard.compat
import torch
from PIL import Image as PillowImage

from sfumato.errors import UsageError
from sfumato.nets import segmenters
from sfumato.nets.segmenters import Segmenting
from sfumato.ops.onnx import session
from sfumato.train import loader, run
from sfumato.train import recipe as recipes
from sfumato.train.module import Training, score

from .small import recipe

NO_NORM = {
    "net": "fcn8s", "encoder": "vgg16", "options": {}, "epochs": 2, "optimizer": "sgd",
    "size": 32, "validation": ["synthetic:3:96"],
}  # fmt: skip
"""A net without batch norm: gradients of half batches add up to those of whole ones."""

DROPOUT = {
    "net": "deeplabv3plus", "encoder": "mobilenetv2", "options": {"width": 8, "rates": [1]},
    "average": 0.9, "accumulate": 2, "samples": 32,
}  # fmt: skip


def rows(result):
    """Figures of each epoch, but for what they took."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in result.course.rows]


def test_all_that_a_training_leaves(tmp_path):
    stands = []
    result = run.train(recipe(), tmp_path / "out", command="sfumato x", watch=stands.append)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == set(run.WRITTEN)
    # TensorFlow, where it is installed, is not loaded for the log.
    assert "tensorflow_stub" in tensorboard.compat.tf.io.gfile.__name__
    told = [stand.iou for stand in stands if stand.iou is not None]
    assert told == [row["iou"] for row in result.course.rows]
    assert [row["step"] for row in result.course.rows] == [4, 8, 12]
    with (result.folder / "metrics.csv").open() as file:
        assert [float(line["loss"]) for line in csv.DictReader(file)] == [
            row["loss"] for row in result.course.rows
        ]
    net = segmenters.load(result.net)
    assert net.class_names == ("background", "person")
    image = torch.rand(1, 3, 40, 56)
    (found,) = session(result.onnx, "cpu").run(None, {"image": image.numpy()})
    assert np.allclose(found, net(image).detach(), atol=1e-3)
    # The saved net is the best one: half precision moves few pixels.
    best = max(told)
    assert score(result.counts["synthetic:6:96"]) == pytest.approx(best, abs=0.02)
    card = (result.folder / "README.md").read_text()
    assert "sfumato x" in card
    assert "| synthetic:16:96 | train | 16 | 0 |" in card
    assert f"{score(result.counts['synthetic:6:96']):.4f}" in card
    sheets = sorted((result.folder / "predictions").iterdir())
    assert [sheet.name for sheet in sheets] == [f"epoch-00{n}.png" for n in (1, 2, 3)]
    assert np.asarray(PillowImage.open(sheets[0])).std() > 10
    assert recipes.read(str(result.folder / "recipe.json")) == recipe()


@pytest.mark.weights
@pytest.mark.parametrize("workers", [0, 1])
def test_painted_while_it_learns(tmp_path, workers):
    painted = {"augmentation": {"restyle": 0.5, "apart": 0.5}, "painting": {"styles": "waves"}}
    result = run.train(recipe(epochs=1, workers=workers, **painted), tmp_path / "painted")
    plain = run.train(recipe(epochs=1, workers=workers), tmp_path / "plain")
    assert rows(result)[0]["loss"] != rows(plain)[0]["loss"]


def test_a_folder_is_never_taken_over_unasked(tmp_path):
    once = recipe(epochs=1)
    run.train(once, tmp_path)
    with pytest.raises(UsageError, match="is not empty; give --resume"):
        run.train(once, tmp_path)
    with pytest.raises(UsageError, match="another one: rate differ"):
        run.train(recipe(epochs=1, rate=0.5), tmp_path, resume=True)
    with pytest.raises(UsageError, match="either --resume or --overwrite"):
        run.train(once, tmp_path, resume=True, overwrite=True)
    with pytest.raises(UsageError, match="no training to go on with"):
        run.train(once, tmp_path / "none", resume=True)
    (tmp_path / "mine.txt").write_text("kept")
    anew = run.train(recipe(epochs=1, rate=0.5), tmp_path, overwrite=True)
    assert len(anew.course.rows) == 1
    assert (tmp_path / "mine.txt").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        run.train(once, tmp_path / "file")


def test_more_epochs_go_on_from_the_last(tmp_path):
    first = run.train(recipe(epochs=1, schedule="constant"), tmp_path / "a")
    more = run.train(recipe(epochs=3, schedule="constant"), tmp_path / "a", resume=True)
    whole = run.train(recipe(epochs=3, schedule="constant"), tmp_path / "b")
    assert rows(more)[:1] == rows(first)
    assert rows(more) == rows(whole)
    again = run.train(recipe(epochs=3, schedule="constant"), tmp_path / "a", resume=True)
    assert rows(again) == rows(more)


KILLED = """
import os, signal
from pathlib import Path
from sfumato.train import recipe, run
from sfumato.train.module import Training

steps, plain = 0, Training.training_step

def step(self, batch, number):
    global steps
    steps += 1
    if steps == 13:  # eight batches an epoch: in the middle of the second
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, batch, number)

Training.training_step = step
run.train(recipe.read({recipe!r}), Path({out!r}))
"""


@pytest.mark.slow
def test_killed_and_resumed_has_the_same_curve(tmp_path):
    chosen = recipe(**DROPOUT)
    path = tmp_path / "chosen.json"
    path.write_text(chosen.model_dump_json())
    script = textwrap.dedent(KILLED).format(recipe=str(path), out=str(tmp_path / "killed"))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "killed" / run.NET).exists()
    resumed = run.train(chosen, tmp_path / "killed", resume=True)
    whole = run.train(chosen, tmp_path / "whole")
    assert len(rows(whole)) == 3
    for one, other in zip(rows(resumed), rows(whole), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert apart(last_weights(tmp_path / "killed"), last_weights(tmp_path / "whole")) < 1e-6


def test_an_interrupt_leaves_something_to_go_on_with(tmp_path):
    def interrupt(stand):
        if stand.iou is not None:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run.train(recipe(), tmp_path, watch=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(run.train(recipe(), tmp_path, resume=True).course.rows) == 3


ENDED = """
import os, signal
from pathlib import Path
from sfumato.errors import UsageError
from sfumato.train import recipe, run
from sfumato.train.module import Training

steps, plain = 0, Training.training_step

def step(self, batch, number):
    global steps
    steps += 1
    if steps == 3:
        {end}
    return plain(self, batch, number)

Training.training_step = step
try:
    run.train(recipe.read({recipe!r}), Path({out!r}))
except KeyboardInterrupt:
    print("interrupted")
except UsageError as error:
    print(error)
"""

WAIT = "[time.sleep(0.1) for _ in range(50)]"
GROUP = f"import time; os.system(f'kill -TERM -{{os.getpgrp()}}'); {WAIT}"
WORKER = f"import multiprocessing as m, time; m.active_children()[0].kill(); {WAIT}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM)", "interrupted"),
        (GROUP, "interrupted"),
        (WORKER, "a process that reads samples ended"),
    ],
)
def test_whatever_ends_it_is_said_in_a_sentence(tmp_path, end, said):
    path = tmp_path / "chosen.json"
    path.write_text(recipe(workers=1).model_dump_json())
    script = ENDED.format(end=end, recipe=str(path), out=str(tmp_path / "out"))
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, start_new_session=True
    )
    assert ended.stdout.startswith(said), ended.stderr


def last_weights(folder):
    return torch.load(folder / run.LAST, weights_only=True)["state_dict"]


def apart(one, other):
    """The largest difference of a number."""
    assert one.keys() == other.keys()
    return max((one[key].double() - other[key].double()).abs().max() for key in one)


class Plain(torch.nn.Module):
    """Two convolutions, no batch norm."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 2, 1)
        )

    def forward(self, x):
        return self.layers(x)


def test_small_batches_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(
        run, "begin", lambda _: Segmenting(Plain(), name="unet", options={}, classes=2)
    )
    found, courses = {}, {}
    for batch, accumulate in ((8, 1), (4, 2), (4, 1)):
        chosen = recipe(batch=batch, accumulate=accumulate, optimizer="sgd", rate=0.1)
        folder = tmp_path / f"{batch}x{accumulate}"
        folder.mkdir()
        sets = loader.open_sets(chosen)
        course = run.fit(run.begin_seeded(chosen, sets), sets, folder)
        found[batch, accumulate], courses[batch, accumulate] = last_weights(folder), course.rows
    assert [row["step"] for row in courses[4, 2]] == [2, 4, 6]
    assert courses[4, 2][-1]["loss"] == pytest.approx(courses[8, 1][-1]["loss"], abs=1e-6)
    assert apart(found[4, 2], found[8, 1]) < 1e-6
    assert apart(found[4, 1], found[8, 1]) > 1e-3


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(tmp_path):
    whole = run.train(recipe(**NO_NORM, batch=8, rate=1e-3), tmp_path / "a")
    pair = run.train(recipe(**NO_NORM, batch=4, devices=2, rate=1e-3), tmp_path / "b")
    for one, other in zip(rows(pair), rows(whole), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-5)
    assert apart(last_weights(tmp_path / "a"), last_weights(tmp_path / "b")) < 1e-5


def test_half_precision_learns_too(tmp_path):
    result = run.train(recipe(precision="bf16-mixed", epochs=6, data=["synthetic:32:96"]), tmp_path)
    losses = [row["loss"] for row in rows(result)]
    assert losses[-1] < 0.9 * losses[0]
    assert all(np.isfinite(losses))


def test_a_collapse_ends_it_if_asked(tmp_path):
    stands = []
    blind = recipe(class_weights=[1, 0], epochs=9, collapse="stop", collapse_checks=2)
    result = run.train(blind, tmp_path, watch=stands.append)
    assert len(rows(result)) < 9
    notes = [stand.note for stand in stands if stand.note]
    assert len(notes) == 1
    assert "'background' nearly everywhere" in notes[0]
    assert result.course.note == notes[0]
    assert "A collapse was seen" in (tmp_path / "README.md").read_text()


def test_patience_ends(tmp_path):
    result = run.train(recipe(rate=1e-12, epochs=9, patience=2), tmp_path)
    assert len(rows(result)) == 3
    again = run.train(recipe(rate=1e-12, epochs=9, patience=2), tmp_path, resume=True)
    assert len(rows(again)) == 3


def test_steps_are_rounded_up_to_epochs():
    assert run.planned_epochs(recipe(steps=9), 16) == 3
    assert run.planned_epochs(recipe(steps=8), 16) == 2
    assert run.planned_epochs(recipe(epochs=7), 16) == 7


def test_divergence_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "_loss", broken(Training._loss))
    with pytest.raises(UsageError, match="no number any more in epoch 1"):
        run.train(recipe(), tmp_path)


def broken(loss):
    def nan(self, net, batch):
        value, logits = loss(self, net, batch)
        return value * float("nan"), logits

    return nan


@pytest.mark.slow
def test_the_tiny_recipe_finds_the_people(tmp_path):
    result = run.train(recipes.read("tiny", {"device": "cpu"}), tmp_path)
    (counts,) = result.counts.values()
    assert score(counts) > 0.9
    assert result.course.note == ""
    assert result.net.stat().st_size < 5e6
