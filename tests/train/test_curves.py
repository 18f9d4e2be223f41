"""Curves as pictures and as numbers."""

from __future__ import annotations

import csv
import math

import numpy as np
from PIL import Image as PillowImage

from sfumato.train import curves


def row(epoch, iou, **more):
    plain = {"epoch": epoch, "step": 10 * epoch, "rate": 0.1 / (epoch + 1), "loss": 1 / 3 + epoch}
    return plain | {"val_loss": 0.5, "iou": iou} | more


def test_figures_read_back_as_they_were(tmp_path):
    rows = [row(0.0, 0.1), row(1.0, 0.7)]
    curves.write_table(rows, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        back = [{k: float(v) for k, v in line.items()} for line in csv.DictReader(file)]
    assert back == rows
    assert (tmp_path / "a.csv").read_text().splitlines()[2].startswith("1,10,0.05,")


def test_a_picture_of_one_epoch_and_of_several_sets(tmp_path):
    curves.draw([row(0.0, 0.1)], tmp_path / "one.png")
    parts = {"iou/a": 0.5, "iou/b": math.nan}
    curves.draw([row(float(i), i / 9, **parts) for i in range(9)], tmp_path / "many.png", "t")
    one, many = (np.asarray(PillowImage.open(tmp_path / f"{n}.png")) for n in ("one", "many"))
    assert one.shape == many.shape
    assert (one != many).any()
