"""``sfumato inspect clusters`` and ``sfumato inspect grabcut``: files, numbers, sentences."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.inspect import _figures

BOX = ("--box", "0.2,0.1,0.8,0.9")


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Figures of 500 pixels' width are drawn in a moment."""
    monkeypatch.setattr(_figures, "DPI", 50)


@pytest.fixture
def disc(tmp_path):
    """A grainy red disc on grainy green, as a file."""
    ys, xs = np.mgrid[:60, :80]
    inside = (ys - 30) ** 2 + (xs - 40) ** 2 < 18**2
    pixels = np.where(inside[..., None], (200, 60, 50), (60, 140, 80))
    pixels = pixels + np.random.default_rng(0).integers(-10, 10, pixels.shape)
    PillowImage.fromarray(pixels.astype(np.uint8)).save(tmp_path / "disc.png")
    return tmp_path / "disc.png"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_clusters_in_a_folder(run, disc, tmp_path):
    result = run(
        "inspect", "clusters", disc, "-k", "2..3", "--space", "rgb", "--position", "0.1",
        "-o", tmp_path / "out", "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert result.code == 0
    assert names(tmp_path / "out") == ["k2.png", "k3.png", "overview.png"]
    assert PillowImage.open(tmp_path / "out" / "k2.png").size[0] == 500
    record = json.loads((tmp_path / "out.json").read_text())
    assert (record["space"], record["position"], record["best"]) == ("rgb", 0.1, 2)
    assert [split["k"] for split in record["splits"]] == [2, 3]
    first = record["splits"][0]["clusters"][0]
    assert first["region"] == "cluster:1/2"
    assert first["share"] == pytest.approx(1 - np.pi * 18**2 / 4800, abs=0.02)
    assert result.err == f"{record['advice']}\n"
    assert record["advice"].endswith(
        "--region cluster:1/2 -O kmeans.space=rgb -O kmeans.position=0.1"
    )


def test_clusters_in_one_file_by_default(run, disc):
    result = run("inspect", "clusters", disc, "-k", "2", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    width, height = PillowImage.open(disc.with_name("disc-clusters.png")).size
    assert width == 500
    assert height > 500  # the overview, the curves and a sheet


def test_an_option_of_the_backend(run, disc, tmp_path):
    out, record = tmp_path / "a.png", tmp_path / "a.json"
    run("inspect", "clusters", disc, "-k", "2", "-O", "kmeans.space=rgb", "-o", out,
        "--json", record)  # fmt: skip
    assert json.loads(record.read_text())["space"] == "rgb"


def test_grabcut_in_a_folder_and_its_mask_as_a_region(run, disc, tmp_path):
    out, record = tmp_path / "out", tmp_path / "cut.json"
    result = run(
        "inspect", "grabcut", disc, *BOX, "--steps", "3", "-o", f"{out}/", "--json", record
    )
    assert result.code == 0
    assert names(out) == ["colours.png", "energy.png", "mask.png", "rounds.png"]
    assert f"--region 'file:\"{out / 'mask.png'}\"'" in result.err
    assert "--segmenter grabcut --region subject -O grabcut.box=0.2,0.1,0.8,0.9" in result.err
    numbers = json.loads(record.read_text())
    assert [one["round"] for one in numbers["rounds"]] == [1, 2, 3]
    assert numbers["mask"] == str(out / "mask.png")
    cut = tmp_path / "cut.png"
    assert run("cut", disc, "--region", f'file:"{out / "mask.png"}"', "-o", cut).code == 0
    alpha = np.asarray(PillowImage.open(cut))[..., 3]
    np.testing.assert_array_equal(alpha, np.asarray(PillowImage.open(out / "mask.png")))
    assert (alpha > 127).mean() == pytest.approx(np.pi * 18**2 / 4800, abs=0.02)


def test_grabcut_in_one_file_with_strokes(run, disc, tmp_path):
    result = run(
        "inspect", "grabcut", disc, *BOX, "--foreground", "18,8,25,8", "--background",
        "0.5,0.5", "--width", "3", "-o", tmp_path / "all.png",
    )  # fmt: skip
    assert result.code == 0
    assert "grabcut.box" not in result.err  # the segmenter knows no strokes
    mask = np.asarray(PillowImage.open(tmp_path / "all-mask.png"))
    assert (mask[8, 18:25] == 255).all()
    assert (mask[30, 40]) == 0
    assert PillowImage.open(tmp_path / "all.png").size[0] == 500


@pytest.mark.slow
def test_pictures_of_other_kinds(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 4), dtype=np.uint8)
    kinds = {
        "alpha.png": PillowImage.fromarray(noise),
        "grey.png": PillowImage.fromarray(noise[..., 0]),
        "deep.png": PillowImage.fromarray(noise[..., 0].astype(np.uint16) * 256),
    }
    for name, picture in kinds.items():
        picture.save(tmp_path / name)
        assert run("inspect", "clusters", tmp_path / name, "-k", "2").code == 0
        assert run("inspect", "grabcut", tmp_path / name, *BOX, "--steps", "1").code == 0
    PillowImage.new("RGB", (1, 1), "red").save(tmp_path / "dot.png")
    assert run("inspect", "clusters", tmp_path / "dot.png", "-k", "2").code == 0
    assert run("inspect", "grabcut", tmp_path / "dot.png", *BOX).code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("clusters", "PHOTO", "-k", "1..4"), "-k takes numbers of clusters from 2 to 16"),
        (("clusters", "PHOTO", "--space", "hsv"), "option kmeans.space"),
        (("clusters", "PHOTO", "--position", "9"), "option kmeans.position"),
        (("clusters", "PHOTO", "-O", "kmean.smooth=1"), "did you mean 'kmeans'"),
        (("clusters", "PHOTO", "-o", "PHOTO"), "is an input"),
        (("clusters", "PHOTO", "-o", "a.xyz"), "cannot write the picture format"),
        (("clusters", "PHOTO", "-o", "no/a.png"), "does not exist"),
        (("clusters", "PHOTO", "-o", "-"), "need a file or a folder"),
        (("clusters", "PHOTO", "-o", "a.png", "--json", "a.png"), "another part in this job"),
        (("clusters", "PHOTO", "-o", "a.png", "--json", "PHOTO"), "another part in this job"),
        (("clusters", "PHOTO", "-o", "PHOTO/a/"), "cannot be made"),
        (("clusters", "FOLDER"), "is a folder"),
        (("clusters", "gone.png"), "gone.png"),
        (("grabcut", "PHOTO"), "--box"),
        (("grabcut", "PHOTO", "--box", "1,2,3"), "x0,y0,x1,y1"),
        (("grabcut", "PHOTO", "--box", "0,0,1,1"), "whole picture"),
        (("grabcut", "PHOTO", "--box", "90,0,99,9"), "outside the picture"),
        (("grabcut", "PHOTO", *BOX, "--foreground", "1,2,3"), "a stroke takes pairs"),
        (("grabcut", "PHOTO", *BOX, "--background", "1,200"), "runs outside the picture"),
        (("grabcut", "PHOTO", *BOX, "--foreground", "1,2", "--width", "0"), "above 0"),
        (("grabcut", "PHOTO", *BOX, "--steps", "0"), "--steps"),
        (("grabcut", "PHOTO", *BOX, "-O", "grabcut.sise=9"), "did you mean 'size'"),
        (("grabcut", "PHOTO", *BOX, "-o", "a.png", "--json", "a-mask.png"), "another part"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_bad_usage_is_one_clear_sentence(run, photo, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    named = {"PHOTO": str(photo), "FOLDER": str(tmp_path), "PHOTO/a/": f"{photo}/a/"}
    result = run("inspect", *(named.get(a, a) for a in arguments))
    assert result.code == 2
    assert words in " ".join(result.err.split()).replace("│ ", "")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", [("clusters",), ("grabcut", *BOX)])
def test_keeps_what_is_there_unless_told(run, disc, command):
    kept = disc.with_name(f"disc-{command[0]}.png")
    kept.write_text("mine")
    name, *rest = command
    assert run("inspect", name, disc, *rest).code == 2
    assert kept.read_text() == "mine"
    assert run("inspect", name, disc, *rest, "--overwrite", "--quiet").code == 0
    assert PillowImage.open(kept).size[0] == 500


def test_one_colour(run, tmp_path):
    flat = tmp_path / "flat.png"
    PillowImage.new("RGB", (30, 20), "teal").save(flat)
    result = run("inspect", "clusters", flat)
    assert (result.code, result.err) == (
        0, "the picture shows one colour: there is nothing to split\n"
    )  # fmt: skip
    result = run("inspect", "grabcut", flat, *BOX)
    assert result.code == 2
    assert "one colour" in result.err
    assert not (tmp_path / "flat-grabcut.png").exists()
